//! What actions were before: `<git dir>/straylight/changes-<isolation>`.
//!
//! The graph knows the actions of the last build. What they replaced would be
//! forgotten with it, so a build in which the digest of any step's action has
//! changed writes a file of its own beside the graph: a line of magic, and then,
//! in CBOR, for each such step `[key, before, now]`, where a digest is
//! `<sha256>/<size>`. It is written as a whole, and says nothing of earlier
//! builds. It decides nothing and may be deleted.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use minicbor::{Decode, Encode};
use straylight_dice::{Engine, Persistent as _};
use straylight_odb::{Digest, StoreError};

use crate::keys::{ActionKey, Step, TargetKey};
use crate::persist;
use crate::state;

const MAGIC: &[u8] = b"straylight changes 1\n";

/// What actions were.
#[derive(Debug, Default)]
pub(crate) struct History {
    actions: Actions,
    /// What the last build replaced, and by what.
    replaced: HashMap<ActionKey, (Digest, Digest)>,
}

/// The actions of the last build, by target and the name of the step: a step
/// that is put before another one does not make the other one new.
#[derive(Debug, Default)]
struct Actions(HashMap<(TargetKey, String), Vec<(Step, Digest)>>);

impl Actions {
    fn of(graph: File) -> Self {
        let mut actions = Self::default();
        let stored = straylight_dice::stored::<ActionKey>(graph).unwrap_or_default();
        for (key, value) in stored {
            if let Some(result) = persist::stored_result(&value) {
                let steps = actions.0.entry((target(&key), result.step)).or_default();
                steps.push((key.step, result.action));
            }
        }
        actions
    }

    fn get(&self, key: &ActionKey, name: &str) -> Option<Digest> {
        let steps = self.0.get(&(target(key), name.to_owned()))?;
        // Of several with one name, the one in the same place.
        let same = steps.iter().find(|(step, _)| *step == key.step);
        same.or(steps.last()).map(|(_, action)| *action)
    }
}

fn target(key: &ActionKey) -> TargetKey {
    TargetKey {
        label: key.label.clone(),
        configuration: key.configuration,
    }
}

#[derive(Encode, Decode)]
struct Row {
    #[n(0)]
    key: String,
    #[n(1)]
    before: String,
    #[n(2)]
    now: String,
}

impl History {
    /// Reads what is beside a graph; what cannot be read is not known.
    pub(super) fn read(graph: &Path) -> Self {
        let actions = File::open(graph).map(Actions::of).unwrap_or_default();
        let rows = fs::read(changes(graph))
            .ok()
            .and_then(|bytes| minicbor::decode::<Vec<Row>>(bytes.strip_prefix(MAGIC)?).ok());
        let replaced = rows.unwrap_or_default().into_iter().filter_map(|row| {
            let key = ActionKey::decode(row.key.as_bytes())?;
            Some((key, (row.before.parse().ok()?, row.now.parse().ok()?)))
        });
        Self {
            actions,
            replaced: replaced.collect(),
        }
    }

    /// Returns the action that the last build had for a step.
    pub(super) fn action(&self, key: &ActionKey, name: &str) -> Option<Digest> {
        self.actions.get(key, name)
    }

    /// Returns what `now` has replaced in the last build.
    pub(super) fn replaced_by(&self, key: &ActionKey, now: &Digest) -> Option<Digest> {
        let (before, then) = self.replaced.get(key)?;
        (then == now).then_some(*before)
    }
}

fn changes(graph: &Path) -> PathBuf {
    let name = graph.file_name().and_then(|name| name.to_str());
    let isolation = name.and_then(|name| name.strip_prefix("graph-"));
    graph.with_file_name(format!("changes-{}", isolation.unwrap_or("all")))
}

/// Keeps which actions the graph has for steps that were `computed` since it
/// was read, if any of them is another one now. To be called before the graph
/// is written.
pub(crate) fn keep(
    graph: &Path,
    engine: &Engine,
    computed: &[(ActionKey, String, Digest)],
) -> Result<(), StoreError> {
    let all = OnceCell::new();
    let before = |key: &ActionKey, name: &str| {
        let recorded = engine.recorded(key);
        match recorded.and_then(|value| persist::stored_result(&value)) {
            Some(known) if known.step == name => Some(known.action),
            // It may have had another place, and is looked for by its name.
            _ => all
                .get_or_init(|| File::open(graph).map(Actions::of).unwrap_or_default())
                .get(key, name),
        }
    };
    let row = |(key, name, now): &(ActionKey, String, Digest)| {
        let before = before(key, name).filter(|before| before != now)?;
        let mut text = Vec::new();
        key.encode(&mut text);
        Some(Row {
            key: String::from_utf8(text).ok()?,
            before: before.to_string(),
            now: now.to_string(),
        })
    };
    let rows: Vec<Row> = computed.iter().filter_map(row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    state::write_whole(&changes(graph), |file| {
        file.write_all(MAGIC)?;
        file.write_all(&persist::cbor(&rows))
    })
}
