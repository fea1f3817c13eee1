//! Rust types that state their Dhall types: what is checked, what is said, and
//! that whatever passes decodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::builtin::Builtin;
use crate::value::Val;
use crate::{
    DhallType, Error, Evaluator, Fit, Limits, Location, MemoryImporter, Type, dhall_type,
    from_value, to_value,
};

dhall_type! {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Source {
        File(String),
        Output { target: String, index: u8 },
        Nothing,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Package {
        name: String,
        sources: Vec<Source>,
        size: Option<u8>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Mode { Fast, Small }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Everything {
        bool: bool,
        natural: u8,
        integer: i8,
        double: f64,
        text: Box<str>,
        unit: (),
        list: Vec<Source>,
        nested: Vec<Vec<Option<u64>>>,
        optional: Option<Box<Package>>,
        twice: Option<Option<Mode>>,
        map: BTreeMap<String, Mode>,
        by_number: BTreeMap<u16, Vec<()>>,
        set: BTreeSet<i32>,
        r#type: Mode,
    }

    #[derive(Debug, Deserialize)]
    struct Tree {
        #[allow(dead_code)]
        children: Vec<Tree>,
    }
}

fn evaluator() -> Evaluator {
    let types = "{ Size = Natural, Entry = \\(a : Type) -> { mapKey : Text, mapValue : a } }";
    let importer = MemoryImporter::new().with(Location::File("types.dhall".to_owned()), types);
    Evaluator::new(Arc::new(importer))
}

fn here() -> Location {
    Location::File("BUILD.dhall".to_owned())
}

fn read<T: DhallType + serde::de::DeserializeOwned>(text: &str) -> Result<T, Error> {
    evaluator().evaluate_as(&here(), text)
}

const SOURCE: &str =
    "let Source = < File : Text | Output : { target : Text, index : Natural } | Nothing >\n";

#[test]
fn what_has_the_type_is_decoded() {
    let text = format!(
        "{SOURCE}in  {{ name = \"a\", size = Some 3, sources = [ Source.File \"x\", Source.Nothing, Source.Output {{ target = \"t\", index = 1 }} ] }}"
    );
    let package: Package = read(&text).expect("a package");
    let output = Source::Output {
        target: "t".to_owned(),
        index: 1,
    };
    assert_eq!(
        package.sources,
        [Source::File("x".to_owned()), Source::Nothing, output]
    );
    assert_eq!(package.size, Some(3));
    let evaluated = evaluator().evaluate(&here(), &text).expect("a value");
    let again: Package = evaluated.decode_as(&evaluator()).expect("a package");
    assert_eq!(again, package);
    assert!(evaluated.decode_as::<Everything>(&evaluator()).is_err());
}

/// A text with `@` before the place of the error, what is said there, and what
/// is proposed.
type Case = (&'static str, &'static [&'static str], Option<&'static str>);

const WRONG: &[Case] = &[
    (
        "in @1",
        &[
            "expected `{ name : Text, size : Optional Natural, sources : List < File : Text | Nothing | Output : { index : Natural, target : Te…`, found `Natural`",
        ],
        None,
    ),
    (
        "in @{ name = \"a\", size = None Natural }",
        &[
            "field `sources : List < File : Text | Nothing | Output : { index : Natural, target : Text } >` is missing",
        ],
        None,
    ),
    (
        "in { name = \"a\", size = None Natural, scources = @[ Source.Nothing ] }",
        &[
            "2 differences",
            "field `sources : List < File : Text | Nothing | Output : { index : Natural, target : Text } >` is missing",
            "field `scources` is not expected",
        ],
        Some("did you mean `sources`?"),
    ),
    (
        "in { name = \"a\", size = None Natural, sources = [ Source.Nothing ], extra = @True }",
        &["field `extra` is not expected"],
        None,
    ),
    (
        "let size = @Some True in { name = \"a\", size, sources = [ Source.Nothing ] }",
        &["field `size`: Optional: expected `Natural`, found `Bool`"],
        None,
    ),
    (
        "let S = < File : Text | Nothin | Output : { index : Natural, target : Text } > in let base = { name = \"a\", size = None Natural } in base // { sources = [ @S.Nothin ] }",
        &[
            "2 differences",
            "field `sources`: List: alternative `Nothing` is missing",
            "field `sources`: List: alternative `Nothin` is not expected",
        ],
        Some("did you mean `Nothing`?"),
    ),
    (
        "let S = < File : Text | Nothing | Output : { index : Integer, target : Text } > in { name = \"a\", size = None Natural, sources = [ S.Output { index = @+1, target = \"\" } ] }",
        &[
            "field `sources`: List: alternative `Output`: field `index`: expected `Natural`, found `Integer`",
        ],
        None,
    ),
];

#[test]
fn what_differs_is_shown_where_it_is_written() {
    for (body, details, hint) in WRONG {
        let (text, line, column) = marked(&format!("{SOURCE}{body}"));
        let error = read::<Package>(&text).expect_err(body);
        let message = "the value does not have the type that is expected of it";
        assert_eq!(
            error.to_string(),
            format!("BUILD.dhall:{line}:{column}: {message}")
        );
        assert_eq!(error.details().collect::<Vec<_>>(), *details, "{body}");
        assert_eq!(error.hint(), *hint, "{body}");
        let place = format!("--> BUILD.dhall:{line}:{column}");
        assert!(
            error.render(false).contains(&place),
            "{}",
            error.render(false)
        );
    }
}

/// Returns a text without its `@`, and the line and the column of that.
fn marked(text: &str) -> (String, usize, usize) {
    let at = text.find('@').expect("a mark");
    let (line, column) = crate::error::line_and_column(text, at);
    (text.replacen('@', "", 1), line, column)
}

#[test]
fn a_number_that_has_no_room_is_shown_where_it_is_written() {
    let (text, line, column) = marked(&format!(
        "{SOURCE}in  {{ name = \"a\", size = Some 3, sources = [ Source.Nothing, Source.Output {{ target = \"t\", index = @256 }} ] }}"
    ));
    let error = read::<Package>(&text).expect_err("256 is no u8");
    let path = "`sources[1].Output.index`: ";
    assert!(error.message().starts_with(path), "{error}");
    assert_eq!((error.line(), error.column()), (line, column));
    let evaluated = evaluator().evaluate(&here(), &text).expect("a value");
    let decoded = evaluated.decode::<Package>().expect_err("256 is no u8");
    assert_eq!(decoded.to_string(), error.to_string());
    let error = read::<Option<i8>>("Some -129").expect_err("no i8");
    assert_eq!(error.column(), 1);
    let error = read::<BTreeMap<u8, bool>>(
        "[ { mapKey = 1, mapValue = True }, { mapKey = 999, mapValue = True } ]",
    )
    .expect_err("no u8");
    assert_eq!(error.column(), 47);
}

#[test]
fn a_type_is_checked_before_the_value_is_evaluated() {
    let limits = Limits {
        steps: 20_000,
        ..Limits::default()
    };
    let evaluator = evaluator().with_limits(limits);
    let text = "{ name = Natural/fold 1000000 Text (\\(t : Text) -> \"x${t}\") \"\", sizes = 1 }";
    let error = evaluator
        .evaluate_as::<Package>(&here(), text)
        .expect_err("another type");
    assert!(error.message().contains("the type"), "{error}");
    let error = evaluator.evaluate(&here(), text).expect_err("too long");
    assert!(error.message().contains("too long"), "{error}");
}

#[test]
fn a_structural_fit_tolerates_what_decoding_does() {
    let evaluator = evaluator();
    let fitting = |text: &str| evaluator.evaluate_fitting::<Package>(&here(), text);
    let older =
        fitting("{ name = \"a\", sources = [ < File : Text >.File \"x\" ], more = { a = 1 } }");
    let package = older.expect("a package");
    assert_eq!(package.sources, [Source::File("x".to_owned())]);
    assert_eq!(package.size, None);
    let present = fitting("{ name = \"a\", size = 3, sources = [] : List <> }").expect("a package");
    assert_eq!(present.size, Some(3));
    let cases = [
        ("{ name = \"a\" }", "is missing", None),
        (
            "{ nme = \"a\", sources = [] : List <> }",
            "is missing",
            Some("did you mean `name`?"),
        ),
        (
            "{ name = \"a\", sources = [ < Files >.Files ] }",
            "alternative `Files` is not expected",
            Some("did you mean `File`?"),
        ),
        (
            "{ name = \"a\", sources = [ < File >.File ] }",
            "alternative `File` has no payload",
            None,
        ),
        (
            "{ name = \"a\", size = Some True, sources = [] : List <> }",
            "expected `Natural`, found `Bool`",
            None,
        ),
    ];
    for (text, detail, hint) in cases {
        let error = fitting(text).expect_err(text);
        let details: Vec<_> = error.details().collect();
        assert!(details.join("\n").contains(detail), "{text}: {details:?}");
        assert_eq!(error.hint(), hint, "{text}");
        assert!(evaluator.evaluate_as::<Package>(&here(), text).is_err());
    }
    assert_eq!(
        evaluator.evaluate_fitting::<()>(&here(), "{ a = 1 }").ok(),
        Some(())
    );
}

#[test]
fn types_are_texts_and_values_too() {
    let evaluator = evaluator();
    let show = |ty: &Type| evaluator.type_value(ty).map(|value| value.to_string());
    let imported =
        Type::source("let T = ./types.dhall in { size : T.Size, map : List (T.Entry Bool) }");
    assert_eq!(
        show(&imported).expect("a type"),
        "{ map : List { mapKey : Text, mapValue : Bool }, size : Natural }"
    );
    let size = evaluator
        .evaluate(&here(), "(./types.dhall).Size")
        .expect("a type");
    let function = Type::function(
        Type::value(&size.value),
        Type::optional(Type::list(Type::bytes())),
    );
    assert_eq!(function.to_string(), "Natural → Optional (List Bytes)");
    let identity = "\\(n : Natural) -> None (List Bytes)";
    let expected = evaluator.type_value(&function).expect("a type");
    let evaluated = evaluator.evaluate_expecting(&here(), identity, &expected, Fit::Exact);
    assert!(
        evaluated.expect("a function").value.equivalent(
            &evaluator
                .evaluate(&here(), identity)
                .expect("a function")
                .value
        )
    );

    let error = show(&Type::list(Type::source("1 + 1"))).expect_err("no type");
    assert_eq!(
        error.to_string(),
        "(the expected type):1:1: the expected type is not a type"
    );
    assert_eq!(
        error.details().collect::<Vec<_>>(),
        ["this has the type `Natural`"]
    );
    let types = Location::File("types.dhall".to_owned());
    let error = show(&Type::source_at(&types, "{ a : ")).expect_err("no Dhall");
    assert_eq!(error.location(), &types);
}

#[test]
fn the_readme_shows_a_message_as_it_is() {
    let config = Type::source("{ host : Text, port : Natural, level : Optional < Debug | Info > }");
    let expected = evaluator().type_value(&config).expect("a type");
    let text = "{ hots = \"::1\", port = 8080, level = None < Debug | Info > }";
    let location = Location::File("config.dhall".to_owned());
    let error = evaluator()
        .evaluate_expecting(&location, text, &expected, Fit::Exact)
        .expect_err("misspelled");
    let readme = include_str!("../../README.md");
    let message = error.render(false);
    assert!(
        readme.contains(&format!("```text\n{message}\n```")),
        "{message}"
    );
}

#[test]
fn a_type_that_contains_itself_is_an_error() {
    let error = read::<Tree>("{ children = [] : List {} }").expect_err("no type");
    assert!(error.message().contains("Tree` contains itself"), "{error}");
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("Value::fold"))
    );
    assert!(Type::of::<Tree>().to_string().contains("contains itself"));
    // What was given up is forgotten.
    assert_eq!(Type::of::<Vec<Mode>>().to_string(), "List < Fast | Small >");
}

/// Texts of values of a type.
fn text_of(ty: &Val) -> BoxedStrategy<String> {
    let part = |lazy: &crate::value::Lazy| text_of(lazy.known().expect("a known type"));
    let shown = |ty: &Val| {
        let value = crate::Value::made(ty.clone(), Limits::default(), here());
        format!("({value})")
    };
    match ty {
        Val::Builtin(Builtin::Bool) => any::<bool>()
            .prop_map(|b| if b { "True" } else { "False" }.to_owned())
            .boxed(),
        Val::Builtin(Builtin::Natural) => (0..=255_u8).prop_map(|n| n.to_string()).boxed(),
        Val::Builtin(Builtin::Integer) => any::<i8>().prop_map(|n| format!("{n:+}")).boxed(),
        Val::Builtin(Builtin::Double) => prop_oneof![
            any::<i16>().prop_map(|n| format!("{:?}", f64::from(n) / 8.0)),
            Just("Infinity".to_owned()),
            Just("-0.0".to_owned()),
        ]
        .boxed(),
        Val::Builtin(Builtin::Text) => "[a-z é]{0,5}".prop_map(|t| format!("\"{t}\"")).boxed(),
        Val::Call(Builtin::Optional, inner) => {
            let none = format!("(None {})", shown(inner[0].known().expect("known")));
            prop_oneof![
                Just(none),
                part(&inner[0]).prop_map(|t| format!("(Some {t})"))
            ]
            .boxed()
        }
        Val::Call(Builtin::List, inner) => {
            let ty = shown(inner[0].known().expect("known"));
            prop::collection::vec(part(&inner[0]), 0..3)
                .prop_map(move |items| {
                    format!("([ {} ] : List {ty})", items.join(", ")).replace("[  ]", "[]")
                })
                .boxed()
        }
        Val::RecordType(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, ty)| {
                    part(ty).prop_map({
                        let name = name.clone();
                        move |text| format!("{name} = {text}")
                    })
                })
                .collect();
            fields
                .prop_map(|fields| format!("{{ {} }}", fields.join(", ")).replace("{  }", "{=}"))
                .boxed()
        }
        Val::Union(alternatives) => {
            let union = shown(ty);
            let alternatives = alternatives.iter().map(|(name, payload)| {
                let constructor = format!("{union}.{name}");
                match payload {
                    None => Just(constructor).boxed(),
                    Some(ty) => part(ty)
                        .prop_map(move |text| format!("({constructor} {text})"))
                        .boxed(),
                }
            });
            prop::strategy::Union::new(alternatives.collect::<Vec<_>>()).boxed()
        }
        other => panic!("no values of {other:?}"),
    }
}

fn everything() -> impl Strategy<Value = String> {
    let ty = evaluator()
        .type_value(&Type::of::<Everything>())
        .expect("a type");
    text_of(&ty.value)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_has_the_type_decodes_and_encodes_to_it(text in everything()) {
        let evaluator = evaluator();
        let everything: Everything = evaluator.evaluate_as(&here(), &text)
            .unwrap_or_else(|error| panic!("{text}\n{}", error.render(false)));
        let fitting: Everything = evaluator.evaluate_fitting(&here(), &text).expect("it fits, too");
        assert_eq!(fitting, everything);
        let ty = evaluator.type_value(&Type::of::<Everything>()).expect("a type");
        let value = to_value(&everything, &ty).expect("a value");
        // What is encoded has the type, as the type checker sees it.
        let again = evaluator.evaluate_expecting(&here(), &value.to_string(), &ty, Fit::Exact)
            .unwrap_or_else(|error| panic!("{value}\n{}", error.render(false)));
        assert_eq!(from_value::<Everything>(&again.value), Ok(everything));
    }
}
