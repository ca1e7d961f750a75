//! Utterances with their sounds and labels, and which of them make a batch.

use crate::error::Error;
use crate::recipe::SpeechData;
use refrain_data::DataError;
use refrain_data::speech::{self, Utterance};
use refrain_data::vocab::{Vocabulary, VocabularyKind};
use refrain_onnx::{Value, npz};
use std::collections::BTreeMap;
use std::path::Path;

use super::features::Features;
use crate::tasks::run::check_sums;

/// How an utterance is kept.
#[derive(Clone, Debug)]
pub(super) enum Sound {
    /// Samples at the rate of the features.
    Samples(Vec<f32>),
    /// `[T,C]`, as stored.
    Frames(Vec<f32>),
}

/// One part of the data.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    /// Transcripts as the model is to write them.
    pub transcripts: Vec<String>,
    pub sounds: Vec<Sound>,
}

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
    pub fn load(config: &SpeechData, seed: u64, data: Option<&Path>) -> Result<Self, Error> {
        let features = Features::new(&config.features)?;
        let data = data.unwrap_or(Path::new("."));
        let hint = config.source.as_deref();
        let load = |names: &[String]| -> Result<(Vec<Utterance>, Part), Error> {
            let mut utterances = Vec::new();
            let mut part = Part::default();
            for name in names {
                let own = speech::utterances(data, name, hint)?;
                part.sounds.extend(features.sounds(data, name, &own, hint)?);
                part.transcripts
                    .extend(own.iter().map(|u| config.writing.write(&u.transcript)));
                utterances.extend(own);
            }
            Ok((utterances, part))
        };
        let (utterances, mut train) = load(&config.train)?;
        let (_, mut valid) = load(&config.valid)?;
        if config.keep_back > 0.0 {
            let kept = speech::kept_back(&utterances, config.keep_back, config.by_speaker, seed);
            valid.append(train.split_off(&kept));
        }
        let (_, test) = load(&config.test)?;
        // Behind the reading, which says better what is missing.
        check_sums(&config.sha256, data)?;
        for (what, part) in [("train", &train), ("valid", &valid), ("test", &test)] {
            if part.len() == 0 {
                return Err(Error::Config(format!(
                    "the {what} part of data has no utterance; name tables in data.{what}, or let data.keep_back take some from the training"
                )));
            }
        }
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
        let text = self.train.transcripts.join(" ");
        Ok(Vocabulary::build(VocabularyKind::Characters, &text)?)
    }
}

impl Part {
    pub fn len(&self) -> usize {
        self.sounds.len()
    }

    /// Takes out the utterances that are marked.
    fn split_off(&mut self, marked: &[bool]) -> Self {
        let (mut taken, mut left) = (Self::default(), Self::default());
        let own = std::mem::take(self);
        let all = own.transcripts.into_iter().zip(own.sounds);
        for ((transcript, sound), &marked) in all.zip(marked) {
            let to = if marked { &mut taken } else { &mut left };
            to.transcripts.push(transcript);
            to.sounds.push(sound);
        }
        *self = left;
        taken
    }

    fn append(&mut self, other: Self) {
        self.transcripts.extend(other.transcripts);
        self.sounds.extend(other.sounds);
    }

    /// Numbers of the utterances of each batch: about as long as each other, in an order that follows from `seed`.
    pub fn batches(&self, size: usize, seed: u64) -> Vec<Vec<usize>> {
        /// Batches' worth of utterances that are sorted together: more random than all, less padding than none.
        const SORTED: usize = 16;
        let length = |number: &usize| match &self.sounds[*number] {
            Sound::Samples(values) | Sound::Frames(values) => values.len(),
        };
        let mut order = speech::shuffled(self.len(), seed);
        let mut batches = Vec::new();
        for group in order.chunks_mut(size.max(1) * SORTED) {
            group.sort_by_key(length);
            batches.extend(group.chunks(size.max(1)).map(<[usize]>::to_vec));
        }
        let order = speech::shuffled(batches.len(), seed ^ 1);
        order
            .into_iter()
            .map(|number| std::mem::take(&mut batches[number]))
            .collect()
    }
}

/// The frames of every utterance of a part that holds features instead of sounds: `feat` `[frames, C]` and `offset` `[utterances + 1]` of
/// `PART.npz`.
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
            "feat has the shape {:?} and offset {} numbers; [frames, {width}] and one more than the {utterances} utterances are needed",
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
