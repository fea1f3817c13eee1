{-
Any declared command: what it reads, what it makes, and what it runs.
-}
let Dice = ../../dice/v1.dhall

let Targets = ../../targets/v1.dhall

let Toolchains = ../../toolchains/v1.dhall

let Piece = Dice.Piece

let Argument = Dice.Argument

let Command =
      {- `root`: the tree that the command sees as its file system.
         `arguments`: the program first. Sources that appear as pieces are
         inputs by themselves; `inputs` lists those that do not.
      -}
      { Type =
          { name : Text
          , root : Optional Dice.Artifact
          , arguments : List Argument
          , inputs : List Dice.Source
          , outputs : List Text
          , folders : List Text
          , deps : List Text
          , env : Dice.Environment
          , requires : List Dice.Coeffect
          , platforms : List Targets.Triple
          }
      , default =
        { root = None Dice.Artifact
        , inputs = [] : List Dice.Source
        , outputs = [] : List Text
        , folders = [] : List Text
        , deps = [] : List Text
        , env = [] : Dice.Environment
        , requires = [] : List Dice.Coeffect
        , platforms = [] : List Targets.Triple
        }
      }

let command
    : Command.Type → Dice.Rule
    = λ(self : Command.Type) →
        { name = self.name
        , platforms = self.platforms
        , build =
            λ(_ : Dice.Configuration) →
              let outputs =
                    List/fold
                      Text
                      self.outputs
                      (List Dice.Output)
                      ( λ(path : Text) →
                        λ(rest : List Dice.Output) →
                          [ Dice.Output.File path ] # rest
                      )
                      ( List/fold
                          Text
                          self.folders
                          (List Dice.Output)
                          ( λ(path : Text) →
                            λ(rest : List Dice.Output) →
                              [ Dice.Output.Folder path ] # rest
                          )
                          ([] : List Dice.Output)
                      )

              let named =
                    List/fold
                      Text
                      (self.outputs # self.folders)
                      (List { name : Text, path : Text })
                      ( λ(path : Text) →
                        λ(rest : List { name : Text, path : Text }) →
                          [ { name = path, path } ] # rest
                      )
                      ([] : List { name : Text, path : Text })

              in  Dice.Target::{
                  , name = self.name
                  , kind = "command"
                  , deps = self.deps
                  , actions =
                    [ Dice.Action::{
                      , category = "command"
                      , root = self.root
                      , arguments = self.arguments
                      , inputs = self.inputs
                      , outputs
                      , env = self.env
                      , requires = self.requires
                      }
                    ]
                  , outputs = named
                  }
        }

let shell
    : Toolchains.Userland → Text → List Argument → List Argument
    = {- The arguments of a shell script: `$1`, `$2`, … are what follows it. -}
      λ(userland : Toolchains.Userland) →
      λ(script : Text) →
      λ(arguments : List Argument) →
          [ Dice.literal userland.shell
          , Dice.literal "-euc"
          , Dice.literal script
          , Dice.literal "sh"
          ]
        # arguments

let file
    : Text → Argument
    = {- An argument that is the path of a file of this package. -}
      λ(path : Text) → Argument.Pieces [ Piece.Source (Dice.Source.File path) ]

let out
    : Text → Argument
    = {- An argument that is the path of an output. -}
      λ(path : Text) → Argument.Pieces [ Piece.Out path ]

let tool
    : Text → Argument
    = {- An argument that is the path of another target's program. -}
      λ(label : Text) → Argument.Pieces [ Piece.Tool label ]

in  { Command, command, shell, file, out, tool }
