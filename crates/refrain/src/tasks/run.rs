//! A training run in its folder: what all tasks have in common around the loop.

use super::{Summary, TrainOptions};
use crate::error::Error;
use crate::params;
use crate::recipe::Recipe;
use crate::store::{About, Figures, ModelFolder};
use crate::train::fit::Files;
use crate::train::{Checkpoint, Event, Metrics, Observer, Stopped, Trainee, fit, log};
use burn::module::Module;
use refrain_data::corpus;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The best model of a folder. Before memory is taken for one as large as `model.toml` says, `model.safetensors` must hold as many numbers.
///
/// # Errors
/// Parameters that are missing, damaged or of another model; as `init`.
pub(super) fn load_model<M: Module>(
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

/// All that a run needs, made from a recipe before its folder is.
pub(super) trait Job: Sized {
    /// # Errors
    /// Data that is missing, or settings that cannot work.
    fn new(recipe: &Recipe, data: Option<&Path>) -> Result<Self, Error>;

    /// # Errors
    /// As [`Start::run`].
    fn run(self, start: Start, observe: Observer) -> Result<Summary, Error>;
}

/// A new run.
///
/// # Errors
/// As [`Job`], or a folder that cannot be made.
pub(super) fn train<J: Job>(
    recipe: &Recipe,
    options: &TrainOptions,
    observe: Observer,
) -> Result<Summary, Error> {
    let job = J::new(recipe, options.data.as_deref())?;
    job.run(Start::new(recipe, options)?, observe)
}

/// A run that goes on.
///
/// # Errors
/// As [`train`], or a checkpoint that cannot be read.
pub(super) fn resume<J: Job>(
    folder: ModelFolder,
    data: Option<&Path>,
    observe: Observer,
) -> Result<Summary, Error> {
    let start = match Start::again(folder, data)? {
        Ok(start) => start,
        Err(finished) => return Ok(finished),
    };
    let recipe = start.folder.about().recipe.clone();
    J::new(&recipe, start.data.as_deref())?.run(start, observe)
}

/// Where a run goes on: at its beginning or at a checkpoint.
pub(super) struct Start {
    pub folder: ModelFolder,
    pub checkpoint: Option<Checkpoint>,
    /// The data folder.
    pub data: Option<PathBuf>,
}

impl Start {
    /// A new run in a new folder.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn new(recipe: &Recipe, options: &TrainOptions) -> Result<Self, Error> {
        let about = About {
            version: env!("CARGO_PKG_VERSION").to_string(),
            figures: Figures::default(),
            recipe: recipe.clone(),
        };
        Ok(Self {
            folder: ModelFolder::create(&options.out, about)?,
            checkpoint: None,
            data: options.data.clone(),
        })
    }

    /// Where the run of a folder was left; its summary if it is finished.
    ///
    /// # Errors
    /// A checkpoint that cannot be read.
    pub fn again(folder: ModelFolder, data: Option<&Path>) -> Result<Result<Self, Summary>, Error> {
        let file = folder.checkpoint();
        if folder.about().figures.finished {
            let stopped = match file.exists() {
                true => Checkpoint::progress(&file)?
                    .stopped
                    .unwrap_or(Stopped::Done),
                false => Stopped::Done,
            };
            return Ok(Err(summary(&folder, stopped)));
        }
        // A run that was killed before its first checkpoint begins anew.
        let checkpoint = match file.exists() {
            true => Some(Checkpoint::load(&file)?),
            false => None,
        };
        let remembered = checkpoint
            .as_ref()
            .and_then(|checkpoint| checkpoint.progress.data.clone());
        Ok(Ok(Self {
            folder,
            checkpoint,
            data: data.map(Path::to_path_buf).or(remembered),
        }))
    }

    /// Trains `model`, and measures the best one with `test` if training ended by itself.
    ///
    /// # Errors
    /// As [`fit`] and `test`.
    pub fn run<T: Trainee>(
        self,
        mut trainee: T,
        mut model: T::Model,
        vocabulary: usize,
        observe: Observer,
        test: impl FnOnce(&T::Model) -> Result<Metrics, Error>,
    ) -> Result<Summary, Error> {
        let Self {
            mut folder,
            checkpoint,
            data,
        } = self;
        let recipe = folder.about().recipe.clone();
        let mut figures = Figures {
            parameters: model.num_params(),
            vocabulary,
            ..Figures::default()
        };
        folder.set_figures(figures.clone())?;
        if let (Some(from), None) = (&recipe.train.init, &checkpoint) {
            let tensors = ModelFolder::open(from)?.tensors()?;
            let (inherited, [fit, of]) = params::import_fitting(model, &tensors)?;
            if fit == 0 {
                let problem = "none of its parameters has a name and shape of the new model; train one of the same kind and size from it";
                return Err(Error::folder(from, problem));
            }
            model = inherited;
            let event = Event::Inherited {
                from: from.clone(),
                tensors: fit,
                of,
            };
            observe(&event);
        }
        let files = Files::of(&folder);
        let shell = model.valid();
        let outcome = fit(
            &mut trainee,
            model,
            &recipe.train,
            &files,
            data.as_deref(),
            checkpoint,
            &mut *observe,
        )?;
        figures.epochs = outcome.progress.epoch;
        figures.steps = outcome.progress.step;
        figures.seconds = outcome.progress.seconds;
        figures.validation = outcome.progress.best_metrics;
        if outcome.stopped != Stopped::Asked {
            let best = params::import(shell, &folder.tensors()?)?;
            figures.test = test(&best)?;
            figures.finished = true;
            let event = Event::Tested {
                metrics: figures.test.clone(),
            };
            log::append(&folder.log(), &event)?;
            observe(&event);
        }
        folder.set_figures(figures)?;
        Ok(summary(&folder, outcome.stopped))
    }
}

fn summary(folder: &ModelFolder, stopped: Stopped) -> Summary {
    let figures = &folder.about().figures;
    let some = |metrics: &Metrics| (!metrics.is_empty()).then(|| metrics.clone());
    Summary {
        folder: folder.path().to_path_buf(),
        stopped,
        epochs: figures.epochs,
        steps: figures.steps,
        seconds: figures.seconds,
        parameters: figures.parameters,
        validation: some(&figures.validation),
        test: some(&figures.test),
    }
}

/// The data folder of a finished or running model: the one that is given, else the one that its training remembers.
pub(super) fn data_folder(folder: &ModelFolder, given: Option<&Path>) -> Option<PathBuf> {
    let remembered = || Checkpoint::progress(&folder.checkpoint()).ok()?.data;
    given.map(Path::to_path_buf).or_else(remembered)
}

/// Opens a model folder of one of these tasks.
///
/// # Errors
/// A folder that is missing, incomplete, damaged or of another task.
pub(super) fn open(folder: &Path, tasks: &[&str]) -> Result<ModelFolder, Error> {
    let folder = ModelFolder::open(folder)?;
    let task = &folder.about().recipe.task;
    if tasks.contains(&task.as_str()) {
        return Ok(folder);
    }
    let wanted = tasks.join(", ");
    let problem = format!("it holds a model for the task \"{task}\", not for {wanted}");
    Err(Error::folder(folder.path(), problem))
}

/// Whether files of the data folder are those that a recipe was made with.
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
