//! Writes programs of a given type.
//!
//! A program is written part by part, with all the variables that have a
//! fitting type; each way of writing a value is chosen by a generator with a
//! seed. Tokens are separated by single blanks, and literals have none, so that
//! the layout can be changed between tokens.

use crate::tests::fuzz::Numbers;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    Plain(&'static str),
    List(Box<Type>),
    Optional(Box<Type>),
    /// Sorted by name.
    Record(Vec<(&'static str, Type)>),
    Union(Vec<(&'static str, Option<Type>)>),
    Function(Box<Type>, Box<Type>),
}

const PLAIN: [&str; 5] = ["Bool", "Natural", "Integer", "Double", "Text"];
const NAMES: [&str; 4] = ["x", "y", "x-1", "`let`"];

impl Type {
    pub(super) fn text(&self) -> String {
        let fields = |fields: Vec<String>, [open, between, close]: [&str; 3]| {
            format!("{open} {} {close}", fields.join(&format!(" {between} ")))
        };
        match self {
            Self::Plain(name) => (*name).to_owned(),
            Self::List(item) => format!("( List {} )", item.text()),
            Self::Optional(inner) => format!("( Optional {} )", inner.text()),
            Self::Record(types) if types.is_empty() => "{}".to_owned(),
            Self::Record(types) => {
                let field = |(name, ty): &(&str, Self)| format!("{name} : {}", ty.text());
                fields(types.iter().map(field).collect(), ["{", ",", "}"])
            }
            Self::Union(types) => {
                let alternative = |(name, ty): &(&str, Option<Self>)| match ty {
                    Some(ty) => format!("{name} : {}", ty.text()),
                    None => (*name).to_owned(),
                };
                fields(types.iter().map(alternative).collect(), ["<", "|", ">"])
            }
            Self::Function(input, output) => format!("( {} -> {} )", input.text(), output.text()),
        }
    }
}

/// Writes one program.
pub(super) struct Writer {
    pub(super) numbers: Numbers,
    pub(super) scope: Vec<(&'static str, Type)>,
}

impl Writer {
    fn below(&mut self, bound: usize) -> usize {
        self.numbers.below(bound)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(super) fn ty(&mut self, depth: usize) -> Type {
        let kinds = if depth == 0 { 5 } else { 11 };
        let inner = |writer: &mut Self| Box::new(writer.ty(depth - 1));
        match self.below(kinds) {
            plain @ 0..5 => Type::Plain(PLAIN[plain]),
            5 => Type::List(inner(self)),
            6 => Type::Optional(inner(self)),
            7 => Type::Function(inner(self), inner(self)),
            8 => {
                let fields =
                    ["A", "B"].map(|name| (name, (self.below(2) == 0).then(|| self.ty(depth - 1))));
                Type::Union(fields.to_vec())
            }
            9 => {
                let value = self.ty(depth - 1);
                let entry = vec![("mapKey", Type::Plain("Text")), ("mapValue", value)];
                Type::List(Box::new(Type::Record(entry)))
            }
            _ => {
                let names = ["a", "b", "`in`"];
                let count = self.below(4);
                Type::Record(
                    names[..count]
                        .iter()
                        .map(|name| (*name, self.ty(depth - 1)))
                        .collect(),
                )
            }
        }
    }

    /// Writes a value of a type, in parentheses if it needs any.
    fn term(&mut self, ty: &Type, fuel: usize) -> String {
        let variables: Vec<_> = (0..self.scope.len())
            .filter(|at| self.scope[*at].1 == *ty)
            .collect();
        if !variables.is_empty() && self.below(3) == 0 {
            let at = self.pick(&variables);
            return self.variable(at);
        }
        if fuel == 0 {
            return self.made(ty, 0);
        }
        match self.below(12) {
            0 => {
                let (condition, then, other) = (
                    self.plain("Bool", fuel - 1),
                    self.term(ty, fuel - 1),
                    self.term(ty, fuel - 1),
                );
                format!("( if {condition} then {then} else {other} )")
            }
            1 => self.bound(ty, fuel),
            2 => {
                let input = self.ty(1);
                let argument = self.term(&input, fuel - 1);
                let function = self.function(&input, ty, fuel - 1);
                format!("( {function} {argument} )")
            }
            3 => self.selected(ty, fuel),
            4 => self.merged(ty, fuel),
            5 => self.folded(ty, fuel),
            6 => {
                let (t, term) = (ty.text(), self.term(ty, fuel - 1));
                match self.below(2) {
                    0 => format!("( {term} : {t} )"),
                    _ => format!("( ( \\( T : Type ) -> \\( y : T ) -> y ) {t} {term} )"),
                }
            }
            _ => self.made(ty, fuel),
        }
    }

    fn plain(&mut self, name: &'static str, fuel: usize) -> String {
        self.term(&Type::Plain(name), fuel)
    }

    fn variable(&self, at: usize) -> String {
        let name = self.scope[at].0;
        let between = self.scope[at + 1..]
            .iter()
            .filter(|(known, _)| *known == name)
            .count();
        format!("{name}@{between}")
    }

    fn under(
        &mut self,
        name: &'static str,
        ty: &Type,
        write: impl FnOnce(&mut Self) -> String,
    ) -> String {
        self.scope.push((name, ty.clone()));
        let written = write(self);
        self.scope.pop();
        written
    }

    fn bound(&mut self, ty: &Type, fuel: usize) -> String {
        let (name, other) = (self.pick(&NAMES), self.ty(2));
        let value = self.term(&other, fuel - 1);
        let body = self.under(name, &other, |writer| writer.term(ty, fuel - 1));
        let annotation = match self.below(2) {
            0 => format!(" : {}", other.text()),
            _ => String::new(),
        };
        format!("( let {name}{annotation} = {value} in {body} )")
    }

    fn function(&mut self, input: &Type, output: &Type, fuel: usize) -> String {
        let name = self.pick(&NAMES);
        let body = self.under(name, input, |writer| writer.term(output, fuel));
        format!("( \\( {name} : {} ) -> {body} )", input.text())
    }

    /// Takes a field of a record that is made in some way.
    fn selected(&mut self, ty: &Type, fuel: usize) -> String {
        let (term, other) = (self.term(ty, fuel - 1), self.term(ty, fuel - 1));
        let plain = self.plain("Text", fuel - 1);
        match self.below(6) {
            0 => format!("{{ c = {term}, d = {plain} }}.c"),
            1 => format!("( {{ c = {other} }} // {{ c = {term}, d = {plain} }} ).c"),
            2 => format!("( {{ c.e = {term} }} /\\ {{ c.f = {plain} }} ).c.e"),
            3 => format!("( {{ c = {plain}, d.e = {plain} }} with d.e = {term} ).d.e"),
            4 => format!("{{ c = {term}, d = {plain} }}.{{ c }}.c"),
            _ => {
                let ty = ty.text();
                format!(
                    "( {{ Type = {{ c : {ty}, d : Text }}, default = {{ c = {other} }} }}::{{ c = {term}, d = {plain} }} ).c"
                )
            }
        }
    }

    fn merged(&mut self, ty: &Type, fuel: usize) -> String {
        let payload = self.ty(1);
        let (handler, other) = (
            self.function(&payload, ty, fuel - 1),
            self.term(ty, fuel - 1),
        );
        let t = payload.text();
        if self.below(2) == 0 {
            let optional = self.term(&Type::Optional(Box::new(payload)), fuel - 1);
            return format!("( merge {{ Some = {handler}, None = {other} }} {optional} )");
        }
        let union = Type::Union(vec![("A", Some(payload)), ("B", None)]);
        let union = self.term(&union, fuel - 1);
        match self.below(2) {
            0 => format!("( merge {{ A = {handler}, B = {other} }} {union} )"),
            _ => format!(
                "( merge {{ A = {handler}, B = {other} }} ( {union} : < A : {t} | B > ) : {} )",
                ty.text()
            ),
        }
    }

    fn folded(&mut self, ty: &Type, fuel: usize) -> String {
        let (t, start) = (ty.text(), self.term(ty, fuel - 1));
        if self.below(2) == 0 {
            let times = self.below(4);
            let step = self.function(ty, ty, fuel - 1);
            return format!("( Natural/fold {times} {t} {step} {start} )");
        }
        let item = self.ty(1);
        let items = self.term(&Type::List(Box::new(item.clone())), fuel - 1);
        let step = self.function(
            &item,
            &Type::Function(Box::new(ty.clone()), Box::new(ty.clone())),
            fuel - 1,
        );
        format!("( List/fold {} {items} {t} {step} {start} )", item.text())
    }

    /// Writes a value in a way that is its type's own.
    pub(super) fn made(&mut self, ty: &Type, fuel: usize) -> String {
        let less = fuel.saturating_sub(1);
        match ty {
            Type::Plain(name) => self.scalar(name, fuel),
            Type::Function(input, output) => self.function(input, output, less),
            Type::Optional(inner) => {
                let t = inner.text();
                match self.below(3) {
                    0 => format!("( None {t} )"),
                    1 if fuel > 0 => {
                        let (first, list) = (
                            self.pick(&["head", "last"]),
                            self.term(&Type::List(inner.clone()), less),
                        );
                        format!("( List/{first} {t} {list} )")
                    }
                    _ => format!("( Some {} )", self.term(inner, less)),
                }
            }
            Type::List(item) => self.list(item, fuel),
            Type::Record(types) if types.is_empty() => "{=}".to_owned(),
            Type::Record(types) => {
                let fields: Vec<_> = types
                    .iter()
                    .map(|(name, ty)| format!("{name} = {}", self.term(ty, less)))
                    .collect();
                format!("{{ {} }}", fields.join(" , "))
            }
            Type::Union(types) => {
                let at = self.below(types.len());
                let (name, payload) = &types[at];
                let constructor = format!("{}.{name}", ty.text());
                match payload {
                    Some(payload) => format!("( {constructor} {} )", self.term(payload, less)),
                    None => constructor,
                }
            }
        }
    }

    fn list(&mut self, item: &Type, fuel: usize) -> String {
        let (t, less) = (item.text(), fuel.saturating_sub(1));
        let list = Type::List(Box::new(item.clone()));
        if let Type::Record(fields) = item
            && let [("mapKey", _), ("mapValue", value)] = &fields[..]
            && self.below(2) == 0
        {
            let value = self.term(value, less);
            return format!("( toMap {{ b = {value}, a = {value} }} )");
        }
        match self.below(if fuel > 0 { 5 } else { 2 }) {
            0 => format!("( [] : List {t} )"),
            2 => format!(
                "( {} # {} )",
                self.term(&list, less),
                self.term(&list, less)
            ),
            3 => format!("( List/reverse {t} {} )", self.term(&list, less)),
            _ => format!("[ {} , {} ]", self.term(item, less), self.term(item, less)),
        }
    }

    fn scalar(&mut self, name: &str, fuel: usize) -> String {
        let number = self.below(1000);
        if fuel == 0 {
            return match name {
                "Bool" => self.pick(&["True", "False"]).to_owned(),
                "Natural" => number.to_string(),
                "Integer" => format!("-{number}"),
                "Double" => format!("{number}.5"),
                _ => format!("\"t{number}\\n\""),
            };
        }
        let less = fuel - 1;
        let mut part = |name: &'static str| self.plain(name, less);
        let (a, b, n, t) = (
            part(name_of(name)),
            part(name_of(name)),
            part("Natural"),
            part("Text"),
        );
        let i = part("Integer");
        let ways = match name {
            "Bool" => vec![
                format!("( {a} && {b} )"),
                format!("( {a} || {b} )"),
                format!("( {a} == {b} )"),
                format!("( {a} != {b} )"),
                format!("( Natural/even {n} )"),
                format!("( Natural/isZero {n} )"),
            ],
            "Natural" => vec![
                format!("( {a} + {b} )"),
                format!("( {a} * {b} )"),
                format!("( Natural/subtract {a} {b} )"),
                format!("( List/length Text [ {t} ] )"),
                format!("( Integer/clamp {i} )"),
            ],
            "Integer" => vec![
                format!("( Natural/toInteger {n} )"),
                format!("( Integer/negate {a} )"),
            ],
            "Double" => vec![format!("( Integer/toDouble {i} )"), a],
            _ => vec![
                format!("( {a} ++ {b} )"),
                format!("\"a${{ {a} }}-${{ {b} }}\""),
                format!("( Natural/show {n} )"),
                format!("( Text/show {a} )"),
                format!("( Text/replace \"t\" {a} {b} )"),
                format!("( showConstructor ( < A : Text | B >.A {a} ) )"),
            ],
        };
        let at = self.below(ways.len());
        ways[at].clone()
    }
}

fn name_of(name: &str) -> &'static str {
    PLAIN
        .into_iter()
        .find(|known| *known == name)
        .expect("a plain type")
}
