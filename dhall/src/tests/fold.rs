//! Folds over recursive values.

use std::sync::Arc;

use proptest::prelude::*;

use crate::{
    DecodeError, Error, Evaluated, Evaluator, Limits, Location, MemoryImporter, Node, Payload,
    Value,
};

/// The type of the Prelude's JSON, and ways to build with it.
const JSON: &str = r"
let JSON = { Type = forall (JSON : Type) -> forall (json :
      { array : List JSON -> JSON
      , bool : Bool -> JSON
      , double : Double -> JSON
      , integer : Integer -> JSON
      , null : JSON
      , object : List { mapKey : Text, mapValue : JSON } -> JSON
      , string : Text -> JSON
      }) -> JSON }
";

#[derive(Clone, Debug, PartialEq)]
enum Json {
    Null,
    Bool(bool),
    Integer(i64),
    Double(f64),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

fn try_evaluate(limits: Limits, text: &str) -> Result<Evaluated, Error> {
    let evaluator = Evaluator::new(Arc::new(MemoryImporter::new())).with_limits(limits);
    evaluator.evaluate(&Location::File("data.dhall".to_owned()), text)
}

fn evaluate(text: &str) -> Evaluated {
    try_evaluate(Limits::default(), text).unwrap_or_else(|error| panic!("{}", error.render(false)))
}

/// Evaluates the body of a JSON term.
fn json(body: &str) -> Evaluated {
    evaluate(&term(body))
}

fn term(body: &str) -> String {
    let parameters = "\\(JSON : Type) -> \\(json : { array : List JSON -> JSON, bool : Bool -> JSON, \
         double : Double -> JSON, integer : Integer -> JSON, null : JSON, \
         object : List { mapKey : Text, mapValue : JSON } -> JSON, string : Text -> JSON })";
    format!("{JSON} in ({parameters} -> {body}) : JSON.Type")
}

fn make(node: Node<'_, Json>) -> Result<Json, DecodeError> {
    Ok(match node.constructor {
        "null" => {
            let [] = node.arguments()?;
            Json::Null
        }
        "bool" => Json::Bool(node.payload()?.decode()?),
        "integer" => Json::Integer(node.payload()?.decode()?),
        "double" => Json::Double(node.payload()?.decode()?),
        "string" => Json::String(node.payload()?.decode()?),
        "array" => Json::Array(node.payload()?.nodes()?),
        "object" => {
            let entries = node.payload()?.list()?.into_iter().map(|entry| {
                let [value, key] = entry.record(["mapValue", "mapKey"])?;
                Ok((key.decode()?, value.node()?))
            });
            Json::Object(entries.collect::<Result<_, _>>()?)
        }
        other => return Err(DecodeError::new(format!("what is `{other}`?"))),
    })
}

/// Counts the constructors on the longest way down, and checks the family.
fn depth(node: Node<'_, u64>) -> Result<u64, DecodeError> {
    fn deepest(payload: Payload<u64>) -> u64 {
        let all: Vec<_> = match payload {
            Payload::Node(depth) => return depth,
            Payload::Value(_) => return 0,
            Payload::List(items) => items,
            Payload::Optional(inner) => inner.map(|inner| *inner).into_iter().collect(),
            Payload::Record(fields) => fields.into_iter().map(|(_, field)| field).collect(),
            Payload::Union(_, inner) => inner.map(|inner| *inner).into_iter().collect(),
        };
        all.into_iter().map(deepest).max().unwrap_or(0)
    }
    let arguments = node.arguments.into_iter();
    Ok(1 + arguments.map(deepest).max().unwrap_or(0))
}

/// Writes a tree as the body of a term.
fn body(json: &Json) -> String {
    match json {
        Json::Null => "json.null".to_owned(),
        Json::Bool(true) => "(json.bool True)".to_owned(),
        Json::Bool(false) => "(json.bool False)".to_owned(),
        Json::Integer(number) => format!("(json.integer {number:+})"),
        Json::Double(number) => format!("(json.double {number:?})"),
        Json::String(text) => format!("(json.string \"{text}\")"),
        Json::Array(items) => {
            let items: Vec<_> = items.iter().map(body).collect();
            format!("(json.array ([ {} ] : List JSON))", items.join(", ")).replace("[  ]", "[]")
        }
        Json::Object(entries) => {
            let entry = |(key, value): &(String, Json)| {
                format!("{{ mapKey = \"{key}\", mapValue = {} }}", body(value))
            };
            let entries: Vec<_> = entries.iter().map(entry).collect();
            let ty = "List { mapKey : Text, mapValue : JSON }";
            format!("(json.object ([ {} ] : {ty}))", entries.join(", ")).replace("[  ]", "[]")
        }
    }
}

fn tree() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::Integer),
        any::<i32>().prop_map(|number| Json::Double(f64::from(number) / 16.0)),
        "[a-z é]{0,6}".prop_map(Json::String),
    ];
    leaf.prop_recursive(6, 64, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::Array),
            prop::collection::vec(("[a-z]{0,3}", inner), 0..5).prop_map(Json::Object),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_comes_back_from_its_term(tree in tree()) {
        let evaluated = json(&body(&tree));
        prop_assert_eq!(evaluated.fold(make).expect("a tree"), tree.clone());
        // The normal form is the same tree.
        let normal = evaluate(&evaluated.value.to_string());
        prop_assert_eq!(normal.fold(make).expect("a tree"), tree);
    }
}

#[test]
fn what_a_term_does_with_constructors_needs_no_care() {
    let array = |items: &[Json]| Json::Array(items.to_vec());
    let cases = [
        ("(json // { null = json.bool True }).null", Json::Bool(true)),
        (
            "(json with null = json.array [ json.null ]).null",
            array(&[Json::Null]),
        ),
        (
            "json.array (List/reverse JSON (List/fold Natural [ 1, 2 ] (List JSON) (\\(n : Natural) -> \\(l : List JSON) -> l # [ json.integer (Natural/toInteger n) ]) [ json.null ]))",
            array(&[Json::Integer(1), Json::Integer(2), Json::Null]),
        ),
        (
            "let wrap = \\(make : List JSON -> JSON) -> make [ json.null ] in wrap json.array",
            array(&[Json::Null]),
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(json(body).fold(make).expect(body), expected, "{body}");
    }
    // Terms are made of other terms, too.
    let nested = term("json.array [ other JSON json, other JSON json ]").replacen(
        "in (",
        &format!(
            "let other = {} in (",
            term("json.string \"x\"")
                .replace(JSON, "")
                .trim_start_matches(" in")
        ),
        1,
    );
    let x = Json::String("x".to_owned());
    assert_eq!(
        evaluate(&nested).fold(make).expect("a tree"),
        array(&[x.clone(), x])
    );
}

#[test]
fn constructors_may_be_parameters() {
    let sum = |node: Node<'_, u64>| match node.constructor {
        "nil" => Ok(0),
        _ => {
            assert_eq!((node.family, node.constructor), ("list", "cons"));
            let [head, tail] = node.arguments()?;
            Ok(head.decode::<u64>()? + 10 * tail.node()?)
        }
    };
    let list = "\\(list : Type) -> \\(cons : Natural -> list -> list) -> \\(nil : list) -> cons 1 (cons 2 nil)";
    assert_eq!(evaluate(list).fold(sum).expect("a sum"), 21);
    // What is not written as a function is one.
    let folded = evaluate("List/fold Natural [ 3, 2, 1 ]");
    assert_eq!(folded.fold(sum).expect("a sum"), 123);
    let natural = evaluate("Natural/fold 5");
    let count = natural.fold(depth).expect("a depth");
    assert_eq!(count, 6);
}

#[test]
fn parts_are_in_records_lists_optionals_and_unions() {
    let text = "\\(T : Type) -> \\(U : Type) -> \
         \\(t : { leaf : T, both : { left : Optional T, right : Optional T, name : Text } -> T, \
                  pick : < One : T | Many : List { inner : U } | Some_ : Natural | None_ > -> T }) -> \
         \\(wrap : T -> U) -> \
         let Pick = < One : T | Many : List { inner : U } | Some_ : Natural | None_ > in \
         t.both { left = Some (t.pick (Pick.Many [ { inner = wrap t.leaf }, { inner = wrap (t.pick Pick.None_) } ])), \
                  right = None T, name = \"n\" }";
    let show = |node: Node<'_, String>| {
        let (family, constructor) = (node.family.to_owned(), node.constructor.to_owned());
        Ok(match constructor.as_str() {
            "leaf" => "leaf".to_owned(),
            "wrap" => {
                assert_eq!(family, "U");
                format!("wrap({})", node.payload()?.node()?)
            }
            "both" => {
                let [left, right, name] = node.payload()?.record(["left", "right", "name"])?;
                let side = |side: Payload<String>| side.optional()?.map(Payload::node).transpose();
                let name: String = name.decode()?;
                format!("{name}({:?}, {:?})", side(left)?, side(right)?)
            }
            _ => {
                let (label, payload) = node.payload()?.alternative()?;
                let items = match payload {
                    None => Vec::new(),
                    Some(payload) => payload.list()?,
                };
                let inner = items.into_iter().map(|item| {
                    let [inner] = item.record(["inner"])?;
                    inner.node()
                });
                format!(
                    "{label}{:?}",
                    inner.collect::<Result<Vec<_>, DecodeError>>()?
                )
            }
        })
    };
    let shown = evaluate(text).fold(show).expect("a tree").replace('\\', "");
    assert_eq!(
        shown,
        r#"n(Some("Many["wrap(leaf)", "wrap(None_[])"]"), None)"#
    );
}

#[test]
fn a_value_of_a_part_is_known_with_its_own_type() {
    let evaluated = json("json.null");
    let outer = evaluate(&format!(
        "{{ a = 1, data = {} }}",
        json("json.bool True").value
    ));
    let (value, ty) = (outer.value.field("data"), outer.ty.field("data"));
    let tree = value.expect("a field").fold(&ty.expect("a type"), make);
    assert_eq!(tree.expect("a tree"), Json::Bool(true));
    // The type of another value is an error, and no panic.
    let other = evaluate("\\(T : Type) -> \\(t : { a : T -> T, zero : T }) -> t.a t.zero");
    let error = evaluated.value.fold(&other.ty, make);
    let message = "this is not made by a constructor of `T`";
    assert_eq!(error.expect_err("another type").message(), message);
    let two = evaluate("\\(T : Type) -> \\(t : { array : T -> T -> T, null : T }) -> t.null");
    let array = json("json.array [ json.null ]").value;
    let error = array.fold(&two.ty, make).expect_err("`array` takes two");
    assert_eq!(error.message(), message);
    let record = evaluate("\\(T : Type) -> \\(t : { array : { a : T } -> T, null : T }) -> t.null");
    let error = array
        .fold(&record.ty, make)
        .expect_err("`array` takes a record");
    assert_eq!(
        error.message(),
        "what `array` is applied to is not as its type says"
    );
    let number: Value = evaluate("1").value;
    let error = number.fold(&other.ty, make).expect_err("no function");
    assert_eq!(error.message(), message);
}

#[test]
fn deep_terms_are_folded() {
    let chain = |depth: u64| {
        format!("Natural/fold {depth} JSON (\\(j : JSON) -> json.array [ j ]) json.null")
    };
    assert_eq!(json(&chain(100_000)).fold(depth).expect("a depth"), 100_001);
    let objects = "Natural/fold 100000 JSON (\\(j : JSON) -> json.object [ { mapKey = \"k\", mapValue = j } ]) json.null";
    assert_eq!(json(objects).fold(depth).expect("a depth"), 100_001);
    let levels = 10_000;
    let written = format!(
        "{}json.null{}",
        "json.array [ ".repeat(levels),
        " ]".repeat(levels)
    );
    assert_eq!(json(&written).fold(depth).expect("a depth"), 10_001);
    let built =
        "\\(n : Type) -> \\(next : n -> n) -> \\(zero : n) -> Natural/fold 100000 n next zero";
    assert_eq!(evaluate(built).fold(depth).expect("a depth"), 100_001);
}

#[test]
fn a_tree_that_is_too_large_is_an_error() {
    let doubling = "Natural/fold 200 JSON (\\(j : JSON) -> json.array [ j, j ]) json.null";
    let limits = Limits::default();
    let cases = [
        (
            Limits {
                steps: 500_000,
                ..limits
            },
            "this takes too long to evaluate",
        ),
        (
            Limits {
                memory: 8 << 20,
                ..limits
            },
            "this needs more memory than it may have",
        ),
    ];
    for (limits, message) in cases {
        let term = try_evaluate(limits, &term(doubling)).expect("a small term");
        let error = term.fold(depth).expect_err("2^200 nodes");
        assert_eq!(error.message(), message);
    }
}

#[test]
fn what_is_not_recursive_data_is_an_error() {
    let cases = [
        ("1", "this is not a recursive value", "it returns `Natural`"),
        (
            "\\(T : Type) -> [] : List T",
            "this is not a recursive value",
            "it returns `List T`",
        ),
        (
            "\\(n : Natural) -> n",
            "`n` is neither a type nor a constructor",
            "it returns `Natural`, no recursive type",
        ),
        (
            "\\(T : Type) -> \\(t : { a : T, size : Natural }) -> t.a",
            "`size` is neither a type nor a constructor",
            "it returns `Natural`, no recursive type",
        ),
        (
            "\\(T : Type) -> \\(t : { lambda : { body : T -> T } -> T, a : T }) -> t.a",
            "a payload is a function over what is recursive",
            "in `lambda`, in `body`",
        ),
        (
            "\\(T : Type) -> \\(t : { any : forall (a : Type) -> a -> T, a : T }) -> t.a",
            "a constructor takes a type",
            "in `any`",
        ),
        (
            "\\(F : Type -> Type) -> \\(T : Type) -> \\(t : T) -> t",
            "a constructor takes a type",
            "in `F`",
        ),
        (
            "\\(T : Type) -> \\(t : { a : T }) -> \\(a : T) -> t.a",
            "two constructors of `T` are called `a`",
            "the second would be taken for the first",
        ),
    ];
    for (text, message, label) in cases {
        let error = evaluate(text).fold(depth).expect_err(text);
        assert!(error.message().starts_with(message), "{text}: {error}");
        let details: Vec<_> = error.details().collect();
        assert!(
            details.iter().any(|detail| detail.contains(label)),
            "{text}: {details:?}"
        );
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("∀(T : Type)"))
        );
        assert_eq!((error.line(), error.column()), (1, 1));
    }
    // A function that is not over recursive parts is data.
    let function = evaluate(
        "\\(T : Type) -> \\(t : { f : (Natural -> Natural) -> T }) -> t.f (\\(n : Natural) -> n + 1)",
    );
    let applied = function.fold(|node: Node<'_, String>| match node.payload()? {
        Payload::Value(value) => Ok(value.to_string()),
        other => Err(DecodeError::new(format!("{other:?}"))),
    });
    assert_eq!(applied.expect("a function"), "λ(n : Natural) → n + 1");
}

#[test]
fn the_path_to_what_does_not_fit_is_told() {
    let evaluated = json(
        "json.array [ json.null, json.object [ { mapKey = \"a\", mapValue = json.array [ json.bool True, json.integer +9223372036854775808 ] } ] ]",
    );
    let error = evaluated.fold(make).expect_err("no i64");
    assert!(
        error
            .message()
            .starts_with("`array[1].object[0].mapValue.array[1].integer`: "),
        "{error}"
    );
    assert_eq!(error.location(), &Location::File("data.dhall".to_owned()));
    let list = "\\(list : Type) -> \\(cons : Natural -> list -> list) -> \\(nil : list) -> cons 1 (cons 2 nil)";
    let failing = |node: Node<'_, ()>| match node.constructor {
        "nil" => Err(DecodeError::new("no")),
        _ => Ok(()),
    };
    let error = evaluate(list).fold(failing).expect_err("it fails");
    assert_eq!(error.message(), "`cons(2).cons(2).nil`: no");
    let wrong = |node: Node<'_, ()>| node.payload().map(drop);
    let error = evaluate(list).fold(wrong).expect_err("no payload");
    assert_eq!(
        error.message(),
        "`cons(2).cons(2).nil`: expected 1 argument(s), found 0"
    );
    let deep = json(
        "Natural/fold 1000 JSON (\\(j : JSON) -> json.array [ j ]) (json.integer +9223372036854775808)",
    );
    let error = deep.fold(make).expect_err("no i64");
    assert!(
        error.message().len() < 400 && error.message().contains(" … "),
        "{error}"
    );
}
