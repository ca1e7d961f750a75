//! Training: one loop for every task.
//!
//! [`fit`](fit()) trains anything that implements [`Trainee`]. All random numbers follow from the seed and the step. A
//! [`checkpoint`] therefore needs no generator state, and a resumed run ends with the same bits as an uninterrupted
//! one.

pub mod average;
pub mod checkpoint;
pub mod config;
pub mod events;
pub mod fit;
pub(crate) mod log;
pub mod optimizer;
pub mod progress;
pub mod schedule;

pub use average::{AverageConfig, Averager, BestEpochs};
pub use checkpoint::Checkpoint;
pub use config::{EarlyStopping, TrainConfig};
pub use events::{Control, Event, LossUnit, Observer, Stopped, Unit};
pub use fit::{BatchLoss, Outcome, Place, Trainee, fit};
pub use optimizer::{Optimizer, OptimizerConfig};
pub use progress::Progress;
pub use schedule::{Schedule, ScheduleConfig};
