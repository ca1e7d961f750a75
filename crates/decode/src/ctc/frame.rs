//! Checks of frames of log-probabilities, and their errors.

use thiserror::Error;

/// An input that a CTC decoder cannot take.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum CtcError {
    /// The number of scores is not a multiple of `V`, or `V` is 0.
    #[error("ctc: {len} log-probabilities are no whole number of frames of {vocabulary} classes")]
    Shape {
        /// Number of log-probabilities given.
        len: usize,
        /// `V`.
        vocabulary: usize,
    },
    /// The blank, the space or a label of a target is not below `V`.
    #[error("ctc: {what} {class} is not one of the {vocabulary} classes")]
    Class {
        /// The role of the class.
        what: &'static str,
        /// The class.
        class: u32,
        /// `V`.
        vocabulary: usize,
    },
    /// The blank was given where a label belongs.
    #[error("ctc: {what} is class {class}, the blank, which is no label")]
    Blank {
        /// The role of the class.
        what: &'static str,
        /// The class.
        class: u32,
    },
    /// A log-probability is not a number, or +∞.
    #[error(
        "ctc: log-probability of class {class} in frame {frame} is {value}; the model's weights may be damaged"
    )]
    Value {
        /// The frame.
        frame: usize,
        /// The class.
        class: usize,
        /// The log-probability.
        value: f32,
    },
    /// The target needs more frames than there are: one a label, and one more between equal neighbours.
    #[error("ctc: a target that needs {needed} frames does not fit into {frames}")]
    TooShort {
        /// Number of labels and of equal neighbours.
        needed: usize,
        /// `T`.
        frames: usize,
    },
    /// Probabilities of 0 leave no path.
    #[error("ctc: no path with a probability above 0 is left at frame {frame}")]
    NoPath {
        /// The frame.
        frame: usize,
    },
    /// The table of an alignment does not fit into memory.
    #[error(
        "ctc: an alignment of {frames} frames with {labels} labels does not fit into memory (split the recording)"
    )]
    TooLarge {
        /// `T`.
        frames: usize,
        /// Labels of the target.
        labels: usize,
    },
}

/// Checks `[T,V]` and gives the number of frames.
pub(super) fn check(log_probs: &[f32], vocabulary: usize, blank: u32) -> Result<usize, CtcError> {
    if vocabulary == 0 || !log_probs.len().is_multiple_of(vocabulary) {
        let len = log_probs.len();
        return Err(CtcError::Shape { len, vocabulary });
    }
    check_class("blank", blank, vocabulary)?;
    for (frame, values) in log_probs.chunks_exact(vocabulary).enumerate() {
        check_frame(frame, values)?;
    }
    Ok(log_probs.len() / vocabulary)
}

/// Checks the values of one frame `[V]`.
pub(super) fn check_frame(frame: usize, values: &[f32]) -> Result<(), CtcError> {
    let bad = |v: &f32| v.is_nan() || *v == f32::INFINITY;
    match values.iter().position(bad) {
        Some(class) => Err(CtcError::Value {
            frame,
            class,
            value: values[class],
        }),
        None => Ok(()),
    }
}

pub(super) fn check_class(
    what: &'static str,
    class: u32,
    vocabulary: usize,
) -> Result<(), CtcError> {
    match (class as usize) < vocabulary {
        true => Ok(()),
        false => Err(CtcError::Class {
            what,
            class,
            vocabulary,
        }),
    }
}

/// The probability of a log-probability; at most 1, whatever rounding (or a caller without a softmax) made of it.
pub(super) fn probability(log_prob: f32) -> f64 {
    libm::exp(f64::from(log_prob)).min(1.0)
}
