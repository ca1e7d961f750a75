//! From sound files and live samples to features, and variation of both for training.
//!
//! Samples are mono `f32` in ±1. Features are rows of frames, `[T,F]`: `T` frames in time, `F` numbers each.
//!
//! Files, resampler and features work in pieces of any size with constant memory. Their output has the same bits for
//! any pieces. The state of a stream between two pieces is plain data: it can be stored, read back in another process,
//! and goes on to the same bits. [`Warning`] lists sound that was lost or changed while a file was read.
//!
//! ```
//! use refrain_sound::{LogMel, MelConfig, resample};
//!
//! let config = MelConfig::default();
//! let second: Vec<f32> = (0..44_100).map(|i| (i as f32 * 0.06).sin()).collect();
//! let samples = resample(&second, 44_100, config.rate)?;
//! let frames = LogMel::new(&config)?.frames(&samples);
//! assert_eq!(frames.len() / config.mels, 97);
//! # Ok::<(), refrain_sound::SoundError>(())
//! ```

mod augment;
mod channels;
mod codec;
mod error;
mod formats;
mod mel;
mod noise;
mod normal;
mod pcm;
mod reader;
mod resample;
mod room;
mod segments;
mod warning;
mod warp;
mod wav;

pub use augment::{MaskConfig, mask, speed};
pub use codec::{band_limit, telephone, transform_codec};
pub use error::SoundError;
pub use mel::{LogMel, MelConfig, MelState, MelStream};
pub use noise::{add_noise, gain, pink_noise, white_noise};
pub use normal::{Gate, GateState, Running, RunningState, deltas, normalise, normalise_above};
pub use pcm::Pcm;
pub use reader::{Reader, Sound, load};
pub use resample::{HIGHEST_RATE, LOWEST_RATE, Resampler, ResamplerState, resample};
pub use room::room;
pub use segments::{Segment, Segmenter, SegmenterState};
pub use warning::Warning;
pub use warp::{FrequencyWarp, tempo};
pub use wav::{wav_bytes, write_wav};

/// Largest magnitude of a sample. Sums of squares of such samples still fit an `f32`.
const LOUDEST: f32 = 1e9;

/// Clamps to ±[`LOUDEST`]; NaN and ±∞ become 0.
fn usable(sample: f32) -> f32 {
    match sample.is_finite() {
        true => sample.clamp(-LOUDEST, LOUDEST),
        false => 0.0,
    }
}
