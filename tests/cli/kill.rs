//! A build that is killed leaves a state that the next run heals by itself.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::cli::lua::lua;
use crate::support::TestEnvironment;

/// How many builds are killed; `tests/soak/run` asks for more.
fn rounds() -> u32 {
    let set = std::env::var("STRAYLIGHT_KILL_ROUNDS").ok();
    set.map_or(5, |rounds| rounds.parse().unwrap())
}

#[test]
fn killed_builds_heal() {
    let environment = TestEnvironment::new();
    let repo = lua(&environment, "lua");
    let started = Instant::now();
    let expected = repo.straylight(&["build", "//..."]).success();
    let whole = started.elapsed();

    // A fixed sequence of moments, spread over the time that a build takes.
    let mut seed = 0x9e37_79b9_u64;
    for round in 0..rounds() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let moment = whole.mul_f64((seed >> 40) as f64 / f64::from(1 << 24));
        forget_results(&environment);
        let _ = fs::remove_dir_all(repo.path.join("straylight-out"));
        let mut build = environment
            .command(env!("CARGO_BIN_EXE_git-straylight"))
            .args(["build", "//..."])
            .current_dir(&repo.path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The moment is the input of this test.
        std::thread::sleep(moment);
        build.kill().unwrap();
        let status = build.wait().unwrap();
        let killed = status.signal() == Some(9);
        assert!(killed || status.success(), "round {round}: {status}");
        wait_until_alone(environment.root());
        assert_no_mounts(environment.root());

        let healed = repo.straylight(&["build", "//..."]).success();
        assert_eq!(
            healed.stdout, expected.stdout,
            "round {round}, killed after {moment:?}"
        );
        assert_eq!(
            left_over(&environment),
            Vec::<String>::new(),
            "round {round}"
        );
    }
}

#[test]
fn an_interrupted_build_ends_its_commands() {
    let environment = TestEnvironment::new();
    let repo = crate::cli::build::package(
        &environment,
        r#"it = Command.command Command.Command::{ name = "it", root = Some toolchains.posix.artifact, arguments = shell "(setsid sleep 1000 &) ; sleep 1000" [ Command.out "a" ], outputs = [ "a" ] }"#,
    );
    let mut build = environment
        .command(env!("CARGO_BIN_EXE_git-straylight"))
        .args(["build", "//it"])
        .current_dir(&repo.path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(
        || !sleepers(environment.root()).is_empty(),
        "the command starts",
    );
    let pid = rustix::process::Pid::from_child(&build);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(build.wait().unwrap().code(), Some(130));
    assert_eq!(sleepers(environment.root()), Vec::<u32>::new());
    assert_eq!(left_over(&environment), Vec::<String>::new());
}

/// Forgets what actions made, and keeps the toolchains.
fn forget_results(environment: &TestEnvironment) {
    for name in ["claims", "traces"] {
        let _ = fs::remove_dir_all(environment.cache().join(name));
    }
}

/// Temporary folders of the store and of the sandbox.
fn left_over(environment: &TestEnvironment) -> Vec<String> {
    let mut names = Vec::new();
    for folder in ["tmp", "sandboxes"] {
        let entries = fs::read_dir(environment.cache().join(folder));
        names.extend(entries.into_iter().flatten().map(|entry| {
            let name = entry.unwrap().file_name();
            format!("{folder}/{}", name.to_string_lossy())
        }));
    }
    // A file that is locked while a sandbox folder is made.
    names.retain(|name| name != "sandboxes/lock");
    names
}

/// Processes that have anything of the environment mounted: sandboxes.
fn sandboxed(root: &Path) -> Vec<u32> {
    processes(|folder| {
        let mounts = fs::read_to_string(folder.join("mountinfo")).unwrap_or_default();
        mounts.contains(root.to_str().unwrap())
    })
}

fn sleepers(root: &Path) -> Vec<u32> {
    let all = processes(|folder| {
        let command = fs::read_to_string(folder.join("cmdline")).unwrap_or_default();
        command.contains("sleep\u{0}1000")
    });
    let in_sandbox = sandboxed(root);
    all.into_iter()
        .filter(|pid| in_sandbox.contains(pid))
        .collect()
}

fn processes(wanted: impl Fn(&Path) -> bool) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| wanted(&Path::new("/proc").join(pid.to_string())))
        .collect()
}

/// The kernel ends the processes of a killed build; it may take a moment.
fn wait_until_alone(root: &Path) {
    wait_for(|| sandboxed(root).is_empty(), "the sandboxes are gone");
}

#[track_caller]
fn wait_for(condition: impl Fn() -> bool, what: &str) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "not true in 30 s: {what}"
        );
        std::thread::yield_now();
    }
}

fn assert_no_mounts(root: &Path) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(root.to_str().unwrap()), "{mounts}");
}
