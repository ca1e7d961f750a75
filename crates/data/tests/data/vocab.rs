use proptest::prelude::*;
use refrain_data::DataError;
use refrain_data::vocab::{BPE_FILE, DecodeState, VOCABULARY_FILE, Vocabulary, VocabularyKind};
use refrain_random::Rng;
use std::fs;
use std::sync::LazyLock;

const WORDS: VocabularyKind = VocabularyKind::Words {
    max_size: None,
    min_count: 0,
};
const TEXT: &str = "the cat sat on the mat\nthe dog <unk> on the log\n";
const KINDS: [VocabularyKind; 3] = [
    VocabularyKind::Characters,
    WORDS,
    VocabularyKind::Bpe { size: 270 },
];

static BPE: LazyLock<Vocabulary> =
    LazyLock::new(|| Vocabulary::build(VocabularyKind::Bpe { size: 280 }, TEXT).unwrap());

#[test]
fn characters_are_sorted_after_the_unknown() {
    let v = Vocabulary::build(VocabularyKind::Characters, "\u{FEFF}abca").unwrap();
    assert_eq!(v.len(), 4);
    assert_eq!(v.encode("\u{FEFF}cab"), [3, 1, 2]);
    let strange = v.encode_counting("axé");
    assert_eq!(
        (strange.ids.as_slice(), strange.unknown),
        ([1, 0, 0].as_slice(), 2)
    );
    assert_eq!(v.decode(&[1, 0, 99]), "a\u{FFFD}\u{FFFD}");
    assert_eq!((v.token(3).as_deref(), v.token(4)), (Some("c"), None));
}

#[test]
fn words_follow_the_penn_treebank() {
    let v = Vocabulary::build(WORDS, TEXT).unwrap();
    // <unk> <eos> the on cat dog log mat sat
    assert_eq!(v.len(), 9);
    assert_eq!(v.encode(" the cat sat \n"), [2, 4, 8, 1]);
    assert_eq!(v.encode("the cat"), [2, 4]);
    assert_eq!(v.encode_counting("the cow\n\n").unknown, 1);
    assert_eq!(v.decode(&v.encode(TEXT)), TEXT);
    let small = Vocabulary::build(
        VocabularyKind::Words {
            max_size: Some(3),
            min_count: 0,
        },
        TEXT,
    )
    .unwrap();
    assert_eq!((small.len(), small.encode("the on")), (3, vec![2, 0]));
    let common = Vocabulary::build(
        VocabularyKind::Words {
            max_size: None,
            min_count: 2,
        },
        TEXT,
    )
    .unwrap();
    assert_eq!(common.len(), 4);
}

#[test]
fn bpe_merges_and_is_the_same_every_time() {
    // Asked for 280; after 20 merges every word is one token.
    assert_eq!(BPE.len(), 276);
    assert!(BPE.encode(TEXT).len() < TEXT.len() / 2);
    let again = Vocabulary::build(VocabularyKind::Bpe { size: 280 }, TEXT).unwrap();
    assert!((0..276).all(|id| again.token(id) == BPE.token(id)));
}

#[test]
fn what_cannot_be_built_is_a_typed_error() {
    for kind in KINDS {
        assert!(matches!(
            Vocabulary::build(kind, "\u{FEFF}"),
            Err(DataError::Empty { .. })
        ));
    }
    assert!(matches!(
        Vocabulary::build(VocabularyKind::Bpe { size: 255 }, "a"),
        Err(DataError::Vocabulary(_))
    ));
    let tiny = VocabularyKind::Words {
        max_size: Some(2),
        min_count: 0,
    };
    assert!(matches!(
        Vocabulary::build(tiny, "a"),
        Err(DataError::Vocabulary(_))
    ));
}

#[test]
fn saved_vocabularies_come_back() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let v = Vocabulary::build(kind, TEXT).unwrap();
        v.save(folder.path()).unwrap();
        let w = Vocabulary::load(folder.path()).unwrap();
        assert_eq!((v.len(), v.kind()), (w.len(), w.kind()));
        assert_eq!(v.encode(TEXT), w.encode(TEXT));
        assert_eq!(w.decode(&v.encode(TEXT)), TEXT);
    }
}

#[test]
fn several_vocabularies_live_in_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let other = Vocabulary::build(KINDS[2], "one two three one two").unwrap();
    BPE.save_as(folder.path(), "source").unwrap();
    other.save_as(folder.path(), "target").unwrap();
    let load = |name: &str| Vocabulary::load_as(folder.path(), name).unwrap();
    assert_eq!(load("source").encode(TEXT), BPE.encode(TEXT));
    assert_eq!(load("target").encode("one two"), other.encode("one two"));
    let mut there: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    let mut named = [
        Vocabulary::files_as("source"),
        Vocabulary::files_as("target"),
    ]
    .concat();
    named.sort();
    assert_eq!(there, named);
    assert!(Vocabulary::load(folder.path()).is_err());
}

#[test]
fn a_case_mark_belongs_to_its_word() {
    let text = " ⇧hello world ⇪hello ⇧hello\n".repeat(5);
    let bpe = Vocabulary::build(VocabularyKind::Bpe { size: 300 }, &text).unwrap();
    assert_eq!(bpe.encode(" ⇧hello").len(), 1);
    assert_eq!(bpe.decode(&bpe.encode(&text)), text);
}

#[test]
fn damaged_files_are_typed_errors() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        Vocabulary::load(folder.path()),
        Err(DataError::Io { .. })
    ));
    for kind in KINDS {
        Vocabulary::build(kind, TEXT)
            .unwrap()
            .save(folder.path())
            .unwrap();
        let file = if matches!(kind, VocabularyKind::Bpe { .. }) {
            BPE_FILE
        } else {
            VOCABULARY_FILE
        };
        let path = folder.path().join(file);
        let whole = fs::read(&path).unwrap();
        for part in [0, 1, whole.len() / 2, whole.len() - 2] {
            fs::write(&path, &whole[..part]).unwrap();
            assert!(
                matches!(
                    Vocabulary::load(folder.path()),
                    Err(DataError::VocabularyFile { .. })
                ),
                "{kind:?} {part}"
            );
        }
    }
    let foreign = [
        r#"{"kind":"characters","tokens":[]}"#,
        r#"{"kind":"characters","tokens":["�","a","a"]}"#,
        r#"{"kind":"characters","tokens":["�","ab"]}"#,
        r#"{"kind":"characters","tokens":["a"]}"#,
        r#"{"kind":"words","tokens":["<unk>","a"]}"#,
        r#"{"kind":"words","tokens":["<unk>","<eos>","a b"]}"#,
        r#"{"kind":"runes","tokens":["�"]}"#,
        r#"{"kind":"bpe","size":3}"#,
        "[]",
        "\u{0}\u{1}",
    ];
    for text in foreign {
        fs::write(folder.path().join(VOCABULARY_FILE), text).unwrap();
        assert!(
            matches!(
                Vocabulary::load(folder.path()),
                Err(DataError::VocabularyFile { .. })
            ),
            "{text}"
        );
    }
}

#[test]
fn the_stream_holds_back_incomplete_characters() {
    let ids = BPE.encode("é");
    let mut stream = BPE.decode_stream();
    assert_eq!(ids.len(), 2);
    assert_eq!(
        (stream.push(ids[0]).as_str(), stream.push(ids[1]).as_str()),
        ("", "é")
    );
    assert_eq!(stream.push(ids[0]), "");
    assert_eq!(stream.finish(), "\u{FFFD}");
    // The state of a stream is plain data: stored within a character, it goes on with the other half.
    let mut state = DecodeState::default();
    assert_eq!(state.push(&BPE, ids[0]), "");
    let stored = serde_json::to_string(&state).unwrap();
    let mut state: DecodeState = serde_json::from_str(&stored).unwrap();
    assert_eq!(state.push(&BPE, ids[1]), "é");
    assert_eq!(
        BPE.decode(&[ids[1], ids[0], ids[0], ids[1]]),
        "\u{FFFD}\u{FFFD}é"
    );
}

proptest! {
    #[test]
    fn bpe_round_trips(text in r"\PC*|[a-z \n\t\r]*|(the |\s|é|🦀|<unk>)*") {
        let expect = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
        let ids = BPE.encode(&text);
        prop_assert!(ids.iter().all(|&id| (id as usize) < BPE.len()));
        prop_assert_eq!(BPE.decode(&ids), expect);
    }

    #[test]
    fn characters_round_trip(text in "[a-zé\n]{1,60}") {
        let v = Vocabulary::build(VocabularyKind::Characters, &text).unwrap();
        prop_assert_eq!(v.decode(&v.encode(&text)), text);
    }
}

#[test]
fn a_random_cut_is_another_spelling_of_the_same_text() {
    let text = "the cat sat on the mat, the cat sat on the hat\n".repeat(4);
    let bpe = Vocabulary::build(VocabularyKind::Bpe { size: 290 }, &text).unwrap();
    let usual = bpe.encode(&text);
    let cut = |share: f64, seed: u64| bpe.encode_dropping(&text, share, &mut Rng::new(seed));
    // Without dropout our own merging is that of the library.
    assert_eq!(cut(0.0, 1), usual);
    let random = cut(0.3, 1);
    assert!(random.len() > usual.len() && random.len() < text.len());
    assert_eq!(bpe.decode(&random), text);
    assert_eq!(cut(0.3, 1), random);
    assert_ne!(cut(0.3, 2), random);
    // Without any merge the text is its bytes.
    assert_eq!(cut(1.0, 1).len(), text.len());
    let unknown = "日本 ⇧Zürich";
    assert_eq!(
        bpe.decode(&bpe.encode_dropping(unknown, 0.5, &mut Rng::new(3))),
        unknown
    );
}
