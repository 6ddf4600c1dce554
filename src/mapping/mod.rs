//! The configuration document of a version, and the mapping that it compiles to.

mod circuit_breaker;
mod config_check;
mod convert;
mod document;
mod jsonpath;
mod literal_secrets;
mod outputs;
mod path_guard;
mod pattern_cost;
mod sandbox;
mod secret_text;
mod secrets;
mod section;
mod spec;
mod template;
mod transform;

pub use circuit_breaker::CircuitBreaker;
pub use config_check::{ConfigCheck, schema_of, shorten};
pub use document::{Batch, DeadLetters, Delivery, Document, RateLimit, Retry, Runtime, SinkSection};
pub use jsonpath::{Path, TooCostly};
pub use literal_secrets::{is_credential, literal_secrets};
pub use outputs::{BatchReceiver, Limits, Mapped, Mapping, MappingError, Receiver, Summary};
pub use secret_text::SecretText;
pub use secrets::{is_secret_template, resolve};
pub use spec::{FIELDS_MAX, MappingSpec, OUTPUTS_MAX, OutputSpec, TransformSpec};
