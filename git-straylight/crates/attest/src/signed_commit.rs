//! Commits that carry an SSH signature, as `git commit -S` with `gpg.format=ssh`
//! writes them, so that stock `git verify-commit` accepts them.
//!
//! The signature covers the commit without its `gpgsig` header. Only commits of
//! exactly the shape written here are read: tree, parents, author, committer,
//! signature, message. A commit that two readers could take apart in two ways
//! is refused.

use jiff::Timestamp;
use straylight_odb::repo::ObjectKind;
use straylight_odb::{ObjectId, RepoError, Repository};

use crate::dsse::{SignError, Signer};
use crate::ssh::PublicKey;
use crate::sshsig::{self, SshsigError};

const SIGNATURE_HEADER: &str = "gpgsig";

/// Who writes commits: git's `user.name` and `user.email`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The mail address.
    pub email: String,
}

impl Author {
    /// Returns `name <email>`, without what would break a commit's header.
    fn ident(&self, now: Timestamp) -> String {
        let clean = |text: &str| {
            let kept = text
                .chars()
                .filter(|c| !c.is_control() && !"<>".contains(*c));
            kept.collect::<String>().trim().to_owned()
        };
        let (name, email) = (clean(&self.name), clean(&self.email));
        let name = if name.is_empty() { "straylight" } else { &name };
        format!("{name} <{email}> {} +0000", now.as_second().max(0))
    }
}

/// A commit to be signed and written.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) tree: ObjectId,
    pub(crate) parent: Option<ObjectId>,
    pub(crate) author: &'a Author,
    pub(crate) now: Timestamp,
    pub(crate) message: &'a str,
}

/// A commit whose signature holds; whether its key is trusted is not known yet.
#[derive(Debug)]
pub(crate) struct SignedCommit {
    pub(crate) tree: ObjectId,
    pub(crate) parents: Vec<ObjectId>,
    pub(crate) key: PublicKey,
    pub(crate) message: String,
}

/// A commit that cannot be written or believed.
#[derive(Debug, thiserror::Error)]
pub enum SignedCommitError {
    /// The repository failed.
    #[error(transparent)]
    Repository(#[from] RepoError),
    /// The key could not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The commit has no signature, or another shape.
    #[error("commit {id} is not one that straylight wrote: {reason}")]
    Shape {
        /// The commit.
        id: ObjectId,
        /// What is different.
        reason: &'static str,
    },
    /// The signature does not hold.
    #[error("commit {id}: {source}")]
    Signature {
        /// The commit.
        id: ObjectId,
        /// What is wrong.
        source: SshsigError,
    },
}

/// Signs and writes a commit.
pub(crate) fn write(
    repository: &Repository,
    signer: &dyn Signer,
    draft: &Draft<'_>,
) -> Result<ObjectId, SignedCommitError> {
    let ident = draft.author.ident(draft.now);
    let mut header = format!("tree {}\n", draft.tree);
    if let Some(parent) = draft.parent {
        header += &format!("parent {parent}\n");
    }
    header += &format!("author {ident}\ncommitter {ident}\n");
    let message = draft.message.trim_end();
    let signature = sshsig::sign(
        signer,
        sshsig::GIT,
        format!("{header}\n{message}\n").as_bytes(),
    )?;
    let signature = signature.trim_end().replace('\n', "\n ");
    let raw = format!("{header}{SIGNATURE_HEADER} {signature}\n\n{message}\n");
    Ok(repository.write_object(ObjectKind::Commit, raw.as_bytes())?)
}

/// Reads a commit and checks its signature.
pub(crate) fn read(
    repository: &Repository,
    id: ObjectId,
) -> Result<SignedCommit, SignedCommitError> {
    let (kind, raw) = repository.read_object(id)?;
    let shape = |reason| SignedCommitError::Shape { id, reason };
    if kind != ObjectKind::Commit {
        return Err(shape("it is no commit"));
    }
    let text = String::from_utf8(raw).map_err(|_| shape("it is not UTF-8"))?;
    let parts = split(&text).ok_or_else(|| shape("its header is another, or it is not signed"))?;
    let key = sshsig::verify(&parts.signature, sshsig::GIT, parts.signed.as_bytes())
        .map_err(|source| SignedCommitError::Signature { id, source })?;
    Ok(SignedCommit {
        tree: parts.tree,
        parents: parts.parents,
        key,
        message: parts.message.to_owned(),
    })
}

struct Parts<'a> {
    tree: ObjectId,
    parents: Vec<ObjectId>,
    signature: String,
    signed: String,
    message: &'a str,
}

fn split(text: &str) -> Option<Parts<'_>> {
    let (header, message) = text.split_once("\n\n")?;
    let mut lines = header.split('\n').peekable();
    let tree = lines.next()?.strip_prefix("tree ")?.parse().ok()?;
    let mut parents = Vec::new();
    while let Some(parent) = lines.peek().and_then(|line| line.strip_prefix("parent ")) {
        parents.push(parent.parse().ok()?);
        lines.next();
    }
    lines.next()?.strip_prefix("author ")?;
    lines.next()?.strip_prefix("committer ")?;
    let mut signature = lines
        .next()?
        .strip_prefix(SIGNATURE_HEADER)?
        .strip_prefix(' ')?
        .to_owned();
    // Every line that is left continues the signature.
    for line in lines {
        signature.push('\n');
        signature += line.strip_prefix(' ')?;
    }
    let start = header.find(&format!("\n{SIGNATURE_HEADER} "))?;
    Some(Parts {
        tree,
        parents,
        signed: format!("{}\n\n{message}", &header[..start]),
        signature,
        message,
    })
}
