//! What the executor and its helper say to each other.
//!
//! One sequenced-packet socket is the helper's standard input. The first
//! packet carries the lock of the staging folder; the helper answers with
//! [`Hello`]. Each further packet starts one sandbox; it carries, in this
//! order, a file that holds the [`Spec`], the sandbox's own socket, and where
//! its standard output and standard error go. On its own socket the sandbox
//! sends one [`Report`], and the helper sends [`Report::Ended`] when every
//! process in it is gone; any byte that the executor sends there kills it, and
//! so does closing it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use minicbor::{Decode, Encode};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::walls::Walls;

/// The helper's first argument.
pub(super) const HELPER_ARGUMENT: &str = "--straylight-sandbox-helper";

/// How many descriptors a packet carries at most.
const MAX_FDS: usize = 4;

/// A sandbox to be made. Paths are relative: to the cache, or to `build`.
#[derive(Debug, Encode, Decode)]
pub(super) struct Spec {
    /// The tree that is the root file system.
    #[n(0)]
    pub(super) root: Option<String>,
    /// The folder that is seen as `/build`.
    #[n(1)]
    pub(super) build: String,
    /// Folders below `build` that can be written.
    #[n(2)]
    pub(super) writable: Vec<String>,
    /// What lies in those and can not.
    #[n(3)]
    pub(super) protected: Vec<String>,
    #[n(4)]
    pub(super) arguments: Vec<String>,
    #[n(5)]
    pub(super) environment: Vec<(String, String)>,
}

/// Whether the helper can make sandboxes.
#[derive(Debug, Encode, Decode)]
pub(super) enum Hello {
    #[n(0)]
    Ready(#[n(0)] Walls),
    #[n(1)]
    Failed(#[n(0)] Failure),
}

/// A step that failed, and how.
#[derive(Debug, Encode, Decode)]
pub(super) struct Failure {
    #[n(0)]
    pub(super) step: String,
    #[n(1)]
    pub(super) errno: i32,
}

impl Failure {
    pub(super) fn error(&self) -> io::Error {
        io::Error::from_raw_os_error(self.errno)
    }
}

/// What a sandbox says of itself.
#[derive(Debug, Encode, Decode)]
pub(super) enum Report {
    /// It could not be made; the command did not run.
    #[n(0)]
    Failed(#[n(0)] Failure),
    /// The command ended.
    #[n(1)]
    Done(#[n(0)] Done),
    /// Every process of it is gone.
    #[n(2)]
    Ended,
}

/// How a command ended, and what it cost.
#[derive(Debug, Clone, Copy, Encode, Decode)]
pub(super) struct Done {
    #[n(0)]
    pub(super) exit: Option<i32>,
    #[n(1)]
    pub(super) signal: Option<i32>,
    /// In microseconds.
    #[n(2)]
    pub(super) user: u64,
    #[n(3)]
    pub(super) sys: u64,
    /// In bytes.
    #[n(4)]
    pub(super) max_rss: u64,
}

/// Sends one packet.
pub(super) fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Encodes and sends a message.
pub(super) fn send_message(socket: BorrowedFd<'_>, message: &impl Encode<()>) -> io::Result<()> {
    let bytes = minicbor::to_vec(message).map_err(io::Error::other)?;
    send(socket, &bytes, &[])
}

/// Receives one packet; `None` when the other side is gone.
pub(super) fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut bytes = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let received = recvmsg(
            socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        );
        match received {
            Err(rustix::io::Errno::INTR) => {}
            // The other side died with something unread.
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            received => break received?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    Ok(Some((bytes[..received.bytes].to_vec(), fds)))
}
