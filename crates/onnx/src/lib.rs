//! ONNX models made of recurrent operators and the usual ones around them: read, run and written. No Burn, and no files
//! but the model's own.
//!
//! [`Model::open`] takes a file, with the constants in files beside it, [`Model::read`] a file's bytes, and
//! [`Model::run`] named arrays. An operator, attribute, type or version that Refrain does not support is an error that
//! names it: nothing that an output needs is skipped. [`Model::check`] lists all of them. A [`Session`] carries state
//! from run to run. [`export`] writes models; [`refrain_data::npz`] reads and writes archives of arrays.
//!
//! The operators are RNN, GRU and LSTM with all their options (`recurrent/` says which take the fast path) and those of
//! [`operators`]. Shapes use the alphabet of the kernels: `B` batch, `T` time, `C` input features, `H`
//! hidden units, `V` vocabulary, `L` layers, `D` directions, `G` gates per unit.

mod activation;
mod attributes;
mod call;
mod cast;
mod control;
mod error;
pub mod export;
mod external;
mod gate_order;
mod graph;
mod model;
mod node;
mod ops;
mod order;
mod packed;
mod port;

pub mod proto;
mod quantised;
mod recurrent;
mod run;
mod session;
mod tensor;
mod walk;

pub use error::{OnnxError, OpError};
pub use external::External;
pub use graph::Finding;
pub use model::Model;
pub use ops::{Entry, operators};
pub use port::{Dim, Port};
pub use refrain_data::array::{Array, Data, Dtype};
pub use session::Session;
