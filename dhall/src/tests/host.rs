//! What a host sees: values, serde in both directions, and messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Error, Evaluator, Location, MemoryImporter, Value, from_value, to_value};

fn try_evaluate(text: &str) -> Result<(Value, Value), Error> {
    let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
    let evaluated = evaluator.evaluate(&Location::File("BUILD.dhall".to_owned()), text)?;
    Ok((evaluated.value, evaluated.ty))
}

fn evaluate(text: &str) -> Value {
    try_evaluate(text)
        .unwrap_or_else(|error| panic!("{}", error.render(false)))
        .0
}

fn error(text: &str) -> Error {
    try_evaluate(text).expect_err("an error")
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Source {
    File(String),
    Output { target: String, output: String },
    Nothing,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Action {
    name: String,
    inputs: Vec<Source>,
    #[serde(default)]
    timeout: Option<u64>,
    #[serde(default)]
    priority: i32,
}

const TYPES: &str = "let Source = < File : Text | Output : { target : Text, output : Text } | Nothing > \
                     let Action = { name : Text, inputs : List Source, timeout : Optional Natural, ignored : Bool } ";

#[test]
fn records_become_structs() {
    let value = evaluate(&format!(
        "{TYPES} in {{ name = \"a\", timeout = Some 3, ignored = True, inputs = \
         [ Source.File \"x\", Source.Nothing, Source.Output {{ target = \"t\", output = \"o\" }} ] }} : Action"
    ));
    let action: Action = from_value(&value).expect("an action");
    let output = Source::Output {
        target: "t".to_owned(),
        output: "o".to_owned(),
    };
    assert_eq!(
        action.inputs,
        [Source::File("x".to_owned()), Source::Nothing, output]
    );
    assert_eq!((action.timeout, action.priority), (Some(3), 0));
}

#[test]
fn the_path_to_what_does_not_fit_is_told() {
    let value =
        evaluate("{ actions = [ { outputs = [ 1 ] }, { outputs = [ 18446744073709551616 ] } ] }");
    let decoded = from_value::<BTreeMap<String, Vec<BTreeMap<String, Vec<u64>>>>>(&value);
    let error = decoded.expect_err("too large");
    assert_eq!(error.path(), "actions[1].outputs[0]");
    assert!(
        error.to_string().contains("18446744073709551616"),
        "{error}"
    );
    let error = from_value::<Action>(&evaluate("{ name = 1 }")).expect_err("not a text");
    assert_eq!(
        error.to_string(),
        "`name`: expected a `Text`, found a `Natural`"
    );
    let error = from_value::<Action>(&evaluate("{ name = \"\" }")).expect_err("a field is missing");
    assert!(error.to_string().contains("inputs"), "{error}");
    let error = from_value::<Vec<Source>>(&evaluate("[ < Other >.Other ]")).expect_err("unknown");
    assert!(error.to_string().contains("Other"), "{error}");
    assert!(from_value::<String>(&evaluate("\\(x : Bool) -> x")).is_err());
    assert!(from_value::<u8>(&evaluate("256")).is_err());
    assert_eq!(from_value::<i8>(&evaluate("-128")), Ok(-128));
    assert_eq!(from_value::<f64>(&evaluate("1.5")), Ok(1.5));
}

#[test]
fn rust_values_take_the_shape_of_a_type() {
    let ty = evaluate(&format!(
        "{TYPES} in Action //\\\\ {{ map : List {{ mapKey : Text, mapValue : Bool }} }}"
    ));
    #[derive(Serialize)]
    struct Given {
        name: &'static str,
        inputs: Vec<Source>,
        ignored: bool,
        map: Vec<BTreeMap<&'static str, &'static str>>,
        dropped: u8,
    }
    let given = Given {
        name: "a",
        inputs: vec![Source::Nothing, Source::File("x".to_owned())],
        ignored: false,
        map: Vec::new(),
        dropped: 1,
    };
    let value = to_value(&given, &ty).expect("a value");
    let expected = evaluate(&format!(
        "{TYPES} in {{ name = \"a\", inputs = [ Source.Nothing, Source.File \"x\" ], ignored = False, \
         timeout = None Natural, map = [] : List {{ mapKey : Text, mapValue : Bool }} }}"
    ));
    assert!(value.equivalent(&expected), "{value}");
    assert_eq!(
        value.hash().expect("a hash"),
        expected.hash().expect("a hash")
    );
    let error = to_value(&"x", &ty).expect_err("a text is not a record");
    assert!(error.to_string().contains("text"), "{error}");
    let bad = [Source::File("x".to_owned())];
    let error = to_value(&bad, &evaluate("List < File : Natural >")).expect_err("a wrong payload");
    assert_eq!(error.path(), "0.File");
}

#[test]
fn maps_are_lists_of_entries_or_records() {
    let value = evaluate("toMap { b = 2, a = 1 } # [ { mapKey = \"a\", mapValue = 3 } ]");
    let map: BTreeMap<String, u64> = from_value(&value).expect("a map");
    let expected = BTreeMap::from([("a".to_owned(), 3), ("b".to_owned(), 2)]);
    assert_eq!(map, expected, "the last value of a key counts");
    assert_eq!(
        from_value(&evaluate("{ a = 3, b = 2 }")),
        Ok(expected.clone())
    );
    let ty = evaluate("List { mapKey : Text, mapValue : Natural }");
    let again = to_value(&expected, &ty).expect("a value");
    assert!(again.equivalent(&evaluate("toMap { a = 3, b = 2 }")));
    let by_number = BTreeMap::from([(1_u8, true)]);
    let ty = evaluate("List { mapKey : Natural, mapValue : Bool }");
    let value = to_value(&by_number, &ty).expect("a value");
    assert_eq!(from_value(&value), Ok(by_number.clone()));
    let empty = evaluate("[] : List { mapKey : Text, mapValue : Natural }");
    assert_eq!(from_value(&empty), Ok(BTreeMap::<String, u64>::new()));

    let large = evaluate("toMap { a = 1, b = 256 }");
    let error = from_value::<BTreeMap<String, u8>>(&large).expect_err("too large");
    assert_eq!(error.path(), "[1].mapValue");
    let error = from_value::<BTreeMap<String, u8>>(&evaluate("[ 1 ]")).expect_err("no entry");
    assert_eq!(
        error.to_string(),
        "`[0]`: expected an entry `{ mapKey, mapValue }` of a map, found a `Natural`"
    );
    let error = to_value(&by_number, &evaluate("{ a : Bool }")).expect_err("a number");
    assert_eq!(
        error.to_string(),
        "a whole number is not the name of a field"
    );
    let error = to_value(&by_number, &evaluate("List Bool")).expect_err("no entries");
    assert_eq!(error.path(), "0");
}

#[test]
fn functions_are_applied_and_their_types_taken_apart() {
    let (value, ty) =
        try_evaluate("\\(c : { debug : Bool }) -> { mode = if c.debug then \"g\" else \"o\" }")
            .expect("a function");
    let (domain, codomain) = ty.function_type().expect("a function type");
    assert_eq!(domain.to_string(), "{ debug : Bool }");
    assert_eq!(codomain.to_string(), "{ mode : Text }");
    assert_eq!(codomain.fields().expect("a record type")[0].0, "mode");
    let argument = to_value(&BTreeMap::from([("debug", true)]), &domain).expect("an argument");
    let result = value.apply(&argument).expect("a result");
    assert_eq!(
        result.field("mode").expect("the field").to_string(),
        "\"g\""
    );
    assert!(result.field("other").is_none() && value.field("mode").is_none());
    assert!(value.equivalent(&evaluate(
        "\\(x : { debug : Bool }) -> { mode = if x.debug then \"g\" else \"o\" }"
    )));
    assert!(!value.equivalent(&argument));
    let (_, ty) = try_evaluate("\\(a : Type) -> \\(x : a) -> x").expect("a function");
    let (_, codomain) = ty.function_type().expect("a function type");
    assert_eq!(codomain.to_string(), "∀(x : a) → a");
}

#[test]
fn messages_show_what_differs() {
    let schema = "let T = { Type = { name : Text, srcs : List Text, deps : List Text }, default.deps = [] : List Text }\n";
    let text = format!("{schema}in  T::{{ name = \"x\", scrs = [ \"a\" ] }}");
    let error = error(&text);
    assert_eq!(
        error.to_string(),
        "BUILD.dhall:2:8: the record does not fit its schema"
    );
    let details: Vec<_> = error.details().collect();
    assert_eq!(
        details,
        [
            "2 differences",
            "field `srcs : List Text` is missing",
            "field `scrs` is not expected"
        ]
    );
    assert_eq!(error.hint(), Some("did you mean `srcs`?"));
    let rendered = error.render(false);
    assert!(rendered.contains("--> BUILD.dhall:2:8"), "{rendered}");
    assert!(error.render(true).contains('\u{1b}'));
}

#[test]
fn messages_help() {
    let cases = [
        (
            "let name = 1 in nmae",
            "1:17",
            "`nmae` is not in scope",
            Some("did you mean `name`?"),
        ),
        (
            "{ srcs = 1 }.srsc",
            "1:14",
            "the record has no field `srsc`",
            Some("did you mean `srcs`?"),
        ),
        (
            "< A | B >.C",
            "1:11",
            "the union has no alternative `C`",
            None,
        ),
        (
            "\"a\" + \"b\"",
            "1:1",
            "`+` needs values of type `Natural`",
            Some("`++` joins texts"),
        ),
        (
            "\"${1}\"",
            "1:4",
            "an interpolated expression is not a `Text`",
            Some("`Natural/show` makes a `Text` of it"),
        ),
        (
            "[]",
            "1:3",
            "expected the type of the empty list, found the end of the file",
            Some("write `[] : List T`, in parentheses if it is an argument"),
        ),
        (
            "[ 1, True ]",
            "1:6",
            "the items of a list have different types",
            None,
        ),
        (
            "merge { A = 1 } < A | B >.A",
            "1:7",
            "a handler is missing for `B`",
            None,
        ),
        (
            "assert : 1 === 2",
            "1:10",
            "an assertion does not hold",
            None,
        ),
        (
            "let if = 1 in 2",
            "1:5",
            "`if` is a reserved name",
            Some("put it in backticks: `` `if` ``"),
        ),
        (
            "1 2",
            "1:1",
            "this is not a function",
            Some("separate the items of a list and the fields of a record with `,`"),
        ),
    ];
    for (text, place, message, hint) in cases {
        let error = error(text);
        assert_eq!(error.to_string(), format!("BUILD.dhall:{place}: {message}"));
        assert_eq!(error.hint(), hint, "{text}");
        assert_eq!(
            (error.line(), format!("{}:{}", error.line(), error.column())),
            (1, place.to_owned())
        );
    }
}

#[test]
fn messages_of_long_sources_are_short() {
    let text = format!("[ {}True ]", "1, ".repeat(200_000));
    let rendered = error(&text).render(false);
    assert!(rendered.len() < 40_000, "{} bytes", rendered.len());
}
