//! Sound that is lost or changed while it is read is said.

use crate::tools::{difference, golden, golden_bytes, level, read, tone, wav};
use refrain_sound::{Reader, Sound, SoundError, Warning, load, resample, wav_bytes};
use std::io::Cursor;

const RATE: u32 = 16_000;

/// Seconds of samples.
fn seconds(sound: &Sound) -> f64 {
    sound.samples.len() as f64 / f64::from(sound.rate)
}

/// A sound of 16 bits and the bytes of its WAV file.
fn recording() -> (Vec<f32>, Vec<u8>) {
    let bytes = wav_bytes(&tone(300.0, RATE, 5_000, 0.5), RATE).unwrap();
    (read(bytes.clone()).unwrap().samples, bytes)
}

/// The same file with other sizes of the whole and of the sound.
fn with_sizes(bytes: &[u8], riff: u32, data: u32) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[4..8].copy_from_slice(&riff.to_le_bytes());
    bytes[40..44].copy_from_slice(&data.to_le_bytes());
    bytes
}

/// The file with a chunk before its sound.
fn with_chunk(bytes: &[u8], chunk: &[u8]) -> Vec<u8> {
    [&bytes[..36], chunk, &bytes[36..]].concat()
}

#[test]
fn sizes_that_a_recorder_left_unknown_are_no_loss() {
    let (samples, bytes) = recording();
    let data = bytes.len() as u32 - 44;
    for (riff, size) in [
        (0, data),
        (0, 0),
        (0xffff_ffff, 0xffff_ffff),
        (0x7fff_f024, 0x7fff_f000),
        (0x8000_0024, 0x8000_0000),
        (data, data),
        (3, data),
        (10 * data, data),
        (data + 36, 0),
    ] {
        let sound = read(with_sizes(&bytes, riff, size)).unwrap();
        assert!(sound.samples == samples, "{riff:#x} and {size:#x}");
        assert_eq!(sound.warnings, [], "{riff:#x} and {size:#x}");
    }
}

#[test]
fn a_size_beyond_the_file_is_cut_off() {
    let (samples, bytes) = recording();
    let sound = read(with_sizes(&bytes, 30_036, 30_000)).unwrap();
    assert_eq!(sound.samples, samples);
    let expected = Warning::CutOff {
        seconds: 5_000.0 / 16_000.0,
        promised: Some(15_000.0 / 16_000.0),
    };
    assert_eq!(sound.warnings, [expected]);
}

#[test]
fn bytes_behind_a_sound_are_said_unless_they_are_chunks() {
    let (samples, bytes) = recording();
    let stale = read(with_sizes(&bytes, 2_036, 2_000)).unwrap();
    assert_eq!(stale.samples, samples[..1_000]);
    assert_eq!(stale.warnings, [Warning::Leftover { bytes: 8_000 }]);
    let list = [&bytes[..], b"LIST\x04\0\0\0INFOid3 \x03\0\0\0abc"].concat();
    assert_eq!(read(list).unwrap().warnings, []);
    // A little padding is no sound.
    assert_eq!(read([&bytes[..], &[0; 9]].concat()).unwrap().warnings, []);
    let twice = read([&bytes[..], &bytes].concat()).unwrap();
    assert_eq!(twice.samples, samples);
    assert!(matches!(twice.warnings[..], [Warning::SecondStream { .. }]));
}

#[test]
fn odd_chunks_are_stepped_over_with_and_without_padding() {
    let (samples, bytes) = recording();
    for chunk in [
        &b"LIST\x05\0\0\0INFOx"[..],
        b"LIST\x05\0\0\0INFOx\0",
        b"fact\x03\0\0\0\0\0\0\0",
        b"fact\x03\0\0\0\0\0\0",
        b"JUNK\0\0\0\0",
    ] {
        let sound = read(with_chunk(&bytes, chunk)).unwrap();
        assert_eq!(
            (sound.samples, &sound.warnings[..]),
            (samples.clone(), &[][..])
        );
    }
    let broken = with_chunk(&bytes, b"LIST\xff\xff\xff\x7f");
    assert!(matches!(read(broken), Err(SoundError::Format { .. })));
}

#[test]
fn the_64_bit_kinds_of_wav_are_read() {
    let (samples, bytes) = recording();
    let data = bytes.len() as u64 - 44;
    let mut rf64 = with_sizes(&bytes, u32::MAX, u32::MAX);
    rf64[..4].copy_from_slice(b"RF64");
    let sizes = [data + 72, data, 5_000].map(u64::to_le_bytes).concat();
    let ds64 = [b"ds64\x1c\0\0\0", &sizes[..], &[0; 4]].concat();
    rf64.splice(12..12, ds64);
    rf64.extend(b"LIST\x04\0\0\0INFO");
    let id = |name: &[u8], size: u64| {
        let end = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a";
        [name, end, &size.to_le_bytes()].concat()
    };
    let riff = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00";
    let mut wave64 = [riff, &(data + 112).to_le_bytes()[..], &id(b"wave", 0)[..16]].concat();
    wave64.extend([id(b"note", 27), vec![1, 2, 3, 0, 0, 0, 0, 0]].concat());
    wave64.extend([id(b"fmt ", 40), bytes[20..36].to_vec()].concat());
    wave64.extend([id(b"data", data + 24), bytes[44..].to_vec()].concat());
    for bytes in [rf64, wave64] {
        let sound = read(bytes).unwrap();
        assert_eq!(
            (sound.samples, &sound.warnings[..]),
            (samples.clone(), &[][..])
        );
    }
}

#[test]
fn header_sizes_that_symphonia_refuses_are_read() {
    let (samples, bytes) = recording();
    // A format chunk of 20 bytes.
    let mut long = bytes.clone();
    long[16] = 20;
    long.splice(36..36, [2, 0, 0, 0]);
    assert_eq!(read(long).unwrap().samples, samples);
    // µ-law in a chunk of 16 bytes; 0xff is 0 and 0x80 the largest.
    let law = read(wav(7, 1, 8_000, 8, &[0xff, 0x80, 0x00])).unwrap();
    assert!(difference(&law.samples, &[0.0, 0.98, -0.98]) < 0.01);
}

/// Frames of two channels as a WAV file.
fn stereo(left: &[f32], right: impl Fn(usize, f32) -> f32) -> Vec<u8> {
    let numbers = left.iter().enumerate().flat_map(|(i, &x)| [x, right(i, x)]);
    wav(
        3,
        2,
        RATE,
        32,
        &numbers.flat_map(f32::to_le_bytes).collect::<Vec<_>>(),
    )
}

#[test]
fn channels_that_cancel_give_one_of_them() {
    let left = tone(300.0, RATE, 40_000, 0.5);
    for share in [-1.0, -0.9] {
        let sound = read(stereo(&left, |_, x| share * x)).unwrap();
        assert!(sound.samples == left, "{share}");
        assert_eq!(sound.warnings, [Warning::OutOfPhase { at: 0.0 }]);
    }
    // Only from a second on; silence before it and after it says nothing.
    let late = |i: usize, x: f32| if i < 16_000 { x } else { -x };
    let mut left = left;
    left[10_000..20_000].fill(0.0);
    left[36_000..].fill(0.0);
    let sound = read(stereo(&left, late)).unwrap();
    assert!(sound.samples == left);
    assert_eq!(sound.warnings, [Warning::OutOfPhase { at: 1.25 }]);
    // The stronger one.
    let sound = read(stereo(&left, |_, x| -1.2 * x)).unwrap();
    assert!(level(&sound.samples) > 1.1 * level(&left));
}

#[test]
fn channels_that_differ_are_mixed_as_before() {
    let left = tone(300.0, RATE, 20_000, 0.5);
    let other = tone(470.0, RATE, 20_000, 0.5);
    for right in [
        Box::new(|i: usize, _: f32| other[i]) as Box<dyn Fn(usize, f32) -> f32>,
        Box::new(|_, _| 0.0),
        Box::new(|_, x| x),
        Box::new(|_, x| -0.5 * x),
    ] {
        let sound = read(stereo(&left, &right)).unwrap();
        let mean: Vec<f32> = left
            .iter()
            .enumerate()
            .map(|(i, &x)| (x + right(i, x)) / 2.0)
            .collect();
        assert!(sound.samples == mean);
        assert_eq!(sound.warnings, []);
    }
}

#[test]
fn nan_is_silence_and_said() {
    let sound = tone(300.0, RATE, 1_000, 0.5);
    let numbers: Vec<f32> = [vec![f32::NAN; 16_000], sound.clone(), vec![f32::INFINITY]].concat();
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    let read_back = read(wav(3, 1, RATE, 32, &bytes)).unwrap();
    let silent = [vec![0.0; 16_000], sound, vec![0.0]].concat();
    assert!(read_back.samples == silent);
    let expected = Warning::NotNumbers {
        at: 0.0,
        samples: 16_001,
    };
    assert_eq!(read_back.warnings, [expected]);
    // In one channel only: the other is heard.
    let half = read(wav(
        3,
        2,
        RATE,
        32,
        &[f32::NAN, 0.5].map(f32::to_le_bytes).concat(),
    ))
    .unwrap();
    assert_eq!(half.samples, [0.25]);
    // Floats in the range of whole numbers.
    let loud = read(wav(
        3,
        1,
        RATE,
        32,
        &[0.0, 9_000.0f32].map(f32::to_le_bytes).concat(),
    ))
    .unwrap();
    let at = 1.0 / 16_000.0;
    assert_eq!(loud.warnings, [Warning::TooLoud { at, samples: 1 }]);
}

#[test]
fn joined_mp3_files_are_read_to_the_end() {
    let bytes = golden_bytes("tone.mp3");
    let once = read(bytes.clone()).unwrap();
    let name = b"ID3\x04\0\0\0\0\0\x05title";
    let old_name = [&b"TAG"[..], &[b' '; 125]].concat();
    for between in [&b""[..], name, &old_name, &[0; 300]] {
        let twice = read([&bytes, between, &bytes].concat()).unwrap();
        assert!(twice.samples == [&once.samples[..], &once.samples].concat());
        assert_eq!(twice.warnings, []);
    }
}

#[test]
fn an_mp3_file_may_change_from_mono_to_stereo() {
    let bytes = golden_bytes("mono_stereo.mp3");
    let sound = read(bytes.clone()).unwrap();
    assert_eq!(
        (sound.samples.len(), &sound.warnings[..]),
        (24 * 1152, &[][..])
    );
    // Both halves are the same words.
    assert!(level(&sound.samples[..12 * 1152]) > 0.01 && level(&sound.samples[12 * 1152..]) > 0.01);
    // And back, and with another rate, which is brought to that of the first.
    let tone = golden_bytes("tone.mp3");
    let alone = read(tone.clone()).unwrap();
    let sound = read([&bytes, &tone, &bytes[..]].concat()).unwrap();
    assert_eq!(sound.samples.len(), 48 * 1152 + alone.samples.len());
    assert_eq!(sound.warnings, []);
}

#[test]
fn joined_ogg_files_of_another_rate_are_brought_to_the_first() {
    let (slow, fast) = (golden_bytes("flipped.ogg"), golden_bytes("tone.ogg"));
    let (own, other) = (read(slow.clone()).unwrap(), read(fast.clone()).unwrap());
    assert_ne!(own.rate, other.rate);
    let sound = read([slow, fast].concat()).unwrap();
    let brought = resample(&other.samples, other.rate, own.rate).unwrap();
    assert_eq!(sound.rate, own.rate);
    assert!(sound.samples == [own.samples, brought].concat());
}

#[test]
fn bytes_between_mp3_frames_and_lost_ones_are_said() {
    let bytes = golden_bytes("mono_stereo.mp3");
    // Half a frame is lost: 12 mono frames of 209 bytes or less.
    let lost = read([&bytes[..1_200], &bytes[1_300..]].concat()).unwrap();
    let [
        Warning::Damaged {
            at, seconds: None, ..
        },
    ] = &lost.warnings[..]
    else {
        panic!("{:?}", lost.warnings);
    };
    assert!((0.1..0.2).contains(at), "{at}");
    assert!(lost.samples.len() >= 21 * 1152);
    // A header that counts more frames than come before the next sound.
    let tone = golden_bytes("tone.mp3");
    let whole = read(tone.clone()).unwrap();
    let cut = read([&tone[..1_500], &tone].concat()).unwrap();
    assert!(cut.samples.len() > whole.samples.len());
    assert!(
        cut.warnings
            .iter()
            .any(|own| matches!(own, Warning::Damaged { .. }))
    );
    // Bytes behind the last frame that belong to nothing, after tags that belong to the file.
    let lyrics = [&tone[..], b"LYRICSBEGIN la la la"].concat();
    assert_eq!(
        read(lyrics).unwrap().warnings,
        [Warning::Leftover { bytes: 20 }]
    );
    // A last frame that is not whole.
    let torn = read(bytes[..bytes.len() - 10].to_vec()).unwrap();
    assert!(matches!(
        torn.warnings[..],
        [Warning::CutOff { promised: None, .. }]
    ));
}

#[test]
fn damaged_ogg_pages_are_said() {
    let sound = load(golden("flipped.ogg")).unwrap();
    let [Warning::Damaged { at, .. }] = &sound.warnings[..] else {
        panic!("{:?}", sound.warnings);
    };
    // The second of three pages of about a second.
    assert!((0.8..1.2).contains(at), "{at}");
    assert!((1.7..1.9).contains(&seconds(&sound)));
    assert!(sound.warnings[0].to_string().contains("checksum"));
    // The last page of the second of two sounds.
    let once = golden_bytes("tone.ogg");
    let mut twice = [&once[..], &once].concat();
    let last = twice.len() - 100;
    twice[last] ^= 1;
    let sound = read(twice).unwrap();
    let at = |own: &Warning| match own {
        Warning::Damaged { at, .. } => *at,
        other => panic!("{other}"),
    };
    assert!(
        (at(&sound.warnings[0]) - 0.25).abs() < 0.01,
        "{:?}",
        sound.warnings
    );
    // A page that is missing altogether.
    let bytes = golden_bytes("flipped.ogg");
    let page = |n: usize| {
        let marks = bytes
            .windows(4)
            .enumerate()
            .filter(|(_, four)| four == b"OggS");
        marks.map(|(at, _)| at).nth(n).unwrap()
    };
    let pages = bytes.windows(4).filter(|four| four == b"OggS").count();
    let missing = [&bytes[..page(pages - 2)], &bytes[page(pages - 1)..]].concat();
    let sound = read(missing).unwrap();
    assert!(
        sound
            .warnings
            .iter()
            .all(|own| matches!(own, Warning::Damaged { .. }))
    );
    assert!(!sound.warnings.is_empty());
}

#[test]
fn damaged_flac_frames_are_said_and_are_no_cut() {
    let mut bytes = golden_bytes("tone.flac");
    let whole = read(bytes.clone()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let sound = read(bytes).unwrap();
    let [
        Warning::Damaged {
            at,
            seconds: Some(lost),
            ..
        },
    ] = &sound.warnings[..]
    else {
        panic!("{:?}", sound.warnings);
    };
    let count = (lost * 44_100.0).round() as usize;
    assert_eq!(sound.samples.len() + count, whole.samples.len());
    let begin = (at * 44_100.0).round() as usize;
    assert!(sound.samples[..begin] == whole.samples[..begin]);
    assert!(sound.samples[begin..] == whole.samples[begin + count..]);
}

#[test]
fn joined_flac_files_are_read_to_the_end() {
    let bytes = golden_bytes("tone.flac");
    let once = read(bytes.clone()).unwrap();
    let tag = [&b"TAG"[..], &[b' '; 125]].concat();
    let tagged = read([&bytes[..], &tag].concat()).unwrap();
    assert_eq!(
        (&tagged.samples, &tagged.warnings[..]),
        (&once.samples, &[][..])
    );
    let twice = read([&bytes[..], &bytes, &tag].concat()).unwrap();
    assert!(twice.samples == [&once.samples[..], &once.samples].concat());
    assert_eq!(twice.warnings, []);
    // The first without its last frame, the second without a frame in its middle.
    let mut second = bytes.clone();
    second[bytes.len() / 2] ^= 1;
    let both = read([&bytes[..bytes.len() * 9 / 10], &second].concat()).unwrap();
    let at = |own: &Warning| match own {
        Warning::Damaged { at, .. } => (at * 44_100.0).round() as usize,
        other => panic!("{other}"),
    };
    let [first, second] = &both.warnings[..] else {
        panic!("{:?}", both.warnings);
    };
    assert_eq!((at(first), at(second)), (8_192, 8_192 + 4_096));
    assert_eq!(both.samples.len(), 8_192 + 11_025 - 4_096);
}

#[test]
fn many_damaged_parts_are_counted() {
    let mut bytes = golden_bytes("mono_stereo.mp3");
    let start = bytes.clone();
    for _ in 0..20 {
        bytes.extend(b"between");
        bytes.extend(&start);
    }
    let warnings = read(bytes).unwrap().warnings;
    assert_eq!(warnings.len(), 9);
    assert_eq!(warnings[8], Warning::MoreDamage { places: 12 });
}

#[test]
fn errors_give_the_name_of_the_sound_once() {
    let refused = |bytes: &[u8]| match Reader::named(Cursor::new(bytes.to_vec()), "train/a.wav") {
        Err(error) => error,
        Ok(reader) => reader.into_sound().unwrap_err(),
    };
    let silent = wav_bytes(&[], RATE).unwrap();
    for bytes in [&b""[..], b"not a sound at all", &silent, &silent[..30]] {
        let error = refused(bytes);
        assert_eq!(error.name().as_deref(), Some("train/a.wav"));
        assert_eq!(error.to_string().matches("a.wav").count(), 1, "{error}");
    }
    assert_eq!(
        load("no.wav").unwrap_err().name().as_deref(),
        Some("no.wav")
    );
    assert_eq!(resample(&[], 0, 1).unwrap_err().name(), None);
}

#[test]
fn warnings_are_sentences() {
    let cause = String::from("why");
    for (warning, sentence) in [
        (
            Warning::CutOff {
                seconds: 1.0,
                promised: Some(2.5),
            },
            "the file is cut off after 1.00 s of sound; its header promises 2.50 s",
        ),
        (
            Warning::Damaged {
                at: 1.5,
                seconds: Some(0.1),
                cause,
            },
            "0.10 s of sound at 1.50 s are damaged and left out (why)",
        ),
        (
            Warning::MoreDamage { places: 3 },
            "sound is damaged at 3 more places",
        ),
    ] {
        assert_eq!(warning.to_string(), sentence);
        let json = serde_json::to_value(&warning).unwrap();
        assert!(json["kind"].is_string());
    }
}
