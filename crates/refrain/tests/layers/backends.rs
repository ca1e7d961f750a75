//! Operations and a model on a backend without kernels of this project give the same as on Flex.

use crate::second_opinion::random;
use burn::tensor::{Device, Tensor};
use refrain::models::{CellKind, Dropout, LanguageModelConfig};
use refrain::ops::{AttentionInputs, AttentionLengths, attention, floats, linear};
use refrain::params;
use refrain::train::{Optimizer, OptimizerConfig};
use refrain_kernels::random::Key;

/// The losses of a few training steps with every kind of dropout and carried state, and the parameters after them.
fn train(cell: CellKind, device: Device) -> Vec<f32> {
    let config = LanguageModelConfig {
        cell,
        embedding: 12,
        hidden: 20,
        layers: 2,
        tied: true,
        dropout: Dropout {
            embedding: 0.1,
            hidden: 0.2,
            output: 0.3,
            weights: 0.2,
            words: 0.1,
            variational: true,
        },
        ..LanguageModelConfig::default()
    };
    let mut model = config.init(30, 1, &device.autodiff()).unwrap();
    let mut optimizer = Optimizer::new(OptimizerConfig::Sgd {
        lr: 0.5,
        weight_decay: 0.01,
    });
    let mut state = None;
    let mut all = Vec::new();
    for step in 0..4 {
        let key = Key::new(step);
        let tokens: Vec<u32> = (0..65)
            .map(|k| (key.uniform_f32(k) * 30.0) as u32)
            .collect();
        let out = model
            .loss(&tokens[..64], &tokens[1..], 4, state, Some(key))
            .unwrap();
        all.extend(floats(out.loss.clone()));
        let gradients = params::gradients(&model, &out.loss);
        optimizer.begin();
        model = params::update(model, gradients, |name, p, g| {
            optimizer.update(name, p, g, 0.5, 1.0)
        })
        .unwrap();
        state = Some(out.state);
    }
    all.extend(params::export(&model).into_iter().flat_map(|p| p.data));
    all
}

/// The other backend.
#[allow(
    deprecated,
    reason = "the one other backend that runs without a GPU or a system library"
)]
fn ndarray() -> Device {
    Device::ndarray()
}

/// A result or a gradient by name.
type Named = (&'static str, Vec<f32>);

fn same(got: &[Named], expected: &[Named]) {
    assert_eq!(got.len(), expected.len());
    for ((name, got), (_, expected)) in got.iter().zip(expected) {
        assert_eq!(got.len(), expected.len(), "{name}");
        assert!(expected.iter().any(|e| *e != 0.0), "{name}");
        for (index, (g, e)) in got.iter().zip(expected).enumerate() {
            assert!(
                (g - e).abs() < 1e-5 * e.abs().max(1.0),
                "{name}[{index}] is {g}, not {e}"
            );
        }
    }
}

/// Both results of [`attention`] and the gradients of a loss of both, with lengths shorter than the tensors.
fn attend(additive: bool, coverage: bool, device: Device) -> Vec<Named> {
    let device = device.autodiff();
    let [q, k, v] = [[3, 4, 6], [3, 5, 6], [3, 5, 7]];
    let q = random(q, 1, &device).require_grad();
    let k = random(k, 2, &device).require_grad();
    let v = random(v, 3, &device).require_grad();
    let u = random([6], 4, &device).require_grad();
    let c = random([1], 5, &device).require_grad();
    let out = attention(
        AttentionInputs {
            queries: q.clone(),
            keys: k.clone(),
            values: v.clone(),
            energy: additive.then(|| u.clone()),
            coverage: coverage.then(|| c.clone()),
        },
        AttentionLengths {
            queries: [4, 0, 3].into(),
            keys: [5, 2, 1].into(),
        },
    )
    .unwrap();
    let loss = (out.context.clone() * random([3, 4, 7], 6, &device)).sum()
        + (out.weights.clone() * random([3, 4, 5], 7, &device)).sum();
    let mut d = loss.backward();
    let mut all = vec![
        ("context", floats(out.context)),
        ("weights", floats(out.weights)),
    ];
    for (name, leaf) in [("d_queries", q), ("d_keys", k), ("d_values", v)] {
        all.push((name, floats(leaf.grad_remove(&mut d).unwrap())));
    }
    for (name, leaf, used) in [("d_energy", u, additive), ("d_coverage", c, coverage)] {
        let gradient = leaf.grad_remove(&mut d);
        assert_eq!(gradient.is_some(), used, "{name}");
        all.extend(gradient.map(|d| (name, floats(d))));
    }
    all
}

#[test]
fn attention_on_ndarray_gives_the_same_as_on_flex() {
    for additive in [false, true] {
        for coverage in [false, true] {
            let [got, expected] =
                [ndarray(), Device::flex()].map(|device| attend(additive, coverage, device));
            same(&got, &expected);
        }
    }
}

/// The result of [`linear`] and its gradients.
fn dense([rows, inputs, outputs]: [usize; 3], device: Device) -> Vec<Named> {
    let device = device.autodiff();
    let h: Tensor<2> = random([rows, inputs], 1, &device).require_grad();
    let w: Tensor<2> = random([outputs, inputs], 2, &device).require_grad();
    let b: Tensor<1> = random([outputs], 3, &device).require_grad();
    let y = linear(h.clone(), w.clone(), b.clone()).unwrap();
    let loss = (y.clone() * random([rows, outputs], 4, &device)).sum();
    let mut d = loss.backward();
    vec![
        ("y", floats(y)),
        ("d_h", floats(h.grad_remove(&mut d).unwrap())),
        ("d_w", floats(w.grad_remove(&mut d).unwrap())),
        ("d_b", floats(b.grad_remove(&mut d).unwrap())),
    ]
}

#[test]
fn a_dense_layer_on_ndarray_gives_the_same_as_on_flex() {
    for sizes in [[1, 1, 1], [5, 17, 33], [70, 40, 3]] {
        let [got, expected] = [ndarray(), Device::flex()].map(|device| dense(sizes, device));
        same(&got, &expected);
    }
}

#[test]
fn a_model_trains_on_ndarray_as_on_flex() {
    for cell in [CellKind::Lstm, CellKind::Gru, CellKind::Rnn] {
        let expected = train(cell, Device::flex());
        let got = train(cell, ndarray());
        assert_eq!(got.len(), expected.len());
        for (g, e) in got.iter().zip(&expected) {
            assert!(
                (g - e).abs() < 1e-4 * e.abs().max(1.0),
                "{cell:?}: {g}, not {e}"
            );
        }
    }
}
