//! Long memory, shown: adding, copying, and digits read pixel by pixel.

mod trainee;

use super::run::{self, Job, Start, data_folder, load_model, open};
use super::{BodyKind, EvaluateOn, EvaluateOptions, Evaluation, Metric, Split, Summary, Task};
use crate::error::Error;
use crate::models::SequenceModel;
use crate::recipe::Recipe;
use crate::store::About;
use crate::train::Observer;
use burn::tensor::Device;
use refrain_data::long_memory::{Part, Sequences, Source};
use std::path::Path;
use trainee::{MemoryTrainee, measure};

const NAMES: [&str; 3] = ["adding", "copy", "mnist"];

/// Figures of `adding`.
pub(super) const ADDING: &[Metric] = &[
    Metric {
        name: "mse",
        meaning: "mean squared error of the sum; lower is better",
    },
    Metric {
        name: "mse_of_guessing",
        meaning: "what answering 1 would give",
    },
];
const LOSS: Metric = Metric {
    name: "loss",
    meaning: "mean cross-entropy of an answer, nats; lower is better",
};
/// Figures of `copy`.
pub(super) const COPY: &[Metric] = &[
    LOSS,
    Metric {
        name: "accuracy",
        meaning: "percent of the ten symbols that are repeated right; 12.5 by guessing",
    },
];
/// Figures of `mnist`.
pub(super) const MNIST: &[Metric] = &[
    LOSS,
    Metric {
        name: "accuracy",
        meaning: "percent of the digits that are read right; 10 by guessing",
    },
];

/// An entry of the list of tasks.
pub(super) const fn task(
    name: &'static str,
    summary: &'static str,
    metrics: &'static [Metric],
) -> Task {
    Task {
        name,
        summary,
        metrics,
        body: BodyKind::Memory,
        train: run::train::<MemoryJob>,
        resume: run::resume::<MemoryJob>,
        evaluate,
    }
}

/// A run of the task.
pub(super) struct MemoryJob {
    trainee: MemoryTrainee,
    model: SequenceModel,
}

/// The sequences of a recipe.
fn source(recipe: &Recipe, data: Option<&Path>) -> Result<Source, Error> {
    let problem = &recipe.memory()?.data;
    let folder = data.unwrap_or(Path::new("."));
    Ok(Source::new(problem, recipe.train.seed, folder)?)
}

impl Job for MemoryJob {
    fn new(recipe: &Recipe, data: Option<&Path>) -> Result<Self, Error> {
        recipe.train.check()?;
        let source = source(recipe, data)?;
        let task = NAMES.into_iter().find(|name| *name == recipe.task);
        let sizes = [source.features(), source.outputs()];
        let device = Device::flex().autodiff();
        Ok(Self {
            model: recipe
                .memory()?
                .model
                .init(sizes, recipe.train.seed, &device)?,
            trainee: MemoryTrainee {
                task: task.unwrap_or(NAMES[0]),
                source,
                batch: recipe.train.batch,
            },
        })
    }

    fn run(self, start: Start, observe: Observer) -> Result<Summary, Error> {
        let source = self.trainee.source.clone();
        let outputs = source.outputs();
        start.run(self.trainee, self.model, outputs, observe, |best| {
            measure(best, &source, Split::Test)
        })
    }
}

fn evaluate(
    folder: &Path,
    on: &EvaluateOn,
    options: &EvaluateOptions,
) -> Result<Evaluation, Error> {
    let EvaluateOn::Split(split) = on else {
        return Err(Error::Config(
            "a model of numbers reads no text; leave out --text".into(),
        ));
    };
    let mut loaded = load_sequence_model(folder, options.data.as_deref())?;
    if let Some(precision) = options.precision {
        loaded.model = loaded.model.with_precision(precision);
    }
    Ok(Evaluation {
        task: loaded.about.recipe.task,
        metrics: measure(&loaded.model, &loaded.source, *split)?,
        unknown: 0,
        worst: Vec::new(),
    })
}

/// A trained model of sequences with its data.
pub struct Loaded {
    /// Off autodiff.
    pub model: SequenceModel,
    /// Where its sequences come from.
    pub source: Source,
    /// The recipe and the figures.
    pub about: About,
}

/// Opens a model folder that [`train`](super::train) wrote for `adding`, `copy` or `mnist`.
///
/// # Errors
/// A folder that is missing, incomplete, damaged or of another task, or data that is missing.
pub fn load_sequence_model(folder: &Path, data: Option<&Path>) -> Result<Loaded, Error> {
    let folder = open(folder, &NAMES)?;
    let about = folder.about().clone();
    let source = source(&about.recipe, data_folder(&folder, data).as_deref())?;
    let sizes = [source.features(), source.outputs()];
    let config = &about.recipe.memory()?.model;
    let model = load_model(&folder, config.parameters(sizes), || {
        config.init(sizes, 0, &Device::flex())
    })?;
    Ok(Loaded {
        model,
        source,
        about,
    })
}

/// A model as a recipe begins with it, and some of the recipe's sequences.
///
/// # Errors
/// A recipe of another task, or data that is missing.
pub fn fresh(
    recipe: &Recipe,
    data: Option<&Path>,
    sequences: usize,
) -> Result<(SequenceModel, Sequences), Error> {
    let source = source(recipe, data)?;
    let sizes = [source.features(), source.outputs()];
    let model = recipe
        .memory()?
        .model
        .init(sizes, recipe.train.seed, &Device::flex())?;
    Ok((model, source.batch(Part::Test, 0, sequences)))
}
