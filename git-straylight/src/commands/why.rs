//! `git straylight why`.

use std::process::ExitCode;

use serde_json::{Value, json};
use straylight_build::why::{Cause, Explanation, Fate, FileChange, StepNews};

use crate::error::Result;
use crate::options::WhichArgs;
use crate::setup::Workspace;
use crate::ui;

/// How many changed files of one step are shown.
const SHOWN: usize = 10;

/// Say why targets are built again
///
/// Before a build: which steps would run, and which of their inputs changed
/// since the last build here, with the old and the new digest. After a build:
/// the same about what it did. Runs nothing.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// `//folder:name`, `//folder`, `:name` or `//folder/...`
    labels: Vec<String>,
    /// As in the build that is asked about.
    #[command(flatten)]
    which: WhichArgs,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    let references = workspace.references(&args.labels)?;
    let builder = workspace.explainer(&args.which)?;
    let labels = builder.select(&references)?;
    let explanation = builder.why(&labels)?;
    if args.json {
        ui::result(json(&explanation));
        return Ok(ExitCode::SUCCESS);
    }
    explanation.steps.iter().for_each(show);
    let steps = ui::count(explanation.count, "step");
    if explanation.would_run() {
        let of = |fate| {
            explanation
                .steps
                .iter()
                .filter(|step| step.fate == fate)
                .count()
        };
        let (runs, waits) = (of(Fate::Runs), of(Fate::Waits));
        let waiting = match waits {
            0 => String::new(),
            waits => format!(", and {waits} if others make other bytes than before"),
        };
        ui::message(format_args!("{runs} of {steps} would run{waiting}"));
        return Ok(ExitCode::SUCCESS);
    }
    ui::message(format_args!("nothing would run: {steps} up to date"));
    if !explanation.past.is_empty() {
        ui::message("the last build in which anything changed found this:");
        explanation.past.iter().for_each(show);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(news: &StepNews) {
    let says = match news.fate {
        Fate::Runs => "would run",
        Fate::Known => "has changed, and its result is known",
        Fate::Waits => "may run",
        Fate::Lost => "runs if its result is needed",
        Fate::Past => "changed",
    };
    ui::result(format_args!("{}: `{}` {says}", news.label, news.step));
    let is_file = |cause: &&Cause| matches!(cause, Cause::File(_));
    let files = news.causes.iter().filter(is_file).count();
    let mut left = SHOWN;
    for cause in &news.causes {
        if is_file(&cause) {
            if left == 0 {
                continue;
            }
            left -= 1;
        }
        show_cause(cause);
        if left == 0 && is_file(&cause) && files > SHOWN {
            ui::result(format_args!("  and {} more files", files - SHOWN));
        }
    }
}

fn show_cause(cause: &Cause) {
    match cause {
        Cause::New => ui::result("  it was never built here"),
        Cause::Forgotten => {
            ui::result("  it has changed; what it was is no longer in the store");
        }
        Cause::LostResult => ui::result("  its result is gone from the store"),
        Cause::Waits { label, step } => {
            ui::result(format_args!("  it reads what `{step}` of {label} makes"));
        }
        Cause::File(change) => show_file(change),
        Cause::Arguments { before, now } => {
            ui::result("  the command line changed");
            let sides = different(before, now).into_iter();
            for (sign, words) in sides.filter(|(_, words)| !words.is_empty()) {
                let words: Vec<String> = words.iter().map(|word| ui::quoted(word)).collect();
                ui::result(format_args!("    {sign} {}", words.join(" ")));
            }
        }
        Cause::Variable { name, before, now } => {
            ui::result(format_args!("  the variable `{name}` changed"));
            both(before.as_deref(), now.as_deref());
        }
        Cause::Toolchain { before, now } => {
            ui::result("  the toolchain changed");
            both(before.as_deref(), now.as_deref());
        }
        Cause::Outputs => ui::result("  it declares other outputs"),
        Cause::Limits => ui::result("  it may take another time, or needs something else"),
    }
}

fn show_file(change: &FileChange) {
    let what = match (&change.before, &change.now) {
        (None, _) => "is new",
        (_, None) => "is gone",
        _ => "changed",
    };
    let path = &change.path;
    match &change.maker {
        None => ui::result(format_args!("  the source `{path}` {what}")),
        Some((label, step)) => ui::result(format_args!(
            "  `{path}` {what}, which `{step}` of {label} makes"
        )),
    }
    both(change.before.as_deref(), change.now.as_deref());
}

/// Shows what something was, and what it is.
fn both(before: Option<&str>, now: Option<&str>) {
    for (sign, text) in [("-", before), ("+", now)] {
        if let Some(text) = text {
            ui::result(format_args!("    {sign} {text}"));
        }
    }
}

/// Returns the words of two lists between their common start and end.
fn different<'a>(before: &'a [String], now: &'a [String]) -> [(&'static str, &'a [String]); 2] {
    let start = before.iter().zip(now).take_while(|(a, b)| a == b).count();
    let (before, now) = (&before[start..], &now[start..]);
    let ends = before.iter().rev().zip(now.iter().rev());
    let end = ends.take_while(|(a, b)| a == b).count();
    [
        ("-", &before[..before.len() - end]),
        ("+", &now[..now.len() - end]),
    ]
}

fn json(explanation: &Explanation) -> Value {
    let list = |steps: &[StepNews]| steps.iter().map(json_step).collect::<Vec<_>>();
    json!({
        "would_run": explanation.would_run(),
        "steps": list(&explanation.steps),
        "past": list(&explanation.past),
    })
}

fn json_step(news: &StepNews) -> Value {
    json!({
        "label": news.label.to_string(),
        "configuration": news.configuration.to_string(),
        "step": news.step,
        "before": news.before.map(|digest| digest.to_string()),
        "now": news.now.map(|digest| digest.to_string()),
        "fate": match news.fate {
            Fate::Runs => "runs",
            Fate::Known => "known",
            Fate::Waits => "waits",
            Fate::Lost => "lost",
            Fate::Past => "past",
        },
        "causes": news.causes.iter().map(json_cause).collect::<Vec<_>>(),
    })
}

fn json_cause(cause: &Cause) -> Value {
    match cause {
        Cause::New => json!({ "cause": "new" }),
        Cause::Forgotten => json!({ "cause": "forgotten" }),
        Cause::LostResult => json!({ "cause": "lost_result" }),
        Cause::Waits { label, step } => {
            json!({ "cause": "waits", "label": label.to_string(), "step": step })
        }
        Cause::File(change) => json!({
            "cause": "file",
            "path": change.path,
            "label": change.maker.as_ref().map(|(label, _)| label.to_string()),
            "step": change.maker.as_ref().map(|(_, step)| step),
            "before": change.before,
            "now": change.now,
        }),
        Cause::Arguments { before, now } => {
            json!({ "cause": "arguments", "before": before, "now": now })
        }
        Cause::Variable { name, before, now } => {
            json!({ "cause": "variable", "name": name, "before": before, "now": now })
        }
        Cause::Toolchain { before, now } => {
            json!({ "cause": "toolchain", "before": before, "now": now })
        }
        Cause::Outputs => json!({ "cause": "outputs" }),
        Cause::Limits => json!({ "cause": "limits" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_that_differ_are_shown() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (before, now) = (words("cc -O2 -c a.c"), words("cc -O3 -g -c a.c"));
        let [(_, removed), (_, added)] = different(&before, &now);
        assert_eq!((removed, added), (&words("-O2")[..], &words("-O3 -g")[..]));
        let [(_, removed), (_, added)] =
            different(&words("a a"), &words("a a a")).map(|(sign, words)| (sign, words.to_vec()));
        assert_eq!((removed.len(), added), (0, words("a")));
    }
}
