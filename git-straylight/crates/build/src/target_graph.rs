//! Targets and what they depend on, for people and programs that ask.
//!
//! A target is one node however many configurations it is wanted in: its edges
//! are those of all of them. What a node says is kept with the engine's results
//! (`DeclarationKey`), so that a question about a tree in which nothing has
//! changed evaluates nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::future::ready;
use std::sync::Arc;

use futures::future::join_all;
use minicbor::{Decode, Encode};
use straylight_dice::{Context, Engine, Fingerprint, Key, Persistent};
use straylight_exec::coeffects::Grade;

use crate::error::BuildResult;
use crate::keys::{TargetKey, flatten};
use crate::label::{Label, Reference};
use crate::lower;
use crate::persist::{cbor, fingerprint, text, written};

/// What a target says of itself, without its actions.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct DeclarationKey(pub(crate) TargetKey);

/// The value of a [`DeclarationKey`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Declaration {
    kind: String,
    /// `<package>/<target>/…`
    outputs: Vec<String>,
    /// Each once, and whether it is a tool.
    dependencies: Vec<(TargetKey, bool)>,
    /// What its steps need beyond their inputs.
    needs: Grade,
}

#[derive(Encode, Decode)]
struct Stored {
    #[n(0)]
    kind: String,
    #[n(1)]
    outputs: Vec<String>,
    #[n(2)]
    dependencies: Vec<(String, bool)>,
    #[n(3)]
    needs: Vec<String>,
}

impl fmt::Display for DeclarationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Key for DeclarationKey {
    type Value = BuildResult<Arc<Declaration>>;

    async fn compute(&self, ctx: &Context) -> Self::Value {
        let analysed = flatten(ctx.compute(&self.0).await)?;
        let declared = &analysed.declared;
        let outputs = declared.target.outputs.iter().map(|output| {
            let staged = declared.staged(&output.path);
            staged.strip_prefix("out/").unwrap_or(&staged).to_owned()
        });
        let mut dependencies = Vec::new();
        let mut seen = HashSet::new();
        for (mention, target) in analysed.mentions() {
            let key = TargetKey {
                label: target.label.clone(),
                configuration: target.configuration,
            };
            if seen.insert((key.clone(), mention.tool)) {
                dependencies.push((key, mention.tool));
            }
        }
        let mut needs = Grade::pure();
        for action in &declared.target.actions {
            needs = needs.join(&lower::needs(declared, &action.requires)?);
        }
        Ok(Arc::new(Declaration {
            kind: declared.target.kind.clone(),
            outputs: outputs.collect(),
            dependencies,
            needs,
        }))
    }

    fn unchanged(old: &Self::Value, new: &Self::Value) -> bool {
        matches!((old, new), (Ok(old), Ok(new)) if old == new)
    }
}

impl Persistent for DeclarationKey {
    const TAG: u16 = 11;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(written::target(&self.0).as_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        written::read_target(text(bytes)?).map(Self)
    }

    fn fingerprint(value: &Self::Value) -> Option<Fingerprint> {
        Self::store(value).map(|stored| fingerprint(&stored))
    }

    fn store(value: &Self::Value) -> Option<Vec<u8>> {
        let declaration = value.as_ref().ok()?;
        let dependencies = declaration.dependencies.iter();
        Some(cbor(&Stored {
            kind: declaration.kind.clone(),
            outputs: declaration.outputs.clone(),
            dependencies: dependencies
                .map(|(key, tool)| (written::target(key), *tool))
                .collect(),
            needs: declaration.needs.needs(),
        }))
    }

    fn restore(
        &self,
        stored: &[u8],
        _: &Context,
    ) -> impl Future<Output = Option<Self::Value>> + Send {
        ready(read(stored).map(|declaration| Ok(Arc::new(declaration))))
    }
}

fn read(stored: &[u8]) -> Option<Declaration> {
    let stored: Stored = minicbor::decode(stored).ok()?;
    let dependencies = stored.dependencies.iter();
    let dependencies = dependencies.map(|(key, tool)| Some((written::read_target(key)?, *tool)));
    Some(Declaration {
        kind: stored.kind,
        outputs: stored.outputs,
        dependencies: dependencies.collect::<Option<_>>()?,
        needs: Grade::of_needs(stored.needs.iter().map(String::as_str)).ok()?,
    })
}

/// A target of a [`TargetGraph`].
#[derive(Debug, Clone)]
pub struct TargetNode {
    /// Its name.
    pub label: Label,
    /// What it is, such as `c_library`.
    pub kind: String,
    /// Below the folder of outputs: `<package>/<target>/…`, sorted.
    pub outputs: Vec<String>,
    /// What it depends on, by index, sorted; and whether only as a tool.
    pub dependencies: Vec<(usize, bool)>,
    /// What its steps, and those of all that it depends on, need beyond their
    /// inputs.
    pub needs: Grade,
}

/// Targets, sorted by label, with everything that they depend on.
#[derive(Debug, Default)]
pub struct TargetGraph {
    nodes: Vec<TargetNode>,
    /// The other direction of all edges, sorted.
    dependents: Vec<Vec<usize>>,
    selections: HashMap<Reference, Vec<usize>>,
}

impl TargetGraph {
    /// Returns the targets, sorted by label.
    #[must_use]
    pub fn nodes(&self) -> &[TargetNode] {
        &self.nodes
    }

    /// Returns what depends on the target `index`, by index.
    #[must_use]
    pub fn dependents(&self, index: usize) -> &[usize] {
        &self.dependents[index]
    }

    /// Returns the targets that a reference means; the graph was made with it.
    #[must_use]
    pub fn selected(&self, reference: &Reference) -> &[usize] {
        self.selections.get(reference).map_or(&[], Vec::as_slice)
    }
}

/// Loads `roots` and everything below them, each once.
pub(crate) async fn load(
    engine: &Engine,
    selections: Vec<(Reference, Vec<Label>)>,
    roots: Vec<TargetKey>,
) -> BuildResult<TargetGraph> {
    let mut seen: HashSet<TargetKey> = roots.iter().cloned().collect();
    let mut wave: Vec<DeclarationKey> = seen.iter().cloned().map(DeclarationKey).collect();
    let mut targets: BTreeMap<Label, Vec<Arc<Declaration>>> = BTreeMap::new();
    while !wave.is_empty() {
        let found = join_all(wave.iter().map(|key| engine.compute(key))).await;
        let mut next = Vec::new();
        for (key, declaration) in wave.into_iter().zip(found) {
            let declaration = flatten(declaration)?;
            for (below, _) in &declaration.dependencies {
                if seen.insert(below.clone()) {
                    next.push(DeclarationKey(below.clone()));
                }
            }
            targets.entry(key.0.label).or_default().push(declaration);
        }
        wave = next;
    }
    Ok(assemble(&targets, selections))
}

fn assemble(
    targets: &BTreeMap<Label, Vec<Arc<Declaration>>>,
    selections: Vec<(Reference, Vec<Label>)>,
) -> TargetGraph {
    let labels: HashMap<&Label, usize> = targets.keys().zip(0..).collect();
    let mut dependents = vec![Vec::new(); targets.len()];
    let mut nodes = Vec::with_capacity(targets.len());
    for (index, (label, declarations)) in targets.iter().enumerate() {
        let mut dependencies: BTreeMap<usize, bool> = BTreeMap::new();
        let edges = declarations.iter().flat_map(|says| &says.dependencies);
        for (key, tool) in edges {
            // All that is mentioned was loaded. A tool that is itself in
            // another configuration is no edge between labels.
            let Some(&below) = labels.get(&key.label).filter(|below| **below != index) else {
                continue;
            };
            *dependencies.entry(below).or_insert(true) &= tool;
        }
        for below in dependencies.keys() {
            dependents[*below].push(index);
        }
        let outputs = declarations.iter().flat_map(|says| says.outputs.clone());
        nodes.push(TargetNode {
            label: label.clone(),
            kind: declarations[0].kind.clone(),
            outputs: outputs.collect::<BTreeSet<_>>().into_iter().collect(),
            dependencies: dependencies.into_iter().collect(),
            needs: declarations
                .iter()
                .fold(Grade::pure(), |needs, says| needs.join(&says.needs)),
        });
    }
    hand_up_needs(&mut nodes, &dependents);
    let index = |label: &Label| labels.get(label).copied();
    let selections = selections.into_iter();
    TargetGraph {
        selections: selections
            .map(|(reference, labels)| (reference, labels.iter().filter_map(index).collect()))
            .collect(),
        nodes,
        dependents,
    }
}

/// A target needs whatever those need that it is made of.
fn hand_up_needs(nodes: &mut [TargetNode], dependents: &[Vec<usize>]) {
    let pure = Grade::pure();
    let mut grown: Vec<usize> = (0..nodes.len())
        .filter(|index| nodes[*index].needs != pure)
        .collect();
    while let Some(below) = grown.pop() {
        for above in &dependents[below] {
            let joined = nodes[*above].needs.join(&nodes[below].needs);
            if joined != nodes[*above].needs {
                nodes[*above].needs = joined;
                grown.push(*above);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Configuration;
    use crate::label::PackagePath;
    use crate::query::Query;

    fn key(number: usize) -> TargetKey {
        let package = PackagePath::new(&format!("p{number:06}")).unwrap();
        TargetKey {
            label: Label::new(package, "t").unwrap(),
            configuration: Configuration::native(),
        }
    }

    /// `//p…` depends on the two before it, the second of them a tool.
    fn ladder(length: usize) -> TargetGraph {
        let targets = (0..length).map(|number| {
            let below =
                (number.saturating_sub(2)..number).map(|below| (key(below), below % 2 == 0));
            let declaration = Declaration {
                kind: format!("kind_{}", number % 3),
                outputs: Vec::new(),
                dependencies: below.collect(),
                needs: Grade::pure(),
            };
            (key(number).label, vec![Arc::new(declaration)])
        });
        let root = PackagePath::new("").unwrap();
        let all = (0..length).map(|number| key(number).label).collect();
        let first = Reference::Target(key(0).label);
        let selections = vec![(Reference::Below(root), all), (first, vec![key(0).label])];
        assemble(&targets.collect(), selections)
    }

    #[test]
    fn a_ladder_of_many_targets_is_answered_without_deep_recursion() {
        // There are more paths than atoms: only visiting each edge once ends.
        let graph = ladder(20_000);
        let root = PackagePath::new("").unwrap();
        for (text, count) in [
            ("rdeps(//..., //p000000:t)", 20_000),
            ("rdeps(//..., //p000000:t, 2)", 5),
            ("allpaths(//..., //p000000:t)", 20_000),
            ("kind(kind_0, deps(//...))", 6_667),
            ("somepath(//... - //p000000:t, //p000000:t)", 2),
        ] {
            let query = Query::parse(text, &root).unwrap();
            assert_eq!(query.evaluate(&graph).len(), count, "{text}");
        }
    }

    #[test]
    fn an_edge_is_dashed_only_if_all_configurations_have_a_tool() {
        let declaration = |tool| {
            let dependencies = vec![(key(0), tool)];
            Arc::new(Declaration {
                kind: String::new(),
                outputs: Vec::new(),
                dependencies,
                needs: Grade::pure(),
            })
        };
        let leaf = Arc::new(Declaration {
            kind: String::new(),
            outputs: Vec::new(),
            dependencies: Vec::new(),
            needs: Grade::pure(),
        });
        for (tools, expected) in [([true, true], true), ([true, false], false)] {
            let targets = BTreeMap::from([
                (key(0).label, vec![Arc::clone(&leaf)]),
                (key(1).label, tools.map(declaration).to_vec()),
            ]);
            let graph = assemble(&targets, Vec::new());
            assert_eq!(graph.nodes()[1].dependencies, [(0, expected)]);
            assert_eq!(graph.dependents(0), [1]);
        }
    }
}
