//! Long-memory tasks: adding, copying, and digits read pixel by pixel.

mod loaded;
mod trainee;

pub use loaded::Loaded;

use super::spec::{Begin, Profile, Spec};
use super::{EvaluateOn, Evaluation, Site};
use crate::error::Error;
use crate::memory;
use crate::metrics::{Better, Digits, Metric};
use crate::models::{SequenceModel, SequenceModelConfig};
use crate::recipe::{Recipe, problem_in, recipes};
use crate::store::ModelFolder;
use refrain_data::long_memory::{Part, Problem, Sequences, Source};
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use trainee::{MemoryTrainee, measure};

/// Values that a step keeps per unit for its gradient: gates, state and output.
const KEPT: usize = 8;

/// Problem and model of a long-memory task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryRecipe {
    /// The problem.
    pub data: Problem,
    /// The model.
    #[serde(default)]
    pub model: SequenceModelConfig,
}

/// A loaded model has no settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoOptions {}

/// A long-memory task. These tasks differ in their [`Profile`] only.
pub struct LongMemory<K>(PhantomData<fn() -> K>);

/// Facts that distinguish one long-memory task from another.
pub trait Kind: Send + Sync + 'static {
    /// Facts about the task.
    const PROFILE: Profile;
}

/// The sum of two marked numbers.
pub type Adding = LongMemory<AddingKind>;
/// Ten symbols after a long wait.
pub type Copying = LongMemory<CopyKind>;
/// Handwritten digits, pixel by pixel.
pub type Digits784 = LongMemory<DigitsKind>;

/// See [`Adding`].
pub struct AddingKind;
/// See [`Copying`].
pub struct CopyKind;
/// See [`Digits784`].
pub struct DigitsKind;

const LOSS: Metric = Metric::new(
    "loss",
    "mean cross-entropy of an answer, nats; lower is better",
)
.unit("nats")
.phrase("loss {}");

const fn accuracy(meaning: &'static str) -> Metric {
    Metric::new("accuracy", meaning)
        .unit("%")
        .phrase("accuracy {}%")
        .digits(Digits::Fixed(2))
        .better(Better::Higher)
}

const NEXT: &str = "see how far back its gradient reaches with: refrain lab gradients {model}";

impl Kind for AddingKind {
    const PROFILE: Profile = Profile {
        name: "adding",
        summary: "Learns to add two marked numbers of a long sequence: shows how far back a cell remembers",
        metrics: &[
            Metric::new("mse", "mean squared error of the sum; lower is better")
                .phrase("mean squared error {}")
                .digits(Digits::Scientific(3)),
            Metric::new(
                "mse_of_guessing",
                "the mean squared error of always answering 1",
            )
            .better(Better::Neither),
        ],
        recipes: recipes!["adding": "adding-gru", "adding-lstm", "adding-rnn"],
        template: include_str!("adding.toml"),
        models: &[],
        files: &[],
        next: NEXT,
    };
}

impl Kind for CopyKind {
    const PROFILE: Profile = Profile {
        name: "copy",
        summary: "Learns to repeat ten symbols after a long wait",
        metrics: &[
            accuracy("percent of the ten symbols that are repeated right; 12.5 by guessing"),
            LOSS,
        ],
        recipes: recipes!["copy": "copy-gru", "copy-lstm", "copy-rnn"],
        template: include_str!("copy.toml"),
        models: &[],
        files: &[],
        next: NEXT,
    };
}

impl Kind for DigitsKind {
    const PROFILE: Profile = Profile {
        name: "mnist",
        summary: "Learns to read a handwritten digit pixel by pixel, in order or permuted",
        metrics: &[
            accuracy("percent of the digits that are read right; 10 by guessing"),
            LOSS,
        ],
        recipes: recipes![
            "mnist": "mnist-gru", "mnist-lstm", "mnist-rnn",
            "mnist-permuted-gru", "mnist-permuted-lstm", "mnist-permuted-rnn"
        ],
        template: include_str!("mnist.toml"),
        models: &[],
        files: &[],
        next: NEXT,
    };
}

impl<K: Kind> Spec for LongMemory<K> {
    const PROFILE: Profile = K::PROFILE;
    type Recipe = MemoryRecipe;
    type Options = NoOptions;
    type Trainee = MemoryTrainee;
    type Trained = Loaded;

    fn check(recipe: &MemoryRecipe) -> Result<(), Error> {
        Ok(recipe.data.check()?)
    }

    fn prepare(
        recipe: &MemoryRecipe,
        begin: Begin,
    ) -> Result<(MemoryTrainee, SequenceModel), Error> {
        let seed = begin.site.seed;
        let source = Source::new(&recipe.data, seed, &begin.site.data)?;
        let sizes = [source.features(), source.outputs()];
        let steps = begin.train.batch.saturating_mul(recipe.data.steps());
        let units = recipe.model.layers.saturating_mul(recipe.model.hidden);
        begin.fits(
            recipe.model.parameters(sizes),
            steps.saturating_mul(units.saturating_mul(KEPT)),
            "model.hidden, model.layers, data.length or train.batch",
        )?;
        let model = recipe
            .model
            .init(sizes, seed, &begin.site.training_device())?;
        let trainee = MemoryTrainee {
            task: K::PROFILE.name,
            source,
            batch: begin.train.batch,
        };
        Ok((trainee, model))
    }

    fn load(
        folder: &ModelFolder,
        recipe: MemoryRecipe,
        _: NoOptions,
        site: &Site,
    ) -> Result<Loaded, Error> {
        Loaded::open(folder, recipe, K::PROFILE.name, site)
    }

    fn evaluate(
        trained: &Loaded,
        _: &ModelFolder,
        on: &EvaluateOn,
        site: &Site,
    ) -> Result<Evaluation, Error> {
        let split = on.split(K::PROFILE.name)?;
        let source = trained.source(site)?;
        Ok(Evaluation {
            task: K::PROFILE.name,
            metrics: measure(&trained.model, &source, split)?,
            worst: Vec::new(),
            confusions: Vec::new(),
        })
    }

    fn describe(
        recipe: &MemoryRecipe,
        _: &ModelFolder,
    ) -> Result<Vec<(&'static str, String)>, Error> {
        let model = &recipe.model;
        Ok(vec![(
            "model",
            model.cell.stack(model.layers, model.hidden),
        )])
    }
}

/// A freshly initialised model of a recipe, and some of the recipe's test sequences.
///
/// # Errors
/// A recipe of another task, or data that is missing.
pub fn fresh(
    recipe: &Recipe,
    site: &Site,
    sequences: usize,
) -> Result<(SequenceModel, Sequences), Error> {
    let names = [AddingKind::PROFILE, CopyKind::PROFILE, DigitsKind::PROFILE].map(|own| own.name);
    if !names.contains(&recipe.task.as_str()) {
        let problem = format!(
            "it is for the task \"{}\"; give a recipe or model of {}",
            recipe.task,
            names.join(", ")
        );
        return Err(problem_in(&recipe.recipe.name, problem));
    }
    let own: MemoryRecipe = recipe.body()?;
    let seed = recipe.train.seed;
    let source = Source::new(&own.data, seed, &site.data)?;
    let sizes = [source.features(), source.outputs()];
    let settings = "model.hidden or model.layers";
    memory::check(own.model.parameters(sizes), "use", settings)?;
    let model = own.model.init(sizes, seed, &site.device())?;
    Ok((model, source.batch(Part::Test, 0, sequences)))
}

/// The model of a folder before and after its training, and some test sequences.
///
/// # Errors
/// A folder of another task, or data that is missing.
pub fn trained_and_begun(
    folder: &ModelFolder,
    site: &Site,
    sequences: usize,
) -> Result<([SequenceModel; 2], Sequences), Error> {
    let (begun, examples) = fresh(folder.recipe(), site, sequences)?;
    let trained = Loaded::open(folder, folder.recipe().body()?, "long memory", site)?;
    Ok(([begun, trained.model], examples))
}
