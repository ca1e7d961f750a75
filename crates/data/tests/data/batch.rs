use proptest::prelude::*;
use refrain_data::DataError;
use refrain_data::batch::{Continuous, LmBatch};

#[test]
fn streams_go_on_from_batch_to_batch() {
    let batches = Continuous::new((0..12).collect(), 2, 3).unwrap();
    let all: Vec<LmBatch> = batches.iter().collect();
    assert_eq!(all.len(), 2);
    assert_eq!(
        (all[0].inputs.as_slice(), all[0].first),
        ([0, 1, 2, 5, 6, 7].as_slice(), true)
    );
    assert_eq!(all[0].targets, [1, 2, 3, 6, 7, 8]);
    assert_eq!(
        (all[1].inputs.as_slice(), all[1].first),
        ([3, 4, 8, 9].as_slice(), false)
    );
    assert_eq!(
        (all[1].targets.as_slice(), all[1].time),
        ([4, 5, 9, 10].as_slice(), 2)
    );
    assert_eq!((batches.targets(), batches.dropped()), (10, 1));
    assert_eq!(batches.get(2), None);
}

#[test]
fn shapes_that_cannot_be_are_typed_errors() {
    assert!(matches!(
        Continuous::new(vec![1, 2], 0, 3),
        Err(DataError::BatchShape { batch: 0, time: 3 })
    ));
    assert!(matches!(
        Continuous::new(vec![1, 2], 1, 0),
        Err(DataError::BatchShape { .. })
    ));
    for ids in [vec![], vec![1], vec![1, 2]] {
        assert!(matches!(
            Continuous::new(ids, 2, 3),
            Err(DataError::TooFewTokens { batch: 2, .. })
        ));
    }
    assert!(matches!(
        Continuous::covering(vec![1], 2, 3),
        Err(DataError::TooFewTokens { .. })
    ));
}

/// How often each position of 0..n is predicted; also checks that each target follows its input.
fn predictions(batches: &Continuous, n: usize) -> Vec<usize> {
    let mut seen = vec![0; n];
    for x in batches.iter() {
        assert_eq!(
            (x.inputs.len(), x.targets.len()),
            (x.batch * x.time, x.batch * x.time)
        );
        for b in 0..x.batch {
            for t in 0..x.lengths[b] {
                let at = b * x.time + t;
                assert_eq!(x.targets[at], x.inputs[at] + 1);
                seen[x.targets[at] as usize] += 1;
            }
        }
    }
    seen
}

proptest! {
    #[test]
    fn every_token_is_predicted_once(n in 2usize..400, batch in 1usize..9, time in 1usize..40, seed: u64) {
        let ids: Vec<u32> = (0..n as u32).collect();
        let covering = Continuous::covering(ids.clone(), batch, time).unwrap();
        let seen = predictions(&covering, n);
        prop_assert_eq!(seen[0], 0);
        prop_assert!(seen[1..].iter().all(|&k| k == 1));
        prop_assert_eq!(covering.dropped(), 0);
        if let Ok(mut batches) = Continuous::new(ids, batch, time) {
            let expect = predictions(&batches, n);
            let kept = n - batches.dropped();
            prop_assert!(batches.dropped() < batch);
            prop_assert!(expect[1..kept].iter().all(|&k| k == 1) && expect[kept..].iter().all(|&k| k == 0));
            prop_assert!(batches.iter().all(|x| x.counted() == x.batch * x.time && x.time <= time));
            batches.cut_randomly(time, seed, 1);
            prop_assert_eq!(predictions(&batches, n), expect);
            let mut again = batches.clone();
            again.cut_randomly(time, seed, 1);
            prop_assert!(again.iter().eq(batches.iter()));
        }
    }
}

#[test]
fn random_lengths_lie_around_the_wanted_one() {
    let mut batches = Continuous::new(vec![0; 200_000], 1, 70).unwrap();
    batches.cut_randomly(70, 1, 0);
    let mean = batches.targets() as f64 / batches.len() as f64;
    // 0.95 * 70 + 0.05 * 35 = 68.25; a few thousand lengths with a deviation of about 9.
    assert!((mean - 68.25).abs() < 0.8, "{mean}");
    let before: Vec<usize> = batches.iter().map(|x| x.time).collect();
    assert!(before.iter().all(|&t| t <= 90));
    batches.cut_randomly(70, 1, 1);
    assert!(batches.iter().map(|x| x.time).ne(before));
}
