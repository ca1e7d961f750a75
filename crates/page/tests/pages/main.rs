//! Pages drawn in the tests, and what is found on them.

mod draw;
mod finding;
mod ordering;
mod properties;
mod rectifying;
