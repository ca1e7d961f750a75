//! Models: layers put together. No files, no loops.

mod generator;
mod language_model;

pub use generator::Generator;
pub use language_model::{
    CellKind, Dropout, Init, LanguageModel, LanguageModelConfig, LossOutput, State,
};
