//! The model folder: all files for running, evaluating and resuming.
//!
//! | file | content |
//! |---|---|
//! | `model.safetensors` | the best parameters so far, under PyTorch's names |
//! | `model.toml` | the resolved recipe and the figures |
//! | files of the task | e.g. a vocabulary, see [`Profile::files`](crate::tasks::Profile::files) |
//! | `train.jsonl` | one event a line |
//! | `checkpoint.safetensors` | the state that a resumed run needs |
//! | `.lock` | held by the process that trains in the folder |

mod find;
mod folder;
mod room;

pub use find::{find, models, shipped};
pub use folder::{About, Figures, MODEL, ModelFolder};
pub use room::{Existing, Lock, Room};
