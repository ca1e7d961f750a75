//! Products of bytes: inference only.

use crate::cases::{Case, DIRECTIONS, Random, difference, few};
use refrain_kernels::{
    Cell, Direction, KernelError, Level, Outputs, Precision, forward_at, reference,
};

const CELLS: [Cell; 4] = [Cell::RnnTanh, Cell::RnnRelu, Cell::Lstm, Cell::Gru];

fn int8(mut case: Case) -> Case {
    case.precision = Precision::Int8;
    case
}

fn run(case: &Case, level: Level, threads: usize) -> Outputs {
    case.with(|inputs| forward_at(level, threads, &case.plan(), inputs, false))
        .unwrap()
        .0
}

fn error(case: &Case, level: Level) -> f32 {
    let expected = case
        .with(|inputs| reference::forward(&case.plan(), inputs))
        .unwrap();
    difference(&run(case, level, 2).y, &expected.y)
}

/// Rounds rows of `width` values so that each is a byte over its own scale.
fn to_bytes(values: &mut [f32], width: usize) {
    for row in values.chunks_mut(width.max(1)) {
        let scale = row.iter().fold(0.0f32, |m, x| m.max(x.abs())) / 127.0;
        row.iter_mut()
            .for_each(|x| *x = (*x / scale).round() * scale);
    }
}

#[test]
fn products_of_bytes_are_exact() {
    // One step from values that are bytes already: nothing is rounded but the state.
    let mut random = Random(21);
    for level in Level::available() {
        for cell in CELLS {
            for &hidden in few(&[1, 17, 15, 16, 64, 65, 100], 2) {
                let (input, batch) = (
                    random.pick(few(&[1, 3, 16, 66], 2)),
                    random.pick(few(&[1, 5, 17, 40], 2)),
                );
                let sizes = [batch, 1, input, hidden];
                let mut case = int8(Case::new(&mut random, cell, sizes, DIRECTIONS[2]));
                to_bytes(&mut case.x, input);
                case.h0.iter_mut().for_each(|h| to_bytes(h, hidden));
                for [w_ih, w_hh, ..] in &mut case.weights {
                    to_bytes(w_ih, input);
                    to_bytes(w_hh, hidden);
                }
                let error = error(&case, level);
                assert!(error < 2e-5, "{error} on {}: {}", level.name(), case.name());
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too much work for Miri")]
fn int8_stays_near_the_reference() {
    let mut random = Random(22);
    for level in Level::available() {
        for cell in [Cell::RnnTanh, Cell::Lstm, Cell::Gru] {
            for hidden in [17, 64, 100] {
                let sizes = [7, 9, random.pick(&[0, 1, 33, 100]), hidden];
                let case = Case::new(&mut random, cell, sizes, DIRECTIONS[2]);
                let case = int8(case.with_lengths(&mut random));
                let error = error(&case, level);
                assert!(error < 0.05, "{error} on {}: {}", level.name(), case.name());
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too much work for Miri")]
fn int8_gives_the_same_bits_for_any_threads_and_any_unit_that_multiplies() {
    let mut random = Random(23);
    for cell in CELLS {
        let even = int8(Case::new(&mut random, cell, [67, 9, 70, 90], DIRECTIONS[0]));
        let case = int8(Case::new(&mut random, cell, [19, 9, 70, 90], DIRECTIONS[2]));
        let case = case.with_lengths(&mut random);
        for case in [&even, &case] {
            let one = run(case, Level::best(), 1);
            for threads in [2, 3, 5] {
                assert_eq!(one, run(case, Level::best(), threads), "{}", case.name());
            }
        }
        let with_sixteen_lanes = [Level::Avx512Vnni, Level::Avx512Bf16, Level::Amx];
        for level in Level::available() {
            if with_sixteen_lanes.contains(&level) {
                let plain = run(&case, Level::Avx512, 2);
                assert_eq!(
                    plain,
                    run(&case, level, 2),
                    "{} {}",
                    level.name(),
                    case.name()
                );
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too much work for Miri")]
fn what_is_not_finite_stays_in_its_own_sequence() {
    let mut random = Random(24);
    for cell in [Cell::RnnTanh, Cell::Lstm, Cell::Gru] {
        let case = int8(Case::new(
            &mut random,
            cell,
            [3, 4, 20, 40],
            &[Direction::Forward],
        ));
        let clean = run(&case, Level::best(), 2);
        for bad in [f32::NAN, f32::INFINITY] {
            let mut case = case.clone();
            // Sequence 1, step 2.
            case.x[(4 + 2) * 20 + 7] = bad;
            let y = run(&case, Level::best(), 2).y;
            let steps = y.chunks(40).zip(clean.y.chunks(40)).enumerate();
            for (row, (got, expected)) in steps {
                match row {
                    6 | 7 => assert!(got.iter().all(|y| y.is_nan()), "{cell:?} {bad} {row}"),
                    _ => assert_eq!(got, expected, "{cell:?} {bad} {row}"),
                }
            }
        }
    }
}

#[test]
fn training_in_int8_is_refused() {
    let case = int8(Case::new(
        &mut Random(25),
        Cell::Lstm,
        [2, 2, 3, 4],
        &[Direction::Forward],
    ));
    let refused = case.with(|inputs| forward_at(Level::best(), 1, &case.plan(), inputs, true));
    assert!(matches!(refused, Err(KernelError::InferenceOnly { .. })));
}
