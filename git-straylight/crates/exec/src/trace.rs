//! What ran: the record that a claim and an attestation point at.
//!
//! Stored as `traces/{sha256}.cbor`. CBOR maps with integer keys, definite
//! lengths, shortest integers, absent fields left out, keys ascending: equal
//! traces are equal bytes, so a trace is named by the sha256 of its encoding.
//! [`Trace::decode`] accepts no other spelling. Keys are never reused.
//!
//! A digest is its 32 raw bytes and its size, as an array of two.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Decoder, Encode, Encoder};
use straylight_odb::{Digest, Sha256};

use crate::action::{Description, Outcome, Output, OutputContent, Request, Status};

/// The version that this code writes, and the only one that it reads.
pub const VERSION: u32 = 1;

/// One run of one action.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Trace {
    /// [`VERSION`].
    #[n(0)]
    pub version: u32,
    /// The identity of the work.
    #[cbor(n(1), encode_with = "encode_digest", decode_with = "decode_digest")]
    pub action: Digest,
    /// The encoded command.
    #[cbor(n(2), encode_with = "encode_digest", decode_with = "decode_digest")]
    pub command: Digest,
    /// The root of the inputs' tree.
    #[cbor(n(3), encode_with = "encode_digest", decode_with = "decode_digest")]
    pub input_root: Digest,
    /// The root of the tree that was the root file system.
    #[cbor(
        n(4),
        encode_with = "encode_optional",
        decode_with = "decode_optional",
        nil = "nil",
        is_nil = "Option::is_none"
    )]
    pub toolchain: Option<Digest>,
    /// What was made, sorted by path.
    #[n(5)]
    pub outputs: Vec<TraceOutput>,
    /// What the action needed beyond its inputs.
    #[n(6)]
    pub effects: Effects,
    /// Who ran it.
    #[n(7)]
    pub executor: ExecutorName,
    /// How it ended.
    #[n(8)]
    pub status: TraceStatus,
    /// What it wrote to its standard output, as [`Outcome::stdout`].
    #[cbor(n(9), encode_with = "encode_digest", decode_with = "decode_digest")]
    pub stdout: Digest,
    /// What it wrote to its standard error.
    #[cbor(n(10), encode_with = "encode_digest", decode_with = "decode_digest")]
    pub stderr: Digest,
    /// When it started, in milliseconds since 1970.
    #[n(11)]
    pub start: u64,
    /// How long it took, in microseconds.
    #[n(12)]
    pub duration: u64,
    /// What it cost.
    #[n(13)]
    pub usage: TraceUsage,
}

/// One output in a trace.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TraceOutput {
    /// Relative to the folder in which the command ran.
    #[n(0)]
    pub path: String,
    /// What lay there.
    #[n(1)]
    pub content: TraceContent,
}

/// What lay at the path of an output.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum TraceContent {
    /// A file.
    #[n(0)]
    File {
        /// Its bytes.
        #[cbor(n(0), encode_with = "encode_digest", decode_with = "decode_digest")]
        digest: Digest,
        /// Whether it may be run.
        #[n(1)]
        executable: bool,
    },
    /// A folder.
    #[n(1)]
    Directory {
        /// The root of its tree.
        #[cbor(n(0), encode_with = "encode_digest", decode_with = "decode_digest")]
        tree: Digest,
    },
    /// A symbolic link.
    #[n(2)]
    Symlink {
        /// What it holds.
        #[n(0)]
        target: String,
    },
}

/// What an action needed beyond its inputs, from three sides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Effects {
    /// The needs that the action declares.
    #[n(0)]
    pub declared: Vec<String>,
    /// What the executor kept it from, whatever it did.
    #[n(1)]
    pub enforced: Vec<String>,
    /// What it was seen to use. Nothing here means that nobody looked.
    #[n(2)]
    pub observed: Vec<String>,
}

/// Who ran an action.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ExecutorName {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Its version.
    #[n(1)]
    pub version: String,
    /// What separated the action from the machine.
    #[n(2)]
    pub isolation: String,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum TraceStatus {
    /// By itself.
    #[n(0)]
    Exited(#[n(0)] i32),
    /// By a signal.
    #[n(1)]
    Signaled(#[n(0)] i32),
    /// It was killed when its time was over.
    #[n(2)]
    TimedOut,
    /// It was cancelled.
    #[n(3)]
    Cancelled,
}

/// What a command cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TraceUsage {
    /// Processor time in user mode, in microseconds.
    #[n(0)]
    pub user: u64,
    /// Processor time in the kernel, in microseconds.
    #[n(1)]
    pub sys: u64,
    /// The largest resident size of one process, in bytes.
    #[n(2)]
    pub max_rss: u64,
}

/// Bytes that are not a trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Not a trace's CBOR.
    #[error("not a trace: {0}")]
    Malformed(String),
    /// A trace of another version.
    #[error("a trace of version {found}; this program reads version {VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// Another spelling of a trace.
    #[error("not the canonical encoding of the trace")]
    NotCanonical,
}

impl Trace {
    /// Returns the trace of what came of a request.
    ///
    /// `start` is in milliseconds since 1970.
    #[must_use]
    pub fn of(
        request: &Request,
        outcome: &Outcome,
        executor: &Description,
        declared: &[String],
        start: u64,
    ) -> Self {
        let micros =
            |duration: std::time::Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self {
            version: VERSION,
            action: request.action,
            command: Digest::of(&crate::reapi::encode(&request.command)),
            input_root: request.input_root,
            toolchain: request.toolchain,
            outputs: outcome.outputs.iter().map(TraceOutput::from).collect(),
            effects: Effects {
                declared: declared.to_vec(),
                enforced: executor.enforced.iter().map(|&e| e.to_owned()).collect(),
                observed: Vec::new(),
            },
            executor: ExecutorName {
                name: executor.name.to_owned(),
                version: executor.version.to_owned(),
                isolation: executor.isolation.as_str().to_owned(),
            },
            status: outcome.status.into(),
            stdout: Digest::of(&outcome.stdout),
            stderr: Digest::of(&outcome.stderr),
            start,
            duration: micros(outcome.usage.wall),
            usage: TraceUsage {
                user: micros(outcome.usage.user),
                sys: micros(outcome.usage.sys),
                max_rss: outcome.usage.max_rss,
            },
        }
    }

    /// Returns the one encoding of the trace.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to memory does not fail")
    }

    /// Returns the sha256 of the encoding: the trace's name in the store.
    #[must_use]
    pub fn sha256(&self) -> Sha256 {
        Sha256::of(&self.encode())
    }

    /// Decodes a trace.
    ///
    /// # Errors
    /// [`TraceError`] unless `bytes` are what [`Trace::encode`] returns.
    pub fn decode(bytes: &[u8]) -> Result<Self, TraceError> {
        let version = first_field(bytes)?;
        if version != VERSION {
            return Err(TraceError::Version { found: version });
        }
        let malformed = |error: minicbor::decode::Error| TraceError::Malformed(error.to_string());
        let trace: Self = minicbor::decode(bytes).map_err(malformed)?;
        if trace.encode() == bytes {
            Ok(trace)
        } else {
            Err(TraceError::NotCanonical)
        }
    }
}

/// Returns the version, which comes first in every version of the format.
fn first_field(bytes: &[u8]) -> Result<u32, TraceError> {
    let mut decoder = Decoder::new(bytes);
    let version = decoder.map().and_then(|_| decoder.u32()).and_then(|key| {
        if key == 0 {
            decoder.u32()
        } else {
            Err(minicbor::decode::Error::message("it has no version"))
        }
    });
    version.map_err(|error| TraceError::Malformed(error.to_string()))
}

impl From<&Output> for TraceOutput {
    fn from(output: &Output) -> Self {
        let content = match &output.content {
            OutputContent::File { digest, executable } => TraceContent::File {
                digest: *digest,
                executable: *executable,
            },
            OutputContent::Directory { tree } => TraceContent::Directory { tree: *tree },
            OutputContent::Symlink { target } => TraceContent::Symlink {
                target: target.clone(),
            },
        };
        Self {
            path: output.path.clone(),
            content,
        }
    }
}

impl From<Status> for TraceStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Exited(code) => Self::Exited(code),
            Status::Signaled(signal) => Self::Signaled(signal),
            Status::TimedOut => Self::TimedOut,
            Status::Cancelled => Self::Cancelled,
        }
    }
}

/// Writes a digest as `[32 bytes, size]`.
fn encode_digest<C, W: minicbor::encode::Write>(
    digest: &Digest,
    encoder: &mut Encoder<W>,
    _: &mut C,
) -> Result<(), minicbor::encode::Error<W::Error>> {
    encoder
        .array(2)?
        .bytes(digest.sha256().as_raw())?
        .u64(digest.size())?
        .ok()
}

fn decode_digest<C>(
    decoder: &mut Decoder<'_>,
    _: &mut C,
) -> Result<Digest, minicbor::decode::Error> {
    if decoder.array()? != Some(2) {
        return Err(minicbor::decode::Error::message(
            "a digest is an array of two",
        ));
    }
    let raw: ByteArray<32> = decoder.decode()?;
    Ok(Digest::new(Sha256::from_raw(*raw), decoder.u64()?))
}

fn encode_optional<C, W: minicbor::encode::Write>(
    digest: &Option<Digest>,
    encoder: &mut Encoder<W>,
    ctx: &mut C,
) -> Result<(), minicbor::encode::Error<W::Error>> {
    match digest {
        Some(digest) => encode_digest(digest, encoder, ctx),
        None => encoder.null()?.ok(),
    }
}

fn decode_optional<C>(
    decoder: &mut Decoder<'_>,
    ctx: &mut C,
) -> Result<Option<Digest>, minicbor::decode::Error> {
    decode_digest(decoder, ctx).map(Some)
}

/// Returns the value of a digest that is left out.
fn nil() -> Option<Option<Digest>> {
    Some(None)
}
