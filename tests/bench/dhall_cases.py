"""Writes the Dhall programs that are measured, the same in every run."""

import dhall_library

ARCHITECTURES = ["x86_64", "aarch64", "armv7", "riscv64", "powerpc64le", "s390x", "wasm32"]
SYSTEMS = ["Linux", "Darwin", "Windows", "FreeBSD", "NetBSD", "Bare"]
ROLES = ["Library", "Program", "Test", "Object", "Archive", "Header", "Script", "Data"]
FLAGS = ["Debug", "Optimise", "Warn", "Define", "Include", "Link", "Sanitise", "Feature"]


def typed_library():
    """Returns a library of types, schemas and functions, of about 400 lines."""
    lines = ["{- The types of a build: what a target is, and how one is made. -}"]
    for name, alternatives in [("Architecture", ARCHITECTURES), ("System", SYSTEMS),
                               ("Role", ROLES)]:
        lines += [f"let {name} =", "      < " + "\n      | ".join(alternatives) + "\n      >",
                  f"let show{name} =", f"      \\(value : {name}) ->", "        merge"]
        cases = [f'{each} = "{each}"' for each in alternatives]
        lines += ["          { " + "\n          , ".join(cases) + "\n          }", "          value"]
    lines += ["let Triple =", "      { architecture : Architecture", "      , system : System",
              "      , abi : Optional Text", "      }",
              "let showTriple =", "      \\(triple : Triple) ->",
              '            showArchitecture triple.architecture',
              '        ++  "-" ++ showSystem triple.system',
              "        ++  merge",
              '              { None = "", Some = \\(abi : Text) -> "-${abi}" }',
              "              triple.abi"]
    flags = [f"{flag} : {{ name : Text, value : Optional Text }}" for flag in FLAGS]
    lines += ["let Flag =", "      < " + "\n      | ".join(flags) + "\n      >",
              "let Named = { name : Text, value : Optional Text }",
              "let showNamed =", "      \\(prefix : Text) ->", "      \\(named : Named) ->",
              "        merge", "          { None = prefix ++ named.name",
              '          , Some = \\(value : Text) -> "${prefix}${named.name}=${value}"',
              "          }", "          named.value",
              "let showFlag =", "      \\(flag : Flag) ->", "        merge"]
    cases = [f'{flag} = showNamed "-{flag[0]}"' for flag in FLAGS]
    lines += ["          { " + "\n          , ".join(cases) + "\n          }", "          flag"]
    lines += ["let map =", "      \\(a : Type) ->", "      \\(b : Type) ->",
              "      \\(f : a -> b) ->", "      \\(xs : List a) ->", "        List/build b",
              "          ( \\(list : Type) ->", "            \\(cons : b -> list -> list) ->",
              "              List/fold a xs list (\\(x : a) -> cons (f x))", "          )",
              "let join =", "      \\(texts : List Text) ->",
              "        List/fold Text texts Text",
              '          (\\(text : Text) -> \\(so : Text) -> text ++ " " ++ so)', '          ""']
    for index in range(12):
        lines += [f"{{- What options of kind {index} say, and what they are if nothing is said. -}}",
                  f"let Options{index} =", "      { Type =", f"          {{ level{index} : Natural",
                  f"          , names{index} : List Text", f"          , flags{index} : List Flag",
                  f"          , triple{index} : Optional Triple", "          }", "      , default =",
                  f"        {{ level{index} = {index}", f"        , names{index} = [] : List Text",
                  f"        , flags{index} = [] : List Flag",
                  f"        , triple{index} = None Triple", "        }", "      }",
                  f"let render{index} =", f"      \\(options : Options{index}.Type) ->",
                  f"            Natural/show options.level{index}",
                  f"        ++  join options.names{index}",
                  f"        ++  join (map Flag Text showFlag options.flags{index})"]
    options = [f"options{index} : Options{index}.Type" for index in range(12)]
    defaults = [f"options{index} = Options{index}::{{=}}" for index in range(12)]
    rendered = [f"render{index} target.options{index}" for index in range(12)]
    lines += ["let Target =", "      { Type =", "          { name : Text", "          , role : Role",
              "          , sources : List Text", "          , dependencies : List Text",
              "          , " + "\n          , ".join(options), "          }", "      , default =",
              "        { role = Role.Library", "        , sources = [] : List Text",
              "        , dependencies = [] : List Text",
              "        , " + "\n        , ".join(defaults), "        }", "      }",
              "let rule =", "      \\(target : Target.Type) ->", "        { name = target.name",
              "        , role = showRole target.role",
              "        , sources = map Text Text (\\(s : Text) -> \"src/${s}\") target.sources",
              "        , dependencies = target.dependencies",
              "        , command =", "            join", "              [ "
              + "\n              , ".join(rendered), "              ]", "        }"]
    exported = ["Architecture", "System", "Role", "Triple", "showTriple", "Flag", "Target", "rule",
                *[f"Options{index}" for index in range(12)]]
    lines += ["in  { " + "\n    , ".join(exported), "    }", ""]
    return "\n".join(lines)


def build_file(pin):
    """Returns a file of 10 targets."""
    targets = []
    for index in range(10):
        targets.append(f"""lib.rule
          lib.Target::{{
          , name = "target{index}"
          , role = lib.Role.{ROLES[index % len(ROLES)]}
          , sources = [ "a{index}.c", "b{index}.c", "c{index}.c" ]
          , dependencies = [ "//lib:target{index + 1}" ]
          , options{index} =
              lib.Options{index}::{{
              , names{index} = [ "first", "second" ]
              , flags{index} =
                [ lib.Flag.{FLAGS[index % len(FLAGS)]} {{ name = "X", value = Some "{index}" }} ]
              }}
          }}""")
    return f"let lib = ./library.dhall {pin}\nin  [ " + "\n    , ".join(targets) + "\n    ]\n"


def records(count):
    record = '{{ name = "record{0}", value = {0}, tags = [ "a", "b{0}" ], on = True }}'
    return "[ " + "\n, ".join(record.format(index) for index in range(count)) + "\n]\n"


def lets(count):
    lines = ["let x0 = 0"] + [f"let x{at + 1} = x{at} + {at}" for at in range(count)]
    return "\n".join(lines) + f"\nin  x{count}\n"


def fold(count):
    return f"""Natural/fold {count} (List Natural)
  (\\(so : List Natural) -> [ List/length Natural so ] # so)
  ([] : List Natural)
"""


def write(folder, pin):
    """Writes every program below `folder`. `pin` returns the hash of a file, as it is written
    behind an import."""
    (folder / "build").mkdir()
    (folder / "build/library.dhall").write_text(typed_library())
    (folder / "build/main.dhall").write_text(build_file(pin(folder / "build/library.dhall")))
    dhall_library.write(folder / "prelude")
    program = "let library = ./package.dhall {}" + dhall_library.PROGRAM
    (folder / "prelude/main.dhall").write_text(program.replace("{}", "", 1))
    pinned = program.replace("{}", pin(folder / "prelude/package.dhall"), 1)
    (folder / "prelude/pinned.dhall").write_text(pinned)
    for part in [4, 2, 1, 0.5]:
        (folder / f"records{part}.dhall").write_text(records(int(20_000 / part)))
        (folder / f"lets{part}.dhall").write_text(lets(int(2_000 / part)))
    (folder / "fold.dhall").write_text(fold(100_000))
    (folder / "nothing.dhall").write_text("0\n")
