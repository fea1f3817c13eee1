//! Labels, folders and configurations in writing, one after another.

use super::text;
use crate::build::Wanted;
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
    format!("{host} {target} {}", self::mode(*mode))
}

pub(crate) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::debug => "debug",
        Mode::release => "release",
    }
}

pub(crate) fn read_mode(text: &str) -> Option<Mode> {
    match text {
        "debug" => Some(Mode::debug),
        "release" => Some(Mode::release),
        _ => None,
    }
}

pub(crate) fn wanted(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Outputs => "outputs",
        Wanted::Programs => "programs",
        Wanted::Tests => "tests",
    }
}

pub(crate) fn read_wanted(text: &str) -> Option<Wanted> {
    match text {
        "outputs" => Some(Wanted::Outputs),
        "programs" => Some(Wanted::Programs),
        "tests" => Some(Wanted::Tests),
        _ => None,
    }
}

pub(crate) fn read_configuration(text: &str) -> Option<Configuration> {
    let mut words = text.split(' ');
    let mut triple = || words.next()?.parse::<Triple>().ok();
    let (host, target) = (triple()?, triple()?);
    let mode = read_mode(words.next()?)?;
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
