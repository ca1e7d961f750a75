//! Damaged and random input: an error or a result, never a panic.

use crate::midi::file;
use crate::{note, score};
use proptest::prelude::*;
use refrain_music::abc::{
    PlayOptions, decode_abc, normal_form, read_tune, split_tunes, tune_symbols,
};
use refrain_music::{
    Imported, Limits, Meter, MidiOptions, MusicError, PictureConfig, Tempo, XmlConfig, XmlOptions,
    midi_bytes, musicxml, read_midi, read_musicxml, roll_svg,
};

fn limits() -> Limits {
    Limits {
        notes: 5000,
        steps: 200_000,
        seconds: 5.0,
        pixels: 1 << 20,
        ..Limits::default()
    }
}

/// Everything that is done with a score that was read.
fn used(read: Result<Imported, MusicError>) {
    let Ok(Imported { score, warnings }) = read else {
        return;
    };
    warnings
        .iter()
        .for_each(|warning| assert!(!warning.to_string().is_empty()));
    let _ = score.to_roll(4, true, &limits());
    let _ = score.guessed_key();
    let _ = score.bar(score.length());
    let _ = score.top_line();
    let _ = musicxml(
        &score,
        &XmlConfig {
            limits: limits(),
            ..XmlConfig::default()
        },
    );
    let _ = roll_svg(
        &score,
        &PictureConfig {
            limits: limits(),
            ..PictureConfig::default()
        },
    );
    if let Ok(bytes) = midi_bytes(&score) {
        let again = read_midi(
            &bytes,
            &MidiOptions {
                drums: true,
                ..MidiOptions::default()
            },
        );
        assert_eq!(
            again.expect("our own file").score.notes().len(),
            score.notes().len()
        );
    }
}

fn midi(bytes: &[u8]) {
    for pedal in [false, true] {
        used(read_midi(
            bytes,
            &MidiOptions {
                pedal,
                drums: pedal,
                limits: limits(),
            },
        ));
    }
}

fn abc(text: &str) {
    let _ = split_tunes(text);
    let _ = normal_form(text, true);
    if let Ok(tune) = read_tune(text, &limits()) {
        let _ = (tune.bar_counts(), tune_symbols(&tune));
        let options = PlayOptions {
            limits: limits(),
            ..PlayOptions::default()
        };
        let played = tune.to_score(&options);
        used(played.map(|score| Imported {
            score,
            warnings: tune.warnings,
        }));
    }
}

/// A file with most kinds of events.
fn sample() -> Vec<u8> {
    let mut song = score(vec![
        note(0, 480, 60, 0),
        note(240, 480, 60, 1),
        note(480, 100, 72, 0),
    ]);
    song.set_tempos(vec![Tempo::of(0, 96.0), Tempo::of(300, 132.0)]);
    song.set_meters(vec![Meter {
        tick: 0,
        beats: 6,
        unit: 8,
    }]);
    song.title = "Title".to_owned();
    let mut bytes = midi_bytes(&song).unwrap();
    let track = [
        0, 0xB0, 64, 127, 0, 0x90, 60, 64, 0, 0xF0, 3, 1, 2, 0xF7, 10, 60, 0, 0, 0xE0, 1, 2, 0,
        0x99, 36, 1, 5, 0xB0, 64, 0, 0, 0xFF, 0x2F, 0,
    ];
    bytes.extend(&file(0, [0, 96], &[&track])[14..]);
    bytes
}

#[test]
fn damaged_midi_files() {
    let whole = sample();
    for at in 0..whole.len() {
        for change in [0x01, 0x10, 0x80, 0xFF] {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            midi(&bytes);
        }
        let mut less = whole.clone();
        less.remove(at);
        midi(&less);
        let mut more = whole.clone();
        more.insert(at, 0xFF);
        midi(&more);
        midi(&whole[..at]);
    }
}

const TUNE: &str = "X:1\nT:Tune\nM:6/8\nL:1/8\nQ:1/4=120\nK:Dmix ^c\nV:1\nd|\"G\"g2>g (3B^A'B,|\
                    !trill![GBd]2 {ab}G//z3:|\n[1 Z2|[2 x3/2-x||\n[K:C] V:2 & (5:4:6abcdefg y |]\nw:la\nP:B\n";

#[test]
fn damaged_tunes() {
    let letters = [
        '\0', '"', '[', ']', '|', ':', '(', '9', '/', '>', '-', '&', 'é', '\n', '%', '!', '{', 'Z',
    ];
    let whole: Vec<char> = TUNE.chars().collect();
    for at in 0..whole.len() {
        for letter in letters {
            let mut text = whole.clone();
            text[at] = letter;
            abc(&text.iter().collect::<String>());
            text.insert(at, '9');
            abc(&text.iter().collect::<String>());
        }
        abc(&whole[..at].iter().collect::<String>());
    }
}

#[test]
fn damaged_musicxml() {
    let mut song = score(vec![
        note(0, 240, 60, 0),
        note(240, 1000, 72, 0),
        note(0, 480, 40, 1),
    ]);
    song.title = "a & b".to_owned();
    let whole = musicxml(&song, &XmlConfig::default()).unwrap().into_bytes();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        // Three of six for each place.
        for letter in [b'<', b'>', b'9', b'-', b'&', 0xFF]
            .into_iter()
            .skip(at % 2)
            .step_by(2)
        {
            bytes[at] = letter;
            used(read_musicxml(&bytes, &XmlOptions { limits: limits() }));
        }
        used(read_musicxml(
            &whole[..at],
            &XmlOptions { limits: limits() },
        ));
    }
}

proptest! {
    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        midi(&bytes);
        midi(&file(1, [0, 1], &[&bytes]));
        midi(&file(2, [0xE2, 250], &[&bytes, &bytes]));
        let (text, _) = decode_abc(&bytes);
        abc(&text);
        abc(&format!("X:1\nK:C\n{text}"));
        used(read_musicxml(&bytes, &XmlOptions { limits: limits() }));
    }

    #[test]
    fn random_music(body in "[A-Ga-gz0-9/|:\\[\\]()<>{}\"!&\\-\\^_=,' \nZKML~+.%]{0,200}") {
        abc(&format!("X:1\nM:4/4\nK:G\n{body}\n"));
    }

    #[test]
    fn random_events(track in prop::collection::vec(prop_oneof![
        Just(vec![0u8, 0x90, 60, 64]), Just(vec![10, 60, 0]), Just(vec![0, 0xFF, 1, 2, 3, 4]), Just(vec![0x8F, 0x7F, 0x80, 60, 0]),
        Just(vec![0, 0xB0, 64, 127]), Just(vec![0, 0xB0, 64, 0]), Just(vec![0xFF, 0xFF, 0xFF, 0x7F]), Just(vec![0, 0xFF, 0x51, 3, 0, 0, 0]),
        Just(vec![0, 0xFF, 0x58, 4, 0, 200, 0, 0]), Just(vec![0, 0xFF, 0x59, 0]), Just(vec![0, 0xF8]),
    ], 0..40)) {
        midi(&file(1, [0, 96], &[&track.concat()]));
    }
}
