//! The quality of answers.

pub mod edit;
pub mod perplexity;
pub mod score;
