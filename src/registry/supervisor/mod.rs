//! Keeps one datasource running: a pure state machine that decides, and an actor that does.

pub mod actor;
pub mod fsm;
mod reload;
