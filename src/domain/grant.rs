//! A role on one project or one datasource, on top of what a token grants.

use uuid::Uuid;

use super::{Role, Tenant, Timestamp};

/// What a role is given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    /// By the subject of the token.
    User,
    /// By a group that the token names.
    Group,
    /// By the name of the account.
    ServiceAccount,
}

impl PrincipalKind {
    pub const ALL: [Self; 3] = [Self::User, Self::Group, Self::ServiceAccount];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::ServiceAccount => "service_account",
        }
    }
}

impl std::str::FromStr for PrincipalKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is not a kind of principal"))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessGrant {
    pub id: Uuid,
    pub principal_kind: PrincipalKind,
    pub principal: String,
    /// The project, or that of the datasource.
    pub tenant: Tenant,
    /// `None`: the whole project.
    pub datasource_id: Option<Uuid>,
    pub role: Role,
    pub created_at: Timestamp,
    pub created_by: String,
}
