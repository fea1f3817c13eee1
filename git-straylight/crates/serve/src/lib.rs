//! Serves stock git over ssh from a bucket.
//!
//! sshd runs a forced command for each connection; that command calls
//! [`session()`] with what the client asked for. A session reads one manifest,
//! makes sure that its packs are in the node's cache, makes an ephemeral bare
//! repository of exactly these packs, and lets stock `git upload-pack` talk to
//! the client. The bucket is the truth; a node can be thrown away.
//!
//! Pushes are refused here; they come with the ref transactions of a bucket.

pub mod gitdir;
pub mod request;
pub mod session;

pub use request::Request;
pub use session::{ServeError, session};
