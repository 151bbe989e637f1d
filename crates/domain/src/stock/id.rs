//! Identities: UUID version 7 shown in Crockford's base32 behind a prefix, so that they sort by time.

use uuid::Uuid;

use crate::{InvalidValue, value::text_value};

/// Crockford's alphabet: no I, L, O, U (<https://www.crockford.com/base32.html>).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// `prefix`, and the 26 characters that show 128 bits, most significant first.
fn base32(prefix: &str, uuid: Uuid) -> String {
    let bits = uuid.as_u128();
    let digits = (0..26_u32).rev().map(|digit| {
        let shift = digit.saturating_mul(5);
        char::from(ALPHABET[usize::try_from(bits >> shift & 31).unwrap_or(0)])
    });
    prefix.chars().chain(digits).collect()
}

fn prefixed<'a>(
    text: &'a str,
    prefix: &str,
    pattern: &'static str,
) -> Result<&'a str, InvalidValue> {
    let refused = InvalidValue::Pattern { pattern };
    let Some(rest) = text.strip_prefix(prefix) else {
        return Err(refused);
    };
    let legal = (1..=32).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric());
    if legal { Ok(text) } else { Err(refused) }
}

text_value! {
    /// Names a stock: `^STK-[A-Za-z0-9]{1,32}$`; made here or chosen by the client.
    StockId, |text| prefixed(text, "STK-", "^STK-[A-Za-z0-9]{1,32}$")
}

text_value! {
    /// Names a reservation: `^RSV-[A-Za-z0-9]{1,32}$`.
    ReservationId, |text| prefixed(text, "RSV-", "^RSV-[A-Za-z0-9]{1,32}$")
}

impl StockId {
    /// The id made of a UUID.
    #[must_use]
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(base32("STK-", uuid).into())
    }
}

impl ReservationId {
    /// The id made of a UUID.
    #[must_use]
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(base32("RSV-", uuid).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_26_characters_and_keep_the_order_of_their_uuids() {
        let older = StockId::from_uuid(Uuid::from_u128(31));
        let newer = StockId::from_uuid(Uuid::from_u128(32));

        assert_eq!(older.as_str(), "STK-0000000000000000000000000Z");
        assert_eq!(newer.as_str(), "STK-00000000000000000000000010");
        assert_eq!(
            StockId::from_uuid(Uuid::max()).as_str(),
            "STK-7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
        );
        assert!(older < newer);
    }

    #[test]
    fn a_client_may_choose_an_id_of_the_documented_form_only() {
        assert!("STK-001".parse::<StockId>().is_ok());
        for wrong in ["", "001", "STK-", "STK-a b", "STK-ä", "stk-1", "STK-1-2"] {
            assert!(wrong.parse::<StockId>().is_err(), "{wrong:?}");
        }
        assert!(
            format!("STK-{}", "x".repeat(33))
                .parse::<StockId>()
                .is_err()
        );
    }
}
