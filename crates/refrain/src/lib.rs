//! Refrain: recurrent sequence models, trained, run and served.
//!
//! ```
//! use refrain::burn::tensor::{Device, Tensor};
//! use refrain::layers::LstmConfig;
//!
//! // A batch of 2 sequences of 7 steps with 3 features, through two layers of 5 units.
//! let device = Device::flex();
//! let lstm = LstmConfig::new(3, 5).with_layers(2).init(&device);
//! let (y, state) = lstm.forward(Tensor::<3>::ones([2, 7, 3], &device), None)?;
//! assert_eq!((y.dims(), state.layers.len()), ([2, 7, 5], 2));
//! # Ok::<(), refrain::Error>(())
//! ```
//!
//! From the ground up:
//!
//! | module | contents |
//! |---|---|
//! | [`ops`] | fused operations on Burn, each with its gradient: recurrences, losses, embedding, dropout |
//! | [`layers`] | stacks of RNN, LSTM and GRU layers, with PyTorch's names, shapes and initial values |
//! | [`models`] | networks of layers: text, speech, sequences with one answer |
//! | [`params`] | the parameters and gradients of any model, by name |
//! | [`train`] | the one training loop: events, checkpoints, optimizers, schedules, averages |
//! | [`tasks`] | models wired to data and decoders; the list of tasks; models in use, with sessions |
//! | [`recipe`] | settings of a run in TOML |
//! | [`store`] | the model folder, and where models are found |
//! | [`files`] | files that are written whole or not at all; `.safetensors` |
//! | [`metrics`] | names, units and directions of figures |
//! | [`lab`] | looks inside models: gradients through time |
//! | [`error`] | all that can go wrong |
//!
//! Tensors are Burn's, re-exported as [`burn`]; their layout is batch-major. Shapes use one alphabet everywhere: `B`
//! batch, `T` time, `C` input features, `H` hidden units, `V` vocabulary, `L` layers, `D` directions, `G` gates per
//! unit. The folder `examples` of this crate shows layers, weights of PyTorch and sessions; docs/adding-a-task.md a
//! task of one's own.

pub mod error;
pub mod files;
mod init;
pub mod lab;
pub mod layers;
pub mod memory;
pub mod metrics;
pub mod models;
pub mod ops;
pub mod params;
pub mod recipe;
pub mod store;
pub mod tasks;
pub mod train;

pub use error::Error;

// Foreign types in the interface of this crate.
pub use burn;
pub use refrain_data::vocab::{Vocabulary, VocabularyKind};
pub use refrain_decode::metrics::edit::Edit;
pub use refrain_kernels::random::Key;
pub use refrain_kernels::{Cell, KernelError, Precision, Threads};
pub use toml::Table;
