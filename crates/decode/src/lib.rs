//! From scores to answers, and how good the answers are.
//!
//! Shape alphabet: `B` batch, `T` time, `V` vocabulary, `K` beam. Nothing here reads files or knows tensors: scores come in
//! as slices, answers go out as indices and figures.
//!
//! | module | what it does |
//! |---|---|
//! | [`rng`] | a small seedable generator whose state is plain data |
//! | [`sample`] | one index out of `V` logits: temperature, top-k, top-p |
//! | [`ctc`] | labels out of the scores of connectionist temporal classification: the best path, prefix beam search, a known text's place |
//! | [`ngram`] | n-gram language models: ARPA files, training, scores |
//! | [`text`] | what labels stand for, lexicons, hot words |
//! | [`pool`] | the best `K` of many candidates, for any beam search |
//! | [`metrics`] | perplexity and bits per character; edit distance and error rates |

pub mod ctc;
mod math;
pub mod metrics;
pub mod ngram;
pub mod pool;
pub mod rng;
pub mod sample;
pub mod text;

pub use metrics::perplexity::Perplexity;
pub use rng::Rng;
pub use sample::{SampleError, Sampler};
