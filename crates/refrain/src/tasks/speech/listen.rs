//! Sounds of any length, heard piece by piece with constant memory.
//!
//! A model for streams answers while it hears. Its text is split into utterances at pauses; a finished utterance never
//! changes. A model that needs whole utterances gets the sound in segments that are cut where it is quiet.

use super::NAME;
use super::corpus::Sound;
use super::loaded::{Loaded, Transcript};
use super::stream::{Stream, StreamState};
use crate::error::Error;
use crate::tasks::stored;
use refrain_sound::{
    Reader, Resampler, ResamplerState, Segment, Segmenter, SegmenterState, SoundError,
};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// Longest stretch of sound that is one utterance, seconds.
pub(super) const LONGEST: f64 = 30.0;
/// A sound whose samples differ by no more than this, of ±1, holds no speech.
const FLAT: f32 = 2e-4;
/// Samples that are heard at once: many for speed, and bounded for memory.
const BLOCK: usize = 1 << 16;
/// Most readings of an utterance.
const MOST_READINGS: usize = 10_000;
/// Largest number of samples or steps that a stored state may count.
pub(super) const MOST: u64 = 1 << 53;

/// A part of the answer to a sound.
#[derive(Clone, Debug)]
pub enum Heard {
    /// The utterance that is being spoken, as far as it is heard.
    Partial {
        /// The part of it that no later sound can change.
        stable: String,
        /// All of it.
        text: String,
        /// How much of the sound has been heard, seconds.
        seconds: f64,
    },
    /// An utterance that is over.
    Final(Transcript),
}

/// A sound that is being heard. It owns its state and shares its model.
///
/// Finished utterances have the same text, times and bits for pieces of any size, alone and in [`Self::push_many`]
/// beside any other sounds, and after [`Self::state`] and [`Self::restore`]. So have partial results for the same
/// pieces.
pub struct Listener {
    loaded: Arc<Loaded>,
    resampler: Resampler,
    rate: u32,
    heard: u64,
    /// Readings of each utterance.
    readings: usize,
    ear: Ear,
}

enum Ear {
    Whole(Segmenter),
    Stream(Box<Stream>),
}

/// The state of a [`Listener`], as plain data.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListenerState {
    rate: u32,
    heard: u64,
    readings: usize,
    resampler: ResamplerState,
    ear: EarState,
}

#[derive(Serialize, Deserialize)]
enum EarState {
    Whole(SegmenterState),
    Stream(Box<StreamState>),
}

impl Loaded {
    /// Begins to hear a sound of mono samples in ±1, `rate` of them a second.
    ///
    /// # Errors
    /// A model that reads stored features, or a rate that cannot be.
    pub fn listen(self: &Arc<Self>, rate: u32) -> Result<Listener, Error> {
        Listener::new(self.clone(), rate)
    }

    /// The text of a sound file: WAV, FLAC, Ogg Vorbis or MP3, of any length; `n` readings of each stretch.
    ///
    /// # Errors
    /// A file that cannot be read as sound, or a model that reads stored features.
    pub fn transcribe_file(self: &Arc<Self>, file: &Path, n: usize) -> Result<Transcript, Error> {
        let mut reader = Reader::open(file)?;
        let listener = self.listen(reader.rate())?.with_alternatives(n);
        let mut listener = listener.finals_only();
        let mut transcript = Transcript::default();
        while let Some(samples) = reader.next_chunk()? {
            transcript.add(listener.push(&samples)?);
        }
        transcript.add(listener.finish()?);
        transcript.seconds = listener.seconds();
        Ok(transcript.with_warnings(reader.warnings()))
    }

    /// The text of mono samples in ±1, `rate` of them a second.
    ///
    /// # Errors
    /// A model that reads stored features, or a rate that cannot be.
    pub fn transcribe(self: &Arc<Self>, samples: &[f32], rate: u32) -> Result<Transcript, Error> {
        let mut listener = self.listen(rate)?.finals_only();
        let mut transcript = Transcript::default();
        transcript.add(listener.push(samples)?);
        transcript.add(listener.finish()?);
        transcript.seconds = listener.seconds();
        Ok(transcript)
    }
}

impl Transcript {
    /// Adds the finished utterances of a later stretch of sound.
    pub fn add(&mut self, heard: Vec<Heard>) {
        for heard in heard {
            let Heard::Final(more) = heard else { continue };
            if !self.text.is_empty() && !more.text.is_empty() {
                self.text.push(' ');
            }
            self.text.push_str(&more.text);
            self.words.extend(more.words);
            self.alternatives.extend(more.alternatives);
        }
    }
}

impl Listener {
    pub(super) fn new(loaded: Arc<Loaded>, rate: u32) -> Result<Self, Error> {
        let own = loaded.features.rate();
        let stream = Stream::new(&loaded)?;
        let ear = match stream {
            Some(stream) => Ear::Stream(Box::new(stream)),
            None => Ear::Whole(Segmenter::new(own, LONGEST)?),
        };
        Ok(Self {
            resampler: Resampler::new(rate, own)?,
            rate,
            heard: 0,
            readings: 1,
            loaded,
            ear,
        })
    }

    /// With up to `n` readings of each utterance, if a search finds them.
    pub fn with_alternatives(mut self, n: usize) -> Self {
        self.readings = n.clamp(1, MOST_READINGS);
        self
    }

    /// Without partial results.
    pub fn finals_only(mut self) -> Self {
        if let Ear::Stream(stream) = &mut self.ear {
            stream.partials = false;
        }
        self
    }

    /// Samples per second of the sound.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// How much has been heard, seconds.
    pub fn seconds(&self) -> f64 {
        self.heard as f64 / f64::from(self.rate.max(1))
    }

    /// The state as bytes for [`Self::restore`], here or in another process of the same build and model.
    ///
    /// # Errors
    /// A file of the model's search that cannot be read any more.
    pub fn state(&self) -> Result<Vec<u8>, Error> {
        stored::seal(NAME, self.loaded.identity()?, &Some(self.plain()))
    }

    /// Goes on with a sound from the bytes of [`Self::state`], to the same bits.
    ///
    /// # Errors
    /// [`Error::State`]: bytes of another build, another model or other settings of the search, or damaged ones.
    pub fn restore(loaded: Arc<Loaded>, bytes: &[u8]) -> Result<Self, Error> {
        let state: Option<ListenerState> = stored::open(NAME, loaded.identity()?, bytes)?;
        match state {
            Some(state) => Self::from_plain(loaded, state),
            None => Err(Error::State("it has no sound yet".into())),
        }
    }

    /// The state as plain data.
    pub(super) fn plain(&self) -> ListenerState {
        ListenerState {
            rate: self.rate,
            heard: self.heard,
            readings: self.readings,
            resampler: self.resampler.state(),
            ear: match &self.ear {
                Ear::Whole(segmenter) => EarState::Whole(segmenter.state()),
                Ear::Stream(stream) => EarState::Stream(Box::new(stream.state())),
            },
        }
    }

    /// A listener with this state.
    ///
    /// # Errors
    /// A state that no listener of this model can have.
    pub(super) fn from_plain(loaded: Arc<Loaded>, state: ListenerState) -> Result<Self, Error> {
        if state.heard > MOST || !(1..=MOST_READINGS).contains(&state.readings) {
            let (heard, readings) = (state.heard, state.readings);
            let problem = format!("it counts {heard} samples and {readings} readings");
            return Err(Error::State(problem));
        }
        let own = loaded.features.rate();
        let segmenter = |state| Segmenter::from_state(own, LONGEST, state).map_err(|e| refused(&e));
        let ear = match (state.ear, &loaded.stream) {
            (EarState::Whole(state), None) => Ear::Whole(segmenter(state)?),
            (EarState::Stream(state), Some(_)) => {
                Ear::Stream(Box::new(Stream::from_state(&loaded, *state)?))
            }
            _ => return Err(Error::State("it belongs to a model of another kind".into())),
        };
        let resampler = Resampler::from_state(state.rate, own, state.resampler);
        Ok(Self {
            resampler: resampler.map_err(|e| refused(&e))?,
            rate: state.rate,
            heard: state.heard,
            readings: state.readings,
            loaded,
            ear,
        })
    }

    /// Hears more samples.
    ///
    /// # Errors
    /// None that is known, on samples of any value.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<Heard>, Error> {
        let mut all = Self::push_many(&mut [(self, samples)])?;
        Ok(all.pop().unwrap_or_default())
    }

    /// [`Self::push`] for many sounds in one step; gives the answer to each. Sounds of the same stream model whose
    /// samples complete the same number of steps are computed together, the others alone.
    ///
    /// # Errors
    /// As [`Self::push`]; some sounds may have been heard then, and others not.
    pub fn push_many(sounds: &mut [(&mut Self, &[f32])]) -> Result<Vec<Vec<Heard>>, Error> {
        let mut all = vec![Vec::new(); sounds.len()];
        let longest = sounds.iter().map(|(_, samples)| samples.len()).max();
        for begin in (0..longest.unwrap_or(0)).step_by(BLOCK) {
            let mut numbers = Vec::new();
            let mut streams = Vec::new();
            for (number, (own, samples)) in sounds.iter_mut().enumerate() {
                let end = samples.len().min(begin.saturating_add(BLOCK));
                let Some(block) = samples.get(begin..end).filter(|own| !own.is_empty()) else {
                    continue;
                };
                own.heard += block.len() as u64;
                let resampled = own.resampler.push(block)?;
                match &mut own.ear {
                    Ear::Whole(segmenter) => {
                        for segment in segmenter.push(&resampled) {
                            all[number].push(whole(&own.loaded, segment, own.readings)?);
                        }
                    }
                    Ear::Stream(stream) => {
                        let frames = stream.frames(&resampled)?;
                        streams.push((&mut **stream, frames, own.readings));
                        numbers.push(number);
                    }
                }
            }
            for (number, heard) in numbers.into_iter().zip(Stream::hear_many(&mut streams)?) {
                all[number].extend(heard);
            }
        }
        for (all, (own, _)) in all.iter_mut().zip(sounds) {
            let seconds = own.seconds();
            if let Ear::Stream(stream) = &mut own.ear {
                all.extend(stream.partial(seconds));
            }
        }
        Ok(all)
    }

    /// Ends the sound.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(&mut self) -> Result<Vec<Heard>, Error> {
        let last = self.resampler.finish()?;
        let mut all = Vec::new();
        match &mut self.ear {
            Ear::Whole(segmenter) => {
                let segments = segmenter.push(&last).into_iter();
                for segment in segments.chain(segmenter.finish()) {
                    all.push(whole(&self.loaded, segment, self.readings)?);
                }
            }
            Ear::Stream(stream) => {
                let frames = stream.frames(&last)?;
                let heard = Stream::hear_many(&mut [(&mut **stream, frames, self.readings)])?;
                all.extend(heard.into_iter().flatten());
                all.extend(stream.finish(self.readings)?);
            }
        }
        Ok(all)
    }
}

/// The reason why a stored part of a sound cannot be used.
pub(super) fn refused(error: &SoundError) -> Error {
    Error::State(match error {
        SoundError::State { operation, reason } => format!("{operation}: {reason}"),
        other => other.to_string(),
    })
}

/// The text of one segment.
fn whole(loaded: &Loaded, segment: Segment, readings: usize) -> Result<Heard, Error> {
    let begin = segment.begin as f64 / f64::from(loaded.features.rate().max(1));
    // Comparisons leave out NaN.
    let none = [f32::INFINITY, f32::NEG_INFINITY];
    let [low, high] = segment
        .samples
        .iter()
        .fold(none, |[low, high], &x| [low.min(x), high.max(x)]);
    if high - low <= FLAT {
        return Ok(Heard::Final(Transcript::default()));
    }
    let scores = loaded.scores(&Sound::Samples(segment.samples))?;
    let found = loaded.decoder.decode(&scores, readings)?;
    Ok(Heard::Final(loaded.transcript(&found, begin)))
}
