//! From labels to words: texts of labels, lists of words, and words to prefer.

mod edges;
mod error;
mod hot;
mod labels;
mod lexicon;

pub use error::TextError;
pub use hot::HotWord;
pub(crate) use hot::HotWords;
pub use labels::Labels;
pub use lexicon::Lexicon;
