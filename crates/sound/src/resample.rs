//! Another sample rate, for a whole sound or piece by piece.
//!
//! The work is rubato's: a synchronous resampler that cuts or widens the spectrum of blocks (overlap and add, Blackman-Harris window). Here it
//! gets blocks of one fixed size whatever the pieces are, and its delay is taken off.

use crate::error::SoundError;
use crate::usable;
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _};

/// Lowest rate that is resampled, in Hz.
pub const LOWEST_RATE: u32 = 1_000;
/// Highest rate that is resampled, in Hz.
pub const HIGHEST_RATE: u32 = 384_000;
/// Least samples of a block on either side: 32 ms at 16 kHz, and all below 0.97 of the lower half rate is kept.
const BLOCK: usize = 512;

/// Resamples a stream.
///
/// The output does not depend on the pieces that are pushed, is aligned in time with the input, and has round(`n`·`to`/`from`) samples for `n`
/// samples pushed. Samples come up to two blocks late: 64 ms for usual rates, but longer where the two rates share no large divisor. What
/// is not a number counts as silence, and what is beyond ±10⁹ is clipped: a transform of such samples would fail.
pub struct Resampler {
    from: u32,
    to: u32,
    /// `None` where the rates are equal.
    inner: Option<Inner>,
    /// Samples pushed and given so far.
    pushed: u64,
    given: u64,
}

struct Inner {
    fft: Fft<f32>,
    /// Samples that wait for a whole block.
    waiting: Vec<f32>,
    output: Vec<f32>,
    /// Samples to be dropped: what is left of the delay.
    late: usize,
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
            given: 0,
        })
    }

    /// Takes samples, gives those that are ready.
    ///
    /// # Errors
    /// None that is known; the resampler's own, should it have any.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<f32>, SoundError> {
        self.pushed += samples.len() as u64;
        let samples = samples.iter().map(|&sample| usable(sample));
        let output = match &mut self.inner {
            None => samples.collect(),
            Some(inner) => {
                inner.waiting.extend(samples);
                inner.run().map_err(|reason| self.refused(reason))?
            }
        };
        self.given += output.len() as u64;
        Ok(output)
    }

    /// Gives what is left; the resampler is then as new.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn finish(&mut self) -> Result<Vec<f32>, SoundError> {
        let (from, to) = (u64::from(self.from), u64::from(self.to));
        let wanted = (self.pushed * to + from / 2) / from;
        let left = wanted.saturating_sub(self.given) as usize;
        let mut output = Vec::new();
        if let Some(inner) = &mut self.inner {
            while output.len() < left {
                let block = inner.fft.input_frames_next();
                inner.waiting.resize(block, 0.0);
                match inner.run() {
                    Ok(more) => output.extend(more),
                    Err(reason) => return Err(self.refused(reason)),
                }
            }
            output.truncate(left);
            inner.reset();
        }
        (self.pushed, self.given) = (0, 0);
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
            late: fft.output_delay(),
            output: vec![0.0; fft.output_frames_max()],
            waiting: Vec::new(),
            fft,
        })
    }

    /// Resamples all whole blocks.
    fn run(&mut self) -> Result<Vec<f32>, String> {
        let block = self.fft.input_frames_next();
        let mut given = Vec::new();
        let mut blocks = self.waiting.chunks_exact(block);
        for input in blocks.by_ref() {
            let frames = self.output.len();
            let input = InterleavedSlice::new(input, 1, block).map_err(|e| e.to_string())?;
            let mut output = InterleavedSlice::new_mut(&mut self.output, 1, frames)
                .map_err(|e| e.to_string())?;
            let (_, count) = self
                .fft
                .process_into_buffer(&input, &mut output, None)
                .map_err(|e| e.to_string())?;
            let dropped = self.late.min(count);
            self.late -= dropped;
            given.extend_from_slice(&self.output[dropped..count]);
        }
        let rest = blocks.remainder().len();
        self.waiting.drain(..self.waiting.len() - rest);
        Ok(given)
    }

    fn reset(&mut self) {
        self.fft.reset();
        self.waiting.clear();
        self.late = self.fft.output_delay();
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
