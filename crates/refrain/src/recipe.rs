//! Recipes: one TOML file per run. A key that nobody knows is an error.

mod shipped;
mod speech;

pub use shipped::{Shipped, recipes};
pub use speech::{
    AugmentConfig, CepstraOf, FeatureConfig, JoinConfig, NoiseConfig, Normalise, RoomConfig,
    SpeechData, SpeechRecipe,
};

use crate::error::Error;
use crate::models::{LanguageModelConfig, SequenceModelConfig};
use crate::tasks::{self, BodyKind};
use crate::train::TrainConfig;
use refrain_data::corpus::Source;
use refrain_data::long_memory::Problem;
use refrain_data::vocab::VocabularyKind;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use std::path::Path;
use toml::{Table, Value};

/// All that a run needs to know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
    /// Which task of [`TASKS`](crate::tasks::TASKS).
    pub task: String,
    /// For the reader.
    pub recipe: Header,
    /// What the task wants to know: its data, its model, and what else there is.
    #[serde(flatten)]
    pub body: Body,
    /// How to train.
    pub train: TrainConfig,
}

/// The part of a recipe that depends on its task.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Body {
    /// Of `language`.
    Language(Box<LanguageRecipe>),
    /// Of `adding`, `copy` and `mnist`.
    Memory(MemoryRecipe),
    /// Of `speech`.
    Speech(Box<SpeechRecipe>),
}

/// What a language model learns from, what it is and what it writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageRecipe {
    /// What to learn from.
    pub data: DataConfig,
    /// The model.
    #[serde(default)]
    pub model: LanguageModelConfig,
    /// What to write at the end.
    #[serde(default)]
    pub generate: GenerateConfig,
}

/// What a model of the long-memory tasks learns from and what it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryRecipe {
    /// The problem.
    pub data: Problem,
    /// The model.
    #[serde(default)]
    pub model: SequenceModelConfig,
}

impl<'de> Deserialize<'de> for Recipe {
    /// The task says how the rest is to be read.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut tree = Table::deserialize(from)?;
        let task = match tree.remove("task") {
            Some(Value::String(task)) => task,
            Some(_) => return Err(D::Error::custom("`task` is not a name")),
            None => return Err(D::Error::missing_field("task")),
        };
        Ok(Self {
            recipe: part(&mut tree, "recipe")?,
            train: part(&mut tree, "train")?,
            body: match tasks::find(&task).map_err(D::Error::custom)?.body {
                BodyKind::Language => Body::Language(Box::new(rest(tree)?)),
                BodyKind::Memory => Body::Memory(rest(tree)?),
                BodyKind::Speech => Body::Speech(Box::new(rest(tree)?)),
            },
            task,
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

/// What is left of a recipe when its common parts are taken out.
fn rest<T: DeserializeOwned, E: serde::de::Error>(tree: Table) -> Result<T, E> {
    Value::Table(tree).try_into().map_err(|e: toml::de::Error| {
        // The common parts are known, too.
        let text = flat(&e).replacen(
            "expected one of ",
            "expected one of `task`, `recipe`, `train`, ",
            1,
        );
        E::custom(text)
    })
}

/// An error's text in one line.
fn flat(error: &toml::de::Error) -> String {
    error
        .to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// What a reader wants to know before a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Header {
    /// Also the name of the run's folder.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Which data, and where it comes from.
    pub data: String,
    /// The command that runs it.
    pub command: String,
    /// The score to expect.
    pub expected: String,
    /// How long it takes.
    pub time: String,
    /// On what.
    pub hardware: String,
}

/// The text and its vocabulary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Where the text comes from.
    pub text: Source,
    /// What a token is.
    pub vocabulary: VocabularyKind,
    /// Where missing files can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// SHA-256 of each file, so that a figure belongs to known data.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub sha256: std::collections::BTreeMap<String, String>,
}

/// What to write, and how to choose its tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenerateConfig {
    /// Text that the model reads first; may be empty.
    pub prime: String,
    /// Tokens to write.
    pub length: usize,
    /// 1: as the model learned it; lower: surer; 0: always the likeliest token.
    pub temperature: f64,
    /// Only the likeliest this many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
    /// Only the likeliest that together have this probability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Same seed, same text.
    pub seed: u64,
}

impl Default for GenerateConfig {
    fn default() -> Self {
        Self {
            prime: String::new(),
            length: 500,
            temperature: 1.0,
            top_k: None,
            top_p: None,
            seed: 1,
        }
    }
}

impl Recipe {
    /// Reads a recipe; `overrides` such as `train.epochs=3` come on top (`train.lr` is short for `train.optimizer.lr`).
    ///
    /// # Errors
    /// Text that is not TOML, a key that is unknown (with the closest known one) or missing, or a value out of range.
    pub fn load(text: &str, overrides: &[String]) -> Result<Self, Error> {
        Self::load_named(text, overrides, "text")
    }

    /// The shipped recipe of this name, or else the recipe in this file.
    ///
    /// # Errors
    /// Neither of them, or as [`Self::load`].
    pub fn find(name_or_path: &str, overrides: &[String]) -> Result<Self, Error> {
        if let Some(shipped) = recipes()
            .iter()
            .find(|shipped| shipped.name == name_or_path)
        {
            return Self::load_named(shipped.text, overrides, shipped.name);
        }
        let path = Path::new(name_or_path);
        if !path.exists() {
            let names = recipes().iter().map(|shipped| shipped.name);
            let hint = closest(name_or_path, names).map_or_else(
                || "`refrain list` shows the shipped ones".to_string(),
                |name| format!("did you mean \"{name}\"?"),
            );
            let problem = format!("there is no shipped recipe and no file of this name; {hint}");
            return Err(problem_in(name_or_path, problem));
        }
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let text = String::from_utf8(bytes).map_err(|_| {
            problem_in(
                name_or_path,
                "the file is not UTF-8 text; a recipe is a TOML file",
            )
        })?;
        let mut recipe = Self::load_named(&text, overrides, name_or_path)?;
        if recipe.recipe.name.is_empty() {
            recipe.recipe.name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
        }
        Ok(recipe)
    }

    /// What it says of a language model.
    ///
    /// # Errors
    /// A recipe of another task.
    pub fn language(&self) -> Result<&LanguageRecipe, Error> {
        match &self.body {
            Body::Language(language) => Ok(language),
            Body::Memory(_) | Body::Speech(_) => Err(self.other("language")),
        }
    }

    /// What it says of a model of the long-memory tasks.
    ///
    /// # Errors
    /// A recipe of another task.
    pub fn memory(&self) -> Result<&MemoryRecipe, Error> {
        match &self.body {
            Body::Memory(memory) => Ok(memory),
            Body::Language(_) | Body::Speech(_) => Err(self.other("adding, copy and mnist")),
        }
    }

    /// What it says of a model of speech.
    ///
    /// # Errors
    /// A recipe of another task.
    pub fn speech(&self) -> Result<&SpeechRecipe, Error> {
        match &self.body {
            Body::Speech(speech) => Ok(speech),
            Body::Language(_) | Body::Memory(_) => Err(self.other("speech")),
        }
    }

    fn other(&self, wanted: &str) -> Error {
        let problem = format!("it is for the task \"{}\", not for {wanted}", self.task);
        problem_in(&self.recipe.name, problem)
    }

    /// As a model folder keeps it, defaults included.
    ///
    /// # Errors
    /// A number that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, Error> {
        toml::to_string(self).map_err(|e| problem_in(&self.recipe.name, e.to_string()))
    }

    fn load_named(text: &str, overrides: &[String], name: &str) -> Result<Self, Error> {
        let mut tree: Table = text
            .parse()
            .map_err(|e: toml::de::Error| problem_in(name, place(text, &e) + e.message()))?;
        for entry in overrides {
            set(&mut tree, entry).map_err(|problem| problem_in(name, problem))?;
        }
        let recipe: Self = Value::Table(tree)
            .try_into()
            .map_err(|e| problem_in(name, hint(&e)))?;
        recipe.train.check()?;
        Ok(recipe)
    }
}

fn problem_in(recipe: &str, problem: impl Into<String>) -> Error {
    Error::Recipe {
        recipe: recipe.to_string(),
        problem: problem.into(),
    }
}

/// "line 3: " where the error lies.
fn place(text: &str, error: &toml::de::Error) -> String {
    error.span().map_or_else(String::new, |span| {
        let line = text.get(..span.start).unwrap_or(text).matches('\n').count() + 1;
        format!("line {line}: ")
    })
}

/// Sets `a.b.c=value`; a value that is no TOML is taken as a string.
fn set(tree: &mut Table, entry: &str) -> Result<(), String> {
    let (key, value) = entry
        .split_once('=')
        .ok_or_else(|| format!("\"{entry}\" is no setting; write it as train.epochs=3"))?;
    let key = match key.trim() {
        "train.lr" => "train.optimizer.lr",
        key => key,
    };
    let value = value.trim();
    let value = format!("x = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("x").filter(|_| table.is_empty()))
        .unwrap_or_else(|| Value::String(value.to_string()));
    let mut path: Vec<&str> = key.split('.').collect();
    let last = path
        .pop()
        .filter(|last| !last.is_empty() && !path.contains(&""));
    let last = last.ok_or_else(|| format!("\"{key}\" is no key; write it as train.epochs"))?;
    let mut table = tree;
    for (depth, part) in path.iter().enumerate() {
        let next = table
            .entry(*part)
            .or_insert_with(|| Value::Table(Table::new()));
        table = next.as_table_mut().ok_or_else(|| {
            format!(
                "\"{}\" is a value and has no keys in it",
                path[..=depth].join(".")
            )
        })?;
    }
    // A setting for a real number may be written as a whole one.
    let value = match (table.get(last), value) {
        (Some(Value::Float(_)), Value::Integer(whole)) => Value::Float(whole as f64),
        (_, value) => value,
    };
    table.insert(last.to_string(), value);
    Ok(())
}

/// The message of a key or value that does not fit, with the closest known name.
fn hint(error: &toml::de::Error) -> String {
    let message = flat(error);
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let close = match quoted.split_first() {
        Some((unknown, known)) if message.starts_with("unknown") => {
            closest(unknown, known.iter().copied())
        }
        _ => None,
    };
    match close {
        Some(name) => format!("{message}; did you mean `{name}`?"),
        None => message,
    }
}

/// The name most like `word`, if any is at all.
pub(crate) fn closest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let alike = names.map(|name| (strsim::jaro_winkler(word, name), name));
    let best = alike.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.75).then_some(best.1)
}
