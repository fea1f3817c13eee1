"""What the parts of the benchmark share: where things are, and processor time."""

import os
import pathlib
import resource
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or CACHE / "straylight-target")
JOBS = os.cpu_count() or 1


def need(program, package):
    if not shutil.which(program):
        subprocess.run(["apt-get", "install", "-y", "-qq", package], check=True,
                       stdout=subprocess.DEVNULL)


def release(*arguments):
    """Builds a package as it is released."""
    env = {**os.environ, "CARGO_TARGET_DIR": str(TARGET)}
    subprocess.run(["cargo", "build", "--release", "--quiet", "-p", *arguments], check=True,
                   cwd=ROOT, env=env)
    host = subprocess.run(["rustc", "--print", "host-tuple"], check=True, capture_output=True,
                          text=True).stdout.strip()
    return TARGET / host / "release"


def installed():
    """Builds `git-straylight`, and returns a copy, as `cargo install` makes one. What a
    linker has just written is in small pieces in memory, and takes longer to start."""
    program = release("git-straylight") / "git-straylight"
    copy = TARGET / "installed" / program.name
    copy.parent.mkdir(exist_ok=True)
    copy.unlink(missing_ok=True)
    return pathlib.Path(shutil.copy2(program, copy))


def cpu(command, stdout=subprocess.DEVNULL, **options):
    """Runs a command; returns the processor time of it and all below it, and what it says."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{command}: {done.stderr}")
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, done.stderr
