//! A sound as a WAV file: 16-bit PCM, mono, little-endian, with the plain header of 44 bytes.

use crate::error::SoundError;
use std::path::Path;

/// Bytes of the header after the eight of `RIFF` and its size.
const HEADER_REST: u32 = 36;
const BYTES_PER_SAMPLE: u32 = 2;

/// Samples in ±1 as the bytes of a WAV file of `rate` Hz. Louder samples are clamped to ±1; NaN becomes 0.
///
/// A sound of 16 bits that was read by this crate gives the same bits again.
///
/// # Errors
/// A rate of 0, or more than 4 GiB.
pub fn wav_bytes(samples: &[f32], rate: u32) -> Result<Vec<u8>, SoundError> {
    let refused = || SoundError::WavSize {
        samples: samples.len(),
        rate,
    };
    let size = u32::try_from(samples.len())
        .ok()
        .and_then(|count| count.checked_mul(BYTES_PER_SAMPLE))
        .filter(|size| size.checked_add(HEADER_REST).is_some())
        .ok_or_else(refused)?;
    let bytes_per_second = rate
        .checked_mul(BYTES_PER_SAMPLE)
        .filter(|_| rate > 0)
        .ok_or_else(refused)?;
    let mut wav = Vec::with_capacity(8 + HEADER_REST as usize + size as usize);
    wav.extend(b"RIFF");
    wav.extend((HEADER_REST + size).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16u32.to_le_bytes());
    // PCM, one channel.
    wav.extend(1u16.to_le_bytes());
    wav.extend(1u16.to_le_bytes());
    wav.extend(rate.to_le_bytes());
    wav.extend(bytes_per_second.to_le_bytes());
    wav.extend((BYTES_PER_SAMPLE as u16).to_le_bytes());
    wav.extend((8 * BYTES_PER_SAMPLE as u16).to_le_bytes());
    wav.extend(b"data");
    wav.extend(size.to_le_bytes());
    // A cast of a float clips, and turns NaN into 0.
    wav.extend(
        samples
            .iter()
            .flat_map(|&sample| ((sample * 32_768.0).round() as i16).to_le_bytes()),
    );
    Ok(wav)
}

/// Writes [`wav_bytes`] to a file.
///
/// # Errors
/// As there, or a file that cannot be written.
pub fn write_wav(path: &Path, samples: &[f32], rate: u32) -> Result<(), SoundError> {
    std::fs::write(path, wav_bytes(samples, rate)?).map_err(|error| SoundError::Write {
        path: path.to_path_buf(),
        error,
    })
}
