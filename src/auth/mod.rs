//! Who is asking, and what they may do.

mod actor;
pub mod api_key;
pub mod jwt;
pub mod policy;

pub use actor::{Actor, ActorKind, Credential};
pub use policy::{Authorized, Permission};
