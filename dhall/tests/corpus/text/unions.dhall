let Shape = < Circle : { r : Natural } | Point | Many : List Text >
let handle =
      \(s : Shape) ->
        merge
          { Circle = \(c : { r : Natural }) -> Natural/show c.r
          , Point = "point"
          , Many = \(l : List Text) -> List/fold Text l Text (\(a : Text) -> \(b : Text) -> a ++ b) ""
          }
          s
in  [ handle (Shape.Circle { r = 3 })
    , handle Shape.Point
    , showConstructor (Shape.Many [ "a", "b" ])
    , merge { Some = \(t : Text) -> t, None = "" } (Some "x") : Text
    ]
