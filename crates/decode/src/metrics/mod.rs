//! How good the answers are.

pub mod perplexity;
