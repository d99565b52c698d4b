//! Running networks: connectivity, initial values, buffers, and the steps between them.

mod block;
pub mod build;
pub mod cut;
mod draws;
mod entries;
pub mod eval;
mod health;
pub mod init;
pub mod network;
mod play;
mod redraw;
pub mod run_list;
pub mod runs;
pub mod synapses;
pub mod values;
pub mod wiring;

pub use build::{BuildError, Options, build};
pub use network::Network;
