//! Models: layers put together. No files, no loops.

mod acoustic_model;
mod generator;
mod language_model;
mod sequence_model;

pub use acoustic_model::{AcousticModel, AcousticModelConfig, AcousticStream, Convolution, Frames};
pub use generator::Generator;
pub use language_model::{
    CellKind, Dropout, Init, LanguageModel, LanguageModelConfig, LossOutput, State,
};
pub use sequence_model::{SequenceLoss, SequenceModel, SequenceModelConfig};
