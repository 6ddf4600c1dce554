//! Who is asking, and what they may do.

mod actor;
pub mod jwt;
pub mod policy;

pub use actor::{Actor, ActorKind};
pub use policy::{Authorized, Permission};
