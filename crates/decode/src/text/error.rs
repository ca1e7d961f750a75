//! Errors of texts and words.

use thiserror::Error;

/// Invalid texts of labels or hot words.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum TextError {
    /// The blank or the space is not one of the classes.
    #[error("labels: {what} {class} is not one of the {vocabulary} classes")]
    Class {
        /// "blank" or "space".
        what: &'static str,
        /// The class given.
        class: u32,
        /// `V`.
        vocabulary: usize,
    },
    /// The space is the blank.
    #[error("labels: class {0} cannot be both the blank and the space between words")]
    SpaceIsBlank(u32),
    /// A label's text has white space behind its first character.
    #[error(
        "labels: text {text:?} of label {label} has a space inside; only its first character may be one"
    )]
    SpaceInside {
        /// The label.
        label: u32,
        /// Its text.
        text: String,
    },
    /// A hot word without letters.
    #[error("hot words: number {0} is empty")]
    EmptyHotWord(usize),
    /// A hot word whose bonus is infinite or not a number.
    #[error("hot words: the bonus of {phrase:?} is {bonus}, which is not a finite number of nats")]
    HotWordBonus {
        /// The phrase.
        phrase: String,
        /// Its bonus.
        bonus: f64,
    },
}
