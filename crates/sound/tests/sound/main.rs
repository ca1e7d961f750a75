//! Tests of the crate from outside.

mod augmenting;
mod files;
mod fuzz;
mod lost;
mod mels;
mod normals;
mod rates;
mod segments;
mod states;
mod tools;
