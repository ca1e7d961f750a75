//! Prefix beam search: the likeliest labels, summed over their paths, with the scores of language models and word
//! lists.
//!
//! The search keeps the `K` best prefixes of labels, each with the probability of all paths so far that end in a blank,
//! p_b, and in its last label, p_l (Graves and Jaitly 2014; Hannun et al. 2014, "First-pass large vocabulary continuous
//! speech recognition using bi-directional recurrent DNNs"). A hypothesis scores
//!
//! ln p_ctc + α_w ln p_words + α_l ln p_labels + β_w words + β_l labels + β_u unknown words + hot words
//!
//! (shallow fusion): words count when they end, labels at once, hot words while they are spelled. With `K` large, no
//! pruning and nothing else to score, the result is exact: ln p_ctc is that of all paths, and the first hypothesis the
//! likeliest labels.
//!
//! [`BeamDecoder`] holds the parts that utterances share, [`BeamSearch`] one utterance: [`begin`](BeamDecoder::begin),
//! [`step`](BeamSearch::step) for each frame, [`end`](BeamSearch::end). A file and a stream take the same steps, so
//! they get the same results.

mod config;
mod decoder;
mod fusion;
mod hypothesis;
mod parts;
mod search;
mod state;
mod tree;

pub use config::{BeamConfig, BeamError, BeamModels};
pub use decoder::BeamDecoder;
pub use hypothesis::Hypothesis;
pub use parts::ScoreParts;
pub use search::BeamSearch;
pub use state::BeamState;
