//! A step that nobody's claim stands for runs in the executor.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use straylight_exec::action::BASE_ENVIRONMENT;
use straylight_exec::coeffects::Grade;
use straylight_exec::reapi::Command;
use straylight_exec::{
    ExecError, Executor, Isolation, Kept, Outcome, Output, OutputContent, Status, Trace, Usage,
};
use straylight_odb::{ContentStore as _, Digest, StoreError, layout};

use crate::analyse::Analysed;
use crate::claims::Claim;
use crate::error::{ActionFailure, BuildError, BuildResult};
use crate::observer::Event;
use crate::perform::{Prepared, exec_error};
use crate::session::Session;

/// Runs a step, and keeps what it made, the trace and a claim. `published` hears
/// of each early output.
pub(crate) async fn run(
    session: &Session,
    analysed: &Analysed,
    prepared: &Prepared,
    published: Arc<dyn Fn(&Output) + Send + Sync>,
) -> BuildResult<Claim> {
    let services = &session.services;
    let declared = &analysed.declared;
    let Some(executor) = &services.executor else {
        return Err(Arc::new(BuildError::Unknown {
            label: declared.label.clone(),
            step: prepared.step.clone(),
            action: prepared.action.digest,
        }));
    };
    let cancelled = || Arc::new(BuildError::Cancelled);
    let _permit = session.permits.acquire().await.map_err(|_| cancelled())?;
    if session.is_stopped() {
        return Err(cancelled());
    }
    let executor = executor.get().map_err(BuildError::Exec)?;
    let description = executor.description();
    granted(analysed, prepared, description.isolation)?;
    keep_request(session, prepared)?;
    let start = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        });
    let outcome = execute(session, analysed, prepared, &executor, published).await?;
    let request = prepared.action.request();
    let declared = prepared.needs.needs();
    let trace = Trace::of(&request, &outcome, &description, &declared, start);
    let claim = Claim {
        outputs: trace.outputs.clone(),
        trace: trace.sha256(),
        isolation: description.isolation.as_str().to_owned(),
    };
    keep_result(session, prepared, &outcome, &trace, &claim).map_err(BuildError::Store)?;
    Ok(claim)
}

/// Fails if a step needs more than it would get.
fn granted(analysed: &Analysed, prepared: &Prepared, isolation: Isolation) -> BuildResult<()> {
    let beyond = prepared.needs.minus(&isolation.exposes());
    if beyond == Grade::pure() {
        return Ok(());
    }
    let declared = &analysed.declared;
    Err(Arc::new(BuildError::NotGranted {
        label: declared.label.clone(),
        place: Some(declared.places.of(declared.label.name())),
        step: prepared.step.clone(),
        needs: Box::new(beyond),
        isolation,
    }))
}

/// Runs a step beside the engine's threads, and tells when it starts and ends.
/// A command that did not keep its word is an error.
async fn execute(
    session: &Session,
    analysed: &Analysed,
    prepared: &Prepared,
    executor: &Arc<dyn Executor>,
    published: Arc<dyn Fn(&Output) + Send + Sync>,
) -> BuildResult<Outcome> {
    let services = &session.services;
    let label = &analysed.declared.label;
    let step = &prepared.step;
    let action = &prepared.action.digest;
    (services.observer).event(Event::Started {
        label,
        step,
        action,
    });
    let mut request = prepared.action.request();
    request.early.clone_from(&prepared.early);
    let (runner, with) = (Arc::clone(executor), services.clone());
    let ran = tokio::task::spawn_blocking(move || {
        let execute = || runner.execute(&request, &with.cancellation, &*published);
        match (execute(), request.toolchain) {
            (Err(ExecError::MissingBlob(_)), Some(root)) if with.fetch_tree(&root)? => {
                Ok(execute())
            }
            (ran, _) => Ok(ran),
        }
    });
    let ran: Result<BuildResult<_>, _> = ran.await;
    let (mut usage, mut status) = (Usage::default(), None);
    let result = match ran {
        Err(error) => Err(BuildError::Internal(error.to_string()).into()),
        Ok(Err(error)) => Err(error),
        Ok(Ok(Err(error))) => Err(refused(analysed, prepared, error).into()),
        Ok(Ok(Ok(outcome))) => {
            session.executed.fetch_add(1, Ordering::Relaxed);
            (usage, status) = (outcome.usage, Some(outcome.status));
            match failure(analysed, prepared, &outcome) {
                Some(error) => Err(Arc::new(error)),
                // All that it lacks is what it may leave out.
                None => match outcome.kept.as_ref().map_or(Ok(()), Kept::remove) {
                    Ok(()) => Ok(outcome),
                    Err(error) => Err(Arc::new(BuildError::Exec(error))),
                },
            }
        }
    };
    let outcome = result.as_ref().ok();
    services.observer.event(Event::Finished {
        label,
        step,
        action,
        succeeded: outcome.is_some(),
        status,
        usage: &usage,
        stderr: outcome.map_or(&[], |outcome| &outcome.stderr),
    });
    result
}

/// Stores what an executor reads, and what another one would ask for.
fn keep_request(session: &Session, prepared: &Prepared) -> BuildResult<()> {
    let store = &*session.services.store;
    prepared.tree.write(store).map_err(exec_error)?;
    store
        .write(&prepared.action.command_bytes)
        .map_err(BuildError::Store)?;
    store
        .write(&prepared.action.bytes)
        .map_err(BuildError::Store)?;
    Ok(())
}

fn keep_result(
    session: &Session,
    prepared: &Prepared,
    outcome: &Outcome,
    trace: &Trace,
    claim: &Claim,
) -> Result<(), StoreError> {
    let services = &session.services;
    services.store.write(&outcome.stdout)?;
    services.store.write(&outcome.stderr)?;
    let key = layout::trace(claim.trace);
    services.store.write_record(&key, &trace.encode())?;
    services.claims.record(&prepared.action.digest, claim)?;
    let Some(reads) = &prepared.reads else {
        return Ok(());
    };
    let list = outcome
        .outputs
        .iter()
        .find(|output| output.path == reads.dep_file());
    let Some(OutputContent::File { digest, .. }) = list.map(|list| &list.content) else {
        return Ok(());
    };
    let listed = services.store.read(digest)?;
    // A list that cannot be read is no reason to fail: the whole action is known.
    let Some(read) = listed.and_then(|bytes| reads.listed(&bytes)) else {
        return Ok(());
    };
    if let Some(digest) = reads.with(&read) {
        services.claims.record(&digest, claim)?;
        services.claims.record_reads(&reads.digest, read)?;
    }
    Ok(())
}

/// Says why the sandbox did not run a step.
fn refused(analysed: &Analysed, prepared: &Prepared, error: ExecError) -> BuildError {
    let no_toolchain = |digest: Digest, reason: String| BuildError::NoToolchain {
        label: analysed.declared.label.clone(),
        sha256: digest.sha256().to_string(),
        reason,
    };
    match error {
        ExecError::MissingBlob(digest) if prepared.action.request().toolchain == Some(digest) => {
            no_toolchain(digest, "it is not in the store".to_owned())
        }
        ExecError::MissingBlob(digest) => BuildError::Lost(digest),
        ExecError::Toolchain { digest, reason } => no_toolchain(digest, reason),
        error => BuildError::Exec(error),
    }
}

/// Returns the variables that are not as every command finds them.
fn own_environment(command: &Command) -> Vec<(String, String)> {
    let variables = command.environment_variables.iter();
    let own = variables.filter(|variable| {
        !BASE_ENVIRONMENT.contains(&(variable.name.as_str(), variable.value.as_str()))
    });
    own.map(|variable| (variable.name.clone(), variable.value.clone()))
        .collect()
}

/// Returns what is wrong with a run, if anything is.
fn failure(analysed: &Analysed, prepared: &Prepared, outcome: &Outcome) -> Option<BuildError> {
    let list = |paths: &[String]| {
        let shown = paths.iter().take(3).map(|path| format!("`{path}`"));
        let text = shown.collect::<Vec<_>>().join(", ");
        match paths.len().checked_sub(4) {
            Some(more) => format!("{text} and {} more", more + 1),
            None => text,
        }
    };
    let missing: Vec<String> = (outcome.missing.iter())
        .filter(|path| prepared.dep_file.as_ref() != Some(path))
        .cloned()
        .collect();
    let reason = match outcome.status {
        Status::Cancelled => return Some(BuildError::Cancelled),
        Status::TimedOut => {
            let timeout = prepared.action.request().timeout;
            let limit = timeout.unwrap_or_default().as_secs();
            format!("took longer than {limit} s")
        }
        Status::Signaled(signal) => format!("was ended by signal {signal}"),
        Status::Exited(0) if !missing.is_empty() => {
            format!("did not make {}", list(&missing))
        }
        Status::Exited(0) if !outcome.undeclared.is_empty() => {
            format!(
                "made {}, which it does not declare",
                list(&outcome.undeclared)
            )
        }
        Status::Exited(0) if !outcome.rejected.is_empty() => {
            let rejected = &outcome.rejected[0];
            format!(
                "made `{}`, which cannot be kept: {}",
                rejected.path, rejected.reason
            )
        }
        Status::Exited(0) => return None,
        Status::Exited(code) => format!("failed with exit code {code}"),
    };
    Some(BuildError::Action(Box::new(ActionFailure {
        label: analysed.declared.label.clone(),
        configuration: analysed.declared.configuration,
        step: prepared.step.clone(),
        reason,
        command: prepared.action.command.arguments.clone(),
        environment: own_environment(&prepared.action.command),
        kept: outcome.kept.clone(),
        stdout: outcome.stdout.clone(),
        stderr: outcome.stderr.clone(),
    })))
}
