use crate::{note, plain, score};
use refrain_music::{
    KeySignature, Limits, Line, Meter, MusicError, Score, Voice, Warning, XmlConfig, XmlOptions,
    musicxml, read_musicxml,
};
use std::io::Write;

fn read(text: &str) -> refrain_music::Imported {
    read_musicxml(text.as_bytes(), &XmlOptions::default()).expect("a document")
}

/// A document of one part.
fn part(measures: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><score-partwise><part-list><score-part id=\"P1\"><part-name>A &amp; B</part-name></score-part>\
         </part-list><part id=\"P1\">{measures}</part></score-partwise>"
    )
}

fn written(step: &str, octave: u8, duration: u32, more: &str) -> String {
    format!(
        "<note><pitch><step>{step}</step><octave>{octave}</octave></pitch><duration>{duration}</duration>{more}</note>"
    )
}

/// Starts and lengths in quarter notes.
fn quarters(score: &Score) -> Vec<(f64, f64, u8)> {
    let quarter = |ticks: u32| f64::from(ticks) / f64::from(score.division());
    score
        .notes()
        .iter()
        .map(|n| (quarter(n.start), quarter(n.length), n.pitch))
        .collect()
}

#[test]
fn four_voices_come_back() {
    let mut song = score(vec![
        note(0, 240, 72, 0),
        note(240, 720, 73, 0),
        note(1440, 1920, 66, 0),
        note(0, 2400, 65, 1),
        note(480, 120, 57, 2),
        note(2880, 480, 45, 3),
    ]);
    song.title = "Test <&>".to_owned();
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
    ]);
    song.set_keys(vec![KeySignature {
        tick: 0,
        fifths: 2,
        minor: false,
    }]);
    song.name_voices(["Soprano", "Alto", "Tenor", "Bass"].map(|name| Voice {
        name: name.to_owned(),
        program: 0,
    }));
    let text = musicxml(&song, &XmlConfig::default()).unwrap();
    let back = read(&text);
    assert!(back.warnings.is_empty(), "{:?}", back.warnings);
    assert_eq!(quarters(&back.score), quarters(&song));
    assert_eq!(back.score.title, song.title);
    assert_eq!(back.score.voices()[2].name, "Tenor");
    assert_eq!(back.score.keys()[0].fifths, 2);
    assert!(
        text.contains("<measure number=\"0\" implicit=\"yes\">")
            && text.contains("<step>F</step><alter>1</alter>")
    );
    let soprano = Line::of_score(&back.score, Some(0), 4, &Limits::default()).unwrap();
    assert_eq!(soprano.notes(), [72, 73, 66]);
}

#[test]
fn pitches_are_spelled_in_their_key() {
    let spelled = |fifths: i8, minor: bool, pitch: u8| {
        let mut song = score(vec![note(0, 480, pitch, 0)]);
        song.set_keys(vec![KeySignature {
            tick: 0,
            fifths,
            minor,
        }]);
        let text = musicxml(&song, &XmlConfig::default()).unwrap();
        assert_eq!(read(&text).score.notes()[0].pitch, pitch);
        let between = |tag: &str| {
            let (_, after) = text.split_once(&format!("<{tag}>"))?;
            after.split('<').next().map(str::to_owned)
        };
        (
            between("step").unwrap(),
            between("alter"),
            between("octave").unwrap(),
        )
    };
    let name = |step: &str, alter: Option<&str>, octave: &str| {
        (step.to_owned(), alter.map(str::to_owned), octave.to_owned())
    };
    assert_eq!(spelled(0, false, 66), name("F", Some("1"), "4"));
    assert_eq!(spelled(0, true, 68), name("G", Some("1"), "4"));
    assert_eq!(spelled(-3, false, 63), name("E", Some("-1"), "4"));
    assert_eq!(spelled(-3, true, 71), name("B", None, "4"));
    assert_eq!(spelled(7, false, 60), name("B", Some("1"), "3"));
    assert_eq!(spelled(-7, false, 71), name("C", Some("-1"), "5"));
    for fifths in -7..=7 {
        for pitch in 0..=127 {
            spelled(fifths, fifths % 2 == 0, pitch);
        }
    }
}

#[test]
fn ties_chords_voices_and_transposition_are_resolved() {
    let text = part(&format!(
        "<measure><attributes><divisions>2</divisions><transpose><chromatic>-2</chromatic></transpose></attributes>{}{}{}\
         <backup><duration>6</duration></backup>{}<forward><duration>1</duration></forward>{}</measure><measure>{}</measure>",
        written("C", 5, 2, "<tie type=\"start\"/>"),
        written("C", 5, 4, "<tie type=\"stop\"/>"),
        "<note><chord/><pitch><step>E</step><alter>-1</alter><octave>5</octave></pitch><duration>4</duration></note>",
        written("G", 4, 3, "<voice>2</voice>"),
        written("F", 4, 2, "<voice>2</voice>"),
        written("D", 5, 2, ""),
    ));
    let read = read(&text);
    assert_eq!(
        quarters(&read.score),
        [
            (0.0, 1.5, 65),
            (0.0, 3.0, 70),
            (1.0, 2.0, 73),
            (2.0, 1.0, 63),
            (3.0, 1.0, 72)
        ]
    );
    assert_eq!(read.score.voices().len(), 2);
    assert_eq!(read.score.voices()[0].name, "A & B");
    assert!(read.warnings.is_empty());
}

#[test]
fn left_out_things_are_named() {
    let text = part(&format!(
        "<measure><attributes><divisions>7</divisions></attributes><note><grace/><pitch><step>C</step><octave>4</octave></pitch></note>\
         {}<barline><repeat direction=\"backward\"/></barline></measure>",
        written("C", 4, 3, "")
    ));
    let read = read(&text);
    assert_eq!(plain(&read.score), [(0, 4320, 60)]);
    assert_eq!(read.warnings.len(), 2);
    let odd = part(&format!(
        "<measure><attributes><divisions>11</divisions></attributes>{}</measure>",
        written("C", 4, 3, "")
    ));
    assert!(
        self::read(&odd)
            .warnings
            .contains(&Warning::Rounded { notes: 1 })
    );
}

#[test]
fn other_documents_and_damage_are_refused() {
    let whole = part(&format!("<measure>{}</measure>", written("C", 4, 1, "")));
    for (bytes, hint) in [
        (&b""[..], "score-partwise"),
        (b"<html><p>x</p></html>", "score-partwise"),
        (b"<score-timewise></score-timewise>", "score-timewise"),
        (b"<score-partwise><part></score-partwise>", "damaged"),
        (b"PK\x03\x04rubbish", "archive"),
    ] {
        let error = read_musicxml(bytes, &XmlOptions::default()).unwrap_err();
        assert!(
            matches!(error, MusicError::Xml { .. }) && error.to_string().contains(hint),
            "{error}"
        );
    }
    let inside = read(&whole[..whole.len() - 20]);
    assert_eq!(inside.score.notes().len(), 1);
    assert!(matches!(inside.warnings[..], [Warning::Damaged { .. }]));
    let between = read(&whole[..whole.len() - "</part></score-partwise>".len()]);
    assert!(
        between
            .warnings
            .iter()
            .any(|w| w.to_string().contains("cut off"))
    );
    let zero = whole.replace("<measure>", "<measure><divisions>0</divisions>");
    assert!(read_musicxml(zero.as_bytes(), &XmlOptions::default()).is_err());
    let huge = whole.replace("<duration>1<", "<duration>999999999999<");
    assert!(matches!(
        read_musicxml(huge.as_bytes(), &XmlOptions::default()),
        Err(MusicError::Large { .. })
    ));
    let deep = "<a>".repeat(100_000);
    assert!(read_musicxml(deep.as_bytes(), &XmlOptions::default()).is_err());
}

#[test]
fn compressed_and_wide_documents_are_read() {
    let text = part(&format!("<measure>{}</measure>", written("C", 4, 1, "")));
    let wide: Vec<u8> = [0xFEFFu16]
        .into_iter()
        .chain(text.encode_utf16())
        .flat_map(u16::to_be_bytes)
        .collect();
    assert_eq!(
        read_musicxml(&wide, &XmlOptions::default())
            .unwrap()
            .score
            .notes()
            .len(),
        1
    );
    for container in [true, false] {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        if container {
            archive
                .start_file("META-INF/container.xml", options)
                .unwrap();
            archive.write_all(b"<container><rootfiles><rootfile full-path=\"a/s.musicxml\"/></rootfiles></container>").unwrap();
        }
        archive.start_file("a/s.musicxml", options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
        let bytes = archive.finish().unwrap().into_inner();
        assert_eq!(
            read_musicxml(&bytes, &XmlOptions::default())
                .unwrap()
                .score
                .notes()
                .len(),
            1
        );
        let limits = Limits {
            bytes: bytes.len(),
            ..Limits::default()
        };
        let small = read_musicxml(&bytes, &XmlOptions { limits });
        assert!(bytes.len() > text.len() || matches!(small, Err(MusicError::Large { .. })));
    }
}

#[test]
fn odd_meters_and_grids_are_refused_when_they_do_not_fit() {
    let mut song = score(vec![note(0, 480, 60, 0)]);
    song.set_meters(vec![Meter {
        tick: 0,
        beats: 3,
        unit: 32,
    }]);
    assert!(musicxml(&song, &XmlConfig::default()).is_err());
    assert!(
        musicxml(
            &song,
            &XmlConfig {
                per_quarter: 8,
                ..XmlConfig::default()
            }
        )
        .is_ok()
    );
    for per_quarter in [0, 3, 32] {
        assert!(
            musicxml(
                &song,
                &XmlConfig {
                    per_quarter,
                    ..XmlConfig::default()
                }
            )
            .is_err()
        );
    }
    assert!(musicxml(&score(vec![]), &XmlConfig::default()).is_err());
}
