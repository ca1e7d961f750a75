//! The model folder: all that running, evaluating and resuming need.
//!
//! | file | what |
//! |---|---|
//! | `model.safetensors` | the best parameters so far, PyTorch's names |
//! | `model.toml` | the resolved recipe and the figures |
//! | vocabulary files | see `refrain_data::vocab` |
//! | `train.jsonl` | one event a line |
//! | `checkpoint.safetensors` | everything that a resumed run needs |

pub mod atomic;
mod folder;
pub mod onnx;
pub mod tensors;

pub(crate) use folder::read_if_there;
pub use folder::{About, Figures, MODEL, ModelFolder};
