let Stack = ../stack/rules.dhall

let straylight = ../straylight.dhall

let toolchains = ../toolchains.dhall

let toolchain =
      { stack = "//stack"
      , root =
          (straylight.Toolchains.c_compiler toolchains.gcc.compiler).artifact
      }

let Module = Stack.Module

in  { squares =
        Stack.library
          Module::{ name = "squares", toolchain, src = "squares.stk" }
    , triangles =
        Stack.library
          Module::{
          , name = "triangles"
          , toolchain
          , src = "triangles.stk"
          , deps = [ ":squares" ]
          }
    , shapes =
        Stack.binary
          Module::{
          , name = "shapes"
          , toolchain
          , src = "shapes.stk"
          , deps = [ ":triangles" ]
          }
    , check =
        Stack.test
          Module::{
          , name = "check"
          , toolchain
          , src = "check.stk"
          , deps = [ ":triangles", ":squares" ]
          }
    }
