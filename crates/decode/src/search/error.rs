//! Errors of a search.

use crate::sample::SampleError;
use thiserror::Error;

/// Settings, sentences or model output that a search cannot take. Steps are counted from 0.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SearchError {
    /// An invalid setting.
    #[error("search: {name} is {value}; it must be {must}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// The valid values.
        must: &'static str,
    },
    /// A sentence with demands that cannot be met.
    #[error("search: sentence {sentence}: {problem}")]
    Sentence {
        /// Position in the input.
        sentence: usize,
        /// The first contradiction, with a hint.
        problem: String,
    },
    /// The model gave a value that is no log-probability.
    #[error(
        "search: sentence {sentence}, step {step}: the log-probability of token {token} is {value}; it must be at \
         most 0 (the weights may be damaged, or the output is not normalised)"
    )]
    LogProb {
        /// Position in the input.
        sentence: usize,
        /// Step of this sentence.
        step: usize,
        /// The first such token.
        token: usize,
        /// Its value.
        value: f32,
    },
    /// The model gives probability 0 to a token of the target prefix.
    #[error(
        "search: sentence {sentence}, step {step}: token {token} of the target prefix has probability 0; \
         give another prefix"
    )]
    Prefix {
        /// Position in the input.
        sentence: usize,
        /// Step of this sentence.
        step: usize,
        /// The token.
        token: u32,
    },
    /// Attention weights are needed, but the model gave none, too few or too many, or some that are not finite.
    #[error(
        "search: sentence {sentence}, step {step}: expected {length} finite attention weights, one for each source \
         position, but the model gave {found}"
    )]
    Attention {
        /// Position in the input.
        sentence: usize,
        /// Step of this sentence.
        step: usize,
        /// `S`.
        length: usize,
        /// The finding.
        found: String,
    },
    /// Attention weights and words of an alignment that do not fit.
    #[error("align words: {0}")]
    Alignment(String),
    /// The scores of one step do not fit into memory.
    #[error(
        "search: {rows} rows of {vocabulary} log-probabilities do not fit into memory; \
         take fewer sentences at a time or a smaller beam"
    )]
    Memory {
        /// Rows of the step.
        rows: usize,
        /// `V`.
        vocabulary: usize,
    },
    /// A draw failed.
    #[error(transparent)]
    Sample(#[from] SampleError),
}

/// An error about a setting unless `good`.
pub(super) fn setting(
    good: bool,
    name: &'static str,
    value: f64,
    must: &'static str,
) -> Result<(), SearchError> {
    match good {
        true => Ok(()),
        false => Err(SearchError::Setting { name, value, must }),
    }
}
