//! Which files belong together, as the package database of Debian knows it.
//!
//! Asked through `dpkg-query`, whose output is stable; the files under
//! `/var/lib/dpkg` are dpkg's own. Three questions make a closure: who owns
//! these files, which packages depend on which, and what do they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::CaptureError;
use super::host::{Host, ask, tell};

/// The installed packages of a machine.
#[derive(Debug)]
pub(super) struct Packages {
    query: PathBuf,
    /// By the name that `dpkg-query` prints: `libc6:amd64`, `sed`.
    installed: BTreeMap<String, Package>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Package {
    architecture: String,
    /// Its own name, and the virtual ones.
    names: Vec<String>,
    source: String,
    /// Each is one dependency: alternatives, of which one must be installed.
    depends: Vec<Vec<String>>,
}

const FORMAT: &str = "${binary:Package}\t${Package}\t${Architecture}\t${source:Package}\t\
    ${db:Status-Status}\t${Provides}\t${Pre-Depends}, ${Depends}\n";

impl Packages {
    /// Reads the database; `None` where there is no `dpkg-query`.
    ///
    /// # Errors
    /// [`CaptureError::Failed`] when the database cannot be read.
    pub(super) fn read() -> Result<Option<Self>, CaptureError> {
        let Some(query) = Host::with_path("/usr/bin:/bin").program("dpkg-query") else {
            return Ok(None);
        };
        let answer = ask(&query, &["-W", "-f", FORMAT])?;
        // dpkg without a single package also ends here: it cannot own anything.
        if !answer.success {
            return Ok(None);
        }
        let installed = answer.stdout.lines().filter_map(parse_package).collect();
        Ok(Some(Self { query, installed }))
    }

    /// Returns the packages that own any of these files.
    ///
    /// A path may be spelled with or without the `/usr` of a merged system;
    /// the database knows one of the two.
    ///
    /// # Errors
    /// [`CaptureError::Io`].
    pub(super) fn owners(&self, files: &[PathBuf]) -> Result<BTreeSet<String>, CaptureError> {
        if files.is_empty() {
            return Ok(BTreeSet::new());
        }
        let mut args = vec![PathBuf::from("-S")];
        for file in files {
            args.push(file.clone());
            args.push(match file.strip_prefix("/usr") {
                Ok(rest) => Path::new("/").join(rest),
                Err(_) => Path::new("/usr").join(file.strip_prefix("/").unwrap_or(file)),
            });
        }
        // It fails when one file has no owner, which is an answer too.
        let answer = ask(&self.query, &args)?;
        let owners = answer.stdout.lines().filter_map(parse_owners).flatten();
        Ok(owners
            .filter(|package| self.installed.contains_key(package))
            .collect())
    }

    /// Returns `roots` and what they depend on, as far as it comes from the
    /// same sources as the roots.
    ///
    /// So a compiler brings the parts of itself, and libc its headers, but
    /// neither brings a neighbour that its packaging happens to name.
    pub(super) fn closure(&self, roots: &BTreeSet<String>) -> BTreeSet<String> {
        let source = |name: &String| self.installed.get(name).map(|package| &package.source);
        let sources: BTreeSet<&String> = roots.iter().filter_map(source).collect();
        let mut closure = BTreeSet::new();
        let mut queue: Vec<&String> = roots.iter().collect();
        while let Some(name) = queue.pop() {
            let Some(package) = self.installed.get(name) else {
                continue;
            };
            if !closure.insert(name.clone()) {
                continue;
            }
            for alternatives in &package.depends {
                let providers = alternatives
                    .iter()
                    .map(|wanted| self.providers(wanted, package))
                    .find(|providers| !providers.is_empty());
                let related = providers.into_iter().flatten();
                queue.extend(
                    related.filter(|name| source(name).is_some_and(|s| sources.contains(s))),
                );
            }
        }
        closure
    }

    fn providers(&self, wanted: &str, by: &Package) -> Vec<&String> {
        let fits = |package: &Package| {
            package.names.iter().any(|name| name == wanted)
                && (package.architecture == by.architecture
                    || package.architecture == "all"
                    || by.architecture == "all")
        };
        let providers = self.installed.iter().filter(|(_, package)| fits(package));
        providers.map(|(name, _)| name).collect()
    }

    /// Returns the paths that these packages hold on this machine, folders
    /// included.
    ///
    /// # Errors
    /// [`CaptureError::Failed`].
    pub(super) fn files(&self, packages: &BTreeSet<String>) -> Result<Vec<PathBuf>, CaptureError> {
        if packages.is_empty() {
            return Ok(Vec::new());
        }
        let mut args = vec!["-L"];
        args.extend(packages.iter().map(String::as_str));
        Ok(parse_files(&tell(&self.query, &args)?))
    }

    /// Returns `name version` of each of these packages.
    ///
    /// # Errors
    /// [`CaptureError::Failed`].
    pub(super) fn versions(
        &self,
        packages: &BTreeSet<String>,
    ) -> Result<Vec<String>, CaptureError> {
        if packages.is_empty() {
            return Ok(Vec::new());
        }
        let mut args = vec!["-W", "-f", "${binary:Package} ${Version}\n"];
        args.extend(packages.iter().map(String::as_str));
        let answer = tell(&self.query, &args)?;
        Ok(answer.lines().map(str::to_owned).collect())
    }
}

fn parse_package(line: &str) -> Option<(String, Package)> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [
        binary,
        name,
        architecture,
        source,
        "installed",
        provides,
        depends,
    ] = fields[..]
    else {
        return None;
    };
    let mut names = vec![name.to_owned()];
    names.extend(provides.split(',').filter_map(parse_name));
    let alternatives = |text: &str| text.split('|').filter_map(parse_name).collect::<Vec<_>>();
    Some((
        binary.to_owned(),
        Package {
            architecture: architecture.to_owned(),
            names,
            source: source.to_owned(),
            depends: depends.split(',').map(alternatives).collect(),
        },
    ))
}

/// Takes the name off `name:any (>= 1.0) [amd64]`.
fn parse_name(text: &str) -> Option<String> {
    let name = text.trim().split([' ', '(', ':', '[']).next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// Reads a line `package, package: /path`.
fn parse_owners(line: &str) -> Option<Vec<String>> {
    // `diversion by dash from: /bin/sh`: the owner has a line of its own.
    if line.starts_with("diversion by ") || line.starts_with("local diversion ") {
        return None;
    }
    let (packages, _) = line.split_once(": /")?;
    Some(packages.split(", ").map(str::to_owned).collect())
}

/// Reads one path a line; a note after a path says that the file of this
/// package lies elsewhere, because another package or the administrator has
/// put its own at the path.
fn parse_files(text: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for line in text.lines() {
        if line.starts_with('/') {
            files.push(PathBuf::from(line));
        } else if let Some((note, elsewhere)) = line.split_once(" to: /")
            && (note.starts_with("diverted by ") || note == "locally diverted")
        {
            files.pop();
            files.push(Path::new("/").join(elsewhere));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(lines: &[&str]) -> Packages {
        Packages {
            query: PathBuf::new(),
            installed: lines
                .iter()
                .filter_map(|line| parse_package(line))
                .collect(),
        }
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn follows_what_comes_from_the_same_sources() {
        let packages = packages(&[
            "gcc-1\tgcc-1\tamd64\tgcc-1\tinstalled\t\t, cpp-1 (= 1), libgmp (>= 2), c-dev | libc-dev",
            "cpp-1\tcpp-1\tamd64\tgcc-1\tinstalled\t\t, gcc-1:any [amd64]",
            "libgmp:amd64\tlibgmp\tamd64\tgmp\tinstalled\t\t, ",
            "libc6-dev:amd64\tlibc6-dev\tamd64\tglibc\tinstalled\tlibc-dev (= 2)\t, libnsl",
            "libc6-dev:i386\tlibc6-dev\ti386\tglibc\tinstalled\tlibc-dev (= 2)\t, ",
            "libnsl\tlibnsl\tamd64\tlibnsl\tinstalled\t\t, ",
            "libc-old\tlibc-old\tamd64\tglibc\tdeinstalled\tlibc-dev\t, ",
        ]);
        let gcc = set(&["gcc-1", "cpp-1"]);
        assert_eq!(packages.closure(&set(&["gcc-1"])), gcc);
        // With libc among the roots, the virtual dependency is followed too,
        // to the package of the same architecture only.
        let both = packages.closure(&set(&["gcc-1", "libc6-dev:amd64"]));
        assert_eq!(both, &gcc | &set(&["libc6-dev:amd64"]));
        assert_eq!(packages.closure(&set(&["libc-old", "absent"])), set(&[]));
    }

    #[test]
    fn reads_owners_and_diversions() {
        assert_eq!(
            parse_owners("a:amd64, b: /usr/lib/x: y"),
            Some(vec!["a:amd64".to_owned(), "b".to_owned()])
        );
        assert_eq!(parse_owners("diversion by dash from: /bin/sh"), None);
        assert_eq!(parse_owners("local diversion from: /bin/sh"), None);
        let files = parse_files(
            "/bin/sh\npackage diverts others to: /bin/sh.old\n\n\
             /a b\ndiverted by x to: /a.x\n/c\nlocally diverted to: /d\n",
        );
        assert_eq!(files, ["/bin/sh", "/a.x", "/d"].map(PathBuf::from));
    }

    #[test]
    fn the_database_of_this_machine_knows_its_shell() {
        let Some(packages) = Packages::read().unwrap() else {
            assert!(!Path::new("/usr/bin/dpkg-query").exists());
            return;
        };
        let shell = std::fs::canonicalize("/bin/sh").unwrap();
        let owners = packages.owners(std::slice::from_ref(&shell)).unwrap();
        assert_eq!(owners.len(), 1, "{owners:?}");
        let files = packages.files(&owners).unwrap();
        let mut real = files.iter().filter_map(|file| file.canonicalize().ok());
        assert!(real.any(|file| file == shell));
        let nobody = packages.owners(&[PathBuf::from("/absent/file")]).unwrap();
        assert_eq!(nobody, set(&[]));
    }
}
