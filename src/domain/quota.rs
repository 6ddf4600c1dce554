use std::fmt;
use std::str::FromStr;

use super::Quota;

/// The most that there may be, or no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most(pub Option<u64>);

impl FromStr for Most {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(None));
        }
        // The database keeps it as a signed number.
        match text.parse::<i64>().ok().and_then(|n| u64::try_from(n).ok()) {
            Some(most) => Ok(Self(Some(most))),
            None => Err(format!("{text:?} is no quota: give a whole number, or none for no limit")),
        }
    }
}

impl fmt::Display for Most {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(most) => most.fmt(f),
            None => f.write_str("none"),
        }
    }
}

/// A quota of an organisation, and what it has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaUse {
    pub name: Quota,
    /// `None` means no limit.
    pub limit: Option<u64>,
    /// `None` for a rate, and for what is not counted. Of versions, those of the datasource that has the most.
    pub used: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_a_number_or_none() {
        for text in ["0", "12", "none"] {
            assert_eq!(text.parse::<Most>().expect("a quota").to_string(), text);
        }
        for text in ["", "-1", "many", "1.5", "9223372036854775808"] {
            let refused = text.parse::<Most>().expect_err("no quota");
            assert!(refused.contains("none for no limit"), "{refused}");
        }
    }
}
