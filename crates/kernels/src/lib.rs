//! The kernels of Refrain over slices: recurrences, losses, and updates of all parameters. No Burn, no files.
//!
//! Shape alphabet: `B` batch, `T` time, `C` input features, `H` hidden units, `V` vocabulary, `D` directions, `G` gates
//! per unit. Arrays are row-major, outermost dimension first. Weights have PyTorch's shapes and gate order (LSTM i, f,
//! g, o; GRU r, z, n).
//!
//! [`forward`] and [`backward`] run a layer over whole sequences, [`StepWeights`] one step of many sessions.
//! [`mod@reference`] is the specification that the fast path is tested against. Results are the same bit for bit for
//! any number of threads.

// A register tile is an array of arrays that several loops walk by row and vector at once.
#![allow(clippy::needless_range_loop)]

mod act;
pub mod allocator;
pub mod attention;
mod cache;
mod call;
mod cells;
pub mod conv;
pub mod ctc;
pub mod embedding;
mod error;
mod layer;
mod layout;
mod linear;
mod number;
mod pack;
mod parts;
mod peak;
mod pool;
mod product;
pub mod random;
mod recurrence;
pub mod reference;
mod scratch;
mod simd;
pub mod softmax;
mod stepper;
mod tile;
pub mod update;

pub use call::{
    Cell, Direction, Gradients, Inputs, OutputGradients, Outputs, Plan, Precision, Wanted,
    WeightGradients, Weights,
};
pub use error::KernelError;
pub use layer::{Reserve, backward, backward_at, forward, forward_at, infer};
pub use linear::LinearWeights;
pub use peak::peak;
pub use pool::Threads;
pub use recurrence::WeightCache;
pub use simd::Level;
pub use stepper::{StepScratch, StepState, StepWeights};

/// The instruction set in use: `amx`, `avx512bf16`, `avx512vnni`, `avx512`, `avx2` or `portable`.
pub fn simd_level() -> &'static str {
    Level::best().name()
}
