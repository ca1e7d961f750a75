//! The labels of the best path.

use super::frame::{CtcError, check, check_frame, probability};
use super::label::LabelSpan;
use crate::math::argmax;
use crate::state::{Check, StateError};
use serde::{Deserialize, Serialize};

/// The result of [`greedy`].
#[derive(Debug, Clone, PartialEq)]
pub struct Greedy {
    /// The labels of the path, with their frames.
    pub labels: Vec<LabelSpan>,
    /// ln p(path | x), nats: of this one path, a lower bound of its labels' probability. 0 with no frames.
    pub log_prob: f64,
}

/// Best-path decoding (Graves et al. 2006, section 3.2): the likeliest class of every frame (the first of equals),
/// repeats merged, blanks taken out. It finds the likeliest path, which need not belong to the likeliest labels.
///
/// `log_probs` is `[T,V]`, nats; `blank` the class of no label.
///
/// # Errors
/// A size that is no multiple of `V`, a blank that is not below `V`, NaN or +∞.
pub fn greedy(log_probs: &[f32], vocabulary: usize, blank: u32) -> Result<Greedy, CtcError> {
    check(log_probs, vocabulary, blank)?;
    let mut search = GreedySearch::new(vocabulary, blank);
    for values in log_probs.chunks_exact(vocabulary) {
        search.take(values);
    }
    Ok(search.end())
}

/// A [`GreedySearch`] as plain data, for any format of serde that keeps every `f64` (JSON has no −∞).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GreedyState {
    frames: u64,
    log_prob: f64,
    /// The confidence of each is a sum over its frames.
    labels: Vec<LabelSpan>,
}

const CHECK: Check = Check("a best-path search");

/// The best path of an utterance, frame by frame: it finds the labels that [`greedy`] finds in the whole.
#[derive(Debug, Clone)]
pub struct GreedySearch {
    vocabulary: usize,
    blank: u32,
    /// The confidence of each is a sum over its frames.
    labels: Vec<LabelSpan>,
    before: u32,
    frames: usize,
    log_prob: f64,
}

impl GreedySearch {
    /// Before the first frame.
    pub fn new(vocabulary: usize, blank: u32) -> Self {
        Self {
            vocabulary,
            blank,
            labels: Vec::new(),
            before: blank,
            frames: 0,
            log_prob: 0.0,
        }
    }

    /// Takes the log-probabilities `[V]` of the next frame.
    ///
    /// # Errors
    /// A frame that is not `V` long, NaN or +∞ in it; it is left out then.
    pub fn step(&mut self, log_probs: &[f32]) -> Result<(), CtcError> {
        let (len, vocabulary) = (log_probs.len(), self.vocabulary);
        if len != vocabulary {
            return Err(CtcError::Shape { len, vocabulary });
        }
        check_frame(self.frames, log_probs)?;
        self.take(log_probs);
        Ok(())
    }

    fn take(&mut self, values: &[f32]) {
        let (frame, class) = (self.frames, argmax(values));
        self.frames += 1;
        self.log_prob += f64::from(values[class]);
        let p = probability(values[class]);
        let class = class as u32;
        match self.labels.last_mut() {
            Some(span) if class == self.before && class != self.blank => {
                span.last = frame;
                span.confidence += p;
            }
            _ if class != self.blank => self.labels.push(LabelSpan {
                label: class,
                first: frame,
                last: frame,
                confidence: p,
            }),
            _ => {}
        }
        self.before = class;
    }

    /// The search so far as plain data; [`from_state`](Self::from_state) goes on with the same bits.
    pub fn state(&self) -> GreedyState {
        GreedyState {
            frames: self.frames as u64,
            log_prob: self.log_prob,
            labels: self.labels.clone(),
        }
    }

    /// The search that [`state`](Self::state) described, with `V` and blank as they were.
    ///
    /// # Errors
    /// A state that no such search can have.
    pub fn from_state(
        vocabulary: usize,
        blank: u32,
        state: GreedyState,
    ) -> Result<Self, StateError> {
        let frames = CHECK.frames(state.frames)?;
        let log_prob = state.log_prob;
        CHECK.that(log_prob < f64::INFINITY, || {
            format!("{log_prob} is no logarithm of a probability")
        })?;
        let mut free = 0;
        for span in &state.labels {
            let known = (span.label as usize) < vocabulary && span.label != blank;
            let placed = free <= span.first && span.first <= span.last && span.last < frames;
            CHECK.that(known && placed && span.confidence.is_finite(), || {
                format!("{span:?} is no label of {frames} frames behind frame {free}")
            })?;
            free = span.last + 1;
        }
        // A label that reaches the last frame may go on.
        let open = state.labels.last().filter(|_| free == frames);
        Ok(Self {
            vocabulary,
            blank,
            before: open.map_or(blank, |span| span.label),
            frames,
            log_prob,
            labels: state.labels,
        })
    }

    /// The path so far, as though the utterance ended here. None of its labels will change; the last may go on.
    pub fn end(&self) -> Greedy {
        let mean = |span: &LabelSpan| LabelSpan {
            confidence: span.confidence / (span.last - span.first + 1) as f64,
            ..*span
        };
        Greedy {
            labels: self.labels.iter().map(mean).collect(),
            log_prob: self.log_prob,
        }
    }
}
