//! A source is compiled again when something changes that its compiler read.

use std::fs;

use crate::support::{TestEnvironment, import, timeless};

const ONE_H: &str = "#define ONE 1 /* one */\n";
const TWO_H: &str = "#define TWO 2 /* two */\n";

fn rules(extra: &str) -> String {
    format!(
        "let C = {}\nlet toolchains = ../toolchains.dhall\n\
         in {{ numbers = C.library C.Library::{{ name = \"numbers\", toolchain = toolchains.gcc, \
         srcs = [ \"one.c\", \"both.c\" ], hdrs = [ \"sub/two.h\", \"one.h\"{extra} ], includes = [ \"\", \"sub\" ] }} }}\n",
        import("rules/c/v1.dhall")
    )
}

#[test]
fn headers_matter_to_those_who_include_them() {
    let environment = TestEnvironment::new();
    let repo = environment.repository(
        "numbers",
        &[
            ("toolchains.dhall", &environment.toolchains()),
            ("it/BUILD.dhall", &rules("")),
            ("it/one.h", ONE_H),
            ("it/sub/two.h", TWO_H),
            ("it/one.c", "#include \"one.h\"\nint one = ONE;\n"),
            // By its path in the repository, too.
            (
                "it/both.c",
                "#include \"it/one.h\"\n#include \"two.h\"\nint both = ONE + TWO;\n",
            ),
        ],
    );
    let did = || timeless(&repo.straylight(&["build", "//it"]).success().stderr);
    let archive = || fs::read(repo.path.join("straylight-out/it/numbers/libnumbers.a")).unwrap();
    assert_eq!(did(), "3 actions run");
    let first = archive();

    // A comment in a header: those who include it are compiled, to equal bytes.
    repo.write("it/sub/two.h", &TWO_H.replace("two", "two, or so"));
    assert_eq!(did(), "1 action run, 2 reused");
    repo.write("it/one.h", &ONE_H.replace("one", "one, or so"));
    assert_eq!(did(), "2 actions run, 1 reused");
    assert_eq!(archive(), first);
    assert_eq!(did(), "nothing to do: 3 actions up to date");

    // A change that matters reaches the archive.
    repo.write("it/sub/two.h", &TWO_H.replace('2', "3"));
    assert_eq!(did(), "2 actions run, 1 reused");
    assert_ne!(archive(), first);

    // A new header may be found before an old one: all who could see it look.
    repo.write("it/two.h", &TWO_H.replace('2', "4"));
    repo.write("it/BUILD.dhall", &rules(", \"two.h\""));
    repo.git(["add", "it/two.h"]);
    assert_eq!(did(), "3 actions run");
    let shadowed = archive();
    assert_ne!(shadowed, first);

    // And what was known before is known again, in any clone.
    repo.write("it/BUILD.dhall", &rules(""));
    fs::remove_file(repo.path.join("it/two.h")).unwrap();
    repo.write("it/sub/two.h", TWO_H);
    repo.write("it/one.h", ONE_H);
    fs::remove_dir_all(repo.path.join(".git/straylight")).unwrap();
    assert_eq!(did(), "nothing to do: 3 actions up to date");
    assert_eq!(archive(), first);
}

#[test]
fn a_commit_is_built_of_actions_that_ran_as_they_are() {
    let environment = TestEnvironment::new();
    let repo = environment.repository(
        "numbers",
        &[
            ("toolchains.dhall", &environment.toolchains()),
            ("it/BUILD.dhall", &rules("")),
            ("it/one.h", ONE_H),
            ("it/sub/two.h", TWO_H),
            ("it/one.c", "int one = 1;\n"),
            ("it/both.c", "#include \"one.h\"\nint both = ONE;\n"),
        ],
    );
    repo.straylight(&["build", "//it"]).success();
    repo.write("it/sub/two.h", "/* nobody reads this */\n");
    let known = repo.straylight(&["build", "//it"]).success();
    assert_eq!(
        timeless(&known.stderr),
        "nothing to do: 3 actions up to date"
    );
    repo.commit("a header that nobody reads");
    let built = repo
        .straylight(&["build", "--at", "HEAD", "//it"])
        .success();
    assert_eq!(timeless(&built.stderr), "2 actions run, 1 reused");
}
