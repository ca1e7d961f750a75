//! The training loop, recipes, the model folder and the language task.

#[path = "../../../onnx/tests/onnx/changes.rs"]
mod changes;
mod detection;
mod fit;
mod folders;
mod language;
mod listening;
mod memory;
mod mutate;
mod ocr;
mod onnx;
mod optimizers;
mod recipes;
mod schedules;
mod speech;
mod store;
mod streams;
mod support;
mod tones;
mod toy;
mod translation;
mod writing;
