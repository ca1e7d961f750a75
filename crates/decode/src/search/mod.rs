//! Autoregressive search: from a model that predicts the next token to the best texts.
//!
//! [`search`] runs greedy search, beam search or random draws over a batch from which sentences leave as they end, and
//! which others then join. [`score`] gives the score of known targets by the same steps. The model is a [`Decoder`]; it
//! owns its states, and gives natural logarithms of probabilities `[N,V]`.
//!
//! ```
//! use refrain_decode::search::{Decoder, Row, SearchConfig, SearchError, Source, search};
//!
//! /// A model whose next token depends on the last one alone, so that it has no states.
//! struct Bigrams([[f32; 3]; 3]);
//!
//! impl Decoder for Bigrams {
//!     type Input = ();
//!     type Error = SearchError;
//!     fn vocabulary(&self) -> usize {
//!         3
//!     }
//!     fn enter(&mut self, _sentence: usize, _input: ()) -> Result<(), SearchError> {
//!         Ok(())
//!     }
//!     fn step(&mut self, rows: &[Row], log_probs: &mut [f32]) -> Result<(), SearchError> {
//!         for (row, out) in rows.iter().zip(log_probs.chunks_mut(3)) {
//!             out.copy_from_slice(&self.0[row.token as usize].map(f32::ln));
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), SearchError> {
//! // Token 0 begins, token 1 ends.
//! let mut model = Bigrams([[0.0, 0.2, 0.8], [0.0, 1.0, 0.0], [0.0, 0.9, 0.1]]);
//! let config = SearchConfig::new(0, Some(1));
//! let text = |tokens: &[u32]| "x".repeat(tokens.len());
//! for results in search(&mut model, [((), Source::default())], &config, &text)? {
//!     assert_eq!(results?[0].tokens, [2]);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Order and ties
//!
//! A step keeps the best `K` candidates by the sum of log-probabilities, because all have the same length. Equal sums
//! rank by the rank of the hypothesis that they lengthen, then by token; the tokens of forced words come after the
//! others. An end mark counts if it is among the best `K`. Ended hypotheses rank by score, equal scores by the step in
//! which they ended. Hypotheses without an end mark (cut at the maximum length, or stuck) come after all ended ones.
//!
//! # Rules
//!
//! Bans, minimum length, forced words and blocked n-grams make tokens impossible before the choice. Reported
//! log-probabilities stay those of the model; nothing is normalised anew. An n-gram block never holds back the end mark
//! or a token that a forced word needs next. If it leaves a hypothesis without any token, it is lifted for this step,
//! so that the best blocked token follows. A hypothesis that still has no token left is [`Ending::Stuck`].
//!
//! # Forced words
//!
//! Grid beam search (Hokamp and Liu 2017, "Lexically constrained decoding for sequence generation using grid beam
//! search"): there is a beam of `K` for each number of forced tokens, from 0 to their total `C`, so that a sentence has
//! up to `K`·(`C` + 1) rows. The number of a hypothesis is the tokens of the words that it contains, plus those of the
//! longest beginning of another that it ends in. A word that is broken off starts again, and overlaps count. In each
//! step the furthest beam has a successor in a further one, so that all words are there after `C` steps at the latest,
//! unless the model gives their tokens probability 0. The end mark is possible once all are there.

mod align;
mod beam;
mod config;
mod decoder;
mod draws;
mod driver;
mod error;
mod hypothesis;
mod sentence;
mod source;
mod step;
mod tree;
mod words;

pub use align::{WordPair, align_words, pharaoh};
pub use config::{LengthPenalty, LengthRule, Mode, SearchConfig, Stop};
pub use decoder::{Decoder, Row};
pub use driver::{score, search};
pub use error::SearchError;
pub use hypothesis::{Ending, Hypothesis};
pub use source::{Source, Target};
