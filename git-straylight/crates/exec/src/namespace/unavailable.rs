//! Why a machine does not let a user make namespaces, and how to allow it.

use std::fs;
use std::io;

use crate::error::ExecError;

/// A switch of the kernel that forbids namespaces, and the value that does.
struct Switch {
    path: &'static str,
    forbids: &'static str,
    cure: &'static str,
}

const SWITCHES: [Switch; 3] = [
    Switch {
        path: "/proc/sys/user/max_user_namespaces",
        forbids: "0",
        cure: "sysctl -w user.max_user_namespaces=16384",
    },
    Switch {
        path: "/proc/sys/kernel/unprivileged_userns_clone",
        forbids: "0",
        cure: "sysctl -w kernel.unprivileged_userns_clone=1",
    },
    Switch {
        path: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        forbids: "1",
        cure: "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 \
               (or an AppArmor profile with `userns,` for this program)",
    },
];

/// Explains the failure of a step on the way into the namespaces.
pub(super) fn explain(step: &str, errno: i32) -> ExecError {
    let error = io::Error::from_raw_os_error(errno);
    let set = |switch: &&Switch| {
        fs::read_to_string(switch.path).is_ok_and(|value| value.trim() == switch.forbids)
    };
    let cure = match (SWITCHES.iter().find(set), errno) {
        (Some(switch), _) => format!("as root: `{}`", switch.cure),
        (None, libc::ENOSYS) => "Linux 5.12 or later is needed".to_owned(),
        (None, libc::ENOSPC | libc::EUSERS) => {
            "too many namespaces are in use: raise `sysctl user.max_user_namespaces`".to_owned()
        }
        (None, _) => "if this is a container, allow it user namespaces and mounts \
                      (docker: `--security-opt seccomp=unconfined \
                      --security-opt systempaths=unconfined`)"
            .to_owned(),
    };
    ExecError::NamespacesUnavailable {
        reason: format!("the kernel refused to {step}: {error}"),
        cure: format!("{cure}; or build without a sandbox: `--isolation none`"),
    }
}
