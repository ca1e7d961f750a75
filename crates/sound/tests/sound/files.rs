//! Files of all formats, whole and broken.

use crate::tools::{difference, golden, golden_bytes, level, read, tone, wav};
use refrain_sound::{Pcm, Sound, SoundError, Warning, load, wav_bytes, write_wav};
use std::io::{Cursor, Read};

fn cut_off(sound: &Sound) -> bool {
    matches!(sound.warnings[..], [Warning::CutOff { .. }])
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

#[test]
fn a_written_sound_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tone.wav");
    // Whole numbers of 16 bits, both ends included.
    let samples: Vec<f32> = (-32_768..32_768).map(|x| x as f32 / 32_768.0).collect();
    write_wav(&path, &samples, 8_000).unwrap();
    let sound = load(&path).unwrap();
    assert_eq!((sound.rate, &sound.warnings[..]), (8_000, &[][..]));
    assert_eq!(sound.samples, samples);
    // Clamped, and 0 for NaN.
    let loud = [2.0, -2.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    let back = read(wav_bytes(&loud, 96_000).unwrap()).unwrap();
    assert_eq!(
        back.samples,
        [32_767.0 / 32_768.0, -1.0, 0.0, 32_767.0 / 32_768.0, -1.0]
    );
    assert!(matches!(
        wav_bytes(&[0.0], 0),
        Err(SoundError::WavSize { .. })
    ));
    assert!(matches!(
        write_wav(&path.join("x"), &[], 1),
        Err(SoundError::Write { .. })
    ));
}

#[test]
fn golden_files_of_all_formats_hold_the_tone() {
    let expected = tone(440.0, 44_100, 11_025, 0.25);
    for (name, within) in [("tone.flac", 4e-5), ("tone.ogg", 0.02), ("tone.mp3", 0.02)] {
        let sound = load(golden(name)).unwrap();
        assert_eq!(
            (sound.rate, &sound.warnings[..]),
            (44_100, &[][..]),
            "{name}"
        );
        assert_eq!(sound.samples.len(), 11_025, "{name}");
        let apart = difference(&sound.samples, &expected);
        assert!(apart < within, "{name}: {apart}");
    }
}

#[test]
fn channels_are_mixed_by_their_mean() {
    let sound = read(wav(
        3,
        3,
        96_000,
        32,
        &floats(&[0.3, 0.6, -0.3, 1.0, 1.0, 1.0]),
    ))
    .unwrap();
    assert_eq!(sound.rate, 96_000);
    assert!(difference(&sound.samples, &[0.2, 1.0]) < 1e-6);
    // 8 and 24 bits.
    let sound = read(wav(1, 1, 8_000, 8, &[0, 128, 192])).unwrap();
    assert_eq!(sound.samples, [-1.0, 0.0, 0.5]);
    let sound = read(wav(1, 2, 8_000, 24, &[0, 0, 64, 0, 0, 0])).unwrap();
    assert_eq!(sound.samples, [0.25]);
}

#[test]
fn nan_is_silence_and_loud_samples_are_clamped() {
    let data = floats(&[f32::NAN, f32::INFINITY, 7.0, -7.0, 0.5, f32::MAX]);
    let sound = read(wav(3, 1, 8_000, 32, &data)).unwrap();
    assert_eq!(sound.samples, [0.0, 0.0, 1.0, -1.0, 0.5, 1.0]);
}

#[test]
fn no_sound_is_an_error_that_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.wav");
    let check = |bytes: &[u8], expect: fn(&SoundError) -> bool| {
        std::fs::write(&path, bytes).unwrap();
        for result in [load(&path), read(bytes.to_vec())] {
            let error = result.unwrap_err();
            assert!(expect(&error), "{error:?}");
            assert!(error.to_string().contains(';') || error.to_string().contains(','));
        }
    };
    check(b"", |e| matches!(e, SoundError::Empty { .. }));
    let text = b"This is a letter, not a sound.\n".repeat(1000);
    check(&text, |e| matches!(e, SoundError::Format { .. }));
    check(b"R", |e| matches!(e, SoundError::Format { .. }));
    check(&wav_bytes(&[], 8_000).unwrap(), |e| {
        matches!(e, SoundError::NoSamples { .. })
    });
    check(&wav_bytes(&[0.5; 9], 8_000).unwrap()[..30], |e| {
        matches!(e, SoundError::Format { .. })
    });
    check(&wav_bytes(&[0.5; 9], 8_000).unwrap()[..44], |e| {
        matches!(e, SoundError::Damaged { .. } | SoundError::NoSamples { .. })
    });
    let missing = load(folder.path().join("missing.wav")).unwrap_err();
    assert!(matches!(missing, SoundError::Open { .. }));
    assert!(missing.to_string().contains("missing.wav"));
    assert!(matches!(load(folder.path()), Err(SoundError::Open { .. })));
}

#[test]
fn a_recording_that_was_cut_off_gives_what_there_is() {
    let whole = tone(300.0, 16_000, 5_000, 0.5);
    let bytes = wav_bytes(&whole, 16_000).unwrap();
    let sound = read(bytes[..44 + 2 * 3_210 + 1].to_vec()).unwrap();
    assert!(cut_off(&sound));
    assert!(difference(&sound.samples, &whole[..3_210]) < 1e-4);
    for name in ["tone.flac", "tone.ogg", "tone.mp3"] {
        let whole = load(golden(name)).unwrap().samples;
        let bytes = golden_bytes(name);
        let sound = read(bytes[..bytes.len() * 9 / 10].to_vec());
        match sound {
            Ok(sound) => {
                assert!(cut_off(&sound), "{name}");
                let count = sound.samples.len();
                assert!(count < whole.len(), "{name}: {count} samples");
                assert!(difference(&sound.samples, &whole[..count]) < 1e-5, "{name}");
            }
            // All of such a short Ogg file is one page, which is whole or nothing.
            Err(error) => assert_eq!(name, "tone.ogg", "{error}"),
        }
    }
}

#[test]
fn a_tag_with_a_large_picture_before_an_mp3_is_stepped_over() {
    let size = 3_000_000u32;
    let seven_bits = |shift: u32| (size >> shift & 0x7f) as u8;
    let mut bytes = b"ID3\x04\0\0".to_vec();
    bytes.extend([21, 14, 7, 0].map(seven_bits));
    // Padding, as far as the tag's reader is concerned.
    bytes.extend(vec![0; size as usize]);
    bytes.extend(golden_bytes("tone.mp3"));
    let sound = read(bytes).unwrap();
    assert_eq!(sound, load(golden("tone.mp3")).unwrap());
}

#[test]
fn an_ogg_file_of_two_sounds_is_read_to_its_end() {
    let bytes = golden_bytes("tone.ogg");
    let once = read(bytes.clone()).unwrap();
    let twice = read([bytes.clone(), bytes].concat()).unwrap();
    assert_eq!(twice.samples.len(), 2 * once.samples.len());
    assert_eq!(twice.warnings, []);
}

#[test]
fn damage_in_the_middle_leaves_the_rest() {
    let mut bytes = golden_bytes("tone.mp3");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 40].fill(0x55);
    let sound = read(bytes).unwrap();
    assert!(sound.samples.len() > 5_000);
    assert!(level(&sound.samples) < 1.0);
}

/// A source that gives one byte at a time.
struct Drops(Cursor<Vec<u8>>);

impl Read for Drops {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let end = buffer.len().min(1);
        self.0.read(&mut buffer[..end])
    }
}

#[test]
fn raw_samples_come_whole_from_any_source() {
    let bytes: Vec<u8> = [0i16, 16_384, -32_768, 32_767]
        .into_iter()
        .flat_map(i16::to_le_bytes)
        .collect();
    let expected = [0.0, 0.5, -1.0, 32_767.0 / 32_768.0];
    for cut in [8, 7] {
        let mut pcm = Pcm::new(Drops(Cursor::new(bytes[..cut].to_vec())), 16_000);
        let mut samples = Vec::new();
        while let Some(chunk) = pcm.next_chunk().unwrap() {
            assert!(!chunk.is_empty());
            samples.extend(chunk);
        }
        assert_eq!(samples, expected[..cut / 2]);
        assert_eq!((pcm.rate(), pcm.truncated()), (16_000, cut == 7));
    }
    let long = vec![1u8; 100_001];
    let mut pcm = Pcm::new(&long[..], 8_000);
    let mut count = 0;
    while let Some(chunk) = pcm.next_chunk().unwrap() {
        assert!(chunk.len() <= 5_000);
        count += chunk.len();
    }
    assert_eq!(count, 50_000);
}
