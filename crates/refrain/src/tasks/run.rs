//! A training run in its folder, the same for all tasks.

use super::site::Site;
use super::spec::{Begin, Spec};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::params;
use crate::recipe::Recipe;
use crate::store::{About, Figures, Lock, ModelFolder, Room};
use crate::train::{Checkpoint, Event, Observer, Stopped, Trainee, fit, log};
use burn::module::Module;
use refrain_data::corpus;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A new run.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// Its settings.
    pub recipe: &'a Recipe,
    /// Where and with what it computes.
    pub site: &'a Site,
    /// Finds and locks the folder, once the data and the settings have proven to be valid.
    pub room: &'a dyn Fn() -> Result<Room, Error>,
}

/// A run that goes on.
pub struct Resume {
    /// Its folder.
    pub folder: ModelFolder,
    /// Exclusive use of the folder.
    pub lock: Lock,
    /// Where and with what it computes.
    pub site: Site,
    /// Another number of epochs than the recipe's.
    pub epochs: Option<u64>,
}

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The model folder.
    pub folder: PathBuf,
    /// The task's name.
    pub task: &'static str,
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

/// A new run.
///
/// # Errors
/// As [`Spec::prepare`] and [`fit`], or a folder that cannot be made.
pub(super) fn train<S: Spec>(start: Start, observe: Observer) -> Result<Summary, Error> {
    let Start { recipe, site, room } = start;
    let init = recipe.train.init.as_deref().map(ModelFolder::open);
    let init = init.transpose()?;
    let begin = Begin {
        train: &recipe.train,
        site,
        resumes: None,
        init: init.as_ref(),
    };
    let (trainee, mut model) = S::prepare(&recipe.body()?, begin)?;
    let inherited = match &init {
        Some(from) => {
            let (inherited, event) = inherit(model, from, S::misfit(&trainee))?;
            model = inherited;
            Some(event)
        }
        None => None,
    };
    let Room { path, lock } = room()?;
    let about = About {
        version: env!("CARGO_PKG_VERSION").to_string(),
        figures: Figures {
            parameters: model.num_params(),
            ..Figures::default()
        },
        recipe: recipe.clone(),
    };
    let folder = ModelFolder::create(&path, about)?;
    trainee.save(&path)?;
    if let Some(event) = inherited {
        observe(&event);
    }
    let run = Run {
        folder,
        site,
        checkpoint: None,
        _lock: lock,
    };
    run.fit::<S>(trainee, model, observe)
}

/// A run that goes on.
///
/// # Errors
/// As [`train`], or a checkpoint that cannot be read.
pub(super) fn resume<S: Spec>(resume: Resume, observe: Observer) -> Result<Summary, Error> {
    let Resume {
        mut folder,
        lock,
        site,
        epochs,
    } = resume;
    let file = folder.checkpoint();
    let progress = file
        .exists()
        .then(|| Checkpoint::progress(&file))
        .transpose()?;
    let done = progress.as_ref().map_or(0, |progress| progress.epoch);
    let more = epochs.filter(|epochs| *epochs > done);
    if let Some(epochs) = epochs.filter(|epochs| *epochs < done) {
        return Err(Error::Config(format!(
            "the run has done {done} epochs and cannot end after {epochs}; give more"
        )));
    }
    if folder.about().figures.finished && more.is_none() {
        let stopped = progress.and_then(|progress| progress.stopped);
        return Ok(summary::<S>(&folder, stopped.unwrap_or(Stopped::Done)));
    }
    if let Some(epochs) = epochs {
        let mut recipe = folder.recipe().clone();
        recipe.train.epochs = epochs;
        folder.set_recipe(recipe)?;
    }
    let recipe = folder.recipe().clone();
    // A run that was killed before its first checkpoint begins anew.
    let mut checkpoint = file.exists().then(|| Checkpoint::load(&file)).transpose()?;
    if let (Some(checkpoint), Some(_)) = (&mut checkpoint, more) {
        checkpoint.progress.stopped = None;
        checkpoint.progress.waited = 0;
    }
    let init = match &checkpoint {
        Some(_) => None,
        None => recipe.train.init.as_deref().map(ModelFolder::open),
    };
    let init = init.transpose()?;
    let begin = Begin {
        train: &recipe.train,
        site: &site,
        resumes: Some(&folder),
        init: init.as_ref(),
    };
    let (trainee, mut model) = S::prepare(&recipe.body()?, begin)?;
    if let Some(from) = &init {
        let (inherited, event) = inherit(model, from, S::misfit(&trainee))?;
        model = inherited;
        observe(&event);
    }
    let run = Run {
        folder,
        site: &site,
        checkpoint,
        _lock: lock,
    };
    run.fit::<S>(trainee, model, observe)
}

/// A model with the parameters of another one, where names and shapes fit.
///
/// # Errors
/// None fit.
fn inherit<M: Module>(
    model: M,
    from: &ModelFolder,
    misfit: Option<String>,
) -> Result<(M, Event), Error> {
    let (model, [tensors, of]) = params::import_fitting(model, &from.tensors()?)?;
    if tensors == 0 {
        let problem = "none of its parameters has a name and shape of the new model; train one of the same kind and size from it";
        return Err(Error::folder(from.path(), problem));
    }
    let event = Event::Inherited {
        from: from.path().to_path_buf(),
        tensors,
        of,
        reason: misfit.filter(|_| tensors < of),
    };
    Ok((model, event))
}

/// A run with its folder.
struct Run<'a> {
    folder: ModelFolder,
    site: &'a Site,
    checkpoint: Option<Checkpoint>,
    _lock: Lock,
}

impl Run<'_> {
    /// Trains `model`, and measures the best one on test data if training ended by itself.
    ///
    /// # Errors
    /// As [`fit`] and [`Trainee::test`].
    fn fit<S: Spec>(
        self,
        mut trainee: S::Trainee,
        model: <S::Trainee as Trainee>::Model,
        observe: Observer,
    ) -> Result<Summary, Error> {
        let Self {
            mut folder,
            site,
            checkpoint,
            ..
        } = self;
        let train = folder.recipe().train.clone();
        let shell = model.valid();
        let outcome = fit(
            &mut trainee,
            model,
            &train,
            &folder.files(),
            Some(&site.data),
            checkpoint,
            &mut *observe,
        )?;
        let mut figures = Figures {
            epochs: outcome.progress.epoch,
            steps: outcome.progress.step,
            seconds: outcome.progress.seconds,
            validation: outcome.progress.best_metrics,
            finished: false,
            test: Metrics::new(),
            ..folder.about().figures.clone()
        };
        if outcome.stopped != Stopped::Asked {
            let best = params::import(shell, &folder.tensors()?)?;
            figures.test = trainee.test(&best)?;
            figures.finished = true;
            let event = Event::Tested {
                metrics: figures.test.clone(),
            };
            log::append(&folder.log(), &event)?;
            observe(&event);
        }
        folder.set_figures(figures)?;
        Ok(summary::<S>(&folder, outcome.stopped))
    }
}

fn summary<S: Spec>(folder: &ModelFolder, stopped: Stopped) -> Summary {
    let figures = &folder.about().figures;
    let known = |metrics: &Metrics| (!metrics.is_empty()).then(|| metrics.clone());
    Summary {
        folder: folder.path().to_path_buf(),
        task: S::PROFILE.name,
        stopped,
        epochs: figures.epochs,
        steps: figures.steps,
        seconds: figures.seconds,
        parameters: figures.parameters,
        validation: known(&figures.validation),
        test: known(&figures.test),
    }
}

/// The best model of a folder. Before memory is taken for one as large as `model.toml` says, `model.safetensors` must hold as
/// many numbers.
///
/// # Errors
/// Parameters that are missing, damaged or of another model; as `init`.
pub fn load_model<M: Module>(
    folder: &ModelFolder,
    parameters: usize,
    init: impl FnOnce() -> Result<M, Error>,
) -> Result<M, Error> {
    let tensors = folder.tensors()?;
    let held: usize = tensors.values().map(|tensor| tensor.data.len()).sum();
    if parameters > held {
        let problem = format!(
            "model.toml describes {parameters} parameters and model.safetensors holds {held}: they belong to different models; copy the folder again"
        );
        return Err(Error::folder(folder.path(), problem));
    }
    params::import(init()?, &tensors)
}

/// Compares files of the data folder with the checksums of a recipe.
///
/// # Errors
/// A file that is missing or another.
pub(super) fn check_sums(sha256: &BTreeMap<String, String>, folder: &Path) -> Result<(), Error> {
    for (name, expected) in sha256 {
        let path = folder.join(name);
        let got = corpus::sha256(&path)?;
        if got != *expected {
            return Err(Error::Config(format!(
                "{} is not the file that the recipe was made with (SHA-256 {got} instead of {expected}); to train on it all the same, \
                 copy the recipe and drop data.sha256",
                path.display()
            )));
        }
    }
    Ok(())
}

/// A hash as text, for fingerprints.
pub(super) fn hex(hash: Sha256) -> String {
    let bytes = hash.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
