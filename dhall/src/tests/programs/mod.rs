//! Random well-typed programs of all types, and what must hold for them.

mod writer;

use proptest::prelude::*;

use crate::binary::{decode, encode};
use crate::environment::Env;
use crate::evaluate::Machine;
use crate::import::semantic_hash;
use crate::parse::parse;
use crate::print::print;
use crate::quote::Quoter;
use crate::scope::{Name, Scope};
use crate::syntax::{Binding, Expr, Kind, Var, VarTarget};
use crate::tests::fuzz::Numbers;
use crate::tests::on_machine;
use crate::tests::programs::writer::{Type, Writer};
use crate::typecheck::infer;

/// Returns a type, and the source of a program that has it.
fn program() -> impl Strategy<Value = (String, String, u64)> {
    (any::<u64>(), 0..6_usize).prop_map(|(seed, fuel)| {
        let mut writer = Writer {
            numbers: Numbers(seed),
            scope: Vec::new(),
        };
        let ty = writer.ty(3);
        // What is abstract keeps the rest from being evaluated away.
        let (x, y) = (writer.ty(2), writer.ty(2));
        let both = Type::Function(
            Box::new(x),
            Box::new(Type::Function(Box::new(y), Box::new(ty))),
        );
        (both.text(), writer.made(&both, fuel + 2), seed)
    })
}

/// Returns the normal form; what grows beyond the limits has none.
fn normal(machine: &Machine, expression: &Expr) -> Option<Expr> {
    let value = machine.eval(expression, &Env::default()).ok()?;
    let mut quoter = Quoter::new(machine, Scope::default());
    quoter.quote(&value).ok()
}

fn hash(machine: &Machine, text: &str) -> Option<[u8; 32]> {
    let expression = parse(text).unwrap_or_else(|problem| panic!("{text}\n{problem:?}"));
    let value = machine.eval(&expression, &Env::default()).ok()?;
    semantic_hash(machine, &value).ok()
}

/// Checks that a program has a type, and its normal form, too, and that this
/// is normal; returns whether it has one.
fn normalises(machine: &Machine, ty: &str, text: &str) -> bool {
    let expression = parse(text).unwrap_or_else(|problem| panic!("{text}\n{problem:?}"));
    let expected = parse(ty).expect("a type");
    let expected = machine.eval(&expected, &Env::default()).expect("a type");
    let has_type = |expression: &Expr| {
        let found = infer(machine, expression);
        let found = found.unwrap_or_else(|problem| panic!("{text}\n{problem:?}"));
        let same = machine.equivalent(&found, &expected);
        assert!(same.expect("types are small"), "{text}\n{ty}");
    };
    has_type(&expression);
    let Some(once) = normal(machine, &expression) else {
        return false;
    };
    has_type(&once);
    let bytes = encode(&once).expect("bytes");
    let twice = normal(machine, &once).expect("it is normal");
    assert_eq!(encode(&twice).expect("bytes"), bytes, "{text}");
    // What is normal is printed and encoded without loss.
    let printed = parse(&print(&once)).expect("it parses");
    assert_eq!(encode(&printed).expect("bytes"), bytes, "{text}");
    let decoded = decode(&bytes).expect("it decodes");
    assert_eq!(encode(&decoded).expect("bytes"), bytes, "{text}");
    true
}

/// Checks that a program has one hash however it is written; returns whether
/// it has one.
fn hashes(machine: &Machine, text: &str, numbers: &mut Numbers) -> bool {
    let Some(expected) = hash(machine, text) else {
        return false;
    };
    let expression = parse(text).expect("it parses");
    let normal = normal(machine, &expression).expect("it has a hash");
    let others = [
        print(&renamed(&expression, &mut Scope::default(), numbers)),
        laid_out(text, numbers),
        print(&expression),
        print(&normal),
    ];
    for other in others {
        assert_eq!(hash(machine, &other), Some(expected), "{text}\n{other}");
    }
    true
}

/// Gives every binder another name, out of few.
fn renamed(expression: &Expr, scope: &mut Scope, numbers: &mut Numbers) -> Expr {
    let names = ["x", "y", "_", "if", "Natural", "a b"];
    let other = |numbers: &mut Numbers| Name::from(names[numbers.below(names.len())]);
    let under =
        |name: &Name, domain: &Expr, body: &Expr, scope: &mut Scope, numbers: &mut Numbers| {
            let domain = renamed(domain, scope, numbers);
            scope.push(name);
            let body = renamed(body, scope, numbers);
            scope.pop();
            (domain, body)
        };
    Expr::made(match expression.kind() {
        Kind::Lambda(_, domain, body) => {
            let name = other(numbers);
            let (domain, body) = under(&name, domain, body, scope, numbers);
            Kind::Lambda(name, domain, body)
        }
        Kind::Pi(_, domain, body) => {
            let name = other(numbers);
            let (domain, body) = under(&name, domain, body, scope, numbers);
            Kind::Pi(name, domain, body)
        }
        Kind::Let(bindings, body) => {
            let mut all = Vec::new();
            for binding in bindings {
                let name = other(numbers);
                let annotation = binding
                    .annotation
                    .as_ref()
                    .map(|ty| renamed(ty, scope, numbers));
                let value = renamed(&binding.value, scope, numbers);
                scope.push(&name);
                all.push(Binding {
                    name,
                    annotation,
                    value,
                    name_span: binding.name_span,
                });
            }
            let body = renamed(body, scope, numbers);
            bindings.iter().for_each(|_| scope.pop());
            Kind::Let(all, body)
        }
        Kind::Var(var) => {
            let VarTarget::Bound(between) = var.target else {
                panic!("`{}` is free", var.name);
            };
            let (name, index) = scope.name(scope.depth() - 1 - between).expect("a binder");
            Kind::Var(Var {
                name: Name::clone(name),
                index,
                target: var.target,
            })
        }
        _ => {
            let mut part = |part: &Expr| Ok::<_, ()>(renamed(part, scope, numbers));
            return expression.try_map(&mut part).expect("no part fails");
        }
    })
}

/// Puts comments, line breaks and blanks between the tokens.
fn laid_out(text: &str, numbers: &mut Numbers) -> String {
    let between = [" ", "\n", "\t ", "  {- a {- b -} -}\n", " -- c\n", "{--}"];
    let mut result = "-- a program\n".to_owned();
    for token in text.split(' ') {
        result.push_str(token);
        result.push_str(between[numbers.below(between.len())]);
    }
    result
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn normalising_is_idempotent_and_keeps_the_type((ty, text, _) in program()) {
        prop_assume!(on_machine(|machine| normalises(machine, &ty, &text)));
    }

    #[test]
    fn a_hash_is_of_the_meaning((_, text, seed) in program()) {
        prop_assume!(on_machine(|machine| hashes(machine, &text, &mut Numbers(seed))));
    }
}
