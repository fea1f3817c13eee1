"""Builds of Lua: sandboxed beside the same commands by hand, a no-op, and an action's overhead."""

import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

from measure import JOBS, ROOT, cpu, installed, need, release


class Bench:
    def __init__(self, folder, program):
        self.folder = folder
        self.program = program
        self.lua = folder / "lua"
        self.env = {
            "PATH": os.environ["PATH"].replace("/usr/lib/ccache:", ""),
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "LANG": "C.UTF-8",
        }

    def straylight(self, *arguments):
        return cpu([self.program, *arguments], cwd=self.lua, env=self.env)

    def prepare(self):
        subprocess.run([ROOT / "tests/fixtures/lua", self.lua], check=True)
        seconds, _ = self.straylight("toolchain", "capture", "gcc", "posix")
        print(f"capture of gcc and a shell                {seconds:8.2f} s CPU")
        subprocess.run(["git", "add", "."], cwd=self.lua, check=True)
        seconds, _ = self.straylight("build", "//...")
        print(f"first build, toolchains laid out as trees {seconds:8.2f} s CPU")

    def forget(self):
        """Leaves the toolchains, and nothing that was built."""
        for name in ["claims", "traces"]:
            shutil.rmtree(self.folder / "cache/straylight" / name, ignore_errors=True)
        shutil.rmtree(self.lua / "straylight-out", ignore_errors=True)

    def sandboxed(self):
        self.forget()
        seconds, told = self.straylight("build", "//...", "-j", str(JOBS))
        assert "actions run" in told and "reused" not in told, told
        return seconds

    def bare(self):
        """The same commands by hand, as many at once."""
        out = self.folder / "bare"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        flags = "-O2 -I. -DLUA_USE_POSIX -std=gnu99 -Wall -Wextra"
        script = f"""set -e
            ls *.c | xargs -P {JOBS} -I@ gcc {flags} -c @ -o {out}/@.o
            ar rcsD {out}/liblua.a {out}/*.o
            {{ echo 'static const char prelude[] ='
              sed -e 's/[\\\\"]/\\\\&/g' -e 's/.*/  "&\\\\n"/' ../host/prelude.lua
              echo '  ;'; }} > {out}/prelude.h
            for program in host check; do
                gcc -O2 -I. -I{out} -c ../host/host.c -o {out}/$program.o
                gcc {out}/$program.o {out}/liblua.a -lm -o {out}/$program
            done"""
        seconds, _ = cpu(["sh", "-c", script], cwd=self.lua / "lua", env=self.env)
        return seconds

    def clean(self, rounds):
        pairs = [(self.sandboxed(), self.bare()) for _ in range(rounds)]
        ours, bare = (statistics.median(column) for column in zip(*pairs))
        ratio = statistics.median(ours / bare for ours, bare in pairs)
        print(f"clean build of Lua, sandboxed, {JOBS} jobs      {ours:8.2f} s CPU")
        print(f"the same commands by hand                 {bare:8.2f} s CPU")
        print(f"  ratio, median of {rounds} (goal: at most 1.3)      {ratio:8.2f}")

    def noop(self):
        seconds, told = self.straylight("build", "//...")
        assert "nothing to do" in told, told
        print(f"no-op of Lua: no actions                  {seconds:8.2f} s CPU")
        log = self.folder / "strace"
        self.straylight_under(["strace", "-f", "-qq", "-o", log])
        calls = re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE)
        count = lambda *names: sum(call in names for call in calls)
        print(f"  system calls                            {len(calls):8}")
        print(f"  stat, lstat, statx, newfstatat          "
              f"{count('stat', 'lstat', 'statx', 'newfstatat'):8}")
        print(f"  open, openat                            {count('open', 'openat', 'openat2'):8}")
        print(f"  read, pread64                           {count('read', 'pread64'):8}")

    def straylight_under(self, tracer):
        cpu([*tracer, self.program, "build", "//..."], cwd=self.lua, env=self.env)


def main(rounds):
    need("strace", "strace")
    program = installed()
    overhead = release("straylight-exec", "--features", "testing", "--bin", "overhead") / "overhead"
    with tempfile.TemporaryDirectory(prefix="straylight-bench-") as folder:
        bench = Bench(pathlib.Path(folder), program)
        bench.prepare()
        bench.clean(rounds)
        bench.noop()
    sys.stdout.flush()
    subprocess.run([overhead], check=True)
