//! The crate from outside.

mod batch;
mod vocab;
