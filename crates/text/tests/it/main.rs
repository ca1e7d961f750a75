//! Tests of the text crate.

mod case;
mod lines;
mod moses;
