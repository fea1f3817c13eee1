//! What the type of a recursive value says: its family of types, and their
//! constructors.

use rustc_hash::FxHashSet;

use crate::builtin::{Builtin, Const};
use crate::evaluate::{Evaluated, Machine};
use crate::fold::{Failure, Folded};
use crate::print;
use crate::problem::Problem;
use crate::quote::Quoter;
use crate::scope::{Name, Scope};
use crate::syntax::{Expr, Kind, Span, Var, VarTarget};
use crate::value::{Fields, Lazy, Val};

/// The level of the first variable that a term is given: far above those of
/// real binders, and below those that comparisons make up.
const FIRST: u32 = 1 << 30;

/// How deeply the type of a payload may nest.
const DEPTH: usize = 256;

/// A type of recursive values.
pub(super) struct Signature {
    /// What the term is applied to.
    pub(super) arguments: Vec<Val>,
    /// The level of the type that it has then.
    pub(super) result: u32,
    /// What the variables in the arguments mean, by their levels.
    variables: Vec<Variable>,
}

pub(super) enum Variable {
    Family(Name),
    Constructor(Constructor),
}

pub(super) struct Constructor {
    pub(super) name: Name,
    /// The type that it makes a value of.
    pub(super) family: u32,
    pub(super) arguments: Vec<Shape>,
}

/// Where recursive parts are in a payload.
pub(super) enum Shape {
    /// Nowhere.
    Plain,
    /// It is one, of the type with this level.
    Node(u32),
    List(Box<Shape>),
    Optional(Box<Shape>),
    Record(Vec<(Name, Shape)>),
    Union(Vec<(Name, Option<Shape>)>),
}

impl Signature {
    /// Returns what the variable of a level means.
    pub(super) fn variable(&self, level: u32) -> Option<&Variable> {
        self.variables.get(level.checked_sub(FIRST)? as usize)
    }

    pub(super) fn constructor(&self, level: u32) -> Option<&Constructor> {
        match self.variable(level)? {
            Variable::Constructor(constructor) => Some(constructor),
            Variable::Family(_) => None,
        }
    }

    /// Returns the name of a type of the family.
    pub(super) fn family(&self, level: u32) -> &str {
        match self.variable(level) {
            Some(Variable::Family(name)) => name,
            _ => "_",
        }
    }

    fn is_family(&self, level: u32) -> bool {
        matches!(self.variable(level), Some(Variable::Family(_)))
    }

    /// Gives a variable the next level.
    fn add(&mut self, variable: Variable) -> Val {
        let level = FIRST.saturating_add(u32::try_from(self.variables.len()).unwrap_or(FIRST));
        self.variables.push(variable);
        Val::Bound(level)
    }
}

/// Takes the type of a recursive value apart.
pub(super) fn signature(machine: &Machine, ty: &Val) -> Folded<Signature> {
    let mut reader = Reader {
        machine,
        signature: Signature {
            arguments: Vec::new(),
            result: FIRST,
            variables: Vec::new(),
        },
        names: FxHashSet::default(),
    };
    let mut rest = ty.clone();
    while let Val::Pi(binder) = &rest {
        machine.budget.step()?;
        let argument = reader.parameter(&binder.name, &binder.domain(machine)?)?;
        reader.signature.arguments.push(argument.clone());
        rest = machine.instantiate(binder, argument.into())?;
    }
    match rest {
        Val::Bound(level) if reader.signature.is_family(level) => {
            reader.signature.result = level;
            Ok(reader.signature)
        }
        other => {
            let message =
                "this is not a recursive value: its type does not return a type that it is given";
            Err(reader.wrong(message, format!("it returns `{}`", reader.show(&other))))
        }
    }
}

struct Reader<'a> {
    machine: &'a Machine,
    signature: Signature,
    /// The names of constructors, behind those of their types.
    names: FxHashSet<(Name, Name)>,
}

impl Reader<'_> {
    fn show(&self, value: &Val) -> String {
        let quoted = Quoter::new(self.machine, Scope::default()).quote(value);
        match quoted.and_then(|expression| self.named(&expression)) {
            Ok(expression) => print::brief(&expression),
            Err(_) => "…".to_owned(),
        }
    }

    /// Gives the variables of the family their names.
    fn named(&self, expression: &Expr) -> Evaluated<Expr> {
        self.machine.budget.step()?;
        if let Kind::Var(var) = expression.kind()
            && let Ok(level) = u32::try_from(var.index)
            && self.signature.is_family(level)
        {
            let name = Name::from(self.signature.family(level));
            let target = VarTarget::Free(0);
            return Ok(Expr::made(Kind::Var(Var {
                name,
                index: 0,
                target,
            })));
        }
        expression.try_map(&mut |part| self.named(part))
    }

    fn wrong(&self, message: impl Into<String>, label: String) -> Failure {
        let hint = "such a type is `∀(T : Type) → ∀(t : { node : List T → T, … }) → T`";
        Failure::Wrong(Problem::new(Span::NONE, message).label(label).hint(hint))
    }

    /// Returns the argument for a parameter of the term.
    fn parameter(&mut self, name: &Name, ty: &Val) -> Folded<Val> {
        match ty {
            Val::Const(Const::Type) => Ok(self.signature.add(Variable::Family(Name::clone(name)))),
            Val::RecordType(fields) => self.constructors(fields),
            ty => self.constructor(name, ty),
        }
    }

    fn constructors(&mut self, types: &Fields) -> Folded<Val> {
        let mut fields = Vec::with_capacity(types.len());
        for (name, ty) in types.iter() {
            let constructor = self.constructor(name, &self.machine.force(ty)?)?;
            fields.push((Name::clone(name), constructor.into()));
        }
        Ok(Val::record(fields))
    }

    /// Reads the type of a constructor: what it takes, and what it makes.
    fn constructor(&mut self, name: &Name, ty: &Val) -> Folded<Val> {
        let mut arguments = Vec::new();
        let mut rest = ty.clone();
        while let Val::Pi(binder) = &rest {
            self.machine.budget.step()?;
            let domain = binder.domain(self.machine)?;
            arguments.push(
                self.shape(&domain, 0)
                    .map_err(|failure| within(name, failure))?,
            );
            // Only types are mentioned by types, and no argument is one.
            let unused = Val::Bound(FIRST - 1);
            rest = self.machine.instantiate(binder, unused.into())?;
        }
        let family = match rest {
            Val::Bound(level) if self.signature.is_family(level) => level,
            other => {
                let message = format!("`{name}` is neither a type nor a constructor");
                let label = format!("it returns `{}`, no recursive type", self.show(&other));
                return Err(self.wrong(message, label));
            }
        };
        self.unique(name, family)?;
        let constructor = Constructor {
            name: Name::clone(name),
            family,
            arguments,
        };
        Ok(self.signature.add(Variable::Constructor(constructor)))
    }

    /// The host tells constructors by the names of their types and their own.
    fn unique(&mut self, name: &Name, family: u32) -> Folded<()> {
        let family = Name::from(self.signature.family(family));
        if self.names.insert((Name::clone(&family), Name::clone(name))) {
            return Ok(());
        }
        let message = format!("two constructors of `{family}` are called `{name}`");
        Err(self.wrong(
            message,
            "the second would be taken for the first".to_owned(),
        ))
    }

    /// Returns where recursive parts are in values of a type.
    fn shape(&self, ty: &Val, depth: usize) -> Folded<Shape> {
        self.machine.budget.step()?;
        if depth > DEPTH {
            return Err(self.wrong("the payload nests too deeply", String::new()));
        }
        let inside = |lazy: &Lazy| self.shape(&self.machine.force(lazy)?, depth + 1);
        Ok(match ty {
            Val::Bound(level) if self.signature.is_family(*level) => Shape::Node(*level),
            Val::Call(Builtin::List, item) if item.len() == 1 => match inside(&item[0])? {
                Shape::Plain => Shape::Plain,
                item => Shape::List(Box::new(item)),
            },
            Val::Call(Builtin::Optional, inner) if inner.len() == 1 => match inside(&inner[0])? {
                Shape::Plain => Shape::Plain,
                inner => Shape::Optional(Box::new(inner)),
            },
            Val::RecordType(fields) => {
                let field = |(name, ty): &(Name, Lazy)| {
                    let shape = inside(ty).map_err(|failure| within(name, failure))?;
                    Ok((Name::clone(name), shape))
                };
                let fields = fields.iter().map(field).collect::<Folded<Vec<_>>>()?;
                let plain = |(_, shape): &(Name, Shape)| matches!(shape, Shape::Plain);
                match fields.iter().all(plain) {
                    true => Shape::Plain,
                    false => Shape::Record(fields),
                }
            }
            Val::Union(alternatives) => {
                let alternative = |(name, ty): &(Name, Option<Lazy>)| {
                    let shape = ty.as_ref().map(inside).transpose();
                    let shape = shape.map_err(|failure| within(name, failure))?;
                    Ok((Name::clone(name), shape))
                };
                let alternatives = alternatives.iter().map(alternative);
                let alternatives = alternatives.collect::<Folded<Vec<_>>>()?;
                let plain =
                    |(_, shape): &(Name, Option<Shape>)| matches!(shape, None | Some(Shape::Plain));
                match alternatives.iter().all(plain) {
                    true => Shape::Plain,
                    false => Shape::Union(alternatives),
                }
            }
            Val::Const(_) => {
                let message = "a constructor takes a type: only values can be walked";
                return Err(self.wrong(message, String::new()));
            }
            other if self.mentions(other)? => {
                let message =
                    "a payload is a function over what is recursive: it cannot be looked into";
                return Err(self.wrong(message, String::new()));
            }
            _ => Shape::Plain,
        })
    }

    /// Returns whether a type refers to one of the family.
    fn mentions(&self, ty: &Val) -> Folded<bool> {
        self.machine.budget.step()?;
        let inside = |lazy: &Lazy| self.mentions(&self.machine.force(lazy)?);
        Ok(match ty {
            Val::Bound(level) => self.signature.is_family(*level),
            Val::Call(_, arguments) => any(arguments.iter().map(inside))?,
            Val::RecordType(fields) => any(fields.iter().map(|(_, ty)| inside(ty)))?,
            Val::Union(alternatives) => any(alternatives
                .iter()
                .filter_map(|(_, ty)| ty.as_ref())
                .map(inside))?,
            Val::App(parts) => self.mentions(&parts.0)? || inside(&parts.1)?,
            Val::Pi(binder) => {
                let unused = Val::Bound(FIRST - 1);
                self.mentions(&binder.domain(self.machine)?)?
                    || self.mentions(&self.machine.instantiate(binder, unused.into())?)?
            }
            _ => false,
        })
    }
}

fn any(mut parts: impl Iterator<Item = Folded<bool>>) -> Folded<bool> {
    parts.try_fold(false, |any, part| Ok(any || part?))
}

/// Says in which constructor, field or alternative something is wrong.
fn within(name: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Wrong(mut problem) => {
            problem.label = match problem.label.is_empty() {
                true => format!("in `{name}`"),
                false => format!("in `{name}`, {}", problem.label),
            };
            Failure::Wrong(problem)
        }
        stop => stop,
    }
}
