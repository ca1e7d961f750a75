//! The rules of the Moses scripts, against sacremoses and against published files.

use crate::{corpus, unpacked};
use proptest::prelude::*;
use refrain_text::Language::{self, English, French, German};
use refrain_text::moses::{
    Edition, detokenize, detokenize_japanese, detokenize_treebank, normalize, tokenize, unescape,
};

#[test]
fn lines_are_as_sacremoses_has_them() {
    let golden = include_str!("../golden/moses.json");
    let rows: Vec<serde_json::Value> = serde_json::from_str(golden).expect("rows");
    assert_eq!(rows.len(), 40);
    for row in &rows {
        let field = |name: &str| row[name].as_str().expect("a string");
        let language = Language::from_code(field("language"));
        let line = field("line");
        let corrected = normalize(line, language, Edition::Corrected);
        assert_eq!(corrected, field("corrected"));
        assert_eq!(
            normalize(line, language, Edition::Published),
            field("published")
        );
        assert_eq!(tokenize(&corrected, language), field("tokens"), "{line}");
        assert_eq!(tokenize(line, language), field("raw_tokens"), "{line}");
        // The deviations that the documentation lists: amounts, slashes and German apostrophes.
        let joined = field("joined")
            .replace("€bzw", "€ bzw")
            .replace("€et", "€ et")
            .replace("geht' s", "geht's")
            .replace("https: / / example.org / a", "https://example.org/a");
        assert_eq!(detokenize(field("tokens"), language), joined);
    }
}

#[test]
fn both_ends_of_a_line_count_as_spaces() {
    assert_eq!(
        tokenize("'tis the boys'", English),
        "&apos; tis the boys &apos;"
    );
    assert_eq!(tokenize(",5 is odd,", English), ", 5 is odd ,");
    assert_eq!(tokenize("'Go on.'", English), "&apos; Go on . &apos;");
    assert_eq!(tokenize("", English), "");
    assert_eq!(tokenize(" \t ", German), "");
}

#[test]
fn entities_come_back_once() {
    let text = "a & b &amp; <c> 'd' \"e\" [f] | &lt;";
    assert_eq!(
        unescape(&tokenize(text, Language::Other)),
        "a & b & amp ; < c > ' d ' \" e \" [ f ] | & lt ;"
    );
    assert_eq!(
        unescape("&amp;amp; &bar;&bra;&ket; &x; &"),
        "&amp; |[] &x; &"
    );
}

#[test]
fn lines_join_again() {
    let lines = [
        (English, "The dogs' owner said: \"it's $5.50, isn't it?\""),
        (English, "It costs 30 € today (or £25)."),
        (German, "Er sagt: \"Das kostet 30 € im Laden.\""),
        (
            French,
            "L'homme qu'elle aime dit \"bonjour\" à 20 % d'entre nous.",
        ),
    ];
    for (language, line) in lines {
        assert_eq!(detokenize(&tokenize(line, language), language), line);
    }
    assert_eq!(detokenize("foo @-@ bar", English), "foo-bar");
}

#[test]
fn treebank_tokens_join() {
    let check = |tokens: &str, text: &str| assert_eq!(detokenize_treebank(tokens), text);
    check("i do n't know , he 's late .", "i don't know, he's late.");
    check("don 't you can 't , won 't !", "don't you can't, won't!");
    check("it 's nine o 'clock .", "it's nine o'clock.");
    check(
        "`` come in , '' she said -lrb- softly -rrb- .",
        "\"come in,\" she said (softly).",
    );
    check(
        "have you read '' gone , '' tom ?",
        "have you read \"gone,\" tom?",
    );
    check("her parents ' house", "her parents' house");
    check("i can not go .", "i can not go.");
    check("'s", "'s");
    check("", "");
}

#[test]
fn japanese_tokens_join() {
    assert_eq!(
        detokenize_japanese("私 は １０ 時 に 行 く 。"),
        "私は１０時に行く。"
    );
    assert_eq!(
        detokenize_japanese("彼 は New York で iPhone 12 を 買 っ た 。"),
        "彼はNew YorkでiPhone 12を買った。"
    );
    assert_eq!(
        detokenize_japanese("Hello , world ! と 言 う"),
        "Hello, world!と言う"
    );
}

/// Lower-cased, normalised and tokenised lines are the published ones; joined again, they are the normalised ones.
#[test]
fn published_lines_are_reproduced() {
    let Some(folder) = corpus() else {
        eprintln!("skipped: no shared/data/mt beside the checkout");
        return;
    };
    for (language, code) in [(English, "en"), (German, "de"), (French, "fr")] {
        let (mut all, mut same, mut joined) = (0, 0, 0);
        for set in ["val", "test_2016_flickr", "test_2017_flickr", "train"] {
            let raw = unpacked(&folder.join(format!("multi30k/raw/{set}.{code}.gz")));
            let published =
                unpacked(&folder.join(format!("multi30k/tok/{set}.lc.norm.tok.{code}.gz")));
            assert_eq!(raw.len(), published.len(), "{set}.{code}");
            for (line, expect) in raw.iter().zip(&published) {
                let normal = normalize(&line.to_lowercase(), language, Edition::Published);
                let tokens = tokenize(&normal, language);
                all += 1;
                same += usize::from(tokens == expect.trim());
                let corrected = normalize(line, language, Edition::Corrected);
                let again = detokenize(&tokenize(&corrected, language), language);
                joined += usize::from(again == corrected);
            }
        }
        eprintln!(
            "{code}: {same} of {all} lines as published, {joined} joined to the normalised line"
        );
        assert!(same * 1000 >= all * 995, "{code}: {same} of {all}");
        assert!(
            joined * 1000 >= all * 995,
            "{code}: {joined} of {all} joined"
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_taken(text in any::<String>(), odd in "[a-z.,'\"&\u{A0} ()€%!«»’-]{0,30}") {
        for line in [&text, &odd] {
            for language in [English, German, French, Language::Japanese, Language::Other] {
                let tokens = tokenize(line, language);
                prop_assert!(!tokens.contains("  ") && tokens.trim() == tokens);
                // Nothing but spaces and control characters is added or lost.
                let letters = |text: &str| -> String {
                    text.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect()
                };
                prop_assert_eq!(letters(&unescape(&tokens)), letters(line));
                prop_assert_eq!(letters(&detokenize(&tokens, language)), letters(line));
                normalize(line, language, Edition::Published);
                normalize(line, language, Edition::Corrected);
            }
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&detokenize_japanese(line)), letters(line));
            detokenize_treebank(line);
        }
    }
}
