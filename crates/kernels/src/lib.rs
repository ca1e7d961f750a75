//! The kernels of Refrain: recurrences, sequence loss and what runs once a batch, over slices. No Burn, no files.
//!
//! Shape alphabet: `B` batch, `T` time, `C` input features, `H` hidden units, `V` vocabulary, `D` directions, `G` gates per unit.
//! Arrays are row-major, outermost dimension first. Weights have PyTorch's shapes and gate order (LSTM i, f, g, o; GRU r, z, n).
//!
//! [`forward`] and [`backward`] run a layer over whole sequences, [`Stepper`] one step at a time. [`mod@reference`] is the specification
//! that the fast path is tested against. Results are the same bit for bit for any number of threads.

// A register tile is an array of arrays that several loops walk by row and vector at once.
#![allow(clippy::needless_range_loop)]

pub mod act;
mod cache;
pub mod ctc;
pub mod embedding;
mod error;
mod gru;
mod layer;
mod layout;
mod lstm;
pub mod memory;
mod number;
mod pack;
mod peak;
mod pool;
mod product;
pub mod random;
mod recurrence;
pub mod reference;
mod rnn;
mod simd;
pub mod softmax;
mod stepper;
mod tile;
pub mod update;

pub use error::KernelError;
pub use layer::{
    Gradients, Inputs, OutputGradients, Outputs, Plan, Reserve, Wanted, WeightGradients, Weights,
    backward, backward_at, forward, forward_at, infer,
};
pub use number::Precision;
pub use peak::peak;
pub use pool::{set_threads, threads};
pub use recurrence::WeightCache;
pub use simd::Level;
pub use stepper::Stepper;

/// A recurrence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// h' = tanh(W_ih x + b_ih + W_hh h + b_hh) (Elman 1990).
    RnnTanh,
    /// The same with max(0, ·).
    RnnRelu,
    /// i,f,o = σ(·), g = tanh(·), c' = f⊙c + i⊙g, h' = o⊙tanh(c') (Hochreiter & Schmidhuber 1997; Gers et al. 2000).
    Lstm,
    /// r,z = σ(·), n = tanh(W x + b + r⊙(U h + b')), h' = z⊙h + (1−z)⊙n (Cho et al. 2014 as PyTorch and cuDNN compute it).
    Gru,
    /// The same with n = tanh(W x + b + U(r⊙h) + b') (Cho et al. 2014). Runs on the reference path.
    GruResetBefore,
}

impl Cell {
    /// Gate rows per hidden unit in `w_ih`, `w_hh` and the biases.
    pub const fn gates(self) -> usize {
        match self {
            Self::RnnTanh | Self::RnnRelu => 1,
            Self::Lstm => 4,
            Self::Gru | Self::GruResetBefore => 3,
        }
    }

    /// Whether there is a memory `c` beside `h`.
    pub const fn has_memory(self) -> bool {
        matches!(self, Self::Lstm)
    }
}

/// The order in which a layer reads a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the first step to the last.
    Forward,
    /// From the last real step to the first.
    Reverse,
}

/// The instruction set in use: `amx`, `avx512bf16`, `avx512vnni`, `avx512`, `avx2` or `portable`.
pub fn simd_level() -> &'static str {
    Level::best().name()
}
