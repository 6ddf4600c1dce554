//! Stakeholders are told of changes: where, of which, and what became of it.
//!
//! The change itself writes nothing for this. An endpoint has a cursor on the timeline, and the registry goes on from there.

mod endpoint;
mod message;

pub use endpoint::{
    CreateNotificationEndpoint, NewSigningSecret, RotateNotificationSecret, UpdateNotificationEndpoint,
};
pub use message::RecoverNotifications;
