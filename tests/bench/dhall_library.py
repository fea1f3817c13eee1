"""Writes a Dhall library of 64 modules: functions that import each other.

Each module is one function, or one type, with its examples as assertions;
`package.dhall` has all of them. The text is the same in every run.
"""

# The modules by name: the modules that they import, and the text. In the text,
# an import has the last component of its name; `Type`, a keyword, is `Type_`.
MODULES = {
    "Function/identity": ([], r"\(a : Type) -> \(x : a) -> x"),
    "Bool/not": ([], r"\(b : Bool) -> b == False"),
    "Bool/all": ([], r"""
        \(bs : List Bool) ->
          List/fold Bool bs Bool (\(b : Bool) -> \(so : Bool) -> b && so) True"""),
    "Bool/any": ([], r"""
        \(bs : List Bool) ->
          List/fold Bool bs Bool (\(b : Bool) -> \(so : Bool) -> b || so) False"""),
    "Natural/lessThanEqual": ([], r"""
        \(a : Natural) -> \(b : Natural) -> Natural/isZero (Natural/subtract b a)"""),
    "Natural/lessThan": (["Bool/not", "Natural/lessThanEqual"], r"""
        \(a : Natural) -> \(b : Natural) -> not (lessThanEqual b a)"""),
    "Natural/equal": (["Natural/lessThanEqual"], r"""
        \(a : Natural) -> \(b : Natural) -> lessThanEqual a b && lessThanEqual b a"""),
    "Natural/greaterThan": (["Natural/lessThan"], r"""
        \(a : Natural) -> \(b : Natural) -> lessThan b a"""),
    "Natural/greaterThanEqual": (["Natural/lessThanEqual"], r"""
        \(a : Natural) -> \(b : Natural) -> lessThanEqual b a"""),
    "Natural/min": (["Natural/lessThanEqual"], r"""
        \(a : Natural) -> \(b : Natural) -> if lessThanEqual a b then a else b"""),
    "Natural/max": (["Natural/lessThanEqual"], r"""
        \(a : Natural) -> \(b : Natural) -> if lessThanEqual a b then b else a"""),
    "Natural/sum": ([], r"""
        \(ns : List Natural) ->
          List/fold Natural ns Natural (\(n : Natural) -> \(so : Natural) -> n + so) 0"""),
    "Natural/product": ([], r"""
        \(ns : List Natural) ->
          List/fold Natural ns Natural (\(n : Natural) -> \(so : Natural) -> n * so) 1"""),
    "Natural/power": ([], r"""
        \(base : Natural) -> \(exponent : Natural) ->
          Natural/fold exponent Natural (\(so : Natural) -> so * base) 1"""),
    "Natural/largest": (["Natural/max", "Optional/map", "Optional/default"], r"""
        \(ns : List Natural) ->
          List/fold Natural ns (Optional Natural)
            ( \(n : Natural) -> \(so : Optional Natural) ->
                Some (default Natural n (map Natural Natural (max n) so)) )
            (None Natural)"""),
    "Natural/upTo": (["List/generate", "Function/identity"], r"""
        \(n : Natural) -> generate n Natural (identity Natural)"""),
    "List/map": ([], r"""
        \(a : Type) -> \(b : Type) -> \(f : a -> b) -> \(xs : List a) ->
          List/build b
            ( \(list : Type) -> \(cons : b -> list -> list) ->
                List/fold a xs list (\(x : a) -> cons (f x)) )"""),
    "List/filter": ([], r"""
        \(a : Type) -> \(keep : a -> Bool) -> \(xs : List a) ->
          List/build a
            ( \(list : Type) -> \(cons : a -> list -> list) ->
                List/fold a xs list
                  (\(x : a) -> \(so : list) -> if keep x then cons x so else so) )"""),
    "List/concat": ([], r"""
        \(a : Type) -> \(lists : List (List a)) ->
          List/build a
            ( \(list : Type) -> \(cons : a -> list -> list) -> \(nil : list) ->
                List/fold (List a) lists list
                  (\(xs : List a) -> \(so : list) -> List/fold a xs list cons so) nil )"""),
    "List/concatMap": (["List/concat", "List/map"], r"""
        \(a : Type) -> \(b : Type) -> \(f : a -> List b) -> \(xs : List a) ->
          concat b (map a (List b) f xs)"""),
    "List/all": (["List/map", "Bool/all"], r"""
        \(a : Type) -> \(holds : a -> Bool) -> \(xs : List a) -> all (map a Bool holds xs)"""),
    "List/any": (["List/map", "Bool/any"], r"""
        \(a : Type) -> \(holds : a -> Bool) -> \(xs : List a) -> any (map a Bool holds xs)"""),
    "List/replicate": ([], r"""
        \(n : Natural) -> \(a : Type) -> \(x : a) ->
          List/build a
            ( \(list : Type) -> \(cons : a -> list -> list) -> Natural/fold n list (cons x) )"""),
    "List/generate": (["List/map", "List/replicate"], r"""
        \(n : Natural) -> \(a : Type) -> \(f : Natural -> a) ->
          let Numbered = { index : Natural, value : Bool }
          in  map Numbered a (\(at : Numbered) -> f at.index)
                (List/indexed Bool (replicate n Bool True))"""),
    "List/take": (["Natural/lessThan", "List/filter", "List/map"], r"""
        \(n : Natural) -> \(a : Type) -> \(xs : List a) ->
          let Numbered = { index : Natural, value : a }
          in  map Numbered a (\(at : Numbered) -> at.value)
                (filter Numbered (\(at : Numbered) -> lessThan at.index n) (List/indexed a xs))"""),
    "List/drop": (["Natural/greaterThanEqual", "List/filter", "List/map"], r"""
        \(n : Natural) -> \(a : Type) -> \(xs : List a) ->
          let Numbered = { index : Natural, value : a }
          in  map Numbered a (\(at : Numbered) -> at.value)
                ( filter Numbered (\(at : Numbered) -> greaterThanEqual at.index n)
                    (List/indexed a xs) )"""),
    "List/index": (["List/drop"], r"""
        \(n : Natural) -> \(a : Type) -> \(xs : List a) -> List/head a (drop n a xs)"""),
    "List/partition": (["List/filter", "Bool/not"], r"""
        \(a : Type) -> \(f : a -> Bool) -> \(xs : List a) ->
          { true = filter a f xs, false = filter a (\(x : a) -> not (f x)) xs }"""),
    "List/foldLeft": ([], r"""
        \(a : Type) -> \(xs : List a) -> \(b : Type) -> \(f : b -> a -> b) -> \(nil : b) ->
          List/fold a xs (b -> b) (\(x : a) -> \(rest : b -> b) -> \(so : b) -> rest (f so x))
            (\(so : b) -> so) nil"""),
    "List/present": (["List/concatMap", "Optional/toList"], r"""
        \(a : Type) -> \(xs : List (Optional a)) -> concatMap (Optional a) a (toList a) xs"""),
    "List/mapWithIndex": (["List/map"], r"""
        \(a : Type) -> \(b : Type) -> \(f : Natural -> a -> b) -> \(xs : List a) ->
          let Numbered = { index : Natural, value : a }
          in  map Numbered b (\(at : Numbered) -> f at.index at.value) (List/indexed a xs)"""),
    "List/zip": (["List/index", "List/present", "List/mapWithIndex", "Optional/map"], r"""
        \(a : Type) -> \(xs : List a) -> \(b : Type) -> \(ys : List b) ->
          let Pair = { left : a, right : b }
          in  present Pair
                ( mapWithIndex a (Optional Pair)
                    ( \(at : Natural) -> \(left : a) ->
                        map b Pair (\(right : b) -> { left, right }) (index at b ys) )
                    xs )"""),
    "List/sorted": (["List/filter", "Natural/lessThan", "Natural/lessThanEqual"], r"""
        \(ns : List Natural) ->
          List/fold Natural ns (List Natural)
            ( \(n : Natural) -> \(so : List Natural) ->
                  filter Natural (\(m : Natural) -> lessThan m n) so
                # [ n ]
                # filter Natural (\(m : Natural) -> lessThanEqual n m) so )
            ([] : List Natural)"""),
    "Optional/map": ([], r"""
        \(a : Type) -> \(b : Type) -> \(f : a -> b) -> \(o : Optional a) ->
          merge { Some = \(x : a) -> Some (f x), None = None b } o"""),
    "Optional/default": ([], r"""
        \(a : Type) -> \(otherwise : a) -> \(o : Optional a) ->
          merge { Some = \(x : a) -> x, None = otherwise } o"""),
    "Optional/toList": ([], r"""
        \(a : Type) -> \(o : Optional a) ->
          merge { Some = \(x : a) -> [ x ], None = [] : List a } o"""),
    "Optional/concat": ([], r"""
        \(a : Type) -> \(o : Optional (Optional a)) ->
          merge { Some = \(inner : Optional a) -> inner, None = None a } o"""),
    "Optional/concatMap": (["Optional/concat", "Optional/map"], r"""
        \(a : Type) -> \(b : Type) -> \(f : a -> Optional b) -> \(o : Optional a) ->
          concat b (map a (Optional b) f o)"""),
    "Map/Entry": ([], r"\(v : Type) -> { mapKey : Text, mapValue : v }"),
    "Map/Type": (["Map/Entry"], r"\(v : Type) -> List (Entry v)"),
    "Map/entry": (["Map/Entry"], r"""
        \(v : Type) -> \(key : Text) -> \(value : v) ->
          { mapKey = key, mapValue = value } : Entry v"""),
    "Map/keys": (["Map/Entry", "Map/Type", "List/map"], r"""
        \(v : Type) -> \(m : Type_ v) -> map (Entry v) Text (\(e : Entry v) -> e.mapKey) m"""),
    "Map/values": (["Map/Entry", "Map/Type", "List/map"], r"""
        \(v : Type) -> \(m : Type_ v) -> map (Entry v) v (\(e : Entry v) -> e.mapValue) m"""),
    "Map/map": (["Map/Entry", "Map/Type", "Map/entry", "List/map"], r"""
        \(v : Type) -> \(w : Type) -> \(f : v -> w) -> \(m : Type_ v) ->
          map (Entry v) (Entry w) (\(e : Entry v) -> entry w e.mapKey (f e.mapValue)) m"""),
    "Map/filter": (["Map/Entry", "Map/Type", "List/filter"], r"""
        \(v : Type) -> \(keep : v -> Bool) -> \(m : Type_ v) ->
          filter (Entry v) (\(e : Entry v) -> keep e.mapValue) m"""),
    "Map/fromList": (["Map/Type", "Map/entry", "Map/Entry", "List/map"], r"""
        \(a : Type) -> \(v : Type) -> \(key : a -> Text) -> \(value : a -> v) -> \(xs : List a) ->
          map a (Entry v) (\(x : a) -> entry v (key x) (value x)) xs : Type_ v"""),
    "Text/concat": ([], r"""
        \(ts : List Text) -> List/fold Text ts Text (\(t : Text) -> \(so : Text) -> t ++ so) "" """),
    "Text/concatMap": (["Text/concat", "List/map"], r"""
        \(a : Type) -> \(f : a -> Text) -> \(xs : List a) -> concat (map a Text f xs)"""),
    "Text/join": ([], r"""
        \(between : Text) -> \(ts : List Text) ->
          let joined =
                List/fold Text ts (Optional Text)
                  ( \(t : Text) -> \(so : Optional Text) ->
                      merge
                        { Some = \(rest : Text) -> Some "${t}${between}${rest}", None = Some t }
                        so )
                  (None Text)
          in  merge { Some = \(t : Text) -> t, None = "" } joined"""),
    "Text/joinMap": (["Text/join", "List/map"], r"""
        \(between : Text) -> \(a : Type) -> \(f : a -> Text) -> \(xs : List a) ->
          join between (map a Text f xs)"""),
    "Text/replicate": (["Text/concat", "List/replicate"], r"""
        \(n : Natural) -> \(t : Text) -> concat (replicate n Text t)"""),
    "Text/indented": (["Text/replicate"], r"""
        \(n : Natural) -> \(t : Text) ->
          let space = replicate n " "
          in  space ++ Text/replace "\n" ("\n" ++ space) t"""),
    "Json/Maker": (["Map/Type"], r"""
        \(json : Type) ->
          { array : List json -> json
          , boolean : Bool -> json
          , double : Double -> json
          , integer : Integer -> json
          , none : json
          , object : Type_ json -> json
          , string : Text -> json
          }"""),
    "Json/Type": (["Json/Maker"], r"forall (json : Type) -> forall (make : Maker json) -> json"),
    "Json/string": (["Json/Type", "Json/Maker"], r"""
        \(t : Text) -> (\(json : Type) -> \(make : Maker json) -> make.string t) : Type_"""),
    "Json/integer": (["Json/Type", "Json/Maker"], r"""
        \(n : Integer) -> (\(json : Type) -> \(make : Maker json) -> make.integer n) : Type_"""),
    "Json/natural": (["Json/Type", "Json/integer"], r"""
        \(n : Natural) -> integer (Natural/toInteger n) : Type_"""),
    "Json/boolean": (["Json/Type", "Json/Maker"], r"""
        \(b : Bool) -> (\(json : Type) -> \(make : Maker json) -> make.boolean b) : Type_"""),
    "Json/none": (["Json/Type", "Json/Maker"], r"""
        (\(json : Type) -> \(make : Maker json) -> make.none) : Type_"""),
    "Json/array": (["Json/Type", "Json/Maker", "List/map"], r"""
        \(items : List Type_) ->
          ( \(json : Type) -> \(make : Maker json) ->
              make.array (map Type_ json (\(item : Type_) -> item json make) items) ) : Type_"""),
    "Json/object": (["Json/Type", "Json/Maker", "Map/map"], r"""
        \(fields : List { mapKey : Text, mapValue : Type_ }) ->
          ( \(json : Type) -> \(make : Maker json) ->
              make.object (map Type_ json (\(field : Type_) -> field json make) fields) ) : Type_"""),
    "Json/optional": (["Json/Type", "Json/none"], r"""
        \(a : Type) -> \(f : a -> Type_) -> \(o : Optional a) -> merge { Some = f, None = none } o"""),
    "Json/rendered": (["Json/Type", "Map/Entry", "Text/join", "Text/joinMap"], r"""
        \(whole : Type_) ->
          whole Text
            { array = \(items : List Text) -> "[${join ", " items}]"
            , boolean = \(b : Bool) -> if b then "true" else "false"
            , double = Double/show
            , integer = Integer/show
            , none = "null"
            , object =
                \(fields : List (Entry Text)) ->
                  let field = \(each : Entry Text) -> "${Text/show each.mapKey}: ${each.mapValue}"
                  in  "{${joinMap ", " (Entry Text) field fields}}"
            , string = Text/show
            }"""),
    "Json/compact":
        (["Json/Type", "Json/array", "Json/boolean", "Json/integer", "Json/none", "Json/object",
          "Json/string", "Map/Entry", "List/filter", "List/map", "Json/Maker"], r"""
        \(whole : Type_) ->
          let Part = { value : Type_, present : Bool }
          let present = \(value : Type_) -> { value, present = True }
          let value = \(part : Part) -> part.value
          let unnamed =
                \(field : Entry Part) -> { mapKey = field.mapKey, mapValue = field.mapValue.value }
          let isPresent = \(field : Entry Part) -> field.mapValue.present
          let whole =
                whole Part
                  { array = \(items : List Part) -> present (array (map Part Type_ value items))
                  , boolean = \(b : Bool) -> present (boolean b)
                  , double =
                      \(d : Double) ->
                        present (\(json : Type) -> \(make : Maker json) -> make.double d)
                  , integer = \(n : Integer) -> present (integer n)
                  , none = { value = none, present = False }
                  , object =
                      \(fields : List (Entry Part)) ->
                        let kept = filter (Entry Part) isPresent fields
                        in  present (object (map (Entry Part) (Entry Type_) unnamed kept))
                  , string = \(t : Text) -> present (string t)
                  }
          in  whole.value"""),
}

# What is asserted of them, in the module itself.
EXAMPLES = {
    "Bool/not": ["not True === False", "not False === True"],
    "Bool/all": ["all [ True, False, True ] === False", "all ([] : List Bool) === True"],
    "Bool/any": ["any [ True, False, True ] === True", "any ([] : List Bool) === False"],
    "Natural/lessThanEqual": ["lessThanEqual 5 6 === True", "lessThanEqual 6 5 === False",
                              r"\(n : Natural) -> lessThanEqual 0 n === True"],
    "Natural/lessThan": ["lessThan 5 6 === True", "lessThan 5 5 === False"],
    "Natural/equal": ["equal 5 5 === True", "equal 5 6 === False"],
    "Natural/greaterThan": ["greaterThan 5 6 === False", "greaterThan 6 5 === True"],
    "Natural/min": ["min 1 2 === 1", "min 2 1 === 1"],
    "Natural/max": ["max 1 2 === 2", "max 2 1 === 2"],
    "Natural/sum": ["sum [ 2, 3, 5 ] === 10"],
    "Natural/product": ["product [ 2, 3, 5 ] === 30"],
    "Natural/power": ["power 2 10 === 1024", "power 0 0 === 1"],
    "Natural/largest": ["largest [ 3, 5, 2 ] === Some 5"],
    "Natural/upTo": ["upTo 4 === [ 0, 1, 2, 3 ]"],
    "List/map": ["map Natural Bool Natural/even [ 2, 3, 5 ] === [ True, False, False ]"],
    "List/filter": ["filter Natural Natural/odd [ 2, 3, 5 ] === [ 3, 5 ]"],
    "List/concat": ["concat Natural [ [ 1 ], [ 2, 3 ], [ 4 ] ] === [ 1, 2, 3, 4 ]"],
    "List/concatMap": [r"concatMap Natural Natural (\(n : Natural) -> [ n, n ]) [ 2, 3 ]"
                       " === [ 2, 2, 3, 3 ]"],
    "List/all": ["all_ Natural Natural/even [ 2, 3, 5 ] === False"],
    "List/any": ["any_ Natural Natural/even [ 2, 3, 5 ] === True"],
    "List/replicate": ["replicate 3 Natural 1 === [ 1, 1, 1 ]"],
    "List/generate": ["generate 3 Bool Natural/even === [ True, False, True ]"],
    "List/take": ["take 2 Natural [ 2, 3, 5 ] === [ 2, 3 ]"],
    "List/drop": ["drop 2 Natural [ 2, 3, 5 ] === [ 5 ]"],
    "List/index": ["index 1 Natural [ 2, 3, 5 ] === Some 3"],
    "List/partition": ["partition Natural Natural/even [ 0, 1, 2, 3 ]"
                       " === { true = [ 0, 2 ], false = [ 1, 3 ] }"],
    "List/present": ["present Natural [ Some 1, None Natural, Some 3 ] === [ 1, 3 ]"],
    "List/zip": ['zip Text [ "a", "b" ] Natural [ 1, 2 ]'
                 ' === [ { left = "a", right = 1 }, { left = "b", right = 2 } ]'],
    "List/sorted": ["sorted [ 3, 1, 2, 5, 4 ] === [ 1, 2, 3, 4, 5 ]"],
    "Optional/map": ["map Natural Bool Natural/even (Some 3) === Some False"],
    "Optional/default": ["default Natural 7 (None Natural) === 7"],
    "Optional/concatMap": [r"concatMap Natural Natural (\(n : Natural) -> Some (n + 1)) (Some 1)"
                           " === Some 2"],
    "Map/keys": ["keys Natural (toMap { b = 2, a = 1 }) === [ \"a\", \"b\" ]"],
    "Map/values": ["values Natural (toMap { b = 2, a = 1 }) === [ 1, 2 ]"],
    "Map/map": ["map_ Natural Bool Natural/even (toMap { a = 1 }) === toMap { a = False }"],
    "Text/concat": ['concat [ "a", "b", "c" ] === "abc"'],
    "Text/join": ['join ", " [ "a", "b", "c" ] === "a, b, c"'],
    "Text/joinMap": ['joinMap ", " Natural Natural/show [ 0, 1 ] === "0, 1"'],
    "Text/replicate": ['replicate_ 3 "ab" === "ababab"'],
    "Text/indented": ['indented 2 "a\\nb" === "  a\\n  b"'],
}

PROGRAM = r"""
let numbers = library.Natural.upTo 12
let Person = { name : Text, age : Natural }
let person = \(n : Natural) -> { name = "p${Natural/show n}", age = library.Natural.power n 2 }
let people = library.List.map Natural Person person numbers
let age = \(p : Person) -> p.age
let json =
      \(p : Person) ->
        library.Json.object
          ( toMap
              { name = library.Json.string p.name
              , age = library.Json.natural p.age
              , more = library.Json.none
              }
          )
in  { total = library.Natural.sum (library.List.map Person Natural age people)
    , sorted = library.List.sorted (List/reverse Natural numbers)
    , zipped = library.List.zip Natural numbers Person people
    , ages = library.Map.fromList Person Natural (\(p : Person) -> p.name) age people
    , names = library.Text.joinMap ", " Person (\(p : Person) -> p.name) people
    , json =
        library.Json.rendered
          ( library.Json.compact
              (library.Json.array (library.List.map Person library.Json.Type json people))
          )
    }
"""


def alias(name, own):
    last = name.rsplit("/", 1)[1]
    return last + "_" if last == "Type" or last == own else last


def module(name, imports, text):
    """Returns the text of one module, with its imports and its examples."""
    own = name.rsplit("/", 1)[1]
    taken = {alias(wanted, None) for wanted in imports}
    own += "_" if own in taken or own == "Type" else ""
    lines = [f"{{-  `{name}`: one of the functions of this library, with examples of what it does.",
             "    What it is made of is imported below. -}"]
    lines += [f"let {alias(wanted, None)} = ../{wanted}.dhall" for wanted in imports]
    lines += [f"let {own} =", text.strip("\n")]
    lines += [f"let example{at} = assert : {example}" if "->" not in example[:20] else
              f"let example{at} = {example.replace('-> ', '-> assert : ', 1)}"
              for at, example in enumerate(EXAMPLES.get(name, []))]
    return "\n".join([*lines, f"in  {own}", ""])


def write(folder):
    """Writes the library below `folder`."""
    package = {}
    for name, (imports, text) in MODULES.items():
        path = folder / f"{name}.dhall"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(module(name, imports, text))
        group, own = name.split("/")
        package.setdefault(group, []).append(f"`{own}` = ./{name}.dhall")
    groups = [f"{group} = {{ {', '.join(fields)} }}" for group, fields in package.items()]
    (folder / "package.dhall").write_text("{ " + "\n, ".join(groups) + "\n}\n")
