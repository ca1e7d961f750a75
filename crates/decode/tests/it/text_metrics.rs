//! Metrics of generated text, against the tools of the field (`goldens/make_text_metrics.py`).

use crate::tools::config;
use proptest::prelude::*;
use refrain_decode::metrics::bootstrap::{Bootstrap, Difference, Resampled, compare};
use refrain_decode::metrics::score::{METRICS, Metric, Score, ScoreError, Scorer, metric, score};
use serde_json::Value;

fn goldens() -> Value {
    serde_json::from_str(include_str!("../goldens/text_metrics.json")).unwrap()
}

fn strings(value: &Value) -> Vec<&str> {
    let strings = value.as_array().unwrap().iter();
    strings.map(|text| text.as_str().unwrap()).collect()
}

fn by_name(name: &str) -> [&'static Metric; 1] {
    [metric(name).unwrap()]
}

/// The figure of one metric.
fn figure(name: &str, references: &[&str], hypotheses: &[&str]) -> Option<f64> {
    score(&by_name(name), references, hypotheses).unwrap()[0].value
}

/// Equal but for rounding in the last bits.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * a.abs().max(b.abs()).max(1e-3)
}

fn check_case(case: &Value) {
    let name = case["name"].as_str().unwrap();
    let expected = case["values"].as_object().unwrap();
    let metrics: Vec<_> = expected.keys().map(|name| metric(name).unwrap()).collect();
    let mut scorer = Scorer::new(&metrics);
    let hypotheses = strings(&case["hypotheses"]);
    for (references, hypothesis) in case["references"]
        .as_array()
        .unwrap()
        .iter()
        .zip(hypotheses)
    {
        scorer.add(&strings(references), hypothesis).unwrap();
    }
    for (score, expected) in scorer.scores().iter().zip(expected.values()) {
        match (score.value, expected.as_f64()) {
            (Some(own), Some(expected)) => {
                assert!(
                    near(own, expected),
                    "{name}: {score:?}, expected {expected}"
                );
            }
            (own, expected) => assert_eq!(own, expected, "{name}: {score:?}"),
        }
        if let Some(signature) = case["signatures"][score.metric].as_str() {
            let own = score.signature.rsplit_once("|version:refrain-").unwrap().0;
            assert_eq!(own, signature, "{name}");
        }
        if let Some(details) = case["details"][score.metric].as_object() {
            check_details(score, details);
        }
    }
}

fn check_details(score: &Score, expected: &serde_json::Map<String, Value>) {
    let precisions = expected["precisions"].as_array().unwrap();
    let expected_details = precisions.iter().chain([&expected["brevity_penalty"]]);
    assert_eq!(score.details.len(), 5);
    for ((_, own), expected) in score.details.iter().zip(expected_details) {
        assert!(near(*own, expected.as_f64().unwrap()), "{score:?}");
    }
    let counts = ["hypothesis", "reference"].map(|name| (name, expected[name].as_u64().unwrap()));
    assert_eq!(score.counts, counts);
}

#[test]
fn figures_equal_those_of_sacrebleu_rouge_score_and_nltk() {
    let goldens = goldens();
    let cases = goldens["cases"].as_array().unwrap();
    assert!(cases.len() >= 100);
    cases.iter().for_each(check_case);
}

/// sacreBLEU sums statistics in `f32`, so its resampled figures have 7 digits.
fn check_resampled(own: &Resampled, expected: &Value) {
    let figures = [own.value, own.mean, own.half_width];
    for (own, expected) in figures.iter().zip(expected.as_array().unwrap()) {
        let expected = expected.as_f64().unwrap();
        assert!((own - expected).abs() < 1e-4, "{own}, expected {expected}");
    }
}

#[test]
fn paired_bootstrap_equals_that_of_sacrebleu_on_the_same_draws() {
    for test in goldens()["paired"].as_array().unwrap() {
        let number = |name: &str| test[name].as_u64().unwrap();
        let bootstrap = Bootstrap {
            resamples: number("resamples") as usize,
            seed: number("seed"),
        };
        let expected = test["metrics"].as_object().unwrap();
        let metrics: Vec<_> = expected.keys().map(|name| metric(name).unwrap()).collect();
        let [references, own, others] =
            ["references", "hypotheses", "others"].map(|name| strings(&test[name]));
        let compared = compare(&metrics, references, own, others, bootstrap).unwrap();
        for (own, expected) in compared.iter().zip(expected.values()) {
            let difference = own.difference.unwrap();
            assert_eq!(difference.p, expected["p"].as_f64().unwrap(), "{own:?}");
            check_resampled(&difference.system, &expected["own"]);
            check_resampled(&difference.other, &expected["other"]);
            let signature = own.signature.rsplit_once("|version:").unwrap().0;
            assert_eq!(signature, expected["signature"].as_str().unwrap());
        }
    }
}

#[test]
fn a_clear_difference_is_found_and_equal_systems_have_none() {
    let reference: Vec<String> = (0..60)
        .map(|n| format!("the {n} cats sleep here now"))
        .collect();
    let worse: Vec<String> = reference
        .iter()
        .map(|line| line.replace("sleep", "run"))
        .collect();
    let metrics: Vec<_> = METRICS
        .iter()
        .filter(|metric| metric.is_additive())
        .collect();
    let differences = |own, other| -> Vec<Difference> {
        let compared = compare(&metrics, &reference, own, other, Bootstrap::default()).unwrap();
        compared.iter().map(|own| own.difference.unwrap()).collect()
    };
    let clear = differences(&reference, &worse);
    assert_eq!(clear, differences(&reference, &worse));
    let bleu = clear[metrics.iter().position(|m| m.name == "bleu").unwrap()];
    assert!(bleu.value > 10.0 && bleu.system.value > 99.9, "{bleu:?}");
    let [low, high] = bleu.interval;
    assert!(low <= bleu.value && bleu.value <= high, "{bleu:?}");
    assert!(bleu.p < 0.01, "{bleu:?}");
    for same in differences(&worse, &worse) {
        assert_eq!((same.value, same.interval, same.p), (0.0, [0.0; 2], 1.0));
    }
}

#[test]
fn texts_that_cannot_be_compared_are_refused() {
    let compare = |name, references: &[&str], own: &[&str], other: &[&str], resamples| {
        let bootstrap = Bootstrap { resamples, seed: 1 };
        compare(&by_name(name), references, own, other, bootstrap)
    };
    let error = compare("bleu", &["a", "b"], &["a"], &["a", "b"], 10).unwrap_err();
    let lines = ScoreError::Lines {
        hypothesis: 1,
        reference: 2,
    };
    assert_eq!(error, lines);
    let error = compare("bleu", &["a"], &["a"], &["a", "b", "c"], 10).unwrap_err();
    let lines = ScoreError::OtherLines {
        other: 3,
        reference: 1,
    };
    assert_eq!(error, lines);
    let error = compare("distinct-1", &["a"], &["a"], &["a"], 10).unwrap_err();
    assert!(matches!(error, ScoreError::NotAdditive { .. }), "{error}");
    for resamples in [0, usize::MAX] {
        let error = compare("bleu", &["a"], &["a"], &["a"], resamples).unwrap_err();
        assert!(matches!(error, ScoreError::Resamples { .. }), "{error}");
    }
    assert_eq!(
        compare("bleu", &[], &[], &[], 10).unwrap()[0].difference,
        None
    );
    // No resample has a rate, for there are no words.
    assert_eq!(
        compare("wer", &[""], &["a"], &[""], 10).unwrap()[0].difference,
        None
    );
}

#[test]
fn distinct_counts_over_the_whole_output() {
    let hypotheses = ["a b a b", "b a", "c", ""];
    let references = ["x"; 4];
    assert_eq!(
        figure("distinct-1", &references, &hypotheses),
        Some(3.0 / 7.0)
    );
    assert_eq!(
        figure("distinct-2", &references, &hypotheses),
        Some(2.0 / 4.0)
    );
    assert_eq!(
        figure("distinct-2", &references, &["a", "b", "c", ""]),
        None
    );
}

/// Lines of words, symbols and white space of many kinds.
fn lines() -> impl Strategy<Value = Vec<(String, String)>> {
    let line = "([abcAB]|the|cat|[0-9]|[.,'\"&<>-]|&amp;| |\u{3000}|é|語|ß|.){0,30}";
    prop::collection::vec((line, line), 1..8)
}

fn split(pairs: &[(String, String)]) -> [Vec<&str>; 2] {
    let references = pairs.iter().map(|pair| pair.0.as_str()).collect();
    let hypotheses = pairs.iter().map(|pair| pair.1.as_str()).collect();
    [references, hypotheses]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn figures_stay_in_their_bounds(pairs in lines()) {
        let [references, hypotheses] = split(&pairs);
        let metrics: Vec<_> = METRICS.iter().collect();
        for score in score(&metrics, &references, &hypotheses).unwrap() {
            let most = match score.metric {
                "wer" | "cer" => f64::INFINITY,
                name if name.starts_with("dialogue") => 4.0 / 3.0,
                name if name.contains("bleu") || name.contains("chrf") => 100.0,
                _ => 1.0,
            };
            let value = score.value.unwrap_or(0.0);
            prop_assert!((0.0..=most * (1.0 + 1e-12)).contains(&value), "{score:?}");
        }
    }

    #[test]
    fn a_text_equals_itself(pairs in lines()) {
        let [references, _] = split(&pairs);
        let longest = references.iter().map(|line| line.split_whitespace().count()).max();
        let characters = references.iter().flat_map(|line| line.chars());
        let empty = characters.filter(|c| !c.is_whitespace() && !c.is_control()).count() == 0;
        for name in ["multi-bleu", "bleu"] {
            let value = figure(name, &references, &references).unwrap();
            if longest >= Some(4) {
                prop_assert!((value - 100.0).abs() < 1e-9, "{}: {}", name, value);
            }
        }
        for name in ["chrf", "chrf++"] {
            let value = figure(name, &references, &references).unwrap();
            prop_assert!(empty || (value - 100.0).abs() < 1e-9, "{}: {}", name, value);
        }
        prop_assert_eq!(figure("accuracy", &references, &references), Some(1.0));
        prop_assert!(figure("token-accuracy", &references, &references).unwrap_or(1.0) == 1.0);
    }

    #[test]
    fn sums_do_not_depend_on_the_order_of_lines(pairs in lines(), turn in 0usize..8) {
        let [references, hypotheses] = split(&pairs);
        let mut turned = pairs.clone();
        turned.rotate_left(turn % pairs.len());
        turned.reverse();
        let [turned_references, turned_hypotheses] = split(&turned);
        for name in ["bleu", "multi-bleu", "chrf++", "wer", "distinct-2"] {
            let before = figure(name, &references, &hypotheses);
            prop_assert_eq!(before, figure(name, &turned_references, &turned_hypotheses), "{}", name);
        }
    }

    #[test]
    fn another_reference_never_takes_matches_away(pairs in lines(), more in "[abc ]{0,20}") {
        let mut scorers = [1, 2].map(|_| Scorer::new(&by_name("multi-bleu")));
        for (reference, hypothesis) in &pairs {
            scorers[0].add(&[reference], hypothesis).unwrap();
            scorers[1].add(&[reference, &more], hypothesis).unwrap();
        }
        let [one, two] = scorers.map(|scorer| scorer.scores().remove(0).details);
        for (one, two) in one.iter().zip(two).take(4) {
            prop_assert!(two.1 >= one.1, "{one:?} {two:?}");
        }
    }
}
