use proptest::prelude::*;
use refrain_music::abc::{read_tune, tune_symbols};
use refrain_music::{CopyIndex, Limits};

/// The longest common part, by trying all.
fn slow(sequences: &[Vec<u32>], query: &[u32]) -> usize {
    let mut best = 0;
    for sequence in sequences {
        for i in 0..sequence.len() {
            for j in 0..query.len() {
                let same = sequence[i..]
                    .iter()
                    .zip(&query[j..])
                    .take_while(|(a, b)| a == b)
                    .count();
                best = best.max(same);
            }
        }
    }
    best
}

proptest! {
    #[test]
    fn the_longest_copy_is_found(
        sequences in prop::collection::vec(prop::collection::vec(0u32..3, 0..30), 0..6),
        query in prop::collection::vec(0u32..3, 0..30),
    ) {
        let index = CopyIndex::new(&sequences).unwrap();
        let found = index.longest(&query);
        prop_assert_eq!(found.length, slow(&sequences, &query));
        if found.length > 0 {
            let source = &sequences[found.source][found.source_at..][..found.length];
            prop_assert_eq!(source, &query[found.at..][..found.length]);
        }
        let all = index.copies(&query);
        prop_assert_eq!(all.iter().map(|copied| copied.length).max().unwrap_or(0), found.length);
    }
}

#[test]
fn large_symbols_and_one_long_run_are_no_trouble() {
    let run = vec![u32::MAX; 20_000];
    let index = CopyIndex::new(&[run.clone(), vec![1, 2]]).unwrap();
    assert_eq!(index.longest(&run[..5000]).length, 5000);
    assert_eq!(index.longest(&[2, u32::MAX]).length, 1);
    assert_eq!(index.longest(&[]).length, 0);
    assert_eq!(index.sequences(), 2);
    assert!(CopyIndex::new(&[vec![0; (1 << 24) + 1]]).is_err());
}

#[test]
fn a_copy_in_another_key_is_measured_in_bars() {
    let tune = |key: &str, body: &str| {
        let text = format!("X:1\nM:4/4\nL:1/8\nK:{key}\n{body}\n");
        tune_symbols(&read_tune(&text, &Limits::default()).unwrap())
    };
    let known = tune("C", "CDEF GABc|c2G2 E2C2|DEFG A2B2|c4 z4|");
    let index = CopyIndex::new(std::slice::from_ref(&known.symbols)).unwrap();
    let (_, bars) = tune("G", "GABc defg|g2d2 B2G2|ABcd e2f2|g4 z4|").longest_copy(&index);
    assert!((bars - 4.0).abs() < 1e-9, "{bars}");
    let (copied, bars) = tune("C", "c8|c8|CDEF GABc|c2G2 E2D2|E8|").longest_copy(&index);
    assert_eq!(copied.source, 0);
    assert!((bars - 1.75).abs() < 1e-9, "{bars}");
    let (_, none) = tune("C", "C8|").longest_copy(&index);
    assert!(none == 0.0);
}
