//! N-gram language models with back-off.
//!
//! ln p(w | h) is the entry of `h w` if there is one, otherwise the back-off weight of `h` plus ln p(w | h'), where h'
//! is h without its first word (Katz 1987). Entries are kept as an ARPA file has them, log10 in `f32`; scores
//! are given in nats and `f64`.

pub mod arpa;
mod build;
mod model;
mod train;

pub use model::{MAX_ORDER, Ngram, State};
pub use train::{TrainError, train};
