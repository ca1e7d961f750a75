//! Tasks: data, model and decoder combined. [`TASKS`] is the only list; help texts, routes and docs derive from it.
//!
//! A kind of task is a folder with a [`Spec`] and one line in the list; docs/adding-a-task.md explains it.

mod buckets;
mod ctc;
pub mod detection;
pub mod language;
pub mod lines;
pub mod long_memory;
pub mod media;
pub mod ocr;
mod run;
mod site;
mod spec;
pub mod speech;
mod stored;
mod task;
pub mod translation;
mod truth;

pub use ctc::{DECODER, DecoderConfig, SearchOptions};
pub use media::{Medium, Numbers, Piece, Ports, Receiver, Session, Sound, Text, Use};
pub use run::{Resume, Start, Summary, load_model};
pub use site::{DeviceName, Site};
pub use spec::{Begin, Profile, Spec};
pub use task::{Of, Task, open};

use crate::error::Error;
use crate::metrics::Metrics;
use crate::recipe::{self, Recipe, Shipped, closest, problem_in, unknown_key};
use crate::store::{Existing, Lock, ModelFolder, Room};
use crate::train::{Checkpoint, Observer};
use refrain_decode::metrics::confusion::Confusion;
use refrain_decode::metrics::edit::{Edit, alignment};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Table;

/// The tasks of this library. The first recipe of the first task is the default.
pub const TASKS: Tasks = Tasks::new(&[
    &Of::<language::Language>::NEW,
    &Of::<long_memory::Adding>::NEW,
    &Of::<long_memory::Copying>::NEW,
    &Of::<long_memory::Digits784>::NEW,
    &Of::<speech::Speech>::NEW,
    &Of::<translation::TranslationTask>::NEW,
    &Of::<ocr::Ocr>::NEW,
    &Of::<detection::Detection>::NEW,
]);

/// A list of tasks: the one of this library, or one with further tasks.
#[derive(Clone, Copy)]
pub struct Tasks(&'static [&'static dyn Task]);

/// A recipe that was chosen by a name or a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The recipe.
    pub recipe: Recipe,
    /// The folder of the files that it names, if it was made for a file.
    pub data: Option<PathBuf>,
}

/// The folder of a new run.
#[derive(Clone, Debug)]
pub struct Out {
    /// Its path.
    pub folder: PathBuf,
    /// Treatment of a run that it already holds.
    pub existing: Existing,
}

impl Out {
    /// A folder that must not hold a run.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            existing: Existing::Refuse,
        }
    }
}

/// A part of the data of a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Data for training.
    Train,
    /// Data that chooses the best epoch.
    Validation,
    /// Data that is used neither for training nor for choosing the best epoch.
    Test,
}

/// The data for a measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluateOn {
    /// A part of the data of the recipe, or a file.
    pub data: EvaluateData,
    /// Number of the most wrong sequences to report; 0 for a task that cannot tell them.
    pub worst: usize,
    /// Number of the most frequent confusions of characters to report; 0 for a task that cannot tell them.
    pub confusions: usize,
}

/// A part of the data of a recipe, or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvaluateData {
    /// A part of the data named in the recipe.
    Split(Split),
    /// Another file.
    File(PathBuf),
}

impl EvaluateOn {
    /// The part of the data of the recipe, for a task that measures on nothing else.
    ///
    /// # Errors
    /// Another file.
    pub fn split(&self, task: &'static str) -> Result<Split, Error> {
        match self.data {
            EvaluateData::Split(split) => Ok(split),
            EvaluateData::File(_) => Err(Error::Unsupported {
                task,
                problem: "reads no text; leave out --text",
            }),
        }
    }
}

impl From<Split> for EvaluateOn {
    fn from(split: Split) -> Self {
        Self {
            data: EvaluateData::Split(split),
            worst: 0,
            confusions: 0,
        }
    }
}

/// A sequence and its reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edited {
    /// Its name in the data.
    pub name: String,
    /// Edits that turn the reference into the hypothesis.
    pub errors: usize,
    /// The correct words.
    pub reference: Vec<String>,
    /// The words of the model.
    pub hypothesis: Vec<String>,
    /// Their alignment.
    pub edits: Vec<Edit>,
}

impl Edited {
    /// Aligns the words of a sequence with its reference.
    pub fn new(name: &str, errors: usize, reference: &str, hypothesis: &str) -> Self {
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_string)
                .collect::<Vec<String>>()
        };
        let (reference, hypothesis) = (words(reference), words(hypothesis));
        Self {
            name: name.to_string(),
            errors,
            edits: alignment(&reference, &hypothesis),
            reference,
            hypothesis,
        }
    }
}

/// Quality of a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The task's name.
    pub task: &'static str,
    /// Its figures.
    pub metrics: Metrics,
    /// The most wrong sequences, if requested and if the task reports any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub worst: Vec<Edited>,
    /// The most frequent confusions of characters, if requested and if the task reports any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub confusions: Vec<Confusion>,
}

impl Tasks {
    /// A list of tasks with distinct names.
    pub const fn new(tasks: &'static [&'static dyn Task]) -> Self {
        Self(tasks)
    }

    /// The tasks in their order.
    pub fn iter(&self) -> impl Iterator<Item = &'static dyn Task> {
        self.0.iter().copied()
    }

    /// The task with this name.
    ///
    /// # Errors
    /// An unknown name.
    pub fn find(&self, name: &str) -> Result<&'static dyn Task, Error> {
        let found = self.iter().find(|task| task.profile().name == name);
        found.ok_or_else(|| {
            let names: Vec<_> = self.iter().map(|task| task.profile().name).collect();
            let hint = closest(name, names.iter().copied()).map_or_else(
                || format!("known are: {}", names.join(", ")),
                |name| format!("did you mean \"{name}\"?"),
            );
            Error::Config(format!("there is no task \"{name}\"; {hint}"))
        })
    }

    /// All shipped recipes, in the order of their tasks.
    pub fn recipes(&self) -> impl Iterator<Item = &'static Shipped> {
        self.iter().flat_map(|task| task.profile().recipes)
    }

    /// Reads a recipe and applies `overrides` such as `train.epochs=3`. `name` appears in messages.
    ///
    /// # Errors
    /// Text that is not TOML, a key that is unknown (with the closest known one) or missing, or a value out of range.
    pub fn read(&self, text: &str, overrides: &[String], name: &str) -> Result<Recipe, Error> {
        let read = self.read_here(text, overrides, name);
        read.map_err(|error| self.with_table(text, error))
    }

    fn read_here(&self, text: &str, overrides: &[String], name: &str) -> Result<Recipe, Error> {
        let recipe = Recipe::parse(text, overrides, name)?;
        let task = self
            .find(&recipe.task)
            .map_err(|error| problem_in(name, error.to_string()))?;
        task.resolve(recipe).map_err(|error| match error {
            Error::Recipe { problem, .. } => problem_in(name, problem),
            other => other,
        })
    }

    /// An error about an unknown key with the table that has such a key, if another one has.
    fn with_table(&self, text: &str, error: Error) -> Error {
        let Error::Recipe { recipe, problem } = error else {
            return error;
        };
        match unknown_key(&problem).and_then(|key| self.table_with(text, key)) {
            Some(full) => {
                let (problem, _) = problem
                    .split_once("; did you mean")
                    .unwrap_or((&problem, ""));
                problem_in(&recipe, format!("{problem}; did you mean `{full}`?"))
            }
            None => problem_in(&recipe, problem),
        }
    }

    /// The full name of a key that the recipes of a text's task have.
    fn table_with(&self, text: &str, key: &str) -> Option<String> {
        let tree: Table = text.parse().ok()?;
        let profile = self.find(tree.get("task")?.as_str()?).ok()?.profile();
        let known = self.read_here(profile.template, &[], profile.name).ok()?;
        let tables = recipe::table(&known).ok()?;
        let has = |table: &toml::Value| table.get(key).is_some();
        let (table, _) = tables
            .iter()
            .find(|(_, table)| table.is_table() && has(table))?;
        Some(format!("{table}.{key}"))
    }

    /// The recipe of [`Self::choose`] without its data folder.
    ///
    /// # Errors
    /// As [`Self::choose`].
    pub fn recipe(&self, name_or_path: &str, overrides: &[String]) -> Result<Recipe, Error> {
        Ok(self.choose(name_or_path, overrides)?.recipe)
    }

    /// The shipped recipe with this name, the recipe in this TOML file, or a recipe that trains on this text file. Only
    /// the last has a data folder of its own.
    ///
    /// # Errors
    /// No such recipe or file; otherwise as [`Self::read`].
    pub fn choose(&self, name_or_path: &str, overrides: &[String]) -> Result<Chosen, Error> {
        let without_data = |recipe| Chosen { recipe, data: None };
        if let Some(shipped) = self.recipes().find(|own| own.name == name_or_path) {
            let recipe = self.read(shipped.text, overrides, shipped.name);
            return recipe.map(without_data);
        }
        let path = Path::new(name_or_path);
        if !path.exists() {
            let names = self.recipes().map(|shipped| shipped.name);
            let hint = closest(name_or_path, names).map_or_else(
                || "`refrain list` shows the shipped ones".to_string(),
                |name| format!("did you mean \"{name}\"?"),
            );
            let problem = format!("there is no shipped recipe and no file of this name; {hint}");
            return Err(problem_in(name_or_path, problem));
        }
        let toml = path.extension().is_some_and(|ending| ending == "toml");
        if !toml && let Some(recipe) = self.recipe_for(path)? {
            let text = recipe.to_toml()?;
            let full = std::path::absolute(path).map_err(Error::io("find", path))?;
            return Ok(Chosen {
                recipe: self.read(&text, overrides, name_or_path)?,
                data: full.parent().map(Path::to_path_buf),
            });
        }
        let text = Recipe::read_text(path)?;
        let mut recipe = self.read(&text, overrides, name_or_path)?;
        if recipe.recipe.name.is_empty() {
            let stem = path.file_stem().unwrap_or_default();
            recipe.recipe.name = stem.to_string_lossy().into_owned();
        }
        Ok(without_data(recipe))
    }

    /// The recipe of the first task that can train on a file without further preparation.
    fn recipe_for(&self, file: &Path) -> Result<Option<Recipe>, Error> {
        for task in self.iter() {
            if let Some(recipe) = task.recipe_for(file)? {
                return Ok(Some(recipe));
            }
        }
        Ok(None)
    }

    /// The task of a model folder.
    ///
    /// # Errors
    /// A task that is not in the list.
    pub fn of(&self, folder: &ModelFolder) -> Result<&'static dyn Task, Error> {
        self.find(&folder.recipe().task)
    }

    /// Trains a new model. Progress goes to `observe`, which can ask to stop.
    ///
    /// # Errors
    /// Data that is missing, settings that do not fit, a folder that holds a run, or a diverging training.
    pub fn train(
        &self,
        recipe: &Recipe,
        out: &Out,
        site: &Site,
        observe: Observer,
    ) -> Result<Summary, Error> {
        let task = self.find(&recipe.task)?;
        let data = std::path::absolute(&site.data).map_err(Error::io("find", &site.data))?;
        let site = Site {
            data,
            seed: recipe.train.seed,
            threads: site.threads.or(recipe.train.threads),
            ..site.clone()
        };
        Room::check(&out.folder, out.existing)?;
        // A replaced run loses the files of its own task, which may be another task.
        let own = |path: &Path| {
            let folder = ModelFolder::open(path);
            let task = folder.and_then(|folder| self.of(&folder));
            match task {
                Ok(task) => task.files(path),
                // A folder that cannot be read any more may hold the files of any task.
                Err(_) => self.iter().flat_map(|task| task.files(path)).collect(),
            }
        };
        let start = Start {
            recipe,
            site: &site,
            room: &|| Room::make(&out.folder, out.existing, &own),
        };
        site.compute(|| task.train(start, observe))
    }

    /// Continues a run from its last checkpoint, to the same bits as without the interruption. A finished run returns
    /// its summary. If `data` or `threads` is missing, the values of the run so far apply. With `epochs`, the run
    /// continues to that number of epochs.
    ///
    /// # Errors
    /// As [`Self::train`], and a checkpoint that is damaged.
    pub fn resume(
        &self,
        folder: &Path,
        data: Option<&Path>,
        site: &Site,
        epochs: Option<u64>,
        observe: Observer,
    ) -> Result<Summary, Error> {
        let lock = match ModelFolder::is_run(folder) {
            true => Some(Lock::take(folder)?),
            false => None,
        };
        let folder = ModelFolder::open(folder)?;
        let task = self.of(&folder)?;
        let train = &folder.recipe().train;
        let site = Site {
            data: data_folder(&folder, data),
            seed: train.seed,
            threads: site.threads.or(train.threads),
            ..site.clone()
        };
        let resume = Resume {
            folder,
            lock,
            site: site.clone(),
            epochs,
        };
        site.compute(|| task.resume(resume, observe))
    }

    /// Figures of a model on a part of the data of its recipe, or on another file. If `data` is missing, the data
    /// folder of its training applies.
    ///
    /// # Errors
    /// A folder, a file or data that cannot be used.
    pub fn evaluate(
        &self,
        folder: &Path,
        options: Table,
        on: &EvaluateOn,
        data: Option<&Path>,
        site: &Site,
    ) -> Result<Evaluation, Error> {
        let folder = ModelFolder::open(folder)?;
        let site = Site {
            data: data_folder(&folder, data),
            ..site.clone()
        };
        let task = self.of(&folder)?;
        let evaluation = site.compute(|| task.evaluate(&folder, options, on, &site))?;
        match evaluation
            .metrics
            .iter()
            .find(|(_, value)| !value.is_finite())
        {
            Some((name, _)) => Err(Error::Config(format!(
                "the model gives no number for {name}; its parameters are damaged"
            ))),
            None => Ok(evaluation),
        }
    }

    /// Opens a trained model for use.
    ///
    /// # Errors
    /// A folder that cannot be used, or options that do not fit the model.
    pub fn load(&self, folder: &Path, options: Table, site: &Site) -> Result<Arc<dyn Use>, Error> {
        let folder = ModelFolder::open(folder)?;
        let task = self.of(&folder)?;
        site.compute(|| task.load(&folder, options, site))
    }
}

/// The data folder of a model: the given one, else that of its training, else the current folder.
pub fn data_folder(folder: &ModelFolder, given: Option<&Path>) -> PathBuf {
    let remembered = || Checkpoint::progress(&folder.checkpoint()).ok()?.data;
    given
        .map(Path::to_path_buf)
        .or_else(remembered)
        .unwrap_or_else(|| PathBuf::from("."))
}
