//! Case as marks.

use crate::{corpus, unpacked};
use proptest::prelude::*;
use refrain_text::case::{CAPITAL, CAPITALS, decode, encode, is_all_upper};

fn check(text: &str, expect: &str) {
    assert_eq!(encode(text), expect);
    assert_eq!(decode(expect), text);
}

#[test]
fn words_get_marks() {
    check("Hello", "⇧hello");
    check("HELLO", "⇪hello");
    check("hello", "hello");
    check("I am Élodie.", "⇧i am ⇧élodie.");
    check("Straße STRASSE", "⇧straße ⇪strasse");
    check("NO ENTRY BEFORE 9 AM", "⇪no ⇪entry ⇪before 9 ⇪am");
    check("ΟΔΟΣ Οδός", "⇪οδος ⇧οδός");
    check("日本語 한국어 42", "日本語 한국어 42");
}

#[test]
fn apostrophes_join_a_word_where_its_case_does() {
    check("It's DON'T", "⇧it's ⇪don't");
    check("L'Homme d’Artagnan", "⇧l'⇧homme d’⇧artagnan");
    check("'Quoted'", "'⇧quoted'");
    check("DON't", "DON't");
    check("O''Neill", "⇧o''⇧neill");
}

#[test]
fn mixed_words_stay() {
    check("iPhone HAllo 10 KBps", "iPhone HAllo 10 KBps");
    check("A-B-Dur McDonald", "⇧a-⇧b-⇧dur McDonald");
}

#[test]
fn letters_without_a_way_back_stay() {
    for text in ["İstanbul", "GROẞ", "ŉ", "ǅ", "K", "Å", "STRAßE", "ﬁN"] {
        assert_eq!(decode(&encode(text)), text, "{text}");
    }
    assert_eq!(encode("İstanbul"), "İstanbul");
    // The Kelvin sign looks like K, but its lower case is the letter k.
    assert_eq!(encode("\u{212A}elvin"), "\u{212A}elvin");
}

#[test]
fn marks_in_the_text_come_back() {
    check("⇧", "⇧⇧");
    check("⇪Hello", "⇧⇪⇧hello");
    check("⇧⇪⇧", "⇧⇧⇧⇪⇧⇧");
    check("⇧iPhone", "⇧⇧iPhone");
}

#[test]
fn a_models_stray_marks_are_left_out() {
    assert_eq!(decode("⇧ hello ⇪, ⇪5 ⇧"), " hello , 5 ");
    assert_eq!(decode("⇪straße"), "STRASSE");
}

#[test]
fn upper_case_sentences_are_found() {
    assert!(is_all_upper("NO ENTRY!"));
    assert!(is_all_upper("ÉTÉ 2026"));
    for text in ["I", "No entry", "", "日本", "5 %", "NO e"] {
        assert!(!is_all_upper(text), "{text}");
    }
}

#[test]
fn a_corpus_comes_back_in_lower_case() {
    let Some(folder) = corpus() else {
        eprintln!("skipped: no shared/data/mt beside the checkout");
        return;
    };
    for code in ["en", "de", "fr"] {
        let lines = unpacked(&folder.join(format!("multi30k/raw/val.{code}.gz")));
        let encoded: Vec<String> = lines.iter().map(|line| encode(line)).collect();
        let upper = encoded
            .iter()
            .filter(|line| line.chars().any(char::is_uppercase))
            .count();
        assert!(
            lines
                .iter()
                .zip(&encoded)
                .all(|(line, encoded)| decode(encoded) == *line)
        );
        // Only words with mixed case keep capitals.
        assert!(
            upper * 50 < lines.len(),
            "{code}: {upper} of {}",
            lines.len()
        );
    }
}

/// Texts in which words, marks, apostrophes and letters with odd cases meet.
fn mixed() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "a", "B", "ß", "ẞ", "İ", "ı", "ŉ", "ǅ", "Σ", "ς", "σ", "'", "’", "⇧", "⇪", " ", "-",
        "\u{301}", "\u{345}", "É", "1", "ﬃ", "K", "Ⓐ", "ⓐ", "日", "한", ".",
    ]);
    prop::collection::vec(parts, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_comes_back(text in any::<String>()) {
        prop_assert_eq!(decode(&encode(&text)), text);
    }

    #[test]
    fn odd_text_comes_back(text in mixed()) {
        prop_assert_eq!(decode(&encode(&text)), text);
    }

    #[test]
    fn decoding_takes_any_text(text in mixed()) {
        let decoded = decode(&text);
        // An even number of marks at most is left: pairs stand for one.
        let marks = |text: &str| text.chars().filter(|&c| c == CAPITAL || c == CAPITALS).count();
        prop_assert!(2 * marks(&decoded) <= marks(&text));
    }
}
