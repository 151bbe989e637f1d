//! An error with what it came of, in one line.

use std::{error::Error, fmt};

/// Shows an error and its sources, for the one line that logs it.
pub struct Causes<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = self.0.to_string();
        f.write_str(&told)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Some errors repeat what they came of.
            if !told.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            told = text;
            source = cause.source();
        }
        Ok(())
    }
}
