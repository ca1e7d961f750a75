//! ONNX models made of recurrent operators and what joins them: read, run and written. No Burn, no files, no code generated from a schema.
//!
//! [`Model::read`] takes a file's bytes, [`Model::run`] named tensors. What Refrain does not know, be it an operator, an attribute, a type
//! or a version, is an error that names it: nothing in a file is passed over. [`export`] writes models, [`npz`] reads and writes archives of arrays.
//!
//! The operators are RNN, GRU and LSTM with all their options (`recurrent/` says which take the fast path) and those of the list
//! in `ops/mod.rs`. Shapes use the alphabet of the kernels: `B` batch, `T` time, `C` input features, `H` hidden units, `V` vocabulary, `L` layers,
//! `D` directions, `G` gates per unit.

mod error;
pub mod export;
mod graph;
mod node;
mod npy;
pub mod npz;
mod ops;
mod port;
pub mod proto;
mod recurrent;
mod tensor;
mod value;
mod walk;

pub use error::{NpzError, OnnxError, OpError};
pub use graph::Model;
pub use port::{Dim, Port};
pub use value::{DEFAULT_LIMIT, Data, Dtype, Value, elements};
