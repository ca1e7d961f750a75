//! The fast path against the reference.

use crate::cases::{CELLS, Case, DIRECTIONS, Random, difference, few, unless_miri};
use refrain_kernels::{
    Cell, Direction, Gradients, KernelError, Level, Outputs, Precision, Wanted, WeightCache,
    backward, backward_at, forward, forward_at, infer, reference,
};

fn fast(case: &Case, level: Level, threads: usize) -> (Outputs, Gradients) {
    case.with(|inputs| {
        let plan = case.plan();
        let (out, reserve) = forward_at(level, threads, &plan, inputs, true).unwrap();
        let (plain, none) = forward_at(level, threads, &plan, inputs, false).unwrap();
        assert!(none.is_none());
        assert_eq!(plain, out, "inference and training differ: {}", case.name());
        let reserve = reserve.unwrap();
        let d = backward_at(
            level,
            threads,
            &plan,
            inputs,
            &out.y,
            reserve,
            &case.d_out(),
            &Wanted::ALL,
        )
        .unwrap();
        (out, d)
    })
}

fn flat(d: &Gradients) -> Vec<(&'static str, Vec<f32>)> {
    let mut all = vec![
        ("d_x", d.d_x.clone().unwrap()),
        ("d_h0", d.d_h0.clone().unwrap()),
        ("d_c0", d.d_c0.clone().unwrap()),
    ];
    for w in d.weights.as_ref().unwrap() {
        all.push(("d_w_ih", w.d_w_ih.clone()));
        all.push(("d_w_hh", w.d_w_hh.clone()));
        all.push(("d_b_ih", w.d_b_ih.clone()));
        all.push(("d_b_hh", w.d_b_hh.clone()));
    }
    all
}

fn check(case: &Case, level: Level) {
    check_within(case, level, [1e-5, 1e-4]);
}

/// Outputs and gradients against the reference, within a share of the largest value of each.
fn check_within(case: &Case, level: Level, [outputs, gradients]: [f32; 2]) {
    let (out, d) = fast(case, level, 2);
    let (expected, d_expected) = case.with(|inputs| {
        let plan = case.plan();
        (
            reference::forward(&plan, inputs).unwrap(),
            reference::backward(&plan, inputs, &case.d_out()).unwrap(),
        )
    });
    let name = format!("{} on {}", case.name(), level.name());
    for (what, got, expected) in [
        ("y", &out.y, &expected.y),
        ("h_n", &out.h_n, &expected.h_n),
        ("c_n", &out.c_n, &expected.c_n),
    ] {
        let error = difference(got, expected);
        assert!(error < outputs, "{what} differs by {error}: {name}");
    }
    for ((what, got), (_, expected)) in flat(&d).iter().zip(flat(&d_expected)) {
        let error = difference(got, &expected);
        assert!(error < gradients, "{what} differs by {error}: {name}");
    }
}

/// Sizes where vectors, tiles and panels begin and end.
const SIZES: &[usize] = match cfg!(miri) {
    true => &[0, 1, 9],
    false => &[0, 1, 15, 16, 17, 63, 64, 65, 100],
};

#[test]
fn fast_path_agrees_with_the_reference_at_edge_sizes() {
    let mut random = Random(1);
    for level in Level::available() {
        for cell in CELLS {
            for &hidden in SIZES {
                for directions in &DIRECTIONS[unless_miri(0, 2)..] {
                    let (input, time) = (random.pick(SIZES), random.pick(few(&[1, 2, 7], 2)));
                    let batch = random.pick(few(&[1, 3, 16, 17], 2));
                    let case =
                        Case::new(&mut random, cell, [batch, time, input, hidden], directions);
                    let ragged = case.clone().with_lengths(&mut random);
                    for case in few(&[ragged, case.clone().without_states(), case], 2) {
                        check(case, level);
                    }
                }
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too much work for Miri")]
fn fast_path_agrees_when_sums_are_cut_into_blocks() {
    // More rows and features than one block of the products takes.
    let mut random = Random(2);
    for cell in [Cell::Lstm, Cell::Gru, Cell::RnnTanh] {
        let case = Case::new(&mut random, cell, [20, 30, 530, 130], DIRECTIONS[2])
            .with_lengths(&mut random);
        check(&case, Level::best());
    }
}

fn to_bf16(values: &mut [f32]) {
    for x in values {
        *x = f32::from_bits(x.to_bits() & 0xffff_0000);
    }
}

#[test]
fn products_of_bf16_are_exact() {
    // One step from values that are bf16 already: nothing is rounded but the sums.
    let mut random = Random(8);
    for level in Level::available() {
        for cell in &CELLS[..4] {
            for &hidden in SIZES {
                let (input, batch) = (random.pick(SIZES), random.pick(few(&[1, 5, 17], 2)));
                let mut case =
                    Case::new(&mut random, *cell, [batch, 1, input, hidden], DIRECTIONS[2]);
                to_bf16(&mut case.x);
                case.weights.iter_mut().flatten().for_each(|w| to_bf16(w));
                case.h0.iter_mut().for_each(|h| to_bf16(h));
                case.precision = Precision::Bf16;
                check_within(&case, level, [1e-5, 0.03]);
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too much work for Miri")]
fn bf16_stays_near_the_reference_on_every_instruction_set() {
    // Not the ReLU: its slope jumps where rounding moves a sum across zero.
    let mut random = Random(9);
    for level in Level::available() {
        for cell in [Cell::RnnTanh, Cell::Lstm, Cell::Gru] {
            for hidden in [17, 64, 100] {
                for directions in DIRECTIONS {
                    let sizes = [7, 9, random.pick(SIZES), hidden];
                    let mut case =
                        Case::new(&mut random, cell, sizes, directions).with_lengths(&mut random);
                    case.precision = Precision::Bf16;
                    check_within(&case, level, [0.02, 0.04]);
                }
            }
        }
        // More rows and features than one block of the products takes.
        let mut case = Case::new(&mut random, Cell::Gru, [40, 60, 1100, 50], DIRECTIONS[0]);
        case.precision = Precision::Bf16;
        check_within(&case, level, [0.03, 0.06]);
    }
}

#[test]
#[cfg_attr(miri, ignore = "too much work for Miri")]
fn empty_batches_and_sequences_give_empty_or_zero_results() {
    let mut random = Random(3);
    for cell in CELLS {
        for sizes in [[0, 3, 2, 4], [2, 0, 3, 4], [2, 3, 0, 4], [2, 3, 4, 0]] {
            for directions in DIRECTIONS {
                let mut case = Case::new(&mut random, cell, sizes, directions);
                check(&case, Level::best());
                case.precision = Precision::Bf16;
                check_within(&case, Level::best(), [0.02, 0.04]);
            }
        }
    }
}

/// Over many steps gradients shrink below what a float holds with all its bits; such arithmetic is slow, so they become
/// zero before.
#[test]
#[cfg_attr(miri, ignore = "too much work for Miri")]
fn vanished_gradients_are_zero_and_nan_is_not() {
    let mut random = Random(31);
    for cell in [Cell::RnnTanh, Cell::RnnRelu, Cell::Lstm, Cell::Gru] {
        let mut case = Case::new(&mut random, cell, [3, 300, 4, 20], DIRECTIONS[0]);
        for weights in &mut case.weights {
            weights[1].iter_mut().for_each(|w| *w *= 0.1);
            // Gates that forget: of an LSTM f, of a GRU z.
            weights[2][20..].iter_mut().take(20).for_each(|b| *b = -3.0);
        }
        (case.d_y, case.d_c_n) = (None, None);
        case.d_h_n = Some(random.values(3 * 20, 1.0));
        for level in Level::available() {
            check(&case, level);
            let (_, d) = fast(&case, level, 1);
            let d_x = d.d_x.unwrap();
            assert!(d_x.iter().all(|d| *d == 0.0 || d.abs() > f32::MIN_POSITIVE));
            assert!(d_x[..100 * 4].iter().all(|d| *d == 0.0), "{cell:?}");
            assert!(d_x.iter().any(|d| d.abs() > 1e-5));
        }
        case.d_h_n.iter_mut().for_each(|d| d[25] = f32::NAN);
        let (_, d) = fast(&case, Level::best(), 1);
        let d_x = d.d_x.unwrap();
        let of = |b: usize| d_x[b * 300 * 4..(b + 1) * 300 * 4].iter();
        assert!(of(1).any(|d| d.is_nan()), "{cell:?}");
        assert!(of(0).chain(of(2)).all(|d| d.is_finite()));
    }
}

#[test]
fn results_are_the_same_bits_for_any_number_of_threads() {
    let mut random = Random(4);
    // Under Miri an LSTM, and the GRU whose threads meet twice a step.
    for cell in CELLS[unless_miri(0, 2)..].iter().step_by(unless_miri(1, 2)) {
        for directions in few(&DIRECTIONS, 1) {
            // Sequences of one length may be divided between the threads, where there are enough; units in any case.
            let [time, input, hidden] = match cfg!(miri) {
                true => [2, 3, 9],
                false => [9, 70, 90],
            };
            let mut case =
                |batch| Case::new(&mut random, *cell, [batch, time, input, hidden], directions);
            let (ragged, even) = (case(unless_miri(19, 3)), case(unless_miri(19, 2)));
            let many = case(unless_miri(67, 9));
            for case in few(&[ragged.with_lengths(&mut random), many, even], 2) {
                for precision in [Precision::F32, Precision::Bf16] {
                    let case = Case {
                        precision,
                        ..case.clone()
                    };
                    let one = fast(&case, Level::best(), 1);
                    for &threads in few(&[2, 3, 5, 0], 1) {
                        let more = fast(&case, Level::best(), threads);
                        let name = format!("with {threads} threads: {} {precision:?}", case.name());
                        assert_eq!(one.0, more.0, "outputs {name}");
                        assert_eq!(flat(&one.1), flat(&more.1), "gradients {name}");
                    }
                }
            }
        }
    }
}

#[test]
fn kept_weights_give_the_same_bits_call_after_call() {
    let mut random = Random(12);
    for cell in CELLS {
        for directions in &DIRECTIONS[unless_miri(0, 2)..] {
            let cache = WeightCache::default();
            let [time, input, hidden] = match cfg!(miri) {
                true => [2, 3, 5],
                false => [4, 30, 50],
            };
            let most = unless_miri(9, 3);
            let mut case = Case::new(&mut random, cell, [most, time, input, hidden], directions);
            for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
                case.precision = precision;
                // Fewer sequences: threads may be fewer, too.
                for &batch in few(&[most, 1, most, most], 2) {
                    let mut part = case.clone();
                    part.batch = batch;
                    part.x.truncate(batch * time * input);
                    (part.h0, part.c0) = (None, None);
                    let (plan, kept) = (part.plan(), &cache);
                    let kept = part.with(|inputs| infer(&plan, inputs, kept)).unwrap();
                    let (fresh, _) = part.with(|inputs| forward(&plan, inputs, false)).unwrap();
                    assert_eq!(kept, fresh, "{precision:?} {}", part.name());
                }
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too much work for Miri")]
fn chunks_carry_on_where_the_last_one_ended() {
    let mut random = Random(5);
    for cell in CELLS {
        let case = Case::new(&mut random, cell, [4, 12, 7, 33], &[Direction::Forward]);
        let (whole, _) = case.with(|inputs| forward(&case.plan(), inputs, false).unwrap());
        let mut state = (case.h0.clone(), case.c0.clone());
        for chunk in 0..3 {
            let mut piece = case.clone();
            piece.time = 4;
            piece.x = (0..4)
                .flat_map(|b| {
                    let start = (b * 12 + chunk * 4) * 7;
                    case.x[start..start + 4 * 7].to_vec()
                })
                .collect();
            (piece.h0, piece.c0) = state;
            let (out, _) = piece.with(|inputs| forward(&piece.plan(), inputs, false).unwrap());
            for b in 0..4 {
                let expected = &whole.y[(b * 12 + chunk * 4) * 33..][..4 * 33];
                assert_eq!(
                    &out.y[b * 4 * 33..][..4 * 33],
                    expected,
                    "{cell:?} chunk {chunk}"
                );
            }
            state = (Some(out.h_n), cell.has_memory().then_some(out.c_n));
        }
        assert_eq!(state.0.unwrap(), whole.h_n);
    }
}

#[test]
fn a_call_that_does_not_fit_is_refused() {
    let mut random = Random(6);
    let case = Case::new(&mut random, Cell::Lstm, [2, 3, 4, 5], DIRECTIONS[0]);
    let mut short = case.clone();
    short.x.pop();
    let error = short
        .with(|inputs| forward(&short.plan(), inputs, false))
        .unwrap_err();
    assert_eq!(
        error,
        KernelError::Shape {
            op: "recurrent forward",
            what: "x",
            expected: vec![2, 3, 4],
            got: vec![23]
        }
    );
    let mut long = case;
    long.lengths = Some(vec![3, 4]);
    let error = long
        .with(|inputs| forward(&long.plan(), inputs, false))
        .unwrap_err();
    assert!(
        matches!(
            error,
            KernelError::Length {
                index: 1,
                length: 4,
                time: 3,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_memory_for_a_cell_without_one_is_refused() {
    let mut random = Random(7);
    for cell in CELLS.into_iter().filter(|cell| !cell.has_memory()) {
        let mut case = Case::new(&mut random, cell, [2, 3, 4, 5], DIRECTIONS[0]);
        case.c0 = Some(vec![0.0; 3]);
        let error = case.with(|inputs| forward(&case.plan(), inputs, false));
        assert!(
            matches!(error, Err(KernelError::Shape { what: "c0", .. })),
            "{cell:?}"
        );
        (case.c0, case.d_c_n) = (None, Some(vec![0.0; 3]));
        let error = case.with(|inputs| {
            let (out, reserve) = forward(&case.plan(), inputs, true).unwrap();
            let (reserve, d_out) = (reserve.unwrap(), case.d_out());
            backward(&case.plan(), inputs, &out.y, reserve, &d_out, &Wanted::ALL)
        });
        assert!(
            matches!(error, Err(KernelError::Shape { what: "d_c_n", .. })),
            "{cell:?}"
        );
    }
}
