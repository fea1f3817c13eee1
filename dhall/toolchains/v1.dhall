{-
Toolchains: a compiler, what it runs on, what it makes programs for, and typed
flags. A compiler is a captured tree, pinned by sha256.
-}
let Targets = ../targets/v1.dhall

let Dice = ../dice/v1.dhall

let Artifact = Dice.Artifact

let C =
      {- A C compiler. Paths are those inside the captured tree, also below. -}
      { version : Text
      , artifact : Artifact
      , cc : Text
      , cxx : Optional Text
      , ar : Text
      }

let Rust =
      {- A Rust compiler. `c` is a C compiler of the same tree: it links. -}
      { version : Text, artifact : Artifact, rustc : Text, c : C }

let Haskell =
      {- GHC. `c` is a C compiler of the same tree: it assembles and links. -}
      { version : Text, artifact : Artifact, ghc : Text, c : C }

let Lean =
      {- Lean 4. `c` compiles the C that `lean` writes. -}
      { version : Text, artifact : Artifact, lean : Text, c : C }

let Compiler =
      < Gcc : C | Clang : C | Rustc : Rust | GHC : Haskell | Lean : Lean >

let c_compiler =
      {- The C compiler that a compiler's tree has. -}
      λ(compiler : Compiler) →
        merge
          { Gcc = λ(c : C) → c
          , Clang = λ(c : C) → c
          , Rustc = λ(rust : Rust) → rust.c
          , GHC = λ(haskell : Haskell) → haskell.c
          , Lean = λ(lean : Lean) → lean.c
          }
          compiler

let rust_compiler =
      {- None if it is not one for Rust. -}
      λ(compiler : Compiler) →
        merge
          { Gcc = λ(_ : C) → None Rust
          , Clang = λ(_ : C) → None Rust
          , Rustc = λ(rust : Rust) → Some rust
          , GHC = λ(_ : Haskell) → None Rust
          , Lean = λ(_ : Lean) → None Rust
          }
          compiler

let haskell_compiler =
      {- None if it is not one for Haskell. -}
      λ(compiler : Compiler) →
        merge
          { Gcc = λ(_ : C) → None Haskell
          , Clang = λ(_ : C) → None Haskell
          , Rustc = λ(_ : Rust) → None Haskell
          , GHC = λ(haskell : Haskell) → Some haskell
          , Lean = λ(_ : Lean) → None Haskell
          }
          compiler

let lean_compiler =
      {- None if it is not one for Lean. -}
      λ(compiler : Compiler) →
        merge
          { Gcc = λ(_ : C) → None Lean
          , Clang = λ(_ : C) → None Lean
          , Rustc = λ(_ : Rust) → None Lean
          , GHC = λ(_ : Haskell) → None Lean
          , Lean = λ(lean : Lean) → Some lean
          }
          compiler

let OptLevel = < O0 | O1 | O2 | O3 | Os | Oz >

let LTOMode = < Off | Thin | Fat >

let DebugInfo = < Off | Lines | Full >

let Codegen =
      < PositionIndependent | FunctionSections | DataSections | StackProtector >

let Link = < Static | GcSections | Strip | Library : Text >

let Std = < C99 | C11 | C17 | Gnu99 | Gnu11 | Gnu17 | Cxx14 | Cxx17 | Cxx20 >

let Warn = < All | Extra | Error | Pedantic >

let Feature =
      {- Of the processor, as gcc names it after `-m`, rustc in `target-feature`. -}
      { enable : Bool, name : Text }

let Flag =
      {- `Raw` is the escape hatch: every use is a warning. -}
      < OptLevel : OptLevel
      | TargetCpu : Targets.Cpu
      | LTO : LTOMode
      | Debug : DebugInfo
      | Codegen : Codegen
      | Link : Link
      | Std : Std
      | Warn : Warn
      | Define : { name : Text, value : Optional Text }
      | Feature : Feature
      | Raw : Text
      >

let Toolchain =
      { compiler : Compiler
      , host : Targets.Triple
      , target : Targets.Triple
      , flags : List Flag
      , linker : Optional Artifact
      , sysroot : Optional Artifact
      }

let Userland =
      {- A POSIX shell and its utilities, captured like a compiler. -}
      { version : Text, artifact : Artifact, shell : Text }

let show_opt_level =
      λ(level : OptLevel) →
        merge
          { O0 = "-O0"
          , O1 = "-O1"
          , O2 = "-O2"
          , O3 = "-O3"
          , Os = "-Os"
          , Oz = "-Oz"
          }
          level

let show_lto =
      λ(mode : LTOMode) →
        merge { Off = "-fno-lto", Thin = "-flto=auto", Fat = "-flto" } mode

let show_debug =
      λ(debug : DebugInfo) →
        merge { Off = "-g0", Lines = "-g1", Full = "-g" } debug

let show_codegen =
      λ(codegen : Codegen) →
        merge
          { PositionIndependent = "-fPIC"
          , FunctionSections = "-ffunction-sections"
          , DataSections = "-fdata-sections"
          , StackProtector = "-fstack-protector-strong"
          }
          codegen

let show_link =
      λ(link : Link) →
        merge
          { Static = "-static"
          , GcSections = "-Wl,--gc-sections"
          , Strip = "-s"
          , Library = λ(name : Text) → "-l${name}"
          }
          link

let show_std =
      λ(std : Std) →
        merge
          { C99 = "-std=c99"
          , C11 = "-std=c11"
          , C17 = "-std=c17"
          , Gnu99 = "-std=gnu99"
          , Gnu11 = "-std=gnu11"
          , Gnu17 = "-std=gnu17"
          , Cxx14 = "-std=c++14"
          , Cxx17 = "-std=c++17"
          , Cxx20 = "-std=c++20"
          }
          std

let show_warn =
      λ(warn : Warn) →
        merge
          { All = "-Wall"
          , Extra = "-Wextra"
          , Error = "-Werror"
          , Pedantic = "-Wpedantic"
          }
          warn

let show_define =
      λ(define : { name : Text, value : Optional Text }) →
        merge
          { None = "-D${define.name}"
          , Some = λ(value : Text) → "-D${define.name}=${value}"
          }
          define.value

let show_feature =
      λ(feature : Feature) →
        if feature.enable then "-m${feature.name}" else "-mno-${feature.name}"

let Rendered =
      {- A flag on the command lines of gcc: when it compiles, when it links. -}
      { compile : List Text, link : List Text }

let Spelling =
      {- What C compilers spell differently: link-time optimisation, and the
         option before the name of a processor.
      -}
      { lto : LTOMode → Text, cpu : Text }

let gcc_spelling = { lto = show_lto, cpu = "-march=" }

let c_flag
    : Spelling → Flag → Rendered
    = λ(spelling : Spelling) →
      λ(flag : Flag) →
        let nothing = [] : List Text

        let compile = λ(text : Text) → { compile = [ text ], link = nothing }

        let link = λ(text : Text) → { compile = nothing, link = [ text ] }

        let both = λ(text : Text) → { compile = [ text ], link = [ text ] }

        in  merge
              { OptLevel = λ(level : OptLevel) → both (show_opt_level level)
              , TargetCpu =
                  λ(cpu : Targets.Cpu) →
                    both "${spelling.cpu}${Targets.show_cpu cpu}"
              , LTO = λ(mode : LTOMode) → both (spelling.lto mode)
              , Debug = λ(debug : DebugInfo) → both (show_debug debug)
              , Codegen = λ(codegen : Codegen) → compile (show_codegen codegen)
              , Link = λ(option : Link) → link (show_link option)
              , Std = λ(std : Std) → compile (show_std std)
              , Warn = λ(warn : Warn) → compile (show_warn warn)
              , Define =
                  λ(define : { name : Text, value : Optional Text }) →
                    compile (show_define define)
              , Feature = λ(feature : Feature) → compile (show_feature feature)
              , Raw = λ(text : Text) → both text
              }
              flag

let spelled
    : Spelling → List Flag → Rendered
    = λ(spelling : Spelling) →
      λ(flags : List Flag) →
        List/fold
          Flag
          flags
          Rendered
          ( λ(flag : Flag) →
            λ(rest : Rendered) →
              let rendered = c_flag spelling flag

              in  { compile = rendered.compile # rest.compile
                  , link = rendered.link # rest.link
                  }
          )
          { compile = [] : List Text, link = [] : List Text }

let gcc_flags
    : List Flag → Rendered
    = spelled gcc_spelling

let c_flags
    : Toolchain → List Flag → Rendered
    = {- The flags on the command lines of a toolchain's C compiler. -}
      λ(toolchain : Toolchain) →
        let clang =
              λ(mode : LTOMode) →
                merge
                  { Off = "-fno-lto", Thin = "-flto=thin", Fat = "-flto=full" }
                  mode

        in  spelled
              { lto =
                  merge
                    { Gcc = λ(_ : C) → show_lto
                    , Clang = λ(_ : C) → clang
                    , Rustc = λ(_ : Rust) → show_lto
                    , GHC = λ(_ : Haskell) → show_lto
                    , Lean = λ(_ : Lean) → clang
                    }
                    toolchain.compiler
              , cpu =
                  merge
                    { x86_64 = "-march="
                    , aarch64 = "-mcpu="
                    , wasm32 = "-mcpu="
                    , riscv64 = "-mcpu="
                    }
                    toolchain.target.arch
              }

let rustc_flag
    : Flag → List Text
    = {- A flag on the command line of rustc. `Std` is a C standard: no flag. -}
      λ(flag : Flag) →
        let cfg =
              λ(define : { name : Text, value : Optional Text }) →
                merge
                  { None = "--cfg=${define.name}"
                  , Some =
                      λ(value : Text) →
                        "--cfg=${define.name}=${Text/show value}"
                  }
                  define.value

        in  merge
              { OptLevel =
                  λ(level : OptLevel) →
                    [ "-Copt-level=${merge
                                       { O0 = "0"
                                       , O1 = "1"
                                       , O2 = "2"
                                       , O3 = "3"
                                       , Os = "s"
                                       , Oz = "z"
                                       }
                                       level}"
                    ]
              , TargetCpu =
                  λ(cpu : Targets.Cpu) →
                    [ "-Ctarget-cpu=${Targets.show_cpu cpu}" ]
              , LTO =
                  λ(mode : LTOMode) →
                    [ "-Clto=${merge
                                 { Off = "off", Thin = "thin", Fat = "fat" }
                                 mode}"
                    ]
              , Debug =
                  λ(debug : DebugInfo) →
                    [ "-Cdebuginfo=${merge
                                       { Off = "0", Lines = "1", Full = "2" }
                                       debug}"
                    ]
              , Codegen =
                  λ(codegen : Codegen) →
                    merge
                      { PositionIndependent = [ "-Crelocation-model=pic" ]
                      , FunctionSections = [] : List Text
                      , DataSections = [] : List Text
                      , StackProtector = [] : List Text
                      }
                      codegen
              , Link =
                  λ(link : Link) →
                    merge
                      { Static = [ "-Ctarget-feature=+crt-static" ]
                      , GcSections = [] : List Text
                      , Strip = [ "-Cstrip=symbols" ]
                      , Library = λ(name : Text) → [ "-l${name}" ]
                      }
                      link
              , Std = λ(_ : Std) → [] : List Text
              , Warn =
                  λ(warn : Warn) →
                    merge
                      { All = [ "-Wwarnings" ]
                      , Extra = [] : List Text
                      , Error = [ "-Dwarnings" ]
                      , Pedantic = [] : List Text
                      }
                      warn
              , Define =
                  λ(define : { name : Text, value : Optional Text }) →
                    [ cfg define ]
              , Feature =
                  λ(feature : Feature) →
                    let sign = if feature.enable then "+" else "-"

                    in  [ "-Ctarget-feature=${sign}${feature.name}" ]
              , Raw = λ(text : Text) → [ text ]
              }
              flag

let rustc_flags
    : List Flag → List Text
    = λ(flags : List Flag) →
        List/fold
          Flag
          flags
          (List Text)
          (λ(flag : Flag) → λ(rest : List Text) → rustc_flag flag # rest)
          ([] : List Text)

let raw_flags
    : List Flag → List Text
    = {- The untyped flags among them, to warn of. -}
      λ(flags : List Flag) →
        List/fold
          Flag
          flags
          (List Text)
          ( λ(flag : Flag) →
            λ(rest : List Text) →
              let none = rest

              in  merge
                    { OptLevel = λ(_ : OptLevel) → none
                    , TargetCpu = λ(_ : Targets.Cpu) → none
                    , LTO = λ(_ : LTOMode) → none
                    , Debug = λ(_ : DebugInfo) → none
                    , Codegen = λ(_ : Codegen) → none
                    , Link = λ(_ : Link) → none
                    , Std = λ(_ : Std) → none
                    , Warn = λ(_ : Warn) → none
                    , Define =
                        λ(_ : { name : Text, value : Optional Text }) → none
                    , Feature = λ(_ : Feature) → none
                    , Raw = λ(text : Text) → [ text ] # rest
                    }
                    flag
          )
          ([] : List Text)

let Exclusive =
      {- A choice of which a target has one. `group` tells choices apart, `code`
         the alternatives of one choice.
      -}
      { group : Natural, code : Natural, choice : Text, shown : Text }

let cpu_code =
      λ(cpu : Targets.Cpu) →
        merge
          { generic = 0
          , native = 1
          , x86_64_v2 = 2
          , x86_64_v3 = 3
          , x86_64_v4 = 4
          , znver3 = 5
          , cortex_a78ae = 6
          , neoverse_n1 = 7
          }
          cpu

let exclusive
    : Flag → Optional Exclusive
    = λ(flag : Flag) →
        let none = None Exclusive

        in  merge
              { OptLevel =
                  λ(level : OptLevel) →
                    Some
                      { group = 0
                      , code =
                          merge
                            { O0 = 0, O1 = 1, O2 = 2, O3 = 3, Os = 4, Oz = 5 }
                            level
                      , choice = "optimisation level"
                      , shown = show_opt_level level
                      }
              , LTO =
                  λ(mode : LTOMode) →
                    Some
                      { group = 1
                      , code = merge { Off = 0, Thin = 1, Fat = 2 } mode
                      , choice = "link-time optimisation"
                      , shown = show_lto mode
                      }
              , Debug =
                  λ(debug : DebugInfo) →
                    Some
                      { group = 2
                      , code = merge { Off = 0, Lines = 1, Full = 2 } debug
                      , choice = "amount of debug information"
                      , shown = show_debug debug
                      }
              , Std =
                  λ(std : Std) →
                    Some
                      { group = 3
                      , code =
                          merge
                            { C99 = 0
                            , C11 = 1
                            , C17 = 2
                            , Gnu99 = 3
                            , Gnu11 = 4
                            , Gnu17 = 5
                            , Cxx14 = 6
                            , Cxx17 = 7
                            , Cxx20 = 8
                            }
                            std
                      , choice = "language standard"
                      , shown = show_std std
                      }
              , TargetCpu =
                  λ(cpu : Targets.Cpu) →
                    Some
                      { group = 4
                      , code = cpu_code cpu
                      , choice = "processor"
                      , shown = Targets.show_cpu cpu
                      }
              , Codegen = λ(_ : Codegen) → none
              , Link = λ(_ : Link) → none
              , Warn = λ(_ : Warn) → none
              , Define = λ(_ : { name : Text, value : Optional Text }) → none
              , Feature = λ(_ : Feature) → none
              , Raw = λ(_ : Text) → none
              }
              flag

let equal =
      λ(a : Natural) →
      λ(b : Natural) →
            Natural/isZero (Natural/subtract a b)
        &&  Natural/isZero (Natural/subtract b a)

let conflicts
    : List Flag → List Text
    = {- Names each pair of flags that exclude each other. -}
      λ(flags : List Flag) →
        let State = { seen : List Exclusive, problems : List Text }

        let clash =
              λ(next : Exclusive) →
              λ(seen : Exclusive) →
              λ(rest : List Text) →
                if        equal seen.group next.group
                      &&  (equal seen.code next.code == False)
                then    [ "conflicting flags `${next.shown}` and `${seen.shown}`: a target has one ${next.choice}"
                        ]
                      # rest
                else  rest

        let step =
              λ(flag : Flag) →
              λ(state : State) →
                merge
                  { None = state
                  , Some =
                      λ(next : Exclusive) →
                        { seen = [ next ] # state.seen
                        , problems =
                            List/fold
                              Exclusive
                              state.seen
                              (List Text)
                              (clash next)
                              state.problems
                        }
                  }
                  (exclusive flag)

        in  ( List/fold
                Flag
                flags
                State
                step
                { seen = [] : List Exclusive, problems = [] : List Text }
            ).problems

let switch_code
    : Flag → Optional Natural
    = {- Tells flags apart that are neither choices nor hold a text. -}
      λ(flag : Flag) →
        let none = None Natural

        in  merge
              { OptLevel = λ(_ : OptLevel) → none
              , TargetCpu = λ(_ : Targets.Cpu) → none
              , LTO = λ(_ : LTOMode) → none
              , Debug = λ(_ : DebugInfo) → none
              , Codegen =
                  λ(codegen : Codegen) →
                    Some
                      ( merge
                          { PositionIndependent = 0
                          , FunctionSections = 1
                          , DataSections = 2
                          , StackProtector = 3
                          }
                          codegen
                      )
              , Link =
                  λ(link : Link) →
                    merge
                      { Static = Some 4
                      , GcSections = Some 5
                      , Strip = Some 6
                      , Library = λ(_ : Text) → none
                      }
                      link
              , Std = λ(_ : Std) → none
              , Warn =
                  λ(warn : Warn) →
                    Some
                      ( merge
                          { All = 7, Extra = 8, Error = 9, Pedantic = 10 }
                          warn
                      )
              , Define = λ(_ : { name : Text, value : Optional Text }) → none
              , Feature = λ(_ : Feature) → none
              , Raw = λ(_ : Text) → none
              }
              flag

let deduplicate
    : List Flag → List Flag
    = {- Keeps the last of equal flags: on a command line the last one counts.
         Flags that hold a text stay as they are: texts cannot be compared, and
         for libraries the order and the number matter.
      -}
      λ(flags : List Flag) →
        let Key = { group : Natural, code : Natural }

        let key =
              λ(flag : Flag) →
                merge
                  { None =
                      merge
                        { None = None Key
                        , Some = λ(code : Natural) → Some { group = 5, code }
                        }
                        (switch_code flag)
                  , Some = λ(choice : Exclusive) → Some choice.{ group, code }
                  }
                  (exclusive flag)

        let State = { seen : List Key, kept : List Flag }

        let is_among =
              λ(seen : List Key) →
              λ(one : Key) →
                List/fold
                  Key
                  seen
                  Bool
                  ( λ(other : Key) →
                    λ(found : Bool) →
                          found
                      ||      equal one.group other.group
                          &&  equal one.code other.code
                  )
                  False

        let step =
              λ(flag : Flag) →
              λ(state : State) →
                merge
                  { None = state ⫽ { kept = [ flag ] # state.kept }
                  , Some =
                      λ(one : Key) →
                        if    is_among state.seen one
                        then  state
                        else  { seen = [ one ] # state.seen
                              , kept = [ flag ] # state.kept
                              }
                  }
                  (key flag)

        in  ( List/fold
                Flag
                flags
                State
                step
                { seen = [] : List Key, kept = [] : List Flag }
            ).kept

let compose
    : Toolchain → List Flag → List Flag
    = {- The flags of a toolchain, then those of a target. -}
      λ(toolchain : Toolchain) →
      λ(flags : List Flag) →
        deduplicate (toolchain.flags # flags)

let validate
    : Toolchain → List Flag → List Text
    = {- What is wrong with a toolchain and the flags of a target. A file can
         assert that it is nothing.
      -}
      λ(toolchain : Toolchain) →
      λ(flags : List Flag) →
        let one_tree =
              λ(part : Text) →
              λ(artifact : Optional Artifact) →
                merge
                  { None = [] : List Text
                  , Some =
                      λ(_ : Artifact) →
                        [ "its toolchain has a ${part} of its own: a command sees one tree, so capture it together with the compiler"
                        ]
                  }
                  artifact

        in    conflicts (toolchain.flags # flags)
            # one_tree "linker" toolchain.linker
            # one_tree "sysroot" toolchain.sysroot

let example0 =
        assert
      :   conflicts
            [ Flag.OptLevel OptLevel.O2
            , Flag.Warn Warn.All
            , Flag.OptLevel OptLevel.O0
            ]
        ≡ [ "conflicting flags `-O2` and `-O0`: a target has one optimisation level"
          ]

let example1 =
        assert
      :   conflicts [ Flag.OptLevel OptLevel.O2, Flag.OptLevel OptLevel.O2 ]
        ≡ ([] : List Text)

let example2 =
        assert
      :   gcc_flags
            [ Flag.OptLevel OptLevel.O2
            , Flag.Define { name = "NDEBUG", value = None Text }
            , Flag.Link (Link.Library "m")
            ]
        ≡ { compile = [ "-O2", "-DNDEBUG" ], link = [ "-O2", "-lm" ] }

let example3 =
        assert
      :   rustc_flags
            [ Flag.OptLevel OptLevel.Os
            , Flag.Feature { enable = True, name = "aes" }
            , Flag.Define { name = "feature", value = Some "std" }
            , Flag.Warn Warn.Extra
            ]
        ≡ [ "-Copt-level=s", "-Ctarget-feature=+aes", "--cfg=feature=\"std\"" ]

let example4 =
      let clang =
            { compiler =
                Compiler.Clang
                  { version = "14.0.6"
                  , artifact = { sha256 = "", size = 0 }
                  , cc = "/usr/bin/clang"
                  , cxx = None Text
                  , ar = "/usr/bin/ar"
                  }
            , host = Targets.x86_64_linux
            , target = Targets.aarch64_linux
            , flags = [] : List Flag
            , linker = None Artifact
            , sysroot = None Artifact
            }

      let flags =
            [ Flag.LTO LTOMode.Thin, Flag.TargetCpu Targets.Cpu.neoverse_n1 ]

      in    assert
          :   c_flags clang flags
            ≡ { compile = [ "-flto=thin", "-mcpu=neoverse-n1" ]
              , link = [ "-flto=thin", "-mcpu=neoverse-n1" ]
              }

let example5 =
        assert
      :   deduplicate
            [ Flag.Warn Warn.All
            , Flag.Link (Link.Library "a")
            , Flag.OptLevel OptLevel.O2
            , Flag.Link (Link.Library "b")
            , Flag.Warn Warn.All
            , Flag.OptLevel OptLevel.O2
            , Flag.Link (Link.Library "a")
            ]
        ≡ [ Flag.Link (Link.Library "a")
          , Flag.Link (Link.Library "b")
          , Flag.Warn Warn.All
          , Flag.OptLevel OptLevel.O2
          , Flag.Link (Link.Library "a")
          ]

let example6 =
        assert
      :   conflicts
            [ Flag.TargetCpu Targets.Cpu.znver3
            , Flag.TargetCpu Targets.Cpu.neoverse_n1
            ]
        ≡ [ "conflicting flags `znver3` and `neoverse-n1`: a target has one processor"
          ]

in  { Artifact
    , C
    , Rust
    , Haskell
    , Lean
    , Compiler
    , OptLevel
    , LTOMode
    , DebugInfo
    , Codegen
    , Link
    , Std
    , Warn
    , Feature
    , Flag
    , Toolchain
    , Userland
    , c_compiler
    , rust_compiler
    , haskell_compiler
    , lean_compiler
    , gcc_flags
    , c_flags
    , rustc_flags
    , raw_flags
    , conflicts
    , deduplicate
    , compose
    , validate
    }
