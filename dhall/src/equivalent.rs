//! Whether two values have the same α-β-normal form.

use crate::evaluate::{Evaluated, Machine};
use crate::number::same_double;
use crate::rope::Text;
use crate::scope::Name;
use crate::value::{Binder, Lazy, Val};

impl Machine {
    /// Returns whether two values are equal to Dhall.
    pub(crate) fn equivalent(&self, a: &Val, b: &Val) -> Evaluated<bool> {
        if a.same(b) {
            return Ok(true);
        }
        self.budget.step()?;
        Ok(match (a, b) {
            (Val::Const(a), Val::Const(b)) => a == b,
            (Val::Builtin(a), Val::Builtin(b)) => a == b,
            (Val::Bound(a), Val::Bound(b)) => a == b,
            (Val::Free(a, i), Val::Free(b, j)) => a == b && i == j,
            (Val::Bool(a), Val::Bool(b)) => a == b,
            (Val::Natural(a), Val::Natural(b)) => a == b,
            (Val::Integer(a), Val::Integer(b)) => a == b,
            (Val::Double(a), Val::Double(b)) => same_double(*a, *b),
            (Val::Bytes(a), Val::Bytes(b)) => a == b,
            (Val::Date(a), Val::Date(b)) => a == b,
            (Val::Time(a), Val::Time(b)) => a == b,
            (Val::TimeZone(a), Val::TimeZone(b)) => a == b,
            (Val::Text(a), Val::Text(b)) => self.texts(a, b)?,
            (Val::Call(a, x), Val::Call(b, y)) => a == b && self.all(x.iter(), y.iter())?,
            (Val::App(a), Val::App(b)) => {
                self.equivalent(&a.0, &b.0)? && self.lazies(&a.1, &b.1)?
            }
            (Val::Lambda(a), Val::Lambda(b)) | (Val::Pi(a), Val::Pi(b)) => self.binders(a, b)?,
            (Val::List(a), Val::List(b)) => {
                a.length() == b.length() && self.all(a.iter(), b.iter())?
            }
            (Val::RecordType(a), Val::RecordType(b)) | (Val::Record(a), Val::Record(b)) => {
                self.fields(a, b)?
            }
            (Val::Union(a), Val::Union(b)) => self.alternatives(a, b)?,
            (Val::Constructor(a, x), Val::Constructor(b, y)) => {
                x == y && self.alternatives(a, b)?
            }
            (Val::Inject(a), Val::Inject(b)) => {
                a.label == b.label
                    && self.options(a.payload.as_ref(), b.payload.as_ref())?
                    && self.alternatives(&a.union, &b.union)?
            }
            (Val::Some(a), Val::Some(b)) | (Val::EmptyList(a), Val::EmptyList(b)) => {
                self.lazies(a, b)?
            }
            _ => self.stuck(a, b)?,
        })
    }

    /// Compares the forms that wait for a variable.
    fn stuck(&self, a: &Val, b: &Val) -> Evaluated<bool> {
        Ok(match (a, b) {
            (Val::If(a), Val::If(b)) => {
                self.equivalent(&a.0, &b.0)?
                    && self.lazies(&a.1, &b.1)?
                    && self.lazies(&a.2, &b.2)?
            }
            (Val::Op(p, a), Val::Op(q, b)) => {
                p == q && self.equivalent(&a.0, &b.0)? && self.equivalent(&a.1, &b.1)?
            }
            (Val::Merge(a), Val::Merge(b)) => {
                self.equivalent(&a.0, &b.0)?
                    && self.equivalent(&a.1, &b.1)?
                    && self.options(a.2.as_ref(), b.2.as_ref())?
            }
            (Val::ToMap(a), Val::ToMap(b)) => {
                self.equivalent(&a.0, &b.0)? && self.options(a.1.as_ref(), b.1.as_ref())?
            }
            (Val::ShowConstructor(a), Val::ShowConstructor(b))
            | (Val::Assert(a), Val::Assert(b)) => self.equivalent(a, b)?,
            (Val::Field(a, x), Val::Field(b, y)) => x == y && self.equivalent(a, b)?,
            (Val::Project(a), Val::Project(b)) => a.1 == b.1 && self.equivalent(&a.0, &b.0)?,
            (Val::ProjectType(a), Val::ProjectType(b)) => {
                self.equivalent(&a.0, &b.0)? && self.equivalent(&a.1, &b.1)?
            }
            (Val::With(a), Val::With(b)) => {
                a.1 == b.1 && self.equivalent(&a.0, &b.0)? && self.lazies(&a.2, &b.2)?
            }
            _ => false,
        })
    }

    fn lazies(&self, a: &Lazy, b: &Lazy) -> Evaluated<bool> {
        if a.same(b) {
            return Ok(true);
        }
        self.equivalent(&self.force(a)?, &self.force(b)?)
    }

    fn options(&self, a: Option<&Lazy>, b: Option<&Lazy>) -> Evaluated<bool> {
        match (a, b) {
            (Some(a), Some(b)) => self.lazies(a, b),
            (None, None) => Ok(true),
            _ => Ok(false),
        }
    }

    fn all<'a>(
        &self,
        a: impl Iterator<Item = &'a Lazy>,
        mut b: impl Iterator<Item = &'a Lazy>,
    ) -> Evaluated<bool> {
        for a in a {
            match b.next() {
                Some(b) if self.lazies(a, b)? => {}
                _ => return Ok(false),
            }
        }
        Ok(b.next().is_none())
    }

    fn fields(&self, a: &[(Name, Lazy)], b: &[(Name, Lazy)]) -> Evaluated<bool> {
        let names_differ = || a.iter().zip(b).any(|((x, _), (y, _))| x != y);
        if a.len() != b.len() || names_differ() {
            return Ok(false);
        }
        self.all(a.iter().map(|(_, a)| a), b.iter().map(|(_, b)| b))
    }

    fn alternatives(
        &self,
        a: &[(Name, Option<Lazy>)],
        b: &[(Name, Option<Lazy>)],
    ) -> Evaluated<bool> {
        if std::ptr::eq(a, b) {
            return Ok(true);
        }
        if a.len() != b.len() {
            return Ok(false);
        }
        for ((x, a), (y, b)) in a.iter().zip(b) {
            if x != y || !self.options(a.as_ref(), b.as_ref())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn texts(&self, a: &Text, b: &Text) -> Evaluated<bool> {
        self.budget.spend((a.length() + b.length()) as u64 / 64)?;
        let ((a, a_last), (b, b_last)) = (a.chunks(), b.chunks());
        if a.len() != b.len() || a_last != b_last {
            return Ok(false);
        }
        for ((x, a), (y, b)) in a.iter().zip(&b) {
            if x != y || !self.equivalent(a, b)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn binders(&self, a: &Binder, b: &Binder) -> Evaluated<bool> {
        if !self.equivalent(&a.domain(self)?, &b.domain(self)?)? {
            return Ok(false);
        }
        // Comparisons nest, through evaluation too: each gets its own level.
        let level = self.fresh.get();
        self.fresh.set(level + 1);
        let bodies = self.bodies(a, b, level);
        self.fresh.set(level);
        bodies
    }

    fn bodies(&self, a: &Binder, b: &Binder, level: u32) -> Evaluated<bool> {
        let a = self.instantiate(a, Val::Bound(level).into())?;
        let b = self.instantiate(b, Val::Bound(level).into())?;
        self.equivalent(&a, &b)
    }
}
