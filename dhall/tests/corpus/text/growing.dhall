{ texts = Natural/fold 40 Text (\(t : Text) -> t ++ t) "ab"
, lists = Natural/fold 30 (List Natural) (\(l : List Natural) -> l # l) [ 1 ]
, power = Natural/fold 1000 Natural (\(n : Natural) -> n * n) 3
, folds = Natural/fold 1000000000 Natural (\(n : Natural) -> Natural/fold n Natural (\(m : Natural) -> m + 1) 1) 1
}
