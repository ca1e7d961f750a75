//! Tools of several tests.

use refrain_sound::{Reader, Sound, SoundError};
use std::f64::consts::TAU;
use std::io::Cursor;
use std::path::PathBuf;

/// A golden file.
pub fn golden(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name]
        .iter()
        .collect()
}

/// Its bytes.
pub fn golden_bytes(name: &str) -> Vec<u8> {
    std::fs::read(golden(name)).unwrap()
}

/// Its numbers.
pub fn golden_numbers(name: &str) -> Vec<f32> {
    let bytes = golden_bytes(name);
    let (numbers, rest) = bytes.as_chunks::<4>();
    assert!(rest.is_empty());
    numbers.iter().map(|&x| f32::from_le_bytes(x)).collect()
}

/// Reads all of some bytes.
pub fn read(bytes: Vec<u8>) -> Result<Sound, SoundError> {
    let mut reader = Reader::new(Cursor::new(bytes), None)?;
    let mut samples = Vec::new();
    while let Some(chunk) = reader.next_chunk()? {
        assert!(!chunk.is_empty() && chunk.len() <= 65_536);
        samples.extend(chunk);
    }
    assert!(reader.next_chunk()?.is_none(), "the end stays the end");
    Ok(Sound {
        samples,
        rate: reader.rate(),
        warnings: reader.warnings().to_vec(),
    })
}

/// A WAV file with any header: `format` 1 is whole numbers, 3 is floats.
pub fn wav(format: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let block = channels * bits / 8;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + data.len() as u32).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0");
    wav.extend([format, channels].map(u16::to_le_bytes).concat());
    wav.extend(
        [rate, rate * u32::from(block)]
            .map(u32::to_le_bytes)
            .concat(),
    );
    wav.extend([block, bits].map(u16::to_le_bytes).concat());
    wav.extend(b"data");
    wav.extend((data.len() as u32).to_le_bytes());
    wav.extend(data);
    wav
}

/// `amplitude`·sin at a rate.
pub fn tone(hertz: f64, rate: u32, samples: usize, amplitude: f64) -> Vec<f32> {
    let step = TAU * hertz / f64::from(rate);
    (0..samples)
        .map(|i| (amplitude * (step * i as f64).sin()) as f32)
        .collect()
}

/// Repeatable numbers in 0..1 (SplitMix64).
pub fn random(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u32 << 24) as f32
    }
}

/// Cuts a sound into pieces of changing sizes, some of them empty.
pub fn pieces(samples: &[f32], seed: u64) -> Vec<&[f32]> {
    let mut random = random(seed);
    let (mut rest, mut pieces) = (samples, Vec::new());
    while !rest.is_empty() {
        let size = (random().powi(3) * 5000.0) as usize;
        let (piece, left) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = left;
    }
    pieces
}

/// Largest difference.
pub fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

/// Root of the mean square.
pub fn level(samples: &[f32]) -> f32 {
    (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).sqrt()
}

/// Cases of a property test.
pub fn cases() -> u32 {
    std::env::var("REFRAIN_FUZZ_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(500)
}
