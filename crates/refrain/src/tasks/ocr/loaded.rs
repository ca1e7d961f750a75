//! A trained model of text lines in use.

use super::NAME;
use super::image::{LineImage, Scaled};
use super::recipe::OcrRecipe;
use super::trainee::log_probabilities;
use crate::error::Error;
use crate::models::LineModel;
use crate::store::ModelFolder;
use crate::tasks::ctc::{Decoder, DecoderConfig, SearchModels, SearchOptions, labels};
use crate::tasks::media::{Text, wrong_medium};
use crate::tasks::run::load_model;
use crate::tasks::{Medium, Piece, Ports, Receiver, Session, Site, Use};
use rayon::prelude::*;
use refrain_data::vocab::Vocabulary;
use refrain_decode::ctc::beam::Hypothesis;
use refrain_decode::text::Labels;
use refrain_image::Gray;
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;

/// A trained model of text lines with all that it needs.
pub struct Loaded {
    /// Off autodiff.
    pub model: LineModel,
    /// The recipe of the training.
    pub recipe: OcrRecipe,
    pub(super) labels: Labels,
    pub(super) decoder: Decoder,
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
}

/// A word of a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReadWord {
    /// Its text.
    pub text: String,
    /// The least of its characters' probabilities, each the mean over its own columns.
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

/// Lines that are read at once: enough for a product, few enough for little padding.
const TOGETHER: usize = 16;

impl Loaded {
    pub(super) fn open(
        folder: &ModelFolder,
        recipe: OcrRecipe,
        options: &SearchOptions,
        site: &Site,
    ) -> Result<Self, Error> {
        let vocabulary = Vocabulary::load(folder.path())?;
        let classes = vocabulary.len() + 1;
        let model = load_model(folder, recipe.model.parameters(classes), || {
            recipe.model.init(classes, 0, &site.device())
        })?;
        let model = match site.precision {
            Some(precision) => model.with_precision(precision),
            None => model,
        };
        let labels = labels(&vocabulary)?;
        let mut config = options.over(&DecoderConfig::of(folder)?);
        let spelling = recipe.data.spelling;
        config.allow = config.allow.map(|own| spelling.spell(&own));
        let models = SearchModels::load(&config, &|text| spelling.spell(text))?;
        Ok(Self {
            model,
            decoder: Decoder::new(&labels, &config, &models)?,
            labels,
            recipe,
        })
    }

    /// The texts of images of lines, each upright; `n` readings of each. The output for an image does not depend on the
    /// other ones.
    ///
    /// # Errors
    /// Errors of the model.
    pub fn read(&self, lines: &[Gray], n: usize) -> Result<Vec<ReadLine>, Error> {
        self.read_until(lines, n, None)
    }

    /// As [`Self::read`], with an error once the deadline has passed.
    pub(super) fn read_until(
        &self,
        lines: &[Gray],
        n: usize,
        deadline: Option<Instant>,
    ) -> Result<Vec<ReadLine>, Error> {
        let height = self.recipe.model.height;
        let images: Vec<LineImage> = lines
            .par_iter()
            .map(|line| LineImage::new(&Scaled::new(line, height)))
            .collect();
        let mut order: Vec<usize> = (0..lines.len()).collect();
        order.sort_by_key(|&number| images[number].width());
        let mut read = vec![ReadLine::default(); lines.len()];
        for numbers in order.chunks(TOGETHER) {
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                return Err(Error::Input {
                    operation: "reading a page",
                    problem: format!(
                        "its {} lines take longer than the time for a page; allow more seconds, or cut the page",
                        lines.len()
                    ),
                });
            }
            let own: Vec<LineImage> = numbers
                .iter()
                .map(|&number| images[number].clone())
                .collect();
            let scores = log_probabilities(&self.model, &own)?;
            let found = scores
                .par_iter()
                .map(|scores| self.decoder.decode(scores, n));
            let found: Vec<Vec<Hypothesis>> = found.collect::<Result<_, _>>()?;
            for (&number, found) in numbers.iter().zip(found) {
                read[number] = self.line(&found, &images[number]);
            }
        }
        Ok(read)
    }

    /// The best of some hypotheses, the others as alternatives.
    fn line(&self, found: &[Hypothesis], image: &LineImage) -> ReadLine {
        let spelling = self.recipe.data.spelling;
        let Some((best, others)) = found.split_first() else {
            return ReadLine::default();
        };
        let step = self.recipe.model.pixels_a_step() as f32;
        let mut spans = best.labels.iter().peekable();
        let words = best.words.iter().map(|word| {
            let mut confidence = 1.0f64;
            while let Some(span) = spans.next_if(|span| span.last <= word.last) {
                if Some(span.label) != self.labels.space() {
                    confidence = confidence.min(span.confidence);
                }
            }
            ReadWord {
                text: spelling.read(&word.text),
                confidence,
                left: image.column(word.first as f32 * step),
                right: image.column((word.last + 1) as f32 * step),
            }
        });
        let words: Vec<ReadWord> = words.collect();
        let own = best.labels.iter().map(|span| span.confidence);
        let mean = own.sum::<f64>() / best.labels.len().max(1) as f64;
        ReadLine {
            text: spelling.read(&best.text),
            confidence: words.iter().map(|word| word.confidence).fold(1.0, f64::min),
            mean,
            words,
            alternatives: others
                .iter()
                .map(|other| Reading {
                    text: spelling.read(&other.text),
                    behind: best.score - other.score,
                })
                .collect(),
        }
    }
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
