//! Metrics of two texts by name.

use refrain_decode::metrics::score::{Better, METRICS, Metric, ScoreError, metric, score};

fn all() -> Vec<&'static Metric> {
    METRICS.iter().collect()
}

#[test]
fn every_metric_of_a_small_text() {
    let reference = ["one two three", "four", "", "a b"];
    let hypothesis = ["one too three", "four", "five", "a  b"];
    let scores = score(&all(), reference, hypothesis).unwrap();
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
}

#[test]
fn nothing_has_no_score() {
    let none: [&str; 0] = [];
    let scores = score(&all(), none, none).unwrap();
    assert!(scores.iter().all(|score| score.value.is_none()));
    // Insertions alone have no rate, but the line is wrong.
    let scores = score(&all(), [""], ["x"]).unwrap();
    let values: Vec<_> = scores.iter().map(|score| score.value).collect();
    assert_eq!(values, [None, None, Some(1.0), Some(0.0)]);
}

#[test]
fn names_and_lines_are_checked() {
    for own in METRICS {
        assert_eq!(metric(own.name).unwrap().name, own.name);
        assert!(!own.meaning.is_empty() && !own.unit.is_empty());
    }
    assert_eq!(metric("accuracy").unwrap().better, Better::Higher);
    let error = metric("bleu").unwrap_err().to_string();
    assert!(
        error.contains("\"bleu\"") && error.contains("wer, cer, ser, accuracy"),
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
