//! One step at a time against whole sequences.

use crate::cases::{CELLS, Case, Random, difference};
use proptest::prelude::*;
use refrain_kernels::{Direction, Level, Stepper, forward_at};

fn check(
    seed: u64,
    cell: usize,
    input: usize,
    hidden: usize,
    time: usize,
) -> Result<(), TestCaseError> {
    let cell = CELLS[cell];
    let case = Case::new(
        &mut Random(seed),
        cell,
        [1, time, input, hidden],
        &[Direction::Forward],
    );
    for level in Level::available() {
        let (whole, _) = case
            .with(|inputs| forward_at(level, 1, &case.plan(), inputs, false))
            .unwrap();
        let mut stepper = case
            .with(|inputs| Stepper::at(level, cell, input, hidden, &inputs.weights[0]))
            .unwrap();
        let mut h = case.h0.clone().unwrap();
        let mut c = case.c0.clone().unwrap_or_default();
        for t in 0..time {
            stepper
                .step(&case.x[t * input..(t + 1) * input], &mut h, &mut c)
                .unwrap();
            let error = difference(&h, &whole.y[t * hidden..(t + 1) * hidden]);
            prop_assert!(
                error < 1e-5,
                "step {t} differs by {error} on {}: {}",
                level.name(),
                case.name()
            );
        }
        prop_assert!(difference(&c, &whole.c_n) < 1e-5);
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
fn a_step_that_does_not_fit_is_refused() {
    let case = Case::new(
        &mut Random(1),
        CELLS[2],
        [1, 1, 3, 4],
        &[Direction::Forward],
    );
    let mut stepper = case
        .with(|inputs| Stepper::new(CELLS[2], 3, 4, &inputs.weights[0]))
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
