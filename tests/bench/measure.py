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
    return TARGET / "release"


def cpu(command, stdout=subprocess.DEVNULL, **options):
    """Runs a command; returns the processor time of it and all below it, and what it says."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{command}: {done.stderr}")
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, done.stderr
