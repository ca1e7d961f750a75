//! Sounds of any length, heard piece by piece with constant memory.
//!
//! A model for streams hears every frame as it comes. What it says is split into utterances at pauses; a finished utterance never changes. A model
//! that needs whole utterances gets the sound in segments that are cut where it is quiet.

use super::corpus::Sound;
use super::decoder::Search;
use super::loaded::{Loaded, Transcript};
use crate::error::Error;
use crate::models::AcousticStream;
use refrain_sound::{Gate, MelStream, Resampler, Running, Segment, Segmenter};
use std::collections::VecDeque;
use std::sync::Arc;

/// Longest stretch of sound that is one utterance, seconds.
const LONGEST: f64 = 30.0;
/// Pause that ends an utterance, seconds.
const PAUSE: f64 = 0.7;
/// Silence after which nothing more is believed to be said, seconds: a model may answer some time after it heard.
const SILENCE: f64 = 0.4;
/// A sound whose samples differ by no more than this, of ±1, says nothing.
const FLAT: f32 = 2e-4;

/// Something that was heard.
#[derive(Clone, Debug)]
pub enum Heard {
    /// What has been said since the last [`Final`](Self::Final), as it looks now.
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

/// A sound that is being heard.
pub struct Listener {
    loaded: Arc<Loaded>,
    resampler: Resampler,
    rate: u32,
    heard: u64,
    ear: Ear,
}

enum Ear {
    Whole(Segmenter, usize),
    Stream(Box<Stream>),
}

/// A model for streams with all that follows the sound.
struct Stream {
    loaded: Arc<Loaded>,
    mel: MelStream,
    gate: Gate,
    normaliser: Option<Running>,
    acoustic: AcousticStream,
    /// Frames of silence up to now, and up to each frame that the model has not answered yet.
    silence: u32,
    silences: VecDeque<u32>,
    search: Search,
    /// Readings of an utterance.
    readings: usize,
    /// Whether anybody wants to know before an utterance is over.
    partials: bool,
    /// Steps before this utterance.
    before: usize,
    /// Steps of this utterance, and those since a label was last heard.
    steps: usize,
    quiet: usize,
    /// Whether this utterance has labels.
    spoken: bool,
    shown: String,
}

impl Listener {
    pub(super) fn new(loaded: Arc<Loaded>, rate: u32) -> Result<Self, Error> {
        let own = loaded.features.rate();
        let mel = loaded.features.stream()?;
        let ear = match loaded.model.config().streams() {
            false => Ear::Whole(Segmenter::new(own, LONGEST)?, 1),
            true => Ear::Stream(Box::new(Stream {
                loaded: loaded.clone(),
                mel,
                gate: loaded.features.gate(),
                silence: 0,
                silences: VecDeque::new(),
                normaliser: loaded.features.running()?,
                acoustic: loaded.model.stream()?,
                search: loaded.decoder.begin(),
                readings: 1,
                partials: true,
                before: 0,
                steps: 0,
                quiet: 0,
                spoken: false,
                shown: String::new(),
            })),
        };
        Ok(Self {
            resampler: Resampler::new(rate, own)?,
            rate,
            heard: 0,
            loaded,
            ear,
        })
    }

    /// Gives so many readings of each utterance, if a search finds them.
    pub fn with_alternatives(mut self, n: usize) -> Self {
        match &mut self.ear {
            Ear::Whole(_, readings) => *readings = n.max(1),
            Ear::Stream(stream) => stream.readings = n.max(1),
        }
        self
    }

    /// Gives finished utterances only.
    pub fn finals_only(mut self) -> Self {
        if let Ear::Stream(stream) = &mut self.ear {
            stream.partials = false;
        }
        self
    }

    /// How much has been heard.
    pub fn seconds(&self) -> f64 {
        self.heard as f64 / f64::from(self.rate.max(1))
    }

    /// Hears more samples.
    ///
    /// # Errors
    /// None that is known, on samples of any value.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<Heard>, Error> {
        /// Samples that are heard at once: many at a time for speed, and bounded for memory.
        const BLOCK: usize = 1 << 16;
        let mut all = Vec::new();
        for samples in samples.chunks(BLOCK) {
            self.heard += samples.len() as u64;
            let own = self.resampler.push(samples)?;
            all.extend(self.hear(&own)?);
        }
        let seconds = self.seconds();
        if let Ear::Stream(stream) = &mut self.ear {
            all.extend(stream.partial(seconds));
        }
        Ok(all)
    }

    /// Ends the sound.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(&mut self) -> Result<Vec<Heard>, Error> {
        let last = self.resampler.finish()?;
        let mut all = self.hear(&last)?;
        match &mut self.ear {
            Ear::Whole(segmenter, readings) => {
                if let Some(segment) = segmenter.finish() {
                    all.push(whole(&self.loaded, segment, *readings)?);
                }
            }
            Ear::Stream(stream) => all.extend(stream.finish()?),
        }
        Ok(all)
    }

    fn hear(&mut self, samples: &[f32]) -> Result<Vec<Heard>, Error> {
        match &mut self.ear {
            Ear::Whole(segmenter, readings) => {
                let segments = segmenter.push(samples).into_iter();
                segments
                    .map(|segment| whole(&self.loaded, segment, *readings))
                    .collect()
            }
            Ear::Stream(stream) => stream.hear(samples),
        }
    }
}

/// The text of one segment.
fn whole(loaded: &Loaded, segment: Segment, readings: usize) -> Result<Heard, Error> {
    let begin = segment.begin as f64 / f64::from(loaded.features.rate().max(1));
    // Comparisons leave out what is no number.
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

impl Stream {
    fn hear(&mut self, samples: &[f32]) -> Result<Vec<Heard>, Error> {
        let mut frames = self.mel.push(samples);
        for frame in frames.chunks_exact(self.loaded.features.width()) {
            self.silence = match self.gate.hears(frame) {
                true => 0,
                false => self.silence.saturating_add(1),
            };
            self.silences.push_back(self.silence);
        }
        if let Some(normaliser) = &mut self.normaliser {
            normaliser.push(&mut frames)?;
        }
        let scores = self.acoustic.push(&frames)?;
        self.take(&scores)
    }

    fn finish(&mut self) -> Result<Vec<Heard>, Error> {
        self.mel.finish();
        let scores = self.acoustic.finish()?;
        let mut all = self.take(&scores)?;
        all.extend(self.end());
        Ok(all)
    }

    /// Searches on through more steps `[T',V]`.
    fn take(&mut self, scores: &[f32]) -> Result<Vec<Heard>, Error> {
        let step = self.loaded.step_seconds();
        let loaded = self.loaded.clone();
        let (labels, mut all) = (&loaded.labels, Vec::new());
        let silent = |class: usize| labels.text(class as u32).is_empty();
        // Certain of the blank.
        let mut nothing = vec![f32::NEG_INFINITY; labels.vocabulary()];
        nothing[labels.blank() as usize] = 0.0;
        let frames_a_step = self.loaded.model.config().frames_a_step();
        let long_silence = (SILENCE / self.loaded.features.hop_seconds()) as u32;
        for frame in scores.chunks_exact(labels.vocabulary()) {
            let own = frames_a_step.min(self.silences.len());
            let first = self.silences.drain(..own).next();
            let frame = match first.is_some_and(|silent| silent >= long_silence) {
                true => &nothing[..],
                false => frame,
            };
            self.search.step(frame)?;
            self.steps += 1;
            let best = frame.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            let silence = best.is_none_or(|(class, _)| silent(class));
            self.spoken |= !silence;
            self.quiet = if silence { self.quiet + 1 } else { 0 };
            let long = self.steps as f64 * step >= LONGEST;
            if silence && (self.quiet as f64 * step >= PAUSE || long) {
                if self.spoken {
                    all.extend(self.end());
                    self.acoustic.forget();
                } else if long {
                    self.begin();
                }
            }
        }
        Ok(all)
    }

    /// Ends the utterance.
    fn end(&mut self) -> Option<Heard> {
        let begin = self.before as f64 * self.loaded.step_seconds();
        let found = self.search.end(self.readings);
        let transcript = self.loaded.transcript(&found, begin);
        self.begin();
        (!transcript.text.is_empty()).then_some(Heard::Final(transcript))
    }

    fn begin(&mut self) {
        self.search = self.loaded.decoder.begin();
        self.before += self.steps;
        (self.steps, self.quiet, self.spoken) = (0, 0, false);
        self.shown.clear();
    }

    /// What the utterance looks like now, if that has changed.
    fn partial(&mut self, seconds: f64) -> Option<Heard> {
        if !self.spoken || !self.partials {
            return None;
        }
        let best = self.search.end(1).into_iter().next()?;
        if best.text == self.shown {
            return None;
        }
        self.shown.clone_from(&best.text);
        let stable = self.search.stable().into_iter().map(|span| span.label);
        let stable = self.loaded.labels.join(stable);
        // With a lexicon the best may end before what all prefixes have in common does.
        let stable = match best.text.starts_with(&stable) {
            true => stable,
            false => String::new(),
        };
        Some(Heard::Partial {
            stable,
            text: best.text,
            seconds,
        })
    }
}
