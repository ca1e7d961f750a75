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
use refrain_decode::text::Labels;
use refrain_kernels::Precision;
use serde::Serialize;
use std::path::Path;
use trainee::{SpeechTrainee, best_path, labels, log_probabilities, measure};

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
    vocabulary: Vocabulary,
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
        let augment = own.data.augment.clone();
        Ok(Self {
            trainee: SpeechTrainee::new(corpus, &vocabulary, augment, &recipe.train)?,
            vocabulary,
            model,
        })
    }

    fn run(self, start: Start, observe: Observer) -> Result<Summary, Error> {
        let Self {
            vocabulary,
            mut trainee,
            model,
        } = self;
        vocabulary.save(start.folder.path())?;
        let (features, labels) = (trainee.corpus.features.clone(), trainee.labels.clone());
        let test = std::mem::take(&mut trainee.corpus.test);
        start.run(trainee, model, vocabulary.len(), observe, |best| {
            measure(best, &features, &labels, &test)
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
        metrics: measure(&loaded.model, &corpus.features, &loaded.labels, part)?,
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
    labels: Labels,
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
        labels: labels(&vocabulary)?,
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
        let path = best_path(&self.labels, scores)?;
        let own = &self.about.recipe.speech()?.model;
        let step = self.features.hop_seconds() * own.frames_a_step() as f64;
        let words = refrain_decode::ctc::words(&path, &self.labels).into_iter();
        let placed = |word: refrain_decode::ctc::Word| Word {
            word: word.text,
            begin: word.first as f64 * step,
            end: (word.last + 1) as f64 * step,
            confidence: word.confidence,
        };
        Ok(Transcript {
            text: self.labels.join(path.iter().map(|span| span.label)),
            words: words.map(placed).collect(),
            seconds: samples.len() as f64 / f64::from(rate.max(1)),
            truncated: false,
        })
    }
}
