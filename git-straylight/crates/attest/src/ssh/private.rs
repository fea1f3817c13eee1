//! Private key files: `openssh-key-v1`, unencrypted, readable by their owner only.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer as _, SigningKey};
use ssh_key::LineEnding;
use ssh_key::private::{Ed25519Keypair, KeypairData, PrivateKey};

use super::{PublicKey, RawSignature, SshError};
use crate::dsse::{SignError, Signer};

/// A signer whose private key was read from a file.
pub struct FileSigner {
    public: PublicKey,
    key: SigningKey,
}

/// What a file with a private key holds.
pub(super) enum KeyFile {
    /// A key ready for use.
    Open(Box<FileSigner>),
    /// A key behind a passphrase; its public half is not.
    Encrypted(PublicKey),
}

impl FileSigner {
    /// Reads the private key in the file `path`.
    ///
    /// # Errors
    /// [`SshError::Encrypted`] when it needs a passphrase, [`SshError::Readable`]
    /// when others may read it, [`SshError::Io`], [`SshError::Algorithm`] and
    /// [`SshError::Malformed`] when it cannot be read.
    pub fn open(path: &Path) -> Result<Self, SshError> {
        match read(path)? {
            KeyFile::Open(signer) => Ok(*signer),
            KeyFile::Encrypted(_) => Err(SshError::Encrypted {
                path: path.to_owned(),
            }),
        }
    }

    fn from_keypair(keypair: &Ed25519Keypair) -> Result<Self, SshError> {
        let key = SigningKey::from(&keypair.private);
        let public = PublicKey::from_raw(key.verifying_key().as_bytes())?;
        Ok(Self { public, key })
    }
}

impl Signer for FileSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<RawSignature, SignError> {
        Ok(self.key.sign(message).to_bytes())
    }
}

impl fmt::Debug for FileSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The private half must never reach a log.
        f.debug_struct("FileSigner")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// Reads the key file `path`, encrypted or not.
pub(super) fn read(path: &Path) -> Result<KeyFile, SshError> {
    let metadata = fs::metadata(path).map_err(SshError::io("read", path))?;
    let mode = metadata.mode() & 0o7777;
    // As OpenSSH: a file of somebody else's is their business.
    if metadata.uid() == rustix::process::getuid().as_raw() && mode & 0o077 != 0 {
        return Err(SshError::Readable {
            path: path.to_owned(),
            mode,
        });
    }
    let pem = fs::read(path).map_err(SshError::io("read", path))?;
    parse(&pem, path)
}

fn parse(pem: &[u8], path: &Path) -> Result<KeyFile, SshError> {
    let origin = format!("`{}`", path.display());
    let key = PrivateKey::from_openssh(pem).map_err(|_| SshError::Malformed {
        origin: origin.clone(),
        reason: "it does not hold a private key in OpenSSH's format",
    })?;
    if key.is_encrypted() {
        let public = PublicKey::from_key_data(key.public_key().key_data(), &origin)?;
        return Ok(KeyFile::Encrypted(public));
    }
    let keypair = key
        .key_data()
        .ed25519()
        .ok_or_else(|| SshError::Algorithm {
            origin: origin.clone(),
            algorithm: key.algorithm().to_string(),
        })?;
    let signer = FileSigner::from_keypair(keypair)?;
    Ok(KeyFile::Open(Box::new(signer)))
}

/// Makes a new key: the private half in `path` with mode 0600, the public half
/// beside it in `<path>.pub`. An existing file is never replaced.
///
/// # Errors
/// [`SshError::Exists`] when either file is there, [`SshError::Io`] when one
/// cannot be written, [`SshError::Random`] without random bytes.
pub fn generate(path: &Path, comment: &str) -> Result<FileSigner, SshError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| SshError::Random(error.to_string()))?;
    let keypair = Ed25519Keypair::from_seed(&seed);
    // The comment is one line of the public file.
    let comment = comment.replace(['\n', '\r', '\0'], " ");
    let signer = FileSigner::from_keypair(&keypair)?;
    let private = PrivateKey::new(KeypairData::Ed25519(keypair), comment.as_str())
        .and_then(|key| key.to_openssh(LineEnding::LF))
        .expect("a key that was just made is unencrypted and encodes");
    let public = format!("{} {comment}\n", signer.public.to_openssh());

    let public_path = public_path(path);
    if public_path.exists() {
        return Err(SshError::Exists { path: public_path });
    }
    write_new(path, private.as_bytes(), 0o600)?;
    write_new(&public_path, public.as_bytes(), 0o644)?;
    Ok(signer)
}

fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), SshError> {
    let opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path);
    let mut file = match opened {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(SshError::Exists {
                path: path.to_owned(),
            });
        }
        opened => opened.map_err(SshError::io("create", path))?,
    };
    file.write_all(bytes).map_err(SshError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scratch, run};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_generated_key_is_one_that_ssh_keygen_reads() {
        let scratch = Scratch::new();
        let path = scratch.path("key");
        let signer = generate(&path, "me@example.org").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);

        let derived = run(
            "ssh-keygen",
            ["-y".as_ref(), "-f".as_ref(), path.as_os_str()],
        );
        let expected = format!("{} me@example.org\n", signer.public_key().to_openssh());
        assert_eq!(derived, expected);
        let public = fs::read_to_string(scratch.path("key.pub")).unwrap();
        assert_eq!(public, expected);
        let listed = run(
            "ssh-keygen",
            ["-l".as_ref(), "-f".as_ref(), path.as_os_str()],
        );
        assert!(
            listed.contains(&signer.public_key().fingerprint()),
            "{listed}"
        );
        let again = FileSigner::open(&path).unwrap();
        assert_eq!(again.public_key(), signer.public_key());
    }

    #[test]
    fn generating_replaces_no_file() {
        let scratch = Scratch::new();
        let path = scratch.path("key");
        generate(&path, "").unwrap();
        let before = fs::read(&path).unwrap();
        assert!(matches!(generate(&path, ""), Err(SshError::Exists { .. })));
        fs::remove_file(scratch.path("key.pub")).unwrap();
        assert!(matches!(generate(&path, ""), Err(SshError::Exists { .. })));
        assert_eq!(fs::read(&path).unwrap(), before);
        fs::write(scratch.path("other.pub"), b"mine").unwrap();
        assert!(generate(&scratch.path("other"), "").is_err());
        assert!(!scratch.path("other").exists());
    }

    #[test]
    fn keys_of_ssh_keygen_are_read_and_sign() {
        let scratch = Scratch::new();
        let path = scratch.ssh_keygen("key", "ed25519", "");
        let signer = FileSigner::open(&path).unwrap();
        let signature = signer.sign(b"message").unwrap();
        assert!(signer.public_key().verifies(b"message", &signature));
        assert!(!signer.public_key().verifies(b"massage", &signature));
    }

    #[test]
    fn what_is_not_a_usable_key_says_why() {
        let scratch = Scratch::new();
        let encrypted = scratch.ssh_keygen("encrypted", "ed25519", "secret");
        let error = FileSigner::open(&encrypted).unwrap_err();
        assert!(matches!(error, SshError::Encrypted { .. }));
        assert!(error.to_string().contains("ssh-add"), "{error}");

        let ecdsa = scratch.ssh_keygen("ecdsa", "ecdsa", "");
        let error = FileSigner::open(&ecdsa).unwrap_err();
        assert!(error.to_string().contains("ecdsa-sha2-nistp256"), "{error}");

        let key = scratch.ssh_keygen("key", "ed25519", "");
        let mut bytes = fs::read(&key).unwrap();
        bytes[100] = if bytes[100] == b'A' { b'B' } else { b'A' };
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&key, &bytes).unwrap();
        assert!(FileSigner::open(&key).is_err(), "a damaged key");

        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        let error = FileSigner::open(&key).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
        assert!(matches!(
            FileSigner::open(&scratch.path("absent")),
            Err(SshError::Io { .. })
        ));
    }

    #[test]
    fn debug_output_hides_the_private_half() {
        let scratch = Scratch::new();
        let signer = generate(&scratch.path("key"), "").unwrap();
        let shown = format!("{signer:?}");
        assert_eq!(
            shown,
            format!("FileSigner {{ public: {}, .. }}", signer.public_key())
        );
    }
}
