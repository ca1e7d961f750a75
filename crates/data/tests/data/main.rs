//! The crate from outside.

mod batch;
mod corpus;
mod memory;
mod speech;
mod stories;
mod vocab;
