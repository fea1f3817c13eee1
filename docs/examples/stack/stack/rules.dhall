{-
Stack modules, programs and tests.

A module may use the words of its own `deps`, and of nothing else. A program is
linked from its module and all those below it.
-}
let straylight = ../straylight.dhall

let Dice = straylight.Dice

let Piece = Dice.Piece

let Argument = Dice.Argument

let Toolchain =
      {- `stack`: the target that is compiler and linker. `root`: the tree that it
         runs in; programs run in it, too.
      -}
      { stack : Text, root : Dice.Artifact }

let Module =
      {- What all rules take. `src`: a file of the package. -}
      { Type =
          { name : Text, toolchain : Toolchain, src : Text, deps : List Text }
      , default.deps = [] : List Text
      }

let objects =
      {- Every dependent sees the objects of its own dependencies; a linker, those
         of theirs in turn.
      -}
      λ(reach : Dice.Reach) →
        Argument.Each
          { of = { set = "stack.object", reach, order = Dice.Order.Topological }
          , prefix = ""
          }

let object = λ(self : Module.Type) → "${self.name}.sto"

let compile =
      λ(self : Module.Type) →
        Dice.Action::{
        , category = "stack_compile"
        , identifier = object self
        , root = Some self.toolchain.root
        , arguments =
          [ Argument.Pieces [ Piece.Tool self.toolchain.stack ]
          , Dice.literal "compile"
          , Argument.Pieces [ Piece.Source (Dice.Source.File self.src) ]
          , objects Dice.Reach.Direct
          , Dice.literal "-o"
          , Argument.Pieces [ Piece.Out (object self) ]
          ]
        , outputs = [ Dice.Output.File (object self) ]
        }

let link =
      λ(self : Module.Type) →
        Dice.Action::{
        , category = "stack_link"
        , identifier = self.name
        , root = Some self.toolchain.root
        , arguments =
          [ Argument.Pieces [ Piece.Tool self.toolchain.stack ]
          , Dice.literal "link"
          , Dice.literal "-o"
          , Argument.Pieces [ Piece.Out self.name ]
          , Argument.Pieces [ Piece.Out (object self) ]
          , objects Dice.Reach.Transitive
          ]
        , outputs = [ Dice.Output.File self.name ]
        }

let library
    : Module.Type → Dice.Rule
    = λ(self : Module.Type) →
        { name = self.name
        , platforms = [] : List straylight.Targets.Triple
        , build =
            λ(_ : Dice.Configuration) →
              Dice.Target::{
              , name = self.name
              , kind = "stack_library"
              , deps = self.deps
              , actions = [ compile self ]
              , outputs = [ { name = "object", path = object self } ]
              , sets =
                [ { set = "stack.object"
                  , items = [ [ Piece.Out (object self) ] ]
                  , inputs = [] : List Dice.Source
                  }
                ]
              }
        }

let program =
      {- What a binary and a test have in common. -}
      λ(kind : Text) →
      λ(self : Module.Type) →
        Dice.Target::{
        , name = self.name
        , kind
        , deps = self.deps
        , actions = [ compile self, link self ]
        , outputs = [ { name = "program", path = self.name } ]
        , run = Some { arguments = [ Argument.Pieces [ Piece.Out self.name ] ] }
        }

let binary
    : Module.Type → Dice.Rule
    = λ(self : Module.Type) →
        { name = self.name
        , platforms = [] : List straylight.Targets.Triple
        , build = λ(_ : Dice.Configuration) → program "stack_binary" self
        }

let test
    : Module.Type → Dice.Rule
    = {- Passes when no `assert` fails. -}
      λ(self : Module.Type) →
        { name = self.name
        , platforms = [] : List straylight.Targets.Triple
        , build =
            λ(_ : Dice.Configuration) →
                program "stack_test" self
              ⫽ { test = Some Dice.Test::{
                  , arguments = [ Argument.Pieces [ Piece.Out self.name ] ]
                  , root = Some self.toolchain.root
                  }
                }
        }

in  { Toolchain, Module, library, binary, test }
