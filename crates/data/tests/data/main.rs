//! The crate from outside.

mod batch;
mod corpus;
mod long_memory;
mod npz;
mod speech;
mod stories;
mod vocab;
