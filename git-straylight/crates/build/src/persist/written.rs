//! Labels, folders and configurations in writing, one after another.

use super::text;
use crate::configuration::{Configuration, Mode, Triple};
use crate::keys::TargetKey;
use crate::label::{Label, PackagePath, Reference};

/// `//folder:name`
pub(crate) fn label(text: &str) -> Option<Label> {
    let root = PackagePath::new("").ok()?;
    match Reference::parse(text, &root).ok()? {
        Reference::Target(label) => Some(label),
        Reference::Package(_) | Reference::Below(_) => None,
    }
}

pub(crate) fn package(bytes: &[u8]) -> Option<PackagePath> {
    PackagePath::new(text(bytes)?).ok()
}

/// `host target mode`
pub(crate) fn configuration(configuration: &Configuration) -> String {
    let Configuration { host, target, mode } = configuration;
    let mode = match mode {
        Mode::debug => "debug",
        Mode::release => "release",
    };
    format!("{host} {target} {mode}")
}

pub(crate) fn read_configuration(text: &str) -> Option<Configuration> {
    let mut words = text.split(' ');
    let mut triple = || words.next()?.parse::<Triple>().ok();
    let (host, target) = (triple()?, triple()?);
    let mode = match words.next()? {
        "debug" => Mode::debug,
        "release" => Mode::release,
        _ => return None,
    };
    Some(Configuration { host, target, mode })
}

/// The configuration and the label, with a space between them.
pub(crate) fn target(key: &TargetKey) -> String {
    format!("{} {}", configuration(&key.configuration), key.label)
}

pub(crate) fn read_target(text: &str) -> Option<TargetKey> {
    let (at, _) = text.match_indices(' ').nth(2)?;
    Some(TargetKey {
        configuration: read_configuration(&text[..at])?,
        label: label(&text[at + 1..])?,
    })
}
