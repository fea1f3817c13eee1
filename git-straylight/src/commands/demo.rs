//! `git straylight demo`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use straylight_dhall::library;

use crate::error::{CommandError, Kind, Result};
use crate::ui;

/// Show what this is, on a small repository
///
/// Makes a repository in a new folder, and runs the real commands on it: they
/// are printed before they run, so that you can repeat them.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder to make.
    #[arg(default_value = "straylight-demo")]
    folder: PathBuf,
}

const GREETING_C: &str = r#"#include "greeting.h"

#include <stdio.h>

/* Says hello. */
void greet(const char *name) { printf("hello, %s\n", name); }
"#;

const GREETING_H: &str = "void greet(const char *name);\n";

const HELLO_C: &str = r#"#include "greeting.h"

int main(int argc, char **argv) {
    greet(argc > 1 ? argv[1] : "world");
    return 0;
}
"#;

struct Demo {
    /// The repository.
    folder: PathBuf,
    /// With this program first, so that `git straylight` finds it.
    path: OsString,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let demo = Demo::new(&args.folder)?;
    demo.build()?;
    demo.prove()?;
    demo.gate()?;
    ui::result("");
    ui::result(format_args!(
        "All of it is in `{}`. In your own repository:\n\n  \
         git straylight toolchain capture gcc   # pin a compiler\n  \
         git straylight dhall library           # the rules, to import in a BUILD.dhall\n  \
         git straylight build                   # build what is below this folder",
        args.folder.display()
    ));
    Ok(ExitCode::SUCCESS)
}

impl Demo {
    fn new(folder: &Path) -> Result<Self> {
        if folder.exists() {
            return Err(
                CommandError::usage(format!("`{}` exists already", folder.display()))
                    .hint("name a new folder: `git straylight demo <folder>`"),
            );
        }
        fs::create_dir_all(folder).map_err(CommandError::io("create", folder))?;
        let folder = fs::canonicalize(folder).map_err(CommandError::io("read", folder))?;
        let program = std::env::current_exe().map_err(CommandError::io("read", &folder))?;
        let mut paths: Vec<PathBuf> = program.parent().map(Path::to_owned).into_iter().collect();
        paths.extend(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ));
        let path = std::env::join_paths(paths)
            .map_err(|error| CommandError::environment(format!("`PATH`: {error}")))?;
        Ok(Self { folder, path })
    }

    fn build(&self) -> Result<()> {
        self.say("A repository with a C library and a program.");
        self.quietly("git init -q -b main .")?;
        for setting in [
            "user.name Demo",
            "user.email demo@example.com",
            "commit.gpgsign false",
        ] {
            self.quietly(&format!("git config {setting}"))?;
        }
        self.write("greeting/greeting.c", GREETING_C)?;
        self.write("greeting/greeting.h", GREETING_H)?;
        self.write("greeting/BUILD.dhall", &self.greeting_build()?)?;
        self.write("hello/hello.c", HELLO_C)?;
        self.write("hello/BUILD.dhall", &self.hello_build()?)?;
        self.show("cat hello/BUILD.dhall")?;

        self.say("The compiler of this machine becomes a pinned tree in the cache.");
        self.show("git straylight toolchain capture gcc")?;
        self.quietly("git add .")?;
        self.quietly("git commit -q -m 'Say hello'")?;

        self.say("Build it, in a sandbox that has the declared files and nothing else. Run it.");
        self.show("git straylight build //hello")?;
        self.show("git straylight run //hello -- straylight")?;
        self.say("Build it again: nothing is left to do.");
        self.show("git straylight build //hello")?;

        self.say("Edit a comment: one action runs, and nothing that depends on it.");
        let edited = GREETING_C.replace("Says hello.", "Says hello to one person.");
        self.write("greeting/greeting.c", &edited)?;
        self.show("git straylight build //hello")?;
        self.quietly("git commit -q -a -m 'Say what it does'")?;

        self.say("Build an older commit from git's objects. Nothing is checked out.");
        self.show("git straylight build --at HEAD~1 //hello")
    }

    fn prove(&self) -> Result<()> {
        self.say("Sign what was built with an SSH key.");
        self.show("git straylight key generate .git/demo_key")?;
        self.quietly("git config user.signingKey .git/demo_key")?;
        self.show("git straylight attest //hello")?;
        self.say("Verify it, believing the signers in a file that is not part of the tree.");
        let public = self.folder.join(".git/demo_key.pub");
        let key = fs::read_to_string(&public).map_err(CommandError::io("read", &public))?;
        self.write(".git/allowed_signers", &format!("demo@example.com {key}"))?;
        self.quietly("git config straylight.allowedSignersFile .git/allowed_signers")?;
        self.show("git straylight verify //hello")?;

        self.say("Change one byte of the program: it is not what was attested.");
        let program = self.folder.join("straylight-out/hello/hello/hello");
        let mut bytes = fs::read(&program).map_err(CommandError::io("read", &program))?;
        if let Some(byte) = bytes.last_mut() {
            *byte ^= 1;
        }
        fs::write(&program, bytes).map_err(CommandError::io("write", &program))?;
        self.refused("git straylight verify straylight-out/hello/hello/hello")
    }

    fn gate(&self) -> Result<()> {
        self.say("A server that takes only attested commits on its main branch.");
        self.quietly("git init -q --bare -b main .git/server.git")?;
        self.quietly("git remote add origin .git/server.git")?;
        let signers = self.folder.join(".git/allowed_signers");
        let server = [
            "straylight.protect refs/heads/main".to_owned(),
            format!(
                "straylight.allowedSignersFile {}",
                ui::quoted(&signers.to_string_lossy())
            ),
        ];
        for setting in server {
            self.quietly(&format!("git -C .git/server.git config {setting}"))?;
        }
        self.show("git straylight -C .git/server.git hook install --server")?;
        self.refused("git push -q origin main")?;
        self.show("git push -q --atomic origin main refs/straylight/log refs/notes/straylight")?;
        self.show("git straylight log")
    }

    fn greeting_build(&self) -> Result<String> {
        Ok(format!(
            "{}in  {{ greeting =\n        C.library\n          C.Library::{{\n          \
             , name = \"greeting\"\n          , toolchain = toolchains.gcc\n          \
             , srcs = [ \"greeting.c\" ]\n          , hdrs = [ \"greeting.h\" ]\n          }}\n    }}\n",
            imports()?
        ))
    }

    fn hello_build(&self) -> Result<String> {
        Ok(format!(
            "{}in  {{ hello =\n        C.binary\n          C.Binary::{{\n          \
             , name = \"hello\"\n          , toolchain = toolchains.gcc\n          \
             , srcs = [ \"hello.c\" ]\n          , deps = [ \"//greeting\" ]\n          }}\n    }}\n",
            imports()?
        ))
    }

    fn say(&self, text: &str) {
        ui::result(format_args!("\n{}", ui::styled(ui::GOOD, text)));
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder).map_err(CommandError::io("create", folder))?;
        fs::write(&path, text).map_err(CommandError::io("write", &path))
    }

    /// Prints a command and runs it; it must succeed.
    fn show(&self, command: &str) -> Result<()> {
        self.print(command);
        self.expect(command, true, Stdio::inherit())
    }

    /// Prints a command and runs it; it must be refused.
    fn refused(&self, command: &str) -> Result<()> {
        self.print(command);
        self.expect(command, false, Stdio::inherit())
    }

    /// Runs a command that is not worth showing; it must succeed.
    fn quietly(&self, command: &str) -> Result<()> {
        self.expect(command, true, Stdio::null())
    }

    fn print(&self, command: &str) {
        ui::result(format_args!("{} {command}", ui::styled(ui::FAINT, "$")));
    }

    fn expect(&self, command: &str, success: bool, stdout: Stdio) -> Result<()> {
        let status = Command::new("sh")
            .args(["-c", command])
            .current_dir(&self.folder)
            .env("PATH", &self.path)
            .stdin(Stdio::null())
            .stdout(stdout)
            .status()
            .map_err(CommandError::io("run a shell in", &self.folder))?;
        if status.success() == success {
            return Ok(());
        }
        let what = if success {
            "did not succeed"
        } else {
            "was not refused"
        };
        Err(CommandError::new(
            Kind::Negative,
            format!("`{command}` {what} ({status})"),
        ))
    }
}

/// Returns the imports of a build file, pinned to this release.
fn imports() -> Result<String> {
    let url = "https://straylight.cx/rules/c/v1.dhall";
    let released = library::latest(url)
        .ok_or_else(|| CommandError::missing(format!("`{url}` is not in the library")))?;
    Ok(format!(
        "let C =\n      {url}\n        sha256:{}\n\nlet toolchains = ../toolchains.dhall\n\n",
        released.sha256
    ))
}
