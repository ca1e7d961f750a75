//! Metrics of two texts by name.

use refrain_decode::metrics::score::{
    Better, METRICS, Metric, Scale, ScoreError, Scorer, metric, score,
};

fn all() -> Vec<&'static Metric> {
    METRICS.iter().collect()
}

/// The metrics of a recogniser.
fn errors() -> Vec<&'static Metric> {
    ["wer", "cer", "ser", "accuracy", "token-accuracy"]
        .map(|name| metric(name).unwrap())
        .to_vec()
}

#[test]
fn errors_of_a_small_text() {
    let reference = ["one two three", "four", "", "a b"];
    let hypothesis = ["one too three", "four", "five", "a  b"];
    let scores = score(&errors(), reference, hypothesis).unwrap();
    let values: Vec<_> = scores
        .iter()
        .map(|s| (s.metric, s.value.unwrap()))
        .collect();
    // Words: one replaced, one put in, of six. Characters: 1 + 4 + 1 of 20. Lines 1 and 3 have other words, line 4
    // another space.
    let expected = [
        ("wer", 2.0 / 6.0),
        ("cer", 6.0 / 20.0),
        ("ser", 0.5),
        ("accuracy", 0.25),
        ("token-accuracy", 5.0 / 6.0),
    ];
    assert_eq!(values, expected);
    let edits = [
        ("reference", 6),
        ("substitutions", 1),
        ("deletions", 0),
        ("insertions", 1),
    ];
    assert_eq!(scores[0].counts, edits);
    assert_eq!(scores[2].counts, [("lines", 4), ("wrong", 2)]);
    assert_eq!(scores[3].counts, [("lines", 4), ("equal", 1)]);
    assert_eq!(scores[4].counts, [("reference", 6), ("equal", 5)]);
}

#[test]
fn nothing_has_no_score() {
    let none: [&str; 0] = [];
    let scores = score(&all(), none, none).unwrap();
    assert!(scores.iter().all(|score| score.value.is_none()));
    // Insertions alone have no rate, but the line is wrong.
    let scores = score(&errors(), [""], ["x"]).unwrap();
    let values: Vec<_> = scores.iter().map(|score| score.value).collect();
    assert_eq!(values, [None, None, Some(1.0), Some(0.0), None]);
}

#[test]
fn names_and_lines_are_checked() {
    for own in METRICS {
        assert_eq!(metric(own.name).unwrap().name, own.name);
        assert!(!own.meaning.is_empty() && !own.unit.is_empty());
    }
    assert_eq!(metric("accuracy").unwrap().better, Better::Higher);
    let error = metric("bleurt").unwrap_err().to_string();
    assert!(
        error.contains("\"bleurt\"") && error.contains("wer, cer, ser, accuracy"),
        "{error}"
    );
    let error = score(&all(), ["a", "b"], ["a"]).unwrap_err();
    assert_eq!(
        error,
        ScoreError::Lines {
            hypothesis: 1,
            reference: 2
        }
    );
    let error = score(&all(), ["a"], ["a", "b", "c"]).unwrap_err();
    assert_eq!(
        error,
        ScoreError::Lines {
            hypothesis: 3,
            reference: 1
        }
    );
}

#[test]
fn a_word_counts_at_its_own_position_only() {
    let accuracy = |reference, hypothesis| {
        let scores = score(
            &[metric("token-accuracy").unwrap()],
            [reference],
            [hypothesis],
        );
        scores.unwrap()[0].value
    };
    assert_eq!(accuracy("a b c d", "a c c"), Some(0.5));
    assert_eq!(accuracy("a b c d", "b c d"), Some(0.0));
    assert_eq!(accuracy("a b", "a b c d"), Some(1.0));
}

#[test]
fn references_are_checked_before_a_line_is_added() {
    let mut scorer = Scorer::new(&[metric("bleu").unwrap(), metric("wer").unwrap()]);
    scorer.add(&["a b"], "a b").unwrap();
    let refused = |metric, given, several| ScoreError::References {
        metric,
        line: 2,
        given,
        several,
    };
    assert_eq!(scorer.add(&[], "a"), Err(refused("bleu", 0, true)));
    let error = scorer.add(&["a", "b"], "a").unwrap_err();
    assert_eq!(error, refused("wer", 2, false));
    let text = "score: line 2 has 2 references; wer takes one";
    assert_eq!(error.to_string(), text);
    assert_eq!(scorer.lines(), 1);
    assert_eq!(scorer.scores()[1].value, Some(0.0));
}

#[test]
fn values_are_printed_as_the_field_prints_them() {
    assert_eq!(Scale::Share.text(1.0 / 3.0), "33.33%");
    assert_eq!(Scale::Points.text(27.125_1), "27.13");
    assert_eq!(Scale::Fraction.text(0.397_06), "0.3971");
}
