let map = \(a : Type) -> \(b : Type) -> \(f : a -> b) -> \(xs : List a) ->
      List/build b (\(list : Type) -> \(cons : b -> list -> list) ->
        List/fold a xs list (\(x : a) -> cons (f x)))
let xs = [ 1, 2, 3 ] # ([] : List Natural)
in  { m = map Natural Text Natural/show xs
    , r = List/reverse Natural xs
    , i = List/indexed Natural xs
    , h = List/head Natural xs
    , l = List/last Natural ([] : List Natural)
    , n = List/length Natural xs
    , b = Natural/build (\(n : Type) -> \(s : n -> n) -> \(z : n) -> s (s z))
    }
