let `let` = { a.b.c = 1, a.b.d = True, e = { f = Some [ 1 ] }, `odd name!` = {=} }
let Schema = { Type = { x : Natural, y : Optional Text }, default.y = None Text }
in  { updated = `let` with a.b.c = 2 with e.f.? = [ 3 ]
    , merged = `let` // { g = 1 } /\ { a.z = "z" }
    , combined = { A : Natural } //\\ { B : { C : Bool } }
    , projected = `let`.{ a, e }
    , typed = `let`.({ e : { f : Optional (List Natural) } })
    , completed = Schema::{ x = 1 }
    , mapped = toMap { k = 1, l = 2 }
    , none = toMap {=} : List { mapKey : Text, mapValue : Natural }
    }
