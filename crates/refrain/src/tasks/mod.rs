//! Tasks: data, model and decoder wired together. [`TASKS`] is the one list that help texts, routes and docs come from.

pub mod language;
pub mod memory;
mod run;
pub mod speech;

use crate::error::Error;
use crate::recipe::{Recipe, Shipped, closest, recipes};
use crate::store::ModelFolder;
use crate::train::{Metrics, Observer, Stopped};
use refrain_decode::metrics::edit::Edit;
use refrain_kernels::Precision;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A figure that a task reports.
#[derive(Debug, Serialize)]
pub struct Metric {
    /// Key in [`Metrics`].
    pub name: &'static str,
    /// For the reader.
    pub meaning: &'static str,
}

/// As [`evaluate`].
type Evaluate = fn(&Path, &EvaluateOn, &EvaluateOptions) -> Result<Evaluation, Error>;

/// Something that models can be trained for.
#[derive(Debug)]
pub struct Task {
    /// What recipes call it.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Its figures.
    pub metrics: &'static [Metric],
    /// How its recipes are to be read.
    pub(crate) body: BodyKind,
    train: fn(&Recipe, &TrainOptions, Observer) -> Result<Summary, Error>,
    resume: fn(ModelFolder, Option<&Path>, Observer) -> Result<Summary, Error>,
    evaluate: Evaluate,
}

/// Kinds of [`Body`](crate::recipe::Body).
#[derive(Clone, Copy, Debug)]
pub(crate) enum BodyKind {
    Language,
    Memory,
    Speech,
}

/// All tasks.
pub const TASKS: &[Task] = &[
    Task {
        name: language::NAME,
        summary: "Learns to continue text: characters, words or byte pairs",
        metrics: language::METRICS,
        body: BodyKind::Language,
        train: run::train::<language::LanguageJob>,
        resume: run::resume::<language::LanguageJob>,
        evaluate: language::evaluate,
    },
    memory::task(
        "adding",
        "Learns to add two marked numbers of a long sequence: shows how far back a cell remembers",
        memory::ADDING,
    ),
    memory::task(
        "copy",
        "Learns to repeat ten symbols after a long wait",
        memory::COPY,
    ),
    memory::task(
        "mnist",
        "Learns to read a handwritten digit pixel by pixel, in order or permuted",
        memory::MNIST,
    ),
    Task {
        name: speech::NAME,
        summary: "Learns to write down what is said: recurrent encoders with CTC",
        metrics: speech::METRICS,
        body: BodyKind::Speech,
        train: run::train::<speech::SpeechJob>,
        resume: run::resume::<speech::SpeechJob>,
        evaluate: speech::evaluate,
    },
];

impl Task {
    /// The shipped recipes for it.
    pub fn recipes(&self) -> Vec<&'static Shipped> {
        recipes()
            .iter()
            .filter(|shipped| shipped.header().0 == self.name)
            .collect()
    }
}

/// Where a run reads and writes.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// The model folder to make.
    pub out: PathBuf,
    /// The data folder.
    pub data: Option<PathBuf>,
}

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The model folder.
    pub folder: PathBuf,
    /// Why it ended.
    pub stopped: Stopped,
    /// Epochs done.
    pub epochs: u64,
    /// Steps done.
    pub steps: u64,
    /// Wall time of training, over all sittings.
    pub seconds: f64,
    /// Trainable numbers.
    pub parameters: usize,
    /// Of the best epoch.
    pub validation: Option<Metrics>,
    /// Of the best model, once training ended by itself.
    pub test: Option<Metrics>,
}

/// A part of a recipe's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// What it learned from.
    Train,
    /// What chose the best epoch.
    Validation,
    /// What it never saw.
    Test,
}

/// What to evaluate a model on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvaluateOn {
    /// A part of the data that its recipe names.
    Split(Split),
    /// Another file.
    File(PathBuf),
}

/// How to evaluate a model.
#[derive(Clone, Debug, Default)]
pub struct EvaluateOptions {
    /// The data folder; that of the training if absent.
    pub data: Option<PathBuf>,
    /// The precision of products; the model's own if absent.
    pub precision: Option<Precision>,
    /// How a model of speech finds text; as its folder says if absent.
    pub decoder: Option<speech::DecoderConfig>,
    /// How many of the most wrong sequences to give.
    pub worst: usize,
}

/// A sequence beside what it should be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edited {
    /// Its name in the data.
    pub name: String,
    /// How many edits turn the reference into the hypothesis.
    pub errors: usize,
    /// What it should be.
    pub reference: Vec<String>,
    /// What the model made of it.
    pub hypothesis: Vec<String>,
    /// Their alignment.
    pub edits: Vec<Edit>,
}

/// How good a model is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The task's name.
    pub task: String,
    /// Its figures.
    pub metrics: Metrics,
    /// Characters or words that the vocabulary lacks; they count as `<unk>`.
    #[serde(skip_serializing_if = "is_zero")]
    pub unknown: usize,
    /// The most wrong sequences, if they were asked for and the task has any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub worst: Vec<Edited>,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// The task of this name.
///
/// # Errors
/// There is none.
pub fn find(name: &str) -> Result<&'static Task, Error> {
    TASKS.iter().find(|task| task.name == name).ok_or_else(|| {
        let names: Vec<_> = TASKS.iter().map(|task| task.name).collect();
        let hint = closest(name, names.iter().copied()).map_or_else(
            || format!("known are: {}", names.join(", ")),
            |name| format!("did you mean \"{name}\"?"),
        );
        Error::Config(format!("there is no task \"{name}\"; {hint}"))
    })
}

/// Trains a new model. Progress goes to `observe`, which can ask to stop.
///
/// # Errors
/// A folder that already holds a run, data that is missing, settings that do not fit, or a diverging training.
pub fn train(recipe: &Recipe, options: &TrainOptions, observe: Observer) -> Result<Summary, Error> {
    let task = find(&recipe.task)?;
    if ModelFolder::is_run(&options.out) {
        let problem =
            "it already holds a run; go on with --resume, or choose another folder with --out";
        return Err(Error::folder(&options.out, problem));
    }
    set_threads(recipe);
    (task.train)(recipe, options, observe)
}

/// Goes on with a run from its last checkpoint, to the same bits as if it had never been interrupted. A run that is finished gives
/// its summary.
///
/// # Errors
/// As [`train`], and a checkpoint that is damaged.
pub fn resume(folder: &Path, data: Option<&Path>, observe: Observer) -> Result<Summary, Error> {
    let folder = ModelFolder::open(folder)?;
    let task = find(&folder.about().recipe.task)?;
    set_threads(&folder.about().recipe);
    (task.resume)(folder, data, observe)
}

/// Figures of a model on part of its recipe's data or on another file.
///
/// # Errors
/// A folder, file or data that cannot be used.
pub fn evaluate(
    folder: &Path,
    on: &EvaluateOn,
    options: &EvaluateOptions,
) -> Result<Evaluation, Error> {
    let task = find(&ModelFolder::open(folder)?.about().recipe.task)?;
    if options.decoder.is_some() && task.name != speech::NAME {
        return Err(Error::Config(format!(
            "a model of the task \"{}\" finds no text in sounds; leave out the settings of the search",
            task.name
        )));
    }
    (task.evaluate)(folder, on, options)
}

fn set_threads(recipe: &Recipe) {
    if let Some(threads) = recipe.train.threads {
        refrain_kernels::set_threads(threads);
    }
}
