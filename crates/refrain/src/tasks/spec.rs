//! The typed interface of a kind of task, which its folder implements. All other code uses
//! [`Task`](super::Task).

use super::media::{Piece, Use};
use super::site::Site;
use super::{EvaluateOn, Evaluation};
use crate::error::Error;
use crate::memory;
use crate::metrics::Metric;
use crate::recipe::{Recipe, Shipped};
use crate::store::ModelFolder;
use crate::train::{AverageConfig, TrainConfig, Trainee};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Facts about a kind of task.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Its name in recipes.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Its figures, the most important first.
    pub metrics: &'static [Metric],
    /// Shipped recipes, the best first one first.
    pub recipes: &'static [Shipped],
    /// A commented recipe to start a new one from; `refrain new` writes it.
    pub template: &'static str,
    /// Shipped models; the first is the default.
    pub models: &'static [&'static str],
    /// Names of the task's files in a model folder.
    pub files: &'static [&'static str],
    /// A command that uses a trained model; `{model}` stands for its folder.
    pub next: &'static str,
}

/// A run that starts or continues.
#[derive(Clone, Copy)]
pub struct Begin<'a> {
    /// Settings of the training.
    pub train: &'a TrainConfig,
    /// Data folder, device, seed and threads.
    pub site: &'a Site,
    /// The folder of a run that continues.
    pub resumes: Option<&'a ModelFolder>,
    /// The model whose parameters a new run starts from.
    pub init: Option<&'a ModelFolder>,
}

impl Begin<'_> {
    /// Refuses a model that cannot fit in memory during training. `parameters` is the number of its parameters.
    /// `activations` is the number of values that a step keeps for its gradient. `settings` names the keys that decide
    /// the size.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn fits(
        &self,
        parameters: usize,
        activations: usize,
        settings: &'static str,
    ) -> Result<(), Error> {
        // Values and two moments of the optimizer, and perhaps averages or their parts: each live, in a checkpoint, and
        // in its bytes. The gradient is gone by then.
        let kept = match self.train.average {
            AverageConfig::None {} => 3,
            AverageConfig::Asgd { .. } => 4,
            AverageConfig::Best { epochs } => epochs.saturating_add(3),
        };
        let numbers = parameters
            .saturating_mul(3 * kept)
            .saturating_add(activations);
        memory::check(numbers, "training", settings)
    }
}

/// A kind of task, implemented in its folder. It knows no other task.
pub trait Spec: Send + Sync + Sized + 'static {
    /// Facts about the task.
    const PROFILE: Profile;
    /// Whether [`Self::evaluate`] can tell the most wrong sequences, and the confusions of characters.
    const TELLS_WORST: bool = false;
    /// The tables of a recipe beside `[recipe]` and `[train]`; must refuse unknown fields.
    type Recipe: Serialize + DeserializeOwned;
    /// Settings of a loaded model, each with a default; must refuse unknown fields.
    type Options: Serialize + DeserializeOwned + Default;
    /// Batches, losses and figures for the training loop.
    type Trainee: Trainee;
    /// A trained model.
    type Trained: Use + 'static;

    /// Refuses invalid settings before any file is read.
    ///
    /// # Errors
    /// The first invalid setting.
    fn check(recipe: &Self::Recipe) -> Result<(), Error> {
        let _ = recipe;
        Ok(())
    }

    /// Reads the data and makes a model with fresh parameters.
    ///
    /// # Errors
    /// Data that is missing, or invalid settings.
    fn prepare(
        recipe: &Self::Recipe,
        begin: Begin,
    ) -> Result<(Self::Trainee, <Self::Trainee as Trainee>::Model), Error>;

    /// The reason why parameters of the model that a run begins with may not fit, e.g. another vocabulary.
    fn misfit(trainee: &Self::Trainee) -> Option<String> {
        let _ = trainee;
        None
    }

    /// Opens a trained model.
    ///
    /// # Errors
    /// A folder that is incomplete or damaged, or options that do not fit.
    fn load(
        folder: &ModelFolder,
        recipe: Self::Recipe,
        options: Self::Options,
        site: &Site,
    ) -> Result<Self::Trained, Error>;

    /// Measures a trained model on a part of its data, or on another file. Sequences that are wrong are asked for only
    /// where [`Self::TELLS_WORST`].
    ///
    /// # Errors
    /// Data that is missing or of the wrong kind.
    fn evaluate(
        trained: &Self::Trained,
        folder: &ModelFolder,
        on: &EvaluateOn,
        site: &Site,
    ) -> Result<Evaluation, Error>;

    /// Description of the model as rows of a name and a value.
    ///
    /// # Errors
    /// A file of the folder that cannot be read.
    fn describe(
        recipe: &Self::Recipe,
        folder: &ModelFolder,
    ) -> Result<Vec<(&'static str, String)>, Error>;

    /// Names of the task's files in a model folder. A copy includes them; replacing a run removes them.
    fn files(folder: &Path) -> Vec<PathBuf> {
        let _ = folder;
        Self::PROFILE.files.iter().map(PathBuf::from).collect()
    }

    /// An input to demonstrate a model at the end of its training.
    fn sample(recipe: &Self::Recipe) -> Option<Piece> {
        let _ = recipe;
        None
    }

    /// The model as an ONNX file.
    ///
    /// # Errors
    /// A task or a model that ONNX cannot represent.
    fn export(trained: &Self::Trained) -> Result<Vec<u8>, Error> {
        let _ = trained;
        Err(Error::Unsupported {
            task: Self::PROFILE.name,
            problem: "cannot be exported to ONNX yet; language models can",
        })
    }

    /// A recipe that trains on this file, if the task can use such a file without further preparation. The recipe names
    /// the file without a folder; the file's own folder is the data folder.
    ///
    /// # Errors
    /// A suitable file that cannot be read.
    fn recipe_for(file: &Path) -> Result<Option<Recipe>, Error> {
        let _ = file;
        Ok(None)
    }
}
