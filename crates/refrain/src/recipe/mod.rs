//! Recipes: one TOML file per run. The parts that all tasks share are typed here; each task types its own part.

mod keys;
mod shipped;

pub(crate) use keys::table;
pub use keys::{from_settings, typed};
pub use shipped::Shipped;
pub(crate) use shipped::recipes;

pub(crate) use keys::{closest, unknown_key};

use crate::error::Error;
use crate::files;
use crate::train::TrainConfig;
use keys::{flat, hint, place, set};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use std::path::Path;
use toml::{Table, Value};

/// The settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
    /// Name of the task.
    pub task: String,
    /// Facts for the reader.
    pub recipe: Header,
    /// The part that the task types: its data, its model and further tables.
    #[serde(flatten)]
    pub body: Table,
    /// Settings of the training.
    pub train: TrainConfig,
}

impl<'de> Deserialize<'de> for Recipe {
    /// Deserializes the common parts; the body stays untyped.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut tree = Table::deserialize(from)?;
        let task = match tree.remove("task") {
            Some(Value::String(task)) => task,
            Some(_) => return Err(D::Error::custom("`task` is not a name")),
            None => return Err(D::Error::missing_field("task")),
        };
        Ok(Self {
            task,
            recipe: part(&mut tree, "recipe")?,
            train: part(&mut tree, "train")?,
            body: tree,
        })
    }
}

/// A table of a recipe, or its default.
fn part<T: DeserializeOwned + Default, E: serde::de::Error>(
    tree: &mut Table,
    name: &str,
) -> Result<T, E> {
    match tree.remove(name) {
        None => Ok(T::default()),
        Some(value) => value
            .try_into()
            .map_err(|e: toml::de::Error| E::custom(format!("{} in `{name}`", flat(&e)))),
    }
}

/// Facts about a run for its reader.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Header {
    /// Also the name of the run's folder.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// The data and its source.
    pub data: String,
    /// The command that runs it.
    pub command: String,
    /// The score to expect; empty if the recipe was never run to its end.
    pub expected: String,
    /// Duration of the run.
    pub time: String,
    /// The machine on which `time` was measured.
    pub hardware: String,
}

impl Recipe {
    /// Reads a recipe and applies `overrides` such as `train.epochs=3` (`train.lr` is short for `train.optimizer.lr`).
    /// `name` appears in messages. The body stays untyped; [`Tasks::read`](crate::tasks::Tasks::read) types it.
    ///
    /// # Errors
    /// Text that is not TOML, an unknown key in the common parts (with the closest known one), or a value out of range.
    pub fn parse(text: &str, overrides: &[String], name: &str) -> Result<Self, Error> {
        let mut tree: Table = text
            .parse()
            .map_err(|e: toml::de::Error| problem_in(name, place(text, &e) + e.message()))?;
        for entry in overrides {
            set(&mut tree, entry, "train.epochs=3").map_err(|problem| problem_in(name, problem))?;
        }
        let recipe: Self = Value::Table(tree)
            .try_into()
            .map_err(|e: toml::de::Error| problem_in(name, hint(&flat(&e))))?;
        recipe.train.check()?;
        Ok(recipe)
    }

    /// The text of a recipe file.
    ///
    /// # Errors
    /// A file that is missing or not text.
    pub(crate) fn read_text(path: &Path) -> Result<String, Error> {
        String::from_utf8(files::read(path)?).map_err(|_| {
            let problem = "the file is not UTF-8 text; a recipe is a TOML file";
            problem_in(&path.display().to_string(), problem)
        })
    }

    /// The body, deserialized by its task.
    ///
    /// # Errors
    /// A key that is unknown (with the closest known one) or missing.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Error> {
        typed(self.body.clone(), &["task", "recipe", "train"])
            .map_err(|problem| problem_in(&self.recipe.name, problem))
    }

    /// The recipe as a model folder stores it, defaults included.
    ///
    /// # Errors
    /// A number that TOML cannot represent.
    pub fn to_toml(&self) -> Result<String, Error> {
        toml::to_string(self).map_err(|e| problem_in(&self.recipe.name, e.to_string()))
    }
}

pub(crate) fn problem_in(recipe: &str, problem: impl Into<String>) -> Error {
    Error::Recipe {
        recipe: recipe.to_string(),
        problem: problem.into(),
    }
}
