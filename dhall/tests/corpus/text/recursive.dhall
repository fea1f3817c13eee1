\(list : Type) ->
\(cons : { head : Natural, tail : Optional list } -> list) ->
\(nil : list) ->
  cons { head = 1, tail = Some (cons { head = 2, tail = None list }) }
