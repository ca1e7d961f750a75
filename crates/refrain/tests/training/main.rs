//! The training loop, recipes, the model folder and the language task.

mod fit;
mod language;
mod memory;
mod onnx;
mod optimizers;
mod recipes;
mod schedules;
mod store;
mod toy;
