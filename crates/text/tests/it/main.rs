//! Tests of the text crate.

mod case;
mod language;
mod lines;
mod moses;
mod protect;
mod sentences;
