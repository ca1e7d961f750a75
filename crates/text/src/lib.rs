//! Text as people have it, made ready for models and put back: lines, words, case, names that stay as they are, and
//! documents with their markup. No tensors and no models here.

pub mod documents;
