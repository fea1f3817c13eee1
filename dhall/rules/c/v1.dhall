{-
C libraries, programs and tests.

Headers of a library are seen by those who depend on it, and by nobody else:
a file that is not listed is not there when the compiler runs. `#include "…"`
finds a header by its path in the repository, too. Object files are named after
their sources, `<path>.o`; C++ and assembly (`.s`; `.S` is preprocessed, and may
include headers) are told by the ends of their names. A source is compiled again
when a file changes that its compiler read; what an assembler reads by `.incbin`
it does not say.

A target is built with the first of `toolchain` and `crossing` that makes programs
for the machine that is asked for.
-}
let Dice = ../../dice/v1.dhall

let Targets = ../../targets/v1.dhall

let Toolchains = ../../toolchains/v1.dhall

let Piece = Dice.Piece

let Argument = Dice.Argument

let Source = Dice.Source

let Flag = Toolchains.Flag

let Triples = List Targets.Triple

let Sources =
      {- What all C rules take. `srcs`, `hdrs`: files of the package.
         `generated_srcs`, `generated_hdrs`: made by other targets, or pinned.
         `private_hdrs`: headers that dependents do not see. `includes`:
         folders of the package that `#include` searches, here and in
         dependents; "" is the package itself. `defines` are seen here and in
         dependents, `flags` here only. `libraries`: of the system,
         named as after `-l`. `crossing`: toolchains for other machines.
      -}
      { name : Text
      , toolchain : Toolchains.Toolchain
      , crossing : List Toolchains.Toolchain
      , srcs : List Text
      , generated_srcs : List Source
      , hdrs : List Text
      , generated_hdrs : List Source
      , private_hdrs : List Text
      , includes : List Text
      , defines : List { name : Text, value : Optional Text }
      , deps : List Text
      , flags : List Flag
      , libraries : List Text
      , platforms : Triples
      }

let defaults =
      { crossing = [] : List Toolchains.Toolchain
      , srcs = [] : List Text
      , generated_srcs = [] : List Source
      , hdrs = [] : List Text
      , generated_hdrs = [] : List Source
      , private_hdrs = [] : List Text
      , includes = [ "" ]
      , defines = [] : List { name : Text, value : Optional Text }
      , deps = [] : List Text
      , flags = [] : List Flag
      , libraries = [] : List Text
      , platforms = [] : Triples
      }

let Library = { Type = Sources, default = defaults }

let Binary = { Type = Sources, default = defaults }

let Test =
      {- A program that passes when it exits with 0. `args` are its arguments,
         `data` the files that it may read.
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

let concat_map =
      λ(a : Type) →
      λ(b : Type) →
      λ(f : a → List b) →
      λ(list : List a) →
        List/fold
          a
          list
          (List b)
          (λ(x : a) → λ(rest : List b) → f x # rest)
          ([] : List b)

let files = map Text Source Source.File

let literals = map Text Argument Dice.literal

let Unit =
      {- One file to compile: its source, and the name of its object file. -}
      { source : Source, object : Text }

let units =
      λ(self : Sources) →
          map
            Text
            Unit
            ( λ(path : Text) →
                { source = Source.File path, object = "${path}.o" }
            )
            self.srcs
        # concat_map
            Source
            Unit
            ( λ(source : Source) →
                merge
                  { File = λ(path : Text) → [ { source, object = "${path}.o" } ]
                  , Output =
                      λ(output : { target : Text, output : Text }) →
                        [ { source, object = "${output.output}.o" } ]
                  , Pinned =
                      λ ( pinned
                        : { path : Text
                          , sha256 : Text
                          , size : Natural
                          , urls : List Text
                          }
                        ) →
                        [ { source, object = "${pinned.path}.o" } ]
                  }
                  source
            )
            self.generated_srcs

let include_items
    : Sources → List (List Piece)
    = {- Folders that `#include` searches for this target's headers. -}
      λ(self : Sources) →
        let item =
              λ(folder : Dice.Folder) →
                [ Piece.Literal "-I", Piece.Folder folder ]

        in    map
                Text
                (List Piece)
                (λ(path : Text) → item (Dice.Folder.Package path))
                self.includes
            # concat_map
                Source
                (List Piece)
                ( λ(source : Source) →
                    merge
                      { File = λ(_ : Text) → [] : List (List Piece)
                      , Output =
                          λ(output : { target : Text, output : Text }) →
                            [ item (Dice.Folder.Outputs output.target) ]
                      , Pinned =
                          λ ( _
                            : { path : Text
                              , sha256 : Text
                              , size : Natural
                              , urls : List Text
                              }
                            ) →
                            [ item (Dice.Folder.Outputs ":${self.name}") ]
                      }
                      source
                )
                self.generated_hdrs

let define_items =
      λ(self : Sources) →
        map
          { name : Text, value : Optional Text }
          (List Piece)
          ( λ(define : { name : Text, value : Optional Text }) →
              [ Piece.Literal
                  ( merge
                      { None = "-D${define.name}"
                      , Some = λ(value : Text) → "-D${define.name}=${value}"
                      }
                      define.value
                  )
              ]
          )
          self.defines

let compiler =
      {- Where the compiler and its archiver are, inside their tree. -}
      λ(toolchain : Toolchains.Toolchain) →
        Toolchains.c_compiler toolchain.compiler

let rendered_flags =
      {- The mode's defaults come first: on a command line the last one wins. -}
      λ(self : Sources) →
      λ(mode : Dice.Mode) →
        let own =
              Toolchains.c_flags
                self.toolchain
                (Toolchains.compose self.toolchain self.flags)

        let defaults =
              merge
                { debug =
                  { compile = [ "-O0", "-g", "-ffile-prefix-map=/build=." ]
                  , link = [ "-g" ]
                  }
                , release = { compile = [ "-O2" ], link = [] : List Text }
                }
                mode

        in  { compile = defaults.compile # own.compile
            , link = defaults.link # own.link
            }

let include_set =
      {- Every folder and header that dependencies hand on. -}
      { set = "c.include"
      , reach = Dice.Reach.Transitive
      , order = Dice.Order.Preorder
      }

let compile_actions =
      λ(self : Sources) →
      λ(configuration : Dice.Configuration) →
        let c = compiler self.toolchain

        let arguments =
                [ Dice.literal c.cc ]
              # literals (rendered_flags self configuration.mode).compile
              # map
                  (List Piece)
                  Argument
                  Argument.Pieces
                  (include_items self # define_items self)
              # [ Argument.Each { of = include_set, prefix = "" }
                , Argument.Pieces
                    [ Piece.Literal "-iquote", Piece.Folder Dice.Folder.Root ]
                ]

        let headers =
              files (self.hdrs # self.private_hdrs) # self.generated_hdrs

        in  map
              Unit
              Dice.Action.Type
              ( λ(unit : Unit) →
                  Dice.Action::{
                  , category = "c_compile"
                  , identifier = unit.object
                  , root = Some c.artifact
                  , arguments =
                        arguments
                      # [ Dice.literal "-c"
                        , Argument.Pieces [ Piece.Source unit.source ]
                        , Dice.literal "-o"
                        , Argument.Pieces [ Piece.Out unit.object ]
                        , Dice.literal "-MD"
                        , Dice.literal "-MF"
                        , Argument.Pieces [ Piece.Out "${unit.object}.d" ]
                        ]
                  , inputs = headers
                  , outputs = [ Dice.Output.File unit.object ]
                  , dep_file = Some "${unit.object}.d"
                  , compiles = Some unit.source
                  }
              )
              (units self)

let objects =
      λ(self : Sources) →
        map
          Unit
          Argument
          (λ(unit : Unit) → Argument.Pieces [ Piece.Out unit.object ])
          (units self)

let warnings =
      λ(self : Sources) →
        map
          Text
          Text
          (λ(flag : Text) → "untyped flag `${flag}`")
          (Toolchains.raw_flags (self.toolchain.flags # self.flags))

let target =
      {- What the three rules have in common. -}
      λ(self : Sources) →
        Dice.Target::{
        , name = self.name
        , kind = ""
        , deps = self.deps
        , warnings = warnings self
        , problems = Toolchains.validate self.toolchain self.flags
        }

let built
    : Sources →
      Dice.Configuration →
      (Toolchains.Toolchain → Dice.Target.Type) →
        Dice.Target.Type
    = {- The target with its first toolchain that fits. What is bound by a fold is
         once in the normal form, however often it is used.
      -}
      λ(self : Sources) →
      λ(configuration : Dice.Configuration) →
      λ(make : Toolchains.Toolchain → Dice.Target.Type) →
        let asked = Targets.show_triple configuration.target

        let made = Targets.show_triple self.toolchain.target

        in  List/fold
              Toolchains.Toolchain
              ([ self.toolchain ] # self.crossing)
              Dice.Target.Type
              ( λ(toolchain : Toolchains.Toolchain) →
                λ(rest : Dice.Target.Type) →
                  if    Targets.equal toolchain.target configuration.target
                  then  make toolchain
                  else  rest
              )
              Dice.Target::{
              , name = self.name
              , kind = ""
              , deps = self.deps
              , problems =
                [ "no toolchain of it makes programs for `${asked}`: `toolchain` makes them for `${made}`; list another one in `crossing`"
                ]
              }

let library
    : Library.Type → Dice.Rule
    = λ(rule : Library.Type) →
        { name = rule.name
        , platforms = rule.platforms
        , build =
            λ(configuration : Dice.Configuration) →
              built
                rule
                configuration
                ( λ(toolchain : Toolchains.Toolchain) →
                    let self = rule ⫽ { toolchain }

                    let c = compiler toolchain

                    let archive = "lib${self.name}.a"

                    in    target self
                        ⫽ { kind = "c_library"
                          , actions =
                                compile_actions self configuration
                              # [ Dice.Action::{
                                  , category = "c_archive"
                                  , identifier = archive
                                  , root = Some c.artifact
                                  , arguments =
                                        [ Dice.literal c.ar
                                        , Dice.literal "rcsD"
                                        , Argument.Pieces [ Piece.Out archive ]
                                        ]
                                      # objects self
                                  , outputs = [ Dice.Output.File archive ]
                                  }
                                ]
                          , outputs = [ { name = archive, path = archive } ]
                          , sets =
                            [ { set = "c.include"
                              , items = include_items self # define_items self
                              , inputs = files self.hdrs # self.generated_hdrs
                              }
                            , { set = "c.archive"
                              , items = [ [ Piece.Out archive ] ]
                              , inputs = [] : List Source
                              }
                            , { set = "c.library"
                              , items =
                                  map
                                    Text
                                    (List Piece)
                                    ( λ(name : Text) →
                                        [ Piece.Literal "-l${name}" ]
                                    )
                                    self.libraries
                              , inputs = [] : List Source
                              }
                            ]
                          }
                )
        }

let program =
      {- Compiles and links; shared by `binary` and `test`. -}
      λ(self : Sources) →
      λ(configuration : Dice.Configuration) →
        let c = compiler self.toolchain

        let linked =
              λ(set : Text) →
                Argument.Each
                  { of =
                    { set
                    , reach = Dice.Reach.Transitive
                    , order = Dice.Order.Topological
                    }
                  , prefix = ""
                  }

        in    target self
            ⫽ { actions =
                    compile_actions self configuration
                  # [ Dice.Action::{
                      , category = "c_link"
                      , identifier = self.name
                      , root = Some c.artifact
                      , arguments =
                            [ Dice.literal c.cc ]
                          # literals
                              (rendered_flags self configuration.mode).link
                          # [ Dice.literal "-o"
                            , Argument.Pieces [ Piece.Out self.name ]
                            ]
                          # objects self
                          # [ linked "c.archive" ]
                          # literals
                              ( map
                                  Text
                                  Text
                                  (λ(name : Text) → "-l${name}")
                                  self.libraries
                              )
                          # [ linked "c.library" ]
                      , outputs = [ Dice.Output.File self.name ]
                      }
                    ]
              , outputs = [ { name = self.name, path = self.name } ]
              }

let executable = λ(self : Sources) → Argument.Pieces [ Piece.Out self.name ]

let binary
    : Binary.Type → Dice.Rule
    = λ(self : Binary.Type) →
        { name = self.name
        , platforms = self.platforms
        , build =
            λ(configuration : Dice.Configuration) →
              built
                self
                configuration
                ( λ(toolchain : Toolchains.Toolchain) →
                      program (self ⫽ { toolchain }) configuration
                    ⫽ { kind = "c_binary"
                      , run = Some { arguments = [ executable self ] }
                      }
                )
        }

let test
    : Test.Type → Dice.Rule
    = λ(self : Test.Type) →
        let sources = self.(Sources)

        in  { name = self.name
            , platforms = self.platforms
            , build =
                λ(configuration : Dice.Configuration) →
                  built
                    sources
                    configuration
                    ( λ(toolchain : Toolchains.Toolchain) →
                          program (sources ⫽ { toolchain }) configuration
                        ⫽ { kind = "c_test"
                          , run = Some
                            { arguments = [ executable sources ] # self.args }
                          , data = self.data
                          , test = Some Dice.Test::{
                            , arguments = [ executable sources ] # self.args
                            , root = Some (compiler toolchain).artifact
                            , timeout_seconds = self.timeout_seconds
                            }
                          }
                    )
            }

in  { Library
    , Binary
    , Test
    , Flag
    , OptLevel = Toolchains.OptLevel
    , LTOMode = Toolchains.LTOMode
    , DebugInfo = Toolchains.DebugInfo
    , Codegen = Toolchains.Codegen
    , Link = Toolchains.Link
    , Std = Toolchains.Std
    , Warn = Toolchains.Warn
    , library
    , binary
    , test
    }
