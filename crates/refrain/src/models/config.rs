//! Settings that several models share.

use refrain_kernels::{Cell, Precision};
use serde::{Deserialize, Serialize};

/// The recurrence of a recipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellKind {
    /// Long short-term memory.
    #[default]
    Lstm,
    /// Gated recurrent unit, reset after the product.
    Gru,
    /// Vanilla, tanh.
    Rnn,
}

impl CellKind {
    /// A stack of layers in words, e.g. `LSTM, 2 layers of 256 units`.
    pub fn stack(self, layers: usize, hidden: usize) -> String {
        let cell = match self {
            Self::Lstm => "LSTM",
            Self::Gru => "GRU",
            Self::Rnn => "RNN (tanh)",
        };
        let plural = if layers == 1 { "" } else { "s" };
        format!("{cell}, {layers} layer{plural} of {hidden} units")
    }
}

impl From<CellKind> for Cell {
    fn from(kind: CellKind) -> Self {
        match kind {
            CellKind::Lstm => Cell::Lstm,
            CellKind::Gru => Cell::Gru,
            CellKind::Rnn => Cell::RnnTanh,
        }
    }
}

/// Dropout probabilities, each in `[0,1)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dropout {
    /// Dropout of the embedded input.
    pub embedding: f64,
    /// Dropout between recurrent layers.
    pub hidden: f64,
    /// Dropout of the last layer's output.
    pub output: f64,
    /// Dropout of the recurrent weights (weight drop).
    pub weights: f64,
    /// Dropout of whole words: all occurrences of a word in a batch are dropped together (Gal & Ghahramani 2016).
    pub words: f64,
    /// One mask for all steps of a sequence instead of one per step.
    pub variational: bool,
}

/// [`Precision`] with its names in recipes.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Precision", rename_all = "lowercase")]
pub(super) enum PrecisionName {
    F32,
    Bf16,
    Int8,
}

/// Initial values of the parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// As PyTorch's modules: embedding N(0,1), the rest uniform in ±1/√H.
    #[default]
    Pytorch,
    /// All parameters uniform in ± this value.
    Uniform(f64),
}
