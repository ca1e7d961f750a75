//! A model on a backend without kernels of this project learns the same as on Flex.

use burn::tensor::Device;
use refrain::models::{CellKind, Dropout, LanguageModelConfig};
use refrain::ops::floats;
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

#[test]
#[allow(
    deprecated,
    reason = "the one other backend that runs without a GPU or a system library"
)]
fn a_model_trains_on_ndarray_as_on_flex() {
    for cell in [CellKind::Lstm, CellKind::Gru, CellKind::Rnn] {
        let expected = train(cell, Device::flex());
        let got = train(cell, Device::ndarray());
        assert_eq!(got.len(), expected.len());
        for (g, e) in got.iter().zip(&expected) {
            assert!(
                (g - e).abs() < 1e-4 * e.abs().max(1.0),
                "{cell:?}: {g}, not {e}"
            );
        }
    }
}
