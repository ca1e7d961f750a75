//! The two interfaces of a kind of task. Its folder implements [`Spec`], which is typed. All other code uses [`Task`].

use super::media::{Piece, Use};
use super::run::{self, Resume, Start, Summary};
use super::site::Site;
use super::{EvaluateOn, Evaluation};
use crate::error::Error;
use crate::memory;
use crate::metrics::Metric;
use crate::recipe::{self, Recipe, Shipped, problem_in};
use crate::store::ModelFolder;
use crate::train::{AverageConfig, Observer, TrainConfig, Trainee};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Table;

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
        // Values and two moments of the optimizer, and perhaps an average: each live, in a checkpoint, and in its bytes.
        // The gradient is gone by then.
        let kept = match self.train.average {
            AverageConfig::None {} => 3,
            AverageConfig::Asgd { .. } => 4,
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
    /// Whether [`Self::evaluate`] can tell the most wrong sequences.
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

/// A kind of task for all code outside of its folder.
pub trait Task: Send + Sync {
    /// Facts about it.
    fn profile(&self) -> &'static Profile;

    /// A recipe with its body typed and its defaults filled in.
    ///
    /// # Errors
    /// A key that is unknown or missing, or an invalid setting.
    fn resolve(&self, recipe: Recipe) -> Result<Recipe, Error>;

    /// The options of a loaded model with their defaults, as a JSON object; `null` where the recipe decides.
    fn options(&self) -> serde_json::Value;

    /// Trains a new model.
    ///
    /// # Errors
    /// As [`Tasks::train`](super::Tasks::train).
    fn train(&self, start: Start, observe: Observer) -> Result<Summary, Error>;

    /// Continues a run.
    ///
    /// # Errors
    /// As [`Tasks::resume`](super::Tasks::resume).
    fn resume(&self, resume: Resume, observe: Observer) -> Result<Summary, Error>;

    /// Opens a trained model.
    ///
    /// # Errors
    /// As [`Spec::load`].
    fn load(
        &self,
        folder: &ModelFolder,
        options: Table,
        site: &Site,
    ) -> Result<Arc<dyn Use>, Error>;

    /// Measures a trained model.
    ///
    /// # Errors
    /// As [`Spec::load`] and [`Spec::evaluate`].
    fn evaluate(
        &self,
        folder: &ModelFolder,
        options: Table,
        on: &EvaluateOn,
        site: &Site,
    ) -> Result<Evaluation, Error>;

    /// Description of the model as rows of a name and a value.
    ///
    /// # Errors
    /// As [`Spec::describe`].
    fn describe(&self, folder: &ModelFolder) -> Result<Vec<(&'static str, String)>, Error>;

    /// Names of the task's files in a model folder.
    fn files(&self, folder: &Path) -> Vec<PathBuf>;

    /// An input to demonstrate a model at the end of its training.
    ///
    /// # Errors
    /// A recipe of another task.
    fn sample(&self, recipe: &Recipe) -> Result<Option<Piece>, Error>;

    /// The model as an ONNX file.
    ///
    /// # Errors
    /// As [`Spec::load`] and [`Spec::export`].
    fn export(&self, folder: &ModelFolder, site: &Site) -> Result<Vec<u8>, Error>;

    /// Same as [`Spec::recipe_for`].
    ///
    /// # Errors
    /// As [`Spec::recipe_for`].
    fn recipe_for(&self, file: &Path) -> Result<Option<Recipe>, Error>;
}

/// The [`Task`] of a [`Spec`].
pub struct Of<S>(PhantomData<fn() -> S>);

impl<S: Spec> Of<S> {
    /// The value for a list of tasks.
    pub const NEW: Self = Self(PhantomData);
}

/// Opens a trained model of the task `S` as its own type, for features that only this task has.
///
/// # Errors
/// A folder of another task; otherwise as [`Spec::load`].
pub fn open<S: Spec>(folder: &Path, options: S::Options, site: &Site) -> Result<S::Trained, Error> {
    let folder = ModelFolder::open(folder)?;
    let task = &folder.recipe().task;
    if task != S::PROFILE.name {
        let problem = format!(
            "it holds a model for the task \"{task}\", not for {}",
            S::PROFILE.name
        );
        return Err(Error::folder(folder.path(), problem));
    }
    let recipe = folder.recipe().body()?;
    site.compute(|| S::load(&folder, recipe, options, site))
}

fn options_of<S: Spec>(options: Table) -> Result<S::Options, Error> {
    recipe::typed(options, &[]).map_err(|problem| {
        let task = S::PROFILE.name;
        Error::Config(format!("options of a model for {task}: {problem}"))
    })
}

impl<S: Spec> Task for Of<S> {
    fn profile(&self) -> &'static Profile {
        const { &S::PROFILE }
    }

    fn resolve(&self, mut recipe: Recipe) -> Result<Recipe, Error> {
        let body: S::Recipe = recipe.body()?;
        S::check(&body)?;
        recipe.body = recipe::table(&body).map_err(|e| problem_in(&recipe.recipe.name, e))?;
        Ok(recipe)
    }

    fn options(&self) -> serde_json::Value {
        serde_json::to_value(S::Options::default()).unwrap_or_default()
    }

    fn train(&self, start: Start, observe: Observer) -> Result<Summary, Error> {
        run::train::<S>(start, observe)
    }

    fn resume(&self, resume: Resume, observe: Observer) -> Result<Summary, Error> {
        run::resume::<S>(resume, observe)
    }

    fn load(
        &self,
        folder: &ModelFolder,
        options: Table,
        site: &Site,
    ) -> Result<Arc<dyn Use>, Error> {
        let trained = S::load(
            folder,
            folder.recipe().body()?,
            options_of::<S>(options)?,
            site,
        )?;
        Ok(Arc::new(trained))
    }

    fn evaluate(
        &self,
        folder: &ModelFolder,
        options: Table,
        on: &EvaluateOn,
        site: &Site,
    ) -> Result<Evaluation, Error> {
        if on.worst > 0 && !S::TELLS_WORST {
            return Err(Error::Unsupported {
                task: S::PROFILE.name,
                problem: "has no wrong utterances to show; leave out --worst",
            });
        }
        let trained = S::load(
            folder,
            folder.recipe().body()?,
            options_of::<S>(options)?,
            site,
        )?;
        S::evaluate(&trained, folder, on, site)
    }

    fn describe(&self, folder: &ModelFolder) -> Result<Vec<(&'static str, String)>, Error> {
        S::describe(&folder.recipe().body()?, folder)
    }

    fn files(&self, folder: &Path) -> Vec<PathBuf> {
        S::files(folder)
    }

    fn sample(&self, recipe: &Recipe) -> Result<Option<Piece>, Error> {
        Ok(S::sample(&recipe.body()?))
    }

    fn export(&self, folder: &ModelFolder, site: &Site) -> Result<Vec<u8>, Error> {
        let trained = S::load(folder, folder.recipe().body()?, S::Options::default(), site)?;
        S::export(&trained)
    }

    fn recipe_for(&self, file: &Path) -> Result<Option<Recipe>, Error> {
        S::recipe_for(file)
    }
}
