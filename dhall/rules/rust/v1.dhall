{-
Rust libraries, programs, procedural macros and tests.

A target is one crate. The first of its sources is the crate's root, unless
another is named. Crates that it names in `deps` are `extern` under their own
names; what those depend on is found, and not seen. C libraries among `deps`
are linked.
-}
let Dice = ../../dice/v1.dhall

let Targets = ../../targets/v1.dhall

let Toolchains = ../../toolchains/v1.dhall

let Piece = Dice.Piece

let Argument = Dice.Argument

let Source = Dice.Source

let Flag = Toolchains.Flag

let Edition = < E2015 | E2018 | E2021 | E2024 >

let Sources =
      {- What all Rust rules take. `name` is the target's, `crate` the crate's
         if it is another. `srcs`: files of the package; `generated_srcs`: made
         by other targets, or pinned. `crate_root`: the crate's root, if it is not
         the first of `srcs`, such as a file of an unpacked archive. `version` distinguishes crates of one
         name. `cfgs`: what `cfg` sees besides features, such as what a build
         script would say. `aliases`: dependencies that the crate knows by other
         names; they are among `deps` as well. `env`: what `env!` sees. `flags` are for this crate
         only. `cap_lints`: nothing is said about code that others wrote.
      -}
      { name : Text
      , crate : Optional Text
      , version : Text
      , toolchain : Toolchains.Toolchain
      , edition : Edition
      , srcs : List Text
      , generated_srcs : List Source
      , crate_root : Optional Source
      , features : List Text
      , cfgs : List Text
      , cap_lints : Bool
      , deps : List Text
      , aliases : List { name : Text, crate : Source }
      , flags : List Flag
      , env : Dice.Environment
      , platforms : List Targets.Triple
      }

let defaults =
      { crate = None Text
      , version = "0.0.0"
      , edition = Edition.E2024
      , generated_srcs = [] : List Source
      , crate_root = None Source
      , features = [] : List Text
      , cfgs = [] : List Text
      , cap_lints = False
      , deps = [] : List Text
      , aliases = [] : List { name : Text, crate : Source }
      , flags = [] : List Flag
      , env = [] : Dice.Environment
      , platforms = [] : List Targets.Triple
      }

let Library = { Type = Sources, default = defaults }

let Binary = { Type = Sources, default = defaults }

let ProcMacro = { Type = Sources, default = defaults }

let Test =
      {- The `#[test]` functions of a crate. `args` are arguments of the test
         program, `data` the files that it may read.
      -}
      { Type =
            Sources
          ⩓ { args : List Argument
            , data : List Source
            , timeout_seconds : Natural
            }
      , default =
            defaults
          ∧ { args = [] : List Argument
            , data = [] : List Source
            , timeout_seconds = 300
            }
      }

let map =
      λ(a : Type) →
      λ(b : Type) →
      λ(f : a → b) →
      λ(list : List a) →
        List/build
          b
          ( λ(result : Type) →
            λ(cons : b → result → result) →
            λ(nil : result) →
              List/fold a list result (λ(x : a) → cons (f x)) nil
          )

let literals = map Text Argument Dice.literal

let show_edition =
      λ(edition : Edition) →
        merge
          { E2015 = "2015", E2018 = "2018", E2021 = "2021", E2024 = "2024" }
          edition

let crate_name =
      {- Identifiers have no `-`. -}
      λ(self : Sources) →
        Text/replace
          "-"
          "_"
          ( merge
              { None = self.name, Some = λ(crate : Text) → crate }
              self.crate
          )

let root_of
    : Sources → Optional Source
    = λ(self : Sources) →
        merge
          { None =
              merge
                { None = None Source
                , Some = λ(first : Text) → Some (Source.File first)
                }
                (List/head Text self.srcs)
          , Some = λ(root : Source) → Some root
          }
          self.crate_root

let Dependency =
      {- A dependency's outputs, as sets hand them on. -}
      λ(set : Text) →
      λ(reach : Dice.Reach) →
      λ(order : Dice.Order) →
      λ(prefix : Text) →
        Argument.Each { of = { set, reach, order }, prefix }

let Makes =
      {- What rustc makes. A library is compiled as soon as there is the metadata
         of the crates that it names, which is long before their code; whatever
         is linked needs the code.
      -}
      < Library | Linked >

let dependencies =
      λ(makes : Makes) →
        let of =
              merge
                { Library =
                  { extern = "rust.extern.metadata"
                  , search = "rust.search.metadata"
                  }
                , Linked = { extern = "rust.extern", search = "rust.search" }
                }
                makes

        in  [ Dependency
                of.extern
                Dice.Reach.Direct
                Dice.Order.Preorder
                "--extern="
            , Dependency
                of.search
                Dice.Reach.Transitive
                Dice.Order.Preorder
                "-Ldependency="
            ]

let linked =
      {- What other languages hand on to a linker. -}
      [ Dependency
          "c.archive"
          Dice.Reach.Transitive
          Dice.Order.Topological
          "-Clink-arg="
      , Dependency
          "c.library"
          Dice.Reach.Transitive
          Dice.Order.Topological
          "-Clink-arg="
      ]

let problems =
      λ(self : Sources) →
      λ(configuration : Dice.Configuration) →
        let made = Targets.show_triple self.toolchain.target

        let asked = Targets.show_triple configuration.target

        in    Toolchains.validate self.toolchain self.flags
            # merge
                { None =
                  [ "it has no sources: the first of `srcs` is the root of the crate, or `crate_root` names it"
                  ]
                , Some = λ(_ : Source) → [] : List Text
                }
                (root_of self)
            # merge
                { None =
                  [ "its toolchain has no Rust compiler: `git straylight toolchain capture rustc` makes one"
                  ]
                , Some = λ(_ : Toolchains.Rust) → [] : List Text
                }
                (Toolchains.rust_compiler self.toolchain.compiler)
            # ( if    Targets.equal self.toolchain.target configuration.target
                then  [] : List Text
                else  [ "its toolchain makes programs for `${made}`, and not for `${asked}`"
                      ]
              )

let warnings =
      λ(self : Sources) →
        map
          Text
          Text
          (λ(flag : Text) → "untyped flag `${flag}`")
          (Toolchains.raw_flags (self.toolchain.flags # self.flags))

let all_cfgs =
      λ(self : Sources) →
          map
            Text
            Text
            (λ(feature : Text) → "feature=${Text/show feature}")
            self.features
        # self.cfgs

let metadata = λ(self : Sources) → "lib${crate_name self}.rmeta"

let compile =
      {- One run of rustc: what it makes, and its arguments for that. -}
      λ(self : Sources) →
      λ(mode : Dice.Mode) →
      λ(rust : Toolchains.Rust) →
      λ(makes : Makes) →
      λ(output : Text) →
      λ(own : List Argument) →
        Dice.Action::{
        , category = "rustc"
        , identifier = output
        , root = Some rust.artifact
        , arguments =
              [ Dice.literal rust.rustc
              , Dice.literal "--crate-name=${crate_name self}"
              , Dice.literal "--edition=${show_edition self.edition}"
              , Dice.literal "-Clinker=${rust.c.cc}"
              , Dice.literal "-Cmetadata=${self.name}-${self.version}"
              ]
            # literals
                ( merge
                    { debug =
                      [ "-Cdebuginfo=2", "--remap-path-prefix=/build=." ]
                    , release = [ "-Copt-level=3", "-Cdebug-assertions=no" ]
                    }
                    mode
                )
            # literals
                (map Text Text (λ(cfg : Text) → "--cfg=${cfg}") (all_cfgs self))
            # literals
                ( if    self.cap_lints
                  then  [ "--cap-lints=allow" ]
                  else  [] : List Text
                )
            # literals
                ( Toolchains.rustc_flags
                    (Toolchains.compose self.toolchain self.flags)
                )
            # own
            # dependencies makes
            # map
                { name : Text, crate : Source }
                Argument
                ( λ(alias : { name : Text, crate : Source }) →
                    Argument.Pieces
                      [ Piece.Literal "--extern=${alias.name}="
                      , Piece.Source alias.crate
                      ]
                )
                self.aliases
            # merge
                { None = [] : List Argument
                , Some =
                    λ(root : Source) → [ Argument.Pieces [ Piece.Source root ] ]
                }
                (root_of self)
            # merge
                { Library =
                  [ Dice.literal "--emit=metadata,link"
                  , Argument.Pieces
                      [ Piece.Literal "--out-dir="
                      , Piece.Folder (Dice.Folder.Outputs ":${self.name}")
                      ]
                  ]
                , Linked =
                  [ Dice.literal "-o", Argument.Pieces [ Piece.Out output ] ]
                }
                makes
        , inputs = map Text Source Source.File self.srcs # self.generated_srcs
        , env = self.env
        , outputs =
              [ Dice.Output.File output ]
            # merge
                { Library = [ Dice.Output.Early (metadata self) ]
                , Linked = [] : List Dice.Output
                }
                makes
        }

let target =
      {- What the rules have in common. -}
      λ(self : Sources) →
      λ(kind : Text) →
      λ(configuration : Dice.Configuration) →
      λ(makes : Makes) →
      λ(output : Text) →
      λ(own : List Argument) →
        Dice.Target::{
        , name = self.name
        , kind
        , deps = self.deps
        , actions =
            merge
              { None = [] : List Dice.Action.Type
              , Some =
                  λ(rust : Toolchains.Rust) →
                    [ compile self configuration.mode rust makes output own ]
              }
              (Toolchains.rust_compiler self.toolchain.compiler)
        , outputs = [ { name = output, path = output } ]
        , crate =
            merge
              { None = None Dice.Crate.Type
              , Some =
                  λ(root : Source) →
                    Some
                      Dice.Crate::{
                      , name = crate_name self
                      , root
                      , edition = show_edition self.edition
                      , cfg = all_cfgs self
                      , env = self.env
                      , aliases = self.aliases
                      , vendored = self.cap_lints
                      }
              }
              (root_of self)
        , warnings = warnings self
        , problems = problems self configuration
        }

let handed_on =
      {- How dependents find a crate, and those that it is made of: for a linker,
         and for a compiler, which reads `early`.
      -}
      λ(self : Sources) →
      λ(output : Text) →
      λ(early : Text) →
        let extern =
              λ(set : Text) →
              λ(output : Text) →
                { set
                , items =
                  [ [ Piece.Literal "${crate_name self}=", Piece.Out output ] ]
                , inputs = [] : List Source
                }

        let search =
              λ(set : Text) →
              λ(output : Text) →
                { set
                , items =
                  [ [ Piece.Folder (Dice.Folder.Outputs ":${self.name}") ] ]
                , inputs =
                  [ Source.Output { target = ":${self.name}", output } ]
                }

        in  [ extern "rust.extern" output
            , extern "rust.extern.metadata" early
            , search "rust.search" output
            , search "rust.search.metadata" early
            ]

let library
    : Library.Type → Dice.Rule
    = λ(self : Library.Type) →
        { name = self.name
        , platforms = self.platforms
        , build =
            λ(configuration : Dice.Configuration) →
              let output = "lib${crate_name self}.rlib"

              in    target
                      self
                      "rust_library"
                      configuration
                      Makes.Library
                      output
                      [ Dice.literal "--crate-type=rlib" ]
                  ⫽ { sets = handed_on self output (metadata self) }
        }

let proc_macro
    : ProcMacro.Type → Dice.Rule
    = {- Dependents load it into their compiler. -}
      λ(self : ProcMacro.Type) →
        { name = self.name
        , platforms = self.platforms
        , build =
            λ(configuration : Dice.Configuration) →
              let output = "lib${crate_name self}.so"

              let made =
                    target
                      self
                      "rust_proc_macro"
                      configuration
                      Makes.Linked
                      output
                      ( literals
                          [ "--crate-type=proc-macro", "--extern=proc_macro" ]
                      )

              in    made
                  ⫽ { sets = handed_on self output output
                    , crate =
                        merge
                          { None = None Dice.Crate.Type
                          , Some =
                              λ(crate : Dice.Crate.Type) →
                                Some (crate ⫽ { proc_macro = Some output })
                          }
                          made.crate
                    }
        }

let root =
      {- The tree in which programs run that a toolchain makes, such as build
         scripts.
      -}
      λ(toolchain : Toolchains.Toolchain) →
        merge
          { None = None Dice.Artifact
          , Some = λ(rust : Toolchains.Rust) → Some rust.artifact
          }
          (Toolchains.rust_compiler toolchain.compiler)

let executable = λ(self : Sources) → Argument.Pieces [ Piece.Out self.name ]

let binary
    : Binary.Type → Dice.Rule
    = λ(self : Binary.Type) →
        { name = self.name
        , platforms = self.platforms
        , build =
            λ(configuration : Dice.Configuration) →
                target
                  self
                  "rust_binary"
                  configuration
                  Makes.Linked
                  self.name
                  ([ Dice.literal "--crate-type=bin" ] # linked)
              ⫽ { run = Some { arguments = [ executable self ] } }
        }

let test
    : Test.Type → Dice.Rule
    = λ(self : Test.Type) →
        let sources = self.(Sources)

        in  { name = self.name
            , platforms = self.platforms
            , build =
                λ(configuration : Dice.Configuration) →
                    target
                      sources
                      "rust_test"
                      configuration
                      Makes.Linked
                      self.name
                      ([ Dice.literal "--test" ] # linked)
                  ⫽ { run = Some
                      { arguments = [ executable sources ] # self.args }
                    , data = self.data
                    , test = Some Dice.Test::{
                      , arguments = [ executable sources ] # self.args
                      , root = root self.toolchain
                      , timeout_seconds = self.timeout_seconds
                      }
                    }
            }

in  { Edition
    , Library
    , Binary
    , ProcMacro
    , Test
    , Flag
    , OptLevel = Toolchains.OptLevel
    , LTOMode = Toolchains.LTOMode
    , DebugInfo = Toolchains.DebugInfo
    , Codegen = Toolchains.Codegen
    , Link = Toolchains.Link
    , Warn = Toolchains.Warn
    , root
    , library
    , binary
    , proc_macro
    , test
    }
