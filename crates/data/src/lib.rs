//! Bytes on disk to examples and back.
//!
//! Shape alphabet: `B` batch (parallel streams), `T` time, `V` vocabulary. Matrices are flat slices, batch-major: entry
//! `[b, t]` of a `[B,T]` matrix lies at `b * T + t`.
//!
//! | module | contents |
//! |---|---|
//! | [`stories`] | the default corpus: a grammar of small stories whose entropy is known exactly |
//! | [`corpus`] | training, validation and test text from the grammar or from files |
//! | [`vocab`] | text to token ids and back: characters, words, byte-pair encoding |
//! | [`long_memory`] | sequences that only a long memory solves: adding, copying, pixels of digits |
//! | [`speech`] | tables of utterances and archives of their sounds |
//! | [`mod@file`] | files of the data folder, plain or gzip |
//! | [`fingerprint`] | hashes that tell whether data are the same |
//! | [`mod@array`] | dense arrays of numbers with a type and a shape |
//! | [`npz`] | archives of arrays, as NumPy reads and writes them |
//! | [`batch`] | token ids to `[B,T]` batches for truncated backpropagation through time |

pub mod array;
pub mod batch;
pub mod corpus;
pub mod error;
pub mod file;
pub mod fingerprint;
mod idx;
pub mod long_memory;
mod npy;
pub mod npz;
pub mod speech;
pub mod stories;
pub mod vocab;

pub use error::DataError;
pub use fingerprint::Fingerprint;
