//! Bytes on disk to examples and back.
//!
//! Shape alphabet: `B` batch (parallel streams), `T` time, `V` vocabulary. Matrices are flat slices, batch-major: entry `[b, t]` of a
//! `[B,T]` matrix lies at `b * T + t`.
//!
//! | module | what it does |
//! |---|---|
//! | [`vocab`] | text to token ids and back: characters, words, byte-pair encoding |
//! | [`batch`] | token ids to `[B,T]` batches for truncated backpropagation through time |

pub mod batch;
pub mod error;
mod random;
pub mod vocab;

pub use error::DataError;
