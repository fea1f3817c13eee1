//! The reserved names: constants, keywords and built-in functions and types.

/// The type of types, the type of that, and what is above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Const {
    Type,
    Kind,
    Sort,
}

impl Const {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Type => "Type",
            Self::Kind => "Kind",
            Self::Sort => "Sort",
        }
    }
}

/// Declares the builtins once: variant, name, number of arguments that it
/// needs before it can reduce (0 for what never does), and type.
macro_rules! builtins {
    ($($variant:ident $name:literal $arity:literal $type:literal)*) => {
        /// A name that the language gives a meaning to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Builtin { $(#[allow(missing_docs)] $variant),* }

        impl Builtin {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            pub(crate) fn arity(self) -> usize {
                match self { $(Self::$variant => $arity),* }
            }

            /// Returns the type, as Dhall.
            pub(crate) fn type_text(self) -> &'static str {
                match self { $(Self::$variant => $type),* }
            }

            pub(crate) fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

builtins! {
    Bool "Bool" 0 "Type"
    Natural "Natural" 0 "Type"
    Integer "Integer" 0 "Type"
    Double "Double" 0 "Type"
    Text "Text" 0 "Type"
    Bytes "Bytes" 0 "Type"
    Date "Date" 0 "Type"
    Time "Time" 0 "Type"
    TimeZone "TimeZone" 0 "Type"
    List "List" 0 "Type -> Type"
    Optional "Optional" 0 "Type -> Type"
    None "None" 0 "forall (A : Type) -> Optional A"
    NaturalBuild "Natural/build" 1
        "(forall (natural : Type) -> forall (succ : natural -> natural) -> forall (zero : natural) -> natural) -> Natural"
    NaturalFold "Natural/fold" 4
        "Natural -> forall (natural : Type) -> forall (succ : natural -> natural) -> forall (zero : natural) -> natural"
    NaturalIsZero "Natural/isZero" 1 "Natural -> Bool"
    NaturalEven "Natural/even" 1 "Natural -> Bool"
    NaturalOdd "Natural/odd" 1 "Natural -> Bool"
    NaturalToInteger "Natural/toInteger" 1 "Natural -> Integer"
    NaturalShow "Natural/show" 1 "Natural -> Text"
    NaturalSubtract "Natural/subtract" 2 "Natural -> Natural -> Natural"
    IntegerToDouble "Integer/toDouble" 1 "Integer -> Double"
    IntegerShow "Integer/show" 1 "Integer -> Text"
    IntegerNegate "Integer/negate" 1 "Integer -> Integer"
    IntegerClamp "Integer/clamp" 1 "Integer -> Natural"
    DoubleShow "Double/show" 1 "Double -> Text"
    ListBuild "List/build" 2
        "forall (a : Type) -> (forall (list : Type) -> forall (cons : a -> list -> list) -> forall (nil : list) -> list) -> List a"
    ListFold "List/fold" 5
        "forall (a : Type) -> List a -> forall (list : Type) -> forall (cons : a -> list -> list) -> forall (nil : list) -> list"
    ListLength "List/length" 2 "forall (a : Type) -> List a -> Natural"
    ListHead "List/head" 2 "forall (a : Type) -> List a -> Optional a"
    ListLast "List/last" 2 "forall (a : Type) -> List a -> Optional a"
    ListIndexed "List/indexed" 2
        "forall (a : Type) -> List a -> List { index : Natural, value : a }"
    ListReverse "List/reverse" 2 "forall (a : Type) -> List a -> List a"
    TextShow "Text/show" 1 "Text -> Text"
    TextReplace "Text/replace" 3
        "forall (needle : Text) -> forall (replacement : Text) -> forall (haystack : Text) -> Text"
    DateShow "Date/show" 1 "Date -> Text"
    TimeShow "Time/show" 1 "Time -> Text"
    TimeZoneShow "TimeZone/show" 1 "TimeZone -> Text"
}

impl Builtin {
    /// Returns whether it evaluates its argument `at` in order to reduce; the
    /// others are types.
    pub(crate) fn looks_at(self, at: usize) -> bool {
        match self {
            Self::NaturalFold => at != 1,
            Self::ListFold => at != 0 && at != 2,
            _ => {
                at + 1 == self.arity() || matches!(self, Self::NaturalSubtract | Self::TextReplace)
            }
        }
    }
}

/// Names that no identifier may have unless it is quoted.
pub(crate) const KEYWORDS: &[&str] = &[
    "if",
    "then",
    "else",
    "let",
    "in",
    "using",
    "missing",
    "assert",
    "as",
    "Infinity",
    "NaN",
    "merge",
    "Some",
    "toMap",
    "forall",
    "with",
    "showConstructor",
];

/// Returns whether a name, unquoted, is a keyword.
pub(crate) fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}

/// Returns whether a name, unquoted, means something else than a variable.
pub(crate) fn is_reserved(name: &str) -> bool {
    is_keyword(name)
        || Builtin::from_name(name).is_some()
        || matches!(name, "True" | "False" | "Type" | "Kind" | "Sort")
}
