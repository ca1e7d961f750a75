//! Utterances with their sounds and labels, and which of them make a batch.

use super::recipe::{JoinConfig, SpeechData};
use crate::error::Error;
use crate::tasks::Split;
use crate::tasks::buckets;
use crate::tasks::run::check_sums;
use refrain_data::DataError;
use refrain_data::array::Array as Value;
use refrain_data::npz;
use refrain_data::speech::{self, Utterance};
use refrain_data::vocab::{Vocabulary, VocabularyKind};
use refrain_kernels::random::Key;
use std::collections::BTreeMap;
use std::path::Path;

use super::features::Features;

/// How an utterance is kept.
#[derive(Clone, Debug)]
pub(super) enum Sound {
    /// Samples at the rate of the features.
    Samples(Vec<f32>),
    /// `[T,C]`, as stored.
    Frames(Vec<f32>),
}

impl Sound {
    pub fn values(&self) -> &[f32] {
        let (Self::Samples(values) | Self::Frames(values)) = self;
        values
    }
}

/// An utterance as a model learns it.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub name: String,
    speaker: Option<String>,
    /// As the model is to write it.
    pub transcript: String,
    pub sound: Sound,
}

/// One part of the data.
pub(super) type Part = Vec<Item>;

/// Training, validation and test data.
pub(super) struct Corpus {
    pub train: Part,
    pub valid: Part,
    pub test: Part,
    pub features: Features,
}

impl Corpus {
    /// # Errors
    /// Files that are missing or damaged, or a part without utterances.
    pub fn load(config: &SpeechData, seed: u64, data: &Path) -> Result<Self, Error> {
        let mut features = Features::new(&config.features)?;
        let loader = Loader::new(config, seed, data, &features);
        let [train, kept] = loader.training()?;
        let train = loader.complete(Split::Train, train)?;
        let mut valid = loader.load(&config.valid)?;
        valid.extend(kept);
        let valid = loader.complete(Split::Validation, valid)?;
        let test = loader.part(Split::Test)?;
        // After the reading, whose errors name a missing file better.
        check_sums(&config.sha256, loader.data)?;
        features.measure(&train)?;
        Ok(Self {
            train,
            valid,
            test,
            features,
        })
    }

    /// The characters of the training transcripts.
    ///
    /// # Errors
    /// Transcripts without any.
    pub fn vocabulary(&self) -> Result<Vocabulary, Error> {
        let all: Vec<&str> = self.train.iter().map(|i| i.transcript.as_str()).collect();
        let text = all.join(" ");
        Ok(Vocabulary::build(VocabularyKind::Characters, &text)?)
    }
}

/// Reads parts of the data.
pub(super) struct Loader<'a> {
    config: &'a SpeechData,
    seed: u64,
    data: &'a Path,
    features: &'a Features,
}

impl<'a> Loader<'a> {
    pub fn new(config: &'a SpeechData, seed: u64, data: &'a Path, features: &'a Features) -> Self {
        Self {
            config,
            seed,
            data,
            features,
        }
    }

    /// # Errors
    /// Files that are missing or damaged, or a part without utterances.
    pub fn part(&self, split: Split) -> Result<Part, Error> {
        let mut part = match split {
            Split::Train => {
                let [own, _] = self.training()?;
                own
            }
            Split::Validation => self.load(&self.config.valid)?,
            Split::Test => self.load(&self.config.test)?,
        };
        if split == Split::Validation && self.config.keep_back > 0.0 {
            let [_, kept] = self.training()?;
            part.extend(kept);
        }
        self.complete(split, part)
    }

    /// The utterances of the training tables: those for training, and those kept back for validation.
    fn training(&self) -> Result<[Part; 2], Error> {
        let config = self.config;
        let tables = self.utterances(&config.train)?;
        let all: Vec<Utterance> = tables.iter().flat_map(|(_, own)| own).cloned().collect();
        let kept = speech::kept_back(&all, config.keep_back, config.by_speaker, self.seed);
        let [mut own, mut back] = [Part::new(), Part::new()];
        for (item, kept) in self.read(tables)?.into_iter().zip(kept) {
            if kept { &mut back } else { &mut own }.push(item);
        }
        Ok([own, back])
    }

    /// The utterances of a part, joined if the recipe says so.
    fn complete(&self, split: Split, part: Part) -> Result<Part, Error> {
        if part.is_empty() {
            let what = match split {
                Split::Train => "train",
                Split::Validation => "valid",
                Split::Test => "test",
            };
            return Err(Error::Config(format!(
                "the {what} part of data has no utterance; name tables in data.{what}, \
                 or let data.keep_back take some from the training"
            )));
        }
        Ok(match &self.config.join {
            Some(join) => joined(part, join, self.features.rate(), self.seed),
            None => part,
        })
    }

    /// The tables of these names.
    fn utterances<'n>(&self, names: &'n [String]) -> Result<Vec<(&'n str, Vec<Utterance>)>, Error> {
        let hint = self.config.source.as_deref();
        let table = |name: &'n String| {
            let own = speech::utterances(self.data, name, hint)?;
            Ok((name.as_str(), own))
        };
        names.iter().map(table).collect()
    }

    /// The utterances of the tables of these names.
    fn load(&self, names: &[String]) -> Result<Part, Error> {
        self.read(self.utterances(names)?)
    }

    fn read(&self, tables: Vec<(&str, Vec<Utterance>)>) -> Result<Part, Error> {
        let hint = self.config.source.as_deref();
        let mut part = Part::new();
        for (name, own) in tables {
            let sounds = self.features.sounds(self.data, name, &own, hint)?;
            part.extend(own.into_iter().zip(sounds).map(|(utterance, sound)| Item {
                transcript: self.config.writing.write(&utterance.transcript),
                name: utterance.name,
                speaker: utterance.speaker,
                sound,
            }));
        }
        Ok(part)
    }
}

/// The transcripts that a model learns from.
///
/// # Errors
/// Tables that are missing or damaged.
pub(super) fn transcripts(
    config: &SpeechData,
    seed: u64,
    data: &Path,
) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    for name in &config.train {
        all.extend(speech::utterances(data, name, config.source.as_deref())?);
    }
    let kept = speech::kept_back(&all, config.keep_back, config.by_speaker, seed);
    let own = all.iter().zip(kept).filter(|(_, kept)| !kept);
    Ok(own
        .map(|(utterance, _)| config.writing.write(&utterance.transcript))
        .collect())
}

/// Recordings of one speaker one behind the other, with silence between them. Each recording stands in
/// [`JoinConfig::times`] of the results. Stored features stay as they are.
fn joined(part: Part, config: &JoinConfig, rate: u32, seed: u64) -> Part {
    let key = Key::new(seed);
    let mut speakers: BTreeMap<&Option<String>, Vec<&Item>> = BTreeMap::new();
    for item in &part {
        speakers.entry(&item.speaker).or_default().push(item);
    }
    let mut draws = 0;
    let mut draw = |low: f32, high: f32| {
        draws += 1;
        low + (high - low) * key.uniform_f32(draws)
    };
    let mut all = Part::new();
    for (speaker, own) in speakers {
        for time in 0..config.times {
            let order = speech::shuffled(own.len(), seed ^ (time as u64 + 1));
            let mut left = order.as_slice();
            while !left.is_empty() {
                let most = config.longest.max(1) as f32;
                let count = (draw(1.0, most + 1.0) as usize).clamp(1, left.len());
                let (taken, rest) = left.split_at(count);
                left = rest;
                let mut samples = Vec::new();
                for (place, &number) in taken.iter().enumerate() {
                    if place > 0 {
                        let [short, long] = config.pause_seconds;
                        let pause = (draw(short, long).max(0.0) * rate as f32) as usize;
                        samples.resize(samples.len() + pause, 0.0);
                    }
                    samples.extend_from_slice(own[number].sound.values());
                }
                let text = |get: fn(&Item) -> &str, between: &str| -> String {
                    let texts: Vec<&str> = taken.iter().map(|&number| get(own[number])).collect();
                    texts.join(between)
                };
                all.push(Item {
                    name: text(|item| &item.name, "+"),
                    speaker: speaker.clone(),
                    transcript: text(|item| &item.transcript, " "),
                    sound: Sound::Samples(samples),
                });
            }
        }
    }
    all
}

/// Numbers of the utterances of each batch: about as long as each other, in an order that follows from `seed`.
pub(super) fn batches(part: &[Item], size: usize, seed: u64) -> Vec<Vec<usize>> {
    let lengths: Vec<usize> = part.iter().map(|item| item.sound.values().len()).collect();
    buckets::batches(&lengths, size, seed)
}

/// The frames of every utterance of a part that holds features instead of sounds: `feat` `[frames, C]` and `offset`
/// `[utterances + 1]` of `PART.npz`.
///
/// # Errors
/// An archive that is missing or damaged, or that does not fit its table.
pub(super) fn stored(
    data: &Path,
    part: &str,
    utterances: usize,
    width: usize,
    hint: Option<&str>,
) -> Result<Vec<Sound>, Error> {
    let path = speech::file(data, part, "npz");
    let bytes = speech::read(data, &path, hint)?;
    let arrays: BTreeMap<String, Value> = npz::read(&bytes)?;
    let wrong = |problem: String| {
        Error::Data(DataError::Speech {
            path: path.clone(),
            problem,
        })
    };
    let (Some(feat), Some(offset)) = (arrays.get("feat"), arrays.get("offset")) else {
        return Err(wrong("it lacks the arrays feat and offset".into()));
    };
    let (Some(frames), Some(offsets)) = (feat.as_f32(), offset.to_i64()) else {
        return Err(wrong("feat must hold floats and offset integers".into()));
    };
    if feat.shape() != [frames.len() / width.max(1), width] || offsets.len() != utterances + 1 {
        return Err(wrong(format!(
            "feat has the shape {:?} and offset {} numbers; [frames, {width}] and one more than the {utterances} \
             utterances are needed",
            feat.shape(),
            offsets.len()
        )));
    }
    let place = |offset: i64| usize::try_from(offset).ok()?.checked_mul(width);
    let taken = offsets
        .windows(2)
        .map(|ends| frames.get(place(ends[0])?..place(ends[1])?));
    let sounds: Option<Vec<Sound>> = taken
        .map(|own| Some(Sound::Frames(own?.to_vec())))
        .collect();
    sounds.ok_or_else(|| wrong("its offsets do not rise within its frames".into()))
}
