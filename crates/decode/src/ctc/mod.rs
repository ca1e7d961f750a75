//! Connectionist temporal classification (Graves et al. 2006), decoded: from log-probabilities `[T,V]` to labels.
//!
//! A path holds one class a frame. Its labels are the classes that remain when repeats are merged and blanks removed;
//! the probability of a label sequence is the sum over all its paths. Log-probabilities are natural logarithms (nats),
//! the log-softmax of a network's logits; −∞ is a probability of 0. Frames are counted from 0, and a label's last frame
//! belongs to it.

pub mod align;
pub mod beam;
mod frame;
pub mod greedy;
mod label;
mod words;

pub use frame::CtcError;
pub use label::LabelSpan;
pub use words::{Word, words};
