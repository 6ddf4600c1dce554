use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

const SOURCE_MAX: usize = 100;

/// Who keeps a datasource as it is, and the channel that a change comes by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ManagedBy {
    /// People, through the console.
    Ui,
    /// Programs, through GraphQL or REST.
    Api,
    /// The tree of files that goes by this name.
    Git(Arc<str>),
}

/// The header by which the console tells itself apart from other clients. It names a channel and grants nothing.
pub const CLIENT_HEADER: &str = "x-studio-client";

impl ManagedBy {
    /// The channel of a client that calls itself so in [`CLIENT_HEADER`].
    pub fn of_client(name: Option<&str>) -> Self {
        if name == Some("console") { Self::Ui } else { Self::Api }
    }

    /// A source by its name.
    pub fn git(source: &str) -> Result<Self, String> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
        if source.is_empty() || source.len() > SOURCE_MAX || !source.chars().all(legal) {
            return Err(format!(
                "{source:?} is not the name of a source: 1 to {SOURCE_MAX} letters, digits, '.', '_', '-' or '/'"
            ));
        }
        Ok(Self::Git(source.into()))
    }
}

impl fmt::Display for ManagedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ui => f.write_str("ui"),
            Self::Api => f.write_str("api"),
            Self::Git(source) => write!(f, "git:{source}"),
        }
    }
}

impl FromStr for ManagedBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ui" => Ok(Self::Ui),
            "api" => Ok(Self::Api),
            other => match other.strip_prefix("git:") {
                Some(source) => Self::git(source),
                None => Err(format!("{other:?} is not one of ui, api, git:<source>")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints_and_refuses_the_rest() {
        for text in ["ui", "api", "git:platform/feeds"] {
            assert_eq!(text.parse::<ManagedBy>().map(|m| m.to_string()), Ok(text.to_owned()));
        }
        for wrong in ["", "UI", "git", "git:", "git:a b", "git:a\nb", &format!("git:{}", "x".repeat(101))] {
            assert!(wrong.parse::<ManagedBy>().is_err(), "{wrong}");
        }
    }
}
