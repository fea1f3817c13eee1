"""Writes the workloads that builds are measured on: a git repository of C libraries, each of which
depends on the one before it and on one half its number, and programs on top.

The same graph is written for us, for ninja, and as a script of bare commands. A stub workload has
`cp` and `cat` for compiler and archiver: what is measured then is the build system alone.
"""

import pathlib
import subprocess

COMMON = """#ifndef COMMON_H
#define COMMON_H
#define COMMON_K 7
/* widely included */
static inline int common_mix(int a, int b) { return (a * 31 + b) ^ COMMON_K; }
#endif
"""


class Workload:
    def __init__(self, folder, libs, files, bins=0, stub=False):
        self.folder = pathlib.Path(folder)
        self.libs, self.files, self.bins, self.stub = libs, files, bins, stub

    def name(self, lib):
        return f"l{lib:04d}"

    def deps(self, lib):
        return sorted({dep for dep in (lib - 1, lib // 2) if 0 <= dep < lib})

    def closure(self, lib):
        seen, pending = set(), [lib]
        while pending:
            at = pending.pop()
            if at not in seen:
                seen.add(at)
                pending += self.deps(at)
        return sorted(seen, reverse=True)

    def tops(self):
        return [self.libs - 1 - at * max(1, self.libs // (self.bins * 2))
                for at in range(self.bins)]

    def put(self, path, text):
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def sources(self):
        self.put("common/common.h", COMMON)
        for lib in range(self.libs):
            name = self.name(lib)
            declared = "".join(f"int {name}_f{at}(int x);\n" for at in range(self.files))
            self.put(f"libs/{name}/{name}.h", f"#ifndef {name}_H\n#define {name}_H\n"
                     f'#include "common/common.h"\n{declared}#endif\n')
            for at in range(self.files):
                self.put(f"libs/{name}/f{at}.c", self.source(lib, at))
        for at, top in enumerate(self.tops()):
            name = self.name(top)
            self.put(f"bin/b{at}.c", f'#include "libs/{name}/{name}.h"\n#include <stdio.h>\n'
                     f'int main(void){{printf("%d\\n",{name}_f0(3));return 0;}}\n')
        self.put(".gitignore", "out/\n.ninja_*\n")

    def source(self, lib, at):
        name = self.name(lib)
        lines = [f'#include "libs/{name}/{name}.h"', "#include <stdio.h>", "#include <string.h>"]
        lines += [f'#include "libs/{self.name(dep)}/{self.name(dep)}.h"' for dep in self.deps(lib)]
        lines += ["/* leaf comment */"]
        for step in range(6):
            lines += [f"static int h{step}(int x){{int r=x;for(int j=0;j<{step + 3};j++)"
                      f"{{r=common_mix(r,j*{step + at + 1});if(r&{step + 1})r^=j<<{step % 5};}}"
                      "return r;}"]
        calls = "".join(f"if(x<-{lib + 1000})r+={self.name(dep)}_f{at}(x/2);"
                        for dep in self.deps(lib))
        steps = "".join(f"r+=h{step}(r);" for step in range(6))
        lines += [f"int {name}_f{at}(int x){{int r=x;{steps}{calls}return r;}}", ""]
        return "\n".join(lines)

    def ninja(self):
        if self.stub:
            lines = ["rule cc", " command = cp $in $out", "rule ar", " command = cat $in > $out"]
        else:
            lines = ["rule cc",
                     " command = $launcher gcc -O1 -I. -MMD -MF $out.d -c $in -o $out",
                     " depfile = $out.d", " deps = gcc", "rule ar",
                     " command = rm -f $out && ar rcsD $out $in",
                     "rule ld", " command = gcc $in -o $out"]
        for lib in range(self.libs):
            name = self.name(lib)
            objects = [f"out/libs/{name}/f{at}.o" for at in range(self.files)]
            lines += [f"build {each}: cc libs/{name}/f{at}.c" for at, each in enumerate(objects)]
            order = ""
            if self.stub and self.deps(lib):
                order = " | " + " ".join(f"out/libs/{self.name(dep)}/lib.a"
                                         for dep in self.deps(lib))
            lines += [f"build out/libs/{name}/lib.a: ar {' '.join(objects)}{order}"]
        for at, top in enumerate(self.tops()):
            archives = " ".join(f"out/libs/{self.name(lib)}/lib.a" for lib in self.closure(top))
            lines += [f"build out/bin/b{at}.o: cc bin/b{at}.c",
                      f"build out/bin/b{at}: ld out/bin/b{at}.o {archives}"]
        self.put("build.ninja", "launcher =\ninclude launcher.ninja\n" + "\n".join(lines) + "\n")
        self.put("launcher.ninja", "")

    def bare(self, jobs):
        """Returns a script of the same commands, with nothing between them."""
        lines = ["set -e", f"mkdir -p out/bin {' '.join(self.folders())}",
                 f"ls libs/*/*.c | sed 's/\\.c$//' | xargs -P{jobs} -I{{}} "
                 "gcc -O1 -I. -MMD -MF out/{}.d -c {}.c -o out/{}.o",
                 f"ls -d libs/* | xargs -P{jobs} -I{{}} sh -c 'ar rcsD out/{{}}/lib.a out/{{}}/*.o'"]
        for at, top in enumerate(self.tops()):
            archives = " ".join(f"out/libs/{self.name(lib)}/lib.a" for lib in self.closure(top))
            lines += [f"gcc -O1 -I. bin/b{at}.c {archives} -o out/bin/b{at}"]
        return "\n".join(lines)

    def folders(self):
        return [f"out/libs/{self.name(lib)}" for lib in range(self.libs)]

    def ours(self, imports):
        """Writes our build files. `imports` has the pinned import of each library file."""
        if self.stub:
            self.stub_rules(imports)
        else:
            self.c_rules(imports)

    def c_rules(self, imports):
        head = f"let C = {imports['rules/c/v1.dhall']}\n"
        flags = "flags = [ C.Flag.OptLevel C.OptLevel.O1 ]"
        tools = "let toolchains = {}toolchains.dhall\n"
        self.put("common/BUILD.dhall", head + tools.format("../") +
                 'in  { common = C.library C.Library::{ name = "common", '
                 'toolchain = toolchains.gcc, hdrs = [ "common.h" ], includes = [ "." ] } }\n')
        for lib in range(self.libs):
            name = self.name(lib)
            sources = ", ".join(f'"f{at}.c"' for at in range(self.files))
            deps = ", ".join(['"//common"'] + [f'"//libs/{self.name(dep)}"'
                                               for dep in self.deps(lib)])
            self.put(f"libs/{name}/BUILD.dhall", head + tools.format("../../") +
                     f'in  {{ {name} = C.library C.Library::{{ name = "{name}", '
                     f'toolchain = toolchains.gcc, srcs = [ {sources} ], hdrs = [ "{name}.h" ], '
                     f"root_includes = True, deps = [ {deps} ], {flags} }} }}\n")
        binaries = [f'b{at} = C.binary C.Binary::{{ name = "b{at}", toolchain = toolchains.gcc, '
                    f'srcs = [ "b{at}.c" ], root_includes = True, '
                    f'deps = [ "//libs/{self.name(top)}" ], {flags} }}'
                    for at, top in enumerate(self.tops())]
        if binaries:
            self.put("bin/BUILD.dhall", head + tools.format("../") +
                     "in  { " + "\n    , ".join(binaries) + "\n    }\n")

    def stub_rules(self, imports):
        self.put("rules.dhall", STUB_RULES.format(imports["dice/v1.dhall"],
                                                  imports["targets/v1.dhall"]))
        for lib in range(self.libs):
            name = self.name(lib)
            sources = ", ".join(f'"f{at}"' for at in range(self.files))
            deps = ", ".join(f'"//libs/{self.name(dep)}"' for dep in self.deps(lib))
            deps = f"[ {deps} ]" if deps else "[] : List Text"
            self.put(f"libs/{name}/BUILD.dhall", "let rules = ../../rules.dhall\n"
                     f'in  {{ {name} = rules.library "{name}" [ {sources} ] ({deps}) }}\n')

    def commit(self):
        git = ["git", "-c", "user.name=b", "-c", "user.email=b@example.com"]
        subprocess.run([*git, "init", "-q", "."], cwd=self.folder, check=True)
        subprocess.run([*git, "add", "."], cwd=self.folder, check=True)
        subprocess.run([*git, "commit", "-qm", "workload"], cwd=self.folder, check=True)


STUB_RULES = """let Dice = {}

let Targets = {}

let toolchains = ./toolchains.dhall

let word = \\(piece : Dice.Piece) -> Dice.Argument.Pieces [ piece ]

let source = \\(file : Text) -> Dice.Piece.Source (Dice.Source.File file)

let copy =
      \\(file : Text) ->
        Dice.Action::{{
        , category = "copy"
        , identifier = file
        , root = Some toolchains.posix.artifact
        , arguments =
          [ Dice.literal "/bin/cp", word (source "${{file}}.c"), word (Dice.Piece.Out "${{file}}.o") ]
        , outputs = [ Dice.Output.File "${{file}}.o" ]
        }}

let archive =
      \\(files : List Text) ->
      \\(deps : List Text) ->
        Dice.Action::{{
        , category = "archive"
        , identifier = "lib.a"
        , root = Some toolchains.posix.artifact
        , arguments =
            [ Dice.literal "/bin/sh"
            , Dice.literal "-c"
            , Dice.literal "out=$1; shift; cat \\"$@\\" > \\"$out\\""
            , Dice.literal "sh"
            , word (Dice.Piece.Out "lib.a")
            ]
          # List/fold Text files (List Dice.Argument)
              ( \\(file : Text) -> \\(rest : List Dice.Argument) ->
                  [ word (Dice.Piece.Out "${{file}}.o") ] # rest
              ) ([] : List Dice.Argument)
        , inputs =
            List/fold Text deps (List Dice.Source)
              ( \\(dep : Text) -> \\(rest : List Dice.Source) ->
                  [ Dice.Source.Output {{ target = dep, output = "lib.a" }} ] # rest
              ) ([] : List Dice.Source)
        , outputs = [ Dice.Output.File "lib.a" ]
        }}

let library =
      \\(name : Text) -> \\(files : List Text) -> \\(deps : List Text) ->
        {{ name
        , platforms = [] : List Targets.Triple
        , build =
            \\(_ : Dice.Configuration) ->
              Dice.Target::{{
              , name
              , kind = "stub"
              , deps
              , actions =
                    List/fold Text files (List Dice.Action.Type)
                      ( \\(file : Text) -> \\(rest : List Dice.Action.Type) -> [ copy file ] # rest )
                      ([] : List Dice.Action.Type)
                  # [ archive files deps ]
              , outputs = [ {{ name = "lib.a", path = "lib.a" }} ]
              }}
        }}

in  {{ library }}
"""
