//! Which key signs: the one that was named, the one that git is configured to
//! sign with, or the usual one.

use std::path::{Path, PathBuf};

use super::private::{self, KeyFile};
use super::{AgentSigner, PublicKey, SshError};
use crate::dsse::Signer;

/// What was said about the signing key; all of it is handed in.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyChoice<'a> {
    /// A key file named by the user for this command.
    pub explicit: Option<&'a Path>,
    /// The value of git's `user.signingKey`: a path, or a public key, with or
    /// without `key::` before it.
    pub signing_key: Option<&'a str>,
    /// The user's home folder.
    pub home: Option<&'a Path>,
    /// The socket of the ssh-agent, from `SSH_AUTH_SOCK`.
    pub agent: Option<&'a Path>,
}

/// Returns the signer that `choice` leads to.
///
/// The explicit file comes first, then `user.signingKey`, then
/// `~/.ssh/id_ed25519`. A file may hold a private key, or a public key whose
/// private half is in the agent or beside it (without `.pub`). An encrypted
/// private key is used through the agent.
///
/// # Errors
/// [`SshError`]; [`SshError::NoKey`] when nothing was named and the usual file
/// is missing.
pub fn select(choice: &KeyChoice<'_>) -> Result<Box<dyn Signer>, SshError> {
    if let Some(path) = choice.explicit {
        return from_file(path, choice.agent);
    }
    if let Some(value) = choice.signing_key {
        return from_setting(value.trim(), choice);
    }
    let path = choice
        .home
        .unwrap_or_else(|| Path::new("~"))
        .join(".ssh/id_ed25519");
    if path.exists() {
        from_file(&path, choice.agent)
    } else {
        Err(SshError::NoKey { path })
    }
}

fn from_setting(value: &str, choice: &KeyChoice<'_>) -> Result<Box<dyn Signer>, SshError> {
    let literal = value.strip_prefix("key::");
    if literal.is_some() || value.starts_with("ssh-") {
        let public = PublicKey::from_openssh(literal.unwrap_or(value))?;
        return from_agent(&public, choice.agent);
    }
    let path = match (value.strip_prefix("~/"), choice.home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(value),
    };
    if path.exists() {
        from_file(&path, choice.agent)
    } else {
        Err(SshError::Setting {
            value: value.to_owned(),
        })
    }
}

fn from_agent(public: &PublicKey, agent: Option<&Path>) -> Result<Box<dyn Signer>, SshError> {
    let Some(socket) = agent else {
        return Err(SshError::NotInAgent {
            fingerprint: public.fingerprint(),
        });
    };
    Ok(Box::new(AgentSigner::connect(socket, public)?))
}

fn from_file(path: &Path, agent: Option<&Path>) -> Result<Box<dyn Signer>, SshError> {
    if let Some(public) = read_public(path)? {
        let private = path.with_extension("");
        return match from_agent(&public, agent) {
            Err(_) if path.extension().is_some_and(|end| end == "pub") && private.exists() => {
                from_private(&private, agent)
            }
            found => found,
        };
    }
    from_private(path, agent)
}

fn from_private(path: &Path, agent: Option<&Path>) -> Result<Box<dyn Signer>, SshError> {
    match private::read(path)? {
        KeyFile::Open(signer) => Ok(signer),
        KeyFile::Encrypted(public) => from_agent(&public, agent).map_err(|_| SshError::Encrypted {
            path: path.to_owned(),
        }),
    }
}

/// Returns the public key in `path` when it is a public key file.
fn read_public(path: &Path) -> Result<Option<PublicKey>, SshError> {
    let bytes = std::fs::read(path).map_err(SshError::io("read", path))?;
    match std::str::from_utf8(&bytes) {
        Ok(text) if !text.starts_with("-----BEGIN") => PublicKey::from_openssh(text).map(Some),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::{FileSigner, generate};
    use crate::testing::{Agent, Scratch};
    use std::fs;

    #[test]
    fn the_named_key_then_the_configured_one_then_the_usual_one() {
        let scratch = Scratch::new();
        let home = scratch.path("");
        fs::create_dir(scratch.path(".ssh")).unwrap();
        let named = generate(&scratch.path("named"), "").unwrap();
        let configured = generate(&scratch.path("configured"), "").unwrap();
        let mut choice = KeyChoice {
            home: Some(&home),
            ..KeyChoice::default()
        };
        let error = select(&choice).unwrap_err();
        assert!(matches!(error, SshError::NoKey { .. }), "{error}");

        let usual = generate(&scratch.path(".ssh/id_ed25519"), "").unwrap();
        assert_eq!(select(&choice).unwrap().public_key(), usual.public_key());
        for value in ["~/configured", "~/configured.pub"] {
            choice.signing_key = Some(value);
            let signer = select(&choice).unwrap();
            assert_eq!(signer.public_key(), configured.public_key(), "{value}");
        }
        let path = scratch.path("named");
        choice.explicit = Some(&path);
        assert_eq!(select(&choice).unwrap().public_key(), named.public_key());
    }

    #[test]
    fn a_configured_key_that_is_no_key_says_so() {
        let choice = KeyChoice {
            signing_key: Some("0xDEADBEEF"),
            ..KeyChoice::default()
        };
        let error = select(&choice).unwrap_err();
        assert!(matches!(error, SshError::Setting { .. }), "{error}");
        let absent = KeyChoice {
            explicit: Some(Path::new("absent")),
            ..KeyChoice::default()
        };
        assert!(matches!(select(&absent), Err(SshError::Io { .. })));
    }

    #[test]
    fn the_agent_serves_encrypted_and_literal_keys() {
        let scratch = Scratch::new();
        let agent = Agent::start(&scratch);
        let path = scratch.ssh_keygen("key", "ed25519", "");
        let public = FileSigner::open(&path).unwrap().public_key().clone();
        let literal = public.to_openssh();
        let prefixed = format!("key::{literal} me@example.org");
        let settings = [literal.as_str(), prefixed.as_str()];
        for setting in settings {
            let choice = KeyChoice {
                signing_key: Some(setting),
                agent: Some(agent.socket()),
                ..KeyChoice::default()
            };
            let error = select(&choice).unwrap_err();
            assert!(matches!(error, SshError::NotInAgent { .. }), "{error}");
        }
        agent.add(&path);
        scratch.encrypt(&path, "secret");
        let by_file = KeyChoice {
            explicit: Some(&path),
            ..KeyChoice::default()
        };
        let error = select(&by_file).unwrap_err();
        assert!(matches!(error, SshError::Encrypted { .. }), "{error}");
        let with_agent = KeyChoice {
            agent: Some(agent.socket()),
            ..by_file
        };
        assert_eq!(select(&with_agent).unwrap().public_key(), &public);
        for setting in settings {
            let choice = KeyChoice {
                explicit: None,
                signing_key: Some(setting),
                ..with_agent
            };
            let signer = select(&choice).unwrap();
            let signature = signer.sign(b"x").unwrap();
            assert!(public.verifies(b"x", &signature));
        }
    }
}
