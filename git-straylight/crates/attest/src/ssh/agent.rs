//! A client of ssh-agent: lists its keys, and lets it sign.
//!
//! The protocol (draft-ietf-sshm-ssh-agent): each message is a length, a type
//! byte and its fields. Each request opens a connection of its own, so a signer
//! holds no socket between signatures.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::{ALGORITHM, PublicKey, RawSignature, SshError, put_string};
use crate::dsse::{SignError, Signer};

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// The longest answer that is read, as in OpenSSH.
const MAX_ANSWER: u32 = 256 * 1024;

/// A signer whose private key stays in a running ssh-agent.
#[derive(Debug)]
pub struct AgentSigner {
    socket: PathBuf,
    public: PublicKey,
}

impl AgentSigner {
    /// Returns the signer for `public` in the agent at `socket`.
    ///
    /// # Errors
    /// [`SshError::NotInAgent`] when the agent does not hold the key,
    /// [`SshError::Io`] and [`SshError::Agent`] when it cannot be asked.
    pub fn connect(socket: &Path, public: &PublicKey) -> Result<Self, SshError> {
        if !Self::keys(socket)?.contains(public) {
            return Err(SshError::NotInAgent {
                fingerprint: public.fingerprint(),
            });
        }
        Ok(Self {
            socket: socket.to_owned(),
            public: public.clone(),
        })
    }

    /// Returns the ed25519 keys that the agent at `socket` holds, in its order.
    ///
    /// # Errors
    /// [`SshError::Io`] and [`SshError::Agent`] when it cannot be asked.
    pub fn keys(socket: &Path) -> Result<Vec<PublicKey>, SshError> {
        let answer = exchange(socket, &[REQUEST_IDENTITIES])?;
        let mut fields = Fields::of(&answer, IDENTITIES_ANSWER)
            .ok_or_else(|| problem(socket, "did not list its keys"))?;
        let cut_short = || problem(socket, "sent a list that is cut short");
        let mut keys = Vec::new();
        for _ in 0..fields.number().ok_or_else(cut_short)? {
            let blob = fields.string().ok_or_else(cut_short)?;
            fields.string().ok_or_else(cut_short)?;
            // Keys of other types are not ours to judge.
            keys.extend(PublicKey::from_blob(blob));
        }
        Ok(keys)
    }

    fn request(&self, message: &[u8]) -> Result<RawSignature, SshError> {
        let mut request = vec![SIGN_REQUEST];
        put_string(&mut request, &self.public.to_blob());
        put_string(&mut request, message);
        request.extend(0_u32.to_be_bytes());
        let answer = exchange(&self.socket, &request)?;
        let blob = Fields::of(&answer, SIGN_RESPONSE)
            .and_then(|mut fields| fields.string())
            .ok_or_else(|| problem(&self.socket, "refused to sign"))?;
        let mut fields = Fields(blob);
        let algorithm = fields.string();
        let signature = fields.string().and_then(|raw| raw.try_into().ok());
        match (algorithm, signature) {
            (Some(algorithm), Some(signature))
                if algorithm == ALGORITHM.as_bytes()
                    && fields.0.is_empty()
                    && self.public.verifies(message, &signature) =>
            {
                Ok(signature)
            }
            _ => Err(problem(
                &self.socket,
                "sent a signature that does not verify",
            )),
        }
    }
}

impl Signer for AgentSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<RawSignature, SignError> {
        self.request(message)
            .map_err(|error| SignError::new(&self.public, error))
    }
}

fn exchange(socket: &Path, request: &[u8]) -> Result<Vec<u8>, SshError> {
    let mut stream =
        UnixStream::connect(socket).map_err(SshError::io("connect to the ssh-agent", socket))?;
    let mut message = Vec::with_capacity(request.len() + 4);
    put_string(&mut message, request);
    stream
        .write_all(&message)
        .map_err(SshError::io("write to the ssh-agent", socket))?;
    let mut length = [0; 4];
    let read = SshError::io("read from the ssh-agent", socket);
    let length = match stream.read_exact(&mut length) {
        Ok(()) => u32::from_be_bytes(length),
        Err(error) => return Err(read(error)),
    };
    if length > MAX_ANSWER {
        return Err(problem(socket, "sent an answer that is too long"));
    }
    let mut answer = vec![0; length as usize];
    stream.read_exact(&mut answer).map_err(read)?;
    Ok(answer)
}

fn problem(socket: &Path, problem: &'static str) -> SshError {
    SshError::Agent {
        socket: socket.to_owned(),
        problem,
    }
}

/// The fields of a message, taken from the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Returns the fields of `answer` when it has the type `kind`.
    fn of(answer: &'a [u8], kind: u8) -> Option<Self> {
        let (first, rest) = answer.split_first()?;
        (*first == kind).then_some(Self(rest))
    }

    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.number()? as usize;
        let (string, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::FileSigner;
    use crate::testing::{Agent, Scratch};
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_real_agent_lists_and_signs() {
        let scratch = Scratch::new();
        let agent = Agent::start(&scratch);
        let path = scratch.ssh_keygen("key", "ed25519", "");
        let other = scratch.ssh_keygen("other", "ed25519", "");
        agent.add(&scratch.ssh_keygen("ecdsa", "ecdsa", ""));
        agent.add(&path);
        let public = FileSigner::open(&path).unwrap().public_key().clone();
        assert_eq!(
            AgentSigner::keys(agent.socket()).unwrap(),
            std::slice::from_ref(&public)
        );

        let signer = AgentSigner::connect(agent.socket(), &public).unwrap();
        let signature = signer.sign(b"message").unwrap();
        assert!(public.verifies(b"message", &signature));
        // Ed25519 signatures are deterministic: the agent's is the file's.
        let file = FileSigner::open(&path).unwrap();
        assert_eq!(file.sign(b"message").unwrap(), signature);

        let absent = FileSigner::open(&other).unwrap();
        let error = AgentSigner::connect(agent.socket(), absent.public_key()).unwrap_err();
        assert!(matches!(error, SshError::NotInAgent { .. }));

        agent.forget_all();
        let error = signer.sign(b"message").unwrap_err();
        assert!(error.to_string().contains("refused to sign"), "{error}");
    }

    #[test]
    fn no_agent_is_an_error_that_names_the_socket() {
        let scratch = Scratch::new();
        let error = AgentSigner::keys(&scratch.path("no-agent")).unwrap_err();
        assert!(error.to_string().contains("no-agent"), "{error}");
    }

    /// Answers one request with `answer`, whatever was asked.
    fn liar(socket: &Path, answer: Vec<u8>) -> std::thread::JoinHandle<()> {
        let listener = UnixListener::bind(socket).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut length = [0; 4];
            stream.read_exact(&mut length).unwrap();
            let mut request = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(&answer).unwrap();
        })
    }

    #[test]
    fn an_agent_that_lies_is_not_believed() {
        let scratch = Scratch::new();
        let key = FileSigner::open(&scratch.ssh_keygen("key", "ed25519", "")).unwrap();
        let mut blob = Vec::new();
        put_string(&mut blob, ALGORITHM.as_bytes());
        put_string(&mut blob, &key.sign(b"another message").unwrap());
        let mut wrong = vec![SIGN_RESPONSE];
        put_string(&mut wrong, &blob);
        let mut message = Vec::new();
        put_string(&mut message, &wrong);
        let cut_short = vec![0, 0, 0, 5, IDENTITIES_ANSWER, 0, 0, 0, 1];

        let socket = scratch.path("wrong");
        let thread = liar(&socket, message);
        let signer = AgentSigner {
            socket,
            public: key.public_key().clone(),
        };
        let error = signer.sign(b"message").unwrap_err();
        assert!(error.to_string().contains("does not verify"), "{error}");
        thread.join().unwrap();

        for (name, answer) in [("short", cut_short), ("long", vec![0xff; 4])] {
            let socket = scratch.path(name);
            let thread = liar(&socket, answer);
            assert!(AgentSigner::keys(&socket).is_err(), "{name}");
            thread.join().unwrap();
        }
    }
}
