//! Training: one loop for every task.
//!
//! [`fit`](fit()) runs it over anything that implements [`Trainee`]. All that is random follows from the seed and the step,
//! so a [`checkpoint`] needs no generator's state and a resumed run ends with the same bits as an undisturbed one.

pub mod average;
pub mod checkpoint;
pub mod config;
pub mod events;
pub mod fit;
pub(crate) mod log;
pub mod optimizer;
pub mod progress;
pub mod schedule;

pub use average::{AverageConfig, Averager};
pub use checkpoint::Checkpoint;
pub use config::{EarlyStopping, TrainConfig};
pub use events::{Control, Event, LossUnit, Observer, Stopped, Unit};
pub use fit::{BatchLoss, Outcome, Place, Trainee, fit};
pub use optimizer::{Optimizer, OptimizerConfig};
pub use progress::Progress;
pub use schedule::{Schedule, ScheduleConfig};
