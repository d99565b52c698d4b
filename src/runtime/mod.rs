//! Running networks: connectivity, initial values, buffers, and the steps between them.

pub mod build;
mod draws;
pub mod eval;
pub mod groups;
mod health;
pub mod init;
pub mod network;
mod play;
mod redraw;
pub mod wiring;

pub use build::{BuildError, Options, build};
pub use network::Network;
