//! Results of tests for machines that read JUnit's XML.
//!
//! One suite for each package, one case for each test. The schema is that of
//! Jenkins and of GitLab; what a failed test printed is in the case.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use super::case::{Case, Ending};

/// Returns the results as a document.
pub(super) fn document(cases: &[Case<'_>]) -> String {
    let mut suites: BTreeMap<String, Vec<&Case<'_>>> = BTreeMap::new();
    for case in cases {
        let package = case.label.package().to_string();
        suites.entry(package).or_default().push(case);
    }
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a `String` cannot fail.
    let _ = writeln!(out, "<testsuites {}>", Counts::of(cases));
    for (package, cases) in suites {
        let counts = Counts::of(cases.iter().copied());
        let _ = writeln!(out, "  <testsuite name=\"{}\" {counts}>", escaped(&package));
        for case in cases {
            write_case(&mut out, &package, case);
        }
        out += "  </testsuite>\n";
    }
    out += "</testsuites>\n";
    out
}

fn write_case(out: &mut String, package: &str, case: &Case<'_>) {
    let name = escaped(case.label.name());
    let package = escaped(package);
    let _ = write!(
        out,
        "    <testcase classname=\"{package}\" name=\"{name}\" time=\"{:.3}\"",
        case.wall.unwrap_or_default().as_secs_f64()
    );
    match &case.ending {
        Ending::Passed { .. } => *out += "/>\n",
        Ending::Failed(failure) => {
            let _ = writeln!(
                out,
                ">\n      <failure message=\"{}\"/>",
                escaped(&failure.reason)
            );
            for (name, bytes) in [
                ("system-out", &failure.stdout),
                ("system-err", &failure.stderr),
            ] {
                let text = escaped(&String::from_utf8_lossy(bytes));
                let _ = writeln!(out, "      <{name}>{text}</{name}>");
            }
            *out += "    </testcase>\n";
        }
        Ending::Error(error) => {
            let message = escaped(&error.to_string());
            let _ = writeln!(
                out,
                ">\n      <error message=\"{message}\"/>\n    </testcase>"
            );
        }
    }
}

/// The attributes that count.
#[derive(Default)]
struct Counts {
    tests: usize,
    failures: usize,
    errors: usize,
    time: Duration,
}

impl Counts {
    fn of<'a>(cases: impl IntoIterator<Item = &'a Case<'a>>) -> Self {
        let mut counts = Self::default();
        for case in cases {
            counts.tests += 1;
            counts.time += case.wall.unwrap_or_default();
            match case.ending {
                Ending::Passed { .. } => {}
                Ending::Failed(_) => counts.failures += 1,
                Ending::Error(_) => counts.errors += 1,
            }
        }
        counts
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3}\"",
            self.tests,
            self.failures,
            self.errors,
            self.time.as_secs_f64()
        )
    }
}

/// Returns a text as XML 1.0 can hold it: what it cannot is replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => {
                out.push(character);
            }
            _ => out.push(char::REPLACEMENT_CHARACTER),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(
            escaped("a<b>&\"\u{1b}[0m\n"),
            "a&lt;b&gt;&amp;&quot;\u{fffd}[0m\n"
        );
    }
}
