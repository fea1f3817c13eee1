//! SSHSIG: detached, armored signatures by SSH keys, as `ssh-keygen -Y sign`
//! makes them and git keeps them in signed commits.
//!
//! The namespace is part of what is signed, so a signature made for one purpose
//! is worth nothing for another. Git's is [`GIT`]; ours is [`ATTEST`].

use ssh_key::{Algorithm, HashAlg, LineEnding, Signature, SshSig};

use crate::dsse::{SignError, Signer};
use crate::ssh::{PublicKey, RawSignature, SshError};

/// The namespace of signed git commits and tags.
pub const GIT: &str = "git";

/// The namespace of attestations: what an allowed-signers line must permit for
/// its key to be believed about artifacts.
pub const ATTEST: &str = "attest@straylight.cx";

/// Signs `message`, and returns the armored signature, ending in a line break.
///
/// # Errors
/// [`SignError`] when the signer cannot sign.
///
/// # Panics
/// When `namespace` is empty, which the format forbids.
pub fn sign(signer: &dyn Signer, namespace: &str, message: &[u8]) -> Result<String, SignError> {
    let key = signer.public_key();
    let signed = SshSig::signed_data(namespace, HashAlg::Sha512, message)
        .expect("a namespace is a non-empty constant");
    let raw = signer.sign(&signed)?;
    let pem = Signature::new(Algorithm::Ed25519, raw.to_vec())
        .and_then(|signature| SshSig::new(key.to_key_data(), namespace, HashAlg::Sha512, signature))
        .and_then(|signature| signature.to_pem(LineEnding::LF))
        .map_err(|error| SignError::new(key, error))?;
    Ok(if pem.ends_with('\n') { pem } else { pem + "\n" })
}

/// Checks an armored signature of `message`, and returns the key that made it.
/// Whether that key is trusted is for the caller to judge.
///
/// # Errors
/// [`SshsigError`]: what is wrong with the signature.
pub fn verify(armored: &str, namespace: &str, message: &[u8]) -> Result<PublicKey, SshsigError> {
    let signature = SshSig::from_pem(armored.trim_ascii_end())
        .map_err(|error| SshsigError::Malformed(error.to_string()))?;
    if signature.namespace() != namespace {
        return Err(SshsigError::Namespace {
            found: signature.namespace().to_owned(),
            expected: namespace.to_owned(),
        });
    }
    if signature.version() != SshSig::VERSION || !signature.reserved().is_empty() {
        return Err(SshsigError::Malformed(
            "it is of another version".to_owned(),
        ));
    }
    let key = PublicKey::from_key_data(signature.public_key(), "the key that signed")?;
    let signed = SshSig::signed_data(namespace, signature.hash_alg(), message)
        .map_err(|error| SshsigError::Malformed(error.to_string()))?;
    let raw = RawSignature::try_from(signature.signature_bytes());
    match raw {
        Ok(raw) if signature.algorithm() == Algorithm::Ed25519 && key.verifies(&signed, &raw) => {
            Ok(key)
        }
        _ => Err(SshsigError::Bad {
            fingerprint: key.fingerprint(),
        }),
    }
}

/// A signature that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum SshsigError {
    /// The text is not an SSHSIG.
    #[error("not an SSH signature: {0}")]
    Malformed(String),
    /// The signature was made for another purpose.
    #[error("the signature is for the namespace `{found}`, not `{expected}`")]
    Namespace {
        /// The namespace in the signature.
        found: String,
        /// The one that was asked for.
        expected: String,
    },
    /// The key is of a type that is not supported.
    #[error(transparent)]
    Key(#[from] SshError),
    /// The signature does not verify.
    #[error("the signature by `{fingerprint}` does not verify: what it signs was changed")]
    Bad {
        /// The key in the signature.
        fingerprint: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::{FileSigner, generate};
    use crate::testing::{Agent, Scratch, feed};
    use std::ffi::OsStr;
    use std::path::Path;

    fn words<'a>(words: &[&'a str], paths: &[&'a Path]) -> Vec<&'a OsStr> {
        let mut arguments: Vec<&OsStr> = words.iter().map(|word| OsStr::new(*word)).collect();
        arguments.extend(paths.iter().map(|path| path.as_os_str()));
        arguments
    }

    #[test]
    fn ssh_keygen_accepts_ours_and_refuses_its_twin() {
        let scratch = Scratch::new();
        let signer = generate(&scratch.path("key"), "").unwrap();
        let allowed = format!("me@example.org {}\n", signer.public_key().to_openssh());
        let allowed = scratch.write("allowed", allowed);
        let armored = sign(&signer, ATTEST, b"message").unwrap();
        assert!(armored.ends_with("-----END SSH SIGNATURE-----\n"));
        let signature = scratch.write("sig", &armored);
        let verify = |message: &[u8], namespace: &str| {
            let fixed = [
                "-Y",
                "verify",
                "-I",
                "me@example.org",
                "-n",
                namespace,
                "-f",
            ];
            let mut arguments = words(&fixed, &[&allowed]);
            arguments.extend(words(&["-s"], &[&signature]));
            feed("ssh-keygen", arguments, message).status.success()
        };
        assert!(verify(b"message", ATTEST));
        assert!(!verify(b"massage", ATTEST));
        assert!(!verify(b"message", GIT));
    }

    #[test]
    fn those_of_ssh_keygen_verify() {
        let scratch = Scratch::new();
        let path = scratch.ssh_keygen("key", "ed25519", "");
        let key = FileSigner::open(&path).unwrap().public_key().clone();
        for hash in ["hashalg=sha512", "hashalg=sha256"] {
            let arguments = words(&["-Y", "sign", "-n", GIT, "-O", hash, "-f"], &[&path]);
            let output = feed("ssh-keygen", arguments, b"message");
            let armored = String::from_utf8(output.stdout).unwrap();
            assert_eq!(verify(&armored, GIT, b"message").unwrap(), key, "{hash}");
            assert!(verify(&armored, GIT, b"massage").is_err());
        }
    }

    #[test]
    fn an_agent_signs_the_same() {
        let scratch = Scratch::new();
        let agent = Agent::start(&scratch);
        let path = scratch.ssh_keygen("key", "ed25519", "");
        agent.add(&path);
        let file = FileSigner::open(&path).unwrap();
        let held = crate::ssh::AgentSigner::connect(agent.socket(), file.public_key()).unwrap();
        let by_agent = sign(&held, ATTEST, b"message").unwrap();
        assert_eq!(by_agent, sign(&file, ATTEST, b"message").unwrap());
    }

    #[test]
    fn every_tampered_twin_is_refused() {
        let scratch = Scratch::new();
        let signer = generate(&scratch.path("key"), "").unwrap();
        let armored = sign(&signer, GIT, b"message").unwrap();
        assert_eq!(
            verify(&armored, GIT, b"message").unwrap(),
            *signer.public_key()
        );
        assert!(matches!(
            verify(&armored, ATTEST, b"message"),
            Err(SshsigError::Namespace { .. })
        ));
        assert!(matches!(
            verify(&armored, GIT, b"massage"),
            Err(SshsigError::Bad { .. })
        ));
        // Any other digit in the armor changes what is signed, the key or the
        // signature, or is no signature at all.
        let body = armored.find('\n').unwrap()..armored.rfind("\n-----END").unwrap();
        for at in body.step_by(7) {
            let mut bytes = armored.clone().into_bytes();
            if bytes[at] == b'\n' {
                continue;
            }
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let twin = String::from_utf8(bytes).unwrap();
            if twin != armored {
                assert!(verify(&twin, GIT, b"message").is_err(), "digit {at}");
            }
        }
        assert!(verify("", GIT, b"message").is_err());
    }
}
