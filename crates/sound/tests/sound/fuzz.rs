//! Damaged sound files, and samples of any bits.

use crate::tools::{cases, golden_bytes, tone};
use proptest::prelude::*;
use refrain_sound::{LogMel, MelConfig, Reader, Resampler, SoundError, wav_bytes};
use std::io::Cursor;

/// Samples of a golden file are about this many; a mutation may claim more, but each must have bytes behind it.
const MOST_SAMPLES: usize = 4_000_000;

/// How files of each format begin.
const STARTS: &[&[u8]] = &[
    b"",
    b"RIFF\0\x01\0\0WAVEfmt \x10\0\0\0",
    b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0",
    b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00",
    b"fLaC",
    b"OggS\0",
    b"\xff\xfb",
    b"ID3\x04",
];

fn files() -> Vec<Vec<u8>> {
    let mut files: Vec<_> = [
        "tone.flac",
        "tone.ogg",
        "tone.mp3",
        "sweep.wav",
        "mono_stereo.mp3",
        "flipped.ogg",
    ]
    .map(golden_bytes)
    .into();
    for name in ["tone.mp3", "tone.flac"] {
        let own = golden_bytes(name);
        files.push([&own[..], &own].concat());
    }
    files.push(wav_bytes(&tone(300.0, 8_000, 500, 0.5), 8_000).unwrap());
    files
}

/// One change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Byte(usize, u8),
    Bit(usize, u8),
    Cut(usize),
    Remove(usize, usize),
    Repeat(usize, usize),
    Number(usize, u32),
}

fn change() -> impl Strategy<Value = Change> {
    // Headers are where a change does most.
    let place = || prop_oneof![0..200usize, 0..4_000usize, any::<usize>()];
    let number = prop_oneof![Just(0), Just(u32::MAX), Just(0x7fff_ffff), any::<u32>()];
    prop_oneof![
        4 => (place(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        4 => (place(), 0..8u8).prop_map(|(at, bit)| Change::Bit(at, bit)),
        1 => place().prop_map(Change::Cut),
        1 => (place(), 0..300usize).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (place(), 0..300usize).prop_map(|(at, count)| Change::Repeat(at, count)),
        2 => (place(), number).prop_map(|(at, number)| Change::Number(at, number)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match *change {
        Change::Byte(at, byte) => bytes[at % length] = byte,
        Change::Bit(at, bit) => bytes[at % length] ^= 1 << bit,
        Change::Cut(at) => bytes.truncate(at % length),
        Change::Remove(at, count) => {
            let at = at % length;
            bytes.drain(at..(at + count).min(length));
        }
        Change::Repeat(at, count) => {
            let at = at % length;
            let part = bytes[at..(at + count).min(length)].to_vec();
            bytes.splice(at..at, part);
        }
        Change::Number(at, number) => {
            for (byte, new) in bytes[at % length..].iter_mut().zip(number.to_le_bytes()) {
                *byte = new;
            }
        }
    }
}

/// Makes the check sums of Ogg pages right again: otherwise no change would get past them to the decoder.
fn seal(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + 27) {
        if &header[..4] != b"OggS" {
            at += 1;
            continue;
        }
        let segments = usize::from(header[26]);
        let Some(sizes) = bytes.get(at + 27..at + 27 + segments) else {
            return;
        };
        let size = 27 + segments + sizes.iter().map(|&size| usize::from(size)).sum::<usize>();
        let Some(page) = bytes.get_mut(at..at + size) else {
            return;
        };
        page[22..26].fill(0);
        let sum = page.iter().fold(0u32, |sum, &byte| {
            (0..8).fold(sum ^ u32::from(byte) << 24, |sum, _| match sum >> 31 {
                0 => sum << 1,
                _ => sum << 1 ^ 0x04c1_1db7,
            })
        });
        page[22..26].copy_from_slice(&sum.to_le_bytes());
        at += size;
    }
}

#[test]
fn a_sealed_file_is_the_file() {
    let bytes = golden_bytes("tone.ogg");
    let mut sealed = bytes.clone();
    seal(&mut sealed);
    assert_eq!(sealed, bytes);
}

/// A changed header can break an assertion of the Vorbis reader of symphonia 0.6.1 (`lookup1_values`).
#[test]
fn a_decoder_that_panics_is_a_file_that_cannot_be_read() {
    let mut bytes = golden_bytes("tone.ogg");
    bytes[3_143] ^= 1;
    seal(&mut bytes);
    let result = drain(bytes);
    assert!(caught(&result), "{result:?}");
    assert!(matches!(result, Err(SoundError::Format { .. })));
}

/// Reads everything. For any bytes, samples are in ±1 and come to an end.
fn drain(bytes: Vec<u8>) -> Result<usize, SoundError> {
    let mut reader = Reader::new(Cursor::new(bytes), None)?;
    let mut count = 0;
    while let Some(chunk) = reader.next_chunk()? {
        assert!(chunk.iter().all(|x| (-1.0..=1.0).contains(x)));
        count += chunk.len();
        assert!(count < MOST_SAMPLES);
    }
    Ok(count)
}

/// A panic of the decoder's is caught, and the error says so.
fn caught(result: &Result<usize, SoundError>) -> bool {
    matches!(result, Err(error) if error.to_string().contains("the decoder failed on its bytes"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_files_are_read_or_refused(
        file in 0..9usize,
        changes in prop::collection::vec(change(), 1..8),
    ) {
        let mut bytes = files().swap_remove(file);
        for change in &changes {
            apply(&mut bytes, change);
        }
        prop_assert!(!caught(&drain(bytes.clone())));
        // The decoder may fail here (see below), but that must not reach us.
        seal(&mut bytes);
        let _ = drain(bytes);
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        start in prop::sample::select(STARTS),
        rest in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        prop_assert!(!caught(&drain([start, &rest[..]].concat())));
    }

    #[test]
    fn any_samples_have_finite_features(
        bits in prop::collection::vec(any::<u32>(), 0..3000),
        rate in prop_oneof![Just(8_000u32), Just(96_000), 1_000..48_000u32],
        cut in any::<prop::sample::Index>(),
    ) {
        let samples: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        let mut resampler = Resampler::new(rate, 16_000).unwrap();
        let (first, second) = samples.split_at(cut.index(samples.len() + 1));
        let mut output = resampler.push(first).unwrap();
        output.extend(resampler.push(second).unwrap());
        output.extend(resampler.finish().unwrap());
        let frames = LogMel::new(&MelConfig::default()).unwrap().frames(&output);
        prop_assert!(frames.iter().all(|x| x.is_finite()));
    }
}
