//! Long sounds in pieces that a model can take, cut where it is quiet.

use crate::error::{SoundError, check_count, check_samples};
use crate::usable;
use serde::{Deserialize, Serialize};

/// Window in which loudness is measured, seconds.
const WINDOW: f64 = 0.2;
/// From one window to the next.
const STEP: f64 = 0.05;

/// A piece of a sound.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Number of its first sample.
    pub begin: u64,
    /// Its samples.
    pub samples: Vec<f32>,
}

/// The state of a [`Segmenter`], as plain data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmenterState {
    /// Number of the first sample that waits.
    pub begin: u64,
    /// Samples that wait for the end of their segment.
    pub samples: Vec<f32>,
}

/// Cuts a sound that comes piece by piece into segments of at most a set length.
///
/// Each cut is in the middle of the quietest fifth of a second in the last two thirds of a segment. Memory is at most
/// one segment. NaN and ±∞ become 0.
#[derive(Clone, Debug)]
pub struct Segmenter {
    longest: usize,
    window: usize,
    step: usize,
    begin: u64,
    samples: Vec<f32>,
}

impl Segmenter {
    /// For samples at `rate` Hz, segments of at most `seconds`.
    ///
    /// # Errors
    /// A rate of 0, or segments shorter than a second or longer than an hour.
    pub fn new(rate: u32, seconds: f64) -> Result<Self, SoundError> {
        if rate == 0 || !(1.0..=3600.0).contains(&seconds) {
            return Err(SoundError::config(
                "segments",
                format!(
                    "segments of {seconds} s at {rate} Hz; 1 to 3600 s at 1 Hz or more are allowed"
                ),
            ));
        }
        let samples = |seconds: f64| ((seconds * f64::from(rate)) as usize).max(1);
        Ok(Self {
            longest: samples(seconds),
            window: samples(WINDOW),
            step: samples(STEP),
            begin: 0,
            samples: Vec::new(),
        })
    }

    /// The state between two pieces.
    pub fn state(&self) -> SegmenterState {
        SegmenterState {
            begin: self.begin,
            samples: self.samples.clone(),
        }
    }

    /// A stream that goes on from a state, to the same segments.
    ///
    /// # Errors
    /// As [`new`](Self::new), and a state of other settings or an invalid one.
    pub fn from_state(rate: u32, seconds: f64, state: SegmenterState) -> Result<Self, SoundError> {
        let mut own = Self::new(rate, seconds)?;
        check_count("segments", state.begin)?;
        check_samples("segments", &state.samples)?;
        if state.samples.len() > own.longest {
            return Err(SoundError::state(
                "segments",
                format!(
                    "{} samples wait, but a segment ends at {}",
                    state.samples.len(),
                    own.longest
                ),
            ));
        }
        (own.begin, own.samples) = (state.begin, state.samples);
        Ok(own)
    }

    /// Takes samples; gives the segments that they complete.
    pub fn push(&mut self, samples: &[f32]) -> Vec<Segment> {
        self.samples.extend(samples.iter().map(|&x| usable(x)));
        let mut segments = Vec::new();
        while self.samples.len() > self.longest {
            let rest = self.samples.split_off(self.quietest());
            let samples = std::mem::replace(&mut self.samples, rest);
            let begin = self.begin;
            self.begin += samples.len() as u64;
            segments.push(Segment { begin, samples });
        }
        segments
    }

    /// Gives the rest of the sound, if there is any; the segmenter is then as new.
    pub fn finish(&mut self) -> Option<Segment> {
        let (begin, samples) = (self.begin, std::mem::take(&mut self.samples));
        self.begin = 0;
        (!samples.is_empty()).then_some(Segment { begin, samples })
    }

    /// The number of the sample before which to cut.
    fn quietest(&self) -> usize {
        let energy = |first: usize| -> f64 {
            let own = &self.samples[first..first + self.window];
            own.iter().map(|&x| f64::from(x).powi(2)).sum()
        };
        let (first, last) = (self.longest / 3, self.longest.saturating_sub(self.window));
        let windows = (first..=last.max(first)).step_by(self.step);
        let best = windows.min_by(|&a, &b| energy(a).total_cmp(&energy(b)));
        // Never none, however short a window is.
        (best.unwrap_or(first) + self.window / 2).max(1)
    }
}
