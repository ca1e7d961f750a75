//! Fused operations: the Burn face of the kernels, one file per operation.
//!
//! Each file holds a *kernel trait* (forward and backward of a raw backend over primitives), a *backend extension* (the
//! dispatch of a tensor call), the zero-copy implementation for Flex, the autodiff node, and one public function over
//! [`Tensor`](burn::tensor::Tensor). The kernel traits have default bodies composed of Burn's own operations
//! ([`composed`]), so another backend joins with one line in `backends.rs`.
//!
//! This is the only module that names Flex or Autodiff.

mod attention;
mod backends;
pub mod composed;
mod conv;
mod ctc;
mod dropout;
mod embedding;
mod flex;
mod linear;
mod loss;
mod outputs;
mod recurrent;

pub use attention::{AttentionInputs, AttentionLengths, AttentionOutput, attention};
pub use conv::{ConvOptions, ImageBatch, Pooling, Window, conv, conv_max, pool};
pub use ctc::{CtcOutput, CtcTargets, ctc_loss};
pub use dropout::{DropoutMask, dropout};
pub use embedding::embedding;
pub use flex::floats;
pub(crate) use flex::{Values, floats_mut};
pub use linear::linear;
pub use loss::{LossOptions, LossOutput, linear_cross_entropy, linear_cross_entropy_with};
pub(crate) use recurrent::fits;
pub use recurrent::{DirectionWeights, PackedWeights, RecurrentOutput, RecurrentSpec, recurrent};
