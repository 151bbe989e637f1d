//! Tokens of the client credentials grant.

/// Tokens that were handed out.
pub(crate) struct Tokens {
    lasts: u32,
    issued: u32,
    left: u32,
}

impl Tokens {
    /// Each token is good for so many calls.
    pub(crate) fn lasting(lasts: u32) -> Self {
        Self {
            lasts,
            issued: 0,
            left: 0,
        }
    }

    pub(crate) fn issued(&self) -> u32 {
        self.issued
    }

    /// A new token; the one before is no good any more.
    pub(crate) fn issue(&mut self) -> String {
        self.issued += 1;
        self.left = self.lasts;
        format!("token-{}", self.issued)
    }

    /// Whether the call's token is good.
    pub(crate) fn admits(&mut self, authorization: Option<&str>) -> bool {
        let expected = format!("Bearer token-{}", self.issued);
        if authorization != Some(expected.as_str()) || self.left == 0 {
            return false;
        }
        self.left -= 1;
        true
    }
}
