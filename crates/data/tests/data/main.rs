//! The crate from outside.

mod batch;
mod corpus;
mod memory;
mod stories;
mod vocab;
