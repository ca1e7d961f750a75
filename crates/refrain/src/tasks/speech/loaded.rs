//! A trained model of speech at work: sounds to text, known text to times.

use super::corpus::Sound;
use super::features::Features;
use super::recipe::SpeechRecipe;
use super::trainee::log_probabilities;
use crate::error::Error;
use crate::files;
use crate::models::{AcousticModel, AcousticStream};
use crate::params;
use crate::store::ModelFolder;
use crate::tasks::Site;
use crate::tasks::ctc::{Decoder, DecoderConfig, SearchModels, SearchOptions, labels};
use crate::tasks::run::load_model;
use refrain_data::Fingerprint;
use refrain_data::vocab::Vocabulary;
use refrain_decode::ctc::align::align;
use refrain_decode::ctc::beam::Hypothesis;
use refrain_decode::ctc::{LabelSpan, words};
use refrain_decode::text::Labels;
use refrain_sound::Warning;
use serde::Serialize;
use std::sync::OnceLock;

/// A trained model of speech with all that it needs.
pub struct Loaded {
    /// Off autodiff.
    pub model: AcousticModel,
    /// Its characters.
    pub vocabulary: Vocabulary,
    /// The recipe of the training.
    pub recipe: SpeechRecipe,
    pub(super) decoder_config: DecoderConfig,
    pub(super) models: SearchModels,
    pub(super) decoder: Decoder,
    pub(super) features: Features,
    pub(super) labels: Labels,
    /// Seed of the training, which the data follows from.
    pub(super) seed: u64,
    /// The beginning of a stream, with weights packed once; absent for a model that needs whole utterances.
    pub(super) stream: Option<AcousticStream>,
    /// Computed at the first use.
    identity: OnceLock<String>,
}

/// A text with the times of its words.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Transcript {
    /// All of it.
    pub text: String,
    /// Its words.
    pub words: Vec<Word>,
    /// The next best readings of each stretch of the sound, if more than one was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Alternative>,
    /// Length of the sound.
    pub seconds: f64,
    /// Whether the file ends before its sound does.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Sound of the file that was lost or changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

/// Another reading.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alternative {
    /// Where the stretch that it reads begins, seconds.
    pub begin: f64,
    /// The text.
    pub text: String,
    /// By how many nats it scores worse than the best.
    pub behind: f64,
}

/// A word and its place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Word {
    /// As it is written.
    pub word: String,
    /// Begin and end, seconds from the beginning of the sound.
    pub begin: f64,
    /// End of the last frame of its last character.
    pub end: f64,
    /// The mean of its characters' probabilities, each over its own frames.
    pub confidence: f64,
    /// One by one.
    pub characters: Vec<Character>,
}

/// A character and its place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Character {
    /// As it is written.
    pub character: String,
    /// Begin and end, seconds from the beginning of the sound.
    pub begin: f64,
    /// End of its last frame.
    pub end: f64,
    /// The mean of its probabilities.
    pub confidence: f64,
}

/// Frames and scores of a sound, for drawing.
#[derive(Clone, Debug)]
pub struct Posteriors {
    /// Features `[T,C]`.
    pub frames: Vec<f32>,
    /// `C`
    pub features: usize,
    /// Seconds from one frame to the next.
    pub frame_seconds: f64,
    /// Log-probabilities `[T',V]`.
    pub log_probabilities: Vec<f32>,
    /// The texts of the classes; that of the blank is empty.
    pub classes: Vec<String>,
    /// Seconds from one step to the next.
    pub step_seconds: f64,
}

impl Loaded {
    pub(super) fn open(
        folder: &ModelFolder,
        recipe: SpeechRecipe,
        options: &SearchOptions,
        site: &Site,
    ) -> Result<Self, Error> {
        Self::with_decoder(
            folder,
            recipe,
            options.over(&DecoderConfig::of(folder)?),
            site,
        )
    }

    pub(super) fn with_decoder(
        folder: &ModelFolder,
        recipe: SpeechRecipe,
        decoder: DecoderConfig,
        site: &Site,
    ) -> Result<Self, Error> {
        let features = Features::new(&recipe.data.features)?.load(folder.path())?;
        let vocabulary = Vocabulary::load(folder.path())?;
        let sizes = [features.width(), vocabulary.len() + 1];
        let model = load_model(folder, recipe.model.parameters(sizes), || {
            recipe.model.init(sizes, 0, &site.device())
        })?;
        let labels = labels(&vocabulary)?;
        let models = SearchModels::load(&decoder, &|text| recipe.data.writing.write(text))?;
        let model = match site.precision {
            Some(precision) => model.with_precision(precision),
            None => model,
        };
        Ok(Self {
            stream: stream(&model)?,
            model,
            identity: OnceLock::new(),
            decoder: Decoder::new(&labels, &decoder, &models)?,
            decoder_config: decoder,
            seed: folder.recipe().train.seed,
            models,
            labels,
            vocabulary,
            features,
            recipe,
        })
    }

    /// A fingerprint of everything that the state of a session depends on: parameters, classes, features and search.
    ///
    /// # Errors
    /// A file of the search that cannot be read any more.
    pub(super) fn identity(&self) -> Result<&str, Error> {
        if let Some(known) = self.identity.get() {
            return Ok(known);
        }
        let mut print = Fingerprint::new();
        for own in params::export(&self.model) {
            let shape: Vec<u32> = own.shape.iter().map(|&size| size as u32).collect();
            print.text(&own.name).ids(&shape).floats(&own.data);
        }
        for class in 0..self.labels.vocabulary() as u32 {
            print.text(&self.labels.token(class));
        }
        let mut decoder = self.decoder_config.clone();
        for file in decoder.files_mut() {
            match file.take() {
                Some(file) => print.bytes(&files::read(&file)?),
                None => print.bytes(&[]),
            };
        }
        let (model, features) = (self.model.config(), self.features.settings());
        let settings = serde_json::to_string(&(model, features, &decoder))
            .map_err(|e| Error::Config(format!("the settings cannot be written: {e}")))?;
        print.text(&settings);
        print.text(&format!("{:?}", self.model.precision()));
        Ok(self.identity.get_or_init(|| print.finish()))
    }

    /// How text is found.
    pub fn decoder_config(&self) -> &DecoderConfig {
        &self.decoder_config
    }

    /// Seconds from one step of the model to the next.
    pub fn step_seconds(&self) -> f64 {
        self.features.hop_seconds() * self.model.config().frames_a_step() as f64
    }

    /// How long a stream may wait before the model answers, seconds; none if it needs whole utterances.
    pub fn latency_seconds(&self) -> Option<f64> {
        let frames = self.model.config().latency()?;
        Some(frames as f64 * self.features.hop_seconds())
    }

    /// When each word of a known text is said in a sound (Viterbi over the paths of the text).
    ///
    /// # Errors
    /// A character that the model does not know, a sound that is too short for the text; as [`Self::transcribe`].
    pub fn align(&self, samples: &[f32], rate: u32, text: &str) -> Result<Transcript, Error> {
        let text = self.recipe.data.writing.write(text);
        let foreign = text
            .chars()
            .find(|c| self.vocabulary.encode_counting(&c.to_string()).unknown > 0);
        if let Some(foreign) = foreign {
            return Err(Error::Config(format!(
                "the model has no character '{foreign}'; write the text as its training transcripts are written"
            )));
        }
        let scores = self.scores(&self.resampled(samples, rate)?)?;
        let target = self.vocabulary.encode(&text);
        let found = align(
            &scores,
            self.labels.vocabulary(),
            self.labels.blank(),
            &target,
        )?;
        let span = |own: &refrain_decode::ctc::align::AlignedLabel| LabelSpan {
            label: own.label,
            first: own.first,
            last: own.last,
            confidence: (own.log_prob / (own.last - own.first + 1) as f64).exp(),
        };
        let spans: Vec<LabelSpan> = found.labels.iter().map(span).collect();
        Ok(Transcript {
            text,
            words: self.words(&spans, 0.0),
            seconds: samples.len() as f64 / f64::from(rate.max(1)),
            ..Transcript::default()
        })
    }

    /// Frames and scores of a sound.
    ///
    /// # Errors
    /// As [`Self::transcribe`].
    pub fn posteriors(&self, samples: &[f32], rate: u32) -> Result<Posteriors, Error> {
        let sound = self.resampled(samples, rate)?;
        let classes = 0..self.labels.vocabulary() as u32;
        Ok(Posteriors {
            frames: self.features.frames(&sound, None)?,
            features: self.features.width(),
            frame_seconds: self.features.hop_seconds(),
            log_probabilities: self.scores(&sound)?,
            classes: classes.map(|class| self.labels.token(class)).collect(),
            step_seconds: self.step_seconds(),
        })
    }

    fn resampled(&self, samples: &[f32], rate: u32) -> Result<Sound, Error> {
        Ok(Sound::Samples(self.features.resampled(samples, rate)?))
    }

    /// Log-probabilities `[T',V]` of one utterance.
    pub(super) fn scores(&self, sound: &Sound) -> Result<Vec<f32>, Error> {
        let all = log_probabilities(&self.model, &self.features, [sound].into_iter())?;
        Ok(all.into_iter().next().unwrap_or_default())
    }

    /// The words of labels on a path that begins at `begin` seconds.
    pub(super) fn words(&self, spans: &[LabelSpan], begin: f64) -> Vec<Word> {
        // In whole milliseconds, which no step is shorter than.
        let at = |frame: usize| {
            let seconds = begin + frame as f64 * self.step_seconds();
            (seconds * 1000.0).round() / 1000.0
        };
        let (from, to) = (at, |frame: usize| at(frame + 1));
        let said = spans
            .iter()
            .filter(|span| !self.labels.text(span.label).is_empty());
        let mut said = said.peekable();
        let placed = |word: refrain_decode::ctc::Word| {
            let mut characters = Vec::new();
            while let Some(span) = said.next_if(|span| span.last <= word.last) {
                characters.push(Character {
                    character: self.labels.text(span.label).to_string(),
                    begin: from(span.first),
                    end: to(span.last),
                    confidence: span.confidence,
                });
            }
            Word {
                word: word.text,
                begin: from(word.first),
                end: to(word.last),
                confidence: word.confidence,
                characters,
            }
        };
        words(spans, &self.labels).into_iter().map(placed).collect()
    }

    /// The best of some hypotheses as a transcript, the others as its alternatives.
    pub(super) fn transcript(&self, found: &[Hypothesis], begin: f64) -> Transcript {
        let Some((best, others)) = found.split_first() else {
            return Transcript::default();
        };
        let alternative = |other: &Hypothesis| Alternative {
            begin,
            text: other.text.clone(),
            behind: best.score - other.score,
        };
        Transcript {
            text: best.text.clone(),
            words: self.words(&best.labels, begin),
            alternatives: others.iter().map(alternative).collect(),
            ..Transcript::default()
        }
    }
}

/// The beginning of a stream of a model that can follow one.
fn stream(model: &AcousticModel) -> Result<Option<AcousticStream>, Error> {
    let streams = model.config().streams();
    streams.then(|| model.stream()).transpose()
}

impl Transcript {
    /// With the warnings of the reader of its file.
    pub fn with_warnings(mut self, warnings: &[Warning]) -> Self {
        let cut = |own: &Warning| matches!(own, Warning::CutOff { .. });
        self.truncated = warnings.iter().any(cut);
        self.warnings = warnings.to_vec();
        self
    }

    /// The mean confidence of its words; `None` without words.
    pub fn confidence(&self) -> Option<f64> {
        let sum: f64 = self.words.iter().map(|word| word.confidence).sum();
        (!self.words.is_empty()).then(|| sum / self.words.len() as f64)
    }

    /// With all times later by so many seconds, as in a file that was read from there on.
    pub fn later(mut self, seconds: f64) -> Self {
        // In whole milliseconds, as all times.
        let later = |time: &mut f64| *time = ((*time + seconds) * 1000.0).round() / 1000.0;
        for word in &mut self.words {
            [&mut word.begin, &mut word.end].into_iter().for_each(later);
            for own in &mut word.characters {
                [&mut own.begin, &mut own.end].into_iter().for_each(later);
            }
        }
        for other in &mut self.alternatives {
            later(&mut other.begin);
        }
        self
    }
}
