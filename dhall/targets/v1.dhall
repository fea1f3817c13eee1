{-
Machines that programs run on. A triple is built from its parts and rendered,
never typed by hand.
-}
let Arch = < x86_64 | aarch64 | wasm32 | riscv64 >

let Vendor = < unknown | pc | apple >

let OS = < linux | darwin | wasi | none >

let ABI = < gnu | musl | eabi | none >

let Cpu =
      {- A processor to tune for. `generic` runs on every machine of its arch;
         `native` is the machine that builds, and so is not reproducible.
      -}
      < generic
      | native
      | x86_64_v2
      | x86_64_v3
      | x86_64_v4
      | znver3
      | cortex_a78ae
      | neoverse_n1
      >

let Triple =
      {- arch-vendor-os-abi -}
      { arch : Arch, vendor : Vendor, os : OS, abi : ABI }

let Target =
      {- A triple and the processor to tune for. -}
      { triple : Triple, cpu : Cpu }

let show_arch =
      λ(arch : Arch) →
        merge
          { x86_64 = "x86_64"
          , aarch64 = "aarch64"
          , wasm32 = "wasm32"
          , riscv64 = "riscv64"
          }
          arch

let show_vendor =
      λ(vendor : Vendor) →
        merge { unknown = "unknown", pc = "pc", apple = "apple" } vendor

let show_os =
      λ(os : OS) →
        merge
          { linux = "linux", darwin = "darwin", wasi = "wasi", none = "none" }
          os

let show_abi =
      {- With its leading dash; empty where the triple has no fourth part. -}
      λ(abi : ABI) →
        merge { gnu = "-gnu", musl = "-musl", eabi = "-eabi", none = "" } abi

let show_triple
    : Triple → Text
    = {- `x86_64-unknown-linux-gnu`; `wasm32-wasi`, which has no vendor. -}
      λ(triple : Triple) →
        let vendor =
              merge
                { linux = "-${show_vendor triple.vendor}"
                , darwin = "-${show_vendor triple.vendor}"
                , none = "-${show_vendor triple.vendor}"
                , wasi = ""
                }
                triple.os

        in  "${show_arch triple.arch}${vendor}-${show_os triple.os}${show_abi triple.abi}"

let equal
    : Triple → Triple → Bool
    = {- Whether both are the same machine. -}
      λ(a : Triple) →
      λ(b : Triple) →
        let code =
              {- A number of its own for each machine. -}
              λ(triple : Triple) →
                  merge
                    { x86_64 = 0, aarch64 = 1, wasm32 = 2, riscv64 = 3 }
                    triple.arch
                + 4 * merge { unknown = 0, pc = 1, apple = 2 } triple.vendor
                +   16
                  * merge
                      { linux = 0, darwin = 1, wasi = 2, none = 3 }
                      triple.os
                +   64
                  * merge { gnu = 0, musl = 1, eabi = 2, none = 3 } triple.abi

        in      Natural/isZero (Natural/subtract (code a) (code b))
            &&  Natural/isZero (Natural/subtract (code b) (code a))

let show_cpu
    : Cpu → Text
    = {- As compilers spell it after `-mcpu=` or `-march=`. -}
      λ(cpu : Cpu) →
        merge
          { generic = "generic"
          , native = "native"
          , x86_64_v2 = "x86-64-v2"
          , x86_64_v3 = "x86-64-v3"
          , x86_64_v4 = "x86-64-v4"
          , znver3 = "znver3"
          , cortex_a78ae = "cortex-a78ae"
          , neoverse_n1 = "neoverse-n1"
          }
          cpu

let x86_64_linux
    : Triple
    = { arch = Arch.x86_64
      , vendor = Vendor.unknown
      , os = OS.linux
      , abi = ABI.gnu
      }

let aarch64_linux
    : Triple
    = x86_64_linux ⫽ { arch = Arch.aarch64 }

let riscv64_linux
    : Triple
    = x86_64_linux ⫽ { arch = Arch.riscv64 }

let wasm32_wasi
    : Triple
    = { arch = Arch.wasm32
      , vendor = Vendor.unknown
      , os = OS.wasi
      , abi = ABI.none
      }

let example0 = assert : show_triple x86_64_linux ≡ "x86_64-unknown-linux-gnu"

let example1 = assert : show_triple wasm32_wasi ≡ "wasm32-wasi"

let example2 = assert : equal x86_64_linux x86_64_linux ≡ True

let example3 = assert : equal x86_64_linux aarch64_linux ≡ False

let example4 =
      assert : equal x86_64_linux (x86_64_linux ⫽ { abi = ABI.musl }) ≡ False

in  { Arch
    , Vendor
    , OS
    , ABI
    , Cpu
    , Triple
    , Target
    , equal
    , show_arch
    , show_triple
    , show_cpu
    , x86_64_linux
    , aarch64_linux
    , riscv64_linux
    , wasm32_wasi
    }
