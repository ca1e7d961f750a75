//! Files that others have found broken readers with. Each test is named after the fault.

use crate::{note, plain, score};
use refrain_music::{
    Imported, KeySignature, Limits, Meter, MidiOptions, MusicError, Pitches, Roll, Tempo, Voice,
    Warning, midi_bytes, read_midi,
};

/// A MIDI file of tracks, each with its end-of-track event if `end`.
pub fn file(format: u8, division: [u8; 2], tracks: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"MThd\0\0\0\x06\0".to_vec();
    bytes.extend([format, 0, tracks.len() as u8]);
    bytes.extend(division);
    for track in tracks {
        bytes.extend(b"MTrk");
        bytes.extend((track.len() as u32).to_be_bytes());
        bytes.extend(*track);
    }
    bytes
}

/// 96 ticks a quarter note.
const USUAL: [u8; 2] = [0, 96];

fn read(bytes: &[u8]) -> Imported {
    read_midi(bytes, &MidiOptions::default()).expect("a readable file")
}

/// One track of format 0, with its end.
fn one(events: &[u8]) -> Imported {
    let mut track = events.to_vec();
    track.extend([0, 0xFF, 0x2F, 0]);
    read(&file(0, USUAL, &[&track]))
}

#[test]
fn running_status_outlives_a_text_event() {
    let read = one(&[
        0, 0x90, 60, 64, 4, 0xFF, 1, 2, b'h', b'i', 16, 60, 0, 0, 62, 64, 10, 62, 0,
    ]);
    assert_eq!(plain(&read.score), [(0, 20, 60), (20, 10, 62)]);
    assert_eq!(read.warnings, [Warning::OldStatus { events: 1 }]);
}

#[test]
fn data_without_any_status_ends_the_track_with_a_warning() {
    let mut track = vec![0, 0x90, 60, 64, 10, 60, 0];
    track.extend([0, 0x90, 62, 64, 10, 62, 0xC8, 0, 1, 2, 3]);
    let read = read(&file(0, USUAL, &[&track]));
    assert_eq!(plain(&read.score), [(0, 10, 60), (10, 1, 62)]);
    assert!(
        matches!(
            read.warnings[0],
            Warning::Damaged {
                at: 33,
                bytes: 7,
                ..
            }
        ),
        "{:?}",
        read.warnings
    );
    let read = self::read(&file(0, USUAL, &[&[0, 60, 64]]));
    assert!(
        read.score.notes().is_empty()
            && matches!(read.warnings[0], Warning::Damaged { at: 22, .. })
    );
}

#[test]
fn a_track_length_that_is_too_long_or_short_does_not_hide_the_next_track() {
    let track: &[u8] = &[0, 0x90, 60, 64, 10, 60, 0, 0, 0xFF, 0x2F, 0];
    for change in [-3i32, -1, 1, 3, 200] {
        let mut bytes = file(1, USUAL, &[track, track]);
        let length = (track.len() as i32 + change) as u32;
        bytes[18..22].copy_from_slice(&length.to_be_bytes());
        let read = read(&bytes);
        assert_eq!(read.score.notes().len(), 2, "{change}");
        assert!(
            read.warnings.contains(&Warning::TrackLength { track: 1 }),
            "{change} {:?}",
            read.warnings
        );
    }
}

#[test]
fn a_track_without_an_end_is_read() {
    let read = read(&file(0, USUAL, &[&[0, 0x90, 60, 64, 10, 60, 0]]));
    assert_eq!(plain(&read.score), [(0, 10, 60)]);
    assert_eq!(read.warnings, [Warning::NoEnd { tracks: 1 }]);
}

#[test]
fn time_code_gives_seconds_whatever_the_tempo_says() {
    let track: &[u8] = &[
        0, 0xFF, 0x51, 3, 1, 0, 0, 0, 0x90, 60, 64, 0x87, 0x68, 60, 0, 0, 0xFF, 0x2F, 0,
    ];
    // 25 frames of 40 ticks: a millisecond each.
    let read = read(&file(0, [0xE7, 40], &[track]));
    assert_eq!(plain(&read.score), [(0, 1000, 60)]);
    assert!((read.score.clock().seconds(1000) - 1.0).abs() < 1e-12);
    // 29.97 frames of 100 ticks.
    let read = self::read(&file(0, [0xE3, 100], &[track]));
    assert!((read.score.clock().seconds(3000) - 1.001).abs() < 1e-9);
    // An odd number of ticks a second.
    let read = self::read(&file(0, [0xE7, 3], &[track]));
    assert!((read.score.clock().seconds(75) - 1.0).abs() < 1e-12);
    for bad in [[0, 0], [0x80, 40], [0xE7, 0], [0xFF, 40]] {
        let result = read_midi(&file(0, bad, &[track]), &MidiOptions::default());
        assert!(
            matches!(result, Err(MusicError::Midi { at: 12, .. })),
            "{bad:?} {result:?}"
        );
    }
}

#[test]
fn a_note_that_ends_where_it_begins_lasts_one_tick_and_later_ones_are_whole() {
    let read = one(&[5, 0x90, 72, 64, 0, 0x80, 72, 0, 3, 0x90, 72, 64, 9, 72, 0]);
    assert_eq!(plain(&read.score), [(5, 1, 72), (8, 9, 72)]);
    assert_eq!(read.warnings, [Warning::NoLength { notes: 1 }]);
}

#[test]
fn a_pitch_that_ends_and_begins_on_one_tick_is_two_notes() {
    for events in [
        &[0, 0x90, 60, 64, 10, 60, 0, 0, 60, 64, 10, 60, 0][..],
        &[0, 0x90, 60, 64, 10, 60, 64, 0, 60, 0, 10, 60, 0],
    ] {
        let read = one(events);
        assert_eq!(plain(&read.score), [(0, 10, 60), (10, 10, 60)]);
        assert!(read.warnings.is_empty());
    }
}

#[test]
fn overlapping_notes_of_a_pitch_end_in_their_order() {
    let read = one(&[0, 0x90, 60, 64, 10, 60, 70, 10, 60, 0, 10, 60, 0]);
    assert_eq!(plain(&read.score), [(0, 20, 60), (10, 20, 60)]);
    assert_eq!(read.score.notes()[1].velocity, 70);
}

#[test]
fn notes_without_an_end_close_with_the_track_and_stray_ends_are_ignored() {
    let read = one(&[0, 0x80, 60, 0, 0, 0x90, 62, 64, 10, 64, 64, 10, 64, 0]);
    assert_eq!(plain(&read.score), [(0, 20, 62), (10, 10, 64)]);
    assert_eq!(
        read.warnings,
        [
            Warning::StrayEnds { events: 1 },
            Warning::Unended { notes: 1 }
        ]
    );
}

#[test]
fn a_controller_ends_all_notes_of_its_channel() {
    for controller in [120, 123] {
        let read = one(&[
            0, 0x90, 60, 64, 0, 64, 64, 0, 0x91, 40, 64, 10, 0xB0, controller, 0, 5, 0x81, 40, 0,
        ]);
        assert_eq!(plain(&read.score), [(0, 15, 40), (0, 10, 60), (0, 10, 64)]);
        assert!(read.warnings.is_empty());
    }
}

#[test]
fn several_tempos_add_up_and_the_first_need_not_be_at_the_beginning() {
    // 120 until tick 96, then 60, then 240 from tick 192.
    let tempos: &[u8] = &[
        96, 0xFF, 0x51, 3, 0x0F, 0x42, 0x40, 96, 0xFF, 0x51, 3, 0x03, 0xD0, 0x90, 0, 0xFF, 0x2F, 0,
    ];
    let notes: &[u8] = &[0x81, 0x40, 0x90, 60, 64, 96, 60, 0, 0, 0xFF, 0x2F, 0];
    let read = read(&file(1, USUAL, &[tempos, notes]));
    let clock = read.score.clock();
    for (tick, seconds) in [
        (0, 0.0),
        (48, 0.25),
        (96, 0.5),
        (144, 1.0),
        (192, 1.5),
        (288, 1.75),
    ] {
        assert!((clock.seconds(tick) - seconds).abs() < 1e-9, "{tick}");
    }
}

#[test]
fn tempo_events_after_the_music_do_not_make_it_longer() {
    let tempos: &[u8] = &[
        0x8F, 0xFF, 0x00, 0xFF, 0x51, 3, 0x0F, 0x42, 0x40, 0, 0xFF, 0x2F, 0,
    ];
    let read = read(&file(
        1,
        USUAL,
        &[tempos, &[0, 0x90, 60, 64, 96, 60, 0, 0, 0xFF, 0x2F, 0]],
    ));
    assert_eq!(read.score.length(), 96);
    assert_eq!(read.warnings, [Warning::LateTempos { events: 1 }]);
    let (roll, _) = read.score.to_roll(4, false, &Limits::default()).unwrap();
    assert_eq!(roll.len(), 4);
}

#[test]
fn drums_are_left_out_unless_they_are_asked_for() {
    let events = [
        0, 0x99, 36, 64, 0, 38, 64, 10, 36, 0, 0, 38, 0, 0, 0x90, 60, 64, 10, 60, 0,
    ];
    let read = one(&events);
    assert_eq!(plain(&read.score), [(10, 10, 60)]);
    assert_eq!(read.warnings, [Warning::Drums { notes: 2 }]);
    let mut track = events.to_vec();
    track.extend([0, 0xFF, 0x2F, 0]);
    let options = MidiOptions {
        drums: true,
        ..MidiOptions::default()
    };
    assert_eq!(
        read_midi(&file(0, USUAL, &[&track]), &options)
            .unwrap()
            .score
            .notes()
            .len(),
        3
    );
}

#[test]
fn odd_numbers_of_tracks_are_read_or_refused() {
    let track: &[u8] = &[0, 0x90, 60, 64, 96, 60, 0, 0, 0xFF, 0x2F, 0];
    let two = read(&file(0, USUAL, &[track, track]));
    assert_eq!(plain(&two.score), [(0, 96, 60), (0, 96, 60)]);
    assert_eq!(two.warnings, [Warning::ManyTracksInFormat0 { tracks: 2 }]);
    let none = read_midi(&file(1, USUAL, &[]), &MidiOptions::default());
    assert!(matches!(none, Err(MusicError::Midi { .. })));
    let sequence = read(&file(2, USUAL, &[track, track]));
    assert_eq!(plain(&sequence.score), [(0, 96, 60), (96, 96, 60)]);
    assert_eq!(sequence.warnings, [Warning::Sequence { tracks: 2 }]);
    let mut bytes = file(1, USUAL, &[track]);
    bytes[11] = 9;
    assert_eq!(
        read(&bytes).warnings,
        [Warning::Tracks {
            promised: 9,
            found: 1
        }]
    );
}

#[test]
fn names_are_counted_in_bytes() {
    let mut song = score(vec![note(0, 480, 60, 0)]);
    song.title = "小星星".to_owned();
    song.name_voices([Voice {
        name: "Flöte".to_owned(),
        program: 73,
    }]);
    let back = read(&midi_bytes(&song).unwrap());
    assert!(back.warnings.is_empty());
    assert_eq!(back.score, song);
    // Latin-1 from other programs.
    let latin = one(&[0, 0xFF, 3, 3, b'c', b'a', 0xE9, 0, 0x90, 60, 64, 10, 60, 0]);
    assert_eq!(latin.score.title, "caé");
}

#[test]
fn illegal_events_and_alien_chunks_are_skipped() {
    let read = one(&[
        0, 0xF8, 0, 0x90, 60, 64, 5, 0xF2, 1, 2, 5, 0xF4, 0, 0x80, 60, 0, 0, 0xFF, 0x54, 5, 99, 99,
        99, 99, 99,
    ]);
    assert_eq!(plain(&read.score), [(0, 10, 60)]);
    assert_eq!(read.warnings, [Warning::Illegal { events: 4 }]);
    let mut bytes = b"MThd\0\0\0\x06\0\0\0\x01\0\x60XYZ1\0\0\0\x02ab".to_vec();
    bytes.extend(&file(0, USUAL, &[&[0, 0x90, 60, 64, 10, 60, 0, 0, 0xFF, 0x2F, 0]])[14..]);
    let read = self::read(&bytes);
    assert_eq!(read.score.notes().len(), 1);
    assert_eq!(read.warnings, [Warning::AlienChunks { chunks: 1 }]);
}

#[test]
fn a_riff_file_is_unwrapped_and_other_formats_are_refused() {
    let inside = file(0, USUAL, &[&[0, 0x90, 60, 64, 10, 60, 0, 0, 0xFF, 0x2F, 0]]);
    let mut bytes = b"RIFF\0\0\0\0RMIDdata\0\0\0\0".to_vec();
    bytes.extend(&inside);
    assert_eq!(read(&bytes).score.notes().len(), 1);
    for other in [
        &b""[..],
        b"RIFF....WAVE",
        b"MThd",
        b"X:1\nK:C\nCDE",
        b"MThd\0\0\0\x06\0\x07\0\x01\0\x60",
    ] {
        assert!(matches!(
            read_midi(other, &MidiOptions::default()),
            Err(MusicError::Midi { .. })
        ));
    }
    let limits = Limits {
        bytes: 10,
        ..Limits::default()
    };
    let options = MidiOptions {
        limits,
        ..MidiOptions::default()
    };
    assert!(matches!(
        read_midi(&inside, &options),
        Err(MusicError::Large { .. })
    ));
}

#[test]
fn the_pedal_holds_notes_until_it_is_released_or_the_pitch_is_struck_again() {
    let events = [
        0, 0x90, 60, 64, 0, 62, 64, 10, 0xB0, 64, 127, 10, 0x80, 60, 0, 0, 62, 0, 10, 0x90, 60, 64,
        5, 60, 0, 25, 0xB0, 64, 0, 0, 0xFF, 0x2F, 0,
    ];
    let bytes = file(0, USUAL, &[&events]);
    let without = read(&bytes);
    assert_eq!(
        plain(&without.score),
        [(0, 20, 60), (0, 20, 62), (30, 5, 60)]
    );
    assert!(matches!(
        without.warnings[..],
        [Warning::Dropped { controllers: 2, .. }]
    ));
    let options = MidiOptions {
        pedal: true,
        ..MidiOptions::default()
    };
    let with = read_midi(&bytes, &options).unwrap();
    assert_eq!(plain(&with.score), [(0, 30, 60), (0, 60, 62), (30, 30, 60)]);
    assert!(with.warnings.is_empty());
}

#[test]
fn a_score_comes_back_whole() {
    let mut song = score(vec![
        note(0, 480, 60, 0),
        note(480, 100, 60, 0),
        note(5, 7, 30, 2),
        note(0, 960, 72, 1),
    ]);
    song.set_tempos(vec![Tempo::of(0, 96.0), Tempo::of(480, 132.0)]);
    song.set_meters(vec![Meter {
        tick: 0,
        beats: 6,
        unit: 8,
    }]);
    song.set_keys(vec![KeySignature {
        tick: 0,
        fifths: -3,
        minor: true,
    }]);
    song.set_end(2000);
    let back = read(&midi_bytes(&song).unwrap());
    assert!(back.warnings.is_empty(), "{:?}", back.warnings);
    assert_eq!(back.score, song);
}

#[test]
fn a_roll_comes_back_exactly() {
    let set = |pitches: &[u8]| pitches.iter().copied().collect::<Pitches>();
    let sounding = [
        &[][..],
        &[60, 64],
        &[60, 64],
        &[60, 65],
        &[60],
        &[],
        &[127, 0],
        &[127],
        &[],
    ]
    .map(set)
    .to_vec();
    let struck = [&[][..], &[], &[60], &[], &[60], &[], &[], &[127], &[]]
        .map(set)
        .to_vec();
    for grid in [1, 3, 4, 7, 480] {
        let roll = Roll::with_strikes(grid, sounding.clone(), struck.clone()).unwrap();
        let bytes = midi_bytes(&roll.to_score(100.0).unwrap()).unwrap();
        let (back, fit) = read(&bytes)
            .score
            .to_roll(grid, true, &Limits::default())
            .unwrap();
        assert_eq!(back, roll);
        assert_eq!((fit.on_grid, fit.worst_shift, fit.merged), (1.0, 0.0, 0));
    }
}
