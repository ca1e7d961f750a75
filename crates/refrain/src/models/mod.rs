//! Models: layers put together, without files and loops.

mod acoustic_model;
mod acoustic_stream;
mod chunks;
mod config;
mod ctc;
mod generator;
mod language_model;
mod line_model;
mod linear;
mod page_model;
mod seq2seq;
mod sequence_model;

use crate::error::Error;

pub use acoustic_model::{AcousticModel, AcousticModelConfig, Convolution, Frames};
pub use acoustic_stream::{AcousticState, AcousticStream};
pub use chunks::Chunks;
pub use config::{CellKind, Dropout, Init};
pub use ctc::Scores;
pub use generator::{Generator, GeneratorScratch, GeneratorState};
pub use language_model::{LanguageModel, LanguageModelConfig, LossOutput, State};
pub use line_model::{LineModel, LineModelConfig, Stage};
pub use page_model::{PageLoss, PageModel, PageModelConfig};
pub use seq2seq::{
    AttentionKind, Memory, Pairs, Seq2Seq, Seq2SeqConfig, Seq2SeqLoss, Seq2SeqScratch,
    Seq2SeqState, Seq2SeqSteps, StepRow, Vocabularies,
};
pub use sequence_model::{SequenceLoss, SequenceModel, SequenceModelConfig};

/// # Errors
/// The first size that is 0.
fn check_sizes(sizes: &[(&str, usize)]) -> Result<(), Error> {
    match sizes.iter().find(|(_, size)| *size == 0) {
        Some((name, _)) => Err(Error::Config(format!("{name} is 0; it must be at least 1"))),
        None => Ok(()),
    }
}

/// # Errors
/// The first value that is not a probability below one.
fn check_probabilities(probabilities: &[(&str, f64)]) -> Result<(), Error> {
    match probabilities.iter().find(|(_, p)| !(0.0..1.0).contains(p)) {
        Some((name, p)) => Err(Error::Config(format!(
            "{name} is {p}; a probability from 0 to below 1 is needed"
        ))),
        None => Ok(()),
    }
}
