//! The crate from outside.

mod beam;
mod ctc;
mod ngram;
mod sample;
mod score;
mod search;
mod search_model;
mod states;
mod text_metrics;
mod tools;
