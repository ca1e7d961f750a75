//! Helpers of the tests: recipes from text, runs in a folder, models opened with default options.

use refrain::Error;
use refrain::recipe::Recipe;
use refrain::store::ModelFolder;
use refrain::tasks::language::{self, Language};
use refrain::tasks::speech::{self, SearchOptions};
use refrain::tasks::{self, EvaluateOn, Evaluation, Out, Site, Summary, TASKS};
use refrain::train::Observer;
use std::path::Path;
use std::sync::Arc;

pub fn recipe(text: &str, overrides: &[&str]) -> Result<Recipe, Error> {
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    TASKS.read(text, &overrides, "text")
}

/// Trains into a folder without a run.
pub fn train(
    recipe: &Recipe,
    out: &Path,
    data: &Path,
    observe: Observer,
) -> Result<Summary, Error> {
    let site = Site::default().with_data(data);
    TASKS.train(recipe, &Out::new(out), &site, observe)
}

pub fn resume(folder: &Path, observe: Observer) -> Result<Summary, Error> {
    TASKS.resume(folder, None, &Site::default(), None, observe)
}

pub fn evaluate(folder: &Path, on: impl Into<EvaluateOn>) -> Result<Evaluation, Error> {
    let options = toml::Table::new();
    TASKS.evaluate(folder, options, &on.into(), None, &Site::default())
}

pub fn language(folder: &Path) -> Result<Arc<language::Loaded>, Error> {
    tasks::open::<Language>(folder, Default::default(), &Site::default()).map(Arc::new)
}

pub fn speech(folder: &Path) -> Result<Arc<speech::Loaded>, Error> {
    speech_with(folder, SearchOptions::default())
}

pub fn speech_with(folder: &Path, search: SearchOptions) -> Result<Arc<speech::Loaded>, Error> {
    speech::open(folder, search, &Site::default())
}

/// A packed copy of a model.
pub fn pack(folder: &Path, out: &Path) -> Result<u64, Error> {
    let opened = ModelFolder::open(folder)?;
    let own = TASKS.of(&opened)?.files(folder);
    opened.pack(out, &own, refrain::files::tensors::Storage::F16)
}
