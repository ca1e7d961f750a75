//! One step at a time: against whole sequences, and many sessions against each of them alone.

use crate::cases::{CELLS, Case, Random, difference, property, unless_miri};
use proptest::prelude::*;
use refrain_kernels::{
    Cell, Direction, KernelError, Level, Precision, StepScratch, StepState, StepWeights, Threads,
    forward_at,
};

const PRECISIONS: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::Int8];

/// Every instruction set of this machine with every precision.
fn kinds() -> impl Iterator<Item = (Level, Precision)> {
    let of = |level| PRECISIONS.map(|precision| (level, precision));
    Level::available().into_iter().flat_map(of)
}

fn weights(case: &Case, level: Level) -> StepWeights {
    let new = |inputs: &refrain_kernels::Inputs| {
        let sizes = (case.input, case.hidden);
        let weights = &inputs.weights[0];
        StepWeights::at(level, case.cell, case.precision, sizes.0, sizes.1, weights)
    };
    case.with(new).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// The initial states of a case's sequences.
fn states(case: &Case) -> Vec<StepState> {
    let row = |values: &Option<Vec<f32>>, b: usize| match values {
        Some(values) => values[b * case.hidden..(b + 1) * case.hidden].to_vec(),
        None => Vec::new(),
    };
    let state = |b| StepState {
        h: row(&case.h0, b),
        c: row(&case.c0, b),
    };
    (0..case.batch).map(state).collect()
}

fn steps_against_sequence(mut case: Case) -> Result<(), TestCaseError> {
    let (input, hidden) = (case.input, case.hidden);
    for (level, precision) in kinds() {
        case.precision = precision;
        let (whole, _) = case
            .with(|inputs| forward_at(level, 1, &case.plan(), inputs, false))
            .unwrap();
        let (weights, mut state) = (weights(&case, level), states(&case).remove(0));
        let mut scratch = StepScratch::default();
        for t in 0..case.time {
            let x = &case.x[t * input..(t + 1) * input];
            weights.step(x, &mut state, &mut scratch).unwrap();
            let expected = &whole.y[t * hidden..(t + 1) * hidden];
            let name = || format!("step {t} on {}: {}", level.name(), case.name());
            if level == Level::Amx && precision == Precision::Bf16 {
                // Sums in another order, each of which may round h to the neighbouring bf16.
                let error = difference(&state.h, expected);
                prop_assert!(error < 0.02, "{} {error}", name());
            } else {
                prop_assert_eq!(bits(&state.h), bits(expected), "{}", name());
            }
        }
    }
    Ok(())
}

/// Runs some steps of each session alone, and in batches with others, which change from step to step.
fn batches_against_sessions(
    mut case: Case,
    random: &mut Random,
    threads: usize,
) -> Result<(), TestCaseError> {
    let (time, input) = (case.time, case.input);
    for (level, precision) in kinds() {
        case.precision = precision;
        let weights = weights(&case, level);
        let mut scratch = StepScratch::default();
        let x = |b: usize, t: usize| &case.x[(b * time + t) * input..][..input];
        let mut alone = states(&case);
        for (b, state) in alone.iter_mut().enumerate() {
            for t in 0..time {
                Threads::one()
                    .install(|| weights.step(x(b, t), state, &mut scratch))
                    .unwrap();
            }
        }
        // A session with its number and the steps that it has made.
        let states = states(&case).into_iter().enumerate();
        let mut sessions: Vec<(usize, usize, StepState)> =
            states.map(|(b, state)| (b, 0, state)).collect();
        while sessions.iter().any(|&(_, t, _)| t < time) {
            // In any order, and some of them wait.
            sessions.sort_by_cached_key(|_| random.next());
            let mut batch: Vec<(&[f32], &mut StepState)> = sessions
                .iter_mut()
                .filter(|(_, t, _)| *t < time && random.below(4) > 0)
                .map(|(b, t, state)| {
                    *t += 1;
                    (x(*b, *t - 1), state)
                })
                .collect();
            Threads::new(threads)
                .install(|| weights.step_many(&mut batch, &mut scratch))
                .unwrap();
        }
        for (b, _, state) in &sessions {
            let name = || format!("session {b} on {}: {}", level.name(), case.name());
            prop_assert_eq!(bits(&state.h), bits(&alone[*b].h), "h of {}", name());
            prop_assert_eq!(bits(&state.c), bits(&alone[*b].c), "c of {}", name());
        }
    }
    Ok(())
}

fn case(random: &mut Random, cell: usize, sizes: [usize; 4]) -> Case {
    Case::new(random, CELLS[cell], sizes, &[Direction::Forward])
}

proptest! {
    #![proptest_config(property(200))]

    #[test]
    fn steps_have_the_bits_of_the_whole_sequence(
        seed: u64, cell in 0..5usize, input in 0..unless_miri(70, 10), hidden in 0..unless_miri(70, 10),
        time in 1..unless_miri(9, 4),
    ) {
        steps_against_sequence(case(&mut Random(seed), cell, [1, time, input, hidden]))?;
    }

    #[test]
    fn a_session_has_the_same_bits_alone_and_in_any_batch(
        seed: u64, cell in 0..5usize, input in 1..unless_miri(70, 10), hidden in 1..unless_miri(70, 10),
        sessions in 1..unless_miri(40, 4), threads in 1..4usize,
    ) {
        let mut random = Random(seed);
        let case = case(&mut random, cell, [sessions, 3, input, hidden]);
        batches_against_sessions(case, &mut random, threads)?;
    }
}

#[test]
#[cfg_attr(miri, ignore = "too much work for Miri")]
fn hundreds_of_sessions_beyond_the_caches_have_the_bits_of_each_alone() {
    let mut random = Random(3);
    for (cell, input, hidden, sessions, threads) in [
        (2, 500, 517, 30, 2),
        (3, 300, 400, 33, 3),
        (0, 600, 900, 20, 2),
        (1, 33, 70, 300, 3),
    ] {
        let case = case(&mut random, cell, [sessions, 1, input, hidden]);
        batches_against_sessions(case, &mut random, threads).unwrap();
    }
}

#[test]
fn callers_at_the_same_time_share_weights_and_threads() {
    let mut random = Random(4);
    // Weights that are worth three threads.
    let sizes @ [_, time, input, _] = match cfg!(miri) {
        true => [3, 2, 5, 9],
        false => [8, 20, 96, 400],
    };
    let case = case(&mut random, 2, sizes);
    let weights = weights(&case, Level::best());
    let run = |b: usize, mut state: StepState| {
        let mut scratch = StepScratch::default();
        let xs = case.x[b * time * input..(b + 1) * time * input].chunks(input);
        for x in xs {
            weights.step(x, &mut state, &mut scratch).unwrap();
        }
        state
    };
    let initial = states(&case);
    let alone: Vec<StepState> = initial
        .iter()
        .cloned()
        .enumerate()
        .map(|(b, s)| run(b, s))
        .collect();
    for _ in 0..unless_miri(10, 2) {
        let together: Vec<StepState> = std::thread::scope(|scope| {
            let run = &run;
            let start = |(b, state): (usize, StepState)| {
                scope.spawn(move || Threads::new(3).install(|| run(b, state)))
            };
            let callers: Vec<_> = initial.iter().cloned().enumerate().map(start).collect();
            callers
                .into_iter()
                .map(|caller| caller.join().unwrap())
                .collect()
        });
        assert_eq!(alone, together);
    }
}

#[test]
fn no_sessions_and_no_units_are_no_work() {
    for cell in 0..5 {
        for [input, hidden] in [[0, 0], [0, 3], [3, 0]] {
            let case = case(&mut Random(1), cell, [1, 1, input, hidden]);
            let (weights, mut scratch) = (weights(&case, Level::best()), StepScratch::default());
            weights.step_many(&mut [], &mut scratch).unwrap();
            let mut state = states(&case).remove(0);
            weights.step(&case.x, &mut state, &mut scratch).unwrap();
            assert_eq!(state.h.len(), hidden);
        }
    }
}

#[test]
fn a_step_that_does_not_fit_is_refused_and_changes_nothing() {
    let case = case(&mut Random(1), 2, [3, 1, 3, 4]);
    let (weights, before) = (weights(&case, Level::best()), states(&case));
    let mut scratch = StepScratch::default();
    let mut states = before.clone();
    let mut step = |states: &mut [StepState], x: usize| {
        let mut rows: Vec<_> = states
            .iter_mut()
            .map(|state| (&case.x[..x], state))
            .collect();
        weights.step_many(&mut rows, &mut scratch)
    };
    let short = |what, expected, got| KernelError::Shape {
        op: "step",
        what,
        expected: vec![expected],
        got: vec![got],
    };
    assert_eq!(step(&mut states, 2), Err(short("x", 3, 2)));
    states[2].c.clear();
    assert_eq!(step(&mut states, 3), Err(short("c", 4, 0)));
    states[2] = StepState::zeros(Cell::Lstm, 5);
    assert_eq!(step(&mut states, 3), Err(short("h", 4, 5)));
    assert_eq!(states[..2], before[..2]);
    states[2] = weights.zeros();
    assert_eq!(step(&mut states, 3), Ok(()));
    assert_ne!(states[..2], before[..2]);
}
