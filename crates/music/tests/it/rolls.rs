use crate::{note, plain, score};
use proptest::prelude::*;
use refrain_music::{KeySignature, Limits, Line, Meter, Pitches, Roll, Score, Tempo};

fn limits() -> Limits {
    Limits::default()
}

#[test]
fn sets_of_pitches_count_and_move() {
    let set: Pitches = [60, 64, 67, 200].into_iter().collect();
    assert_eq!(
        (set.len(), set.lowest(), set.highest()),
        (3, Some(60), Some(67))
    );
    assert_eq!(set.iter().rev().collect::<Vec<_>>(), [67, 64, 60]);
    for by in -128..=127i8 {
        let moved = set.transposed(by);
        let wanted: Option<Vec<u8>> = [60i16, 64, 67]
            .iter()
            .map(|p| u8::try_from(p + i16::from(by)).ok().filter(|p| *p < 128))
            .collect();
        assert_eq!(moved.map(|m| m.iter().collect::<Vec<_>>()), wanted, "{by}");
    }
    assert_eq!(Pitches::NONE.transposed(-128), Some(Pitches::NONE));
    assert_eq!(Pitches::NONE.transposed(127), Some(Pitches::NONE));
}

#[test]
fn shifts_to_the_grid_are_stated() {
    // 480 ticks a quarter note, sixteenths of 120.
    let song = score(vec![
        note(0, 120, 60, 0),
        note(150, 120, 62, 0),
        note(240, 30, 64, 0),
        note(250, 100, 64, 1),
    ]);
    let (roll, fit) = song.to_roll(4, false, &limits()).unwrap();
    assert_eq!(fit.notes, 4);
    assert_eq!((fit.on_grid, fit.lengthened, fit.merged), (0.5, 1, 1));
    assert!((fit.worst_shift - 0.25).abs() < 1e-12);
    assert!((fit.mean_shift - (0.25 + 10.0 / 120.0) / 4.0).abs() < 1e-12);
    assert_eq!(roll.len(), 3);
    assert_eq!(song.suggested_grid(0.0), 24);
    assert_eq!(score(vec![note(240, 120, 60, 0)]).suggested_grid(0.01), 2);
    assert_eq!(score(vec![note(160, 120, 60, 0)]).suggested_grid(0.01), 3);
}

#[test]
fn a_roll_of_too_many_steps_is_refused_before_it_is_made() {
    let song = Score::new(1, vec![note(200_000_000, 1, 60, 0)]).unwrap();
    assert!(song.to_roll(480, false, &limits()).is_err());
    assert!(song.to_roll(0, false, &limits()).is_err());
    assert!(Line::of_score(&song, None, 480, &limits()).is_err());
    assert!(
        Roll::new(4, vec![Pitches::NONE; 3_000_000])
            .unwrap()
            .to_score(90.0)
            .is_err()
    );
}

#[test]
fn impossible_notes_are_refused() {
    for bad in [
        note(0, 0, 60, 0),
        note(0, 1, 128, 0),
        note(u32::MAX, 1, 60, 0),
        note(5, u32::MAX, 60, 0),
    ] {
        assert!(Score::new(480, vec![bad]).is_err());
    }
    assert!(Score::new(0, vec![]).is_err() && Score::new(40_000, vec![]).is_err());
    let high = score(vec![note(0, 480, 60, 0), note(4 * 480, 480, 120, 0)]);
    let error = high.transposed(12).unwrap_err().to_string();
    assert!(error.contains("pitch 120 in bar 2"), "{error}");
}

#[test]
fn bars_begin_at_time_signatures() {
    let mut song = score(vec![note(0, 4800, 60, 0)]);
    song.set_meters(vec![
        Meter {
            tick: 0,
            beats: 1,
            unit: 4,
        },
        Meter {
            tick: 480,
            beats: 3,
            unit: 4,
        },
        Meter {
            tick: 480 + 2 * 1440,
            beats: 0,
            unit: 4,
        },
    ]);
    assert_eq!(song.bars(4800).collect::<Vec<_>>(), [0, 480, 1920, 3360]);
    assert_eq!(
        [0, 479, 480, 1919, 1920].map(|tick| song.bar(tick)),
        [1, 1, 2, 2, 3]
    );
}

#[test]
fn the_top_line_follows_the_highest_notes() {
    let song = score(vec![
        note(0, 960, 60, 0),
        note(0, 240, 72, 1),
        note(240, 240, 55, 1),
        note(480, 480, 74, 1),
    ]);
    let line: Vec<_> = song
        .top_line()
        .iter()
        .map(|n| (n.start, n.length, n.pitch))
        .collect();
    assert_eq!(line, [(0, 240, 72), (240, 240, 55), (480, 480, 74)]);
    let line = Line::of_score(&song, Some(0), 1, &limits()).unwrap();
    assert_eq!(line.pitches, [Some(60), Some(60)]);
    assert!(Line::of_score(&song, Some(9), 1, &limits()).is_err());
}

#[test]
fn keys_are_guessed_and_move_with_the_music() {
    let scale = |steps: [u8; 7], tonic: u8| {
        let weights = [4, 1, 2, 1, 3, 1, 1];
        let notes = steps.iter().zip(weights).enumerate();
        score(
            notes
                .map(|(i, (step, weight))| note(480 * i as u32, 100 * weight, tonic + step, 0))
                .collect(),
        )
    };
    let guessed = |song: &Score| {
        let key = song.guessed_key();
        (key.fifths, key.minor)
    };
    assert_eq!(guessed(&scale([0, 2, 4, 5, 7, 9, 11], 62)), (2, false));
    assert_eq!(guessed(&scale([0, 2, 3, 5, 7, 8, 11], 60)), (-3, true));
    let mut song = scale([0, 2, 4, 5, 7, 9, 11], 60);
    song.set_keys(vec![KeySignature {
        tick: 0,
        fifths: 0,
        minor: false,
    }]);
    assert_eq!(song.transposed(3).unwrap().keys()[0].fifths, -3);
    assert_eq!(song.transposed(-5).unwrap().keys()[0].fifths, 1);
    assert_eq!(guessed(&song.transposed(3).unwrap()), (-3, false));
}

#[test]
fn the_last_of_several_tempos_at_one_tick_holds() {
    let mut song = score(vec![note(0, 960, 60, 0)]);
    song.set_tempos(vec![
        Tempo::of(480, 60.0),
        Tempo::of(0, 100.0),
        Tempo::of(480, 240.0),
    ]);
    assert_eq!(song.tempos(), [Tempo::of(0, 100.0), Tempo::of(480, 240.0)]);
    assert!((song.seconds() - 0.85).abs() < 1e-9);
}

#[test]
fn parts_and_strikes_of_a_roll() {
    let set = |pitch: u8| [pitch].into_iter().collect::<Pitches>();
    let roll = Roll::new(2, vec![set(60), set(60), set(62), set(62)]).unwrap();
    assert_eq!(plain(&roll.to_score(120.0).unwrap()).len(), 2);
    assert_eq!(plain(&roll.restruck().to_score(120.0).unwrap()).len(), 4);
    let part = roll.part(1, 9);
    assert_eq!((part.len(), part.struck()[0]), (3, set(60)));
    let mut longer = roll.clone();
    longer.push(set(62), Pitches::NONE);
    longer.push(set(64), Pitches::NONE);
    assert_eq!(
        (longer.struck()[4], longer.struck()[5]),
        (Pitches::NONE, set(64))
    );
    assert!(Roll::with_strikes(2, vec![set(60)], vec![set(61)]).is_err());
}

proptest! {
    #[test]
    fn any_roll_survives_scores(steps in prop::collection::vec((any::<u128>(), any::<u128>()), 0..20), grid in 1u16..=480) {
        let sounding: Vec<_> = steps.iter().map(|s| Pitches::from_bits(s.0)).collect();
        let struck = steps.iter().map(|s| Pitches::from_bits(s.0 & s.1)).collect();
        let roll = Roll::with_strikes(grid, sounding, struck).unwrap();
        let (back, _) = roll.to_score(90.0).unwrap().to_roll(grid, true, &limits()).unwrap();
        prop_assert_eq!(back, roll);
    }
}
