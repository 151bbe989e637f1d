//! Changes to parts of the API's description.

use utoipa::openapi::{
    RefOr,
    schema::{ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type},
};

/// The same schema, with a description.
pub(super) fn described(schema: RefOr<Schema>, description: &str) -> RefOr<Schema> {
    let description = Some(description.to_owned());
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            object.description = description;
            Schema::Object(object).into()
        }
        RefOr::T(Schema::OneOf(mut one_of)) => {
            one_of.description = description;
            Schema::OneOf(one_of).into()
        }
        other => other,
    }
}

/// The same schema, or null.
pub(super) fn nullable(schema: RefOr<Schema>) -> RefOr<Schema> {
    let null = || ObjectBuilder::new().schema_type(Type::Null);
    match schema {
        RefOr::T(Schema::Object(mut object)) if object.enum_values.is_none() => {
            if let SchemaType::Type(schema_type) = object.schema_type {
                object.schema_type = SchemaType::from_iter([schema_type, Type::Null]);
            }
            Schema::Object(object).into()
        }
        RefOr::T(Schema::OneOf(mut one_of)) => {
            one_of.items.push(null().into());
            Schema::OneOf(one_of).into()
        }
        other => OneOfBuilder::new().item(other).item(null()).into(),
    }
}
