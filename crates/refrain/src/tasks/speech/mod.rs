//! Speech to text: recurrent encoders with CTC.

mod corpus;
mod features;
mod trainee;

use super::run::{Job, Start, data_folder, load_model, open};
use super::{EvaluateOn, Evaluation, Metric, Split, Summary};
use crate::error::Error;
use crate::models::AcousticModel;
use crate::recipe::Recipe;
use crate::store::About;
use crate::train::Observer;
use burn::tensor::Device;
use corpus::{Corpus, Sound};
use features::Features;
use refrain_data::vocab::Vocabulary;
use refrain_decode::ctc::LabelSpan;
use refrain_kernels::Precision;
use serde::Serialize;
use std::path::Path;
use trainee::{SpeechTrainee, best_path, log_probabilities, measure, spell};

/// What recipes call the task.
pub const NAME: &str = "speech";

/// Its figures.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "cer",
        meaning: "character error rate: percent of the characters that must be replaced, put in or left out; lower is better",
    },
    Metric {
        name: "wer",
        meaning: "word error rate, the same of words",
    },
    Metric {
        name: "ser",
        meaning: "percent of the utterances that have any error",
    },
];

/// A run of the task.
pub(super) struct SpeechJob {
    trainee: SpeechTrainee,
    model: AcousticModel,
}

impl Job for SpeechJob {
    fn new(recipe: &Recipe, data: Option<&Path>) -> Result<Self, Error> {
        recipe.train.check()?;
        let (own, seed) = (recipe.speech()?, recipe.train.seed);
        let corpus = Corpus::load(&own.data, seed, data)?;
        let vocabulary = corpus.vocabulary()?;
        // The blank is the class behind the characters.
        let sizes = [corpus.features.width(), vocabulary.len() + 1];
        let model = own.model.init(sizes, seed, &Device::flex().autodiff())?;
        let sizes = [recipe.train.batch as u64, seed];
        Ok(Self {
            trainee: SpeechTrainee::new(corpus, vocabulary, own.data.augment.clone(), sizes),
            model,
        })
    }

    fn run(self, start: Start, observe: Observer) -> Result<Summary, Error> {
        let Self { trainee, model } = self;
        let vocabulary = trainee.vocabulary.clone();
        vocabulary.save(start.folder.path())?;
        let (features, test) = (trainee.corpus.features.clone(), trainee.corpus.test.clone());
        start.run(trainee, model, vocabulary.len(), observe, |best| {
            measure(best, &features, &vocabulary, &test)
        })
    }
}

pub(super) fn evaluate(
    folder: &Path,
    on: &EvaluateOn,
    data: Option<&Path>,
    precision: Option<Precision>,
) -> Result<Evaluation, Error> {
    let EvaluateOn::Split(split) = on else {
        return Err(Error::Config(
            "a model of speech reads no text; leave out --text".into(),
        ));
    };
    let data = data_folder(&open(folder, &[NAME])?, data);
    let mut loaded = load_acoustic_model(folder)?;
    if let Some(precision) = precision {
        loaded.model = loaded.model.with_precision(precision);
    }
    let recipe = &loaded.about.recipe;
    let corpus = Corpus::load(&recipe.speech()?.data, recipe.train.seed, data.as_deref())?;
    let part = match split {
        Split::Train => &corpus.train,
        Split::Validation => &corpus.valid,
        Split::Test => &corpus.test,
    };
    Ok(Evaluation {
        task: NAME.into(),
        metrics: measure(&loaded.model, &corpus.features, &loaded.vocabulary, part)?,
        unknown: 0,
    })
}

/// A trained model of speech with all that it needs.
pub struct Loaded {
    /// Off autodiff.
    pub model: AcousticModel,
    /// Its characters.
    pub vocabulary: Vocabulary,
    /// The recipe and the figures.
    pub about: About,
    features: Features,
}

/// Opens a model folder that [`train`](super::train) wrote for speech.
///
/// # Errors
/// A folder that is missing, incomplete, damaged or of another task.
pub fn load_acoustic_model(folder: &Path) -> Result<Loaded, Error> {
    let folder = open(folder, &[NAME])?;
    let about = folder.about().clone();
    let own = about.recipe.speech()?;
    let (features, vocabulary) = (
        Features::new(&own.data.features)?,
        Vocabulary::load(folder.path())?,
    );
    let sizes = [features.width(), vocabulary.len() + 1];
    let model = load_model(&folder, own.model.parameters(sizes), || {
        own.model.init(sizes, 0, &Device::flex())
    })?;
    Ok(Loaded {
        model,
        vocabulary,
        about,
        features,
    })
}

/// What was said, and when.
#[derive(Clone, Debug)]
pub struct Transcript {
    /// All of it.
    pub text: String,
    /// Its words.
    pub words: Vec<Word>,
    /// Length of the sound.
    pub seconds: f64,
    /// Whether the file ends before its end.
    pub truncated: bool,
}

/// A word and its place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Word {
    /// As it is written.
    pub word: String,
    /// Begin and end, seconds from the beginning of the sound.
    pub begin: f64,
    /// End of the last frame of its last letter.
    pub end: f64,
    /// The mean of its letters' probabilities, each over its own frames.
    pub confidence: f64,
}

impl Loaded {
    /// The text of a sound file: WAV, FLAC, Ogg Vorbis or MP3.
    ///
    /// # Errors
    /// A file that cannot be read as sound, or a model that reads stored features.
    pub fn transcribe_file(&self, file: &Path) -> Result<Transcript, Error> {
        let sound = refrain_sound::load(file)?;
        let transcript = self.transcribe(&sound.samples, sound.rate)?;
        Ok(Transcript {
            truncated: sound.truncated,
            ..transcript
        })
    }

    /// The text of mono samples in ±1, `rate` of them a second.
    ///
    /// # Errors
    /// A model that reads stored features, or a rate that cannot be.
    pub fn transcribe(&self, samples: &[f32], rate: u32) -> Result<Transcript, Error> {
        let sound = Sound::Samples(self.features.resampled(samples, rate)?);
        let scores = log_probabilities(&self.model, &self.features, [&sound].into_iter())?;
        let scores = scores.first().map_or(&[][..], Vec::as_slice);
        let labels = best_path(&self.vocabulary, scores)?;
        let own = &self.about.recipe.speech()?.model;
        let step = self.features.hop_seconds() * own.frames_a_step() as f64;
        Ok(Transcript {
            text: spell(&self.vocabulary, &labels),
            words: words(&self.vocabulary, &labels, step),
            seconds: samples.len() as f64 / f64::from(rate.max(1)),
            truncated: false,
        })
    }
}

/// The words of a path of labels, `step` seconds a frame.
fn words(vocabulary: &Vocabulary, labels: &[LabelSpan], step: f64) -> Vec<Word> {
    let mut words = Vec::new();
    for span in labels.split(|span| vocabulary.token(span.label).as_deref() == Some(" ")) {
        let (Some(first), Some(last)) = (span.first(), span.last()) else {
            continue;
        };
        let sum: f64 = span.iter().map(|label| label.confidence).sum();
        words.push(Word {
            word: spell(vocabulary, span),
            begin: first.first as f64 * step,
            end: (last.last + 1) as f64 * step,
            confidence: sum / span.len() as f64,
        });
    }
    words
}
