let a = ./lib.dhall ? ../up/"a b" ? ~/x ? /abs/y as Text ? env:VAR ? env:"a\nb" as Bytes ? missing
let b = https://a.example/x?q=1 using (toMap { Accept = "text/plain" }) as Text
let c = https://a.example/loop using ./headers.dhall as Location
let d = ./lib.dhall sha256:0000000000000000000000000000000000000000000000000000000000000000 ? 1
in  { a, b, c, d }
