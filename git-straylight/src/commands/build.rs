//! `git straylight build`.

use std::process::ExitCode;
use std::time::Instant;

use serde_json::json;
use straylight_build::{BuildError, Built, BuiltOutput, Report, Wanted};
use straylight_exec::trace::TraceContent;

use super::{conclude, summary};
use crate::error::Result;
use crate::options::BuildArgs;
use crate::setup::{Setup, Workspace};
use crate::ui;

/// Build targets
///
/// Prints for each output the target, the path below `straylight-out/` and the
/// sha256. Without labels, builds every target in and below the current folder.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// `//folder:name`, `//folder`, `:name` or `//folder/...`
    labels: Vec<String>,
    #[command(flatten)]
    build: BuildArgs,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let started = Instant::now();
    let workspace = Workspace::open()?;
    let references = workspace.references(&args.labels)?;
    let setup = Setup::new(&workspace, &args.build)?;
    let materializer = setup.materializer(&workspace)?;
    let report = setup.build(&references, Wanted::Outputs, Some(&materializer))?;
    let code = conclude(&workspace, &setup, &report)?;
    if args.json {
        ui::result(json(&report));
        return Ok(code);
    }
    ui::results(report.built.iter().flat_map(|built| {
        built.outputs.iter().map(|output| {
            let place = output.place.as_deref().unwrap_or(&output.path);
            let name = content_name(&output.content);
            format!("{}  {place}  {name}", built.label)
        })
    }));
    let elapsed = started.elapsed().as_secs_f64();
    ui::message(format_args!("{} ({elapsed:.2} s)", summary(&report)));
    Ok(code)
}

/// Returns the name of an output by its bytes.
pub(crate) fn content_name(content: &TraceContent) -> String {
    match content {
        TraceContent::File { digest, .. } => digest.sha256().to_ca_uri(),
        TraceContent::Directory { tree } => format!("{} (folder)", tree.sha256().to_ca_uri()),
        TraceContent::Symlink { target } => format!("-> {target}"),
    }
}

fn json(report: &Report) -> serde_json::Value {
    json!({
        "targets": report.built.iter().map(json_target).collect::<Vec<_>>(),
        "executed": report.executed,
        "reused": report.reused,
        "failures": json_failures(report),
    })
}

/// Returns what failed, with what failed commands printed.
pub(super) fn json_failures(report: &Report) -> Vec<serde_json::Value> {
    let failures = report.failures.iter().map(|error| {
        let mut value = json!({
            "message": error.to_string(),
            "place": error.place().map(ToString::to_string),
        });
        if let BuildError::Action(failure) = &**error {
            value["label"] = json!(failure.label.to_string());
            value["step"] = json!(failure.step);
            value["command"] = json!(failure.command);
            value["environment"] = failure.environment.iter().cloned().collect();
            value["sandbox"] = json!(failure.kept.as_ref().map(|kept| &kept.name));
            value["stdout"] = json!(String::from_utf8_lossy(&failure.stdout));
            value["stderr"] = json!(String::from_utf8_lossy(&failure.stderr));
        }
        value
    });
    failures.collect()
}

fn json_target(built: &Built) -> serde_json::Value {
    json!({
        "label": built.label.to_string(),
        "configuration": built.configuration.to_string(),
        "kind": built.kind,
        "spec": built.spec.to_string(),
        "outputs": built.outputs.iter().map(json_output).collect::<Vec<_>>(),
    })
}

fn json_output(output: &BuiltOutput) -> serde_json::Value {
    let mut value = json!({ "name": output.name, "path": output.place });
    match &output.content {
        TraceContent::File { digest, executable } => {
            value["sha256"] = json!(digest.sha256());
            value["size"] = json!(digest.size());
            value["executable"] = json!(executable);
        }
        TraceContent::Directory { tree } => value["tree"] = json!(tree.to_string()),
        TraceContent::Symlink { target } => value["target"] = json!(target),
    }
    value
}
