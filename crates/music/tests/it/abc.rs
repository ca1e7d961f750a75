//! Reading and playing ABC. Tests of faults of other readers are named after them.

use refrain_music::abc::{
    BarKind, Item, Key, PlayOptions, Ratio, TimeSignature, Tune, decode_abc, normal_form,
    read_tune, split_tunes,
};
use refrain_music::{Limits, MusicError, Warning};

fn tune(text: &str) -> Tune {
    read_tune(text, &Limits::default()).expect("a tune")
}

/// A tune in C with eighths in common time.
fn music(body: &str) -> Tune {
    tune(&format!("X:1\nM:4/4\nL:1/8\nK:C\n{body}\n"))
}

/// Pitches and lengths in eighths of the first voice.
fn notes(tune: &Tune) -> Vec<(Vec<u8>, String)> {
    let items = tune.parts[0].items.iter();
    let eighths = |length: &Ratio| length.times(Ratio::new(8, 1).unwrap()).unwrap().to_string();
    items
        .filter_map(|item| match item {
            Item::Notes {
                pitches, length, ..
            } => Some((pitches.clone(), eighths(length))),
            Item::Rest { length } => Some((vec![], eighths(length))),
            _ => None,
        })
        .collect()
}

/// Lengths in eighths, with no warning.
fn lengths(body: &str) -> Vec<String> {
    let tune = music(body);
    assert!(tune.warnings.is_empty(), "{body}: {:?}", tune.warnings);
    notes(&tune).into_iter().map(|note| note.1).collect()
}

fn pitches(tune: &Tune) -> Vec<u8> {
    notes(tune).into_iter().flat_map(|note| note.0).collect()
}

#[test]
fn lengths_are_exact() {
    assert_eq!(
        lengths("C C2 C/ C// C/4 C3/2 C7/8 C16 z3 x/2"),
        [
            "1", "2", "1/2", "1/4", "1/4", "3/2", "7/8", "16", "3", "1/2"
        ]
    );
    assert_eq!(
        lengths("C>C C<C C>>C C<<C2 C > C"),
        [
            "3/2", "1/2", "1/2", "3/2", "7/4", "1/4", "1/4", "7/2", "3/2", "1/2"
        ]
    );
    assert_eq!(lengths("[CEG]2 [C2E2]3/2 [C/E]"), ["2", "3", "1/2"]);
}

#[test]
fn tuplets_have_three_numbers() {
    assert_eq!(lengths("(3CCC C"), ["2/3", "2/3", "2/3", "1"]);
    assert_eq!(
        lengths("(2CC (4CCCC"),
        ["3/2", "3/2", "3/4", "3/4", "3/4", "3/4"]
    );
    assert_eq!(lengths("(3:2:1C3 C"), ["2", "1"]);
    assert_eq!(lengths("(1:2:2CC C"), ["2", "2", "1"]);
    assert_eq!(
        lengths("(6:4:6CCCCCC C"),
        ["2/3", "2/3", "2/3", "2/3", "2/3", "2/3", "1"]
    );
    assert_eq!(lengths("(11:6:1C11")[0], "6");
    assert_eq!(lengths("(32:24:2C4C4 C"), ["3", "3", "1"]);
    assert_eq!(lengths("(3::2CC C"), ["2/3", "2/3", "1"]);
    assert_eq!(lengths("{G}(3F4D4E4"), ["8/3", "8/3", "8/3"]);
    assert_eq!(
        lengths("(C(DE)) (3zCC"),
        ["1", "1", "1", "2/3", "2/3", "2/3"]
    );
    // A quintuplet is in the time of three in compound meter.
    let nine = tune("X:1\nM:9/8\nL:1/8\nK:C\n(5CCCCC\n");
    assert_eq!(notes(&nine)[0].1, "3/5");
}

#[test]
fn repeat_signs_need_no_space_before_them() {
    let (with, without) = (
        music("FEF G2 A ::FEF G2 A:|"),
        music("FEF G2 A::FEF G2 A:|"),
    );
    assert_eq!(notes(&with), notes(&without));
    assert_eq!(notes(&with).len(), 10);
    for tune in [&with, &without] {
        assert!(
            tune.parts[0]
                .items
                .iter()
                .any(|item| matches!(item, Item::Bar(bar) if bar.ends_repeat && bar.begins_repeat))
        );
    }
}

#[test]
fn accidentals_hold_in_their_bar_and_octave() {
    let read = tune("X:1\nL:1/8\nK:D\nFf ^G G g =F F f|F G __B ^^c =c|\n");
    assert_eq!(
        pitches(&read),
        [66, 78, 68, 68, 79, 65, 65, 78, 66, 67, 69, 74, 72]
    );
    assert_eq!(pitches(&music("C, C,, c' b'")), [48, 36, 84, 95]);
}

#[test]
fn keys_in_all_spellings() {
    let key = |value: &str| Key::parse(value).map(|key| (key.fifths, key.minor, key.tonic));
    for (value, wanted) in [
        ("G", (1, false, 7)),
        ("D Major", (2, false, 2)),
        ("D major", (2, false, 2)),
        ("Em", (1, true, 4)),
        ("E min", (1, true, 4)),
        ("ADor", (1, true, 9)),
        ("A Dorian", (1, true, 9)),
        ("Bb", (-2, false, 10)),
        ("F#m", (3, true, 6)),
        ("Gmix", (0, false, 7)),
        ("Dphr", (-2, true, 2)),
        ("Clyd", (1, false, 0)),
        ("Bloc", (0, true, 11)),
        ("HP", (2, false, 9)),
        ("none", (0, false, 0)),
        ("", (0, false, 0)),
        ("G clef=bass", (1, false, 7)),
        ("C#", (7, false, 1)),
    ] {
        assert_eq!(key(value), Some(wanted), "{value:?}");
    }
    assert_eq!(key("Q"), None);
    let flat = Key::parse("D exp ^f _b").unwrap();
    assert_eq!(flat.accidentals, [1, 0, 0, 1, 0, 0, -1]);
    // Eight sharps: F is doubly sharp.
    assert_eq!(Key::parse("G#").unwrap().accidentals, [1, 1, 1, 2, 1, 1, 1]);
}

#[test]
fn meters_in_all_spellings() {
    let of = |value: &str| TimeSignature::parse(value).map(|m| m.map(|m| (m.beats, m.unit)));
    assert_eq!(of("C|"), Some(Some((2, 2))));
    assert_eq!(of("C"), Some(Some((4, 4))));
    assert_eq!(of("6/8"), Some(Some((6, 8))));
    assert_eq!(of("(2+3)/8"), Some(Some((5, 8))));
    assert_eq!(of("none"), Some(None));
    for bad in ["6/7", "0/4", "4", "a/b", "999/4", "4/0", "255+255/4"] {
        assert_eq!(of(bad), None, "{bad}");
    }
}

#[test]
fn headers_with_spaces_comments_and_two_meters() {
    let read =
        tune("X: 17\nT:A and D\n% a comment\nS:EF\nM:4/4\nK:A\nM:6/8\nP:A\nf|\"A\"ecc c2f|\n");
    assert_eq!(
        (read.number, read.titles.as_slice()),
        (17, &["A and D".to_owned()][..])
    );
    assert_eq!(read.meter.map(|m| (m.beats, m.unit)), Some((6, 8)));
    assert_eq!(read.key.fifths, 3);
    assert!(read.warnings.is_empty() && read.regular());
    let kinds: Vec<_> = read
        .bars(&read.parts[0])
        .iter()
        .map(|bar| bar.kind)
        .collect();
    assert_eq!(kinds, [BarKind::Partial, BarKind::Full]);
    let error = read_tune("X:1\nT:x\n", &Limits::default()).unwrap_err();
    assert!(matches!(error, MusicError::Abc { line: 2, .. }), "{error}");
}

#[test]
fn an_exclamation_mark_may_end_a_line_or_hold_a_decoration() {
    assert_eq!(lengths("C D!\nE F !trill!G A!"), ["1"; 6]);
    let odd = music("C ! D | E");
    assert!(
        matches!(
            &odd.warnings[..],
            [Warning::Place {
                line: 5,
                column: 3,
                ..
            }]
        ),
        "{:?}",
        odd.warnings
    );
    assert_eq!(notes(&odd).len(), 3);
}

#[test]
fn character_sets_are_told_apart() {
    let text = |bytes: &[u8]| decode_abc(bytes).0;
    assert_eq!(
        text(b"%%abc-charset iso-8859-1\nT:caf\xE9\n"),
        "%%abc-charset iso-8859-1\nT:café\n"
    );
    assert_eq!(text("T:café\n".as_bytes()), "T:café\n");
    let (read, warnings) = decode_abc(b"T:caf\xE9\r\nK:C\r");
    assert_eq!(
        (read.as_str(), &warnings[..]),
        ("T:café\nK:C\n", &[Warning::Latin1][..])
    );
    assert_eq!(text(b"\xEF\xBB\xBFX:1\n"), "X:1\n");
}

#[test]
fn tunes_are_parted_at_blank_lines_and_numbers() {
    let text = "intro\n\nX:1\nK:C\nC\n\nnoise\nX:2\nK:D\nD\nX:3\nK:E\nE";
    let found: Vec<_> = split_tunes(text)
        .into_iter()
        .map(|tune| (tune.line, tune.text))
        .collect();
    assert_eq!(
        found,
        [
            (3, "X:1\nK:C\nC\n"),
            (8, "X:2\nK:D\nD\n"),
            (11, "X:3\nK:E\nE")
        ]
    );
    let crowded = tune("X:1\nK:C\nC\nX:2\nD\n");
    assert!(
        crowded
            .warnings
            .iter()
            .any(|w| w.to_string().contains("another tune"))
    );
}

#[test]
fn bars_are_counted_with_pick_ups_and_endings() {
    let kinds = |body: &str| -> Vec<BarKind> {
        let tune = music(body);
        tune.bars(&tune.parts[0])
            .iter()
            .map(|bar| bar.kind)
            .collect()
    };
    use BarKind::{Full, Long, Partial, Short};
    assert_eq!(kinds("C2|C8|C8|C6:|"), [Partial, Full, Full, Partial]);
    assert_eq!(kinds("C8|C7|C9|C8|"), [Full, Short, Long, Full]);
    assert_eq!(
        kinds("C8|[1C6:|[2C6||C2|C8|]"),
        [Full, Partial, Partial, Partial, Full]
    );
    assert_eq!(
        kinds("C2|C8|1 C6:|2 C6|]"),
        [Partial, Full, Partial, Partial]
    );
    assert_eq!(kinds("C8|1 C6:|2 C6|]"), [Full, Short, Short]);
    assert_eq!(kinds("C8|C8||C4|C8|]"), [Full, Full, Short, Full]);
    assert_eq!(
        kinds("C8|\n|:C8|C4:|\n|C4|"),
        [Full, Full, Partial, Partial]
    );
    assert_eq!(
        kinds("(3C2C2C2 C4|(3C4C4C4|(5CCCCC C6|"),
        [Full, Full, Full]
    );
    assert_eq!(kinds("Z2|C8|z8|"), [Full; 4]);
    assert_eq!(
        kinds("C8|\nM:3/4\nC6|[M:2/4]C4|C6|"),
        [Full, Full, Full, Long]
    );
    assert!(tune("X:1\nL:1/8\nK:C\nC3|C5|\n").regular());
    assert!(!music("").regular());
}

#[test]
fn the_unit_follows_the_meter() {
    for (meter, unit) in [
        ("2/4", "1/16"),
        ("3/4", "1/8"),
        ("6/8", "1/8"),
        ("none", "1/8"),
        ("C|", "1/8"),
        ("5/8", "1/16"),
    ] {
        assert_eq!(
            tune(&format!("X:1\nM:{meter}\nK:C\nC\n")).unit.to_string(),
            unit,
            "{meter}"
        );
    }
    assert_eq!(tune("X:1\nM:2/4\nL:1/4\nK:C\nC\n").unit.to_string(), "1/4");
}

/// Starts in eighths and pitches of the notes as they are played, and the whole in eighths.
fn played(text: &str) -> (Vec<(f64, u8)>, f64) {
    let options = PlayOptions {
        chords: false,
        ..PlayOptions::default()
    };
    let score = tune(text).to_score(&options).unwrap();
    let eighth = f64::from(score.division()) / 2.0;
    let starts = score
        .notes()
        .iter()
        .map(|n| (f64::from(n.start) / eighth, n.pitch))
        .collect();
    (starts, f64::from(score.end()) / eighth)
}

#[test]
fn repeats_and_endings_are_played_out() {
    let order = |body: &str| -> Vec<u8> {
        let (notes, _) = played(&format!("X:1\nM:1/8\nL:1/8\nK:C\n{body}\n"));
        notes.into_iter().map(|note| note.1).collect()
    };
    let [c, d, e, f] = [60, 62, 64, 65];
    assert_eq!(order("C|D:|E|F|]"), [c, d, c, d, e, f]);
    assert_eq!(order("C|:D|E:|F"), [c, d, e, d, e, f]);
    assert_eq!(order("|:C|D::E|F:|"), [c, d, c, d, e, f, e, f]);
    assert_eq!(order("|:C|1D:|2E||F|]"), [c, d, c, e, f]);
    assert_eq!(order("C|[1D:|[2E:|F|"), [c, d, c, e, f]);
    assert_eq!(order("|:C|[1,2D:|[3E||F"), [c, d, c, d, c, e, f]);
    assert_eq!(order("|:C|[1-2D:|3E||F"), [c, d, c, d, c, e, f]);
}

#[test]
fn ties_make_one_note_and_tempos_hold() {
    let score = tune("X:1\nM:4/4\nL:1/4\nQ:1/2=60\nK:C\nC-|C [CE]-[CE] (3C-C-C|\n")
        .to_score(&PlayOptions::default())
        .unwrap();
    let lengths: Vec<_> = score
        .notes()
        .iter()
        .map(|n| (n.pitch, n.length / 3360))
        .collect();
    assert_eq!(lengths, [(60, 6), (60, 6), (64, 6), (60, 6)]);
    assert!((score.seconds() - 3.0).abs() < 1e-9, "{}", score.seconds());
    for (value, quarters) in [
        ("1/4=90", 90.0),
        ("90", 45.0),
        ("C=90", 45.0),
        ("C3=40", 60.0),
        ("\"Slow\" 3/8=40 \"x\"", 60.0),
        ("1/8 1/8=50", 50.0),
    ] {
        let tune = tune(&format!("X:1\nL:1/8\nQ:{value}\nK:C\nC\n"));
        assert_eq!(
            tune.pace.map(|pace| pace.quarters()),
            Some(quarters),
            "{value}"
        );
    }
}

#[test]
fn chord_symbols_are_played_below_the_tune() {
    let score = music("\"C\"c4\"G7\"d4|\"Am/E\"c8|\"quickly\"c8|")
        .to_score(&PlayOptions::default())
        .unwrap();
    let chords = score.voice(1);
    let at = |tick: u32| -> Vec<u8> {
        chords
            .notes()
            .iter()
            .filter(|n| n.start == tick)
            .map(|n| n.pitch)
            .collect()
    };
    assert_eq!(at(0), [48, 60, 64, 67]);
    assert_eq!(at(20_160), [43, 55, 59, 62, 65]);
    assert_eq!(at(40_320), [40, 57, 60, 64]);
    assert_eq!(chords.length(), 3 * 40_320);
    assert_eq!(score.voices()[1].name, "Chords");
}

#[test]
fn voices_are_kept_apart() {
    let two = tune("X:1\nM:4/4\nL:1/4\nK:C\nV:1\nCDEF|\nV:2\nC,2G,2|\nV:1\nGABc|\n");
    assert_eq!(two.parts.len(), 2);
    let score = two.to_score(&PlayOptions::default()).unwrap();
    assert_eq!(score.voice(0).notes().len(), 8);
    assert_eq!(score.voice(1).notes().len(), 2);
    let over = music("C4 D4 & E8 | F8 |");
    assert_eq!(notes(&over).len(), 3);
    assert!(over.warnings.iter().any(|w| w.to_string().contains('&')));
}

#[test]
fn a_pick_up_has_a_bar_of_its_own_in_the_score() {
    let score = tune("X:1\nM:6/8\nL:1/8\nK:G\nd|g3 g3|a3 a2:|\n")
        .to_score(&PlayOptions::default())
        .unwrap();
    let eighth = u32::from(score.division()) / 2;
    assert_eq!(
        score.bars(13 * eighth).collect::<Vec<_>>(),
        [0, eighth, 7 * eighth]
    );
}

#[test]
fn broken_music_is_read_with_its_places() {
    for (body, column) in [
        ("C \"Am D E", 3),
        ("C [DE F|", 3),
        ("C {d E", 3),
        ("C ] D", 3),
        ("C # D", 3),
        ("> C", 1),
        ("- C", 1),
        ("C (3D|E", 6),
        ("C D0 E", 3),
        ("C (0D E", 3),
        ("C c'''''''' D", 3),
        ("C : D", 3),
        ("C [] D", 3),
    ] {
        let read = music(body);
        assert!(
            matches!(read.warnings[..], [Warning::Place { line: 5, column: at, .. }] if at == column),
            "{body}: {:?}",
            read.warnings
        );
    }
    // A thousand faults are counted, not listed.
    let many = music(&"#".repeat(1000));
    assert!(many.warnings.len() == 21 && many.warnings[20] == Warning::MorePlaces { places: 980 });
}

#[test]
fn the_normal_form_has_its_controls_first() {
    let text = "X: 1\nT:Old Tune\n% comment\nS:here\nR:jig\nM:4/4\nK:A\nM:6/8\nP:A\nf|ecc c2f!\necc \\\nc2f|[1A3:|\nw:la la\n|]% end\nP:B\nA6|]\n\n";
    assert_eq!(
        normal_form(text, false),
        "M:6/8\nR:jig\nK:A\nf|ecc c2f\necc c2f|[1A3:|\n|]\nP:B\nA6|]\n"
    );
    assert!(normal_form(text, true).starts_with("T:Old Tune\nM:6/8\n"));
    let again = normal_form(&normal_form(text, true), true);
    assert_eq!(again, normal_form(text, true));
}
