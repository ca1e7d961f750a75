//! Variants of the cells, compared with the fused layer where it supports them, and with the equations of the papers.

use burn::tensor::{Device, Tensor, TensorData};
use refrain::error::Error;
use refrain::layers::{Options, Recurrent, RecurrentConfig, Variant};
use refrain::models::{CellKind, GeneratorScratch, LanguageModelConfig};
use refrain::ops::floats;
use refrain::params::{self, NamedTensor};
use refrain_kernels::random::Key;
use refrain_kernels::{Cell, KernelError};
use std::collections::BTreeMap;

const CELLS: [Cell; 5] = [
    Cell::RnnTanh,
    Cell::RnnRelu,
    Cell::Lstm,
    Cell::Gru,
    Cell::GruResetBefore,
];
const BATCH: usize = 3;
const TIME: usize = 6;
const INPUT: usize = 4;
const HIDDEN: usize = 5;

fn x(device: &Device) -> Tensor<3> {
    let values: Vec<f32> = (0..BATCH * TIME * INPUT)
        .map(|k| Key::new(9).normal_f32(k as u64))
        .collect();
    Tensor::from_data(TensorData::new(values, [BATCH, TIME, INPUT]), device)
}

fn stack(cell: Cell, variant: Variant) -> RecurrentConfig {
    RecurrentConfig::new(cell, INPUT, HIDDEN)
        .with_layers(2)
        .with_bidirectional(true)
        .with_variant(variant)
        .with_seed(3)
}

fn named(model: &Recurrent) -> BTreeMap<String, NamedTensor> {
    let all = params::export(model).into_iter();
    all.map(|tensor| (tensor.name.clone(), tensor)).collect()
}

fn run(model: &Recurrent, key: Option<u64>) -> (Vec<f32>, Vec<f32>) {
    let options = Options {
        dropout: key.map(Key::new),
        lengths: Some(vec![TIME, 2, 4]),
        ..Options::default()
    };
    let (y, state) = model.forward_with(x(&Device::flex()), options).unwrap();
    (floats(y), floats(state.layers[1].h.clone()))
}

fn assert_close(got: &[f32], expected: &[f32], what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (g, e) in got.iter().zip(expected) {
        assert!((g - e).abs() < 1e-6, "{what}: {g}, not {e}");
    }
}

/// A tiny dropout probability forces the composed steps. Their result equals that of the fused layer.
#[test]
fn the_steps_agree_with_the_fused_layer() {
    for cell in CELLS {
        let rare = Variant {
            recurrent_dropout: 1e-12,
            ..Variant::default()
        };
        let model = stack(cell, rare).init(&Device::flex());
        let (fused, stepped) = (run(&model, None), run(&model, Some(1)));
        assert_close(&stepped.0, &fused.0, &format!("{cell:?} y"));
        assert_close(&stepped.1, &fused.1, &format!("{cell:?} h"));
    }
}

#[test]
fn a_projection_by_the_identity_is_none() {
    let device = Device::flex();
    let plain = stack(Cell::Lstm, Variant::default()).init(&device);
    let projected = Variant {
        projection: Some(HIDDEN),
        ..Variant::default()
    };
    let projected = stack(Cell::Lstm, projected).init(&device);
    let mut weights = named(&plain);
    for (name, mut tensor) in named(&projected) {
        if name.starts_with("weight_hr") {
            let identity = |k| f32::from(k / HIDDEN == k % HIDDEN);
            tensor.data = (0..HIDDEN * HIDDEN).map(identity).collect();
            weights.insert(name, tensor);
        }
    }
    let projected = params::import(projected, &weights).unwrap();
    assert_close(&run(&projected, None).0, &run(&plain, None).0, "y");
}

/// In training a unit keeps its value or takes the new one. Inference takes the expected value.
#[test]
fn zoneout_keeps_units_as_they_were() {
    let device = Device::flex();
    let p = 0.3;
    let zoned = Variant {
        zoneout_h: p,
        zoneout_c: 0.5,
        ..Variant::default()
    };
    let config = |variant| {
        RecurrentConfig::new(Cell::Lstm, INPUT, 200)
            .with_variant(variant)
            .with_seed(3)
    };
    let model = config(zoned).init(&device);
    let plain = config(Variant::default()).init(&device);
    let first = x(&device).narrow(1, 0, 1);
    let step = |model: &Recurrent, key: Option<u64>| {
        let options = Options {
            dropout: key.map(Key::new),
            ..Options::default()
        };
        let (_, state) = model.forward_with(first.clone(), options).unwrap();
        (
            floats(state.layers[0].h.clone()),
            floats(state.layers[0].c.clone()),
        )
    };
    let (new_h, new_c) = step(&plain, None);
    let (mean_h, mean_c) = step(&model, None);
    let share = |values: &[f32], by: f32| values.iter().map(|v| v * by).collect::<Vec<_>>();
    assert_close(&mean_h, &share(&new_h, 1.0 - p as f32), "h");
    assert_close(&mean_c, &share(&new_c, 0.5), "c");
    let kept = |values: &[f32], new: &[f32]| {
        let stays = values.iter().filter(|v| **v == 0.0).count();
        let same = |(v, n): &(&f32, &f32)| **v != 0.0 && (*v - *n).abs() < 1e-6;
        let renewed = values.iter().zip(new).filter(same).count();
        assert_eq!(stays + renewed, values.len());
        stays as f64 / values.len() as f64
    };
    let (h, c) = step(&model, Some(7));
    assert!((kept(&h, &new_h) - p).abs() < 0.06);
    assert!((kept(&c, &new_c) - 0.5).abs() < 0.06);
    assert_ne!(step(&model, Some(8)).0, h);
}

/// Masks are scaled. The mean over many keys therefore equals the pass without masks, exactly for values that are
/// linear in the masks, such as the c of an LSTM.
#[test]
fn recurrent_dropout_keeps_the_mean_of_the_memory() {
    let device = Device::flex();
    let variant = Variant {
        recurrent_dropout: 0.4,
        ..Variant::default()
    };
    let model = RecurrentConfig::new(Cell::Lstm, INPUT, HIDDEN)
        .with_variant(variant)
        .init(&device);
    let first = x(&device).narrow(1, 0, 1);
    let memory = |key: Option<u64>| {
        let options = Options {
            dropout: key.map(Key::new),
            ..Options::default()
        };
        let (_, state) = model.forward_with(first.clone(), options).unwrap();
        floats(state.layers[0].c.clone())
    };
    let expected = memory(None);
    let keys = 4000;
    let mut mean = vec![0.0; expected.len()];
    for key in 0..keys {
        let c = memory(Some(key));
        mean.iter_mut()
            .zip(c)
            .for_each(|(m, c)| *m += c / keys as f32);
    }
    for (got, expected) in mean.iter().zip(expected) {
        // The standard deviation of the mean of 4000 is 1.3% of the value.
        assert!((got - expected).abs() < 0.06 * expected.abs() + 1e-4);
    }
}

/// With one mask for all steps, a unit's c is updated at every step or never.
#[test]
fn a_variational_mask_stays_for_the_sequence() {
    let variant = Variant {
        recurrent_dropout: 0.5,
        ..Variant::default()
    };
    let model = RecurrentConfig::new(Cell::Lstm, INPUT, 50)
        .with_variant(variant)
        .with_variational(true)
        .init(&Device::flex());
    let options = Options {
        dropout: Some(Key::new(2)),
        ..Options::default()
    };
    let (y, _) = model.forward_with(x(&Device::flex()), options).unwrap();
    let y = floats(y);
    let mut silent = 0;
    for sequence in y.chunks(TIME * 50) {
        for unit in 0..50 {
            let zeros = sequence
                .iter()
                .skip(unit)
                .step_by(50)
                .filter(|h| **h == 0.0);
            match zeros.count() {
                TIME => silent += 1,
                zeros => assert_eq!(zeros, 0),
            }
        }
    }
    assert!((60..90).contains(&silent), "{silent} of 150");
}

#[test]
fn gradients_agree_with_differences() {
    let variant = Variant {
        projection: Some(3),
        layer_norm: true,
        zoneout_h: 0.2,
        zoneout_c: 0.3,
        recurrent_dropout: 0.25,
    };
    let device = Device::flex().autodiff();
    let model = stack(Cell::Lstm, variant).init(&device);
    let loss = |model: &Recurrent| {
        let options = Options {
            dropout: Some(Key::new(5)),
            ..Options::default()
        };
        let (y, _) = model.forward_with(x(&device), options).unwrap();
        y.powi_scalar(2).sum()
    };
    let gradients = params::gradients(&model, &loss(&model));
    assert_eq!(gradients.len(), 9 * 4);
    for gradient in gradients {
        let at = gradient.as_slice().len() / 2;
        let shifted = |by: f32| {
            let mut all = named(&model);
            all.get_mut(&gradient.name).unwrap().data[at] += by;
            f64::from(floats(loss(&params::import(model.clone(), &all).unwrap()))[0])
        };
        let expected = (shifted(5e-3) - shifted(-5e-3)) / 1e-2;
        let got = f64::from(gradient.as_slice()[at]);
        assert!(
            (got - expected).abs() < 1e-2 * expected.abs().max(1.0),
            "{}: {got}, not {expected}",
            gradient.name
        );
    }
}

#[test]
fn what_a_cell_has_no_form_of_is_refused() {
    let wrong = [
        (
            Cell::Gru,
            Variant {
                projection: Some(3),
                ..Variant::default()
            },
            "projection",
        ),
        (
            Cell::RnnTanh,
            Variant {
                layer_norm: true,
                ..Variant::default()
            },
            "layer_norm",
        ),
        (
            Cell::Gru,
            Variant {
                zoneout_c: 0.5,
                ..Variant::default()
            },
            "zoneout_c",
        ),
        (
            Cell::Lstm,
            Variant {
                projection: Some(0),
                ..Variant::default()
            },
            "projection",
        ),
        (
            Cell::Lstm,
            Variant {
                zoneout_h: 1.0,
                ..Variant::default()
            },
            "zoneout_h",
        ),
        (
            Cell::Lstm,
            Variant {
                recurrent_dropout: f64::NAN,
                ..Variant::default()
            },
            "recurrent_dropout",
        ),
    ];
    for (cell, variant, setting) in wrong {
        match variant.check(cell) {
            Err(KernelError::Option { what, .. }) => assert_eq!(what, setting),
            other => panic!("{setting}: {other:?}"),
        }
    }
    let config = LanguageModelConfig {
        tied: true,
        embedding: 8,
        variant: Variant {
            projection: Some(6),
            ..Variant::default()
        },
        ..LanguageModelConfig::default()
    };
    let refused = config.init(10, 0, &Device::flex());
    assert!(matches!(refused, Err(Error::Config(text)) if text.contains("tied")));
}

/// A state or input of the wrong size gives an error with both shapes, as in the fused layer.
#[test]
fn shapes_that_do_not_fit_are_named() {
    let variant = Variant {
        layer_norm: true,
        ..Variant::default()
    };
    let model = stack(Cell::Lstm, variant).init(&Device::flex());
    let wide = Tensor::zeros([2, 3, INPUT + 1], &Device::flex());
    let error = model.forward(wide, None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "recurrent layer, step by step: x has [5] where [4] is needed"
    );
    let options = Options {
        lengths: Some(vec![TIME, TIME + 1, 1]),
        ..Options::default()
    };
    assert!(model.forward_with(x(&Device::flex()), options).is_err());
}

/// NaN after the end of a sequence has no effect, and NaN in one sequence does not reach the others.
#[test]
fn nan_stays_in_its_own_sequence() {
    let variant = Variant {
        layer_norm: true,
        zoneout_h: 0.1,
        ..Variant::default()
    };
    let model = stack(Cell::Lstm, variant).init(&Device::flex());
    let mut values = floats(x(&Device::flex()));
    values[TIME * INPUT..][3 * INPUT] = f32::NAN; // sequence 1, past its length of 2
    values[2 * TIME * INPUT] = f32::NAN; // sequence 2
    let x = Tensor::from_data(
        TensorData::new(values, [BATCH, TIME, INPUT]),
        &Device::flex(),
    );
    let options = Options {
        lengths: Some(vec![TIME, 2, 4]),
        ..Options::default()
    };
    let (y, _) = model.forward_with(x, options).unwrap();
    let y = floats(y);
    let sequences: Vec<_> = y.chunks(y.len() / BATCH).collect();
    assert!(
        sequences[0]
            .iter()
            .chain(sequences[1])
            .all(|v| v.is_finite())
    );
    assert!(sequences[2].iter().any(|v| v.is_nan()));
}

/// A language model with all variants gives the same results token by token and on the whole text.
#[test]
fn a_language_model_writes_with_it() {
    let config = LanguageModelConfig {
        cell: CellKind::Lstm,
        embedding: 6,
        hidden: 9,
        layers: 2,
        tied: true,
        variant: Variant {
            projection: Some(6),
            layer_norm: true,
            zoneout_h: 0.1,
            zoneout_c: 0.2,
            recurrent_dropout: 0.3,
        },
        ..LanguageModelConfig::default()
    };
    let model = config.init(10, 4, &Device::flex()).unwrap();
    let text = [1, 5, 3, 9, 0, 2];
    let whole = model
        .loss(&text[..5], &text[1..], 1, None, None)
        .unwrap()
        .nll;
    let generator = model.generator().unwrap();
    let (mut state, mut scratch) = (generator.start(), GeneratorScratch::default());
    for round in 0..2 {
        for (t, nll) in whole.iter().enumerate() {
            let scores = generator.step(text[t], &mut state, &mut scratch).unwrap();
            let sum: f32 = scores.iter().map(|s| s.exp()).sum();
            let own = sum.ln() - scores[text[t + 1] as usize];
            assert!(
                (own - nll).abs() < 1e-5,
                "round {round}, {t}: {own}, not {nll}"
            );
        }
        state = generator.start();
    }
}
