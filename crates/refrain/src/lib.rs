//! Refrain: recurrent sequence models, trained, run and served.
//!
//! From the ground up: [`ops`] are the fused operations on Burn, [`layers`] are made of them, [`models`] of layers,
//! [`tasks`] wire a model to data and a decoder, [`train`] is the one training loop and [`store`] the model folder.
//!
//! Shapes use one alphabet everywhere: `B` batch, `T` time, `C` input features, `H` hidden units, `V` vocabulary, `L` layers,
//! `D` directions, `G` gates per unit.

pub mod error;
pub mod files;
mod init;
pub mod lab;
pub mod layers;
mod memory;
pub mod metrics;
pub mod models;
pub mod ops;
pub mod params;
pub mod recipe;
pub mod store;
pub mod tasks;
pub mod train;

pub use error::Error;
