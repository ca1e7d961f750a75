use refrain_data::DataError;
use refrain_data::corpus::{Corpus, Source, read_text, sha256, split, split_lines};
use std::fs;
use std::io::Write;
use std::path::Path;

#[test]
fn generated_text_knows_its_bits() {
    let load = || {
        Corpus::load(
            &Source::Generated {
                seed: 5,
                characters: 200_000,
            },
            Path::new(""),
            None,
        )
        .unwrap()
    };
    let corpus = load();
    let truth = corpus.truth.unwrap();
    assert!(
        corpus.train.len() >= 200_000
            && corpus.valid.len() >= 10_000
            && corpus.test.len() >= 10_000
    );
    assert!(
        (truth.valid / truth.entropy - 1.0).abs() < 0.05
            && (truth.test / truth.entropy - 1.0).abs() < 0.05
    );
    assert_ne!(corpus.valid[..200], corpus.test[..200]);
    assert_eq!(load(), corpus);
}

#[test]
fn files_and_splits() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), "\u{FEFF}abcdéfghij").unwrap();
    let source = Source::Split {
        file: "a.txt".into(),
        fractions: [0.5, 0.2, 0.3],
    };
    let corpus = Corpus::load(&source, folder.path(), None).unwrap();
    assert_eq!(
        (
            corpus.train.as_str(),
            corpus.valid.as_str(),
            corpus.test.as_str()
        ),
        ("abcdé", "fg", "hij")
    );
    assert_eq!(corpus.truth, None);
    assert_eq!(
        split("abcdefghij", [0.8, 0.1, 0.0]).unwrap(),
        ["abcdefgh", "i", ""]
    );
    for bad in [[0.9, 0.2, 0.0], [-0.1, 0.5, 0.5], [f64::NAN, 0.0, 0.0]] {
        assert!(matches!(split("abc", bad), Err(DataError::Fractions(_))));
    }
    let nothing = Source::Split {
        file: "a.txt".into(),
        fractions: [1.0, 0.0, 0.0],
    };
    assert!(matches!(
        Corpus::load(&nothing, folder.path(), None),
        Err(DataError::Empty { .. })
    ));
}

#[test]
fn bad_files_are_typed_errors_that_help() {
    let folder = tempfile::tempdir().unwrap();
    let missing = read_text(folder.path(), "ptb.train.txt", Some("the Penn Treebank")).unwrap_err();
    let message = missing.to_string();
    assert!(
        message.contains("ptb.train.txt") && message.contains("the Penn Treebank"),
        "{message}"
    );
    assert!(
        message.contains(&folder.path().display().to_string()),
        "{message}"
    );
    fs::write(folder.path().join("b"), b"ok \xFF").unwrap();
    assert!(matches!(
        read_text(folder.path(), "b", None),
        Err(DataError::NotUtf8 { offset: 3, .. })
    ));
    fs::write(folder.path().join("c"), "\u{FEFF}").unwrap();
    assert!(matches!(
        read_text(folder.path(), "c", None),
        Err(DataError::Empty { .. })
    ));
    assert!(matches!(
        read_text(folder.path(), "", None),
        Err(DataError::Io { .. })
    ));
}

#[test]
fn checksum_of_abc() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("abc");
    fs::write(&path, "abc").unwrap();
    // FIPS 180-2, appendix B.1.
    assert_eq!(
        sha256(&path).unwrap(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

/// One file, `fractions` left out: the short form of a recipe.
fn one_file(name: &str) -> Source {
    serde_json::from_value(serde_json::json!({ "from": "file", "file": name })).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn a_book_is_split_at_line_ends() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String = (0..200).map(|n| format!("line number {n}\r\n")).collect();
    fs::write(folder.path().join("book.txt"), format!("\u{FEFF}{lines}")).unwrap();
    let corpus = Corpus::load(&one_file("book.txt"), folder.path(), None).unwrap();
    let parts = [&corpus.train, &corpus.valid, &corpus.test];
    assert!(
        parts
            .iter()
            .all(|part| part.ends_with('\n') && part.starts_with("line"))
    );
    assert_eq!(parts.map(String::as_str).concat(), lines);
    let share = |part: &str| part.len() as f64 / lines.len() as f64;
    for (part, fraction) in parts.iter().zip([0.9, 0.05, 0.05]) {
        assert!((share(part) - fraction).abs() < 0.01, "{}", share(part));
    }
}

#[test]
fn cuts_move_to_line_ends_only_where_no_part_becomes_empty() {
    let thirds = [0.34, 0.33, 0.33];
    let lines = |text| split_lines(text, thirds).unwrap();
    assert_eq!(lines("ab\ncd\nef\n"), ["ab\n", "cd\n", "ef\n"]);
    // No line ends: as `split`.
    assert_eq!(lines("abcdefghi"), split("abcdefghi", thirds).unwrap());
    // The only line end is behind the next cut, or before.
    assert_eq!(lines("abcdefgh\n"), ["abc", "def", "gh\n"]);
    assert_eq!(lines("a\ncdefghi"), ["a\n", "cdef", "ghi"]);
    assert_eq!(lines("äö\nüßé\nà"), ["äö\n", "üßé\n", "à"]);
    assert_eq!(
        split_lines("a\nb\n", [1.0, 0.0, 0.0]).unwrap(),
        ["a\nb\n", "", ""]
    );
}

#[test]
fn gzip_is_read_as_the_text_inside() {
    let folder = tempfile::tempdir().unwrap();
    let text = "a text of some lines\n".repeat(50);
    let packed = gzip(format!("\u{FEFF}{text}").as_bytes());
    // Two members, as `cat a.gz b.gz` makes them; the name does not matter.
    fs::write(
        folder.path().join("a.txt"),
        [&packed[..], &gzip(b"end")].concat(),
    )
    .unwrap();
    let read = read_text(folder.path(), "a.txt", None).unwrap();
    assert_eq!(read, format!("{text}end"));
    fs::write(folder.path().join("cut.gz"), &packed[..packed.len() / 2]).unwrap();
    let error = read_text(folder.path(), "cut.gz", None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("gzip") && error.contains("cut.gz"),
        "{error}"
    );
    fs::write(folder.path().join("bytes.gz"), gzip(&[b'a', 0xFF])).unwrap();
    assert!(matches!(
        read_text(folder.path(), "bytes.gz", None),
        Err(DataError::NotUtf8 { offset: 1, .. })
    ));
}

#[test]
fn formats_that_are_no_text_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (start, name) in [
        (&b"PK\x03\x04\xFF"[..], "zip"),
        (b"\x28\xB5\x2F\xFD", "zstd"),
        (b"\xFF\xFEa\0", "UTF-16"),
    ] {
        fs::write(folder.path().join("x"), start).unwrap();
        let error = read_text(folder.path(), "x", None).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("convert"), "{error}");
    }
}

#[test]
fn a_text_of_one_character_teaches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // The training text counts, not the others.
    for text in ["0".repeat(1000), "0".repeat(999) + "1"] {
        fs::write(folder.path().join("z.txt"), text).unwrap();
        let source = Source::Split {
            file: "z.txt".into(),
            fractions: [0.5, 0.25, 0.25],
        };
        let error = Corpus::load(&source, folder.path(), None);
        assert!(matches!(error, Err(DataError::OneCharacter('0'))));
    }
    fs::write(folder.path().join("z.txt"), "01".repeat(50)).unwrap();
    assert!(Corpus::load(&one_file("z.txt"), folder.path(), None).is_ok());
}
