use refrain_data::DataError;
use refrain_data::corpus::{Corpus, Source, read_text, sha256, split};
use std::fs;
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
