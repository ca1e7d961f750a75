//! The command line through the built binary.

mod errors;
mod folders;
mod generate;
mod lab;
mod lost;
mod ocr;
mod ocr_inputs;
mod onnx;
mod plot;
mod resume;
mod run;
mod score;
mod shipped;
mod speech;
mod tools;
mod train;
mod transcribe;
mod translate;
