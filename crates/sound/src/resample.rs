//! Another sample rate, for a whole sound or piece by piece.
//!
//! Uses rubato's synchronous resampler: it cuts or widens the spectrum of blocks (overlap and add, Blackman-Harris
//! window). Here it gets blocks of one fixed size for any pieces, and its delay is dropped.
//!
//! Rubato's inner state cannot be read. It is the second half of the last block's output, and nothing else; so the last
//! block of input is kept, and a stored stream is restored by resampling that block again.

use crate::error::{SoundError, check_count, check_samples};
use crate::usable;
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _};
use serde::{Deserialize, Serialize};

/// Lowest rate that is resampled, in Hz.
pub const LOWEST_RATE: u32 = 1_000;
/// Highest rate that is resampled, in Hz.
pub const HIGHEST_RATE: u32 = 384_000;
/// Least samples of a block on either side: 32 ms at 16 kHz, and all below 0.97 of the lower half rate is kept.
const BLOCK: usize = 512;

/// Resamples a stream.
///
/// The output does not depend on the pieces that are pushed, is aligned in time with the input, and has
/// round(`n`·`to`/`from`) samples for `n` samples pushed. Samples come up to two blocks late: 64 ms for usual rates,
/// but longer where the two rates share no large divisor. NaN and ±∞ become 0, and samples are clamped to ±10⁹: a
/// transform of such samples would fail.
pub struct Resampler {
    from: u32,
    to: u32,
    /// `None` where the rates are equal.
    inner: Option<Inner>,
    /// Samples pushed so far.
    pushed: u64,
}

/// The state of a [`Resampler`], as plain data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResamplerState {
    /// Samples pushed so far.
    pub pushed: u64,
    /// The last whole block of input; empty before there is one, and where the rates are equal.
    pub last: Vec<f32>,
    /// Samples that wait for a whole block.
    pub waiting: Vec<f32>,
}

struct Inner {
    fft: Fft<f32>,
    /// The last whole block, or nothing before there is one.
    last: Vec<f32>,
    /// Samples that wait for a whole block.
    waiting: Vec<f32>,
    output: Vec<f32>,
}

impl Resampler {
    /// From a rate to another, in Hz.
    ///
    /// # Errors
    /// A rate outside [`LOWEST_RATE`] to [`HIGHEST_RATE`].
    pub fn new(from: u32, to: u32) -> Result<Self, SoundError> {
        let usual = LOWEST_RATE..=HIGHEST_RATE;
        if !usual.contains(&from) || !usual.contains(&to) {
            return Err(SoundError::Rate { from, to });
        }
        let inner = (from != to).then(|| Inner::new(from, to)).transpose()?;
        Ok(Self {
            from,
            to,
            inner,
            pushed: 0,
        })
    }

    /// The state between two pieces.
    pub fn state(&self) -> ResamplerState {
        let inner = self.inner.as_ref();
        let copy = |of: fn(&Inner) -> &Vec<f32>| inner.map(of).cloned().unwrap_or_default();
        ResamplerState {
            pushed: self.pushed,
            last: copy(|inner| &inner.last),
            waiting: copy(|inner| &inner.waiting),
        }
    }

    /// A stream that goes on from a state, to the same bits.
    ///
    /// # Errors
    /// As [`new`](Self::new), and a state of other rates or an invalid one.
    pub fn from_state(from: u32, to: u32, state: ResamplerState) -> Result<Self, SoundError> {
        let mut own = Self::new(from, to)?;
        let block = own.inner.as_ref().map_or(0, Inner::block);
        let refuse = |reason: String| Err(SoundError::state("resample", reason));
        let (last, waiting) = (state.last.len(), state.waiting.len());
        check_count("resample", state.pushed)?;
        check_samples("resample", &state.last)?;
        check_samples("resample", &state.waiting)?;
        let blocks = state.pushed.checked_sub(waiting as u64);
        let blocks = blocks.filter(|own| block == 0 || own.is_multiple_of(block as u64));
        let expected = if blocks.is_none_or(|own| own == 0) {
            0
        } else {
            block
        };
        if blocks.is_none() || last != expected || waiting >= block.max(1) {
            return refuse(format!(
                "{} samples pushed, {last} of the last block and {waiting} waiting do not fit blocks of {block}",
                state.pushed
            ));
        }
        own.pushed = state.pushed;
        if let Some(inner) = &mut own.inner {
            if let Err(reason) = inner.restore(state.last) {
                return Err(own.refused(reason));
            }
            inner.waiting = state.waiting;
        }
        Ok(own)
    }

    /// Takes samples; gives the output that is ready.
    ///
    /// # Errors
    /// Errors of rubato; none is known.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<f32>, SoundError> {
        self.pushed += samples.len() as u64;
        let samples = samples.iter().map(|&sample| usable(sample));
        match &mut self.inner {
            None => Ok(samples.collect()),
            Some(inner) => {
                inner.waiting.extend(samples);
                inner.run().map_err(|reason| self.refused(reason))
            }
        }
    }

    /// Gives the rest of the output; the resampler is then as new.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(&mut self) -> Result<Vec<f32>, SoundError> {
        let mut output = Vec::new();
        if let Some(inner) = &mut self.inner {
            let (from, to) = (u128::from(self.from), u128::from(self.to));
            let wanted = (u128::from(self.pushed) * to + from / 2) / from;
            let given = inner.given(self.pushed - inner.waiting.len() as u64);
            let left = wanted.saturating_sub(given.into()) as usize;
            while output.len() < left {
                inner.waiting.resize(inner.block(), 0.0);
                match inner.run() {
                    Ok(more) => output.extend(more),
                    Err(reason) => return Err(self.refused(reason)),
                }
            }
            output.truncate(left);
            inner.reset();
        }
        self.pushed = 0;
        Ok(output)
    }

    fn refused(&self, reason: String) -> SoundError {
        SoundError::Resample {
            from: self.from,
            to: self.to,
            reason,
        }
    }
}

impl Inner {
    fn new(from: u32, to: u32) -> Result<Self, SoundError> {
        let divisor = gcd(from, to);
        let (unit_in, unit_out) = ((from / divisor) as usize, (to / divisor) as usize);
        // An even number of units, so that half a block, the delay, is a whole number of samples on both sides.
        let units = BLOCK.div_ceil(unit_in.min(unit_out)).next_multiple_of(2);
        let block = units * unit_in;
        let fft = Fft::new_custom(
            from as usize,
            to as usize,
            block,
            1,
            1,
            rubato::WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )
        .map_err(|error| SoundError::Resample {
            from,
            to,
            reason: error.to_string(),
        })?;
        Ok(Self {
            output: vec![0.0; fft.output_frames_max()],
            last: Vec::new(),
            waiting: Vec::new(),
            fft,
        })
    }

    /// Samples of a block of input.
    fn block(&self) -> usize {
        self.fft.input_frames_next()
    }

    /// Samples given for so many samples of whole blocks, without the dropped delay.
    fn given(&self, resampled: u64) -> u64 {
        let blocks = resampled / self.block() as u64;
        let output = blocks * self.fft.output_frames_next() as u64;
        output.saturating_sub(self.fft.output_delay() as u64)
    }

    /// Resamples all whole blocks.
    fn run(&mut self) -> Result<Vec<f32>, String> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut given = Vec::new();
        let mut blocks = waiting.chunks_exact(self.block());
        for input in blocks.by_ref() {
            let late = if self.last.is_empty() {
                self.fft.output_delay()
            } else {
                0
            };
            self.resample(input)?;
            given.extend_from_slice(&self.output[late..]);
        }
        self.waiting = blocks.remainder().to_vec();
        Ok(given)
    }

    /// Resamples one block into `output`.
    fn resample(&mut self, input: &[f32]) -> Result<(), String> {
        let frames = self.output.len();
        let adapter = InterleavedSlice::new(input, 1, input.len()).map_err(|e| e.to_string())?;
        let mut output =
            InterleavedSlice::new_mut(&mut self.output, 1, frames).map_err(|e| e.to_string())?;
        self.fft
            .process_into_buffer(&adapter, &mut output, None)
            .map_err(|e| e.to_string())?;
        self.last.clear();
        self.last.extend_from_slice(input);
        Ok(())
    }

    /// Sets the state behind a block; there may be no block yet.
    fn restore(&mut self, last: Vec<f32>) -> Result<(), String> {
        match last.is_empty() {
            true => Ok(()),
            false => self.resample(&last),
        }
    }

    fn reset(&mut self) {
        self.fft.reset();
        self.last.clear();
        self.waiting.clear();
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    match b {
        0 => a,
        _ => gcd(b, a % b),
    }
}

/// Resamples a whole sound: round(`n`·`to`/`from`) samples, aligned in time.
///
/// # Errors
/// A rate outside [`LOWEST_RATE`] to [`HIGHEST_RATE`].
pub fn resample(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>, SoundError> {
    let mut resampler = Resampler::new(from, to)?;
    let mut output = resampler.push(samples)?;
    output.extend(resampler.finish()?);
    Ok(output)
}
