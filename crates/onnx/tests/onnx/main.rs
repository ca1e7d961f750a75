//! Models through the public functions of the crate.

mod changes;
mod errors;
mod export;
mod goldens;
mod mutate;
mod npz;
mod recurrent;
mod tools;
mod twist;
