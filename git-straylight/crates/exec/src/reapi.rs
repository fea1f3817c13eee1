//! The messages of the Bazel Remote Execution API v2 that name an action.
//!
//! Only what straylight fills in is declared here. A message is identified by
//! the digest of its encoding, so that encoding is canonical: fields in tag
//! order, defaults left out, lists sorted where the specification says so
//! (environment variables by name, properties by name and value, output paths,
//! the nodes of a directory by name). [`encode`] is the only encoder.
//!
//! Tag numbers are those of `build/bazel/remote/execution/v2`.

use prost::Message;
use straylight_odb::digest::ParseDigestError;

/// The sha256 and the size of a blob, as the API spells them.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct Digest {
    /// 64 lower-case hex digits.
    #[prost(string, tag = "1")]
    pub hash: String,
    /// In bytes.
    #[prost(int64, tag = "2")]
    pub size_bytes: i64,
}

/// What to run on what. Its digest is the identity of the work.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct Action {
    /// A [`Command`].
    #[prost(message, optional, tag = "1")]
    pub command_digest: Option<Digest>,
    /// The root [`Directory`] of the inputs.
    #[prost(message, optional, tag = "2")]
    pub input_root_digest: Option<Digest>,
    /// How long the command may run.
    #[prost(message, optional, tag = "6")]
    pub timeout: Option<Duration>,
    /// What the executor must provide.
    #[prost(message, optional, tag = "10")]
    pub platform: Option<Platform>,
}

/// A span of time: `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Message)]
pub struct Duration {
    /// Whole seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// The rest, in nanoseconds.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// A program, its arguments and environment, and what it makes.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct Command {
    /// The program first.
    #[prost(string, repeated, tag = "1")]
    pub arguments: Vec<String>,
    /// The whole environment, sorted by name.
    #[prost(message, repeated, tag = "2")]
    pub environment_variables: Vec<EnvironmentVariable>,
    /// Repeated here for servers older than version 2.2 of the API.
    #[prost(message, optional, tag = "5")]
    pub platform: Option<Platform>,
    /// Relative to the input root.
    #[prost(string, tag = "6")]
    pub working_directory: String,
    /// Relative to the working directory, sorted; files or folders.
    #[prost(string, repeated, tag = "7")]
    pub output_paths: Vec<String>,
}

/// One variable of a command's environment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Message)]
pub struct EnvironmentVariable {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// What the executor of an action must provide.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct Platform {
    /// Sorted by name, then by value.
    #[prost(message, repeated, tag = "1")]
    pub properties: Vec<Property>,
}

/// One property of a [`Platform`]. A name may occur more than once.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Message)]
pub struct Property {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// One folder of a tree. Names are unique in it, and each list is sorted.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct Directory {
    /// Its files.
    #[prost(message, repeated, tag = "1")]
    pub files: Vec<FileNode>,
    /// Its folders.
    #[prost(message, repeated, tag = "2")]
    pub directories: Vec<DirectoryNode>,
    /// Its symbolic links.
    #[prost(message, repeated, tag = "3")]
    pub symlinks: Vec<SymlinkNode>,
}

/// A file in a [`Directory`].
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct FileNode {
    /// One path component.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its bytes.
    #[prost(message, optional, tag = "2")]
    pub digest: Option<Digest>,
    /// Whether it may be run.
    #[prost(bool, tag = "4")]
    pub is_executable: bool,
}

/// A folder in a [`Directory`].
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct DirectoryNode {
    /// One path component.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its [`Directory`].
    #[prost(message, optional, tag = "2")]
    pub digest: Option<Digest>,
}

/// A symbolic link in a [`Directory`].
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct SymlinkNode {
    /// One path component.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it holds; never resolved.
    #[prost(string, tag = "2")]
    pub target: String,
}

/// Returns the one encoding of a message.
#[must_use]
pub fn encode(message: &impl Message) -> Vec<u8> {
    message.encode_to_vec()
}

/// Decodes a message, and checks that `bytes` are its one encoding: no unknown
/// fields, no other order.
///
/// # Errors
/// [`DecodeError`] when they are not.
pub fn decode<M: Message + Default>(bytes: &[u8]) -> Result<M, DecodeError> {
    let message = M::decode(bytes)?;
    if encode(&message) == bytes {
        Ok(message)
    } else {
        Err(DecodeError::NotCanonical)
    }
}

/// Bytes that are not the message they should be.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not a protocol buffer of this type.
    #[error("not such a message: {0}")]
    Malformed(#[from] prost::DecodeError),
    /// Another encoding of the message, or one with fields unknown here.
    #[error("not the canonical encoding of the message")]
    NotCanonical,
}

impl From<straylight_odb::Digest> for Digest {
    fn from(digest: straylight_odb::Digest) -> Self {
        Self {
            hash: digest.sha256().to_string(),
            size_bytes: i64::try_from(digest.size()).expect("a blob is smaller than 2^63 bytes"),
        }
    }
}

impl TryFrom<&Digest> for straylight_odb::Digest {
    type Error = ParseDigestError;

    fn try_from(digest: &Digest) -> Result<Self, Self::Error> {
        format!("{}/{}", digest.hash, digest.size_bytes).parse()
    }
}
