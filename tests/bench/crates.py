"""A Rust program of twenty-odd crates beside cargo: clean, with nothing to do, and an edit.

Both compile the crates that the registry has, with the features that ours names, and with
optimisation, also of procedural macros and build scripts, which cargo leaves out unless told.
"""

import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import time

from measure import JOBS, ROOT, cpu, installed

DEPENDENCIES = {"clap": ["derive"], "serde": ["derive"], "serde_json": []}


class Bench:
    def __init__(self, folder, program):
        self.folder = folder
        self.program = program
        self.place = folder / "crates"
        self.cargo = folder / "cargo"
        home = pathlib.Path.home()
        self.env = {
            **os.environ,
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(home / ".rustup")),
            "CARGO_HOME": os.environ.get("CARGO_HOME", str(home / ".cargo")),
            "CARGO_TARGET_DIR": str(folder / "target"),
            "LANG": "C.UTF-8",
        }

    def prepare(self):
        # The fixture finds its crates with the settings of who runs this.
        subprocess.run([ROOT / "tests/fixtures/rust", self.place], check=True,
                       stdout=subprocess.DEVNULL)
        self.straylight("toolchain", "capture", "rustc", "posix")
        subprocess.run(["git", "add", "."], cwd=self.place, check=True)
        self.straylight("build", "//tally")
        (self.cargo / "src").mkdir(parents=True)
        shutil.copy(self.place / "tally/main.rs", self.cargo / "src/main.rs")
        shutil.copy(ROOT / "Cargo.lock", self.cargo)
        lines = ['[package]', 'name = "tally"', 'version = "0.1.0"', 'edition = "2024"',
                 '[dependencies]']
        for name, features in DEPENDENCIES.items():
            manifest = (self.place / "vendor" / name / "Cargo.toml").read_text()
            version = re.search(r'^version = "(.*)"$', manifest, re.MULTILINE)[1]
            lines.append(f'{name} = {{ version = "={version}", features = {features} }}')
        lines += ["[profile.release.build-override]", "opt-level = 3", "codegen-units = 16"]
        (self.cargo / "Cargo.toml").write_text("\n".join(lines) + "\n")

    def timed(self, command, place):
        begun = time.monotonic()
        seconds, told = cpu(command, cwd=place, env=self.env)
        return seconds, time.monotonic() - begun, told

    def straylight(self, *arguments):
        return self.timed([self.program, *arguments], self.place)

    def ours(self):
        return self.straylight("build", "//tally", "-j", str(JOBS))

    def theirs(self):
        return self.timed(["cargo", "build", "--release", "--offline", "-j", str(JOBS)],
                          self.cargo)

    def forget(self):
        for name in ["claims", "traces", "reads"]:
            shutil.rmtree(self.folder / "cache/straylight" / name, ignore_errors=True)
        for place in ["straylight-out", ".git/straylight"]:
            shutil.rmtree(self.place / place, ignore_errors=True)
        shutil.rmtree(self.folder / "target", ignore_errors=True)

    def clean(self):
        self.forget()
        ours, theirs = self.ours(), self.theirs()
        assert "reused" not in ours[2], ours[2]
        return ours, theirs

    def nothing(self):
        return self.ours(), self.theirs()

    def edit(self):
        for file in [self.place / "tally/main.rs", self.cargo / "src/main.rs"]:
            with file.open("a") as source:
                source.write("// A comment.\n")
        return self.ours(), self.theirs()


def show(name, pairs):
    for at, what in enumerate(["CPU", "wall"]):
        ours, theirs = (statistics.median(pair[side][at] for pair in pairs) for side in (0, 1))
        print(f"{name:30}{ours:10.3f}{theirs:10.3f} s {what:5}{ours / theirs:8.2f}", flush=True)
        name = ""


def main(rounds):
    program = installed()
    with tempfile.TemporaryDirectory(prefix="straylight-bench-") as folder:
        bench = Bench(pathlib.Path(folder), program)
        bench.prepare()
        print(f"{'':30}{'ours':>10}{'cargo':>10}{'':8}{'ratio':>7}")
        show("clean, sandboxed", [bench.clean() for _ in range(min(rounds, 3))])
        show("nothing to do", [bench.nothing() for _ in range(rounds)])
        show("an edit of the program", [bench.edit() for _ in range(rounds)])
