//! Writing models: a builder of graphs, and the language model made with it.

mod builder;
mod language_model;

pub use builder::{Builder, Setting};
pub use language_model::{LanguageModel, Layer, language_model};
