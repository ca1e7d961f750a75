//! The reference against central differences in f64.

use crate::cases::{CELLS, Case, DIRECTIONS, Random};
use refrain_kernels::{Inputs, OutputGradients, Plan, Weights, reference};

/// All inputs of a layer in f64, as one list of arrays: x, h0, c0, then four weights per direction.
fn arrays(case: &Case) -> Vec<Vec<f64>> {
    let wide = |v: &[f32]| v.iter().map(|&x| f64::from(x)).collect();
    let mut all = vec![
        wide(&case.x),
        wide(case.h0.as_deref().unwrap()),
        wide(case.c0.as_deref().unwrap_or_default()),
    ];
    all.extend(case.weights.iter().flatten().map(|w| wide(w)));
    all
}

fn with<R>(case: &Case, arrays: &[Vec<f64>], f: impl FnOnce(&Plan, &Inputs<f64>) -> R) -> R {
    let weights: Vec<Weights<f64>> = arrays[3..]
        .chunks(4)
        .map(|w| Weights {
            w_ih: &w[0],
            w_hh: &w[1],
            b_ih: Some(&w[2]),
            b_hh: Some(&w[3]),
        })
        .collect();
    let c0 = case.cell.has_memory().then_some(&arrays[2][..]);
    f(
        &case.plan(),
        &Inputs {
            x: &arrays[0],
            weights: &weights,
            h0: Some(&arrays[1]),
            c0,
        },
    )
}

/// The outputs weighted by fixed numbers: its gradient is what the backward pass is given.
fn loss(case: &Case, arrays: &[Vec<f64>], d: &[Vec<f64>; 3]) -> f64 {
    let out = with(case, arrays, |plan, inputs| {
        reference::forward(plan, inputs).unwrap()
    });
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(&out.y, &d[0]) + dot(&out.h_n, &d[1]) + dot(&out.c_n, &d[2])
}

#[test]
#[cfg_attr(miri, ignore = "too much work for Miri, and no unsafe code")]
fn reference_gradients_are_those_of_finite_differences() {
    let mut random = Random(7);
    for cell in CELLS {
        for directions in DIRECTIONS {
            let case =
                Case::new(&mut random, cell, [3, 4, 3, 4], directions).with_lengths(&mut random);
            let arrays = arrays(&case);
            let wide = |v: &Option<Vec<f32>>| -> Vec<f64> {
                v.iter().flatten().map(|&x| f64::from(x)).collect()
            };
            let d = [wide(&case.d_y), wide(&case.d_h_n), wide(&case.d_c_n)];
            let gradients = with(&case, &arrays, |plan, inputs| {
                let d_c_n = cell.has_memory().then_some(&d[2][..]);
                reference::backward(
                    plan,
                    inputs,
                    &OutputGradients {
                        d_y: Some(&d[0]),
                        d_h_n: Some(&d[1]),
                        d_c_n,
                    },
                )
                .unwrap()
            });
            let mut analytic = vec![
                gradients.d_x.unwrap(),
                gradients.d_h0.unwrap(),
                gradients.d_c0.unwrap(),
            ];
            for w in gradients.weights.unwrap() {
                analytic.extend([w.d_w_ih, w.d_w_hh, w.d_b_ih, w.d_b_hh]);
            }
            for (index, analytic) in analytic.iter().enumerate() {
                for (element, &expected) in analytic.iter().enumerate() {
                    const STEP: f64 = 1e-6;
                    let moved = |by: f64| {
                        let mut arrays = arrays.clone();
                        arrays[index][element] += by;
                        loss(&case, &arrays, &d)
                    };
                    let numeric = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
                    let error = (numeric - expected).abs() / expected.abs().max(1.0);
                    assert!(
                        error < 1e-7,
                        "array {index} element {element}: {numeric} against {expected}: {}",
                        case.name()
                    );
                }
            }
        }
    }
}
