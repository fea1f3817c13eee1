\(f : forall (a : Type) -> a -> a) ->
\(g : Type -> Kind) ->
\(x : f Natural 1 === 1) ->
\(x : Text) ->
  let poly : forall (x : Type) -> forall (x : x) -> x@1 = \(x : Type) -> \(y : x) -> y
  let _ = assert : poly Bool True === True
  in  { r = poly Text x, s = Type, u = < A | B : List Bool >, l = if True then x else x }
