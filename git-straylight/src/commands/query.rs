//! `git straylight query`.

use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::json;
use straylight_build::query::{Query, QueryError};
use straylight_build::{TargetGraph, TargetNode};

use crate::diagram::{self, Diagram};
use crate::error::{CommandError, Result};
use crate::setup::Workspace;
use crate::ui;

/// What `-h` says of the language: people ask for it there.
const LANGUAGE: &str = "\
Expressions: a label, a pattern such as `//folder/...`, or
  deps(X), deps(X, DEPTH)          X and what it depends on
  rdeps(U, X), rdeps(U, X, DEPTH)  what of U and below depends on X
  somepath(X, Y)                   one shortest path, in its order
  allpaths(X, Y)                   everything on any path
  kind(PATTERN, X)                 those of a kind, such as `c_library` or `rust_*`
  filter(PATTERN, X)               those whose label is so
  set(X Y ...)                     these labels
joined by `+` (`union`), `-` (`except`), `^` (`intersect`) and parentheses";

/// Ask about the graph of targets
///
/// No answer is no output, and no error. Nothing runs.
#[derive(clap::Args)]
#[command(after_help = LANGUAGE)]
pub(crate) struct Args {
    /// Such as `rdeps(//..., //lib) - //lib`.
    expression: String,
    /// How targets are shown.
    #[arg(short, long, value_enum, default_value_t = Output::Label)]
    output: Output,
    /// The same as `--output json`.
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// Ask about this revision.
    #[arg(long, value_name = "REV")]
    at: Option<String>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    /// One label for each line.
    Label,
    /// The kind before each label.
    Kind,
    /// A list with kinds, dependencies, outputs, and what is required beyond inputs.
    Json,
    /// A graph for Graphviz.
    Dot,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::open()?;
    let query = Query::parse(&args.expression, &workspace.package()?)
        .map_err(|error| mistake(&args.expression, &error))?;
    let builder = workspace.inspector(args.at.as_deref())?;
    let graph = builder.graph(&query.references())?;
    let found = query.evaluate(&graph);
    let output = if args.json { Output::Json } else { args.output };
    let nodes = found.iter().map(|index| &graph.nodes()[*index]);
    match output {
        Output::Label => nodes.for_each(|node| ui::result(&node.label)),
        Output::Kind => nodes.for_each(|node| {
            ui::result(format_args!("{} {}", node.kind, node.label));
        }),
        Output::Json => {
            let nodes: Vec<_> = nodes.map(|node| json_target(&graph, node)).collect();
            ui::result(json!(nodes));
        }
        Output::Dot => ui::result(diagram::dot(&Diagram::of_targets(&graph, &found))),
    }
    workspace.keep(&builder);
    Ok(ExitCode::SUCCESS)
}

/// Shows an expression with the place of what is wrong in it.
fn mistake(expression: &str, error: &QueryError) -> CommandError {
    let mut result = CommandError::usage(format_args!("the query is not right: {error}"));
    let line = expression.replace(['\n', '\r', '\t'], " ");
    let caret = " ".repeat(error.column() - 1);
    result.detail = Some(format!("  {line}\n  {caret}^"));
    result.hints.extend(error.hint().map(str::to_owned));
    result
}

fn json_target(graph: &TargetGraph, node: &TargetNode) -> serde_json::Value {
    let dependencies = node.dependencies.iter().map(
        |(below, tool)| json!({ "label": graph.nodes()[*below].label.to_string(), "tool": tool }),
    );
    json!({
        "label": node.label.to_string(),
        "kind": node.kind,
        "deps": dependencies.collect::<Vec<_>>(),
        "outputs": node.outputs,
        "requires": node.needs.needs(),
    })
}
