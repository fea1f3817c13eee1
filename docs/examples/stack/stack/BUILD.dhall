let straylight = ../straylight.dhall

let toolchains = ../toolchains.dhall

let C = straylight.C

in  { stack =
        C.binary
          C.Binary::{
          , name = "stack"
          , toolchain = toolchains.gcc
          , srcs = [ "stack.c" ]
          }
    }
