#!/usr/bin/env dhall
-- a comment
{- nested {- comments -} -}
let x : Natural {- here -} = (((1)))	-- tab
let x : Natural = x@0 + x
let z = \(x : Bool) -> x@1
let y = { , a = x } ⫽ { b = x } ∧ { c = x }
let _ = assert : y.c ≡ y.a
let T = { a : Bool } ⩓ { b : < | A | B > }
in  λ(T : T) → λ(z : ∀(z : Type) → z → Text) → [ , x, x * y.b, ] : List Natural
