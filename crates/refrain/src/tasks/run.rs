//! A training run in its folder, for all tasks.

use super::site::Site;
use super::spec::{Begin, Spec};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::params;
use crate::recipe::Recipe;
use crate::store::{About, Figures, Lock, ModelFolder, Room};
use crate::train::{Checkpoint, Control, Event, Observer, Progress, Stopped, Trainee, fit, log};
use burn::module::Module;
use refrain_data::corpus;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A new run.
#[derive(Clone, Copy)]
pub struct Start<'a> {
    /// Its settings.
    pub recipe: &'a Recipe,
    /// Data folder, device, seed and threads.
    pub site: &'a Site,
    /// Finds and locks the folder; called after data and settings have been validated.
    pub room: &'a dyn Fn() -> Result<Room, Error>,
}

/// A run that continues.
pub struct Resume {
    /// Its folder.
    pub folder: ModelFolder,
    /// Exclusive use of the folder.
    pub lock: Option<Lock>,
    /// Data folder, device, seed and threads.
    pub site: Site,
    /// A number of epochs that replaces the recipe's.
    pub epochs: Option<u64>,
}

/// The typed body of a recipe, if its settings can work: a recipe may come from a file that was edited by hand.
fn checked<S: Spec>(recipe: &Recipe) -> Result<S::Recipe, Error> {
    recipe.train.check()?;
    let body = recipe.body()?;
    S::check(&body)?;
    Ok(body)
}

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The model folder.
    pub folder: PathBuf,
    /// The task's name.
    pub task: &'static str,
    /// Reason for the end.
    pub stopped: Stopped,
    /// Epochs done.
    pub epochs: u64,
    /// Steps done.
    pub steps: u64,
    /// Wall time of training, over all sessions.
    pub seconds: f64,
    /// Trainable numbers.
    pub parameters: usize,
    /// Figures of the best epoch.
    pub validation: Option<Metrics>,
    /// Figures of the best model on the test set, if training was completed.
    pub test: Option<Metrics>,
}

/// Trains a new run.
///
/// # Errors
/// As [`Spec::prepare`] and [`fit`], or a folder that cannot be made.
pub(super) fn train<S: Spec>(start: Start, observe: Observer) -> Result<Summary, Error> {
    let Start { recipe, site, room } = start;
    let body = checked::<S>(recipe)?;
    let init = recipe.train.init.as_deref().map(ModelFolder::open);
    let init = init.transpose()?;
    let begin = Begin {
        train: &recipe.train,
        site,
        resumes: None,
        init: init.as_ref(),
    };
    let (trainee, mut model) = S::prepare(&body, begin)?;
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
    // A run is there once model.toml is; its other files come first.
    trainee.save(&path)?;
    let folder = ModelFolder::create(&path, about)?;
    if let Some(event) = inherited {
        observe(&event);
    }
    let run = Run {
        folder,
        site,
        checkpoint: None,
        _lock: Some(lock),
    };
    run.fit::<S>(trainee, model, observe)
}

/// Continues a run.
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
    let checkpoint = match folder.checkpoint() {
        file if file.exists() => Some(Checkpoint::load(&file)?),
        // A run that was killed before its first checkpoint begins anew.
        _ if !folder.has_model() => None,
        _ => {
            let problem =
                "it has a model and no checkpoint to go on from; begin a new run with --init";
            return Err(Error::folder(folder.path(), problem));
        }
    };
    let done = checkpoint.as_ref().map_or(0, |own| own.progress.epoch);
    if let Some(epochs) = epochs.filter(|epochs| *epochs < done) {
        return Err(Error::Config(format!(
            "the run has done {done} epochs and cannot end after {epochs}; give more"
        )));
    }
    let stopped = checkpoint.as_ref().and_then(|own| own.progress.stopped);
    let ended = stopped.filter(|stopped| *stopped != Stopped::Asked);
    let goes_on = epochs.is_some_and(|epochs| epochs > done);
    if folder.about().figures.finished && !goes_on {
        return Ok(summary::<S>(&folder, ended.unwrap_or(Stopped::Done)));
    }
    let mut checkpoint = checkpoint;
    if let Some(checkpoint) = checkpoint.as_mut().filter(|_| goes_on && ended.is_some()) {
        checkpoint.progress.stopped = None;
        checkpoint.progress.waited = 0;
    }
    let mut recipe = folder.recipe().clone();
    recipe.train.epochs = epochs.unwrap_or(recipe.train.epochs);
    let body = checked::<S>(&recipe)?;
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
    let (trainee, mut model) = S::prepare(&body, begin)?;
    // From here on the run has another end, and is not finished.
    folder.reopen(recipe)?;
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

/// Replaces the parameters of a model by those of another one, where names and shapes fit.
///
/// # Errors
/// No parameter fits.
fn inherit<M: Module>(
    model: M,
    from: &ModelFolder,
    misfit: Option<String>,
) -> Result<(M, Event), Error> {
    let (model, [tensors, of]) = params::import_fitting(model, &from.tensors()?)?;
    if tensors == 0 {
        let problem = "none of its parameters has a name and shape of the new model; \
                       train one of the same kind and size from it";
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

/// A run and its folder.
struct Run<'a> {
    folder: ModelFolder,
    site: &'a Site,
    checkpoint: Option<Checkpoint>,
    _lock: Option<Lock>,
}

impl Run<'_> {
    /// Trains `model`. If training is completed, measures the best model on the test set.
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
        let (shell, files) = (model.valid(), folder.files());
        let mut noted = Ok(());
        // A run that is killed leaves the figures of its last checkpoint.
        let mut watch = |event: &Event| {
            if matches!(event, Event::Checkpointed { .. }) && noted.is_ok() {
                noted = note(&mut folder);
            }
            match noted.is_ok() {
                true => observe(event),
                false => Control::Stop,
            }
        };
        let outcome = fit(
            &mut trainee,
            model,
            &train,
            &files,
            Some(&site.data),
            checkpoint,
            &mut watch,
        )?;
        noted?;
        let mut figures = figures(&folder, outcome.progress);
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

/// Writes the figures of the checkpoint into `model.toml`.
fn note(folder: &mut ModelFolder) -> Result<(), Error> {
    let progress = Checkpoint::progress(&folder.checkpoint())?;
    folder.set_figures(figures(folder, progress))
}

/// The figures of a run that has come so far.
fn figures(folder: &ModelFolder, progress: Progress) -> Figures {
    Figures {
        parameters: folder.about().figures.parameters,
        epochs: progress.epoch,
        steps: progress.step,
        seconds: progress.seconds,
        finished: false,
        validation: progress.best_metrics,
        test: Metrics::new(),
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

/// Loads the best model of a folder. `model.toml` gives its size. `model.safetensors` must hold at least as many
/// numbers before memory for the model is taken.
///
/// # Errors
/// Parameters that are missing, damaged or of another model; otherwise as `init`.
pub fn load_model<M: Module>(
    folder: &ModelFolder,
    parameters: usize,
    init: impl FnOnce() -> Result<M, Error>,
) -> Result<M, Error> {
    let tensors = folder.tensors()?;
    let held: usize = tensors.values().map(|tensor| tensor.data.len()).sum();
    if parameters > held {
        let problem = format!(
            "model.toml describes {parameters} parameters and model.safetensors holds {held}: \
             they belong to different models; copy the folder again"
        );
        return Err(Error::folder(folder.path(), problem));
    }
    params::import(init()?, &tensors)
}

/// Compares files of the data folder with the checksums of a recipe.
///
/// # Errors
/// A file that is missing or differs.
pub(super) fn check_sums(sha256: &BTreeMap<String, String>, folder: &Path) -> Result<(), Error> {
    for (name, expected) in sha256 {
        let path = folder.join(name);
        let got = corpus::sha256(&path)?;
        if got != *expected {
            return Err(Error::Config(format!(
                "{} is not the file that the recipe was made with (SHA-256 {got} instead of {expected}); \
                 to train on it all the same, \
                 copy the recipe and drop data.sha256",
                path.display()
            )));
        }
    }
    Ok(())
}
