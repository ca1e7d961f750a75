//! Tables of utterances and archives of their sounds.

use refrain_data::DataError;
use refrain_data::speech::{Utterance, Writing, kept_back, shuffled, sounds, utterances};
use std::fs::{self, File};
use std::path::Path;
use tempfile::tempdir;

const TABLE: &str = "b.wav\tanna\tHello, World!\na.wav\tben\tgood bye\n\nc.wav\tanna\t\n";

fn part(folder: &Path, table: &str, files: &[(&str, &[u8])]) {
    fs::create_dir_all(folder.join("set")).unwrap();
    fs::write(folder.join("set/train.tsv"), table).unwrap();
    let mut archive = tar::Builder::new(File::create(folder.join("set/train.tar")).unwrap());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, name, *bytes).unwrap();
    }
    archive.finish().unwrap();
}

#[test]
fn sounds_come_in_the_order_of_the_table() {
    let folder = tempdir().unwrap();
    let files: [(&str, &[u8]); 4] = [
        ("a.wav", b"aa"),
        ("x/b.wav", b"b"),
        ("other", b"o"),
        ("c.wav", b""),
    ];
    part(folder.path(), TABLE, &files);
    let table = utterances(folder.path(), "set/train", None).unwrap();
    let names: Vec<&str> = table.iter().map(|u| u.name.as_str()).collect();
    assert_eq!(names, ["b.wav", "a.wav", "c.wav"]);
    assert_eq!(table[1].speaker.as_deref(), Some("ben"));
    assert_eq!(table[0].transcript, "Hello, World!");
    let got = sounds(folder.path(), "set/train", &table, None).unwrap();
    assert_eq!(got, [b"b".to_vec(), b"aa".to_vec(), b"".to_vec()]);
}

#[test]
fn what_is_missing_or_damaged_is_named() {
    let folder = tempdir().unwrap();
    let error = utterances(folder.path(), "set/train", Some("the moon"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("set/train.tsv") && error.contains("the moon"),
        "{error}"
    );
    part(folder.path(), TABLE, &[("a.wav", b"aa")]);
    let table = utterances(folder.path(), "set/train", None).unwrap();
    let error = sounds(folder.path(), "set/train", &table, None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("b.wav"), "{error}");
    let path = folder.path().join("set/train.tar");
    let bytes = fs::read(&path).unwrap();
    for length in (0..bytes.len()).step_by(97) {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(sounds(folder.path(), "set/train", &table, None).is_err());
    }
    for table in ["one field\n", "a\tb\tc\td\n"] {
        fs::write(folder.path().join("set/train.tsv"), table).unwrap();
        let error = utterances(folder.path(), "set/train", None).unwrap_err();
        assert!(
            matches!(&error, DataError::Speech { problem, .. } if problem.starts_with("line 1"))
        );
    }
    fs::write(folder.path().join("set/train.tsv"), "\n \n").unwrap();
    assert!(utterances(folder.path(), "set/train", None).is_err());
    fs::write(folder.path().join("set/train.tsv"), [b'a', b'\t', 0xff]).unwrap();
    assert!(matches!(
        utterances(folder.path(), "set/train", None),
        Err(DataError::NotUtf8 { offset: 2, .. })
    ));
}

#[test]
fn transcripts_are_written_with_letters_and_single_spaces() {
    let plain = Writing::default();
    let cases = [
        ("Hello,  World!", "hello world"),
        ("  Römer – und Straße. ", "römer und straße"),
        ("Don’t: it's 5 o'clock", "don't it's 5 o'clock"),
        ("Hip-Hop", "hip hop"),
        ("...", ""),
    ];
    for (text, expected) in cases {
        assert_eq!(plain.write(text), expected);
    }
    let kept = Writing {
        capitals: true,
        keep: "-.".into(),
    };
    assert_eq!(kept.write("Hip-Hop, again."), "Hip-Hop again.");
}

#[test]
fn whole_speakers_are_kept_back() {
    let utterance = |number: usize| Utterance {
        name: number.to_string(),
        speaker: Some((number % 7).to_string()),
        transcript: String::new(),
    };
    let all: Vec<Utterance> = (0..70).map(utterance).collect();
    let kept = kept_back(&all, 0.2, true, 1);
    assert_eq!(kept.iter().filter(|kept| **kept).count(), 20);
    for (number, kept_back) in kept.iter().enumerate() {
        assert_eq!(kept[number % 7], *kept_back);
    }
    let single = kept_back(&all, 0.2, false, 1);
    assert_eq!(single.iter().filter(|kept| **kept).count(), 14);
    assert_eq!(single, kept_back(&all, 0.2, false, 1));
    assert_ne!(single, kept_back(&all, 0.2, false, 2));
    let mut order = shuffled(100, 3);
    assert_ne!(order, (0..100).collect::<Vec<_>>());
    order.sort_unstable();
    assert_eq!(order, (0..100).collect::<Vec<_>>());
}
