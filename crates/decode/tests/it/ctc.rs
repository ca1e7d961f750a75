//! CTC decoding against all paths, and edit distance against its definition.

use proptest::prelude::*;
use refrain_decode::ctc::CtcError;
use refrain_decode::ctc::align::align;
use refrain_decode::ctc::greedy::greedy;
use refrain_decode::metrics::edit::{Edit, ErrorRate, alignment, counts, distance};

/// Labels of a path: repeats merged, blanks taken out.
fn collapse(path: &[u32], blank: u32) -> Vec<u32> {
    let mut labels = Vec::new();
    for (t, &class) in path.iter().enumerate() {
        if class != blank && (t == 0 || path[t - 1] != class) {
            labels.push(class);
        }
    }
    labels
}

/// Every path of `frames` classes with its log-probability.
fn paths(log_probs: &[f32], classes: usize) -> Vec<(Vec<u32>, f64)> {
    let mut all = vec![(Vec::new(), 0.0)];
    for frame in log_probs.chunks(classes) {
        all = all
            .into_iter()
            .flat_map(|(path, p): (Vec<u32>, f64)| {
                frame.iter().enumerate().map(move |(class, &own)| {
                    let mut path = path.clone();
                    path.push(class as u32);
                    (path, p + f64::from(own))
                })
            })
            .collect();
    }
    all
}

/// Scores of up to five frames and four classes, and the blank.
fn scores() -> impl Strategy<Value = (Vec<f32>, usize, u32)> {
    (1..6usize, 2..5usize).prop_flat_map(|(frames, classes)| {
        let scores = prop::collection::vec(-4.0..0.0f32, frames * classes);
        (scores, Just(classes), 0..classes as u32)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_best_path_is_the_best_of_all((log_probs, classes, blank) in scores()) {
        let found = greedy(&log_probs, classes, blank).unwrap();
        let all = paths(&log_probs, classes);
        let (path, p) = all.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        prop_assert!((found.log_prob - p).abs() < 1e-9);
        let labels: Vec<u32> = found.labels.iter().map(|span| span.label).collect();
        prop_assert_eq!(labels, collapse(path, blank));
        for span in &found.labels {
            prop_assert!(path[span.first..=span.last].iter().all(|class| *class == span.label));
            prop_assert!((0.0..=1.0).contains(&span.confidence));
        }
    }

    #[test]
    fn the_alignment_is_the_best_path_of_its_target(
        (log_probs, classes, blank) in scores(),
        target in prop::collection::vec(0..4u32, 0..4),
    ) {
        let class = |k: u32| (blank + 1 + k % (classes as u32 - 1)) % classes as u32;
        let target: Vec<u32> = target.into_iter().map(class).collect();
        let all = paths(&log_probs, classes);
        let own = all.iter().filter(|(path, _)| collapse(path, blank) == target);
        match own.max_by(|a, b| a.1.total_cmp(&b.1)) {
            None => {
                let refused = matches!(align(&log_probs, classes, blank, &target), Err(CtcError::TooShort { .. }));
                prop_assert!(refused);
            }
            Some((path, p)) => {
                let found = align(&log_probs, classes, blank, &target).unwrap();
                prop_assert!((found.log_prob - p).abs() < 1e-9);
                let labels: Vec<u32> = found.labels.iter().map(|label| label.label).collect();
                prop_assert_eq!(labels, target);
                for label in &found.labels {
                    prop_assert!(path[label.first..=label.last].iter().all(|class| *class == label.label));
                }
            }
        }
    }

    #[test]
    fn edits_turn_the_one_into_the_other(
        a in prop::collection::vec(0..4u8, 0..9),
        b in prop::collection::vec(0..4u8, 0..9),
    ) {
        let edits = alignment(&a, &b);
        let (mut i, mut j) = (0, 0);
        for edit in &edits {
            match edit {
                Edit::Equal => prop_assert_eq!(a[i], b[j]),
                Edit::Substitution => prop_assert_ne!(a[i], b[j]),
                Edit::Deletion | Edit::Insertion => {}
            }
            i += usize::from(*edit != Edit::Insertion);
            j += usize::from(*edit != Edit::Deletion);
        }
        prop_assert_eq!((i, j), (a.len(), b.len()));
        let cost = edits.iter().filter(|edit| **edit != Edit::Equal).count();
        prop_assert_eq!(cost, least(&a, &b));
        prop_assert_eq!(distance(&a, &b), cost);
        let counted = counts(&a, &b);
        prop_assert_eq!(counted.edits(), cost as u64);
        prop_assert_eq!((counted.reference(), counted.hypothesis()), (a.len() as u64, b.len() as u64));
    }

    #[test]
    fn any_scores_give_an_answer_or_an_error(
        scores in prop::collection::vec(any::<f32>(), 0..30),
        classes in 0..6usize,
        blank in 0..7u32,
        target in prop::collection::vec(0..7u32, 0..6),
    ) {
        let _ = greedy(&scores, classes, blank);
        let _ = align(&scores, classes, blank, &target);
    }
}

/// Levenshtein's definition.
fn least(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let before = row.clone();
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            row[j + 1] = (before[j] + usize::from(x != y))
                .min(before[j + 1] + 1)
                .min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[test]
fn rates_are_sums_over_a_corpus() {
    let (mut words, mut characters) = (ErrorRate::new(), ErrorRate::new());
    assert_eq!(words.rate(), None);
    for (reference, got) in [
        ("one two three", "one too three"),
        ("four", "four"),
        ("", "five"),
    ] {
        words.add_words(reference, got);
        characters.add_characters(reference, got);
    }
    // One word replaced and one put in, of four; one letter of two words and four of another.
    assert_eq!(words.rate(), Some(0.5));
    assert_eq!(characters.rate(), Some(5.0 / 17.0));
    assert_eq!(words.sentence_rate(), Some(2.0 / 3.0));
}
