//! What differs between two types, or two values: only that.

use crate::builtin::Builtin;
use crate::evaluate::{Evaluated, Machine};
use crate::scope::Name;
use crate::suggest::did_you_mean;
use crate::value::{Lazy, Val, find};

/// At most this many differences are listed.
const MOST: usize = 8;

/// How close a found type must be to an expected one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// They are the same, as an annotation demands it.
    Exact,
    /// What has the found type decodes to a Rust type that expects the other:
    /// fields that are not expected are ignored, an `Optional` that is missing
    /// is `None`, what is there may stand for an `Optional`, and a union may
    /// have fewer alternatives. Function types are still the same.
    Structural,
}

/// A step from a type to a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A field, or what an alternative holds.
    Field(Name),
    /// An item of a list; of its type, the first.
    Item(usize),
}

/// How a found value differs from an expected one.
pub(crate) struct Difference {
    /// One line.
    pub(crate) summary: String,
    /// One line for each place that differs, if they are inside.
    pub(crate) details: Vec<String>,
    /// The way to the place that is worth a look first.
    pub(crate) place: Vec<Part>,
    /// The name that was perhaps meant.
    pub(crate) hint: Option<String>,
}

/// Returns how `found` differs from `expected`.
pub(crate) fn difference(
    machine: &Machine,
    show: &dyn Fn(&Val) -> String,
    expected: &Val,
    found: &Val,
) -> Evaluated<Difference> {
    let differs = misfit(machine, show, Fit::Exact, (expected, found))?;
    Ok(differs.unwrap_or_else(|| Difference {
        summary: "0 differences".to_owned(),
        details: Vec::new(),
        place: Vec::new(),
        hint: None,
    }))
}

/// Returns how what was found, the second, does not fit what is expected, the
/// first; `None` if it does.
pub(crate) fn misfit(
    machine: &Machine,
    show: &dyn Fn(&Val) -> String,
    fit: Fit,
    (expected, found): (&Val, &Val),
) -> Evaluated<Option<Difference>> {
    let mut walk = Walk {
        machine,
        show,
        fit,
        way: Vec::new(),
        details: Vec::new(),
        place: None,
        hint: None,
    };
    walk.compare("", expected, found)?;
    let mut details = walk.details;
    if details.is_empty() {
        return Ok(None);
    }
    let more = details.len().saturating_sub(MOST);
    details.truncate(MOST);
    if more > 0 {
        details.push(format!("… and {more} more"));
    }
    // One difference at the top needs no list.
    let summary = if details.len() == 1 {
        details.remove(0)
    } else {
        format!(
            "{} differences",
            details.len() - usize::from(more > 0) + more
        )
    };
    Ok(Some(Difference {
        summary,
        details,
        place: walk.place.unwrap_or_default(),
        hint: walk.hint,
    }))
}

struct Walk<'a> {
    machine: &'a Machine,
    show: &'a dyn Fn(&Val) -> String,
    fit: Fit,
    /// The way to the parts that are being compared.
    way: Vec<Part>,
    details: Vec<String>,
    place: Option<Vec<Part>>,
    hint: Option<String>,
}

impl Walk<'_> {
    fn compare(&mut self, path: &str, expected: &Val, found: &Val) -> Evaluated<()> {
        if self.details.len() > 4 * MOST || self.machine.equivalent(expected, found)? {
            return Ok(());
        }
        match (expected, found) {
            (Val::RecordType(a), Val::RecordType(b)) | (Val::Record(a), Val::Record(b)) => {
                self.fields(path, a, b)
            }
            (Val::Union(a), Val::Union(b)) => self.alternatives(path, a, b),
            (Val::Call(a, x), Val::Call(b, y)) if a == b && x.len() == 1 && y.len() == 1 => {
                let part = (*a == Builtin::List).then_some(Part::Item(0));
                self.inside(&format!("{path}{}: ", a.name()), part, &x[0], &y[0])
            }
            (Val::Call(Builtin::Optional, inner), found)
                if self.fit == Fit::Structural && inner.len() == 1 =>
            {
                self.compare(path, &self.machine.force(&inner[0])?, found)
            }
            _ => {
                let (expected, found) = ((self.show)(expected), (self.show)(found));
                self.differs(format!("{path}expected `{expected}`, found `{found}`"));
                Ok(())
            }
        }
    }

    fn differs(&mut self, detail: String) {
        self.details.push(detail);
        self.place.get_or_insert_with(|| self.way.clone());
    }

    fn inside(
        &mut self,
        path: &str,
        part: Option<Part>,
        expected: &Lazy,
        found: &Lazy,
    ) -> Evaluated<()> {
        let (expected, found) = (self.machine.force(expected)?, self.machine.force(found)?);
        let length = self.way.len();
        self.way.extend(part);
        let compared = self.compare(path, &expected, &found);
        self.way.truncate(length);
        compared
    }

    fn fields(
        &mut self,
        path: &str,
        expected: &[(Name, Lazy)],
        found: &[(Name, Lazy)],
    ) -> Evaluated<()> {
        let mut missing = Vec::new();
        for (name, ty) in expected {
            if let Some(other) = find(found, name) {
                let part = Part::Field(Name::clone(name));
                self.inside(&format!("{path}field `{name}`: "), Some(part), ty, other)?;
                continue;
            }
            let ty = self.machine.force(ty)?;
            if self.fit == Fit::Structural && ty.applied(Builtin::Optional).is_some() {
                continue;
            }
            missing.push(name);
            let shown = (self.show)(&ty);
            self.differs(format!("{path}field `{name} : {shown}` is missing"));
        }
        for (name, _) in unexpected(expected, found) {
            self.meant(name, &missing);
            if self.fit == Fit::Exact {
                self.way.push(Part::Field(Name::clone(name)));
                self.differs(format!("{path}field `{name}` is not expected"));
                self.way.pop();
            }
        }
        Ok(())
    }

    /// Keeps the first name that seems to be a misspelled one, and its place:
    /// there is what is wrong, and not where its meaning is missed.
    fn meant(&mut self, name: &Name, missing: &[&Name]) {
        let hint = did_you_mean(name, missing.iter().map(AsRef::as_ref));
        if self.hint.is_none() && hint.is_some() {
            self.hint = hint;
            self.way.push(Part::Field(Name::clone(name)));
            self.place = Some(self.way.clone());
            self.way.pop();
        }
    }

    fn alternatives(
        &mut self,
        path: &str,
        expected: &[(Name, Option<Lazy>)],
        found: &[(Name, Option<Lazy>)],
    ) -> Evaluated<()> {
        for (name, payload) in expected {
            match (payload, find(found, name)) {
                (_, None) if self.fit == Fit::Structural => {}
                (_, None) => self.differs(format!("{path}alternative `{name}` is missing")),
                (Some(a), Some(Some(b))) => {
                    let path = format!("{path}alternative `{name}`: ");
                    let part = Part::Field(Name::clone(name));
                    self.inside(&path, Some(part), a, b)?;
                }
                (Some(_), Some(None)) => {
                    self.differs(format!("{path}alternative `{name}` has no payload"));
                }
                (None, Some(Some(_))) => {
                    self.differs(format!("{path}alternative `{name}` has a payload"));
                }
                (None, Some(None)) => {}
            }
        }
        for (name, _) in unexpected(expected, found) {
            self.differs(format!("{path}alternative `{name}` is not expected"));
            let missing = unexpected(found, expected).map(|(name, _)| name.as_ref());
            self.hint = self.hint.take().or_else(|| did_you_mean(name, missing));
        }
        Ok(())
    }
}

/// Returns what was found and not expected.
fn unexpected<'a, T>(
    expected: &'a [(Name, T)],
    found: &'a [(Name, T)],
) -> impl Iterator<Item = &'a (Name, T)> {
    let extra = move |(name, _): &&(Name, T)| find(expected, name).is_none();
    found.iter().filter(extra)
}
