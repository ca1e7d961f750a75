use refrain_music::{
    Chorale, Limits, Line, Meter, MidiOptions, VoiceLeading, midi_bytes, out_of_range, read_midi,
};

/// A chorale of steps from soprano to bass.
fn chorale(steps: &[[u8; 4]]) -> Chorale {
    let line = |voice: usize| {
        Line::tied(
            steps
                .iter()
                .map(|step| Some(step[voice]).filter(|p| *p > 0))
                .collect(),
        )
    };
    Chorale::new(4, [line(0), line(1), line(2), line(3)]).expect("a chorale")
}

fn counts(steps: &[[u8; 4]]) -> VoiceLeading {
    VoiceLeading::of(&chorale(steps))
}

#[test]
fn parallels_need_both_voices_to_move_one_way() {
    let parallel = counts(&[[79, 72, 64, 48], [81, 72, 64, 50]]);
    assert_eq!((parallel.fifths, parallel.octaves), (1, 0));
    let octaves = counts(&[[72, 67, 64, 48], [74, 67, 65, 50]]);
    assert_eq!((octaves.fifths, octaves.octaves), (0, 1));
    // Held, repeated, and in contrary motion.
    assert_eq!(counts(&[[79, 72, 64, 48], [79, 72, 64, 48]]).fifths, 0);
    assert_eq!(
        counts(&[[79, 72, 64, 48], [67, 72, 65, 60]]).parallels_each(),
        0.0
    );
    // A fifth to a diminished one, and a rest between.
    assert_eq!(counts(&[[79, 72, 64, 48], [81, 75, 65, 46]]).fifths, 0);
    assert_eq!(
        counts(&[[79, 72, 64, 48], [0, 72, 64, 48], [81, 74, 64, 48]]).fifths,
        0
    );
}

#[test]
fn crossings_ranges_leaps_and_last_chords_are_counted() {
    let c = counts(&[
        [72, 67, 60, 48],
        [72, 74, 60, 48],
        [72, 67, 47, 48],
        [50, 67, 60, 48],
    ]);
    assert_eq!(c.crossed, 3);
    assert!((c.crossed_share() - 0.75).abs() < 1e-12);
    assert_eq!(
        (c.out_of_range, c.leaps, c.notes),
        ([1, 0, 0, 0], [1, 0, 2, 0], [2, 3, 3, 1])
    );
    let named = out_of_range(&chorale(&[[72, 67, 60, 48], [50, 67, 60, 48]]));
    assert_eq!(
        named[0].to_string(),
        "D3 of the soprano at step 1 is outside of C4 to A5"
    );
    assert_eq!(counts(&[[72, 67, 64, 48]]).final_triads, 1);
    assert_eq!(counts(&[[72, 67, 63, 48], [0, 0, 0, 0]]).final_triads, 1);
    assert_eq!(counts(&[[72, 67, 65, 48]]).final_triads, 0);
    assert_eq!(counts(&[[72, 67, 60, 48]]).final_triads, 0);
    assert_eq!(counts(&[[71, 67, 64, 48]]).final_triads, 0);
    assert_eq!(counts(&[]).chorales, 1);
}

#[test]
fn counts_add_up() {
    let one = [[79, 72, 64, 48], [81, 74, 64, 50]];
    let sum: VoiceLeading = [counts(&one), counts(&one)].into_iter().sum();
    assert_eq!(
        (sum.chorales, sum.steps, sum.fifths),
        (2, 4, 2 * counts(&one).fifths)
    );
}

#[test]
fn a_chorale_survives_midi_with_its_strikes() {
    let mut lines = [72, 67, 60, 48].map(|pitch| Line::tied(vec![Some(pitch); 8]));
    lines[0].struck[4] = true;
    lines[2].pitches[6] = None;
    let chorale = Chorale::new(4, lines.clone()).unwrap();
    let common = Meter {
        tick: 0,
        beats: 4,
        unit: 4,
    };
    let bytes = midi_bytes(&chorale.to_score(90.0, common).unwrap()).unwrap();
    let back = read_midi(&bytes, &MidiOptions::default()).unwrap().score;
    assert_eq!(
        back.voices()
            .iter()
            .map(|v| v.name.as_str())
            .collect::<Vec<_>>(),
        refrain_music::VOICE_NAMES
    );
    for voice in [0u16, 1, 3] {
        let line = Line::of_score(&back, Some(voice), 4, &Limits::default()).unwrap();
        assert_eq!(line.notes(), chorale.voices()[usize::from(voice)].notes());
    }
    assert_eq!(chorale.voices()[0].notes(), [72, 72]);
    let (roll, _) = back.to_roll(4, true, &Limits::default()).unwrap();
    assert_eq!(roll, chorale.to_roll().unwrap());
    lines[1].pitches.pop();
    assert!(Chorale::new(4, lines).is_err());
}
