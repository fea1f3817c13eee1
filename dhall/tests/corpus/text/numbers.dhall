{ natural = 0xFF + 0b101 * 18446744073709551615
, integer = [ -0x10, +7, Integer/negate -3, Natural/toInteger 4 ]
, double = [ 1.5, -0.0, 6.02e23, NaN, Infinity, -Infinity, Integer/toDouble +2 ]
, folded = Natural/fold 12 Natural (\(n : Natural) -> n * 2 + 1) 1
, tests = Natural/isZero (Natural/subtract 3 2) && Natural/even 4 || Natural/odd 4 != False
, shown = Natural/show 12 ++ Integer/show +3 ++ Double/show 1e-7
}
