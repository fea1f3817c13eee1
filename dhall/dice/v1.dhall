{-
The contract between rules and the engine.

A `BUILD.dhall` is a record of `Rule`s. A rule is a function from a
configuration to a `Target`: data that the engine can finish. Rules say what
to run and on what; they never compute paths of the machine.

Paths in a target are relative to the folder of its package. A dependency is a
label: `//folder:name`, `//folder`, or `:name` in the same package.
-}
let Targets = ../targets/v1.dhall

let Coeffects = ../coeffects/v1.dhall

let Coeffect = Coeffects.Coeffect

let Artifact =
      {- A tree of files in the store: the sha256 and the size in bytes of its
         root directory node.
      -}
      { sha256 : Text, size : Natural }

let Source =
      {- Bytes that an action reads.
         `File`: a file of the repository. `Output`: made by another target.
         `Pinned`: bytes by hash; `path` is where the action sees them, below
         `out/<package>/<target>/`.
      -}
      < File : Text
      | Output : { target : Text, output : Text }
      | Pinned :
          { path : Text, sha256 : Text, size : Natural, urls : List Text }
      >

let Folder =
      {- A folder as an action sees it.
         `Package`: below this package's sources ("" is the package itself).
         `Root`: the root of the repository. `Outputs`: where the outputs of
         a target lie.
      -}
      < Package : Text | Root | Outputs : Text >

let Reach =
      {- What a reader of a set sees: what its dependencies give themselves,
         or also what those inherit.
      -}
      < Direct | Transitive >

let Order =
      {- Of a transitive set. `Postorder`: dependencies first. `Preorder`:
         dependents first. `Topological`: every dependent before each of its
         dependencies, as linkers want archives.
      -}
      < Postorder | Preorder | Topological >

let SetRef =
      {- A named set, as the dependencies of the reading target give it; what
         the target itself contributes is for its dependents only.
      -}
      { set : Text, reach : Reach, order : Order }

let Piece =
      {- A part of one argument.
         `Source`: the path of an input. `Out`: the path of one of this
         target's outputs; it is an output of the action that declares it, and
         an input of every other. `Tool`: the program that another target's
         `run` names, built for the host.
      -}
      < Literal : Text
      | Source : Source
      | Folder : Folder
      | Out : Text
      | Tool : Text
      >

let Argument =
      {- `Pieces`: one argument, its pieces joined. `Each`: one argument for
         every item of a set, after `prefix`. `FromFile`: one argument for each
         line of a file that another action made.
      -}
      < Pieces : List Piece
      | Each : { of : SetRef, prefix : Text }
      | FromFile : Source
      >

let Output =
      {- Made by an action, below `out/<package>/<target>/`. `Early`: a file
         that is made elsewhere and moved to its path, as compilers do: others
         read it before the action ends.
      -}
      < File : Text | Folder : Text | Early : Text >

let Contribution =
      {- What a target hands on to those who depend on it: items for their
         command lines, and the inputs that come with them.
      -}
      { set : Text, items : List (List Piece), inputs : List Source }

let Environment = List { mapKey : Text, mapValue : Text }

let Action =
      {- `env_files`: each line is a `NAME=value` of the environment; `env` has
         the last word. `dep_file`: where the compiler lists what it read.
         `compiles`: the source that an editor shows as this command does.
      -}
      { Type =
          { category : Text
          , identifier : Text
          , root : Optional Artifact
          , arguments : List Argument
          , inputs : List Source
          , outputs : List Output
          , env : Environment
          , env_files : List Source
          , dep_file : Optional Text
          , requires : List Coeffect
          , timeout_seconds : Optional Natural
          , compiles : Optional Source
          }
      , default =
        { identifier = ""
        , root = None Artifact
        , inputs = [] : List Source
        , env = [] : Environment
        , env_files = [] : List Source
        , dep_file = None Text
        , requires = [] : List Coeffect
        , timeout_seconds = None Natural
        , compiles = None Source
        }
      }

let Run =
      {- How to run a target's program. -}
      { arguments : List Argument }

let Test =
      {- A run whose exit status is the result. `data` are files it reads. -}
      { Type =
          { arguments : List Argument
          , root : Optional Artifact
          , env : Environment
          , timeout_seconds : Natural
          }
      , default =
        { root = None Artifact, env = [] : Environment, timeout_seconds = 300 }
      }

let Crate =
      {- What an editor knows of a Rust crate. `root`: its first source. It names
         those of the target's `deps` that are crates. `proc_macro`: the output
         that compilers load. `aliases`: the crates that it knows by other names.
         `vendored`: others wrote it, and it is not checked.
      -}
      { Type =
          { name : Text
          , root : Source
          , edition : Text
          , cfg : List Text
          , env : Environment
          , proc_macro : Optional Text
          , aliases : List { name : Text, crate : Source }
          , vendored : Bool
          }
      , default =
        { cfg = [] : List Text
        , env = [] : Environment
        , proc_macro = None Text
        , aliases = [] : List { name : Text, crate : Source }
        , vendored = False
        }
      }

let Target =
      {- What a rule says in one configuration. `outputs` names those that
         people ask for. `problems`, if any, are shown and nothing is built.
      -}
      { Type =
          { name : Text
          , kind : Text
          , deps : List Text
          , actions : List Action.Type
          , outputs : List { name : Text, path : Text }
          , sets : List Contribution
          , data : List Source
          , run : Optional Run
          , test : Optional Test.Type
          , crate : Optional Crate.Type
          , warnings : List Text
          , problems : List Text
          }
      , default =
        { deps = [] : List Text
        , actions = [] : List Action.Type
        , outputs = [] : List { name : Text, path : Text }
        , sets = [] : List Contribution
        , data = [] : List Source
        , run = None Run
        , test = None Test.Type
        , crate = None Crate.Type
        , warnings = [] : List Text
        , problems = [] : List Text
        }
      }

let Mode = < debug | release >

let Configuration =
      {- What a target is built for, and where. -}
      { host : Targets.Triple, target : Targets.Triple, mode : Mode }

let Rule =
      {- `platforms`: what `//x` builds for; none is the host. -}
      { name : Text
      , platforms : List Targets.Triple
      , build : Configuration → Target.Type
      }

let dep
    : Rule → Text
    = {- A dependency by value, beside labels as text. -}
      λ(rule : Rule) → ":${rule.name}"

let literal
    : Text → Argument
    = {- An argument that is this text. -}
      λ(text : Text) → Argument.Pieces [ Piece.Literal text ]

in  { Artifact
    , Source
    , Folder
    , Reach
    , Order
    , SetRef
    , Piece
    , Argument
    , Output
    , Contribution
    , Environment
    , Coeffect
    , Action
    , Run
    , Test
    , Crate
    , Target
    , Mode
    , Configuration
    , Rule
    , dep
    , literal
    }
