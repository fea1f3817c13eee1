//! Syntax trees to text that parses back to the same tree.
//!
//! It is written on one line. Where lines are broken is the formatter's business,
//! for this text as for any other.

use std::convert::Infallible;
use std::fmt::Write as _;

use crate::builtin;
use crate::format::{self, WIDTH};
use crate::listing::print_list;
use crate::number::show_double;
use crate::scope::Name;
use crate::syntax::{Expr, Import, Kind, Mode, Op, Prefix, Step, Target, Var};

/// How much of a type a message shows.
const BRIEF: usize = 120;

/// How tightly the place around an expression binds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Level(u8);

impl Level {
    const EXPRESSION: Self = Self(0);
    const OPERATOR: Self = Self(1);
    const APPLICATION: Self = Self(14);
    const IMPORT: Self = Self(15);
    const SELECTOR: Self = Self(16);
    const PRIMITIVE: Self = Self(17);
}

/// Returns the expression as source text, without a line break at the end: on
/// one line if it fits, else as a formatter lays it out.
///
/// What nests too deeply for that is on one line as well. Either way the text is
/// never much longer than what it says.
pub(crate) fn print(expression: &Expr) -> String {
    if let Kind::List(items) = expression.kind() {
        let items = items.iter().cloned().map(Ok::<_, Infallible>);
        if let Ok(Some(text)) = print_list(items) {
            return text;
        }
    }
    let text = flat(expression);
    if text.len() <= WIDTH {
        return text;
    }
    format::laid_out(&text, 0).unwrap_or(text)
}

/// Returns the expression on one line.
pub(crate) fn flat(expression: &Expr) -> String {
    let mut printer = Printer {
        out: String::new(),
        limit: None,
    };
    printer.flat(expression, Level::EXPRESSION);
    printer.out
}

/// Returns the expression on one line, or so much of it that it is longer than
/// `limit`, in bytes.
pub(crate) fn flat_up_to(expression: &Expr, limit: usize) -> String {
    let mut printer = Printer {
        out: String::new(),
        limit: Some(limit),
    };
    printer.flat(expression, Level::EXPRESSION);
    printer.out
}

/// Returns the expression on one line, cut off if it is long.
pub(crate) fn brief(expression: &Expr) -> String {
    let mut text = flat_up_to(expression, BRIEF);
    if text.len() > BRIEF {
        text.truncate(text.floor_char_boundary(BRIEF));
        text.push('…');
    }
    text
}

struct Printer {
    out: String,
    /// When the output is longer, what is written no longer matters.
    limit: Option<usize>,
}

impl Printer {
    fn full(&self) -> bool {
        self.limit.is_some_and(|limit| self.out.len() > limit)
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn show(&mut self, value: impl std::fmt::Display) {
        // Writing to a `String` cannot fail.
        let _ = write!(self.out, "{value}");
    }

    /// Writes between parentheses if `level` asks for more than `own`.
    fn wrap(&mut self, own: Level, level: Level, write: impl FnOnce(&mut Self)) {
        let parentheses = own < level;
        if parentheses {
            self.put("(");
        }
        write(self);
        if parentheses {
            self.put(")");
        }
    }

    /// Writes on one line.
    fn flat(&mut self, expression: &Expr, level: Level) {
        if self.full() {
            return;
        }
        let own = level_of(expression.kind());
        self.wrap(own, level, |printer| printer.flat_kind(expression.kind()));
    }

    fn flat_kind(&mut self, kind: &Kind) {
        match kind {
            Kind::Lambda(name, domain, body) => {
                self.binder_head("λ", name, domain);
                self.put(" ");
                self.flat(body, Level::EXPRESSION);
            }
            Kind::Pi(name, domain, body) => {
                self.pi_head(name, domain);
                self.put(" ");
                self.flat(body, Level::EXPRESSION);
            }
            Kind::Let(bindings, body) => {
                for binding in bindings {
                    self.put("let ");
                    self.binder_name(&binding.name);
                    if let Some(annotation) = &binding.annotation {
                        self.put(" : ");
                        self.flat(annotation, Level::EXPRESSION);
                    }
                    self.put(" = ");
                    self.flat(&binding.value, Level::EXPRESSION);
                    self.put(" ");
                }
                self.put("in ");
                self.flat(body, Level::EXPRESSION);
            }
            Kind::If(condition, then, otherwise) => {
                self.put("if ");
                self.flat(condition, Level::EXPRESSION);
                self.put(" then ");
                self.flat(then, Level::EXPRESSION);
                self.put(" else ");
                self.flat(otherwise, Level::EXPRESSION);
            }
            Kind::Op(op, operands) => {
                for (at, operand) in operands.iter().enumerate() {
                    if at > 0 {
                        self.put(" ");
                        self.put(op.symbol());
                        self.put(" ");
                    }
                    self.flat(operand, operand_level(*op, at));
                }
            }
            Kind::App(function, arguments) => {
                self.flat(function, Level::APPLICATION);
                for argument in arguments {
                    self.put(" ");
                    self.flat(argument, Level::IMPORT);
                }
            }
            Kind::Record(fields) if fields.is_empty() => self.put("{=}"),
            Kind::Record(fields) => {
                self.flat_list("{ ", ", ", " }", fields, |printer, (name, value)| {
                    printer.field_label(name);
                    printer.put(" = ");
                    printer.flat(value, Level::EXPRESSION);
                });
            }
            Kind::RecordType(fields) if fields.is_empty() => self.put("{}"),
            Kind::RecordType(fields) => {
                self.flat_list("{ ", ", ", " }", fields, |printer, (name, ty)| {
                    printer.field_label(name);
                    printer.put(" : ");
                    printer.flat(ty, Level::EXPRESSION);
                });
            }
            Kind::Union(alternatives) if alternatives.is_empty() => self.put("<>"),
            Kind::Union(alternatives) => {
                self.flat_list("< ", " | ", " >", alternatives, |printer, (name, ty)| {
                    printer.field_label(name);
                    if let Some(ty) = ty {
                        printer.put(" : ");
                        printer.flat(ty, Level::EXPRESSION);
                    }
                });
            }
            Kind::List(items) => {
                self.flat_list("[ ", ", ", " ]", items, |printer, item| {
                    printer.flat(item, Level::EXPRESSION);
                });
            }
            kind => self.flat_form(kind),
        }
    }

    fn flat_list<T>(
        &mut self,
        open: &str,
        separator: &str,
        close: &str,
        items: &[T],
        write: impl Fn(&mut Self, &T),
    ) {
        for (at, item) in items.iter().enumerate() {
            if self.full() {
                return;
            }
            self.put(if at == 0 { open } else { separator });
            write(self, item);
        }
        self.put(close);
    }

    /// The forms with a keyword, and selections.
    fn flat_form(&mut self, kind: &Kind) {
        match kind {
            Kind::Annot(inner, ty) => {
                // Without parentheses the annotation would become part of these.
                let own = matches!(inner.kind(), Kind::Merge(_, _, None) | Kind::ToMap(_, None));
                self.flat(
                    inner,
                    if own {
                        Level::PRIMITIVE
                    } else {
                        Level::OPERATOR
                    },
                );
                self.annotation(Some(ty));
            }
            Kind::Merge(handlers, union, annotation) => {
                self.keyword("merge", handlers);
                self.put(" ");
                self.flat(union, Level::IMPORT);
                self.annotation(annotation.as_ref());
            }
            Kind::ToMap(record, annotation) => {
                self.keyword("toMap", record);
                self.annotation(annotation.as_ref());
            }
            Kind::ShowConstructor(union) => self.keyword("showConstructor", union),
            Kind::Some(inner) => self.keyword("Some", inner),
            Kind::Assert(ty) => {
                self.put("assert");
                self.annotation(Some(ty));
            }
            Kind::EmptyList(ty) => {
                self.put("[]");
                self.annotation(Some(ty));
            }
            Kind::Field(record, name, _) => {
                self.flat(record, Level::SELECTOR);
                self.put(".");
                self.label(name, builtin::is_keyword(name));
            }
            Kind::Project(record, names) => {
                self.flat(record, Level::SELECTOR);
                self.put(".");
                if names.is_empty() {
                    self.put("{}");
                } else {
                    self.flat_list("{ ", ", ", " }", names, Self::field_label);
                }
            }
            Kind::ProjectType(record, ty) => {
                self.flat(record, Level::SELECTOR);
                self.put(".(");
                self.flat(ty, Level::EXPRESSION);
                self.put(")");
            }
            Kind::Complete(schema, record) => {
                self.flat(schema, Level::SELECTOR);
                self.put("::");
                self.flat(record, Level::SELECTOR);
            }
            Kind::With(record, path, value) => {
                let chained = matches!(record.kind(), Kind::With(..));
                self.flat(
                    record,
                    if chained {
                        Level::EXPRESSION
                    } else {
                        Level::IMPORT
                    },
                );
                self.put(" with ");
                self.path(path);
                self.put(" = ");
                self.flat(value, Level::OPERATOR);
            }
            kind => self.leaf(kind),
        }
    }

    fn leaf(&mut self, kind: &Kind) {
        match kind {
            Kind::Const(known) => self.put(known.name()),
            Kind::Builtin(builtin) => self.put(builtin.name()),
            Kind::Var(var) => self.variable(var),
            Kind::Bool(value) => self.put(if *value { "True" } else { "False" }),
            Kind::Natural(value) => self.show(value),
            Kind::Integer(value) => self.show(value),
            Kind::Double(value) => self.put(&show_double(*value)),
            Kind::Date(date) => self.show(date),
            Kind::Time(time) => self.show(time),
            Kind::TimeZone(zone) => self.show(zone),
            Kind::Bytes(bytes) => {
                self.put("0x\"");
                self.put(&data_encoding::HEXLOWER.encode(bytes));
                self.put("\"");
            }
            Kind::Text(chunks, last) => {
                self.put("\"");
                for (before, chunk) in chunks {
                    self.escaped(before);
                    self.put("${");
                    self.flat(chunk, Level::EXPRESSION);
                    self.put("}");
                }
                self.escaped(last);
                self.put("\"");
            }
            Kind::Import(import) => self.import(import),
            // A resolved import is never part of a normal form.
            _ => self.put("…"),
        }
    }

    fn keyword(&mut self, keyword: &str, argument: &Expr) {
        self.put(keyword);
        self.put(" ");
        self.flat(argument, Level::IMPORT);
    }

    fn annotation(&mut self, ty: Option<&Expr>) {
        if let Some(ty) = ty {
            self.put(" : ");
            self.flat(ty, Level::EXPRESSION);
        }
    }

    fn binder_head(&mut self, symbol: &str, name: &Name, domain: &Expr) {
        self.put(symbol);
        self.put("(");
        self.binder_name(name);
        self.put(" : ");
        self.flat(domain, Level::EXPRESSION);
        self.put(") →");
    }

    fn pi_head(&mut self, name: &Name, domain: &Expr) {
        if &**name == "_" {
            self.flat(domain, Level::OPERATOR);
            self.put(" →");
        } else {
            self.binder_head("∀", name, domain);
        }
    }

    fn variable(&mut self, var: &Var) {
        self.binder_name(&var.name);
        if var.index > 0 {
            self.put("@");
            self.show(var.index);
        }
    }

    fn binder_name(&mut self, name: &Name) {
        self.label(name, builtin::is_reserved(name));
    }

    fn field_label(&mut self, name: &Name) {
        self.label(name, builtin::is_keyword(name) && &**name != "Some");
    }

    fn label(&mut self, name: &str, reserved: bool) {
        let simple = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '/' | '_');
        let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if first && !reserved && name.chars().all(simple) {
            self.put(name);
        } else {
            self.put("`");
            self.put(name);
            self.put("`");
        }
    }

    fn path(&mut self, path: &[Step]) {
        for (at, step) in path.iter().enumerate() {
            if at > 0 {
                self.put(".");
            }
            match step {
                Step::Label(name) => self.field_label(name),
                Step::Optional => self.put("?"),
            }
        }
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '"' => self.put("\\\""),
                '\\' => self.put("\\\\"),
                '$' => self.put("\\$"),
                '\n' => self.put("\\n"),
                '\r' => self.put("\\r"),
                '\t' => self.put("\\t"),
                '\u{8}' => self.put("\\b"),
                '\u{c}' => self.put("\\f"),
                c if (c as u32) < 0x20 => self.show(format_args!("\\u{:04X}", c as u32)),
                c => self.out.push(c),
            }
            if self.full() {
                return;
            }
        }
    }

    fn import(&mut self, import: &Import) {
        match &import.target {
            Target::Missing => self.put("missing"),
            Target::Env(name) => {
                self.put("env:\"");
                for c in name.chars() {
                    match c {
                        '"' => self.put("\\\""),
                        '\\' => self.put("\\\\"),
                        '\u{7}' => self.put("\\a"),
                        '\u{8}' => self.put("\\b"),
                        '\u{c}' => self.put("\\f"),
                        '\n' => self.put("\\n"),
                        '\r' => self.put("\\r"),
                        '\t' => self.put("\\t"),
                        '\u{b}' => self.put("\\v"),
                        c => self.out.push(c),
                    }
                }
                self.put("\"");
            }
            Target::Local(prefix, path) => self.local(*prefix, path),
            Target::Remote(remote) => {
                self.put(&remote.to_url());
                if let Some(headers) = &remote.headers {
                    self.put(" using ");
                    self.flat(headers, Level::IMPORT);
                }
            }
        }
        if let Some(hash) = &import.hash {
            self.put(" sha256:");
            self.put(&data_encoding::HEXLOWER.encode(hash));
        }
        match import.mode {
            Mode::Code => {}
            Mode::Text => self.put(" as Text"),
            Mode::Bytes => self.put(" as Bytes"),
            Mode::Location => self.put(" as Location"),
        }
    }

    fn local(&mut self, prefix: Prefix, path: &[Name]) {
        self.put(match prefix {
            Prefix::Absolute => "",
            Prefix::Here => ".",
            Prefix::Parent => "..",
            Prefix::Home => "~",
        });
        let simple = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        for component in path {
            if !component.is_empty() && component.chars().all(simple) {
                self.show(format_args!("/{component}"));
            } else {
                self.show(format_args!("/\"{component}\""));
            }
        }
    }
}

fn operand_level(op: Op, at: usize) -> Level {
    Level(op.precedence() + u8::from(at > 0))
}

fn level_of(kind: &Kind) -> Level {
    match kind {
        Kind::Lambda(..)
        | Kind::Pi(..)
        | Kind::Let(..)
        | Kind::If(..)
        | Kind::Merge(_, _, Some(_))
        | Kind::ToMap(_, Some(_))
        | Kind::EmptyList(_)
        | Kind::Annot(..)
        | Kind::Assert(_)
        | Kind::With(..) => Level::EXPRESSION,
        Kind::Op(op, _) => Level(op.precedence()),
        Kind::App(..)
        | Kind::Some(_)
        | Kind::Merge(..)
        | Kind::ToMap(..)
        | Kind::ShowConstructor(_) => Level::APPLICATION,
        Kind::Import(_) | Kind::Complete(..) => Level::IMPORT,
        Kind::Field(..) | Kind::Project(..) | Kind::ProjectType(..) => Level::SELECTOR,
        _ => Level::PRIMITIVE,
    }
}
