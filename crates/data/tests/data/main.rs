//! The crate from outside.

mod batch;
mod corpus;
mod fingerprint;
mod long_memory;
mod npz;
mod speech;
mod stories;
mod vocab;
