//! The interface of a kind of task for all code outside of its folder: [`Task`], which [`Of`] makes of a [`Spec`].

use super::media::{Piece, Use};
use super::run::{self, Resume, Start, Summary};
use super::site::Site;
use super::spec::{Profile, Spec};
use super::{EvaluateOn, Evaluation};
use crate::error::Error;
use crate::recipe::{self, Recipe, problem_in};
use crate::store::ModelFolder;
use crate::train::Observer;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Table;

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
    let folder = folder_of::<S>(folder)?;
    let recipe = folder.recipe().body()?;
    site.compute(|| S::load(&folder, recipe, options, site))
}

/// A folder of the task `S`.
///
/// # Errors
/// A folder that is none, or that is of another task.
pub(super) fn folder_of<S: Spec>(path: &Path) -> Result<ModelFolder, Error> {
    let folder = ModelFolder::open(path)?;
    let (task, own) = (&folder.recipe().task, S::PROFILE.name);
    if task != own {
        let problem = format!("it holds a model for the task \"{task}\", not for {own}");
        return Err(Error::folder(path, problem));
    }
    Ok(folder)
}

/// Options of a loaded model with their types.
///
/// # Errors
/// A key that is unknown, or a value of another kind.
pub(super) fn options_of<S: Spec>(options: Table) -> Result<S::Options, Error> {
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
        if on.confusions > 0 && !S::TELLS_WORST {
            return Err(Error::Unsupported {
                task: S::PROFILE.name,
                problem: "has no confusions of characters to show; leave out --confusions",
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
