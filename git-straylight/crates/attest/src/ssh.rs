//! Identity: ed25519 keys, in OpenSSH's formats.
//!
//! A public key is known by its fingerprint, `SHA256:` and the unpadded base64
//! of the sha256 over its wire form, as `ssh-keygen -l` prints it. A key that
//! signs lives in an unencrypted private key file ([`FileSigner`]) or in a
//! running ssh-agent ([`AgentSigner`]); [`select`] finds the one to use.
//!
//! This module never asks for a passphrase, never prints, and reads neither the
//! environment nor git's configuration: paths and settings are handed in.
//! Signatures are verified with the strict rules of ed25519 (no small-order
//! points, canonical encodings only).

mod agent;
mod private;
mod select;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, BASE64_NOPAD};
use ed25519_dalek::VerifyingKey;
use ssh_key::public::{Ed25519PublicKey, KeyData};
use straylight_odb::Sha256;

pub use agent::AgentSigner;
pub use private::{FileSigner, generate};
pub use select::{KeyChoice, select};

/// The name of the one key type that signs here.
pub const ALGORITHM: &str = "ssh-ed25519";

/// The raw bytes of an ed25519 signature.
pub type RawSignature = [u8; 64];

/// The bytes before the key in the SubjectPublicKeyInfo form of RFC 8410.
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// An ed25519 public key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Returns the key with these 32 raw bytes.
    ///
    /// # Errors
    /// [`SshError::Malformed`] when they are not a point of the curve, or one
    /// of the few weak points under which anybody can sign.
    pub fn from_raw(raw: &[u8; 32]) -> Result<Self, SshError> {
        let key = VerifyingKey::from_bytes(raw).map_err(|_| malformed("not a curve point"))?;
        if key.is_weak() {
            return Err(malformed("a weak key, under which anybody can sign"));
        }
        Ok(Self(key))
    }

    /// Parses `ssh-ed25519 <base64> [comment]`.
    ///
    /// # Errors
    /// [`SshError::Algorithm`] for another key type, [`SshError::Malformed`]
    /// for a text that is not a public key.
    pub fn from_openssh(text: &str) -> Result<Self, SshError> {
        let mut words = text.split_ascii_whitespace();
        let algorithm = words.next().unwrap_or_default();
        if algorithm != ALGORITHM {
            return Err(SshError::Algorithm {
                origin: "a public key".to_owned(),
                algorithm: algorithm.to_owned(),
            });
        }
        let base64 = words.next().unwrap_or_default();
        let blob = BASE64
            .decode(base64.as_bytes())
            .map_err(|_| malformed("the key is not base64"))?;
        Self::from_blob(&blob)
    }

    /// Parses the wire form: the key type and the key, each after its length.
    ///
    /// # Errors
    /// As [`PublicKey::from_openssh`].
    pub fn from_blob(blob: &[u8]) -> Result<Self, SshError> {
        let key = ssh_key::PublicKey::from_bytes(blob)
            .map_err(|_| malformed("the key is cut short or has bytes to spare"))?;
        Self::from_key_data(key.key_data(), "a public key")
    }

    pub(crate) fn from_key_data(key: &KeyData, origin: &str) -> Result<Self, SshError> {
        match key.ed25519() {
            Some(key) => Self::from_raw(&key.0),
            None => Err(SshError::Algorithm {
                origin: origin.to_owned(),
                algorithm: key.algorithm().to_string(),
            }),
        }
    }

    pub(crate) fn to_key_data(&self) -> KeyData {
        KeyData::Ed25519(Ed25519PublicKey(*self.as_raw()))
    }

    /// Returns the 32 raw bytes.
    #[must_use]
    pub fn as_raw(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Returns the wire form.
    #[must_use]
    pub fn to_blob(&self) -> Vec<u8> {
        let mut blob = Vec::with_capacity(51);
        put_string(&mut blob, ALGORITHM.as_bytes());
        put_string(&mut blob, self.as_raw());
        blob
    }

    /// Returns `ssh-ed25519 <base64>`, the form of `.pub` and allowed-signers files.
    #[must_use]
    pub fn to_openssh(&self) -> String {
        format!("{ALGORITHM} {}", BASE64.encode(&self.to_blob()))
    }

    /// Returns the PEM form that `openssl` and other tools read (RFC 8410).
    #[must_use]
    pub fn to_pem(&self) -> String {
        let mut der = SPKI_PREFIX.to_vec();
        der.extend(self.as_raw());
        let base64 = BASE64.encode(&der);
        format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n")
    }

    /// Returns `SHA256:…`, as `ssh-keygen -l` prints it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let sha256 = Sha256::of(&self.to_blob());
        format!("SHA256:{}", BASE64_NOPAD.encode(sha256.as_raw()))
    }

    /// Returns whether `signature` is this key's signature of `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &RawSignature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.0.verify_strict(message, &signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Appends `bytes` after their length, as the SSH protocols write a string.
fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("what is signed fits in memory many times over");
    out.extend(length.to_be_bytes());
    out.extend(bytes);
}

fn malformed(reason: &'static str) -> SshError {
    SshError::Malformed {
        origin: "a public key".to_owned(),
        reason,
    }
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// An operation on a file failed.
    #[error("cannot {action} `{path}`: {source}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A private key needs a passphrase, and no agent holds it.
    #[error(
        "the key `{path}` is encrypted and no ssh-agent holds it: run `eval $(ssh-agent)` if no \
         agent runs, then `ssh-add {path}`",
        path = path.display()
    )]
    Encrypted {
        /// The key file.
        path: PathBuf,
    },
    /// Other users of the machine may read a private key.
    #[error(
        "the private key `{path}` may be read by others (mode {mode:04o}): run `chmod 600 {path}`",
        path = path.display()
    )]
    Readable {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A key of a type that does not sign here.
    #[error(
        "{origin} has the type `{algorithm}`: only `ssh-ed25519` keys are supported, make one with \
         `ssh-keygen -t ed25519`"
    )]
    Algorithm {
        /// Where the key came from.
        origin: String,
        /// Its type.
        algorithm: String,
    },
    /// A file or text that is not a key.
    #[error("{origin} is not an OpenSSH key: {reason}")]
    Malformed {
        /// Where the text came from.
        origin: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The agent holds no such key.
    #[error("no ssh-agent holds the key `{fingerprint}`: run `ssh-add` with its private key file")]
    NotInAgent {
        /// The key's fingerprint.
        fingerprint: String,
    },
    /// The agent refused, or answered something else.
    #[error("the ssh-agent at `{socket}` {problem}", socket = socket.display())]
    Agent {
        /// The agent's socket.
        socket: PathBuf,
        /// What it did.
        problem: &'static str,
    },
    /// No key was named, and none is in the usual place.
    #[error(
        "no signing key: `{path}` does not exist; make it with `git straylight key generate \
         {path}`, or name one with `git config user.signingKey <path>`",
        path = path.display()
    )]
    NoKey {
        /// The usual place.
        path: PathBuf,
    },
    /// The configured key is neither a file nor a public key.
    #[error(
        "`user.signingKey` is `{value}`, which is neither a key file nor a `ssh-ed25519` public key"
    )]
    Setting {
        /// The configured value.
        value: String,
    },
    /// A new key would replace a file.
    #[error("`{path}` exists already, and is kept: choose another path", path = path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no random bytes.
    #[error("cannot get random bytes for a new key: {0}")]
    Random(String),
}

impl SshError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The first test vector of RFC 8032, section 7.1.
    const RAW: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    fn key() -> PublicKey {
        let raw = data_encoding::HEXLOWER.decode(RAW.as_bytes()).unwrap();
        PublicKey::from_raw(&raw.try_into().unwrap()).unwrap()
    }

    #[test]
    fn every_text_form_reads_back() {
        let key = key();
        assert_eq!(PublicKey::from_blob(&key.to_blob()).unwrap(), key);
        let text = format!("{} me@example.org\n", key.to_openssh());
        assert_eq!(PublicKey::from_openssh(&text).unwrap(), key);
    }

    #[test]
    fn other_types_and_damage_are_refused() {
        let blob = key().to_blob();
        for cut in [0, 4, 15, blob.len() - 1] {
            assert!(PublicKey::from_blob(&blob[..cut]).is_err(), "{cut}");
        }
        let mut longer = blob.clone();
        longer.push(0);
        assert!(PublicKey::from_blob(&longer).is_err());
        let renamed = key().to_openssh().replace(ALGORITHM, "ssh-rsa");
        assert!(matches!(
            PublicKey::from_openssh(&renamed),
            Err(SshError::Algorithm { .. })
        ));
        assert!(PublicKey::from_openssh("").is_err());
        // The identity point: every message has a signature under it.
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(PublicKey::from_raw(&identity).is_err());
    }

    #[test]
    fn verifies_the_rfc_vector_and_no_other() {
        let signature = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590\
                         a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
        let raw = data_encoding::HEXLOWER
            .decode(signature.as_bytes())
            .unwrap();
        let signature: RawSignature = raw.try_into().unwrap();
        assert!(key().verifies(b"", &signature));
        assert!(!key().verifies(b"x", &signature));
        for byte in 0..64 {
            let mut tampered = signature;
            tampered[byte] ^= 1;
            assert!(!key().verifies(b"", &tampered), "byte {byte}");
        }
    }
}
