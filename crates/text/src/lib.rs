//! Text as people have it, made ready for models and put back: lines, words, case, names that stay as they are, and
//! documents with their markup. No tensors and no models here.

mod abbreviations;
pub mod case;
pub mod documents;
pub mod language;
pub mod lines;
pub mod moses;
pub mod protect;
pub mod sentences;

pub use abbreviations::Language;
