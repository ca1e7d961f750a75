//! The quality of answers.

mod bleu;
pub mod bootstrap;
mod chrf;
pub mod confusion;
mod dialogue;
pub mod edit;
mod measure;
pub mod perplexity;
mod rouge;
pub mod score;
mod tokens;
