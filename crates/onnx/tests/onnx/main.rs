//! Models through the public functions of the crate.

mod changes;
mod errors;
mod export;
mod files;
mod goldens;
mod graphs;
mod mutate;
mod recurrent;
mod session;
mod tools;
mod twist;
