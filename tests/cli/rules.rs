//! `docs/rules.md`: a language whose rules are files of the user.

use std::fs;
use std::path::PathBuf;

use crate::support::{Repo, TestEnvironment, says, timeless, workspace};

/// The files of the example, by their paths in it.
fn example() -> Vec<(String, String)> {
    let root = workspace().join("docs/examples/stack");
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(entry.path()).unwrap();
                files.push((path.to_str().unwrap().to_owned(), text));
            }
        }
    }
    files.sort();
    files
}

fn repository(environment: &TestEnvironment) -> Repo<'_> {
    let toolchains = ("toolchains.dhall".to_owned(), environment.toolchains());
    let files: Vec<(String, String)> = example().into_iter().chain([toolchains]).collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (&**path, &**text))
        .collect();
    environment.repository("stack", &files)
}

#[test]
fn the_page_shows_the_files_that_are_built() {
    let page = fs::read_to_string(workspace().join("docs/rules.md")).unwrap();
    let files = example();
    assert_eq!(files.len(), 9);
    for (path, text) in files {
        if path.ends_with(".c") {
            says(&page, &[&format!("(examples/stack/{path})")]);
            continue;
        }
        let blocks = ["dhall", ""].map(|kind| format!("`{path}`:\n\n```{kind}\n{text}```\n"));
        assert!(
            blocks.iter().any(|block| page.contains(block)),
            "the page shows another `{path}`"
        );
    }
}

#[test]
fn a_language_of_ones_own_is_built_run_and_tested() {
    let environment = TestEnvironment::new();
    let repo = repository(&environment);
    // The compiler: compile, link. Modules: four. Programs: two.
    let built = repo.straylight(&["build", "//..."]).success();
    assert_eq!(timeless(&built.stderr), "8 actions run");
    let ran = repo.straylight(&["run", "//shapes"]).success();
    assert_eq!(ran.stdout, "25\n");
    let program = repo
        .run("straylight-out/shapes/shapes/shapes", &[])
        .success();
    assert_eq!(program.stdout, "25\n");
    let tested = repo.straylight(&["test", "//..."]).success();
    assert_eq!(tested.stdout, "passed //shapes:check\n");
    let kinds = repo.straylight(&["query", "kind(\"stack_library\", deps(//shapes))"]);
    assert_eq!(
        kinds.success().stdout,
        "//shapes:squares\n//shapes:triangles\n"
    );

    // A comment is not in an object.
    let squares = String::from_utf8(repo.read("shapes/squares.stk")).unwrap();
    repo.write("shapes/squares.stk", &format!("# New.\n{squares}"));
    let again = repo.straylight(&["build", "//..."]).success();
    assert_eq!(timeless(&again.stderr), "1 action run, 7 reused");
    assert_eq!(again.stdout, built.stdout);

    // A wrong module fails those who test it.
    repo.write(
        "shapes/squares.stk",
        &squares.replace("square *", "square square"),
    );
    let failed = repo.straylight(&["test", "//shapes:check"]).code(1);
    says(&failed.stderr, &["failed: `assert`"]);
}

#[test]
fn only_declared_modules_are_there() {
    let environment = TestEnvironment::new();
    let repo = repository(&environment);
    repo.write("shapes/shapes.stk", "3 cube 4 hypotenuse print\n");
    let failed = repo.straylight(&["build", "//shapes"]).code(1);
    let page = fs::read_to_string(workspace().join("docs/rules.md")).unwrap();
    let (_, shown) = page.rsplit_once("```\nerror").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    says(&failed.stderr, &[shown]);

    let build = String::from_utf8(repo.read("shapes/BUILD.dhall")).unwrap();
    let more = build.replacen(
        "deps = [ \":triangles\" ]",
        "deps = [ \":triangles\", \":squares\" ]",
        1,
    );
    assert_ne!(build, more);
    repo.write("shapes/BUILD.dhall", &more);
    let ran = repo.straylight(&["run", "//shapes"]).success();
    assert_eq!(ran.stdout, "745\n");
}
