//! The model of text lines: an image has the same scores alone and in any batch, it learns, folded classes are sums.

use burn::tensor::{Device, Tensor, TensorData};
use refrain::models::{LineModel, LineModelConfig, Scores, Stage};
use refrain::ops::{ImageBatch, floats};
use refrain::params;
use refrain::train::{Optimizer, OptimizerConfig};
use refrain_kernels::Precision;
use refrain_kernels::random::Key;

const HEIGHT: usize = 12;
const CLASSES: usize = 6;

fn config() -> LineModelConfig {
    let stage = |channels, pool| Stage {
        channels,
        kernel: [3, 3],
        pool,
    };
    LineModelConfig {
        height: HEIGHT,
        stages: vec![stage(4, [3, 3]), stage(6, [2, 1])],
        columns: 10,
        hidden: 8,
        dropout: 0.3,
        ..LineModelConfig::default()
    }
}

fn model(device: &Device) -> LineModel {
    config().init(CLASSES, 3, device).unwrap()
}

fn image(width: usize, seed: u64) -> Vec<f32> {
    let key = Key::new(seed);
    (0..HEIGHT * width)
        .map(|k| key.normal_f32(k as u64))
        .collect()
}

fn batch(images: &[Vec<f32>], device: &Device) -> ImageBatch {
    let widths: Vec<usize> = images.iter().map(|own| own.len() / HEIGHT).collect();
    let all = images.concat();
    let shape = [all.len(), 1];
    ImageBatch {
        pixels: Tensor::from_data(TensorData::new(all, shape), device),
        height: HEIGHT,
        widths: widths.into(),
    }
}

#[test]
fn an_image_has_the_same_scores_alone_and_among_others() {
    let device = Device::flex();
    for precision in [Precision::F32, Precision::Bf16] {
        let model = model(&device).with_precision(precision);
        let images = [image(31, 1), image(9, 2), image(100, 3), image(3, 4)];
        let all = model.scores(batch(&images, &device), None).unwrap().rows();
        for (own, expected) in images.iter().zip(all) {
            let width = own.len() / HEIGHT;
            assert_eq!(expected.len(), config().steps(width) * CLASSES);
            let alone = batch(std::slice::from_ref(own), &device);
            let alone = model.scores(alone, None).unwrap().rows();
            assert_eq!(alone[0], expected, "{precision:?}, width {width}");
        }
    }
}

#[test]
fn an_image_without_a_column_has_no_scores() {
    let device = Device::flex();
    let model = model(&device);
    let rows = model.scores(batch(&[image(2, 1), image(6, 2)], &device), None);
    let rows = rows.unwrap().rows();
    assert_eq!([rows[0].len(), rows[1].len()], [0, 2 * CLASSES]);
    let none = model.scores(batch(&[image(2, 1)], &device), None).unwrap();
    assert_eq!(none.rows(), [Vec::<f32>::new()]);
}

#[test]
fn it_learns() {
    let device = Device::flex().autodiff();
    let mut model = model(&device);
    let images = [image(40, 1), image(25, 2)];
    let labels = vec![vec![1, 1, 4], vec![2, 0]];
    let mut optimizer = Optimizer::new(OptimizerConfig::default());
    let mut losses = Vec::new();
    for step in 0..120 {
        let scores = model.scores(batch(&images, &device), Some(Key::new(step)));
        let out = scores.unwrap().loss(labels.clone()).unwrap();
        losses.push(out.nll.iter().sum::<f32>());
        let gradients = params::gradients(&model, &out.loss);
        assert_eq!(gradients.len(), params::export(&model).len());
        optimizer.begin();
        model = params::update(model, gradients, |name, p, g| {
            optimizer.update(name, p, g, 0.01, 1.0)
        })
        .unwrap();
    }
    assert!(
        losses[119] < 0.2 * losses[0],
        "{} {}",
        losses[0],
        losses[119]
    );
}

/// p of the labels, by their paths one by one.
fn by_paths(rows: &[f32], labels: &[u32], same: impl Fn(u32) -> u32) -> f64 {
    let steps = rows.len() / CLASSES;
    let blank = CLASSES as u32 - 1;
    let softmax = |row: &[f32]| -> Vec<f64> {
        let all: f64 = row.iter().map(|x| f64::from(*x).exp()).sum();
        row.iter().map(|x| f64::from(*x).exp() / all).collect()
    };
    let rows: Vec<Vec<f64>> = rows.chunks(CLASSES).map(softmax).collect();
    let mut sum = 0.0;
    for path in 0..CLASSES.pow(steps as u32) {
        let label = |t: usize| (path / CLASSES.pow(t as u32) % CLASSES) as u32;
        let path: Vec<u32> = (0..steps).map(label).collect();
        let p: f64 = (0..steps).map(|t| rows[t][path[t] as usize]).product();
        let mut merged: Vec<u32> = path.iter().map(|label| same(*label)).collect();
        merged.dedup();
        merged.retain(|label| *label != blank);
        if merged == labels {
            sum += p;
        }
    }
    sum
}

#[test]
fn folded_classes_are_sums_and_learn() {
    let device = Device::flex().autodiff();
    let steps = 4;
    let mut values = vec![0.0; steps * CLASSES];
    Key::new(5).fill_uniform(-2.0, 2.0, &mut values);
    let x = Tensor::<3>::from_data(
        TensorData::new(values.clone(), [1, steps, CLASSES]),
        &device,
    )
    .require_grad();
    let loss = |x: Tensor<3>| {
        let scores = Scores {
            scores: x,
            lengths: vec![steps],
        };
        let folded = scores.folded(&[[0, 3], [2, 1]]);
        folded.loss(vec![vec![0, 2]]).unwrap()
    };
    let same = |label| match label {
        3 => 0,
        1 => 2,
        other => other,
    };
    let out = loss(x.clone());
    let expected = -by_paths(&values, &[0, 2], same).ln();
    assert!(
        (f64::from(out.nll[0]) - expected).abs() < 1e-4,
        "{} {expected}",
        out.nll[0]
    );
    let mut gradients = out.loss.backward();
    let gradient = floats(x.grad_remove(&mut gradients).unwrap());
    for at in 0..values.len() {
        let moved = |by: f64| {
            let mut values = values.clone();
            values[at] += by as f32;
            -by_paths(&values, &[0, 2], same).ln()
        };
        // The loss is divided by the count of labels of its text.
        let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
        let got = f64::from(gradient[at]) * f64::from(out.nll[0])
            / f64::from(floats(out.loss.clone())[0]);
        assert!((got - expected).abs() < 2e-3, "{at}: {got} {expected}");
    }
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let refused = |change: &dyn Fn(&mut LineModelConfig), named: &str| {
        let mut config = config();
        change(&mut config);
        let error = config.init(CLASSES, 1, &Device::flex()).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    };
    refused(&|own| own.hidden = 0, "model.hidden");
    refused(&|own| own.stages[0].kernel = [2, 3], "odd");
    refused(&|own| own.stages[0].pool = [0, 1], "model.stages.pool");
    refused(&|own| own.stages[0].pool = [13, 1], "model.height");
    refused(&|own| own.height = 100_000, "model.height");
    refused(&|own| own.precision = Precision::Int8, "int8");
    refused(&|own| own.dropout = 1.0, "model.dropout");
}
