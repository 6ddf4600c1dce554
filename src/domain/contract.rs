use serde::Serialize;

use super::Timestamp;

/// A login of the database that sees an organisation in the views of `contract_v1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContractReader {
    pub login: String,
    pub org: String,
    pub granted_at: Timestamp,
    pub granted_by: String,
}
