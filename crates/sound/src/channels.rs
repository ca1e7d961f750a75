//! From several channels to one.

use crate::warning::{Warning, Warnings};

/// Windows per second; the way of mixing is chosen for each window.
const WINDOWS_PER_SECOND: u32 = 4;
/// Most numbers of one window, over all channels; bounds the memory for absurd rates and channel counts.
const MOST_NUMBERS: usize = 1 << 17;
/// The mean of the channels cancels if its power is below this share of the mean power of the channels.
const CANCELLED: f64 = 0.05;
/// Mean square below which a window is too quiet to judge: 80 dB below full scale.
const QUIET: f64 = 1e-8;
/// Samples beyond ± this are reported. Lossy formats overshoot ±1 a little, and that is no fault.
const LOUD: f32 = 2.0;

/// Mixes channels to one by their mean, in windows of a quarter of a second.
///
/// Where the mean cancels (channels out of phase), the strongest channel of the window is taken instead. A quiet window
/// is mixed as the one before it. Windows count from the last change of the number of channels, so that the output does
/// not depend on how the input is cut. NaN and ±∞ become 0; the output is clamped to ±1.
pub(crate) struct Mixer {
    rate: u32,
    channels: usize,
    /// Numbers of a whole window, `[frames, channels]`.
    window: usize,
    waiting: Vec<f32>,
    /// The channel that is used instead of the mean, while channels are out of phase.
    chosen: Option<usize>,
    /// Frames at this rate that came before `waiting`, and seconds before those.
    frames: u64,
    before: f64,
    /// Where channels first cancelled each other, seconds.
    cancelled: Option<f64>,
    not_numbers: Count,
    too_loud: Count,
}

/// A number of samples, and where the first is, seconds.
#[derive(Default)]
struct Count {
    samples: u64,
    first: f64,
}

impl Count {
    fn add(&mut self, at: f64) {
        if self.samples == 0 {
            self.first = at;
        }
        self.samples += 1;
    }
}

impl Mixer {
    pub fn new(rate: u32) -> Self {
        Self {
            rate,
            channels: 1,
            window: 0,
            waiting: Vec::new(),
            chosen: None,
            frames: 0,
            before: 0.0,
            cancelled: None,
            not_numbers: Count::default(),
            too_loud: Count::default(),
        }
    }

    /// Takes frames `[frames, channels]`; gives the mono samples of all whole windows.
    pub fn push(&mut self, interleaved: &mut [f32], channels: usize) -> Vec<f32> {
        let channels = channels.max(1);
        let mut out = Vec::new();
        if channels != self.channels {
            out = self.flush();
            self.channels = channels;
            self.chosen = None;
        }
        let frames = (self.rate / WINDOWS_PER_SECOND) as usize;
        self.window = frames.clamp(1, (MOST_NUMBERS / channels).max(1)) * channels;
        self.check(interleaved);
        if channels == 1 {
            self.frames += interleaved.len() as u64;
            out.extend(interleaved.iter().map(|x| x.clamp(-1.0, 1.0)));
            return out;
        }
        self.waiting.extend_from_slice(interleaved);
        let whole = self.waiting.len() / self.window * self.window;
        self.mix(whole, &mut out);
        out
    }

    /// Gives the samples that wait for a whole window.
    pub fn flush(&mut self) -> Vec<f32> {
        let mut out = Vec::new();
        self.mix(self.waiting.len(), &mut out);
        out
    }

    /// Changes the rate of the input; gives the samples that wait.
    pub fn change_rate(&mut self, rate: u32) -> Vec<f32> {
        let out = self.flush();
        self.before = self.seconds();
        self.frames = 0;
        self.rate = rate;
        out
    }

    /// Seconds of sound that came.
    pub fn seconds(&self) -> f64 {
        self.time(self.waiting.len())
    }

    /// Adds a warning for each kind of loss and change.
    pub fn warn(&self, warnings: &mut Warnings) {
        if let Some(at) = self.cancelled {
            warnings.add(Warning::OutOfPhase { at });
        }
        let Count { samples, first: at } = self.not_numbers;
        if samples > 0 {
            warnings.add(Warning::NotNumbers { at, samples });
        }
        let Count { samples, first: at } = self.too_loud;
        if samples > 0 {
            warnings.add(Warning::TooLoud { at, samples });
        }
    }

    /// The place of a number that waits, seconds.
    fn time(&self, number: usize) -> f64 {
        let frame = self.frames + (number / self.channels) as u64;
        self.before + frame as f64 / f64::from(self.rate)
    }

    /// Sets NaN and ±∞ to 0, and counts them and loud samples.
    fn check(&mut self, interleaved: &mut [f32]) {
        for (i, x) in interleaved.iter_mut().enumerate() {
            let at = self.time(self.waiting.len() + i);
            if !x.is_finite() {
                self.not_numbers.add(at);
                *x = 0.0;
            } else if x.abs() > LOUD {
                self.too_loud.add(at);
            }
        }
    }

    fn mix(&mut self, numbers: usize, out: &mut Vec<f32>) {
        let waiting = std::mem::take(&mut self.waiting);
        let (now, later) = waiting.split_at(numbers);
        for window in now.chunks(self.window.max(1)) {
            self.choose(window);
            let frames = window.chunks_exact(self.channels);
            match self.chosen {
                Some(channel) => out.extend(frames.map(|frame| frame[channel].clamp(-1.0, 1.0))),
                None => out.extend(frames.map(|frame| mean(frame).clamp(-1.0, 1.0))),
            }
            self.frames += (window.len() / self.channels) as u64;
        }
        self.waiting = later.to_vec();
    }

    /// Decides how a window is mixed.
    fn choose(&mut self, window: &[f32]) {
        let frames = (window.len() / self.channels).max(1) as f64;
        let power = |channel: usize| -> f64 {
            let own = window.iter().skip(channel).step_by(self.channels);
            own.map(|&x| f64::from(x).powi(2)).sum::<f64>() / frames
        };
        let powers: Vec<f64> = (0..self.channels).map(power).collect();
        let all = powers.iter().sum::<f64>() / powers.len() as f64;
        if all <= QUIET {
            return;
        }
        let mixed = window.chunks_exact(self.channels).map(mean);
        let mixed = mixed.map(|x| f64::from(x).powi(2)).sum::<f64>() / frames;
        if mixed >= CANCELLED * all {
            self.chosen = None;
            return;
        }
        // The channel in use stays unless another is clearly stronger: a change of channel is a change of sign.
        let strongest = |a: &usize, b: &usize| powers[*a].total_cmp(&powers[*b]);
        let best = (0..self.channels).rev().max_by(strongest).unwrap_or(0);
        match self.chosen {
            Some(own) if powers[own] * 2.0 >= powers[best] => {}
            _ => self.chosen = Some(best),
        }
        let at = self.time(0);
        self.cancelled.get_or_insert(at);
    }
}

fn mean(frame: &[f32]) -> f32 {
    frame.iter().sum::<f32>() / frame.len() as f32
}
