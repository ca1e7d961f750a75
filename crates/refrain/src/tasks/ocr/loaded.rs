//! A trained model of text lines in use.

use super::NAME;
use super::confidence::Confidence;
use super::image::is_tall;
use super::import;
use super::options::OcrOptions;
use super::rates::Compare;
use super::reader::{Own, Reader, Tesseract};
use super::recipe::{OcrData, OcrRecipe};
use crate::error::Error;
use crate::models::LineModelConfig;
use crate::store::ModelFolder;
use crate::tasks::ctc::{Decoder, DecoderConfig, SearchModels, SearchOptions, labels};
use crate::tasks::media::{Text, wrong_medium};
use crate::tasks::run::load_model;
use crate::tasks::{Medium, Piece, Ports, Receiver, Session, Site, Use};
use refrain_data::vocab::Vocabulary;
use refrain_image::Gray;
use refrain_page::PageError;
use refrain_tesseract::Recogniser;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// A trained model of text lines with all that it needs.
pub struct Loaded {
    pub(super) reader: Reader,
    /// The recipe of the training.
    pub recipe: OcrRecipe,
    pub(super) compare: Compare,
    pub(super) confidence: Confidence,
}

/// A line as it was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ReadLine {
    /// Its text.
    pub text: String,
    /// The least confidence of its words; 1 without any.
    pub confidence: f64,
    /// The mean of its characters' probabilities; 0 without any.
    pub mean: f64,
    /// Its words, from left to right.
    pub words: Vec<ReadWord>,
    /// The next best readings, if more than one was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Reading>,
    /// Clockwise quarters by which the image was turned before it was read; columns are those of the turned image.
    #[serde(skip_serializing_if = "is_upright")]
    pub turned: u8,
}

fn is_upright(turned: &u8) -> bool {
    *turned == 0
}

/// A word of a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReadWord {
    /// Its text.
    pub text: String,
    /// The chance that it is right, by the [`Confidence`] of the model and the least of its characters' probabilities,
    /// each the mean over its own columns.
    pub confidence: f64,
    /// Its first column in the image of the line, pixels.
    pub left: f32,
    /// The column behind it.
    pub right: f32,
}

/// Another reading of a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reading {
    /// The text.
    pub text: String,
    /// By how many nats it scores worse than the best.
    pub behind: f64,
}

/// The end of the time for a page of this size.
pub(super) struct Until {
    pub deadline: Instant,
    pub width: usize,
    pub height: usize,
}

/// By how much the confidence of a line on its side must be higher: a lone narrow letter is upright.
const CLEARLY: f64 = 0.1;
/// Lines that are read at once: enough for a product, few enough for little padding.
const TOGETHER: usize = 16;

impl Loaded {
    pub(super) fn open(
        folder: &ModelFolder,
        recipe: OcrRecipe,
        options: &OcrOptions,
        site: &Site,
    ) -> Result<Self, Error> {
        let config = options.search.over(&DecoderConfig::of(folder)?);
        let compare = options.compare(&recipe.data);
        let confidence = Confidence::of(folder)?;
        if recipe.tesseract.is_some() {
            let (network, charset) = import::load(folder, &recipe)?;
            let recogniser = Recogniser::new(network, charset)?;
            return Ok(Self {
                confidence,
                ..Self::of_tesseract(recogniser, recipe, config, compare)?
            });
        }
        let vocabulary = Vocabulary::load(folder.path())?;
        let classes = vocabulary.len() + 1;
        let model = load_model(folder, recipe.model.parameters(classes), || {
            recipe.model.init(classes, 0, &site.device())
        })?;
        let model = match site.precision {
            Some(precision) => model.with_precision(precision),
            None => model,
        };
        let (labels, spelling) = (labels(&vocabulary)?, recipe.data.spelling);
        let (config, models) = written(config, &|text| spelling.spell(text))?;
        let reader = Reader::Own(Box::new(Own {
            decoder: Decoder::new(&labels, &config, &models)?,
            model,
            labels,
            spelling,
        }));
        Ok(Self {
            reader,
            recipe,
            compare,
            confidence,
        })
    }

    /// A file of Tesseract, without a model folder.
    pub(super) fn open_traineddata(path: &Path, options: &SearchOptions) -> Result<Self, Error> {
        let model = import::read(path)?;
        let recipe = OcrRecipe {
            tesseract: Some(model.network.architecture().clone()),
            data: OcrData::default(),
            model: LineModelConfig::default(),
        };
        let recogniser = Recogniser::new(model.network, model.charset)?;
        let config = options.over(&DecoderConfig::default());
        Self::of_tesseract(recogniser, recipe, config, Compare::default())
    }

    fn of_tesseract(
        recogniser: Recogniser,
        recipe: OcrRecipe,
        config: DecoderConfig,
        compare: Compare,
    ) -> Result<Self, Error> {
        let charset = recogniser.charset();
        // A word with a character that the model does not have stays as it is, and is never found.
        let spell = |text: &str| charset.spell(text).unwrap_or_else(|| text.to_string());
        let decoder = match config == DecoderConfig::default() {
            true => None,
            false => {
                let labels = charset.search_labels()?;
                let (config, models) = written(config, &spell)?;
                Some(Decoder::new(&labels, &config, &models)?)
            }
        };
        let reader = Reader::Tesseract(Box::new(Tesseract {
            recogniser,
            decoder,
        }));
        Ok(Self {
            reader,
            recipe,
            compare,
            confidence: Confidence::default(),
        })
    }

    /// The texts of images of lines; `n` readings of each. Lines are upright; an image at least three times as high as
    /// wide is tried on both sides, too. The output for an image does not depend on the other ones.
    ///
    /// # Errors
    /// Errors of the model.
    pub fn read(&self, lines: &[Gray], n: usize) -> Result<Vec<ReadLine>, Error> {
        let mut read = self.read_until(lines, n, None)?;
        for (own, image) in read.iter_mut().zip(lines) {
            if !is_tall(image) {
                continue;
            }
            let upright = own.mean;
            for turned in [1, 3] {
                let sides = self.read_until(&[image.turned(turned)], n, None)?;
                for side in sides {
                    if side.mean > own.mean && side.mean > upright + CLEARLY {
                        let turned = turned as u8;
                        *own = ReadLine { turned, ..side };
                    }
                }
            }
        }
        Ok(read)
    }

    /// The texts of upright lines, with an error once the time is over.
    pub(super) fn read_until(
        &self,
        lines: &[Gray],
        n: usize,
        until: Option<Until>,
    ) -> Result<Vec<ReadLine>, Error> {
        let seen = |number: &usize| !lines[*number].pixels().is_empty();
        let mut order: Vec<usize> = (0..lines.len()).filter(seen).collect();
        // All have one height after scaling.
        let width = |number: usize| lines[number].width() as f32 / lines[number].height() as f32;
        order.sort_by(|&a, &b| width(a).total_cmp(&width(b)));
        let mut read = vec![ReadLine::default(); lines.len()];
        for numbers in order.chunks(TOGETHER) {
            if let Some(until) = &until
                && Instant::now() > until.deadline
            {
                return Err(Error::Page(PageError::Deadline {
                    operation: "reading all lines",
                    width: until.width,
                    height: until.height,
                }));
            }
            let images: Vec<&Gray> = numbers.iter().map(|&number| &lines[number]).collect();
            for (&number, mut line) in numbers.iter().zip(self.reader.read(&images, n)?) {
                for word in &mut line.words {
                    word.confidence = self.confidence.chance(word.confidence);
                }
                let chances = line.words.iter().map(|word| word.confidence);
                line.confidence = chances.fold(1.0, f64::min);
                read[number] = line;
            }
        }
        Ok(read)
    }
}

/// Settings of a search and its models, in the labels of a model.
fn written(
    mut config: DecoderConfig,
    spell: &dyn Fn(&str) -> String,
) -> Result<(DecoderConfig, SearchModels), Error> {
    config.allow = config.allow.map(|own| spell(&own));
    let models = SearchModels::load(&config, spell)?;
    Ok((config, models))
}

impl Use for Loaded {
    fn ports(&self) -> Ports {
        Ports {
            takes: Medium::Image,
            gives: Medium::Text,
            latency: None,
        }
    }

    fn begin(self: Arc<Self>) -> Result<Box<dyn Session>, Error> {
        Ok(Box::new(ReadingSession { loaded: self }))
    }

    fn restore(self: Arc<Self>, _: &[u8]) -> Result<Box<dyn Session>, Error> {
        Err(Error::Unsupported {
            task: NAME,
            problem: "keeps nothing from one image to the next; begin a new session",
        })
    }
}

/// Images of lines, each answered at once.
struct ReadingSession {
    loaded: Arc<Loaded>,
}

impl Session for ReadingSession {
    fn push(&mut self, piece: Piece, give: Receiver) -> Result<(), Error> {
        let Piece::Image(image) = piece else {
            return Err(wrong_medium(Medium::Image, &piece));
        };
        for line in self.loaded.read(std::slice::from_ref(&image), 1)? {
            let detail = serde_json::to_value(&line).map_err(|e| Error::Config(e.to_string()))?;
            give(Piece::Text(Text {
                text: format!("{}\n", line.text),
                detail: Some(detail),
            }));
        }
        Ok(())
    }

    fn finish(&mut self, _: Receiver) -> Result<(), Error> {
        Ok(())
    }

    fn store(&self) -> Result<Vec<u8>, Error> {
        Err(Error::Unsupported {
            task: NAME,
            problem: "keeps nothing from one image to the next; there is no state to store",
        })
    }
}
