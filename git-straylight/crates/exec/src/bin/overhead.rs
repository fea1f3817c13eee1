//! What a sandbox adds to running `true`, beside what `unshare` adds.
//!
//! Prints medians of interleaved runs, and their ratio: the time to execute
//! `true` as an action (staging and collecting included), against the time of
//! `unshare -Urmpfniu true` less that of `true` alone.
//!
//! `overhead [RUNS] [INPUTS]`: 200 runs, and one input file, unless given.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use straylight_exec::{
    Cancellation, Executor as _, InputTree, NamespaceExecutor, Node, build_action, capture_posix,
    command, helper_main_if_requested,
};
use straylight_odb::{ContentStore as _, LocalStore};

fn main() -> Result<(), Box<dyn Error>> {
    helper_main_if_requested();
    let mut arguments = std::env::args().skip(1);
    let runs: usize = arguments.next().map_or(Ok(200), |text| text.parse())?;
    let inputs: usize = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let store = Arc::new(LocalStore::open(folder.path().join("cache"))?);
    let tools = capture_posix(&store)?.digest;
    let mut tree = InputTree::new();
    for number in 0..inputs {
        let digest = store.write(format!("{number}").as_bytes())?;
        let executable = false;
        tree.insert(
            &format!("build/src/{number}"),
            Node::File { digest, executable },
        )?;
    }
    let root = tree.write(&*store)?;
    let action = command(vec!["/usr/bin/true".to_owned()], [], ["out/x/y".to_owned()]);
    let request = build_action(action, root, Some(tools), &[], None).request();
    let executor = NamespaceExecutor::new(store)?;
    let cancellation = Cancellation::new();

    let (mut bare, mut unshared, mut sandboxed, mut inside) = (vec![], vec![], vec![], vec![]);
    for _ in 0..runs {
        bare.push(time(|| run(&["true"]))?);
        unshared.push(time(|| run(&["unshare", "-Urmpfniu", "true"]))?);
        sandboxed.push(time(|| {
            let outcome = executor.execute(&request, &cancellation, &|_| {})?;
            inside.push(outcome.usage.wall);
            Ok(())
        })?);
    }
    let (bare, unshared) = (median(bare), median(unshared));
    let (sandboxed, inside) = (median(sandboxed), median(inside));
    let namespaces = unshared.saturating_sub(bare);
    println!("true                       {bare:>12.1?}");
    println!("unshare -Urmpfniu true     {unshared:>12.1?}");
    println!("difference                 {namespaces:>12.1?}");
    println!("true, in the sandbox       {sandboxed:>12.1?}  (staging aside: {inside:.1?})");
    println!(
        "overhead / difference      {:>12.2}",
        ratio(sandboxed.saturating_sub(bare), namespaces)
    );
    println!(
        "whole / difference         {:>12.2}",
        ratio(sandboxed, namespaces)
    );
    Ok(())
}

fn time(work: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn run(line: &[&str]) -> Result<(), Box<dyn Error>> {
    let status = Command::new(line[0]).args(&line[1..]).status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{line:?}: {status}").into())
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64().max(1e-9)
}
