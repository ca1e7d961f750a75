//! The parts of a beam search that utterances share.

use super::config::{BeamConfig, BeamError, BeamModels};
use super::fusion::Fusion;
use super::hypothesis::Hypothesis;
use super::search::BeamSearch;
use crate::ctc::frame::check;
use crate::text::Labels;
use std::sync::Arc;

/// Settings, labels and models of prefix beam searches; cheap to clone.
#[derive(Debug, Clone)]
pub struct BeamDecoder {
    fusion: Arc<Fusion>,
}

impl BeamDecoder {
    /// A decoder.
    ///
    /// # Errors
    /// A width of 0, a setting that is not a number, an empty hot word, models of words where no label ends a word.
    pub fn new(labels: Labels, config: BeamConfig, models: BeamModels) -> Result<Self, BeamError> {
        config.check()?;
        let fusion = Arc::new(Fusion::new(labels, config, models)?);
        Ok(Self { fusion })
    }

    /// The labels.
    pub fn labels(&self) -> &Labels {
        &self.fusion.labels
    }

    /// A search before its first frame: the empty prefix with probability 1.
    pub fn begin(&self) -> BeamSearch {
        BeamSearch::new(Arc::clone(&self.fusion))
    }

    /// The `n` best hypotheses of `log_probs` `[T,V]`, nats: [`begin`](Self::begin), all steps and
    /// [`end`](BeamSearch::end).
    ///
    /// # Errors
    /// A size that is no multiple of `V`, and those of [`step`](BeamSearch::step).
    pub fn decode(&self, log_probs: &[f32], n: usize) -> Result<Vec<Hypothesis>, BeamError> {
        let labels = self.labels();
        check(log_probs, labels.vocabulary(), labels.blank())?;
        let mut search = self.begin();
        for frame in log_probs.chunks_exact(labels.vocabulary()) {
            search.step(frame)?;
        }
        Ok(search.end(n))
    }
}
