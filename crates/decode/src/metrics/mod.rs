//! How good the answers are.

pub mod edit;
pub mod perplexity;
