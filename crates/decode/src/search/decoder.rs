//! The model, seen from the search.

use super::error::SearchError;

/// One hypothesis in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The sentence: its position in the input, from 0.
    pub sentence: usize,
    /// The row of the previous call whose state this one continues; `None` at the start of a sentence.
    pub from: Option<usize>,
    /// The token that the hypothesis ends in, the model's next input.
    pub token: u32,
}

/// A model that predicts the next token of several hypotheses at once.
///
/// The states of the model stay with the implementer. A search names them by the rows of the previous call: several
/// rows may continue the same one, and a row that nothing continues is dead.
///
/// Results do not depend on the batch as long as the numbers of a row do not depend on the other rows.
pub trait Decoder {
    /// The input of one sentence, such as the encoder's output `[S,H]`; `()` for a language model.
    type Input;
    /// The error of this model, which takes in those of a search.
    type Error: From<SearchError>;

    /// `V`: number of tokens; constant.
    fn vocabulary(&self) -> usize;

    /// Takes the input of a sentence that joins the batch. Its first row is in the next call of
    /// [`step`](Self::step).
    ///
    /// # Errors
    /// Those of the model; the search then ends.
    fn enter(&mut self, sentence: usize, input: Self::Input) -> Result<(), Self::Error>;

    /// One step of all live hypotheses, `N` rows. The rows of one sentence stand together; ended sentences have none.
    ///
    /// `log_probs` `[N,V]`, output: the natural logarithm of the probability of each next token. All of it is written;
    /// its content before the call is arbitrary. −∞ is a probability of 0.
    ///
    /// # Errors
    /// Those of the model; the search then ends.
    fn step(&mut self, rows: &[Row], log_probs: &mut [f32]) -> Result<(), Self::Error>;

    /// The attention weights `[S]` that this row had in the last step; `None` if the model has no attention.
    fn attention(&self, row: usize) -> Option<&[f32]> {
        let _ = row;
        None
    }

    /// A sentence has left the batch; its input and states are needed no more.
    fn leave(&mut self, sentence: usize) {
        let _ = sentence;
    }
}
