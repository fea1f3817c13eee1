//! From a rule to a target whose dependencies are known.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use straylight_dhall::{Value, from_value, to_value};
use straylight_dice::Fingerprint;
use straylight_odb::Sha256;

use crate::configuration::Configuration;
use crate::error::{BuildError, BuildResult};
use crate::keys::TargetKey;
use crate::label::Label;
use crate::package::Package;
use crate::path;
use crate::persist::Fingerprinter;
use crate::places::Places;
use crate::session::{About, Warning};
use crate::sets::Node;
use crate::target::{Mention, Target};

/// Returns what a rule says of its target, as it says it.
pub(crate) fn decode(
    package: &Package,
    label: &Label,
    configuration: Configuration,
) -> BuildResult<Target> {
    applied(package, label, configuration).map(|(_, target)| target)
}

/// Applies a rule to a configuration.
fn applied(
    package: &Package,
    label: &Label,
    configuration: Configuration,
) -> BuildResult<(Value, Target)> {
    let Some(rule) = package.rule(label.name()) else {
        return Err(Arc::new(BuildError::NoTarget {
            label: label.clone(),
            place: None,
            known: package.names().names,
        }));
    };
    let malformed = |problem: String| BuildError::Malformed {
        label: label.clone(),
        place: Some(package.places.file()),
        problem,
    };
    let argument = to_value(&configuration, &rule.configuration)
        .map_err(|error| malformed(format!("it cannot be built for {configuration}: {error}")))?;
    let value = rule
        .build
        .apply(&argument)
        .map_err(|error| BuildError::Dhall(Box::new(error)))?;
    let target = from_value(&value).map_err(|error| malformed(error.to_string()))?;
    Ok((value, target))
}

/// What a rule says of a target in one configuration.
pub(crate) struct Declared {
    pub(crate) label: Label,
    pub(crate) configuration: Configuration,
    pub(crate) target: Target,
    pub(crate) places: Arc<Places>,
    /// The sha256 of the normalised target in Dhall's binary form.
    pub(crate) spec: Sha256,
    /// That form, unless the target comes from an earlier process.
    pub(crate) spec_bytes: Option<Vec<u8>>,
    /// Which action makes an output, by the output's path.
    producers: HashMap<String, usize>,
}

impl Declared {
    /// Applies the rule to the configuration, and checks what it says.
    pub(crate) fn new(
        package: &Package,
        label: Label,
        configuration: Configuration,
    ) -> BuildResult<Self> {
        let (value, target) = applied(package, &label, configuration)?;
        let bytes = value
            .encode()
            .map_err(|error| BuildError::Dhall(Box::new(error)))?;
        let mut declared = Self {
            spec: Sha256::of(&bytes),
            spec_bytes: Some(bytes),
            producers: HashMap::new(),
            label,
            configuration,
            target,
            places: Arc::clone(&package.places),
        };
        declared.check()?;
        Ok(declared)
    }

    /// Returns what was found to be well formed before.
    pub(crate) fn known(
        key: &TargetKey,
        target: Target,
        spec: Sha256,
        places: Arc<Places>,
    ) -> Self {
        let mut producers = HashMap::new();
        for (index, action) in target.actions.iter().enumerate() {
            let paths = action.paths().map(|path| (path.to_owned(), index));
            producers.extend(paths);
        }
        Self {
            spec,
            spec_bytes: None,
            producers,
            label: key.label.clone(),
            configuration: key.configuration,
            target,
            places,
        }
    }

    /// Returns the action that makes the output `path`, or a folder around it.
    pub(crate) fn producer(&self, path: &str) -> Option<(usize, &str)> {
        let mut candidate = path;
        loop {
            if let Some((made, &index)) = self.producers.get_key_value(candidate) {
                return Some((index, made));
            }
            candidate = candidate.rsplit_once('/')?.0;
        }
    }

    /// Returns the path of an output, by its name or its path.
    pub(crate) fn output_path<'a>(&'a self, output: &'a str) -> &'a str {
        self.target
            .outputs
            .iter()
            .find(|named| named.name == output)
            .map_or(output, |named| &named.path)
    }

    /// Returns where an action sees the output `path`.
    pub(crate) fn staged(&self, path: &str) -> String {
        path::join("out", &path::join(&self.label.output_folder(), path))
    }

    pub(crate) fn malformed(&self, about: &str, problem: String) -> Arc<BuildError> {
        Arc::new(BuildError::Malformed {
            label: self.label.clone(),
            place: Some(self.places.of(about)),
            problem,
        })
    }

    fn check(&mut self) -> BuildResult<()> {
        if !self.target.problems.is_empty() {
            return Err(Arc::new(BuildError::Problems {
                label: self.label.clone(),
                place: self.places.of(self.label.name()),
                problems: self.target.problems.clone(),
            }));
        }
        let mut producers = HashMap::new();
        for (index, action) in self.target.actions.iter().enumerate() {
            if action.arguments.is_empty() {
                let problem = format!("`{}` has no program to run", action.step());
                return Err(self.malformed(&action.identifier, problem));
            }
            for path in action.paths() {
                self.check_output(path)?;
                if producers.insert(path.to_owned(), index).is_some() {
                    let problem = format!("the output `{path}` is made twice");
                    return Err(self.malformed(path, problem));
                }
            }
        }
        self.producers = producers;
        self.check_overlaps()?;
        for named in &self.target.outputs {
            if self.producer(&named.path).is_none() {
                let problem = format!("no action makes the output `{}`", named.path);
                return Err(self.malformed(&named.path, problem));
            }
        }
        Ok(())
    }

    fn check_output(&self, path: &str) -> BuildResult<()> {
        path::check(path).map_err(|reason| {
            self.malformed(path, format!("the output `{path}` has no place: {reason}"))
        })
    }

    /// No output lies inside another: one would be written by two actions.
    fn check_overlaps(&self) -> BuildResult<()> {
        for path in self.producers.keys() {
            let folder = path.rsplit_once('/').map(|(folder, _)| folder);
            if let Some((_, around)) = folder.and_then(|folder| self.producer(folder)) {
                let problem = format!("the output `{path}` lies inside the output `{around}`");
                return Err(self.malformed(path, problem));
            }
        }
        Ok(())
    }
}

/// A target and, below it, everything that it mentions.
pub(crate) struct Analysed {
    pub(crate) declared: Declared,
    dependencies: Vec<Arc<Analysed>>,
    mentioned: BTreeMap<Mention, Arc<Analysed>>,
    /// Stands for the target and all that it mentions.
    pub(crate) fingerprint: Fingerprint,
}

impl Analysed {
    /// `mentioned` has the targets that were found for the mentions of
    /// `declared`; those of itself are not among them.
    pub(crate) fn new(
        declared: Declared,
        mentioned: BTreeMap<Mention, Arc<Analysed>>,
    ) -> Arc<Self> {
        let dependencies = declared
            .target
            .deps
            .iter()
            .filter_map(|text| mentioned.get(&Mention::target(text)))
            .map(Arc::clone)
            .collect();
        let mut hasher = Fingerprinter::default();
        hasher.add(declared.label.to_string().as_bytes());
        hasher.add(declared.configuration.to_string().as_bytes());
        hasher.add(declared.spec.as_raw());
        for (mention, target) in &mentioned {
            hasher.add(mention.text.as_bytes());
            hasher.add(&[u8::from(mention.tool)]);
            hasher.add(&target.fingerprint);
        }
        Arc::new(Self {
            fingerprint: hasher.finish(),
            declared,
            dependencies,
            mentioned,
        })
    }

    /// Returns what the rule wants to be told of the target.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = Warning> + '_ {
        let declared = &self.declared;
        let place = || declared.places.of(declared.label.name());
        let warnings = declared.target.warnings.iter();
        warnings.map(move |message| Warning::new(&place(), About::Rule(message.clone())))
    }

    /// Returns the other targets that are mentioned, and whether as tools.
    pub(crate) fn mentions(&self) -> impl Iterator<Item = (&Mention, &Declared)> {
        let mentioned = self.mentioned.iter();
        mentioned.map(|(mention, target)| (mention, &target.declared))
    }

    /// Returns the other targets that are mentioned.
    pub(crate) fn all_mentioned(&self) -> impl Iterator<Item = &Arc<Self>> {
        self.mentioned.values()
    }

    /// Returns the target of a mention; a mention that was not resolved is
    /// one of the target itself.
    pub(crate) fn mentioned(self: &Arc<Self>, mention: &Mention) -> &Arc<Self> {
        self.mentioned.get(mention).unwrap_or(self)
    }
}

impl Node for Analysed {
    fn dependencies(&self) -> &[Arc<Self>] {
        &self.dependencies
    }
}

impl fmt::Debug for Analysed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({})",
            self.declared.label, self.declared.configuration
        )
    }
}
