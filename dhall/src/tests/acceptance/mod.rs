//! The acceptance suite of the Dhall language, if it is there.
//!
//! It is looked for in `$STRAYLIGHT_DHALL_TESTS`, else beside the workspace in
//! `../shared/dhall-lang/tests`. Every case of every folder is run; the few
//! that cannot pass are listed here with the reason, and a listed case that
//! passes is a failure too.

mod imports;

use std::fs;
use std::path::{Path, PathBuf};

use crate::binary::{decode, encode};
use crate::environment::Env;
use crate::evaluate::Machine;
use crate::import::semantic_hash;
use crate::location::Location;
use crate::parse::parse;
use crate::quote::Quoter;
use crate::scope::Scope;
use crate::syntax::Expr;
use crate::tests::hosts::SuiteImporter;
use crate::tests::{on_machine, resolve};
use crate::typecheck;

/// Cases that cannot pass, as `folder/name` without `A`, and why: none.
const KNOWN_FAILURES: &[(&str, &str)] = &[];

fn suite() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/dhall-lang/tests");
    let named = std::env::var_os("STRAYLIGHT_DHALL_TESTS").map(PathBuf::from);
    let suite = named.unwrap_or(beside);
    suite.is_dir().then_some(suite)
}

/// A case: the path of its `A` file or of its only file, without extension.
struct Case {
    folder: &'static str,
    name: String,
    input: PathBuf,
}

impl Case {
    fn location(&self) -> Location {
        Location::File(format!(
            "dhall-lang/tests/{}/{}",
            self.folder,
            self.name_with("A.dhall")
        ))
    }

    fn name_with(&self, ending: &str) -> String {
        format!("{}{ending}", self.name)
    }

    fn sibling(&self, ending: &str) -> PathBuf {
        let file = self
            .input
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        let stem = file.split_once("A.dhall").map_or(file, |(stem, _)| stem);
        self.input.with_file_name(format!("{stem}{ending}"))
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.input).unwrap_or_default()
    }
}

fn cases(root: &Path, folder: &'static str, ending: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let base = root.join(folder);
    let mut folders = vec![base.clone()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(next) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let relative = path.strip_prefix(&base).expect("below the folder");
            let relative = relative.to_str().expect("UTF-8").to_owned();
            if let Some(name) = relative
                .strip_suffix(ending)
                .filter(|name| !name.ends_with("ENV"))
            {
                cases.push(Case {
                    folder,
                    name: name.to_owned(),
                    input: path,
                });
            }
        }
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

type Outcome = Result<(), String>;

/// Runs all cases of a folder; returns what went otherwise than expected.
fn run(
    root: &Path,
    folder: &'static str,
    ending: &str,
    check: impl Fn(&Case) -> Outcome,
) -> Vec<String> {
    run_by("", root, folder, ending, check)
}

/// Runs all cases of a folder in a way that is told.
fn run_by(
    way: &str,
    root: &Path,
    folder: &'static str,
    ending: &str,
    check: impl Fn(&Case) -> Outcome,
) -> Vec<String> {
    let cases = cases(root, folder, ending);
    assert!(!cases.is_empty(), "{folder} has no cases");
    let (mut passed, mut unexpected, mut failed) = (0, Vec::new(), 0);
    for case in &cases {
        let name = format!("{folder}/{}", case.name);
        let known = KNOWN_FAILURES.iter().find(|(known, _)| *known == name);
        match (check(case), known) {
            (Ok(()), None) => passed += 1,
            (Ok(()), Some(_)) => {
                unexpected.push(format!("{name} passes: remove it from the known failures"));
            }
            (Err(_), Some(_)) => failed += 1,
            (Err(why), None) => {
                failed += 1;
                unexpected.push(format!("{name}{way}: {why}"));
            }
        }
    }
    println!("{folder}{way}: {passed} passed, {failed} failed");
    unexpected
}

fn same(expected: &[u8], found: &[u8]) -> Outcome {
    if expected == found {
        return Ok(());
    }
    let show = |bytes: &[u8]| {
        on_machine(|_| {
            decode(bytes)
                .map(|e| crate::print::print(&e))
                .unwrap_or_else(|e| e.to_string())
        })
    };
    Err(format!(
        "expected {}\n found {}",
        show(expected),
        show(found)
    ))
}

fn encoded(expression: &Expr) -> Result<Vec<u8>, String> {
    encode(expression).map_err(|stop| stop.to_string())
}

fn must_fail<T>(result: Result<T, impl std::fmt::Debug>) -> Outcome {
    match result {
        Ok(_) => Err("it succeeds".to_owned()),
        Err(_) => Ok(()),
    }
}

fn read_resolved(machine: &Machine, root: &Path, case: &Case, path: &Path) -> Result<Expr, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let importer = SuiteImporter::new(root);
    resolve(machine, &importer, &case.location(), &text).map_err(|error| error.render(false))
}

fn normalized(machine: &Machine, expression: &Expr, alpha: bool) -> Result<Vec<u8>, String> {
    let normalize = || {
        let value = machine.eval(expression, &Env::default())?;
        let mut quoter = if alpha {
            Quoter::alpha(machine)
        } else {
            Quoter::new(machine, Scope::default())
        };
        encode(&quoter.quote(&value)?)
    };
    normalize().map_err(|stop| stop.to_string())
}

/// A text is formatted to what means the same, and is not formatted again.
fn formats(case: &Case) -> Outcome {
    let format = |text: &str| {
        let formatted = crate::format(&case.location(), text);
        formatted.map_err(|error| error.render(false))
    };
    let once = format(&case.text())?;
    if format(&once)? != once {
        return Err(format!("it is formatted twice:\n{once}"));
    }
    Ok(())
}

fn parser(root: &Path) -> Vec<String> {
    let mut unexpected = run(root, "parser/success", "A.dhall", |case| {
        let expected = fs::read(case.sibling("B.dhallb")).map_err(|error| error.to_string())?;
        let found =
            on_machine(|_| encoded(&parse(&case.text()).map_err(|problem| problem.message)?))?;
        same(&expected, &found)?;
        formats(case)
    });
    unexpected.extend(run(
        root,
        "parser/failure",
        ".dhall",
        |case| match fs::read_to_string(&case.input) {
            Ok(text) => must_fail(on_machine(|_| parse(&text).map(|_| ()))),
            Err(_) => Ok(()),
        },
    ));
    unexpected
}

fn binary(root: &Path) -> Vec<String> {
    let mut unexpected = run(root, "binary-decode/success", "A.dhallb", |case| {
        let bytes = fs::read(&case.input).map_err(|error| error.to_string())?;
        let name = case
            .input
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let text = case
            .input
            .with_file_name(name.replace("A.dhallb", "B.dhall"));
        let text = fs::read_to_string(text).map_err(|error| error.to_string())?;
        on_machine(|_| {
            let found = decode(&bytes).map_err(|error| error.to_string())?;
            let expected = parse(&text).map_err(|problem| problem.message)?;
            same(&encoded(&expected)?, &encoded(&found)?)
        })
    });
    unexpected.extend(run(root, "binary-decode/failure", ".dhallb", |case| {
        let bytes = fs::read(&case.input).map_err(|error| error.to_string())?;
        must_fail(on_machine(|_| decode(&bytes)))
    }));
    unexpected
}

fn normalization(root: &Path) -> Vec<String> {
    let mut unexpected = run(root, "normalization/success", "A.dhall", |case| {
        on_machine(|machine| {
            let a = read_resolved(machine, root, case, &case.input)?;
            let b = read_resolved(machine, root, case, &case.sibling("B.dhall"))?;
            same(&encoded(&b)?, &normalized(machine, &a, false)?)
        })
    });
    unexpected.extend(run(
        root,
        "alpha-normalization/success",
        "A.dhall",
        |case| {
            on_machine(|machine| {
                let a = read_resolved(machine, root, case, &case.input)?;
                let b = read_resolved(machine, root, case, &case.sibling("B.dhall"))?;
                same(
                    &normalized(machine, &b, true)?,
                    &normalized(machine, &a, true)?,
                )?;
                same(&encoded(&b)?, &normalized(machine, &a, true)?)
            })
        },
    ));
    unexpected
}

fn hashes(root: &Path) -> Vec<String> {
    run(root, "semantic-hash/success", "A.dhall", |case| {
        on_machine(|machine| {
            let a = read_resolved(machine, root, case, &case.input)?;
            let expected =
                fs::read_to_string(case.sibling("B.hash")).map_err(|error| error.to_string())?;
            let value = machine
                .eval(&a, &Env::default())
                .map_err(|stop| stop.to_string())?;
            let hash = semantic_hash(machine, &value).map_err(|stop| stop.to_string())?;
            let found = format!("sha256:{}", data_encoding::HEXLOWER.encode(&hash));
            if expected.trim() == found {
                Ok(())
            } else {
                Err(format!("expected {expected}found {found}"))
            }
        })
    })
}

fn types(root: &Path) -> Vec<String> {
    let mut unexpected = run(root, "type-inference/success", "A.dhall", |case| {
        on_machine(|machine| {
            let a = read_resolved(machine, root, case, &case.input)?;
            let b = read_resolved(machine, root, case, &case.sibling("B.dhall"))?;
            let ty = typecheck::infer(machine, &a).map_err(|problem| format!("{problem:?}"))?;
            let found = Quoter::new(machine, Scope::default())
                .quote(&ty)
                .map_err(|stop| stop.to_string())?;
            same(&encoded(&b)?, &encoded(&found)?)
        })
    });
    unexpected.extend(run(root, "type-inference/failure", ".dhall", |case| {
        on_machine(|machine| {
            let a = read_resolved(machine, root, case, &case.input)?;
            must_fail(typecheck::infer(machine, &a))
        })
    }));
    unexpected
}

#[test]
fn acceptance_suite() {
    let Some(root) = suite() else {
        println!(
            "the Dhall acceptance suite is not beside this workspace; nothing was checked with it"
        );
        return;
    };
    let folders = [
        parser,
        binary,
        normalization,
        hashes,
        types,
        imports::in_memory,
        imports::by_http,
    ];
    let unexpected: Vec<_> = folders.iter().flat_map(|folder| folder(&root)).collect();
    assert!(
        unexpected.is_empty(),
        "{} cases:\n{}",
        unexpected.len(),
        unexpected.join("\n")
    );
}
