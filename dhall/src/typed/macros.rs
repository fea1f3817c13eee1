//! Structs and enums that state their types.

/// Defines structs and enums, and implements [`DhallType`](crate::DhallType)
/// for them: a struct is a record, an enum a union.
///
/// The definitions stay as they are, attributes included. The names in Dhall
/// are those in Rust: what renames fields (`#[serde(rename)]`, `#[serde(flatten)]`)
/// needs an implementation by hand. There are no generic types, no tuple
/// structs, and no variants with several fields without names.
///
/// ```
/// use straylight_dhall::{DhallType, Type, dhall_type};
///
/// dhall_type! {
///     /// What a target is made of.
///     #[derive(Debug, serde::Deserialize)]
///     pub struct Target {
///         pub name: String,
///         /// In the order of the command line.
///         pub sources: Vec<Source>,
///         pub r#type: Option<Kind>,
///     }
///
///     #[derive(Debug, serde::Deserialize)]
///     pub enum Source {
///         File(String),
///         Output { target: String, index: u64 },
///         Nothing,
///     }
///
///     #[derive(Debug, serde::Deserialize)]
///     pub enum Kind { Library, Program }
/// }
///
/// assert_eq!(
///     Type::of::<Source>().to_string(),
///     "< File : Text | Nothing | Output : { index : Natural, target : Text } >"
/// );
/// assert_eq!(Type::of::<Kind>().to_string(), "< Library | Program >");
/// assert!(Type::of::<Target>().to_string().contains("type : Optional"));
/// ```
#[macro_export]
macro_rules! dhall_type {
    () => {};
    (
        $(#[$meta:meta])*
        $visible:vis struct $name:ident {
            $($(#[$field_meta:meta])* $field_visible:vis $field:ident : $ty:ty),* $(,)?
        }
        $($rest:tt)*
    ) => {
        $(#[$meta])*
        $visible struct $name {
            $($(#[$field_meta])* $field_visible $field: $ty,)*
        }

        impl $crate::DhallType for $name {
            fn dhall_type() -> $crate::Type {
                $crate::dhall_type!(@record $($field: $ty,)*)
            }
        }

        $crate::dhall_type! { $($rest)* }
    };
    (
        $(#[$meta:meta])*
        $visible:vis enum $name:ident {
            $(
                $(#[$variant_meta:meta])*
                $variant:ident
                $(( $(#[$payload_meta:meta])* $payload:ty $(,)? ))?
                $({ $($(#[$field_meta:meta])* $field:ident : $ty:ty),* $(,)? })?
            ),* $(,)?
        }
        $($rest:tt)*
    ) => {
        $(#[$meta])*
        $visible enum $name {
            $(
                $(#[$variant_meta])*
                $variant
                $(( $(#[$payload_meta])* $payload ))?
                $({ $($(#[$field_meta])* $field: $ty,)* })?,
            )*
        }

        impl $crate::DhallType for $name {
            fn dhall_type() -> $crate::Type {
                $crate::Type::union::<&str>([
                    $($crate::dhall_type!(
                        @alternative $variant
                        $(( $payload ))?
                        $({ $($field: $ty,)* })?
                    ),)*
                ])
            }
        }

        $crate::dhall_type! { $($rest)* }
    };
    (@record $($field:ident : $ty:ty,)*) => {
        $crate::Type::record::<&str>([
            $(($crate::dhall_type!(@name $field), $crate::Type::of::<$ty>()),)*
        ])
    };
    (@alternative $variant:ident) => {
        ($crate::dhall_type!(@name $variant), ::core::option::Option::None)
    };
    (@alternative $variant:ident ( $payload:ty )) => {
        (
            $crate::dhall_type!(@name $variant),
            ::core::option::Option::Some($crate::Type::of::<$payload>()),
        )
    };
    (@alternative $variant:ident { $($field:ident : $ty:ty,)* }) => {
        (
            $crate::dhall_type!(@name $variant),
            ::core::option::Option::Some($crate::dhall_type!(@record $($field: $ty,)*)),
        )
    };
    // A raw name is `type` to Dhall, as it is to serde.
    (@name $name:ident) => {{
        let name = ::core::stringify!($name);
        match name.strip_prefix("r#") {
            ::core::option::Option::Some(name) => name,
            ::core::option::Option::None => name,
        }
    }};
}
