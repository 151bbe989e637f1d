//! One of several operations in a batch or an import: the body of the route that does it alone, with the operation's
//! name and what it is about.

use application::stock::{Command, EndReservation, StockChange, VersionMatch};
use domain::stock::{ReservationId, StockId};
use serde_json::value::RawValue;
use utoipa::openapi::{
    RefOr,
    schema::{Object, ObjectBuilder, OneOfBuilder, Schema, Type},
};

use crate::http::{
    Problem,
    api::StockDefaults,
    auth::Scope,
    body::{Body, BodyError},
    fields::Fields,
    member::{Member, VersionNumber, Wrong},
    reservations::confirm::ConfirmBody,
    schema::{described, nullable},
    stocks::{
        adjust::AdjustBody, change, create::CreateStockBody, discontinue::ReasonBody,
        patch::PatchBody, price::SetPriceBody, quantity::SetQuantityBody, require_condition,
        reserve::ReserveBody,
    },
};

/// What an operation does.
#[derive(Debug, Clone, Copy)]
enum Name {
    Create,
    SetQuantity,
    Adjust,
    SetPrice,
    Patch,
    Discontinue,
    Reserve,
    Confirm,
    Release,
}

impl Name {
    const ALL: [(&'static str, Self); 9] = [
        ("create", Self::Create),
        ("setQuantity", Self::SetQuantity),
        ("adjust", Self::Adjust),
        ("setPrice", Self::SetPrice),
        ("patch", Self::Patch),
        ("discontinue", Self::Discontinue),
        ("reserve", Self::Reserve),
        ("confirm", Self::Confirm),
        ("release", Self::Release),
    ];
}

impl Member for Name {
    fn schema() -> RefOr<Schema> {
        let names = Self::ALL.map(|(name, _)| name);
        ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(names))
            .into()
    }

    fn from_text(text: &str) -> Result<Self, Vec<Wrong>> {
        let found = Self::ALL.into_iter().find(|(name, _)| *name == text);
        found.map(|(_, name)| name).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name).join(", ");
            Wrong::all("unknown-name", format!("must be one of {names}"))
        })
    }
}

/// An operation that was read.
#[derive(Debug)]
pub(in crate::http) enum Operation {
    Create(CreateStockBody),
    Change(StockId, Option<VersionMatch>, StockChange),
    Reserve(StockId, ReserveBody),
    End(ReservationId, EndReservation),
}

impl Operation {
    /// Reads a JSON object; `otherwise` says what an object without a name does.
    pub(super) fn parse(json: &[u8], otherwise: Option<&str>) -> Result<Self, BodyError> {
        let mut fields = Fields::parse(json).map_err(BodyError::Malformed)?;
        let name = match otherwise {
            Some(otherwise) if !fields.has("op") => Name::from_text(otherwise).ok(),
            _ => fields.required("op"),
        };
        Self::read(fields, name).map_err(BodyError::Invalid)
    }

    fn read(mut fields: Fields<'_>, name: Option<Name>) -> Result<Self, Vec<Wrong>> {
        let Some(name) = name else {
            // What its members should be is not known either.
            return Err(fields.into_errors());
        };
        match name {
            Name::Create => {
                let body = CreateStockBody::read(&mut fields);
                fields.finish(body).map(Self::Create)
            }
            Name::SetQuantity => of_stock(fields, SetQuantityBody::change),
            Name::Adjust => of_stock(fields, AdjustBody::change),
            Name::SetPrice => of_stock(fields, SetPriceBody::change),
            Name::Patch => of_stock(fields, PatchBody::change),
            Name::Discontinue => of_stock(fields, |body: ReasonBody| StockChange::Discontinue {
                reason: body.reason,
            }),
            Name::Reserve => {
                let about = fields.required("stockId");
                let body = ReserveBody::read(&mut fields);
                let (stock_id, body) = fields.finish(about.zip(body))?;
                Ok(Self::Reserve(stock_id, body))
            }
            Name::Confirm => of_reservation(fields, |body: ConfirmBody| EndReservation::Confirm {
                units: body.quantity,
            }),
            Name::Release => of_reservation(fields, |body: ReasonBody| EndReservation::Release {
                reason: body.reason,
            }),
        }
    }

    /// What it needs besides the right to change stocks.
    pub(super) fn scope(&self) -> Option<Scope> {
        match self {
            Self::Create(_) | Self::Change(..) => None,
            Self::Reserve(..) | Self::End(..) => Some(Scope::Reserve),
        }
    }

    /// The command that does it.
    pub(super) fn command(self, defaults: &StockDefaults) -> Result<Command, Problem> {
        Ok(match self {
            Self::Create(body) => body.command(defaults),
            Self::Change(stock_id, if_match, what) => {
                let blind = match &what {
                    StockChange::SetQuantity { expected, .. } => expected.is_none(),
                    StockChange::SetPrice { .. } | StockChange::Describe(_) => true,
                    StockChange::Adjust { .. } | StockChange::Discontinue { .. } => false,
                };
                require_condition(defaults, !blind || if_match.is_some())?;
                change(stock_id, if_match, what)
            }
            Self::Reserve(stock_id, body) => body.command(stock_id, defaults)?,
            Self::End(reservation_id, end) => Command::End {
                reservation_id,
                end,
            },
        })
    }
}

fn of_stock<B: Body>(
    mut fields: Fields<'_>,
    make: impl FnOnce(B) -> StockChange,
) -> Result<Operation, Vec<Wrong>> {
    let about = fields.required("stockId");
    let version: Option<VersionNumber> = fields.optional("expectedVersion");
    let body = B::read(&mut fields);
    let (stock_id, body) = fields.finish(about.zip(body))?;
    let version = version.and_then(|number| number.0);
    let if_match = version.map(|version| VersionMatch::OneOf(vec![version]));
    Ok(Operation::Change(stock_id, if_match, make(body)))
}

fn of_reservation<B: Body>(
    mut fields: Fields<'_>,
    make: impl FnOnce(B) -> EndReservation,
) -> Result<Operation, Vec<Wrong>> {
    let about = fields.required("reservationId");
    let body = B::read(&mut fields);
    let (reservation_id, body) = fields.finish(about.zip(body))?;
    Ok(Operation::End(reservation_id, make(body)))
}

impl Member for Operation {
    fn schema() -> RefOr<Schema> {
        let named = |(text, name): (&str, Name)| {
            let (about, mut object) = match name {
                Name::Create => (None, CreateStockBody::object()),
                Name::SetQuantity => (Some("stockId"), SetQuantityBody::object()),
                Name::Adjust => (Some("stockId"), AdjustBody::object()),
                Name::SetPrice => (Some("stockId"), SetPriceBody::object()),
                Name::Patch => (Some("stockId"), PatchBody::object()),
                Name::Discontinue => (Some("stockId"), ReasonBody::object()),
                Name::Reserve => (Some("stockId"), ReserveBody::object()),
                Name::Confirm => (Some("reservationId"), ConfirmBody::object()),
                Name::Release => (Some("reservationId"), ReasonBody::object()),
            };
            let op = ObjectBuilder::new()
                .schema_type(Type::String)
                .enum_values(Some([text]));
            add(&mut object, "op", op.into());
            match about {
                Some("stockId") => {
                    add(&mut object, "stockId", StockId::schema());
                    if !matches!(name, Name::Reserve) {
                        let version = described(
                            nullable(VersionNumber::schema()),
                            "Only if the stock is at this version.",
                        );
                        object
                            .properties
                            .insert("expectedVersion".to_owned(), version);
                    }
                }
                Some(member) => add(&mut object, member, ReservationId::schema()),
                None => {}
            }
            object
        };
        let all = Name::ALL.into_iter().map(named);
        let one_of = all.fold(OneOfBuilder::new(), utoipa::openapi::OneOfBuilder::item);
        one_of.into()
    }

    fn from_text(_: &str) -> Result<Self, Vec<Wrong>> {
        Err(Wrong::all("wrong-type", "must be an object"))
    }

    fn from_json(raw: &RawValue) -> Result<Self, Vec<Wrong>> {
        match Self::parse(raw.get().as_bytes(), None) {
            Ok(operation) => Ok(operation),
            Err(BodyError::Invalid(wrong)) => Err(wrong),
            Err(BodyError::Malformed(_)) => Err(Wrong::all("wrong-type", "must be an object")),
        }
    }
}

fn add(object: &mut Object, name: &str, schema: RefOr<Schema>) {
    object.properties.insert(name.to_owned(), schema);
    object.required.push(name.to_owned());
}
