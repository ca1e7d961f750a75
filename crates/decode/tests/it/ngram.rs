//! N-gram models against hand-computed values, their own definition, and damaged files.

use crate::tools::config;
use proptest::prelude::*;
use refrain_decode::Perplexity;
use refrain_decode::ngram::arpa::{self, ArpaError};
use refrain_decode::ngram::{Ngram, State, TrainError, train};
use std::f64::consts::LN_10;

/// A file in the layout of SRILM.
const SMALL: &str = "
\\data\\
ngram 1=5
ngram 2=4
ngram 3=2

\\1-grams:
-0.7\t</s>
-99\t<s>\t-0.3
-0.6\ta\t-0.2
-0.5\tb\t-0.1
-1.5\t<unk>

\\2-grams:
-0.25\t<s> a\t-0.05
-0.35 a b -0.15
-0.45\ta a
-0.55\tb </s>

\\3-grams:
-0.11\t<s> a b
-0.22\ta b </s>

\\end\\
";

fn read(text: &str) -> Result<Ngram, ArpaError> {
    arpa::read(text.as_bytes())
}

fn write(model: &Ngram) -> String {
    let mut bytes = Vec::new();
    arpa::write(model, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// log10 p(last word | the others), from nothing.
fn log10(model: &Ngram, words: &str) -> f64 {
    let words: Vec<&str> = words.split(' ').collect();
    let (last, before) = words.split_last().unwrap();
    let state = before
        .iter()
        .fold(model.empty(), |state, word| model.score(state, word).1);
    model.score(state, last).0 / LN_10
}

fn near(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-6, "{a} is not {b}");
}

#[test]
fn a_small_file_scores_as_computed_by_hand() {
    let model = read(SMALL).unwrap();
    assert_eq!((model.order(), model.counts()), (3, vec![5, 4, 2]));
    near(log10(&model, "<s> a b"), -0.11);
    near(log10(&model, "<s> a"), -0.25);
    near(log10(&model, "b"), -0.5);
    // Back-off by one word, by two, and from a history without an entry.
    near(log10(&model, "a b a"), -0.15 - 0.1 - 0.6);
    near(log10(&model, "<s> a a"), -0.05 - 0.45);
    near(log10(&model, "<s> b"), -0.3 - 0.5);
    near(log10(&model, "b a b"), -0.35);
    near(log10(&model, "b b </s>"), -0.55);
    near(log10(&model, "a a a"), -0.45);
    // The longest n-grams are no histories: words too far back make no difference.
    let after = |words: &[&str]| {
        let step = |state, word: &&str| model.score(state, word).1;
        words.iter().fold(model.empty(), step)
    };
    assert_eq!(after(&["<s>", "a", "b"]), after(&["a", "b"]));
    assert_ne!(after(&["a", "b"]), after(&["b"]));
    // An unknown word is <unk>, and a history of its own.
    near(log10(&model, "a zebra"), -0.2 - 1.5);
    near(log10(&model, "a zebra a"), -0.6);
    let mut sum = Perplexity::new();
    assert_eq!(model.measure(["a", "b"], &mut sum), 0);
    near(-sum.nll() / LN_10, -0.25 - 0.11 - 0.22);
    assert_eq!((sum.tokens(), sum.characters()), (3, 4));
    assert_eq!(model.measure(["zebra"], &mut sum), 1);
    // A state of another model is no danger.
    let foreign = train(3, [["x"; 50]]).unwrap();
    let mut state = foreign.start();
    for _ in 0..9 {
        state = foreign.score(state, "x").1;
        let _ = model.score(state, "a");
    }
    assert_eq!(model.empty(), State::default());
}

#[test]
fn without_unk_or_end_there_is_still_an_answer() {
    let model = read("\\data\\\nngram 1=1\n\\1-grams:\n-0.5 a\n\\end\\").unwrap();
    near(log10(&model, "a zebra"), -100.0);
    near(log10(&model, "zebra a"), -0.5);
    assert_eq!(model.end(model.start()), 0.0);
}

#[test]
fn files_come_back_as_they_were() {
    let model = read(SMALL).unwrap();
    let text = write(&model);
    assert_eq!(text, write(&read(&text).unwrap()));
    let words = |m: &Ngram| m.words().map(String::from).collect::<Vec<_>>();
    assert_eq!(words(&model), words(&read(&text).unwrap()));
    let trained = train(4, text_of(7, 200).iter().map(|s| s.split(' '))).unwrap();
    let text = write(&trained);
    assert_eq!(text, write(&read(&text).unwrap()));
}

/// Sentences of words that like to follow one another.
fn text_of(seed: u64, sentences: usize) -> Vec<String> {
    let mut rng = refrain_decode::Rng::new(seed);
    let mut word = 0;
    let mut sentence = |_| {
        let words = (0..1 + rng.next_u64() % 9).map(|_| {
            let jump = (rng.uniform() * rng.uniform() * 20.0) as u64;
            word = (word * 3 + jump) % 23;
            format!("w{word}")
        });
        words.collect::<Vec<_>>().join(" ")
    };
    (0..sentences).map(&mut sentence).collect()
}

#[test]
fn kneser_ney_computed_by_hand() {
    // Counts of counts allow no discounts here: 0.5, 1, 1.5. Continuation counts: a 1, b 1, c 1, </s> 2; uniform share
    // 2.5/5 over 5 words.
    let model = train(2, [["a", "b"], ["a", "c"]]).unwrap();
    for (words, p) in [
        ("a", 0.2),
        ("b", 0.2),
        ("</s>", 0.3),
        ("<unk>", 0.1),
        ("a b", 0.5 / 2.0 + 0.5 * 0.2),
        ("a c", 0.35),
        ("a </s>", 0.5 * 0.3),
        ("<s> a", (2.0 - 1.0) / 2.0 + 0.5 * 0.2),
        ("b </s>", 0.5 + 0.5 * 0.3),
    ] {
        near(log10(&model, words), f64::log10(p));
    }
    // n₁…n₄ = 4, 2, 1, 1: Y = 1/2, D = 1/2, 5/4, 1; 15 counts, 9 words with </s> and <unk>.
    let text = "a b c d d e e f f f g g g g";
    let model = train(1, [text.split(' ')]).unwrap();
    let left = 4.0 * 0.5 + 2.0 * 1.25 + 1.0 + 1.0;
    let uniform = left / 15.0 / 9.0;
    for (word, count, discount) in [
        ("a", 1.0, 0.5),
        ("</s>", 1.0, 0.5),
        ("d", 2.0, 1.25),
        ("f", 3.0, 1.0),
        ("g", 4.0, 1.0),
        ("<unk>", 0.0, 0.0),
    ] {
        near(
            log10(&model, word),
            f64::log10((count - discount) / 15.0 + uniform),
        );
    }
}

#[test]
fn what_cannot_be_learnt_is_said() {
    let none: [[&str; 0]; 0] = [];
    assert_eq!(train(2, none).unwrap_err(), TrainError::Empty);
    assert_eq!(train(0, [["a"]]).unwrap_err(), TrainError::Order(0));
    assert_eq!(train(99, [["a"]]).unwrap_err(), TrainError::Order(99));
    for word in ["<s>", "</s>", "", "a b"] {
        let error = train(2, [vec!["a"], vec!["a", word]]).unwrap_err();
        assert!(matches!(error, TrainError::Word { sentence: 1, .. }));
    }
    // Empty sentences, and <unk> as a word, are fine.
    let model = train(3, [vec![], vec!["<unk>", "a"]]).unwrap();
    sums_to_one(&model, &["<s>"]);
}

fn sums_to_one(model: &Ngram, history: &[&str]) {
    let state = history
        .iter()
        .fold(model.empty(), |state, word| model.score(state, word).1);
    let words = model.words().filter(|word| *word != "<s>");
    let sum: f64 = words.map(|word| model.score(state, word).0.exp()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum} after {history:?}");
}

#[test]
fn damaged_files_say_where() {
    let line = |text: &str| {
        let error = read(text).unwrap_err();
        let text = error.to_string();
        let rest = text.strip_prefix("arpa, line ").unwrap();
        (
            rest.split(':').next().unwrap().parse::<usize>().unwrap(),
            error,
        )
    };
    let with = |from: &str, to: &str| line(&SMALL.replacen(from, to, 1));
    assert!(matches!(
        with("-0.35 a b", "-0.35 a bee"),
        (16, ArpaError::Word { .. })
    ));
    assert!(matches!(
        with("-0.45\ta a", "-0.45\ta b"),
        (17, ArpaError::Twice { first: 16, .. })
    ));
    assert!(matches!(
        with("<s> a b", "b b a"),
        (21, ArpaError::Context { .. })
    ));
    assert!(matches!(
        with("ngram 2=4", "ngram 2=5"),
        (20, ArpaError::Count { found: 4, .. })
    ));
    assert!(matches!(
        with("ngram 3=2", "ngram 3=99999999999999999"),
        (24, ArpaError::Count { .. })
    ));
    assert!(matches!(
        with("-0.6\ta", "nan\ta"),
        (10, ArpaError::Number { .. })
    ));
    assert!(matches!(
        with("-0.6\ta", "0.6\ta"),
        (10, ArpaError::Number { .. })
    ));
    assert!(matches!(
        with("-0.6\ta\t-0.2", "-0.6"),
        (10, ArpaError::Expected { .. })
    ));
    assert!(matches!(
        with("\\2-grams:", "\\3-grams:"),
        (14, ArpaError::Expected { .. })
    ));
    assert!(matches!(
        with("\\end\\", ""),
        (25, ArpaError::Expected { .. })
    ));
    assert!(matches!(line(""), (1, ArpaError::Expected { .. })));
    let header: String = (1..40).map(|n| format!("ngram {n}=0\n")).collect();
    assert!(matches!(
        line(&format!("\\data\\\n{header}")),
        (_, ArpaError::TooLarge { .. })
    ));
    let error = arpa::read(&b"\\data\\\n\xff\n"[..]).unwrap_err();
    assert!(matches!(error, ArpaError::Utf8 { line: 2 }));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn probabilities_sum_to_one(
        seed: u64, sentences in 1usize..40, order in 1usize..5,
        history in prop::collection::vec(0usize..25, 0..5), start: bool,
    ) {
        let text = text_of(seed, sentences);
        let model = train(order, text.iter().map(|s| s.split(' '))).unwrap();
        let history: Vec<String> = history.iter().map(|n| format!("w{n}")).collect();
        let history = history.iter().map(String::as_str);
        let history: Vec<&str> = start.then_some("<s>").into_iter().chain(history).collect();
        sums_to_one(&model, &history);
        // N-grams of the text are likelier than chance.
        let mut sum = Perplexity::new();
        for sentence in &text {
            prop_assert_eq!(model.measure(sentence.split(' '), &mut sum), 0);
        }
        prop_assert!(sum.perplexity().unwrap() < 26.0);
    }

    #[test]
    fn no_file_makes_the_reader_panic(
        small: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0u8..5, any::<u8>()), 1..6),
    ) {
        let mut bytes = if small {
            SMALL.as_bytes().to_vec()
        } else {
            let text = text_of(3, 12);
            write(&train(3, text.iter().map(|s| s.split(' '))).unwrap()).into_bytes()
        };
        for (place, kind, value) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = value,
                1 => { bytes.remove(at); }
                2 => bytes.insert(at, b"0123456789-.\t \n\\ae"[value as usize % 18]),
                3 => bytes.truncate(at),
                _ => {
                    let line: Vec<u8> = bytes[at..].iter().copied().take(value as usize).collect();
                    let to = (at + 7 * value as usize) % bytes.len();
                    bytes.splice(to..to, line);
                }
            }
        }
        if let Ok(model) = arpa::read(&bytes[..]) {
            let mut state = model.start();
            for word in ["w1", "a", "w2", "b", "?"] {
                let (log_p, next) = model.score(state, word);
                prop_assert!(log_p.is_finite());
                state = next;
            }
            let mut text = Vec::new();
            arpa::write(&model, &mut text).unwrap();
            prop_assert!(arpa::read(&text[..]).is_ok());
        }
    }
}
