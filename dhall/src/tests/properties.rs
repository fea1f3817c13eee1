//! What holds for every expression.

use std::convert::Infallible;
use std::sync::Arc;

use proptest::prelude::*;

use crate::binary::{decode, encode};
use crate::builtin::Builtin;
use crate::environment::Env;
use crate::evaluate::Machine;
use crate::format::laid_out;
use crate::import::semantic_hash;
use crate::listing::{LONG, print_list};
use crate::number::{Integer, Natural};
use crate::parse::parse;
use crate::print::{flat, print};
use crate::quote::Quoter;
use crate::scope::{Name, Scope};
use crate::syntax::{Binding, Expr, Kind, Op, Span, Step, Var, VarTarget};
use crate::temporal::{Date, Time, TimeZone};
use crate::tests::format::stable;
use crate::tests::on_machine;

/// Names that collide, are reserved, or need quotes.
fn name() -> impl Strategy<Value = Name> {
    let names = [
        "x", "y", "_", "if", "Some", "Natural", "a b", "", "x-1", "List/map", "True", "missing",
    ];
    prop::sample::select(names.to_vec()).prop_map(Name::from)
}

fn leaf() -> impl Strategy<Value = Expr> {
    let literal = prop_oneof![
        any::<bool>().prop_map(Kind::Bool),
        any::<u64>().prop_map(|n| Kind::Natural(Natural::Small(n))),
        any::<(bool, u64)>()
            .prop_map(|(sign, n)| Kind::Integer(Integer::new(sign, Natural::Small(n)))),
        "[1-9][0-9]{19,60}".prop_map(|digits| {
            Kind::Natural(Natural::parse(digits.as_bytes(), 10).expect("digits"))
        }),
        any::<f64>().prop_map(Kind::Double),
        any::<f32>().prop_map(|single| Kind::Double(single.into())),
        "[ -~\\n\\t\\u{0}-\\u{1f}é√😀]{0,12}".prop_map(|text| Kind::Text(Vec::new(), text.into())),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(|bytes| Kind::Bytes(bytes.into())),
        (0_u16..=9999, 1_u8..=12, 1_u8..=28).prop_map(|(year, month, day)| Kind::Date(
            Date::new(year, month, day).expect("a date")
        )),
        (0_u8..24, 0_u8..60, "[0-5][0-9]{1,12}").prop_map(|(hour, minute, digits)| {
            let precision = u32::try_from(digits.len() - 2).expect("short");
            Kind::Time(Time::new(hour, minute, digits.as_bytes(), precision).expect("a time"))
        }),
        (any::<bool>(), 0_u8..24, 0_u8..60).prop_map(|(sign, hours, minutes)| Kind::TimeZone(
            TimeZone::new(sign, hours, minutes).expect("a zone")
        )),
        prop::sample::select(Builtin::ALL).prop_map(Kind::Builtin),
    ];
    let variable = (name(), 0_u64..3).prop_map(|(name, index)| {
        // What it refers to is found again when it is parsed.
        let target = VarTarget::Free(0);
        Kind::Var(Var {
            name,
            index,
            target,
        })
    });
    prop_oneof![literal, variable].prop_map(Expr::made)
}

fn sorted<T>(mut fields: Vec<(Name, T)>) -> Vec<(Name, T)> {
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields.dedup_by(|a, b| a.0 == b.0);
    fields
}

/// Any expression, well typed or not.
fn expression() -> impl Strategy<Value = Expr> {
    leaf().prop_recursive(5, 48, 4, |inner| {
        let e = || inner.clone();
        let many = || prop::collection::vec(inner.clone(), 1..4);
        let fields = || prop::collection::vec((name(), inner.clone()), 0..4).prop_map(sorted);
        let step = prop_oneof![name().prop_map(Step::Label), Just(Step::Optional)];
        prop_oneof![
            (name(), e(), e()).prop_map(|(x, a, b)| Kind::Lambda(x, a, b)),
            (name(), e(), e()).prop_map(|(x, a, b)| Kind::Pi(x, a, b)),
            (name(), prop::option::of(e()), e(), e()).prop_map(
                |(name, annotation, value, body)| {
                    let name_span = Span::NONE;
                    Kind::Let(
                        vec![Binding {
                            name,
                            annotation,
                            value,
                            name_span,
                        }],
                        body,
                    )
                }
            ),
            (e(), e(), e()).prop_map(|(a, b, c)| Kind::If(a, b, c)),
            (e(), e(), prop::option::of(e())).prop_map(|(a, b, ty)| Kind::Merge(a, b, ty)),
            (e(), prop::option::of(e())).prop_map(|(a, ty)| Kind::ToMap(a, ty)),
            e().prop_map(Kind::ShowConstructor),
            e().prop_map(Kind::EmptyList),
            many().prop_map(Kind::List),
            (e(), e()).prop_map(|(a, b)| Kind::Annot(a, b)),
            (prop::sample::select(&Op::ALL[..]), e(), many()).prop_map(|(op, a, mut rest)| {
                rest.insert(0, a);
                Kind::Op(op, rest)
            }),
            (e(), many()).prop_map(|(f, arguments)| match f.kind() {
                Kind::App(..) => Kind::Some(f),
                _ => Kind::App(f, arguments),
            }),
            (e(), name()).prop_map(|(a, x)| Kind::Field(a, x, Span::NONE)),
            (e(), prop::collection::vec(name(), 0..3)).prop_map(|(a, xs)| Kind::Project(a, xs)),
            (e(), e()).prop_map(|(a, b)| Kind::ProjectType(a, b)),
            (e(), e()).prop_map(|(a, b)| Kind::Complete(a, b)),
            e().prop_map(Kind::Assert),
            (e(), prop::collection::vec(step, 1..3), e())
                .prop_map(|(a, path, b)| Kind::With(a, path, b)),
            e().prop_map(Kind::Some),
            (
                prop::collection::vec(("[a-z$\"' \\n]{0,4}", e()), 0..3),
                "[a-z$]{0,4}"
            )
                .prop_map(|(chunks, last)| {
                    let chunks = chunks.into_iter().map(|(text, e)| (Name::from(text), e));
                    Kind::Text(chunks.collect(), last.into())
                }),
            fields().prop_map(Kind::RecordType),
            fields().prop_map(Kind::Record),
            prop::collection::vec((name(), prop::option::of(e())), 0..4)
                .prop_map(|alternatives| Kind::Union(sorted(alternatives))),
        ]
        .prop_map(Expr::made)
    })
}

/// Source texts of well-typed programs over a few variables.
fn program() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        (0_u64..20).prop_map(|n| n.to_string()),
        Just("x".to_owned()),
        Just("(f x)".to_owned()),
        Just("r.a".to_owned()),
    ];
    let number = number.prop_recursive(4, 24, 3, |n| {
        prop_oneof![
            (n.clone(), n.clone()).prop_map(|(a, b)| format!("({a} + {b})")),
            (n.clone(), n.clone()).prop_map(|(a, b)| format!("({a} * {b})")),
            (n.clone(), n.clone()).prop_map(|(a, b)| format!("(if Natural/even {a} then {b} else {a})")),
            (n.clone(), n.clone()).prop_map(|(a, b)| format!("(let y = {a} in let x = y in x + {b})")),
            (n.clone(), n.clone()).prop_map(|(a, b)| format!("(r // {{ a = {a}, c = {b} }}).a")),
            (n.clone(), n.clone()).prop_map(|(a, b)| format!("(merge {{ A = \\(x : Natural) -> x + {a}, B = {b} }} (< A : Natural | B >.A {b}))")),
            (n.clone(), n.clone()).prop_map(|(a, b)| format!("(List/fold Natural [ {a}, {b} ] Natural (\\(x : Natural) -> \\(y : Natural) -> x + y) {a})")),
            (n.clone(), n.clone()).prop_map(|(a, b)| format!("(List/length Natural ([ {a} ] # [ {b}, {a} ]))")),
            n.clone().prop_map(|a| format!("({{ a = {{ b = {a} }} }} with a.b = x).a.b")),
            n.prop_map(|a| format!("(Natural/fold 3 Natural (\\(x : Natural) -> x + f x) {a})")),
        ]
    });
    number.prop_map(|body| {
        format!("\\(x : Natural) -> \\(f : Natural -> Natural) -> \\(r : {{ a : Natural }}) -> {{ n = {body}, t = \"${{Natural/show {body}}}!\" }}")
    })
}

fn normal(machine: &Machine, expression: &Expr) -> Expr {
    let value = machine.eval(expression, &Env::default()).expect("a value");
    Quoter::new(machine, Scope::default())
        .quote(&value)
        .expect("a normal form")
}

fn hash(machine: &Machine, text: &str) -> [u8; 32] {
    let expression = parse(text).expect("it parses");
    let value = machine.eval(&expression, &Env::default()).expect("a value");
    semantic_hash(machine, &value).expect("a hash")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_parses_to_the_same(expression in expression()) {
        on_machine(|_| {
            let bytes = encode(&expression).expect("bytes");
            let text = print(&expression);
            let parsed = parse(&text).unwrap_or_else(|problem| panic!("{text}\n{problem:?}"));
            assert_eq!(encode(&parsed).expect("bytes"), bytes, "{text}");
        });
    }

    #[test]
    fn what_is_printed_is_formatted_once(expression in expression()) {
        on_machine(|_| drop(stable(&print(&expression))));
    }

    #[test]
    fn items_of_a_long_list_are_laid_out_by_themselves(
        items in prop::collection::vec(expression(), 1..12),
    ) {
        on_machine(|_| {
            let list = flat(&Expr::made(Kind::List(items.clone())));
            let whole = laid_out(&list, 0).expect("a layout");
            // What fits on a line is not written in this way.
            let printed: Result<_, Infallible> = print_list(items.into_iter().map(Ok));
            let printed = printed.expect("no error");
            assert_eq!(printed.is_some(), list.len() > LONG + "[]".len());
            assert_eq!(printed.unwrap_or_else(|| whole.clone()), whole);
        });
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same(expression in expression()) {
        on_machine(|_| {
            let bytes = encode(&expression).expect("bytes");
            let decoded = decode(&bytes).expect("an expression");
            assert_eq!(encode(&decoded).expect("bytes"), bytes);
        });
    }

    #[test]
    fn damaged_bytes_never_panic(expression in expression(), at: prop::sample::Index, byte: u8) {
        on_machine(|machine| {
            let mut bytes = encode(&expression).expect("bytes");
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(decoded) = decode(&bytes) {
                let _ = crate::typecheck::infer(machine, &decoded);
            }
            let _ = decode(&bytes[..at]);
        });
    }

    #[test]
    fn checking_never_panics(expression in expression()) {
        on_machine(|machine| {
            if let Ok(ty) = crate::typecheck::infer(machine, &expression) {
                let normal = normal(machine, &expression);
                let again = crate::typecheck::infer(machine, &normal).expect("a normal form keeps its type");
                assert!(machine.equivalent(&ty, &again).expect("they compare"));
            }
        });
    }

    #[test]
    fn any_text_parses_or_fails(text in "[\\[\\](){}<>a-z0-9 \\n\"'$|?:=+*./\\\\-]{0,60}") {
        on_machine(|_| drop(parse(&text)));
    }

    #[test]
    fn a_normal_form_is_normal(text in program()) {
        on_machine(|machine| {
            let expression = parse(&text).expect("it parses");
            let ty = crate::typecheck::infer(machine, &expression).unwrap_or_else(|problem| panic!("{text}\n{problem:?}"));
            let once = normal(machine, &expression);
            let twice = normal(machine, &once);
            assert_eq!(print(&once), print(&twice));
            let again = crate::typecheck::infer(machine, &once).expect("a normal form keeps its type");
            assert!(machine.equivalent(&ty, &again).expect("they compare"));
        });
    }

    #[test]
    fn names_and_layout_do_not_change_a_hash(text in program()) {
        on_machine(|machine| {
            let renamed = text.replace("\\(f : Natural -> Natural)", "\\(g : Natural -> Natural)").replace("f x", "g x");
            let spaced = text.replace(' ', " {- - -}\n ");
            let expected = hash(machine, &text);
            assert_eq!(hash(machine, &renamed), expected);
            assert_eq!(hash(machine, &spaced), expected);
            let printed = print(&normal(machine, &parse(&text).expect("it parses")));
            assert_eq!(hash(machine, &printed), expected);
        });
    }
}

#[test]
fn values_are_shared_by_threads() {
    let evaluator = Arc::new(crate::Evaluator::new(Arc::new(crate::EmbeddedLibrary)));
    let file = crate::library::latest("https://straylight.cx/rules/c/v1.dhall").expect("released");
    let text = format!("let C = {} sha256:{} in C", file.url, file.sha256);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let location = crate::Location::Input("test".to_owned());
                let evaluated = evaluator.evaluate(&location, &text).expect("the library");
                assert_eq!(evaluated.value.encode().expect("bytes"), file.bytes);
            });
        }
    });
}

#[test]
fn what_is_empty_is_printed_after_a_long_name() {
    let name = "n".repeat(100);
    on_machine(|_| {
        for text in [
            "{ N = {=} }",
            "{ N : {} }",
            "< N : <> >",
            "\\(N : {}) -> {=}",
        ] {
            let expression = parse(&text.replace('N', &name)).expect("it parses");
            let printed = print(&expression);
            let again = parse(&printed).unwrap_or_else(|problem| panic!("{printed}\n{problem:?}"));
            assert_eq!(encode(&again), encode(&expression), "{printed}");
        }
    });
}
