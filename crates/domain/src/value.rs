//! Why a value from outside is not one of the domain's values.

use rust_decimal::Decimal;

/// A value that was refused at the border of the domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidValue {
    /// Nothing, or only white space.
    #[error("must not be empty")]
    Empty,
    /// Longer than the value may be, in characters.
    #[error("must be at most {max} characters long")]
    TooLong {
        /// The most characters allowed.
        max: usize,
    },
    /// Not of the documented form.
    #[error("must match {pattern}")]
    Pattern {
        /// The form, as a regular expression.
        pattern: &'static str,
    },
    /// A control character, which logs and partners cannot show.
    #[error("must not contain control characters")]
    ControlCharacter,
    /// Outside of the allowed numbers.
    #[error("must be between {min} and {max}")]
    OutOfRange {
        /// The smallest allowed value.
        min: Decimal,
        /// The largest allowed value.
        max: Decimal,
    },
    /// More digits after the point than are kept; it is refused, never rounded.
    #[error("must have at most {max} digits after the decimal point")]
    TooManyDecimals {
        /// The most digits kept.
        max: u32,
    },
    /// Not a decimal number at all.
    #[error("must be a decimal number")]
    NotANumber,
}

impl InvalidValue {
    /// A stable code for machines.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong { .. } => "too-long",
            Self::Pattern { .. } => "pattern",
            Self::ControlCharacter => "control-character",
            Self::OutOfRange { .. } => "out-of-range",
            Self::TooManyDecimals { .. } => "too-many-decimals",
            Self::NotANumber => "not-a-number",
        }
    }
}

/// Checks that `text` is 1 to `max` characters long and, after trimming, not empty; the trimmed text is the value.
pub(crate) fn bounded_text(text: &str, max: usize) -> Result<&str, InvalidValue> {
    if text.chars().count() > max {
        return Err(InvalidValue::TooLong { max });
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidValue::ControlCharacter);
    }
    let text = text.trim();
    if text.is_empty() {
        return Err(InvalidValue::Empty);
    }
    Ok(text)
}

/// A text value: private field, one fallible constructor, `Display`. Copies share the text: a value of a stock goes into
/// every state and every event of it.
macro_rules! text_value {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The value as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::InvalidValue;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let check: fn(&str) -> Result<&str, $crate::InvalidValue> = $check;
                check(text).map(|text| Self(text.into()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use text_value;
