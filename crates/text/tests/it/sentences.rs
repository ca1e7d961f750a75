//! Sentences and pieces.

use proptest::prelude::*;
use refrain_text::Language::{self, English, French, German, Japanese, Korean};
use refrain_text::sentences::{chunks, sentences};

/// `|` marks the places at which the text is to be split, in the white space that it stands for.
fn check(language: Language, marked: &str) {
    let text = marked.replace('|', if language == Japanese { "" } else { " " });
    let found: Vec<&str> = sentences(&text, language)
        .into_iter()
        .map(|range| &text[range])
        .collect();
    assert_eq!(found.join("|"), marked);
}

#[test]
fn english() {
    check(English, "Hello there!|How are you?|Fine.");
    check(
        English,
        "Mr. Brown met J. R. Smith at 5 p.m. on the U.S. coast.|It cost 3.50 dollars.",
    );
    check(
        English,
        "“Wait,” he said.|“It’s late.”|Nobody moved…|Then (at last!) he left.|The end",
    );
    check(English, "See No. 7 there.|No.|Really?!|Yes.");
    check(
        English,
        "\"Really?\" she asked.|Well... maybe.|Visit example.org.|Then go.",
    );
    check(English, "No . i 'm sorry , i have to go .");
}

#[test]
fn german() {
    check(
        German,
        "Am 3. Mai kam Dr. Maier, z.B. mit Hrn. Schulz.|Es war kalt.",
    );
    check(German, "„Komm herein.“|Sie ging.|Er ist 30.|Sie ist älter.");
    check(German, "Nr. 5 lebt!|»Gut.«|Ja.");
}

#[test]
fn french() {
    check(French, "Bonjour !|Ça va ?|M. Dupont est là.");
    check(
        French,
        "«\u{A0}Viens !\u{A0}»|Il pleut.|Voir p. 12 et fig. 3.",
    );
}

#[test]
fn japanese_and_korean() {
    check(
        Japanese,
        "これは本です。|高い！|「はい。」と言った。|「行こう。」|彼は立った。",
    );
    check(Japanese, "値段は3.5ドル。|本当？！|うん");
    check(Korean, "안녕하세요.|오늘은 2026.11.27입니다.|정말?|네!");
}

#[test]
fn text_without_capitals_is_cut_at_its_marks() {
    check(English, "i am tired.|i want to sleep!|so do i.|good night");
    check(English, "no .|i 'm sorry , i have to go .");
    check(
        English,
        "mr. brown met j. r. smith, dr. who etc. at 5 p.m. on the u.s. coast.|it cost 3.50, see no. 7.|fine",
    );
    check(
        German,
        "am 3. mai kam dr. maier, z.b. mit hrn. schulz.|es war kalt.|er ist 30.|sie ist älter.",
    );
    check(French, "m. dupont est là.|il y en a.|voir p. 12 et fig. 3.");
    check(Korean, "the end.|안녕하세요.|네!");
    // One capital anywhere, and the case of the next word counts again.
    check(English, "i am tired. i want to sleep.|I");
    check(German, "ende. über uns.|Ä");
}

/// A search that starts again at every mark would not end in an acceptable time.
#[test]
fn long_texts_take_linear_time() {
    let size = 1 << 20;
    for part in [
        " ", ".", "\n", "\u{A0}", "-", "\"", "»", ". ", "! »", "a. ", "a.", "A. ", ".\n ", "」",
        "。", "a", "A", "1.", "(", "( ", "x\n\n", "é",
    ] {
        for text in [
            part.repeat(size / part.len()),
            format!("A. {}b. {0}", part.repeat(size / part.len() / 2)),
            format!(
                "a{}",
                format!(". {}", part.repeat(1000)).repeat(size / 1000 / part.len())
            ),
        ] {
            let found = sentences(&text, French);
            assert!(found.iter().all(|range| range.end <= text.len()));
            let pieces = chunks(&text, 500, German, characters);
            assert_eq!(
                pieces.iter().map(|piece| piece.len()).sum::<usize>(),
                text.len()
            );
        }
    }
}

#[test]
fn empty_lines_end_sentences() {
    let text = "A title\n\nIt goes\non.  \n \n Next";
    let found: Vec<&str> = sentences(text, English)
        .into_iter()
        .map(|range| &text[range])
        .collect();
    assert_eq!(found, ["A title", "It goes\non.", "Next"]);
    assert!(sentences("", English).is_empty());
    assert!(sentences(" \n\n ", English).is_empty());
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn characters(text: &str) -> usize {
    text.chars().count()
}

#[test]
fn pieces_end_at_the_best_place() {
    let text = "One two. Three four five. Six seven, eight nine ten eleven twelve. End.";
    assert_eq!(
        chunks(text, 5, English, words),
        [
            "One two. Three four five. ",
            "Six seven, ",
            "eight nine ten eleven twelve. ",
            "End."
        ]
    );
    assert_eq!(
        chunks(text, 3, English, words)[..2],
        ["One two. ", "Three four five. "]
    );
    assert_eq!(
        chunks("abcdefgh", 3, English, characters),
        ["abc", "def", "gh"]
    );
    assert_eq!(
        chunks("これは本です。高い。", 5, Japanese, characters),
        ["これは本で", "す。", "高い。"]
    );
    assert_eq!(chunks("abc", 0, English, characters), ["a", "b", "c"]);
    assert_eq!(chunks("", 5, English, words), Vec::<&str>::new());
}

#[test]
fn a_long_text_is_counted_few_times() {
    let text = "x".repeat(100_000);
    let calls = std::cell::Cell::new(0);
    let pieces = chunks(&text, 1000, English, |piece| {
        calls.set(calls.get() + 1);
        piece.len()
    });
    assert_eq!(pieces.len(), 100);
    assert!(calls.get() < 100 * 30, "{}", calls.get());
}

fn mixed() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "a", "B", "Mr", "3", ".", "!", "?", "…", "。", "」", "「", "\"", "”", "»", " ", "\u{A0}",
        "\n", "\n\n", ",", "日", "は",
    ]);
    prop::collection::vec(parts, 0..30).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn only_white_space_is_left_between_sentences(text in prop_oneof![any::<String>(), mixed()]) {
        for language in [English, German, French, Japanese, Korean, Language::Other] {
            let mut end = 0;
            for range in sentences(&text, language) {
                prop_assert!(range.start >= end && range.end > range.start);
                prop_assert!(text[end..range.start].trim().is_empty());
                let sentence = &text[range.clone()];
                prop_assert_eq!(sentence.trim(), sentence);
                end = range.end;
            }
            prop_assert!(text[end..].trim().is_empty());
        }
    }

    #[test]
    fn pieces_are_the_text(text in prop_oneof![any::<String>(), mixed()], limit in 1_usize..12) {
        for count in [characters, words] {
            let pieces = chunks(&text, limit, English, count);
            prop_assert!(pieces.iter().all(|piece| !piece.is_empty() && count(piece) <= limit));
            prop_assert_eq!(pieces.concat(), text.clone());
        }
    }
}
