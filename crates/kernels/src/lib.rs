//! The inner loops of Refrain over plain slices: recurrences (RNN, LSTM, GRU) forward and backward.
//!
//! Shapes are given in the alphabet B batch, T time, C input features, H hidden units, V vocabulary, D directions;
//! arrays are row-major and batch-major (`[B,T,C]`). [`forward`] and [`backward`] run whole, possibly ragged
//! sequences; [`Stepper`] runs one step at a time; [`mod@reference`] is the specification of both.

mod error;
mod gru;
mod lstm;
pub mod reference;
mod rnn;
mod sequence;
mod shape;
mod stepper;
mod threads;

pub use error::KernelError;
pub use sequence::{Reserve, backward, forward};
pub use shape::{
    Cell, Direction, Gradients, Inputs, OutputGradients, Outputs, Plan, Wanted, WeightGradients,
    Weights,
};
pub use stepper::Stepper;
pub use threads::{set_threads, threads};
