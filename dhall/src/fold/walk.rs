//! The walk over what a term builds, with a stack on the heap.

use crate::builtin::Builtin;
use crate::evaluate::Machine;
use crate::evaluator::{Value, force_all};
use crate::fold::payload::{Node, Payload};
use crate::fold::signature::{Constructor, Shape, Signature};
use crate::fold::{Failure, Folded};
use crate::from_value::DecodeError;
use crate::memory;
use crate::problem::Problem;
use crate::scope::Name;
use crate::syntax::Span;
use crate::value::{Lazy, Val, find};

/// How many constructors of a path are shown at either end.
const SHOWN: usize = 8;

/// Calls `make` for each constructor of a term, innermost first.
pub(super) fn walk<R>(
    machine: &Machine,
    signature: &Signature,
    term: &Value,
    mut make: impl FnMut(Node<'_, R>) -> Result<R, DecodeError>,
) -> Folded<R> {
    let mut root = term.value.clone();
    for argument in &signature.arguments {
        root = machine.apply(&root, argument.clone().into())?;
    }
    let mut walk = Walk {
        machine,
        signature,
        term,
        held: Held(0),
        stack: Vec::new(),
    };
    walk.enter((signature.result, root.into()))?;
    loop {
        // The walk ends with the frame of the root.
        let frame = walk.stack.last_mut().expect("a node is being made");
        if let Some(part) = frame.waiting.next() {
            walk.enter(part)?;
            continue;
        }
        let node = frame.node(signature);
        let result = make(node).map_err(|error| walk.wrong(error.to_string()))?;
        walk.stack.pop();
        match walk.stack.last_mut() {
            Some(parent) => parent.made.push(result),
            None => return Ok(result),
        }
    }
}

/// A recursive part, and the level of its type.
type Part = (u32, Lazy);

struct Walk<'a, R> {
    machine: &'a Machine,
    signature: &'a Signature,
    term: &'a Value,
    held: Held,
    /// The constructors that wait for their parts, outermost first.
    stack: Vec<Frame<'a, R>>,
}

/// A constructor whose parts are being made.
struct Frame<'a, R> {
    constructor: &'a Constructor,
    /// What it is applied to, without recursive parts.
    arguments: Vec<Payload<()>>,
    /// The recursive parts that are still to be made.
    waiting: std::vec::IntoIter<Part>,
    made: Vec<R>,
}

impl<'a, R> Frame<'a, R> {
    /// Puts what was made into the arguments.
    fn node(&mut self, signature: &'a Signature) -> Node<'a, R> {
        let mut made = std::mem::take(&mut self.made).into_iter();
        let arguments = std::mem::take(&mut self.arguments).into_iter();
        Node {
            family: signature.family(self.constructor.family),
            constructor: &self.constructor.name,
            arguments: arguments.map(|part| fill(part, &mut made)).collect(),
        }
    }

    /// Writes where the part is that is being made.
    fn show(&self, out: &mut String) {
        out.push_str(&self.constructor.name);
        let mut before = self.made.len();
        for (at, argument) in self.arguments.iter().enumerate() {
            let length = out.len();
            if self.arguments.len() > 1 {
                out.push_str(&format!("({})", at + 1));
            }
            if way(argument, &mut before, out) {
                return;
            }
            out.truncate(length);
        }
    }
}

/// Replaces the recursive parts by what was made of them, in order.
fn fill<R>(payload: Payload<()>, made: &mut impl Iterator<Item = R>) -> Payload<R> {
    match payload {
        Payload::Node(()) => Payload::Node(
            made.next()
                .expect("a constructor waits for all of its parts"),
        ),
        Payload::Value(value) => Payload::Value(value),
        Payload::List(items) => {
            Payload::List(items.into_iter().map(|item| fill(item, made)).collect())
        }
        Payload::Optional(inner) => {
            Payload::Optional(inner.map(|inner| Box::new(fill(*inner, made))))
        }
        Payload::Record(fields) => {
            let field = |(name, field)| (name, fill(field, made));
            Payload::Record(fields.into_iter().map(field).collect())
        }
        Payload::Union(label, inner) => {
            Payload::Union(label, inner.map(|inner| Box::new(fill(*inner, made))))
        }
    }
}

/// Writes the way to a recursive part, before which there are some others;
/// returns whether it is in this payload.
fn way(payload: &Payload<()>, before: &mut usize, out: &mut String) -> bool {
    if let Payload::Node(()) = payload {
        let found = *before == 0;
        *before = before.saturating_sub(1);
        return found;
    }
    let length = out.len();
    let mut inside = |step: &str, part: &Payload<()>| {
        out.push_str(step);
        let found = way(part, before, out);
        if !found {
            out.truncate(length);
        }
        found
    };
    match payload {
        Payload::Node(()) | Payload::Value(_) => false,
        Payload::List(items) => {
            let mut items = items.iter().enumerate();
            items.any(|(at, item)| inside(&format!("[{at}]"), item))
        }
        Payload::Optional(inner) => inner.iter().any(|inner| inside("", inner)),
        Payload::Record(fields) => {
            let mut fields = fields.iter();
            fields.any(|(name, field)| inside(&format!(".{name}"), field))
        }
        Payload::Union(label, inner) => {
            let mut inner = inner.iter();
            inner.any(|inner| inside(&format!(".{label}"), inner))
        }
    }
}

impl<'a, R> Walk<'a, R> {
    /// Looks at the constructor of a recursive part, and leaves its own parts
    /// to be made.
    fn enter(&mut self, (family, part): Part) -> Folded<()> {
        self.machine.budget.step()?;
        let mut head = self.machine.force(&part)?;
        drop(part);
        let mut given = Vec::new();
        while let Val::App(parts) = &head {
            given.push(parts.1.clone());
            let next = parts.0.clone();
            head = next;
        }
        given.reverse();
        let constructor = match head {
            Val::Bound(level) => self.signature.constructor(level),
            _ => None,
        };
        let fits =
            |known: &&Constructor| known.family == family && known.arguments.len() == given.len();
        let Some(constructor) = constructor.filter(fits) else {
            let family = self.signature.family(family);
            let message = format!("this is not made by a constructor of `{family}`");
            return Err(self.wrong(message));
        };
        let mut waiting = Vec::new();
        let mut arguments = Vec::with_capacity(given.len());
        for (shape, argument) in constructor.arguments.iter().zip(&given) {
            match self.payload(shape, argument, &mut waiting)? {
                Some(argument) => arguments.push(argument),
                None => {
                    let name = &constructor.name;
                    let message = format!("what `{name}` is applied to is not as its type says");
                    return Err(self.wrong(message));
                }
            }
        }
        self.held.hold(size_of::<R>() + size_of::<Frame<'_, R>>());
        self.stack.push(Frame {
            constructor,
            arguments,
            waiting: waiting.into_iter(),
            made: Vec::new(),
        });
        Ok(())
    }

    /// Returns a payload whose recursive parts are to be made, in order, of
    /// what is added to `waiting`; `None` if it does not have its shape.
    fn payload(
        &mut self,
        shape: &Shape,
        part: &Lazy,
        waiting: &mut Vec<Part>,
    ) -> Folded<Option<Payload<()>>> {
        self.machine.budget.step()?;
        self.held.hold(size_of::<Payload<R>>());
        // What is recursive is evaluated when it is entered.
        if let Shape::Node(family) = shape {
            waiting.push((*family, part.clone()));
            return Ok(Some(Payload::Node(())));
        }
        let value = self.machine.force(part)?;
        let mut inside = |shape: &Shape, part: &Lazy| self.payload(shape, part, waiting);
        Ok(match (shape, &value) {
            (Shape::Plain, value) => {
                force_all(self.machine, value)?;
                Some(Payload::Value(self.term.with_value(value.clone())))
            }
            (Shape::List(_), Val::EmptyList(_)) => Some(Payload::List(Vec::new())),
            (Shape::List(item), Val::List(list)) => {
                let items = list.iter().map(|part| inside(item, part));
                let items: Option<_> = items.collect::<Folded<_>>()?;
                items.map(Payload::List)
            }
            (Shape::Optional(inner), Val::Some(part)) => {
                let inner = inside(inner, part)?;
                inner.map(|inner| Payload::Optional(Some(Box::new(inner))))
            }
            (Shape::Optional(_), value) => {
                let none = value.applied(Builtin::None);
                none.map(|_| Payload::Optional(None))
            }
            (Shape::Record(shapes), Val::Record(fields)) => {
                let field = |(name, shape): &(Name, Shape)| {
                    let field = find(fields, name).map(|part| inside(shape, part));
                    let field = field.transpose()?.flatten();
                    Ok(field.map(|field| (Name::clone(name), field)))
                };
                let fields: Option<_> = shapes.iter().map(field).collect::<Folded<_>>()?;
                fields.map(Payload::Record)
            }
            (Shape::Union(shapes), Val::Inject(inject)) => {
                let label = Name::clone(&inject.label);
                match (find(shapes, &label), &inject.payload) {
                    (Some(Some(shape)), Some(part)) => {
                        let inner = inside(shape, part)?;
                        inner.map(|inner| Payload::Union(label, Some(Box::new(inner))))
                    }
                    (Some(None), None) => Some(Payload::Union(label, None)),
                    _ => None,
                }
            }
            _ => None,
        })
    }

    /// Says where in the tree something is wrong.
    fn wrong(&self, message: String) -> Failure {
        let frames = self.stack.len();
        let hidden = |at: &usize| (SHOWN..frames.saturating_sub(SHOWN)).contains(at);
        let mut path = String::new();
        for (at, frame) in self.stack.iter().enumerate() {
            if hidden(&at) {
                if at == SHOWN {
                    path.push_str(" … ");
                }
                continue;
            }
            if at > 0 && !path.ends_with(' ') {
                path.push('.');
            }
            frame.show(&mut path);
        }
        let message = match path.is_empty() {
            true => message,
            false => format!("`{path}`: {message}"),
        };
        Failure::Wrong(Problem::new(Span::NONE, message))
    }
}

/// Memory that is counted for the results. What the host keeps of them is not
/// known: all count until the end.
struct Held(usize);

impl Held {
    fn hold(&mut self, bytes: usize) {
        memory::hold(bytes);
        self.0 = self.0.saturating_add(bytes);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        memory::release(self.0);
    }
}
