//! What a client asks for: one command line, as sshd hands it on.
//!
//! `SSH_ORIGINAL_COMMAND` is text that a stranger wrote and that no shell may
//! see. Git sends `git-upload-pack '/name.git'`; exactly that is understood,
//! also without the slash or the `.git`, and nothing else.

use straylight_odb::layout;

/// A request that can be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A clone or a fetch of the repository of this name.
    UploadPack(String),
}

/// A request that is refused. The text is for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No command: a person wants a shell.
    #[error("this account serves git, and has no shell; try `git clone`")]
    Shell,
    /// A push.
    #[error("pushing is not supported yet: this server is read-only")]
    Push,
    /// Something else.
    #[error("this account runs `git-upload-pack` for clones and fetches, and nothing else")]
    Command,
    /// The name is no name of a repository.
    #[error("there can be no repository of that name: use letters, digits, `.`, `_`, `-` and `/`")]
    Name,
}

impl Request {
    /// Parses the command that a client sent.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn parse(command: &str) -> Result<Self, RequestError> {
        if command.is_empty() {
            return Err(RequestError::Shell);
        }
        // Git also knows the spelling with a blank: `git upload-pack`.
        let command = command.strip_prefix("git ").map_or_else(
            || command.to_owned(),
            |subcommand| format!("git-{subcommand}"),
        );
        match command.split_once(' ') {
            Some(("git-upload-pack", path)) => repository(path).map(Self::UploadPack),
            Some(("git-receive-pack", _)) => Err(RequestError::Push),
            _ => Err(RequestError::Command),
        }
    }
}

/// Returns the repository that a quoted path names.
///
/// Git always quotes with single quotes. A name needs no escape inside of them,
/// so none is understood.
fn repository(path: &str) -> Result<String, RequestError> {
    let path = path
        .strip_prefix('\'')
        .and_then(|path| path.strip_suffix('\''))
        .ok_or(RequestError::Command)?;
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let name = path.strip_suffix(".git").unwrap_or(path);
    if layout::is_repository_name(name) {
        Ok(name.to_owned())
    } else {
        Err(RequestError::Name)
    }
}

/// Returns whether `version` is a value of `GIT_PROTOCOL` that git may see:
/// `version=2`, or several such words with colons between them.
#[must_use]
pub fn is_protocol(version: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'=';
    version.len() <= 64 && version.bytes().all(|byte| known(byte) || byte == b':')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn understands_what_git_sends() {
        for (command, name) in [
            ("git-upload-pack '/lua.git'", "lua"),
            ("git-upload-pack 'lua'", "lua"),
            ("git upload-pack '/team/tool-2.git/'", "team/tool-2"),
        ] {
            let expected = Request::UploadPack(name.to_owned());
            assert_eq!(Request::parse(command), Ok(expected), "{command}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        use RequestError::{Command, Name, Push, Shell};
        for (command, error) in [
            ("", Shell),
            ("git-receive-pack '/lua.git'", Push),
            ("git receive-pack 'lua'", Push),
            ("git-upload-archive 'lua'", Command),
            ("git-upload-pack", Command),
            ("git-upload-pack lua", Command),
            ("git-upload-pack 'lua", Command),
            ("git-upload-pack \"lua\"", Command),
            ("git-upload-pack 'lua' --strict", Command),
            ("git-upload-pack 'lua'; id", Command),
            ("git-upload-pack  'lua'", Command),
            ("GIT-UPLOAD-PACK 'lua'", Command),
            ("git git-upload-pack 'lua'", Command),
            ("scp -t /", Command),
            ("git-upload-pack '--help'", Name),
            ("git-upload-pack '../lua.git'", Name),
            ("git-upload-pack '/lua/../../x'", Name),
            ("git-upload-pack '//etc'", Name),
            ("git-upload-pack '~root/x'", Name),
            ("git-upload-pack 'a'\\''b'", Name),
            ("git-upload-pack ''", Name),
            ("git-upload-pack '\n'", Name),
            ("git-upload-pack 'lua\0'", Name),
        ] {
            assert_eq!(Request::parse(command), Err(error), "{command:?}");
        }
    }

    #[test]
    fn protocol_versions_are_words() {
        assert!(is_protocol("version=2") && is_protocol("version=2:key=1"));
        for wrong in ["version=2\nX", "a b", "$(id)", "VERSION", &"x".repeat(65)] {
            assert!(!is_protocol(wrong), "{wrong}");
        }
    }

    proptest! {
        /// Whatever a client writes, what is understood is one plain name.
        #[test]
        fn nothing_reaches_outside(tail in "[ -~]{0,24}") {
            if let Ok(Request::UploadPack(name)) = Request::parse(&format!("git-upload-pack {tail}")) {
                prop_assert!(layout::is_repository_name(&name));
                prop_assert!(!name.contains("..") || !name.split('/').any(|part| part == ".."));
            }
        }
    }
}
