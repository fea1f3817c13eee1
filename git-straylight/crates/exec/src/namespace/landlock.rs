//! Which files a command may reach: the mounts say it, and Landlock says it again.
//!
//! Everything can be read and run; the folders of outputs and `/tmp` can be written,
//! and the devices used. It also keeps signals and abstract sockets inside. What an
//! older kernel does not know of is left out.

use std::io;
use std::os::fd::AsFd as _;

use rustix::fs::{Mode, OFlags, open};

use super::sys;

const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
/// The first right that each version does not know, by version.
const RIGHTS_END: [u64; 6] = [0, 1 << 13, 1 << 14, 1 << 15, 1 << 15, 1 << 16];
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEV: u64 = 1 << 15;

const READING: u64 = EXECUTE | READ_FILE | READ_DIR;
const DEVICES: u64 = READ_FILE | WRITE_FILE | READ_DIR | TRUNCATE | IOCTL_DEV;

/// Abstract sockets and signals, since version 6.
const SCOPES: u64 = 0b11;

/// Keeps this process, and all that it starts, to what is said above. `writable` are
/// folders in `/build`.
pub(super) fn restrict(version: u32, writable: &[String]) -> io::Result<()> {
    let last = RIGHTS_END.len() - 1;
    let all = RIGHTS_END[last.min(version as usize)] - 1;
    let rules = sys::landlock_ruleset(all, if version >= 6 { SCOPES } else { 0 })?;
    let grant = |path: &str, rights: u64| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = open(path, flags, Mode::empty())?;
        sys::landlock_allow(rules.as_fd(), folder.as_fd(), rights & all)
    };
    grant("/", READING)?;
    grant("/dev", DEVICES)?;
    grant("/tmp", all)?;
    for folder in writable {
        grant(&format!("/build/{folder}"), all)?;
    }
    sys::landlock_restrict(rules.as_fd())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn only_what_is_granted_can_be_written() {
        let version = sys::landlock_version();
        if version == 0 {
            // Nothing is said to be enforced then; see `Walls`.
            assert!(restrict(version, &[]).is_err());
            return;
        }
        // Not below `/tmp`, which is granted.
        let outside = tempfile::Builder::new()
            .tempdir_in("/var/tmp")
            .expect("a folder");
        let path = outside.path().to_owned();
        fs::write(path.join("old"), "old").expect("not restricted yet");
        // The rules are for this thread alone.
        let restricted = std::thread::spawn(move || {
            rustix::thread::set_no_new_privs(true)?;
            restrict(version, &[])?;
            let refused = File::create(path.join("new")).map_err(|error| error.kind());
            assert_eq!(refused.err(), Some(io::ErrorKind::PermissionDenied));
            assert_eq!(fs::read(path.join("old"))?, b"old");
            let inside = tempfile::Builder::new().tempfile_in("/tmp")?;
            fs::write(inside.path(), "inside")?;
            File::options().write(true).truncate(true).open("/dev/null")
        });
        restricted
            .join()
            .expect("no panic")
            .expect("what is granted works");
    }
}
