//! The command line through the built binary.

mod errors;
mod folders;
mod generate;
mod lab;
mod onnx;
mod resume;
mod speech;
mod tools;
mod train;
mod transcribe;
