//! The crate from outside.

mod batch;
mod corpus;
mod stories;
mod vocab;
