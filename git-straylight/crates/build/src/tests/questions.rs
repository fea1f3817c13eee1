//! Queries, and the graph that they are answered from.

use super::World;
use crate::query::Query;
use crate::{GraphFile, Options, PackagePath};

fn root() -> PackagePath {
    PackagePath::new("").unwrap()
}

fn graph_file(world: &World) -> GraphFile {
    GraphFile {
        path: world.folder().join("graph"),
        context: [1; 32],
    }
}

/// Answers as a new process does; `Err` has the mistake.
fn ask(world: &World, text: &str) -> Result<Vec<String>, String> {
    let query = Query::parse(text, &root()).map_err(|error| error.to_string())?;
    let builder = world
        .builder(Options::native())
        .with_graph(graph_file(world));
    let graph = builder.graph(&query.references());
    let graph = graph.map_err(|error| error.to_string())?;
    builder.save().unwrap();
    let found = query.evaluate(&graph).into_iter();
    Ok(found
        .map(|index| graph.nodes()[index].label.to_string())
        .collect())
}

/// `a ← b ← d`, `a ← c ← d`, and `e` by itself; `c` uses `t` as a tool.
fn world() -> World {
    let of = |name: &str, inputs: &[&str]| {
        let words = inputs.iter().map(|input| {
            format!(
                "words (Piece.Source (Source.Output {{ target = \"{input}\", output = \"o\" }}))"
            )
        });
        let words: Vec<String> = words.collect();
        format!(
            "rule (made \"{name}\" ([ {} ] : List Argument))",
            words.join(", ")
        )
    };
    let tool = "words (Piece.Tool \"//t\")";
    let c = of("c", &["//a"]).replace("[ words", &format!("[ {tool}, words"));
    let t = r#"rule (made "t" ([] : List Argument) // { kind = "program", run = Some { arguments = [ words (Piece.Out "o") ] } })"#;
    World::new(&[
        ("a/BUILD.dhall", &format!("in {{ a = {} }}", of("a", &[]))),
        (
            "b/BUILD.dhall",
            &format!("in {{ b = {} }}", of("b", &["//a"])),
        ),
        ("c/BUILD.dhall", &format!("in {{ c = {c} }}")),
        (
            "d/BUILD.dhall",
            &format!("in {{ d = {} }}", of("d", &["//b", "//c"])),
        ),
        ("e/BUILD.dhall", &format!("in {{ e = {} }}", of("e", &[]))),
        ("t/BUILD.dhall", &format!("in {{ t = {t} }}")),
    ])
}

#[test]
fn answers_each_kind_of_question() {
    let world = world();
    for (text, expected) in [
        ("deps(//d)", "a b c d t"),
        ("deps(//d, 1)", "b c d"),
        ("deps(//d, 0)", "d"),
        ("rdeps(//..., //a)", "a b c d"),
        ("rdeps(//..., //a, 1)", "a b c"),
        ("rdeps(//b, //a)", "a b"),
        ("rdeps(//..., //t)", "c d t"),
        ("rdeps(//b, //e)", ""),
        ("somepath(//d, //t)", "d c t"),
        ("somepath(//a, //d)", ""),
        ("somepath(//d, //d)", "d"),
        ("allpaths(//d, //a)", "a b c d"),
        ("allpaths(//b, //c)", ""),
        ("kind(program, //...)", "t"),
        ("kind(ma*, deps(//c))", "a c"),
        ("filter('//a:*', //...)", "a"),
        ("//... - deps(//d)", "e"),
        ("deps(//b) ^ deps(//c) + //e", "a e"),
        ("deps(//b) intersect (deps(//c) union //e)", "a"),
        ("//... except set(//a //b //c //d)", "e t"),
        ("set()", ""),
    ] {
        let expected: Vec<String> = expected
            .split_whitespace()
            .map(|name| format!("//{name}:{name}"))
            .collect();
        assert_eq!(ask(&world, text).as_ref(), Ok(&expected), "{text}");
    }
    let missing = ask(&world, "deps(//nothing)").unwrap_err();
    assert!(missing.contains("no package `//nothing`"), "{missing}");
}

#[test]
fn what_is_not_asked_about_is_not_evaluated_and_nothing_is_twice() {
    let world = world();
    world.write("e/BUILD.dhall", "in broken");
    let all = vec!["//a:a".to_owned(), "//b:b".to_owned()];
    assert_eq!(ask(&world, "deps(//b)").as_ref(), Ok(&all));
    assert!(ask(&world, "deps(//...)").is_err());
    world.tree.read.lock().unwrap().clear();
    assert_eq!(ask(&world, "deps(//b)").as_ref(), Ok(&all));
    let read = std::mem::take(&mut *world.tree.read.lock().unwrap());
    assert_eq!(read, [""; 0], "answered from what was kept");
    // A dependency that goes away is gone.
    world.write(
        "b/BUILD.dhall",
        "in { b = rule (made \"b\" ([] : List Argument)) }",
    );
    assert_eq!(ask(&world, "deps(//b)"), Ok(vec!["//b:b".to_owned()]));
    assert!(world.ran().is_empty(), "a question runs nothing");
}

#[test]
fn actions_have_the_steps_that_they_read() {
    let world = world();
    let builder = world.builder(Options::native());
    let graph = builder.actions(&[super::label("//d:d")]).unwrap();
    let shown = graph.nodes.iter().map(|node| {
        let below = node.dependencies.iter();
        let below: Vec<String> = below
            .map(|index| graph.nodes[*index].label.name().to_owned())
            .collect();
        format!("{} {} < {}", node.label, node.step, below.join(" "))
    });
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            "//a:a make o < ",
            "//b:b make o < a",
            "//c:c make o < a t",
            "//d:d make o < b c",
            "//t:t make o < ",
        ]
    );
}

#[test]
fn a_target_needs_what_those_need_that_it_is_made_of() {
    let world = world();
    let needs = || {
        let builder = world
            .builder(Options::native())
            .with_graph(graph_file(&world));
        let everything = Query::parse("//...", &root()).unwrap().references();
        let graph = builder.graph(&everything).unwrap();
        builder.save().unwrap();
        let nodes = graph.nodes().iter();
        let needs = nodes.map(|node| (node.label.name().to_owned(), node.needs.needs()));
        needs
            .filter(|(_, needs)| !needs.is_empty())
            .collect::<Vec<_>>()
    };
    let none: Vec<(String, Vec<String>)> = Vec::new();
    assert_eq!(needs(), none);
    let requiring = |path: &str, need: &str| {
        let action = format!(
            "Dice.Action::{{ category = \"make\", arguments = [ words (Piece.Out \"o\") ], outputs = [ Dice.Output.File \"o\" ], requires = [ {need} ] }}"
        );
        let name = &path[..1];
        let program = "run = Some { arguments = [ words (Piece.Out \"o\") ] }";
        world.write(
            path,
            &format!("in {{ {name} = rule (made \"{name}\" ([] : List Argument) // {{ actions = [ {action} ], {program} }}) }}"),
        );
    };
    requiring("t/BUILD.dhall", "Dice.Coeffect.Clock");
    requiring("b/BUILD.dhall", "Dice.Coeffect.Device \"/dev/kvm\"");
    let expected = [
        ("b", &["device:/dev/kvm"][..]),
        ("c", &["clock"]),
        ("d", &["clock", "device:/dev/kvm"]),
        ("t", &["clock"]),
    ];
    let expected: Vec<(String, Vec<String>)> = expected
        .map(|(name, needs)| {
            (
                name.to_owned(),
                needs.iter().map(ToString::to_string).collect(),
            )
        })
        .into();
    assert_eq!(needs(), expected);
    world.tree.read.lock().unwrap().clear();
    assert_eq!(needs(), expected);
    let read = std::mem::take(&mut *world.tree.read.lock().unwrap());
    assert_eq!(read, [""; 0], "answered from what was kept");
}
