//! What was reached of a command line.

use std::sync::Arc;

use minicbor::{Decode, Encode};
use straylight_dice::{Fingerprint, Persistent};

use super::results::StoredRoot;
use super::{cbor, fingerprint, text, written};
use crate::configuration::Configuration;
use crate::keys::{GoalKey, TargetKey};
use crate::label::{PackagePath, Reference};

/// Targets that follow each other and have one configuration.
#[derive(Encode, Decode)]
struct Stored {
    #[n(0)]
    configuration: String,
    #[n(1)]
    targets: Vec<(String, StoredRoot)>,
}

impl Persistent for GoalKey {
    const TAG: u16 = 13;

    /// `wanted mode target`, and a line for each label.
    fn encode(&self, out: &mut Vec<u8>) {
        let wanted = written::wanted(self.wanted);
        let target = self
            .target
            .map_or("-".to_owned(), |target| target.to_string());
        let mode = written::mode(self.mode);
        out.extend(format!("{wanted} {mode} {target}").as_bytes());
        for reference in &self.references {
            out.extend(format!("\n{reference}").as_bytes());
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut lines = text(bytes)?.split('\n');
        let mut words = lines.next()?.split(' ');
        let (wanted, mode, target) = (words.next()?, words.next()?, words.next()?);
        let root = PackagePath::new("").ok()?;
        let references = lines.map(|line| Reference::parse(line, &root).ok());
        Some(Self {
            wanted: written::read_wanted(wanted)?,
            mode: written::read_mode(mode)?,
            target: match target {
                "-" => None,
                target => Some(target.parse().ok()?),
            },
            references: references.collect::<Option<_>>()?,
        })
    }

    fn fingerprint(value: &Self::Value) -> Option<Fingerprint> {
        Self::store(value).map(|stored| fingerprint(&stored))
    }

    fn store(value: &Self::Value) -> Option<Vec<u8>> {
        let mut runs: Vec<(Configuration, Stored)> = Vec::new();
        for (key, root) in &**value.as_ref().ok()? {
            if runs
                .last()
                .is_none_or(|(last, _)| *last != key.configuration)
            {
                let stored = Stored {
                    configuration: written::configuration(&key.configuration),
                    targets: Vec::new(),
                };
                runs.push((key.configuration, stored));
            }
            let (_, stored) = runs.last_mut()?;
            let label = key.label.to_string();
            stored.targets.push((label, StoredRoot::of(root)));
        }
        let runs = runs.into_iter().map(|(_, stored)| stored);
        Some(cbor(&runs.collect::<Vec<Stored>>()))
    }

    fn read(&self, stored: &[u8]) -> Option<Self::Value> {
        let mut reached = Vec::new();
        for run in minicbor::decode::<Vec<Stored>>(stored).ok()? {
            let configuration = written::read_configuration(&run.configuration)?;
            for (label, root) in run.targets {
                let key = TargetKey {
                    label: written::label(&label)?,
                    configuration,
                };
                reached.push((key, Arc::new(root.root())));
            }
        }
        Some(Ok(Arc::new(reached)))
    }
}
