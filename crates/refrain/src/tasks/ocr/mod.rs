//! Text in images: convolutions, recurrent layers and CTC over text lines.

mod calibrate;
mod confidence;
mod data;
mod fold;
mod image;
mod import;
mod loaded;
mod options;
mod page;
mod rates;
mod reader;
mod recipe;
mod render;
mod spelling;
mod trainee;

pub use calibrate::{Calibration, calibrate};
pub use confidence::{CONFIDENCE, Confidence};
pub use import::import;
pub use loaded::{Loaded, ReadLine, ReadWord, Reading};
pub use options::OcrOptions;
pub use page::PageOptions;
pub use recipe::{Folds, OcrData, OcrRecipe, RenderData};
pub use refrain_page::Layout;
pub use refrain_render::Line;
pub use spelling::Spelling;
pub use trainee::OcrTrainee;

use super::ctc::{DECODER, SearchOptions, files_of};
use super::spec::{Begin, Profile, Spec};
use super::task;
use super::{Edited, EvaluateData, EvaluateOn, Evaluation, Site, Split};
use crate::error::Error;
use crate::metrics::{Better, Digits, Metric};
use crate::models::LineModel;
use crate::recipe::{Recipe, recipes};
use crate::store::ModelFolder;
use data::{Item, Loader, Parts, items_of};
use import::{CHARACTERS, WORDS};
use rates::Rates;
use refrain_data::vocab::{VOCABULARY_FILE, Vocabulary, VocabularyKind};
use refrain_image::Gray;
use refrain_page::is_right_to_left;
use render::Renderer;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the task in recipes.
pub const NAME: &str = "ocr";

/// The task of reading text lines.
pub struct Ocr;

const fn rate(name: &'static str, meaning: &'static str, phrase: &'static str) -> Metric {
    Metric::new(name, meaning)
        .unit("%")
        .phrase(phrase)
        .digits(Digits::Fixed(2))
}

impl Spec for Ocr {
    const PROFILE: Profile = Profile {
        name: NAME,
        summary: "Learns to read text lines in images: convolutions, recurrent layers, CTC",
        metrics: &[
            rate(
                "cer",
                "character error rate: percent of the characters that must be replaced, put in or left out",
                "{}% of characters wrong",
            ),
            rate(
                "wer",
                "word error rate, the same of words",
                "{}% of words wrong",
            ),
            rate(
                "exact",
                "percent of the lines without any error",
                "{}% of lines right",
            )
            .better(Better::Higher),
            rate(
                "space",
                "errors of spaces: percent of the spaces that are missing, too many or taken for a character",
                "",
            ),
            rate(
                "green",
                "percent of the words whose confidence is in the green band, 98% or more",
                "",
            )
            .better(Better::Neither),
            rate(
                "green_right",
                "percent of the words in the green band that are right",
                "",
            )
            .better(Better::Higher),
            rate(
                "ece",
                "expected calibration error: mean distance of the confidence of words from the share that is right",
                "",
            ),
        ],
        recipes: recipes!["ocr": "ocr-latin", "ocr-receipts", "ocr-uw3", "ocr-iiit5k"],
        template: include_str!("template.toml"),
        models: &[],
        files: &[VOCABULARY_FILE, DECODER, CONFIDENCE, CHARACTERS, WORDS],
        next: "use it with: refrain run {model} LINE.png",
    };
    const TELLS_WORST: bool = true;
    type Recipe = OcrRecipe;
    type Options = OcrOptions;
    type Trainee = OcrTrainee;
    type Trained = Loaded;

    fn check(recipe: &OcrRecipe) -> Result<(), Error> {
        reader::trainable(recipe)?;
        recipe.model.check()?;
        if recipe.data.train.is_empty() && recipe.data.render.is_none() {
            return Err(Error::Config(
                "there is nothing to learn from; name lines in data.train, or render some with data.render".into(),
            ));
        }
        Ok(())
    }

    fn prepare(recipe: &OcrRecipe, begin: Begin) -> Result<(OcrTrainee, LineModel), Error> {
        let config = &recipe.data;
        let height = recipe.model.height;
        let loader = Loader {
            config,
            height,
            data: &begin.site.data,
        };
        let parts = loader.all()?;
        let renderer = match &config.render {
            Some(own) => Some(Renderer::new(own, config, height, begin.site)?),
            None => None,
        };
        let vocabulary = vocabulary(config, &parts, begin)?;
        // The blank is the class behind the characters.
        let classes = vocabulary.len() + 1;
        let settings = "model.hidden, model.layers or model.stages";
        begin.fits(recipe.model.parameters(classes), 0, settings)?;
        let (seed, device) = (begin.site.seed, begin.site.training_device());
        let model = recipe.model.init(classes, seed, &device)?;
        let parts = (parts, renderer);
        let trainee = OcrTrainee::new(config.clone(), height, vocabulary, parts, begin)?;
        Ok((trainee, model))
    }

    fn load(
        folder: &ModelFolder,
        recipe: OcrRecipe,
        options: OcrOptions,
        site: &Site,
    ) -> Result<Loaded, Error> {
        Loaded::open(folder, recipe, &options, site)
    }

    fn evaluate(
        trained: &Loaded,
        _: &ModelFolder,
        on: &EvaluateOn,
        site: &Site,
    ) -> Result<Evaluation, Error> {
        let part = part(trained, &on.data, site)?;
        let (mut rates, mut all) = (Rates::default(), Vec::new());
        // The figures of a part are those of the training, which turns no line.
        let turn = matches!(on.data, EvaluateData::File(_));
        texts(trained, &part, turn, |item, reference, line| {
            let errors = rates.add_read(reference, line, trained.compare);
            let [right, read] = [reference, &line.text].map(|text| trained.compare.shown(text));
            all.push(Edited::new(&item.name, errors, &right, &read));
        })?;
        // The most wrong first; equals in the order of their names.
        all.sort_by(|a, b| b.errors.cmp(&a.errors).then_with(|| a.name.cmp(&b.name)));
        all.retain(|own| own.errors > 0);
        all.truncate(on.worst);
        Ok(Evaluation {
            task: NAME,
            metrics: rates.metrics(),
            worst: all,
            confusions: rates.confusions(on.confusions),
        })
    }

    fn describe(
        recipe: &OcrRecipe,
        folder: &ModelFolder,
    ) -> Result<Vec<(&'static str, String)>, Error> {
        let model = &recipe.model;
        if let Some(own) = &recipe.tesseract {
            let (_, charset) = import::load(folder, recipe)?;
            let characters: String = charset.characters().collect();
            return Ok(vec![
                (
                    "model",
                    format!(
                        "lines of {} pixels; {} layers of Tesseract",
                        own.height,
                        own.layers.len()
                    ),
                ),
                ("characters", characters),
            ]);
        }
        let vocabulary = Vocabulary::load(folder.path())?;
        let characters: String = (0..vocabulary.len() as u32)
            .filter_map(|id| vocabulary.token(id))
            .collect();
        Ok(vec![
            (
                "model",
                format!(
                    "lines of {} pixels; {} convolutions; {} a direction",
                    model.height,
                    model.stages.len() + 1,
                    model.cell.stack(model.layers, model.hidden)
                ),
            ),
            ("characters", characters),
        ])
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let own = Self::PROFILE.files.iter().map(PathBuf::from);
        own.chain(files_of(folder)).collect()
    }
}

/// The characters of the recipe, or of the training texts. A run that goes on keeps its own; a run that begins with a
/// model keeps those of the model if they include all of these, because the trained output layer belongs to them.
fn vocabulary(config: &OcrData, parts: &Parts, begin: Begin) -> Result<Vocabulary, Error> {
    if let Some(folder) = begin.resumes {
        return Ok(Vocabulary::load(folder.path())?);
    }
    let mut characters = match (&config.alphabet, &config.render) {
        (Some(own), _) => config.spelling.spell(own),
        (None, Some(own)) => config.spelling.spell(&own.text.alphabet),
        (None, None) => String::new(),
    };
    characters.extend(parts.train.iter().map(|item| item.text.as_str()));
    if let Some(letter) = characters.chars().find(|c| is_right_to_left(*c)) {
        return Err(Error::Config(format!(
            "the texts have {letter:?}, a letter of a script from right to left; lines are read from left to right"
        )));
    }
    characters.push(' ');
    if let Some(folder) = begin.init {
        let known = Vocabulary::load(folder.path())?;
        let mut new: Vec<char> = characters
            .chars()
            .filter(|c| known.encode_counting(c.encode_utf8(&mut [0; 4])).unknown > 0)
            .collect();
        new.sort_unstable();
        new.dedup();
        if new.is_empty() {
            return Ok(known);
        }
    }
    Ok(Vocabulary::build(VocabularyKind::Characters, &characters)?)
}

/// Opens a trained model of text lines: a model folder, or a `.traineddata` file of Tesseract.
///
/// # Errors
/// A folder that is missing, incomplete, damaged or of another task, a file that is no such model, or options that do
/// not fit.
pub fn open(path: &Path, options: SearchOptions, site: &Site) -> Result<Arc<Loaded>, Error> {
    match path.is_file() {
        true => Loaded::open_traineddata(path, &options).map(Arc::new),
        false => task::open::<Ocr>(path, options.into(), site).map(Arc::new),
    }
}

/// The lines of a part of the data, or of a file. Where the validation has no files, they are those that the training
/// renders for it.
///
/// # Errors
/// Files that are missing or damaged, or a part without any line.
fn part(trained: &Loaded, data: &EvaluateData, site: &Site) -> Result<Vec<Item>, Error> {
    let (config, height) = (&trained.recipe.data, trained.reader.height());
    let loader = Loader {
        config,
        height,
        data: &site.data,
    };
    let part = match data {
        EvaluateData::File(path) => items_of(path, height, config.spelling)?,
        EvaluateData::Split(split) => match (split, &config.render, loader.part(*split)?) {
            (Split::Validation, Some(own), part) if part.is_empty() => {
                Renderer::new(own, config, height, site)?.held_out(own.valid)
            }
            (_, _, part) => part,
        },
    };
    match part.is_empty() {
        true => Err(Error::Config(
            "this part of the data has no line; name a folder of lines with --text, or another part with --split"
                .into(),
        )),
        false => Ok(part),
    }
}

/// Reads lines; `see` gets each with its right text and the line that was read. With `turn`, lines may stand on their
/// sides.
///
/// # Errors
/// Errors of the model.
fn texts<'a>(
    trained: &Loaded,
    part: &'a [Item],
    turn: bool,
    mut see: impl FnMut(&'a Item, &str, &ReadLine),
) -> Result<(), Error> {
    /// Lines that are held as images at once.
    const TOGETHER: usize = 512;
    for items in part.chunks(TOGETHER) {
        let images: Vec<Gray> = items
            .iter()
            .map(|item| match &item.tall {
                Some(tall) if turn => tall.clone(),
                _ => item.image.image().clone(),
            })
            .collect();
        let read = match turn {
            true => trained.read(&images, 1)?,
            false => trained.read_until(&images, 1, None)?,
        };
        for (item, line) in items.iter().zip(read) {
            let reference = trained.recipe.data.spelling.read(&item.text);
            see(item, &reference, &line);
        }
    }
    Ok(())
}

/// The first lines that a recipe renders for its training, at this strength of changes (0 to 1).
///
/// # Errors
/// A recipe of another task or one that renders nothing, fonts or texts that are missing.
pub fn rendered(
    recipe: &Recipe,
    site: &Site,
    count: usize,
    severity: f32,
) -> Result<Vec<Line>, Error> {
    let body: OcrRecipe = recipe.body()?;
    let Some(config) = &body.data.render else {
        return Err(Error::Config(format!(
            "the recipe {} renders no lines; give one with data.render, such as ocr-latin",
            recipe.recipe.name
        )));
    };
    let renderer = Renderer::new(config, &body.data, body.model.height, site)?;
    renderer.lines(count, severity)
}
