//! Results in the formats of others: written, read back, and read by other programs.

mod pages;
mod pdf;
mod round_trip;
mod truth;
mod writers;
