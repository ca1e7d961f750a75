//! The crate from outside.

mod beam;
mod ctc;
mod ngram;
mod sample;
mod score;
mod states;
mod text_metrics;
mod tools;
