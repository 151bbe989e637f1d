//! Bodies of requests: one list of members gives both the reader and the schema.

use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder};

use crate::http::{fields::Fields, member::Wrong};

/// What a request's body says.
pub(super) trait Body: Sized {
    /// Whether a request may have no body at all, or null, which then says nothing.
    const MAY_BE_EMPTY: bool = false;

    /// Takes its members.
    fn read(fields: &mut Fields<'_>) -> Option<Self>;

    /// Its JSON Schema.
    fn object() -> Object;
}

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It is no JSON object.
    Malformed(serde_json::Error),
    /// Some members are wrong.
    Invalid(Vec<Wrong>),
}

/// Reads a whole body.
pub(super) fn parse<T: Body>(bytes: &[u8]) -> Result<T, BodyError> {
    let says_nothing = bytes.is_empty() || bytes == b"null";
    let bytes = if says_nothing && T::MAY_BE_EMPTY {
        b"{}"
    } else {
        bytes
    };
    let mut fields = Fields::parse(bytes).map_err(BodyError::Malformed)?;
    let read = T::read(&mut fields);
    fields.finish(read).map_err(BodyError::Invalid)
}

/// The start of the schema of a body that takes no other members.
pub(super) fn closed_object() -> ObjectBuilder {
    ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

/// Declares a body: its members with their kinds (`required`; `optional`, which may also be null; `given`, which may be
/// missing but not null), types and names.
macro_rules! body {
    (
        $(#[doc = $doc:literal])*
        $(@$empty:ident)?
        struct $body:ident {
            $($(#[doc = $about:literal])+ $field:ident: $kind:ident $type:ty = $name:literal,)*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug)]
        pub(in crate::http) struct $body {
            $($(#[doc = $about])+ pub(in crate::http) $field: body!(@type $kind $type),)*
        }

        impl $crate::http::body::Body for $body {
            $(body!(@empty $empty);)?

            fn read(fields: &mut $crate::http::fields::Fields<'_>) -> Option<Self> {
                $(let $field = fields.$kind::<$type>($name);)*
                Some(Self { $($field: body!(@take $kind $field),)* })
            }

            fn object() -> utoipa::openapi::schema::Object {
                let object = $crate::http::body::closed_object();
                $(let object = object.property(
                    $name,
                    $crate::http::schema::described(
                        body!(@schema $kind $type),
                        concat!($($about),+).trim(),
                    ),
                );)*
                $(let object = body!(@required $kind object $name);)*
                object.build()
            }
        }

        impl utoipa::PartialSchema for $body {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                <Self as $crate::http::body::Body>::object().into()
            }
        }

        impl utoipa::ToSchema for $body {}
    };
    (@empty may_be_empty) => { const MAY_BE_EMPTY: bool = true; };
    (@type required $type:ty) => { $type };
    (@type $kind:ident $type:ty) => { Option<$type> };
    (@take required $field:ident) => { $field? };
    (@take $kind:ident $field:ident) => { $field };
    (@schema optional $type:ty) => {
        $crate::http::schema::nullable(<$type as $crate::http::member::Member>::schema())
    };
    (@schema $kind:ident $type:ty) => { <$type as $crate::http::member::Member>::schema() };
    (@required required $object:ident $name:literal) => { $object.required($name) };
    (@required $kind:ident $object:ident $name:literal) => { $object };
}
pub(super) use body;
