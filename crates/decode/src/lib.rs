//! From scores to answers, and how good the answers are.
//!
//! Shape alphabet: `B` batch, `T` time, `V` vocabulary, `K` beam. Nothing here reads files or knows tensors: scores come in
//! as slices, answers go out as indices and figures.
//!
//! | module | what it does |
//! |---|---|
//! | [`rng`] | a small seedable generator whose state is plain data |
//! | [`sample`] | one index out of `V` logits: temperature, top-k, top-p |
//! | [`ctc`] | labels out of the scores of connectionist temporal classification: the best path, and a known text's place |
//! | [`metrics`] | perplexity and bits per character; edit distance and error rates |

pub mod ctc;
pub mod metrics;
pub mod rng;
pub mod sample;

pub use metrics::perplexity::Perplexity;
pub use rng::Rng;
pub use sample::{SampleError, Sampler};
