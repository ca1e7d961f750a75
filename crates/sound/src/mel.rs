//! Logarithms of mel-filtered power spectra, for a whole sound or piece by piece.
//!
//! Exactly `torchaudio.transforms.MelSpectrogram(sample_rate, n_fft, win_length, hop_length, f_min, f_max,
//! n_mels=n_mels, window_fn=torch.hann_window, power=2.0, center=False, norm=None, mel_scale="htk")`, transposed to
//! `[T, mels]`, and then ln(max(x, floor)):
//!
//! - Frame `t` begins at sample `t`·hop and is `fft` samples long, so `n` samples have 1 + (`n` − fft) / hop frames,
//!   rounded down, and none if `n` < fft. The window (periodic Hann) stands in the middle of it, zeros on both sides.
//! - The power |X|² of each of fft/2 + 1 frequencies is weighted by triangles that are equally wide in mel =
//!   2595·log₁₀(1 + f/700), of height 1.

use crate::error::{SoundError, check_samples};
use crate::usable;
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;
use std::sync::Arc;

/// Largest transform, in samples.
const LARGEST_FFT: usize = 1 << 18;
/// Most filters.
const MOST_MELS: usize = 4096;

/// Which features to compute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MelConfig {
    /// Samples per second.
    pub rate: u32,
    /// Length of the window, in milliseconds.
    pub window_ms: f64,
    /// From one frame to the next, in milliseconds.
    pub hop_ms: f64,
    /// Samples of the Fourier transform; the next power of two of the window if absent.
    pub fft: Option<usize>,
    /// `F`, the number of filters.
    pub mels: usize,
    /// Where the lowest filter begins, in Hz.
    pub low_hz: f64,
    /// Where the highest filter ends, in Hz; half the rate if absent.
    pub high_hz: Option<f64>,
    /// Least value before the logarithm; samples are in ±1.
    pub floor: f32,
}

impl Default for MelConfig {
    /// 16 kHz, 25 ms every 10 ms, 80 filters from 20 Hz to 8 kHz.
    fn default() -> Self {
        Self {
            rate: 16_000,
            window_ms: 25.0,
            hop_ms: 10.0,
            fft: None,
            mels: 80,
            low_hz: 20.0,
            high_hz: None,
            floor: 1e-10,
        }
    }
}

impl MelConfig {
    /// Samples of the window.
    pub fn window_samples(&self) -> usize {
        samples(self.rate, self.window_ms)
    }

    /// Samples from one frame to the next.
    pub fn hop_samples(&self) -> usize {
        samples(self.rate, self.hop_ms)
    }

    /// Samples of the Fourier transform, which is also the length of a frame.
    pub fn fft_samples(&self) -> usize {
        // Bounded, because the next power of two of an absurd window does not exist.
        let window = self.window_samples().min(LARGEST_FFT + 1);
        self.fft.unwrap_or_else(|| window.next_power_of_two())
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// The first setting out of range, and a usual value for it.
    pub fn check(&self) -> Result<(), SoundError> {
        let refuse = |reason: String| Err(SoundError::config("mel", reason));
        let (window, hop, fft) = (
            self.window_samples(),
            self.hop_samples(),
            self.fft_samples(),
        );
        let (low, high) = (self.low_hz, self.high());
        let half = f64::from(self.rate) / 2.0;
        if self.rate == 0 {
            return refuse("a rate of 0 Hz; 16000 is usual for speech".into());
        }
        if window < 2 || hop == 0 || hop > LARGEST_FFT {
            return refuse(format!(
                "a window of {} ms every {} ms; 25 every 10 is usual",
                self.window_ms, self.hop_ms
            ));
        }
        if fft < window || fft > LARGEST_FFT {
            return refuse(format!(
                "a transform of {fft} samples; it must hold the window of {window} and at most {LARGEST_FFT}"
            ));
        }
        if !(1..=MOST_MELS).contains(&self.mels) {
            return refuse(format!(
                "{} filters; 1 to {MOST_MELS} are allowed",
                self.mels
            ));
        }
        if !(low >= 0.0 && low < high && high <= half) {
            return refuse(format!(
                "filters from {low} to {high} Hz; they must lie in 0 to {half} Hz, half the rate"
            ));
        }
        if !(self.floor > 0.0 && self.floor.is_finite()) {
            return refuse(format!("a floor of {}; it must be above 0", self.floor));
        }
        match self
            .filters()
            .iter()
            .position(|filter| filter.weights.is_empty())
        {
            Some(empty) => refuse(format!(
                "filter {empty} of {} lies between two frequencies of the transform; use fewer filters or a larger fft",
                self.mels
            )),
            None => Ok(()),
        }
    }

    /// Where the highest filter ends, in Hz.
    pub fn high(&self) -> f64 {
        self.high_hz.unwrap_or(f64::from(self.rate) / 2.0)
    }

    fn filters(&self) -> Vec<Filter> {
        let bins = self.fft_samples() / 2 + 1;
        // As in torchaudio, the last frequency is half the rate without its fraction.
        let bin_hz = f64::from(self.rate / 2) / (bins - 1) as f64;
        let (low, high) = (mel(self.low_hz), mel(self.high()));
        let step = (high - low) / (self.mels + 1) as f64;
        let corner = |index: usize| hertz(low + step * index as f64);
        (0..self.mels)
            .map(|index| {
                Filter::triangle(
                    [corner(index), corner(index + 1), corner(index + 2)],
                    bins,
                    bin_hz,
                )
            })
            .collect()
    }
}

fn samples(rate: u32, milliseconds: f64) -> usize {
    // The cast of a negative number or NaN gives 0.
    (f64::from(rate) * milliseconds / 1000.0).round() as usize
}

/// The mel scale of HTK.
pub(crate) fn mel(hertz: f64) -> f64 {
    2595.0 * (1.0 + hertz / 700.0).log10()
}

/// The inverse of [`mel`].
pub(crate) fn hertz(mel: f64) -> f64 {
    700.0 * (10f64.powf(mel / 2595.0) - 1.0)
}

/// A triangle: its first frequency and its weights from there on.
#[derive(Clone, Debug)]
struct Filter {
    first: usize,
    weights: Vec<f32>,
}

impl Filter {
    fn triangle([left, top, right]: [f64; 3], bins: usize, bin_hz: f64) -> Self {
        let weight = |bin: usize| {
            let f = bin as f64 * bin_hz;
            ((f - left) / (top - left)).min((right - f) / (right - top))
        };
        // The first frequency beyond the left corner, and the first at or beyond the right one.
        let first = ((left / bin_hz) as usize).min(bins);
        let first = (first..bins).find(|&bin| weight(bin) > 0.0).unwrap_or(bins);
        let weights = (first..bins)
            .map(weight)
            .take_while(|&weight| weight > 0.0)
            .map(|weight| weight as f32)
            .collect();
        Self { first, weights }
    }
}

/// Computes features.
#[derive(Clone)]
pub struct LogMel {
    config: MelConfig,
    hop: usize,
    /// `[fft]`
    window: Vec<f32>,
    filters: Vec<Filter>,
    fft: Arc<dyn RealToComplex<f32>>,
}

/// Buffers for one frame.
#[derive(Clone)]
struct Scratch {
    input: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    work: Vec<Complex<f32>>,
}

impl LogMel {
    /// # Errors
    /// As [`MelConfig::check`].
    pub fn new(config: &MelConfig) -> Result<Self, SoundError> {
        config.check()?;
        let (length, fft) = (config.window_samples(), config.fft_samples());
        let mut window = vec![0.0; fft];
        let before = (fft - length) / 2;
        for (i, value) in window[before..before + length].iter_mut().enumerate() {
            *value = (0.5 - 0.5 * (TAU * i as f64 / length as f64).cos()) as f32;
        }
        Ok(Self {
            hop: config.hop_samples(),
            window,
            filters: config.filters(),
            fft: RealFftPlanner::new().plan_fft_forward(fft),
            config: config.clone(),
        })
    }

    /// The settings.
    pub fn config(&self) -> &MelConfig {
        &self.config
    }

    /// `F`
    pub fn features(&self) -> usize {
        self.filters.len()
    }

    /// The features `[T, mels]` of a whole sound. NaN and ±∞ count as 0.
    pub fn frames(&self, samples: &[f32]) -> Vec<f32> {
        self.stream().push(samples)
    }

    /// The same features, piece by piece.
    pub fn stream(&self) -> MelStream {
        MelStream {
            scratch: Scratch {
                input: self.fft.make_input_vec(),
                spectrum: self.fft.make_output_vec(),
                work: self.fft.make_scratch_vec(),
            },
            mel: self.clone(),
            waiting: Vec::new(),
            skip: 0,
        }
    }

    fn frame(&self, samples: &[f32], scratch: &mut Scratch, out: &mut Vec<f32>) {
        let Scratch {
            input,
            spectrum,
            work,
        } = scratch;
        for ((input, &sample), &weight) in input.iter_mut().zip(samples).zip(&self.window) {
            *input = sample * weight;
        }
        // All lengths are the plan's own, so it cannot refuse.
        let _ = self.fft.process_with_scratch(input, spectrum, work);
        for filter in &self.filters {
            let covered = &spectrum[filter.first..];
            let power: f32 = filter
                .weights
                .iter()
                .zip(covered)
                .map(|(weight, x)| weight * x.norm_sqr())
                .sum();
            out.push(power.max(self.config.floor).ln());
        }
    }
}

/// The state of a [`MelStream`], as plain data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MelState {
    /// Samples from the beginning of the next frame on.
    pub waiting: Vec<f32>,
    /// Samples that are still to come before the next frame begins, where frames have gaps between them.
    pub skip: u64,
}

/// Computes the features of a sound that comes piece by piece. They have the bits of the features of the whole sound,
/// for any pieces.
#[derive(Clone)]
pub struct MelStream {
    mel: LogMel,
    scratch: Scratch,
    /// Samples from the beginning of the next frame on.
    waiting: Vec<f32>,
    /// Samples that are still to come before the next frame begins, where frames have gaps between them.
    skip: usize,
}

impl MelStream {
    /// The state between two pieces.
    pub fn state(&self) -> MelState {
        MelState {
            waiting: self.waiting.clone(),
            skip: self.skip as u64,
        }
    }

    /// A stream that goes on from a state, to the same bits.
    ///
    /// # Errors
    /// A state of other features or an invalid one.
    pub fn from_state(mel: &LogMel, state: MelState) -> Result<Self, SoundError> {
        let (fft, hop, waiting) = (mel.window.len(), mel.hop, state.waiting.len());
        check_samples("mel", &state.waiting)?;
        let longest = if waiting == 0 {
            hop.saturating_sub(fft)
        } else {
            0
        };
        let skip = usize::try_from(state.skip)
            .ok()
            .filter(|&skip| skip <= longest);
        let (Some(skip), true) = (skip, waiting < fft) else {
            return Err(SoundError::state(
                "mel",
                format!(
                    "{waiting} samples waiting and {} to skip do not fit frames of {fft} every {hop}",
                    state.skip
                ),
            ));
        };
        let mut own = mel.stream();
        (own.waiting, own.skip) = (state.waiting, skip);
        Ok(own)
    }

    /// Takes samples; gives the frames `[T, mels]` that they complete.
    pub fn push(&mut self, samples: &[f32]) -> Vec<f32> {
        let skipped = self.skip.min(samples.len());
        self.skip -= skipped;
        self.waiting
            .extend(samples[skipped..].iter().map(|&x| usable(x)));
        let (fft, hop) = (self.mel.window.len(), self.mel.hop);
        let mut out = Vec::new();
        let mut start = 0;
        while let Some(frame) = self.waiting.get(start..start + fft) {
            self.mel.frame(frame, &mut self.scratch, &mut out);
            start += hop;
        }
        let used = start.min(self.waiting.len());
        self.skip += start - used;
        self.waiting.drain(..used);
        out
    }

    /// Ends the sound; gives the number of samples that were too few for another frame. The stream is then as new.
    pub fn finish(&mut self) -> usize {
        let left = self.waiting.len();
        self.waiting.clear();
        self.skip = 0;
        left
    }
}
