//! A row's result has the same bits alone, in any batch and at any place in it.

use crate::cases::{CELLS, Case, DIRECTIONS, Random, property, unless_miri};
use proptest::prelude::*;
use refrain_kernels::embedding::embedding;
use refrain_kernels::softmax::{LceBatch, linear, linear_cross_entropy};
use refrain_kernels::{
    Inputs, KernelError, Level, LinearWeights, Outputs, Plan, Precision, Threads, WeightCache,
    forward_at, infer,
};

const PRECISIONS: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::Int8];

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// Sequence `b` of the case, by itself and as long as the longest.
fn alone(case: &Case, b: usize) -> Case {
    let of = |values: &[f32], outer: usize, width: usize| -> Vec<f32> {
        (0..outer)
            .flat_map(|d| values[(d * case.batch + b) * width..][..width].to_vec())
            .collect()
    };
    let (directions, hidden) = (case.directions.len(), case.hidden);
    let state = |state: &Option<Vec<f32>>| state.as_ref().map(|s| of(s, directions, hidden));
    Case {
        batch: 1,
        x: of(&case.x, 1, case.time * case.input),
        lengths: case.lengths.as_ref().map(|lengths| vec![lengths[b]]),
        h0: state(&case.h0),
        c0: state(&case.c0),
        ..case.clone()
    }
}

/// The part of `out` of the whole batch that belongs to sequence `b`.
fn part(case: &Case, out: &Outputs, b: usize) -> Vec<u32> {
    let (directions, hidden) = (case.directions.len(), case.hidden);
    let row = case.time * directions * hidden;
    let mut part = bits(&out.y[b * row..(b + 1) * row]);
    for state in [&out.h_n, &out.c_n] {
        for d in (0..directions).filter(|_| !state.is_empty()) {
            part.extend(bits(&state[(d * case.batch + b) * hidden..][..hidden]));
        }
    }
    part
}

/// Compares `run` of the batch on some threads with `run` of each sequence on one.
fn check(
    case: &Case,
    threads: usize,
    run: impl Fn(&Plan, &Inputs, usize) -> Outputs,
) -> Result<(), TestCaseError> {
    let run = |case: &Case, threads| case.with(|inputs| run(&case.plan(), inputs, threads));
    let whole = run(case, threads);
    for b in 0..case.batch {
        let alone = alone(case, b);
        let expected = part(&alone, &run(&alone, 1), 0);
        prop_assert_eq!(part(case, &whole, b), expected, "{} of {}", b, case.name());
    }
    Ok(())
}

fn check_sequences(mut case: Case, threads: usize) -> Result<(), TestCaseError> {
    for precision in PRECISIONS {
        case.precision = precision;
        for level in Level::available() {
            check(&case, threads, |plan, inputs, threads| {
                forward_at(level, threads, plan, inputs, false).unwrap().0
            })?;
        }
        // With the weights kept between calls of all sizes.
        let cache = WeightCache::default();
        check(&case, threads, |plan, inputs, threads| {
            Threads::new(threads).install(|| infer(plan, inputs, &cache).unwrap())
        })?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(property(40))]

    #[test]
    fn a_sequence_has_the_same_bits_alone_and_in_any_batch(
        seed: u64, cell in 0..5usize, directions in 0..3usize, batch in 1..unless_miri(40, 5),
        time in 1..unless_miri(6, 3), input in 1..unless_miri(70, 10), hidden in 1..unless_miri(70, 10),
        lengths: bool, threads in 1..4usize,
    ) {
        let mut random = Random(seed);
        let sizes = [batch, time, input, hidden];
        let case = Case::new(&mut random, CELLS[cell], sizes, DIRECTIONS[directions]);
        let case = if lengths { case.with_lengths(&mut random) } else { case };
        check_sequences(case, threads)?;
    }
}

proptest! {
    #![proptest_config(property(60))]

    #[test]
    fn a_row_of_a_dense_layer_has_the_same_bits_alone_and_in_any_batch(
        seed: u64, n in 1..unless_miri(40, 6), hidden in 0..unless_miri(1200, 10),
        vocabulary in 1..unless_miri(200, 35), bias: bool, threads in 1..4usize,
    ) {
        let mut random = Random(seed);
        let (h, w) = (random.values(n * hidden, 1.0), random.values(vocabulary * hidden, 1.0));
        let b = bias.then(|| random.values(vocabulary, 1.0));
        let all = Threads::new(threads)
            .install(|| linear(&h, &w, b.as_deref(), n, hidden, vocabulary).unwrap());
        for row in 0..n {
            let h = &h[row * hidden..(row + 1) * hidden];
            let alone = Threads::one()
                .install(|| linear(h, &w, b.as_deref(), 1, hidden, vocabulary).unwrap());
            prop_assert_eq!(bits(&all[row * vocabulary..][..vocabulary]), bits(&alone));
        }
        for level in Level::available() {
            let w = LinearWeights::at(level, &w, b.as_deref(), hidden, vocabulary).unwrap();
            let rows: Vec<&[f32]> = (0..n).map(|row| &h[row * hidden..(row + 1) * hidden]).collect();
            let mut packed = vec![0.0; n * vocabulary];
            Threads::new(threads).install(|| w.apply(&rows, &mut packed)).unwrap();
            if level == Level::best() {
                prop_assert_eq!(bits(&packed), bits(&all));
            }
            for (packed, x) in packed.chunks(vocabulary).zip(rows) {
                let mut alone = vec![0.0; vocabulary];
                w.apply(&[x], &mut alone).unwrap();
                prop_assert_eq!(bits(packed), bits(&alone), "{}", level.name());
            }
        }
        for precision in PRECISIONS {
            let nll = |h: &[f32], targets: &[u32]| {
                let batch = LceBatch {
                    h,
                    w: &w,
                    b: b.as_deref(),
                    targets,
                    hidden,
                    vocabulary,
                    precision,
                    smoothing: 0.0,
                    weights: None,
                };
                linear_cross_entropy(&batch, false).unwrap().nll
            };
            let targets: Vec<u32> = (0..n).map(|_| random.below(vocabulary) as u32).collect();
            let all = Threads::new(threads).install(|| nll(&h, &targets));
            for row in 0..n {
                let h = &h[row * hidden..(row + 1) * hidden];
                prop_assert_eq!(bits(&all[row..=row]), bits(&nll(h, &targets[row..=row])));
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too much work for Miri")]
fn large_layers_have_the_same_bits_in_any_batch() {
    let mut random = Random(9);
    for (cell, sizes) in [
        (2, [35, 2, 200, 256]),
        (3, [19, 2, 500, 400]),
        (0, [100, 2, 64, 500]),
    ] {
        let case = Case::new(&mut random, CELLS[cell], sizes, DIRECTIONS[0]);
        check_sequences(case, 2).unwrap();
    }
    // Enough for several threads, and for more than one block of k.
    let (n, hidden, vocabulary) = (5, 1030, 777);
    let (h, w) = (
        random.values(n * hidden, 1.0),
        random.values(vocabulary * hidden, 1.0),
    );
    let run = |h: &[f32], n, threads| {
        Threads::new(threads).install(|| linear(h, &w, None, n, hidden, vocabulary).unwrap())
    };
    let all = bits(&run(&h, n, 3));
    let packed = LinearWeights::new(&w, None, hidden, vocabulary).unwrap();
    let rows: Vec<&[f32]> = h.chunks(hidden).collect();
    for threads in [1, 2, 3] {
        let mut out = vec![0.0; n * vocabulary];
        Threads::new(threads)
            .install(|| packed.apply(&rows, &mut out))
            .unwrap();
        assert_eq!(bits(&out), all);
    }
    for (row, h) in h.chunks(hidden).enumerate() {
        for threads in [1, 2, 3] {
            assert_eq!(
                all[row * vocabulary..][..vocabulary],
                bits(&run(h, 1, threads))
            );
        }
    }
}

#[test]
fn a_dense_layer_that_does_not_fit_is_refused() {
    let w = vec![1.0; 15];
    assert!(LinearWeights::new(&w, None, 4, 5).is_err());
    assert!(LinearWeights::new(&w, Some(&[0.0; 4]), 3, 5).is_err());
    assert!(LinearWeights::new(&[], None, 0, usize::MAX).is_err());
    let w = LinearWeights::new(&w, None, 3, 5).unwrap();
    let mut out = vec![7.0; 10];
    let x = [1.0; 3];
    let refused = |rows: &[&[f32]], out: &mut [f32]| {
        matches!(
            w.apply(rows, out),
            Err(KernelError::Shape { op: "linear", .. })
        )
    };
    assert!(refused(&[&x, &x[1..]], &mut out));
    assert!(refused(&[&x], &mut out));
    assert_eq!(out, [7.0; 10]);
    w.apply(&[&x, &x], &mut out).unwrap();
    assert_eq!(out, [3.0; 10]);
    w.apply(&[], &mut []).unwrap();
}

#[test]
fn a_row_of_an_embedding_is_a_row_of_its_table() {
    let w = Random(1).values(50 * 7, 1.0);
    let ids = [3, 49, 0, 3, 21];
    let rows = embedding(&ids, &w, 50, 7).unwrap();
    for (row, id) in rows.chunks(7).zip(ids) {
        assert_eq!(row, &w[id as usize * 7..][..7]);
        assert_eq!(row, embedding(&[id], &w, 50, 7).unwrap());
    }
}
