//! A package: the rules of one `BUILD.dhall`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use straylight_dhall::{Evaluator, Location, Value, from_value};
use straylight_dice::Fingerprint;

use crate::configuration::Triple;
use crate::error::{BuildError, BuildResult, Place};
use crate::files::Files;
use crate::label::{Label, PackagePath};
use crate::persist::Fingerprinter;
use crate::places::Places;
use crate::tree::TreeError;

/// The rules of a package, by name.
pub(crate) struct Package {
    path: PackagePath,
    rules: BTreeMap<String, Rule>,
    /// The files of the tree that the rules were evaluated from, absent ones
    /// included; the build file is the first.
    files: Vec<String>,
    /// Stands for what these files say.
    pub(crate) fingerprint: Fingerprint,
    pub(crate) places: Arc<Places>,
}

/// The names of a package's targets, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) path: PackagePath,
    pub(crate) names: Vec<String>,
}

impl Names {
    /// Returns the label of the target `name`.
    pub(crate) fn find(&self, name: &str) -> BuildResult<Label> {
        if self.names.iter().any(|known| known == name) {
            return self.label(name);
        }
        Err(Arc::new(BuildError::NoTarget {
            label: self.label(name)?,
            place: None,
            known: self.names.clone(),
        }))
    }

    /// Returns the label of every target.
    pub(crate) fn labels(&self) -> BuildResult<Vec<Label>> {
        self.names.iter().map(|name| self.label(name)).collect()
    }

    /// Returns the target that `//folder` stands for.
    pub(crate) fn default_target(&self) -> BuildResult<Label> {
        let own = self.path.folder_name();
        let named_like_the_folder = self.names.iter().find(|name| own == Some(name));
        let only = || self.names.first().filter(|_| self.names.len() == 1);
        match named_like_the_folder.or_else(only) {
            Some(name) => self.label(name),
            None => Err(Arc::new(BuildError::Ambiguous {
                package: self.path.clone(),
                place: None,
                known: self.names.clone(),
            })),
        }
    }

    fn label(&self, name: &str) -> BuildResult<Label> {
        Label::new(self.path.clone(), name).map_err(|error| {
            Arc::new(BuildError::Label {
                place: Some(Place::of_file(&self.path.build_file())),
                error,
            })
        })
    }
}

/// A rule: applied to a configuration, it says what its target is.
pub(crate) struct Rule {
    /// What `//x` builds for; none is the host.
    pub(crate) platforms: Vec<Triple>,
    /// `Configuration → Target`.
    pub(crate) build: Value,
    /// The type of the configuration that it takes.
    pub(crate) configuration: Value,
}

impl Package {
    /// Evaluates the package's `BUILD.dhall`.
    pub(crate) fn load(
        files: &Arc<Files>,
        evaluator: &Evaluator,
        path: &PackagePath,
    ) -> BuildResult<Self> {
        let file = path.build_file();
        let read = files.read(&file).map_err(unreadable)?;
        let Some(text) = &read.bytes else {
            return Err(Arc::new(BuildError::NoPackage {
                package: path.clone(),
                place: None,
            }));
        };
        let not_rules = |problem: String| {
            Arc::new(BuildError::NotRules {
                place: Place::of_file(&file),
                problem,
            })
        };
        let text = std::str::from_utf8(text)
            .map_err(|error| not_rules(format!("the file is not UTF-8: {error}")))?;
        let evaluated = evaluator
            .evaluate(&Location::File(file.clone()), text)
            .map_err(|error| BuildError::Dhall(Box::new(error)))?;
        let mut sources = vec![file.clone()];
        for import in evaluated.imports {
            if let Location::File(path) = import.location {
                sources.push(path);
            }
        }
        let fingerprint = fingerprint(files, &sources)?;
        let places = Places::new(path, Arc::clone(files));
        let rules = rules(&evaluated.value, &evaluated.ty).map_err(|refused| {
            Arc::new(BuildError::NotRules {
                place: refused
                    .name
                    .map_or(places.file(), |name| places.last_of(&name)),
                problem: refused.problem,
            })
        })?;
        Ok(Self {
            path: path.clone(),
            files: sources,
            fingerprint,
            rules,
            places,
        })
    }

    /// Returns the files of the tree that the package was evaluated from.
    pub(crate) fn files(&self) -> &[String] {
        &self.files
    }

    /// Returns the names of the targets.
    pub(crate) fn names(&self) -> Names {
        Names {
            path: self.path.clone(),
            names: self.rules.keys().cloned().collect(),
        }
    }

    /// Returns the rule of the target `name`.
    pub(crate) fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.get(name)
    }
}

fn unreadable(error: TreeError) -> Arc<BuildError> {
    Arc::new(BuildError::Tree(Arc::new(error)))
}

fn fingerprint(files: &Files, sources: &[String]) -> BuildResult<Fingerprint> {
    let mut hasher = Fingerprinter::default();
    for path in sources {
        let file = files.read(path).map_err(unreadable)?;
        hasher.add(path.as_bytes());
        hasher.add(&[u8::from(file.bytes.is_some())]);
        hasher.add(file.bytes.as_deref().unwrap_or_default());
    }
    Ok(hasher.finish())
}

/// The data of a rule; its function is taken from the value.
#[derive(Deserialize)]
struct Head {
    name: String,
    #[serde(default)]
    platforms: Vec<Triple>,
}

/// Why the value of a file is no package.
struct Refused {
    problem: String,
    /// The name that it is about.
    name: Option<String>,
}

impl From<String> for Refused {
    fn from(problem: String) -> Self {
        Self {
            problem,
            name: None,
        }
    }
}

fn rules(value: &Value, ty: &Value) -> Result<BTreeMap<String, Rule>, Refused> {
    let (Some(fields), Some(types)) = (value.fields(), ty.fields()) else {
        let problem = "a package is a record of rules, `{ name = rule, … }`";
        return Err(problem.to_owned().into());
    };
    if types
        .iter()
        .any(|(name, ty)| name == "build" && ty.function_type().is_some())
    {
        let problem = "the file is one rule; a package is a record of rules: write \
                       `let rule = … in { name = rule }`";
        return Err(problem.to_owned().into());
    }
    let mut rules = BTreeMap::new();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for ((field, value), (_, ty)) in fields.into_iter().zip(types) {
        let (name, rule) = rule(&value, &ty)
            .map_err(|problem| format!("the field `{field}` is not a rule: {problem}"))?;
        if let Some(other) = names.insert(name.clone(), field.clone()) {
            return Err(Refused {
                problem: format!(
                    "the rules `{other}` and `{field}` are both named `{name}`: give one of them \
                     another name"
                ),
                name: Some(name),
            });
        }
        rules.insert(name, rule);
    }
    Ok(rules)
}

fn rule(value: &Value, ty: &Value) -> Result<(String, Rule), String> {
    let build = value.field("build").ok_or("it has no field `build`")?;
    let (configuration, _) = ty
        .field("build")
        .and_then(|ty| ty.function_type())
        .ok_or("its field `build` is not a function")?;
    let head: Head = from_value(value).map_err(|error| error.to_string())?;
    let rule = Rule {
        platforms: head.platforms,
        build,
        configuration,
    };
    Ok((head.name, rule))
}

impl fmt::Debug for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Package")
            .field("path", &self.path)
            .field("rules", &self.rules.keys())
            .finish()
    }
}
