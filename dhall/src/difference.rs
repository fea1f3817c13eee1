//! What differs between two types, or two values: only that.

use crate::evaluate::{Evaluated, Machine};
use crate::scope::Name;
use crate::value::{Lazy, Val, find};

/// At most this many differences are listed.
const MOST: usize = 8;

/// How a found value differs from an expected one.
pub(crate) struct Difference {
    /// One line.
    pub(crate) summary: String,
    /// One line for each place that differs, if they are inside.
    pub(crate) details: Vec<String>,
}

/// Returns how `found` differs from `expected`.
pub(crate) fn difference(
    machine: &Machine,
    show: &dyn Fn(&Val) -> String,
    expected: &Val,
    found: &Val,
) -> Evaluated<Difference> {
    let mut walk = Walk {
        machine,
        show,
        details: Vec::new(),
    };
    walk.compare("", expected, found)?;
    let mut details = walk.details;
    let more = details.len().saturating_sub(MOST);
    details.truncate(MOST);
    if more > 0 {
        details.push(format!("… and {more} more"));
    }
    // One difference at the top needs no list.
    let summary = if details.len() == 1 {
        details.remove(0)
    } else {
        format!("{} differences", details.len() + more)
    };
    Ok(Difference { summary, details })
}

struct Walk<'a> {
    machine: &'a Machine,
    show: &'a dyn Fn(&Val) -> String,
    details: Vec<String>,
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
                self.inside(&format!("{path}{}: ", a.name()), &x[0], &y[0])
            }
            _ => {
                let (expected, found) = ((self.show)(expected), (self.show)(found));
                self.details
                    .push(format!("{path}expected `{expected}`, found `{found}`"));
                Ok(())
            }
        }
    }

    fn inside(&mut self, path: &str, expected: &Lazy, found: &Lazy) -> Evaluated<()> {
        let (expected, found) = (self.machine.force(expected)?, self.machine.force(found)?);
        self.compare(path, &expected, &found)
    }

    fn fields(
        &mut self,
        path: &str,
        expected: &[(Name, Lazy)],
        found: &[(Name, Lazy)],
    ) -> Evaluated<()> {
        for (name, ty) in expected {
            match find(found, name) {
                Some(other) => self.inside(&format!("{path}field `{name}`: "), ty, other)?,
                None => {
                    let shown = (self.show)(&self.machine.force(ty)?);
                    self.details
                        .push(format!("{path}field `{name} : {shown}` is missing"));
                }
            }
        }
        for (name, _) in found
            .iter()
            .filter(|(name, _)| find(expected, name).is_none())
        {
            self.details
                .push(format!("{path}field `{name}` is not expected"));
        }
        Ok(())
    }

    fn alternatives(
        &mut self,
        path: &str,
        expected: &[(Name, Option<Lazy>)],
        found: &[(Name, Option<Lazy>)],
    ) -> Evaluated<()> {
        for (name, payload) in expected {
            match (payload, find(found, name)) {
                (_, None) => self
                    .details
                    .push(format!("{path}alternative `{name}` is missing")),
                (Some(a), Some(Some(b))) => {
                    self.inside(&format!("{path}alternative `{name}`: "), a, b)?;
                }
                (Some(_), Some(None)) => {
                    self.details
                        .push(format!("{path}alternative `{name}` has no payload"));
                }
                (None, Some(Some(_))) => {
                    self.details
                        .push(format!("{path}alternative `{name}` has a payload"));
                }
                (None, Some(None)) => {}
            }
        }
        for (name, _) in found
            .iter()
            .filter(|(name, _)| find(expected, name).is_none())
        {
            self.details
                .push(format!("{path}alternative `{name}` is not expected"));
        }
        Ok(())
    }
}
