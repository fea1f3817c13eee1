//! The evaluator and the values that it gives to its host.

use std::fmt;
use std::sync::Arc;

use crate::diff::{Change, diff};
use crate::error::Error;
use crate::evaluate::{self, Machine};
use crate::import::{Cache, Import, Importer, Resolver, normal_form, semantic_hash};
use crate::limits::{Limits, Stop, with_stack};
use crate::listing::print_list;
use crate::location::Location;
use crate::print;
use crate::problem::{ErrorKind, Problem};
use crate::quote::Quoter;
use crate::scope::{Name, Scope};
use crate::syntax::Span;
use crate::value::{Lazy, Val, find};

/// Evaluates Dhall texts. Can be shared by threads; keeps what it imported.
///
/// ```
/// use std::sync::Arc;
///
/// use straylight_dhall::{Evaluator, Location, MemoryImporter};
///
/// let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
/// let here = Location::Input("example".to_owned());
/// let evaluated = evaluator.evaluate(&here, "let n = 20 in { n = n + 1, t = Natural/show n }")?;
/// assert_eq!(evaluated.value.to_string(), "{ n = 21, t = \"20\" }");
/// assert_eq!(evaluated.ty.to_string(), "{ n : Natural, t : Text }");
///
/// let n = evaluated.value.field("n").expect("a record");
/// assert!(n.equivalent(&evaluator.evaluate(&here, "7 * 3")?.value));
/// // A hash is that of the meaning, and of the spelling it knows nothing.
/// let spelled = evaluator.evaluate(&here, "{ t = \"20\", n = 0x15 } -- sorted")?;
/// assert_eq!(spelled.value.hash()?, evaluated.value.hash()?);
/// # Ok::<(), straylight_dhall::Error>(())
/// ```
pub struct Evaluator {
    pub(crate) importer: Arc<dyn Importer>,
    pub(crate) limits: Limits,
    pub(crate) cache: Cache,
}

/// The result of an evaluation.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// The value.
    pub value: Value,
    /// Its type.
    pub ty: Value,
    /// Everything that the result depends on besides the text itself: direct
    /// and indirect imports, those that were not there included; sorted.
    pub imports: Vec<Import>,
}

impl Evaluator {
    /// Returns an evaluator whose imports are read by `importer`.
    #[must_use]
    pub fn new(importer: Arc<dyn Importer>) -> Self {
        Self {
            importer,
            limits: Limits::default(),
            cache: Cache::default(),
        }
    }

    /// Sets what each evaluation may use.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Checks and evaluates `text`, which comes from `location`.
    ///
    /// # Errors
    /// [`Error`] when the text, or one that it imports, does not parse, cannot
    /// be imported, is not well typed, or exceeds the limits.
    pub fn evaluate(&self, location: &Location, text: &str) -> Result<Evaluated, Error> {
        self.evaluate_checking(location, &Arc::from(text), |_, _| Ok(()))
    }

    /// Evaluates a text whose type `check` agrees with. It is asked before
    /// the parts of the value are evaluated.
    pub(crate) fn evaluate_checking(
        &self,
        location: &Location,
        source: &Arc<str>,
        check: impl Fn(&Machine, &Val) -> Result<(), Box<Problem>> + Send + Sync,
    ) -> Result<Evaluated, Error> {
        on_stack(self.limits, location, || {
            let machine = Machine::new(self.limits);
            let resolver = Resolver::new(&machine, &*self.importer, &self.cache).believing();
            let evaluated = self.evaluate_with(resolver, location, source, &check);
            let wrong = |error: &Error| error.kind() == ErrorKind::Wrong;
            let is_doubtful = machine.has_believed() && evaluated.as_ref().is_err_and(wrong);
            if !machine.is_deceived() && !is_doubtful {
                return evaluated;
            }
            let machine = Machine::new(self.limits);
            let cache = Cache::default();
            let resolver = Resolver::new(&machine, &*self.importer, &cache);
            self.evaluate_with(resolver, location, source, &check)
        })
    }

    fn evaluate_with(
        &self,
        mut resolver: Resolver<'_>,
        location: &Location,
        source: &Arc<str>,
        check: impl Fn(&Machine, &Val) -> Result<(), Box<Problem>>,
    ) -> Result<Evaluated, Error> {
        let machine = resolver.machine();
        let loaded = resolver.load(location, source)?;
        let origin = Arc::new(Origin {
            location: location.clone(),
            text: Arc::clone(source),
            span: loaded.span,
        });
        let embedded = &loaded.embedded;
        check(machine, &embedded.ty).map_err(|problem| Error::new(location, source, problem))?;
        machine.begin();
        for value in [&embedded.value, &embedded.ty] {
            force_all(machine, value).map_err(|stop| origin.stopped(machine, stop))?;
        }
        let value = |value: &Val| Value {
            value: value.clone(),
            limits: self.limits,
            origin: Arc::clone(&origin),
        };
        Ok(Evaluated {
            value: value(&embedded.value),
            ty: value(&embedded.ty),
            imports: loaded.imports.into_iter().collect(),
        })
    }
}

/// Runs work on the text at `location` where the stack is large.
pub(crate) fn on_stack<R: Send>(
    limits: Limits,
    location: &Location,
    work: impl FnOnce() -> Result<R, Error> + Send,
) -> Result<R, Error> {
    with_stack(limits, work)
        .unwrap_or_else(|stop| Err(Error::general(location, Problem::stopped(Span::NONE, stop))))
}

/// The text whose evaluation made a value.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) location: Location,
    pub(crate) text: Arc<str>,
    span: Span,
}

impl Origin {
    /// Returns whether it was this text that was given up.
    fn has(&self, machine: &Machine) -> bool {
        machine.given_up_in(self.span).is_some()
    }

    /// Returns the error of a value that is not as it should be: it is about
    /// the whole of this text.
    pub(crate) fn wrong(&self, mut problem: Problem) -> Error {
        problem.span = self.span;
        Error::new(&self.location, &self.text, Box::new(problem))
    }

    /// Returns the error of an evaluation that was given up: it is about the
    /// innermost expression of this text that was evaluated.
    fn stopped(&self, machine: &Machine, stop: Stop) -> Error {
        let span = machine.stopped_at(self.span);
        Error::new(&self.location, &self.text, Problem::stopped(span, stop))
    }
}

/// Evaluates the data of a value, down to functions.
pub(crate) fn force_all(machine: &Machine, value: &Val) -> evaluate::Evaluated<()> {
    machine.budget.step()?;
    let part = |lazy: &Lazy| force_all(machine, &machine.force(lazy)?);
    match value {
        Val::Record(fields) | Val::RecordType(fields) => {
            fields.iter().try_for_each(|(_, field)| part(field))
        }
        Val::Union(alternatives) => alternatives
            .iter()
            .filter_map(|(_, ty)| ty.as_ref())
            .try_for_each(part),
        Val::List(list) => list.iter().try_for_each(part),
        Val::Some(inner) | Val::EmptyList(inner) => part(inner),
        Val::Inject(inject) => inject.payload.iter().try_for_each(part),
        Val::Call(_, arguments) => arguments.iter().try_for_each(part),
        Val::Pi(binder) => force_all(machine, &binder.domain(machine)?),
        _ => Ok(()),
    }
}

/// A value of Dhall: data, a function, or a type. Closed, and evaluated down
/// to functions. Cheap to clone.
#[derive(Clone)]
pub struct Value {
    pub(crate) value: Val,
    limits: Limits,
    pub(crate) origin: Arc<Origin>,
}

impl Value {
    /// Returns a value that no text made.
    pub(crate) fn made(value: Val, limits: Limits, location: Location) -> Self {
        let text = Arc::from("");
        let span = Span::NONE;
        Self {
            value,
            limits,
            origin: Arc::new(Origin {
                location,
                text,
                span,
            }),
        }
    }

    /// Returns another value under the same limits.
    pub(crate) fn with_value(&self, value: Val) -> Self {
        Self {
            value,
            limits: self.limits,
            origin: Arc::clone(&self.origin),
        }
    }

    /// Returns a part; all parts of data are known.
    fn part(&self, lazy: &Lazy) -> Option<Self> {
        lazy.known().map(|value| self.with_value(value.clone()))
    }

    pub(crate) fn run<R: Send>(
        &self,
        work: impl FnOnce(&Machine) -> Result<R, Stop> + Send,
    ) -> Result<R, Error> {
        self.run_with(self, work)
    }

    /// Does work on two values.
    fn run_with<R: Send>(
        &self,
        other: &Self,
        work: impl FnOnce(&Machine) -> Result<R, Stop> + Send,
    ) -> Result<R, Error> {
        let limits = self.limits;
        let result = with_stack(limits, || {
            let machine = Machine::new(limits);
            work(&machine).map_err(|stop| {
                let in_other = !self.origin.has(&machine) && other.origin.has(&machine);
                let of = if in_other { other } else { self };
                of.origin.stopped(&machine, stop)
            })
        });
        result.unwrap_or_else(|stop| {
            let problem = Problem::stopped(Span::NONE, stop);
            Err(Error::general(&self.origin.location, problem))
        })
    }

    /// Returns a field of a record or of a record type.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Self> {
        match &self.value {
            Val::Record(fields) | Val::RecordType(fields) => {
                find(fields, name).and_then(|field| self.part(field))
            }
            _ => None,
        }
    }

    /// Returns the fields of a record or of a record type, sorted by name.
    #[must_use]
    pub fn fields(&self) -> Option<Vec<(String, Self)>> {
        let (Val::Record(fields) | Val::RecordType(fields)) = &self.value else {
            return None;
        };
        let field = |(name, field): &(Name, Lazy)| Some((name.to_string(), self.part(field)?));
        fields.iter().map(field).collect()
    }

    /// Applies a function. The caller knows that the argument has its type.
    ///
    /// # Errors
    /// [`Error`] when the evaluation exceeds the limits.
    pub fn apply(&self, argument: &Self) -> Result<Self, Error> {
        let value = self.run(|machine| {
            let result = machine.apply(&self.value, argument.value.clone().into())?;
            force_all(machine, &result)?;
            Ok(result)
        })?;
        Ok(self.with_value(value))
    }

    /// Returns the input and the output of a function type. An output that
    /// depends on the input mentions its variable.
    #[must_use]
    pub fn function_type(&self) -> Option<(Self, Self)> {
        let Val::Pi(binder) = &self.value else {
            return None;
        };
        let domain = self.with_value(binder.known_domain()?.clone());
        let codomain = self.run(|machine| {
            let variable = Val::Free(Name::clone(&binder.name), 0);
            let codomain = machine.instantiate(binder, variable.into())?;
            force_all(machine, &codomain)?;
            Ok(codomain)
        });
        Some((domain, self.with_value(codomain.ok()?)))
    }

    /// Returns the normal form as Dhall, without a line break at the end.
    ///
    /// # Errors
    /// [`Error`] when the normal form exceeds the limits: it names the
    /// expression that was being evaluated.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use straylight_dhall::{Evaluator, Location, MemoryImporter};
    ///
    /// let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
    /// let here = Location::Input("example".to_owned());
    /// let value = |text| evaluator.evaluate(&here, text).map(|evaluated| evaluated.value);
    /// assert_eq!(value("[ 1 + 1 ]")?.to_text()?, "[ 2 ]");
    /// // A function is a value at once. The normal form of this one is huge.
    /// let doubles = r#"\(x : Bool) -> Natural/fold 60 Text (\(t : Text) -> t ++ t) "x""#;
    /// let error = value(doubles)?.to_text().expect_err("no normal form");
    /// assert_eq!(error.to_string(), "example:1:53: this makes a value that is too large");
    /// # Ok::<(), straylight_dhall::Error>(())
    /// ```
    pub fn to_text(&self) -> Result<String, Error> {
        self.run(|machine| {
            let mut quoter = Quoter::new(machine, Scope::default());
            // The normal form of a long list need not be there as a whole.
            if let Val::List(list) = &self.value
                && let Some(text) = print_list(list.iter().map(|item| quoter.lazy(item)))?
            {
                return Ok(text);
            }
            Ok(print::print(&quoter.quote(&self.value)?))
        })
    }

    /// Returns the binary form of the α-β-normal form.
    ///
    /// # Errors
    /// [`Error`] when the normal form exceeds the limits; never for data.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        self.run(|machine| normal_form(machine, &self.value))
    }

    /// Returns the semantic hash: the sha256 of [`Value::encode`].
    ///
    /// # Errors
    /// [`Error`] when the normal form exceeds the limits; never for data.
    pub fn hash(&self) -> Result<[u8; 32], Error> {
        self.run(|machine| semantic_hash(machine, &self.value))
    }

    /// Returns where `new` differs from this value; nothing if both have the
    /// same α-β-normal form.
    ///
    /// # Errors
    /// [`Error`] when the comparison exceeds the limits.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use straylight_dhall::{Evaluator, Location, MemoryImporter};
    ///
    /// let evaluator = Evaluator::new(Arc::new(MemoryImporter::new()));
    /// let here = Location::Input("example".to_owned());
    /// let old = evaluator.evaluate(&here, "{ a = 1, b = [ 2, 3 ] }")?.value;
    /// let new = evaluator.evaluate(&here, "{ a = 1, b = [ 2, 4 ] }")?.value;
    /// let changes = old.diff(&new)?;
    /// assert_eq!(changes[0].to_string(), ".b[1]\n- 3\n+ 4");
    /// assert_eq!(changes.len(), 1);
    /// # Ok::<(), straylight_dhall::Error>(())
    /// ```
    pub fn diff(&self, new: &Self) -> Result<Vec<Change>, Error> {
        self.run_with(new, |machine| diff(machine, &self.value, &new.value))
    }

    /// Returns whether both have the same α-β-normal form. Values that cannot
    /// be compared within the limits are not equivalent.
    #[must_use]
    pub fn equivalent(&self, other: &Self) -> bool {
        self.run(|machine| machine.equivalent(&self.value, &other.value))
            .unwrap_or(false)
    }
}

/// The normal form, as Dhall. One that exceeds the limits is shown as a comment
/// that says so: a program that prints its result uses [`Value::to_text`].
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_text() {
            Ok(text) => f.write_str(&text),
            Err(error) => write!(f, "{{- {} -}}", error.message()),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
