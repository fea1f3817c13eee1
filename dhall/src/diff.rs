//! What changed from one value to another, place by place.

use std::fmt;
use std::hash::Hash;

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices};

use crate::binary;
use crate::evaluate::{Evaluated, Machine};
use crate::limits::check_stack;
use crate::print;
use crate::quote::Quoter;
use crate::scope::{Name, Scope};
use crate::value::{Alternatives, Lazy, Val};

/// How many pairs of items, or of lines, are compared.
const MOST: usize = 100_000_000;

/// A place where two values differ. `Display` writes the path on a line, and
/// below it what was removed with `-` and what was added with `+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The way from the whole value to the place: `.field`, `[3]` for an item
    /// of a list, `.Label` for an alternative, `?` for what `Some` holds,
    /// `:4` for a line of a text. Positions of items and of lines are those of
    /// the old value; items count from 0, lines from 1.
    pub path: String,
    /// The old value, as Dhall, or old lines of a text.
    pub removed: Option<String>,
    /// The new value, as Dhall, or new lines of a text.
    pub added: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.path.is_empty() {
            "."
        } else {
            &self.path
        })?;
        for (sign, side) in [('-', &self.removed), ('+', &self.added)] {
            for line in side.iter().flat_map(|text| text.split('\n')) {
                write!(f, "\n{sign} {line}")?;
            }
        }
        Ok(())
    }
}

/// Returns how `new` differs from `old`, in the order of the old value.
pub(crate) fn diff(machine: &Machine, old: &Val, new: &Val) -> Evaluated<Vec<Change>> {
    let mut walk = Walk {
        machine,
        path: String::new(),
        changes: Vec::new(),
    };
    walk.compare(old, new)?;
    Ok(walk.changes)
}

struct Walk<'a> {
    machine: &'a Machine,
    path: String,
    changes: Vec<Change>,
}

impl Walk<'_> {
    /// Descends where both sides have the same shape. Data is compared once,
    /// so that a walk is linear in what is equal.
    fn compare(&mut self, old: &Val, new: &Val) -> Evaluated<()> {
        check_stack()?;
        if old.same(new) {
            return Ok(());
        }
        self.machine.budget.step()?;
        match (old, new) {
            (Val::Record(a), Val::Record(b)) | (Val::RecordType(a), Val::RecordType(b)) => {
                self.fields(a, b)
            }
            (Val::Union(a), Val::Union(b)) => self.alternatives(a, b),
            (Val::List(a), Val::List(b)) => {
                let (a, b): (Vec<_>, Vec<_>) = (a.iter().collect(), b.iter().collect());
                self.items(&a, &b)
            }
            (Val::Some(a), Val::Some(b)) => self.inside("?", a, b),
            (Val::Call(f, x), Val::Call(g, y)) if f == g && x.len() == 1 && y.len() == 1 => {
                self.inside(&format!("({})", f.name()), &x[0], &y[0])
            }
            (Val::Inject(a), Val::Inject(b))
                if a.label == b.label && self.same_union(&a.union, &b.union)? =>
            {
                match (&a.payload, &b.payload) {
                    (Some(x), Some(y)) => self.inside(&format!(".{}", a.label), x, y),
                    _ => Ok(()),
                }
            }
            (Val::Text(a), Val::Text(b)) => match (a.to_literal(), b.to_literal()) {
                (Some(a), Some(b)) if a == b => Ok(()),
                (Some(a), Some(b)) if a.contains('\n') && b.contains('\n') => {
                    self.lines(&a, &b);
                    Ok(())
                }
                _ => self.leaf(old, new),
            },
            _ => self.leaf(old, new),
        }
    }

    fn same_union(&self, old: &Alternatives, new: &Alternatives) -> Evaluated<bool> {
        let union = |alternatives: &Alternatives| Val::Union(alternatives.clone());
        self.machine.equivalent(&union(old), &union(new))
    }

    fn leaf(&mut self, old: &Val, new: &Val) -> Evaluated<()> {
        if self.machine.equivalent(old, new)? {
            return Ok(());
        }
        let (removed, added) = (self.show(old)?, self.show(new)?);
        self.change("", Some(removed), Some(added));
        Ok(())
    }

    fn show(&self, value: &Val) -> Evaluated<String> {
        let normal = Quoter::new(self.machine, Scope::default()).quote(value)?;
        Ok(print::print(&normal))
    }

    fn show_lazy(&self, value: &Lazy) -> Evaluated<String> {
        self.show(&self.machine.force(value)?)
    }

    fn change(&mut self, step: &str, removed: Option<String>, added: Option<String>) {
        let path = format!("{}{step}", self.path);
        self.changes.push(Change {
            path,
            removed,
            added,
        });
    }

    fn inside(&mut self, step: &str, old: &Lazy, new: &Lazy) -> Evaluated<()> {
        let (old, new) = (self.machine.force(old)?, self.machine.force(new)?);
        let length = self.path.len();
        self.path.push_str(step);
        self.compare(&old, &new)?;
        self.path.truncate(length);
        Ok(())
    }

    fn fields(&mut self, old: &[(Name, Lazy)], new: &[(Name, Lazy)]) -> Evaluated<()> {
        for (name, pair) in merged(old, new) {
            let step = format!(".{name}");
            match pair {
                (Some(a), Some(b)) => self.inside(&step, a, b)?,
                (a, b) => {
                    let removed = a.map(|value| self.show_lazy(value)).transpose()?;
                    let added = b.map(|value| self.show_lazy(value)).transpose()?;
                    self.change(&step, removed, added);
                }
            }
        }
        Ok(())
    }

    fn alternatives(&mut self, old: &Alternatives, new: &Alternatives) -> Evaluated<()> {
        for (name, pair) in merged(old, new) {
            let step = format!(".{name}");
            match pair {
                (Some(Some(a)), Some(Some(b))) => self.inside(&step, a, b)?,
                (Some(None), Some(None)) => {}
                (a, b) => {
                    let removed = a.map(|ty| self.alternative(name, ty)).transpose()?;
                    let added = b.map(|ty| self.alternative(name, ty)).transpose()?;
                    self.change(&step, removed, added);
                }
            }
        }
        Ok(())
    }

    fn alternative(&self, name: &Name, payload: &Option<Lazy>) -> Evaluated<String> {
        Ok(match payload {
            Some(ty) => format!("{name} : {}", self.show_lazy(ty)?),
            None => name.to_string(),
        })
    }

    /// Lists of one length differ item by item; others by what came and went.
    fn items(&mut self, old: &[&Lazy], new: &[&Lazy]) -> Evaluated<()> {
        if old.len() == new.len() {
            for (at, (a, b)) in old.iter().zip(new).enumerate() {
                self.inside(&format!("[{at}]"), a, b)?;
            }
            return Ok(());
        }
        let forms = |items: &[&Lazy]| -> Evaluated<Vec<Vec<u8>>> {
            items.iter().map(|item| self.binary(item)).collect()
        };
        let (a, b) = (forms(old)?, forms(new)?);
        for operation in operations(&a, &b) {
            self.replaced(operation, old, new)?;
        }
        Ok(())
    }

    fn binary(&self, item: &Lazy) -> Evaluated<Vec<u8>> {
        let value = self.machine.force(item)?;
        binary::encode(&Quoter::alpha(self.machine).quote(&value)?)
    }

    fn replaced(&mut self, operation: DiffOp, old: &[&Lazy], new: &[&Lazy]) -> Evaluated<()> {
        if operation.tag() == DiffTag::Equal {
            return Ok(());
        }
        let (a, b) = (operation.old_range(), operation.new_range());
        let pairs = a.len().min(b.len());
        for (x, y) in a.clone().zip(b.clone()) {
            self.inside(&format!("[{x}]"), old[x], new[y])?;
        }
        for at in a.clone().skip(pairs) {
            let removed = self.show_lazy(old[at])?;
            self.change(&format!("[{at}]"), Some(removed), None);
        }
        for at in b.skip(pairs) {
            let added = self.show_lazy(new[at])?;
            self.change(&format!("[{}]", a.end), None, Some(added));
        }
        Ok(())
    }

    fn lines(&mut self, old: &str, new: &str) {
        let (a, b): (Vec<_>, Vec<_>) = (lines_of(old), lines_of(new));
        let text = |lines: &[&str]| {
            let text = lines.concat();
            text.strip_suffix('\n').unwrap_or(&text).to_owned()
        };
        for operation in operations(&a, &b) {
            if operation.tag() == DiffTag::Equal {
                continue;
            }
            let (x, y) = (operation.old_range(), operation.new_range());
            let side = |lines: &[&str]| (!lines.is_empty()).then(|| text(lines));
            let step = format!(":{}", x.start + 1);
            self.change(&step, side(&a[x]), side(&b[y]));
        }
    }
}

/// Returns lines with what ends them.
fn lines_of(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// Returns how to make `new` of `old`, exactly or, where that would take too
/// long, as one replacement between what both begin and end with.
fn operations<T: Hash + Eq + Ord>(old: &[T], new: &[T]) -> Vec<DiffOp> {
    let pairs = || old.iter().zip(new);
    let start = pairs().take_while(|(a, b)| a == b).count();
    let rest = || old[start..].iter().rev().zip(new[start..].iter().rev());
    let end = rest().take_while(|(a, b)| a == b).count();
    let (old_len, new_len) = (old.len() - start - end, new.len() - start - end);
    if old_len.saturating_mul(new_len) <= MOST {
        return capture_diff_slices(Algorithm::Myers, old, new);
    }
    vec![DiffOp::Replace {
        old_index: start,
        old_len,
        new_index: start,
        new_len,
    }]
}

/// Returns the names of both sides in order, with what each side has.
fn merged<'a, T>(
    old: &'a [(Name, T)],
    new: &'a [(Name, T)],
) -> impl Iterator<Item = (&'a Name, (Option<&'a T>, Option<&'a T>))> {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (old.peek(), new.peek()) {
            (Some((a, _)), Some((b, _))) => a.cmp(b),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return None,
        };
        let a = if order.is_le() { old.next() } else { None };
        let b = if order.is_ge() { new.next() } else { None };
        let name = a.or(b).map(|(name, _)| name)?;
        Some((name, (a.map(|(_, value)| value), b.map(|(_, value)| value))))
    })
}
