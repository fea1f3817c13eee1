//! The program itself: what it is made of, and what it says of its commands.

use std::process::Command;

use crate::support::{TestEnvironment, outcome};

const PROGRAM: &str = env!("CARGO_BIN_EXE_git-straylight");

/// Not asked for by a build with flags of its own.
#[cfg(target_feature = "crt-static")]
#[test]
fn it_needs_no_library_of_the_machine_and_no_fixed_place() {
    let read = |what: &str| outcome(Command::new("readelf").args([what, PROGRAM])).success();
    let segments = read("-lW").stdout;
    assert!(!segments.contains("INTERP"), "{segments}");
    assert!(segments.contains("Elf file type is DYN"), "{segments}");
    let needed = read("-dW").stdout;
    assert!(!needed.contains("(NEEDED)"), "{needed}");
}

/// Returns the commands that a help text lists, with what it says of them.
fn listed(help: &str) -> Vec<(String, String)> {
    let commands = help.split("Commands:\n").nth(1).unwrap_or_default();
    let lines = commands.lines().take_while(|line| line.starts_with("  "));
    let mut listed: Vec<(String, String)> = Vec::new();
    for line in lines {
        let rest = line.trim_start();
        // A text goes on below the text, not below the name.
        if line.len() - rest.len() > 2 {
            let (_, about) = listed.last_mut().unwrap();
            about.push(' ');
            about.push_str(rest);
        } else {
            let (name, about) = rest.split_once(' ').unwrap_or((rest, ""));
            listed.push((name.to_owned(), about.trim().to_owned()));
        }
    }
    listed
}

/// Checks what the help of a command says of those in it; returns how many are.
fn check(environment: &TestEnvironment, path: &[&str]) -> usize {
    let help = |path: &[&str]| {
        let mut command = environment.command(PROGRAM);
        outcome(command.args(path).arg("-h")).success().stdout
    };
    let commands = listed(&help(path));
    let mut count = commands.len();
    for (name, about) in commands {
        let path = [path, &[&name]].concat();
        let own = help(&path);
        assert!(!about.is_empty(), "nothing is said of {path:?}");
        let usage = format!("Usage: git straylight {}", path.join(" "));
        assert!(own.contains(&usage), "{own}");
        let own = own.split("\n\n").next().unwrap().replace('\n', " ");
        assert_eq!(own, about, "{path:?}");
        count += check(environment, &path);
    }
    count
}

#[test]
fn a_list_says_of_a_command_what_the_command_says() {
    let count = check(&TestEnvironment::new(), &[]);
    assert!(count > 40, "{count}");
}

#[test]
fn a_wrong_command_or_option_is_told_of_with_the_right_one() {
    let environment = TestEnvironment::new();
    for (arguments, shown) in [
        (&["bild"][..], "'build'"),
        (&["dhall", "evl"], "'eval'"),
        (&["dhall", "fmt", "--chek"], "'--check'"),
        (&["toolchain", "captur"], "'capture'"),
        (&["build", "--keep-gong"], "'--keep-going'"),
    ] {
        let mut command = environment.command(PROGRAM);
        let run = outcome(command.args(arguments)).code(2);
        assert!(run.stderr.contains(shown), "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}
