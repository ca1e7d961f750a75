//! A model for streams with everything behind the sound: features, recurrent layers, search, and the end of utterances.

use super::listen::{Heard, LONGEST, MOST, refused};
use super::loaded::Loaded;
use crate::error::Error;
use crate::models::{AcousticState, AcousticStream};
use crate::tasks::ctc::{Search, SearchState};
use refrain_sound::{Gate, GateState, MelState, MelStream, Running, RunningState};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// Pause that ends an utterance, seconds.
const PAUSE: f64 = 0.7;
/// Silence after which further labels are not believed, seconds: a model may answer some time after it heard.
const SILENCE: f64 = 0.4;

/// A sound in a model for streams.
pub(super) struct Stream {
    loaded: Arc<Loaded>,
    mel: MelStream,
    gate: Gate,
    normaliser: Option<Running>,
    acoustic: AcousticStream,
    search: Search,
    /// Whether utterances are given before they are over.
    pub partials: bool,
    count: Counters,
    /// The text of the last partial result.
    shown: String,
}

/// Counters of a stream.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counters {
    /// Frames of silence up to now.
    silence: u32,
    /// The same up to each frame that the model has not answered yet.
    silences: VecDeque<u32>,
    /// Steps before this utterance.
    before: u64,
    /// Steps of this utterance.
    steps: u64,
    /// Steps since the last label.
    quiet: u64,
    /// Whether this utterance has labels.
    spoken: bool,
}

/// The state of a [`Stream`], as plain data.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamState {
    mel: MelState,
    gate: GateState,
    normaliser: Option<RunningState>,
    acoustic: AcousticState,
    search: SearchState,
    partials: bool,
    count: Counters,
    shown: String,
}

impl Counters {
    fn check(&self) -> Result<(), Error> {
        let possible = self.before <= MOST && self.steps <= MOST && self.quiet <= self.steps;
        match possible {
            true => Ok(()),
            false => Err(Error::State(format!(
                "it counts {} steps, {} in the utterance and {} without a label",
                self.before, self.steps, self.quiet
            ))),
        }
    }
}

impl Stream {
    /// The beginning of a sound; `None` for a model that needs whole utterances.
    ///
    /// # Errors
    /// A model that reads stored features.
    pub fn new(loaded: &Arc<Loaded>) -> Result<Option<Self>, Error> {
        let mel = loaded.features.stream()?;
        let Some(acoustic) = &loaded.stream else {
            return Ok(None);
        };
        Ok(Some(Self {
            mel,
            gate: loaded.features.gate(),
            normaliser: loaded.features.running()?,
            acoustic: acoustic.clone(),
            search: loaded.decoder.begin(),
            partials: true,
            count: Counters::default(),
            shown: String::new(),
            loaded: loaded.clone(),
        }))
    }

    /// The state between two pieces.
    pub fn state(&self) -> StreamState {
        StreamState {
            mel: self.mel.state(),
            gate: self.gate.state(),
            normaliser: self.normaliser.as_ref().map(Running::state),
            acoustic: self.acoustic.state().clone(),
            search: self.search.state(),
            partials: self.partials,
            count: self.count.clone(),
            shown: self.shown.clone(),
        }
    }

    /// A stream with this state.
    ///
    /// # Errors
    /// A state that no stream of this model can have.
    pub fn from_state(loaded: &Arc<Loaded>, state: StreamState) -> Result<Self, Error> {
        let foreign = || Error::State("it belongs to a model with other features".into());
        let features = &loaded.features;
        let like = loaded.stream.as_ref().ok_or_else(foreign)?;
        let normaliser = match (features.running()?, state.normaliser) {
            (Some(like), Some(own)) => {
                Some(Running::from_state(like, own).map_err(|e| refused(&e))?)
            }
            (None, None) => None,
            _ => return Err(foreign()),
        };
        state.count.check()?;
        Ok(Self {
            mel: features.resume_stream(state.mel)?,
            gate: Gate::from_state(features.gate(), state.gate).map_err(|e| refused(&e))?,
            normaliser,
            acoustic: AcousticStream::from_state(like, state.acoustic)?,
            search: loaded.decoder.resume(state.search)?,
            partials: state.partials,
            count: state.count,
            shown: state.shown,
            loaded: loaded.clone(),
        })
    }

    /// The normalised frames `[T,C]` that more samples complete.
    pub fn frames(&mut self, samples: &[f32]) -> Result<Vec<f32>, Error> {
        let mut frames = self.mel.push(samples);
        let count = &mut self.count;
        for frame in frames.chunks_exact(self.loaded.features.width()) {
            count.silence = match self.gate.hears(frame) {
                true => 0,
                false => count.silence.saturating_add(1),
            };
            count.silences.push_back(count.silence);
        }
        if let Some(normaliser) = &mut self.normaliser {
            normaliser.push(&mut frames)?;
        }
        Ok(frames)
    }

    /// Hears more frames of each stream, and gives up to so many readings of each finished utterance.
    pub fn hear_many(
        streams: &mut [(&mut Self, Vec<f32>, usize)],
    ) -> Result<Vec<Vec<Heard>>, Error> {
        let frames = streams.iter_mut();
        let mut frames: Vec<(&mut AcousticStream, &[f32])> = frames
            .map(|(own, frames, _)| (&mut own.acoustic, frames.as_slice()))
            .collect();
        AcousticStream::take_frames(&mut frames)?;
        let mut all = vec![Vec::new(); streams.len()];
        loop {
            let own = streams.iter_mut();
            let mut own: Vec<_> = own.map(|(own, _, _)| &mut own.acoustic).collect();
            let answers = AcousticStream::answer_many(&mut own, false)?;
            if answers.iter().all(Vec::is_empty) {
                return Ok(all);
            }
            let answers = answers.into_iter().zip(streams.iter_mut()).zip(&mut all);
            for ((scores, (own, _, readings)), all) in answers {
                all.extend(own.take(&scores, *readings)?);
            }
        }
    }

    /// Ends the sound; the stream is at the beginning of another one then.
    pub fn finish(&mut self, readings: usize) -> Result<Vec<Heard>, Error> {
        let mut all = Vec::new();
        self.acoustic.end_frames()?;
        loop {
            let scores = self.acoustic.answer_last()?;
            if scores.is_empty() {
                break;
            }
            all.extend(self.take(&scores, readings)?);
        }
        all.extend(self.end(readings));
        self.mel.finish();
        self.acoustic.reset();
        self.gate = self.loaded.features.gate();
        self.normaliser = self.loaded.features.running()?;
        self.count = Counters::default();
        Ok(all)
    }

    /// Searches on through more steps `[T',V]`, to the last one or to the end of an utterance behind which the model
    /// reads the other steps anew.
    fn take(&mut self, scores: &[f32], readings: usize) -> Result<Vec<Heard>, Error> {
        let step = self.loaded.step_seconds();
        let loaded = self.loaded.clone();
        let (labels, mut all) = (&loaded.labels, Vec::new());
        let silent = |class: usize| labels.text(class as u32).is_empty();
        // Certain of the blank.
        let mut nothing = vec![f32::NEG_INFINITY; labels.vocabulary()];
        nothing[labels.blank() as usize] = 0.0;
        let frames_a_step = loaded.model.config().frames_a_step();
        let long_silence = (SILENCE / loaded.features.hop_seconds()) as u32;
        let mut frames = scores.chunks_exact(labels.vocabulary());
        while let Some(frame) = frames.next() {
            let own = frames_a_step.min(self.count.silences.len());
            let first = self.count.silences.drain(..own).next();
            let frame = match first.is_some_and(|silent| silent >= long_silence) {
                true => &nothing[..],
                false => frame,
            };
            self.search.step(frame)?;
            let best = frame.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            let silence = best.is_none_or(|(class, _)| silent(class));
            let count = &mut self.count;
            count.steps += 1;
            count.spoken |= !silence;
            count.quiet = if silence { count.quiet + 1 } else { 0 };
            let long = count.steps as f64 * step >= LONGEST;
            let over = silence && (count.quiet as f64 * step >= PAUSE || long);
            if over && count.spoken {
                all.extend(self.end(readings));
                if self.acoustic.restart(frames.len()) {
                    break;
                }
            } else if over && long {
                self.begin();
            }
        }
        Ok(all)
    }

    /// Ends the utterance.
    fn end(&mut self, readings: usize) -> Option<Heard> {
        let begin = self.count.before as f64 * self.loaded.step_seconds();
        let found = self.search.end(readings);
        let transcript = self.loaded.transcript(&found, begin);
        self.begin();
        (!transcript.text.is_empty()).then_some(Heard::Final(transcript))
    }

    /// Begins the next utterance.
    fn begin(&mut self) {
        self.search = self.loaded.decoder.begin();
        self.count.before += self.count.steps;
        (self.count.steps, self.count.quiet, self.count.spoken) = (0, 0, false);
        self.shown.clear();
    }

    /// The utterance as it looks now, if that has changed.
    pub fn partial(&mut self, seconds: f64) -> Option<Heard> {
        if !self.count.spoken || !self.partials {
            return None;
        }
        let best = self.search.end(1).into_iter().next()?;
        if best.text == self.shown {
            return None;
        }
        self.shown.clone_from(&best.text);
        let stable = self.search.stable().into_iter().map(|span| span.label);
        let stable = self.loaded.labels.join(stable);
        // With a lexicon the best may end before the text that all prefixes share.
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
