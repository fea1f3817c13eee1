//! `git straylight graph`.

use crate::cli::build::hello;
use crate::support::{TestEnvironment, says};

#[test]
fn draws_targets_and_actions() {
    let environment = TestEnvironment::new();
    let repo = hello(&environment);
    let dot = repo.straylight(&["graph", "//hello"]).success();
    assert_eq!(
        dot.stdout,
        "digraph straylight {\n  rankdir=LR;\n  node [shape=box];\n  \
         n0 [label=\"//greeting:greeting\\nc_library\"];\n  \
         n1 [label=\"//hello:hello\\nc_binary\"];\n  n1 -> n0;\n}\n"
    );
    let same = repo.straylight(&["graph", "--dot", "//hello"]).success();
    assert_eq!(same.stdout, dot.stdout);
    let svg = repo.straylight(&["graph", "//hello", "--svg"]).success();
    says(&svg.stdout, &["<svg ", "//greeting:greeting", "</svg>"]);
    assert_eq!(svg.stdout.matches("marker-end").count(), 1);

    let actions = repo
        .straylight(&["graph", "//hello", "--actions"])
        .success();
    says(
        &actions.stdout,
        &[
            "c_compile greeting.c.o",
            "c_compile hello.c.o",
            "c_link",
            "c_archive",
        ],
    );
    let one = repo.straylight(&["graph", "//greeting"]).success();
    assert!(!one.stdout.contains("//hello"), "{}", one.stdout);
    repo.straylight(&["graph", "//hello", "--svg", "--dot"])
        .code(2);
    repo.straylight(&["graph", "//nowhere"]).code(3);
}
