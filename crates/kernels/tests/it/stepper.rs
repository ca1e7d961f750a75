//! One step at a time against whole sequences.

use crate::cases::{CELLS, Case, Random, difference};
use proptest::prelude::*;
use refrain_kernels::{Direction, Level, Precision, Stepper, forward_at};

fn check(
    seed: u64,
    cell: usize,
    input: usize,
    hidden: usize,
    time: usize,
) -> Result<(), TestCaseError> {
    let cell = CELLS[cell];
    let mut case = Case::new(
        &mut Random(seed),
        cell,
        [1, time, input, hidden],
        &[Direction::Forward],
    );
    let levels = Level::available().into_iter();
    let all = levels.flat_map(|level| {
        [Precision::F32, Precision::Bf16, Precision::Int8].map(|precision| (level, precision))
    });
    for (level, precision) in all {
        case.precision = precision;
        // A sum in another order may round h to the neighbouring bf16 or byte.
        let within = match precision {
            Precision::F32 => 1e-5,
            Precision::Bf16 | Precision::Int8 => 0.02,
        };
        let (whole, _) = case
            .with(|inputs| forward_at(level, 1, &case.plan(), inputs, false))
            .unwrap();
        let mut stepper = case
            .with(|inputs| Stepper::at(level, cell, precision, input, hidden, &inputs.weights[0]))
            .unwrap();
        let mut h = case.h0.clone().unwrap();
        let mut c = case.c0.clone().unwrap_or_default();
        for t in 0..time {
            stepper
                .step(&case.x[t * input..(t + 1) * input], &mut h, &mut c)
                .unwrap();
            let error = difference(&h, &whole.y[t * hidden..(t + 1) * hidden]);
            prop_assert!(
                error < within,
                "step {t} differs by {error} on {}: {}",
                level.name(),
                case.name()
            );
        }
        prop_assert!(difference(&c, &whole.c_n) < within);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn steps_agree_with_the_whole_sequence(seed: u64, cell in 0..5usize, input in 0..70usize, hidden in 0..70usize, time in 1..9usize) {
        check(seed, cell, input, hidden, time)?;
    }
}

#[test]
fn steps_are_the_same_bits_for_any_number_of_threads() {
    // Enough weights for several threads.
    let (input, hidden) = (200, 333);
    let case = Case::new(
        &mut Random(2),
        CELLS[3],
        [1, 3, input, hidden],
        &[Direction::Forward],
    );
    let run = |threads| {
        let new = |inputs: &refrain_kernels::Inputs| {
            Stepper::new(CELLS[3], Precision::F32, input, hidden, &inputs.weights[0])
        };
        let (mut stepper, mut h) = (case.with(new).unwrap(), case.h0.clone().unwrap());
        refrain_kernels::Threads::new(threads).install(|| {
            for x in case.x.chunks(input) {
                stepper.step(x, &mut h, &mut []).unwrap();
            }
        });
        h
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));
}

#[test]
fn a_step_that_does_not_fit_is_refused() {
    let case = Case::new(
        &mut Random(1),
        CELLS[2],
        [1, 1, 3, 4],
        &[Direction::Forward],
    );
    let mut stepper = case
        .with(|inputs| Stepper::new(CELLS[2], Precision::F32, 3, 4, &inputs.weights[0]))
        .unwrap();
    assert!(
        stepper
            .step(&[0.0; 2], &mut [0.0; 4], &mut [0.0; 4])
            .is_err()
    );
    assert!(stepper.step(&[0.0; 3], &mut [0.0; 4], &mut []).is_err());
    assert!(
        stepper
            .step(&[0.0; 3], &mut [0.0; 4], &mut [0.0; 4])
            .is_ok()
    );
}
