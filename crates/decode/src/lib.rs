//! From scores to answers, and the quality of the answers.
//!
//! Shape alphabet: `B` batch, `T` time, `S` source length, `V` vocabulary, `K` beam. Nothing here reads files or knows
//! tensors: scores come in as slices, answers go out as indices and figures.
//!
//! | module | contents |
//! |---|---|
//! | [`sample`] | one index out of `V` logits: temperature, top-k, top-p |
//! | [`ctc`] | labels out of CTC scores: the best path, prefix beam search, a known text's place |
//! | [`search`] | texts out of models of the next token: greedy, beam, random draws; forced scores, alignment |
//! | [`ngram`] | n-gram language models: ARPA files, training, scores |
//! | [`text`] | texts of labels, lexicons, hot words |
//! | [`top_k`] | the best `K` of many candidates, for any beam search |
//! | [`metrics`] | perplexity and bits per character; edit distance; scores of two texts by name (error rates, BLEU, …) |

pub mod ctc;
mod math;
pub mod metrics;
pub mod ngram;
pub mod sample;
pub mod search;
mod state;
pub mod text;
pub mod top_k;

pub use metrics::perplexity::Perplexity;
pub use refrain_random::Rng;
pub use sample::{Choice, SampleError, Sampler, Scored};
pub use state::StateError;
