//! Text lines on pages: a U-Net marks their cores (a pixel classifier), and components of the map become lines.

mod data;
mod detector;
mod recipe;
mod trainee;

pub use detector::Detector;
pub use recipe::{DetectionData, DetectionRecipe, RenderPages};
pub use trainee::DetectionTrainee;

use super::run::load_model;
use super::spec::{Begin, Profile, Spec};
use super::task;
use super::{Edited, EvaluateData, EvaluateOn, Evaluation, Site};
use crate::error::Error;
use crate::metrics::{Better, Digits, Metric};
use crate::models::PageModel;
use crate::recipe::recipes;
use crate::store::ModelFolder;
use data::Renderer;
use std::path::Path;
use std::sync::Arc;

/// Name of the task in recipes.
pub const NAME: &str = "detection";

/// The task of finding text lines.
pub struct Detection;

const fn share(name: &'static str, meaning: &'static str, phrase: &'static str) -> Metric {
    Metric::new(name, meaning)
        .unit("%")
        .phrase(phrase)
        .digits(Digits::Fixed(2))
        .better(Better::Higher)
}

impl Spec for Detection {
    const PROFILE: Profile = Profile {
        name: NAME,
        summary: "Learns to find text lines on pages: a small U-Net marks them",
        metrics: &[
            share(
                "f1",
                "harmonic mean of precision and recall of lines, one to one at an intersection over union of 0.5",
                "F1 of lines {}%",
            ),
            share(
                "precision",
                "percent of the found lines that are lines",
                "precision {}%",
            ),
            share(
                "recall",
                "percent of the lines that are found",
                "recall {}%",
            ),
            share(
                "f1_70",
                "as f1, at an intersection over union of 0.7",
                "F1 at 0.7 {}%",
            ),
        ],
        recipes: recipes!["detection": "receipt-lines"],
        template: include_str!("template.toml"),
        models: &[],
        files: &[],
        next: "use it with: refrain ocr --detector {model} PAGE",
    };
    type Recipe = DetectionRecipe;
    type Options = Options;
    type Trainee = DetectionTrainee;
    type Trained = Detector;

    fn check(recipe: &DetectionRecipe) -> Result<(), Error> {
        recipe.model.check()?;
        let data = &recipe.data;
        let wrong = |problem: &str| Err(Error::Config(problem.into()));
        if data.train.is_empty() && data.render.is_none() {
            return wrong(
                "there is nothing to learn from; name pages in data.train, or render some with data.render",
            );
        }
        if !(32..=2048).contains(&data.side) || data.cuts == 0 {
            return wrong("data.side must be from 32 to 2048, and data.cuts at least 1");
        }
        let [low, high] = data.scales;
        if !(low >= 0.1 && low <= high && high <= 10.0) {
            return wrong("data.scales must be two factors from 0.1 to 10, the smaller one first");
        }
        match data.level > 0.0 && data.level < 1.0 {
            true => Ok(()),
            false => wrong("data.level must be a probability between 0 and 1"),
        }
    }

    fn prepare(
        recipe: &DetectionRecipe,
        begin: Begin,
    ) -> Result<(DetectionTrainee, PageModel), Error> {
        let config = &recipe.data;
        let parts = data::all(config, &begin.site.data)?;
        let renderer = match &config.render {
            Some(own) => Some(Renderer::new(own, begin.site)?),
            None => None,
        };
        begin.fits(
            recipe.model.parameters(),
            0,
            "model.channels or model.blocks",
        )?;
        let model = recipe
            .model
            .init(begin.site.seed, &begin.site.training_device())?;
        let trainee = DetectionTrainee::new(config.clone(), parts, renderer, begin);
        Ok((trainee, model))
    }

    fn load(
        folder: &ModelFolder,
        recipe: DetectionRecipe,
        options: Options,
        site: &Site,
    ) -> Result<Detector, Error> {
        let model = load_model(folder, recipe.model.parameters(), || {
            recipe.model.init(0, &site.device())
        })?;
        Ok(Detector::new(
            model,
            options.level.unwrap_or(recipe.data.level),
        ))
    }

    fn evaluate(
        trained: &Detector,
        folder: &ModelFolder,
        on: &EvaluateOn,
        site: &Site,
    ) -> Result<Evaluation, Error> {
        let recipe: DetectionRecipe = folder.recipe().body()?;
        let part = match &on.data {
            EvaluateData::Split(split) => data::part(&recipe.data, &site.data, *split)?,
            EvaluateData::File(path) => data::pages_of(path)?,
        };
        if part.is_empty() {
            return Err(Error::Config(
                "this part of the data has no page; name a folder of pages with --text, or another part with --split"
                    .into(),
            ));
        }
        let metrics = trainee::measure(trained, &part, |_, _| {})?;
        Ok(Evaluation {
            task: NAME,
            metrics,
            worst: Vec::<Edited>::new(),
            confusions: Vec::new(),
        })
    }

    fn describe(
        recipe: &DetectionRecipe,
        _: &ModelFolder,
    ) -> Result<Vec<(&'static str, String)>, Error> {
        let channels: Vec<String> = recipe.model.channels.iter().map(usize::to_string).collect();
        let model = format!("U-Net of {} channels", channels.join("-"));
        Ok(vec![("model", model)])
    }
}

/// Settings of a loaded model.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// As [`DetectionData::level`]; absent: that of the recipe.
    pub level: Option<f32>,
}

/// Opens a trained model that finds lines.
///
/// # Errors
/// A folder that is missing, incomplete, damaged or of another task.
pub fn open(folder: &Path, site: &Site) -> Result<Arc<Detector>, Error> {
    task::open::<Detection>(folder, Options::default(), site).map(Arc::new)
}
