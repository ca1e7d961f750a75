//! Sizes whose products overflow, or that memory does not hold: every safe function gives a typed error.

use crate::cases::CELLS;
use refrain_kernels::ctc::{CtcBatch, check_targets, ctc_loss};
use refrain_kernels::embedding::{embedding, embedding_backward};
use refrain_kernels::random::{DropoutMask, Key, dropout};
use refrain_kernels::softmax::{LceBatch, linear, linear_cross_entropy};
use refrain_kernels::{
    Cell, Direction, Inputs, KernelError, OutputGradients, Plan, Precision, StepWeights, Wanted,
    WeightCache, Weights, backward, forward, infer, reference,
};

/// A few, and sizes that no memory holds. Sizes in between may be accepted, and then are much work.
const DIMS: [usize; 10] = [
    0,
    1,
    2,
    3,
    1 << 46,
    (1 << 46) + 1,
    1 << 61,
    (1 << 61) + 1,
    1 << 63,
    usize::MAX,
];

/// Sizes whose product of two wraps to a small number, though each of them may be.
const PAIRS: [[usize; 2]; 3] = [
    [1 << 32, 1 << 32],
    [1 << 33, 1 << 31],
    [(1 << 32) + 1, (1 << 32) - 1],
];

/// All pairs of sizes.
fn pairs() -> impl Iterator<Item = [usize; 2]> {
    let all = DIMS.into_iter().flat_map(|a| DIMS.map(|b| [a, b]));
    all.chain(PAIRS)
}

/// Only one of the errors that a size can have.
fn refused<T>(result: Result<T, KernelError>, name: impl Fn() -> String) {
    match result {
        Ok(_) => panic!("{} is accepted", name()),
        Err(
            KernelError::Shape { .. } | KernelError::TooLarge { .. } | KernelError::Length { .. },
        ) => {}
        Err(other) => panic!("{}: {other}", name()),
    }
}

fn weights(cell: Cell, hidden: usize, input: usize) -> [Vec<f32>; 4] {
    let rows = cell.gates() * hidden;
    [rows * input, rows * hidden, rows, rows].map(|n| vec![0.1; n])
}

fn view([w_ih, w_hh, b_ih, b_hh]: &[Vec<f32>; 4]) -> [Weights<'_>; 1] {
    [Weights {
        w_ih,
        w_hh,
        b_ih: Some(b_ih),
        b_hh: Some(b_hh),
    }]
}

fn plan<'a>(cell: Cell, [batch, time, input, hidden]: [usize; 4]) -> Plan<'a> {
    Plan {
        cell,
        batch,
        time,
        input,
        hidden,
        directions: &[Direction::Forward],
        lengths: None,
        precision: Precision::F32,
    }
}

#[test]
fn a_projection_to_2_to_the_63_columns_is_refused() {
    let error = linear(&[], &[], None, 2, 0, 1 << 63).unwrap_err();
    assert!(matches!(error, KernelError::TooLarge { op: "linear", .. }));
    let message = error.to_string();
    assert!(message.contains("[9223372036854775808, 0]"), "{message}");
}

#[test]
fn steps_whose_product_is_a_small_number_are_refused() {
    // 8·2⁶¹ wraps to zero, the size of x.
    let weights = weights(Cell::Lstm, 1, 1);
    let weights = view(&weights);
    let plan = Plan {
        lengths: Some(&[1, 0, 0, 0, 0, 0, 0, 0]),
        ..plan(Cell::Lstm, [8, 1 << 61, 1, 1])
    };
    let inputs = Inputs {
        x: &[],
        weights: &weights,
        h0: None,
        c0: None,
    };
    for train in [false, true] {
        let error = forward(&plan, &inputs, train).unwrap_err();
        assert!(
            matches!(error, KernelError::TooLarge { what: "x", .. }),
            "{error}"
        );
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri ends where the system refuses memory")]
fn layers_of_any_huge_size_are_refused() {
    for cell in CELLS {
        let (one, none) = (weights(cell, 1, 1), weights(cell, 0, 0));
        for (weights, width) in [(view(&one), 1), (view(&none), 0)] {
            let inputs = Inputs {
                x: &[],
                weights: &weights,
                h0: None,
                c0: None,
            };
            for [batch, time] in pairs() {
                for input in [width, 0, 1 << 46, 1 << 63] {
                    for hidden in [width, 1 << 46, 1 << 62] {
                        every_layer(&plan(cell, [batch, time, input, hidden]), &inputs);
                    }
                }
            }
        }
    }
}

fn every_layer(plan: &Plan, inputs: &Inputs) {
    // A call whose slices have the right sizes may be accepted, where its steps fit into memory.
    let fits = |dims: &[usize], n: usize| {
        let product = dims.iter().try_fold(1usize, |n, &dim| n.checked_mul(dim));
        product == Some(n)
    };
    let (gates, w) = (plan.cell.gates(), &inputs.weights[0]);
    let free = fits(&[plan.batch, plan.time, plan.input], 0)
        && fits(&[gates, plan.hidden, plan.input], w.w_ih.len())
        && fits(&[gates, plan.hidden, plan.hidden], w.w_hh.len());
    let name = || format!("{plan:?}");
    let check = |result: Result<(), KernelError>| match result {
        Ok(()) if free => {}
        result => refused(result, name),
    };
    check(forward(plan, inputs, true).map(drop));
    check(infer(plan, inputs, &WeightCache::default()).map(drop));
    check(reference::forward(plan, inputs).map(drop));
    let d_out = OutputGradients {
        d_y: None,
        d_h_n: None,
        d_c_n: None,
    };
    check(reference::backward(plan, inputs, &d_out).map(drop));
    let tiny = Plan {
        batch: 0,
        time: 0,
        input: 0,
        hidden: 0,
        ..*plan
    };
    let nothing = weights(plan.cell, 0, 0);
    let nothing = Inputs {
        weights: &view(&nothing),
        ..*inputs
    };
    let (_, reserve) = forward(&tiny, &nothing, true).unwrap();
    let reserve = reserve.unwrap();
    let result = backward(plan, inputs, &[], reserve, &d_out, &Wanted::ALL);
    match result {
        Err(KernelError::Option {
            what: "reserve", ..
        }) => {}
        result => check(result.map(drop)),
    }
}

#[test]
fn a_reserve_of_another_layer_is_refused() {
    // Both have the same number of slots, but different ones.
    let x = [0.5; 6];
    let [lstm, gru] = [Cell::Lstm, Cell::Gru].map(|cell| weights(cell, 3, 2));
    let inputs = |weights| Inputs {
        x: &x,
        weights,
        h0: None,
        c0: None,
    };
    let (lstm, gru) = (view(&lstm), view(&gru));
    let sizes = [1, 3, 2, 3];
    let (out, reserve) = forward(&plan(Cell::Gru, sizes), &inputs(&gru), true).unwrap();
    let d_out = OutputGradients {
        d_y: Some(&out.y),
        d_h_n: None,
        d_c_n: None,
    };
    let (plan, reserve) = (plan(Cell::Lstm, sizes), reserve.unwrap());
    let got = backward(&plan, &inputs(&lstm), &out.y, reserve, &d_out, &Wanted::ALL);
    assert!(matches!(
        got,
        Err(KernelError::Option {
            what: "reserve",
            ..
        })
    ));
}

#[test]
#[cfg_attr(miri, ignore = "Miri ends where the system refuses memory")]
fn steps_of_any_huge_size_are_refused() {
    for cell in CELLS {
        let one = weights(cell, 1, 1);
        for input in DIMS {
            for hidden in DIMS {
                if [input, hidden] == [1, 1] {
                    continue;
                }
                let [weights] = view(&one);
                let result = StepWeights::new(cell, Precision::F32, input, hidden, &weights);
                refused(result, || format!("{cell:?} {input} {hidden}"));
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri ends where the system refuses memory")]
fn projections_of_any_huge_size_are_refused() {
    for [n, vocabulary] in pairs() {
        for hidden in DIMS {
            match linear(&[], &[], None, n, hidden, vocabulary) {
                Ok(y) => {
                    assert!(hidden == 0 || n.max(vocabulary) == 0);
                    assert_eq!(Some(y.len()), n.checked_mul(vocabulary));
                }
                result => refused(result, || format!("[{n},{hidden}]·[{vocabulary},{hidden}]")),
            }
        }
    }
    for [hidden, vocabulary] in pairs() {
        let none = LceBatch {
            h: &[],
            w: &[],
            b: None,
            targets: &[],
            hidden,
            vocabulary,
            precision: Precision::F32,
            smoothing: 0.0,
            weights: None,
        };
        match linear_cross_entropy(&none, true) {
            Ok(out) => assert!(hidden.min(vocabulary) == 0 && out.nll.is_empty()),
            result => refused(result, || format!("{none:?}")),
        }
        let two = LceBatch {
            targets: &[0, 1],
            ..none
        };
        match linear_cross_entropy(&two, true) {
            Ok(out) => assert!(hidden == 0 && out.nll.len() == 2),
            Err(KernelError::Index { .. }) => assert!(vocabulary < 2),
            result => refused(result, || format!("{two:?}")),
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri ends where the system refuses memory")]
fn tables_of_any_huge_size_are_refused() {
    for vocabulary in DIMS {
        for features in DIMS {
            let name = || format!("[{vocabulary},{features}]");
            match embedding(&[], &[], vocabulary, features) {
                Ok(y) => assert!(y.is_empty() && vocabulary.min(features) == 0),
                result => refused(result, name),
            }
            match embedding_backward(&[], &[], vocabulary, features) {
                Ok(d_w) => {
                    assert_eq!(
                        Some(d_w.len()),
                        vocabulary.checked_mul(features),
                        "{}",
                        name()
                    );
                }
                result => refused(result, name),
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri ends where the system refuses memory")]
fn losses_and_masks_of_any_huge_size_are_refused() {
    for a in DIMS {
        for b in DIMS {
            let batch = CtcBatch {
                logits: &[],
                time: a,
                vocabulary: b,
                lengths: None,
                targets: &[&[], &[]],
                blank: 0,
            };
            for result in [
                ctc_loss(&batch, Some(&[1.0, 1.0])).map(drop),
                reference::ctc_loss(&batch, &[1.0, 1.0]).map(drop),
            ] {
                match result {
                    Ok(()) => assert!(a == 0 && b > 0),
                    Err(KernelError::Index { what: "blank", .. }) => assert_eq!(b, 0),
                    result => refused(result, || format!("{batch:?}")),
                }
            }
            let counted = check_targets([a, b, 1], None, &[&[]], 0);
            assert_eq!(counted.is_ok(), a == 1);
            for c in DIMS {
                let mask = DropoutMask::Variational {
                    batch: a,
                    time: b,
                    features: c,
                };
                match dropout(&[], 0.5, Key::new(1), mask) {
                    Ok(y) => assert!(y.is_empty() && a.min(b).min(c) == 0),
                    result => refused(result, || format!("{mask:?}")),
                }
            }
        }
    }
}
