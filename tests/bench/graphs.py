"""Whole repositories beside ninja, ccache and bare commands: w60 compiles, s2000 only has a graph.

Processor time is that of all processes. Counts of actions are checked, not only printed.
"""

import math
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

from measure import JOBS, cpu, installed, need
from workload import Workload


class Repository:
    """A workload in a folder of its own, with the programs that build it."""

    def __init__(self, folder, program, workload):
        self.folder = folder
        self.program = program
        self.workload = workload
        self.place = workload.folder
        self.env = {
            "PATH": os.environ["PATH"].replace("/usr/lib/ccache:", ""),
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "CCACHE_DIR": str(folder / "ccache"),
            "LANG": "C.UTF-8",
        }

    def run(self, *command, place=None):
        return cpu(command, cwd=place or self.place, env=self.env)

    def straylight(self, *arguments, place=None):
        return self.run(self.program, *arguments, place=place)

    def build(self, place=None):
        return self.straylight("build", "//...", "-j", str(JOBS), place=place)

    def ninja(self):
        return self.run("ninja", "-j", str(JOBS))[0]

    def prepare(self):
        listed = subprocess.run([self.program, "dhall", "library", "list"], env=self.env,
                                check=True, capture_output=True, text=True)
        imports = {line.split("/", 3)[3].split(" ")[0]: line
                   for line in listed.stdout.splitlines()}
        self.place.mkdir()
        subprocess.run(["git", "init", "-q", "."], cwd=self.place, check=True)
        self.workload.sources()
        self.workload.ninja()
        self.workload.ours(imports)
        self.straylight("toolchain", "capture", "gcc", "posix")
        self.workload.commit()

    def forget(self):
        """Leaves the toolchains, and nothing that was built."""
        for name in ["claims", "traces", "reads"]:
            shutil.rmtree(self.folder / "cache/straylight" / name, ignore_errors=True)
        for place in ["straylight-out", ".git/straylight"]:
            shutil.rmtree(self.place / place, ignore_errors=True)

    def forget_ninja(self):
        shutil.rmtree(self.place / "out", ignore_errors=True)
        for name in [".ninja_deps", ".ninja_log"]:
            (self.place / name).unlink(missing_ok=True)

    def peak(self, *command):
        """Returns the most memory that one process needs, in MiB."""
        with tempfile.NamedTemporaryFile("r") as told:
            self.run("/usr/bin/time", "-f", "%M", "-o", told.name, *command)
            return int(told.read()) / 1024

    def calls(self, *command):
        """Returns how many system calls a command makes, by name, and how many bytes it
        reads and writes by them."""
        log = self.folder / "strace"
        self.run("strace", "-f", "-qq", "-o", str(log), *command)
        text = log.read_text()
        counts = {}
        for name in re.findall(r"^\d+ +(\w+)\(", text, re.MULTILINE):
            counts[name] = counts.get(name, 0) + 1
        moved = re.findall(r"\b(read|pread64|write|pwrite64)\b.*= (\d+)$", text, re.MULTILINE)
        read = sum(int(count) for name, count in moved if "read" in name)
        return counts, read, sum(int(count) for _, count in moved) - read


def actions(told):
    """Returns how many actions ran and how many were reused or up to date."""
    ran = re.search(r"(\d+) actions? run", told)
    reused = re.search(r"(\d+) reused", told) or re.search(r"(\d+) actions? up to date", told)
    return tuple(int(found[1]) if found else 0 for found in (ran, reused))


def line(name, ours, theirs, unit, goal=None, scale=1):
    ratio = f"{ours / theirs:8.2f}" if theirs else " " * 8
    wanted = f"  (goal: at most {goal})" if goal else ""
    shown = f"{theirs * scale:10.1f}" if theirs else " " * 10
    print(f"{name:44}{ours * scale:10.1f}{shown} {unit:4}{ratio}{wanted}", flush=True)


def paired(rounds, ours, theirs):
    """Returns the medians of two measurements, taken in turns."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    return tuple(statistics.median(column) for column in zip(*pairs))


def edited(repo, path, old, new, expected):
    """Edits a file, builds, and returns the processor time; checks how many actions ran."""
    file = repo.place / path
    text = file.read_text()
    file.write_text(text.replace(old, new))
    seconds, told = repo.build()
    if actions(told)[0] != expected:
        sys.exit(f"{path}: {expected} actions should run: {told}")
    return seconds


def w60(folder, program, rounds):
    work = Workload(folder / "w60", libs=60, files=5, bins=5)
    repo = Repository(folder, program, work)
    repo.prepare()
    repo.build()
    total = 60 * 5 + 5 + 61 + 5

    def clean():
        repo.forget()
        seconds, told = repo.build()
        assert actions(told) == (total, 0), told
        return seconds

    def bare():
        repo.forget_ninja()
        return repo.run("sh", "-c", work.bare(JOBS))[0]

    print(f"w60: {total} actions{'':26}{'ours':>10}{'peer':>10}{'':6}{'ratio':>7}")
    line("clean, sandboxed, beside bare commands", *paired(rounds, clean, bare), "s", 1.15)
    repo.forget_ninja()
    repo.ninja()
    noop = lambda: repo.build()[0]
    assert actions(repo.build()[1]) == (0, total)
    line("no-op, beside ninja", *paired(max(rounds, 5), noop, repo.ninja), "ms", scale=1000)
    leaf = edited(repo, "libs/l0030/f0.c", "leaf comment", "a leaf comment", 1)
    line("a comment in a source: 1 action", leaf, None, "ms", scale=1000)
    readers = 5 + sum(30 in work.deps(lib) for lib in range(60)) * 5
    header = edited(repo, "libs/l0030/l0030.h", '#include "common', '/* h */\n#include "common',
                    readers)
    line(f"a comment in a header: {readers} actions", header, None, "ms", scale=1000)
    warm(repo, rounds)


def warm(repo, rounds):
    """A fresh clone with everything in the user's cache, beside ninja and ccache."""
    subprocess.run(["git", "-c", "user.name=b", "-c", "user.email=b@example.com", "commit",
                    "-qam", "edits"], cwd=repo.place, check=True)
    repo.build()
    clones = iter(range(1000))

    def clone():
        place = repo.folder / f"clone{next(clones)}"
        subprocess.run(["git", "clone", "-q", repo.place, place], check=True)
        return place

    def ours():
        seconds, told = repo.build(clone())
        assert actions(told)[0] == 0, told
        return seconds

    def ccache():
        place = clone()
        (place / "launcher.ninja").write_text("launcher = ccache\n")
        env = {**repo.env, "CCACHE_BASEDIR": str(place)}
        return cpu(["ninja", "-j", str(JOBS)], cwd=place, env=env)[0]

    ccache()
    line("fresh clone, warm cache, beside ccache", *paired(rounds, ours, ccache), "s", 0.1)


def s2000(folder, program, rounds):
    repo = Repository(folder, program, Workload(folder / "s2000", libs=2000, files=2, stub=True))
    repo.prepare()
    print(f"s2000: 6,000 actions{'':24}{'ours':>10}{'peer':>10}{'':6}{'ratio':>7}")
    def first():
        shutil.rmtree(repo.place / ".git/straylight", ignore_errors=True)
        return repo.straylight("targets", "//...")[0]

    evaluate = statistics.median(first() for _ in range(3))
    line("evaluation of all 2,000 build files", evaluate, None, "s", "1.0 s")
    seconds, told = repo.build()
    assert actions(told) == (6000, 0), told
    repo.ninja()
    line("first build", seconds, None, "s")
    noop_of(repo, rounds)
    # `cp` copies comments, too: the archive changes, and who lists it looks.
    leaf = edited(repo, "libs/l1000/f0.c", "leaf comment", "a leaf comment", 3)
    line("an edit of one source: 3 actions", leaf, None, "ms", scale=1000)


def noop_of(repo, rounds):
    ours = [repo.program, "build", "//..."]
    noop = lambda: repo.build()[0]
    assert actions(repo.build()[1])[0] == 0
    line("no-op, beside ninja", *paired(max(rounds, 5), noop, repo.ninja), "ms", 1.0, scale=1000)
    line("  peak memory", repo.peak(*ours), repo.peak("ninja"), "MiB", 2)
    (mine, *bytes_of_mine), (theirs, *bytes_of_theirs) = repo.calls(*ours), repo.calls("ninja")
    line("  system calls", sum(mine.values()), sum(theirs.values()), "")
    for what, own, other in zip(("read", "written"), bytes_of_mine, bytes_of_theirs):
        line(f"  KiB {what}", own / 1024, other / 1024, "")
    common = sorted(mine, key=mine.get, reverse=True)[:4]
    print("    " + ", ".join(f"{mine[name]} {name}" for name in common))


def growth(folder, program, rounds):
    """The power of its size with which the time of a no-op grows."""
    points = []
    for libs in (500, 2000, 8000):
        place = folder / f"growth{libs}"
        place.mkdir()
        repo = Repository(place, program, Workload(place / "tree", libs=libs, files=2, stub=True))
        repo.prepare()
        repo.build()
        repo.build()
        points.append((libs, statistics.median(repo.build()[0] for _ in range(rounds))))
        shutil.rmtree(place)
    logs = [(math.log(libs), math.log(seconds)) for libs, seconds in points]
    slope = statistics.linear_regression(*zip(*logs)).slope
    shown = ", ".join(f"{seconds * 1000:.0f} ms at {libs}" for libs, seconds in points)
    print(f"growth of the no-op: exponent {slope:.2f}, of {shown} libraries", flush=True)


def main(rounds):
    for program, package in [("strace", "strace"), ("ninja", "ninja-build"), ("ccache", "ccache"),
                             ("/usr/bin/time", "time")]:
        need(program, package)
    program = installed()
    for part in (w60, s2000):
        with tempfile.TemporaryDirectory(prefix="straylight-bench-") as folder:
            part(pathlib.Path(folder), program, rounds)
    if os.environ.get("STRAYLIGHT_BENCH_GROWTH"):
        with tempfile.TemporaryDirectory(prefix="straylight-bench-") as folder:
            growth(pathlib.Path(folder), program, rounds)
