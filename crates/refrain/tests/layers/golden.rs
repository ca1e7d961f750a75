//! Comparison with PyTorch; tests/golden/README.md explains how the files were made.

use crate::case::{self, below};
use burn::module::Module;
use burn::tensor::Device;
use refrain::models::{CellKind, LanguageModelConfig, State as Carried};
use refrain::params::{self, NamedTensor};
use refrain::train::{Optimizer, OptimizerConfig};
use refrain_kernels::{Precision, softmax, update};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// All tensors of a file; integers become floats.
fn load(file: &str) -> BTreeMap<String, NamedTensor> {
    let path = format!(
        "{}/tests/golden/{file}.safetensors",
        env!("CARGO_MANIFEST_DIR")
    );
    let bytes = std::fs::read(path).expect("the golden file");
    let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    let tensor = |name: &str, view: &safetensors::tensor::TensorView| {
        let float = |b: &[u8]| f32::from_le_bytes(b.try_into().expect("four bytes"));
        let integer = |b: &[u8]| i64::from_le_bytes(b.try_into().expect("eight bytes")) as f32;
        let data = match view.dtype() {
            Dtype::I64 => view.data().chunks(8).map(integer).collect(),
            _ => view.data().chunks(4).map(float).collect(),
        };
        NamedTensor {
            name: name.into(),
            shape: view.shape().to_vec(),
            data,
        }
    };
    file.tensors()
        .into_iter()
        .map(|(name, view)| (name.clone(), tensor(&name, &view)))
        .collect()
}

/// |a − b| ≤ within · max(1, |b|) everywhere, or both the same infinity.
fn close(got: &[f32], expected: &[f32], within: f32, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (index, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!(
            g == e || (g - e).abs() <= within * e.abs().max(1.0),
            "{what}[{index}] is {g}, not {e}"
        );
    }
}

#[test]
fn recurrent_stacks_agree_with_pytorch() {
    stacks("cells", 22);
}

/// Cases drawn by scripts/fuzz_torch.py: sizes from 0, lengths, layers, projection, layer norm and zoneout.
#[test]
fn drawn_stacks_agree_with_pytorch() {
    stacks("fuzz", 50);
}

#[test]
fn ctc_losses_agree_with_pytorch() {
    stacks("ctc", 20);
}

fn stacks(file: &str, count: usize) {
    let all = load(file);
    let cases: BTreeSet<&str> = all
        .keys()
        .filter_map(|name| name.split('/').next())
        .collect();
    assert_eq!(cases.len(), count);
    for name in cases {
        let case = below(&all, name);
        let got = case::run(name, &case).expect("a stack");
        let outputs = ["y", "h_n", "c_n", "loss", "nll"];
        let result = |name: &&String| name.starts_with("d_") || outputs.contains(&name.as_str());
        let expected: Vec<_> = case.keys().filter(result).collect();
        assert_eq!(got.keys().collect::<Vec<_>>(), expected, "{name}");
        for (what, tensor) in got {
            let within = if what.starts_with("d_") { 1e-5 } else { 2e-6 };
            assert_eq!(tensor.shape, case[&what].shape, "{name} {what}");
            close(
                &tensor.data,
                &case[&what].data,
                within,
                &format!("{name} {what}"),
            );
        }
    }
}

#[test]
fn linear_cross_entropy_agrees_with_pytorch() {
    let golden = load("linear_ce");
    let data = |name: &str| &golden[name].data[..];
    let [hidden, vocabulary] = [5, 11];
    let targets: Vec<u32> = data("targets")
        .iter()
        .map(|&t| if t < 0.0 { softmax::IGNORE } else { t as u32 })
        .collect();
    let batch = softmax::LceBatch {
        h: data("h"),
        w: data("w"),
        b: Some(data("b")),
        targets: &targets,
        hidden,
        vocabulary,
        precision: Precision::F32,
        smoothing: 0.0,
        weights: None,
    };
    let out = softmax::linear_cross_entropy(&batch, true).expect("shapes fit");
    close(&out.nll, data("rows"), 1e-6, "rows");
    close(&[out.loss], data("loss"), 1e-6, "loss");
    let gradients = out.gradients.expect("training");
    close(&gradients.d_h, data("d_h"), 1e-6, "d_h");
    close(&gradients.d_w, data("d_w"), 1e-6, "d_w");
    close(&gradients.d_b.expect("a bias"), data("d_b"), 1e-6, "d_b");
}

/// The first ten losses, the first gradients and the final weights of a training run.
#[test]
fn ten_steps_of_training_agree_with_pytorch() {
    let all = load("language_model");
    let path = format!(
        "{}/tests/golden/language_model_losses.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let about: Value =
        serde_json::from_slice(&std::fs::read(path).expect("the golden file")).expect("JSON");
    let stream: Vec<u32> = all["stream"].data.iter().map(|&id| id as u32).collect();
    let variants = about["variants"].as_object().expect("variants");
    assert_eq!(variants.len(), 4);
    for (name, variant) in variants {
        ten_steps(name, variant, &below(&all, name), &stream);
    }
}

fn ten_steps(name: &str, variant: &Value, golden: &BTreeMap<String, NamedTensor>, stream: &[u32]) {
    const BATCH: usize = 4;
    const TIME: usize = 6;
    let device = Device::flex().autodiff();
    let number = |key: &str| variant["model"][key].as_u64().expect("a size") as usize;
    let config = LanguageModelConfig {
        cell: if variant["model"]["cell"] == "gru" {
            CellKind::Gru
        } else {
            CellKind::Lstm
        },
        embedding: number("embedding"),
        hidden: number("hidden"),
        layers: 2,
        tied: variant["model"]["tied"] == true,
        ..LanguageModelConfig::default()
    };
    let optimizer: OptimizerConfig =
        serde_json::from_value(variant["optimizer"].clone()).expect("an optimizer");
    let lr = optimizer.lr();
    let clip = variant["clip"].as_f64();
    let mut optimizer = Optimizer::new(optimizer);
    let mut model = config.init(20, 1, &device).expect("a model");
    model = params::import(model, &below(golden, "initial")).expect("PyTorch's names");
    let mut carried: Option<Carried> = None;
    for step in 0..10 {
        let read = |shift: usize| -> Vec<u32> {
            (0..BATCH)
                .flat_map(|row| &stream[row * 61 + step * TIME + shift..][..TIME])
                .copied()
                .collect()
        };
        let out = model
            .loss(&read(0), &read(1), BATCH, carried, None)
            .expect("shapes fit");
        let expected = variant["losses"][step].as_f64().expect("a loss") as f32;
        close(
            &refrain::ops::floats(out.loss.clone()),
            &[expected],
            3e-6,
            &format!("{name} loss {step}"),
        );
        let gradients = params::gradients(&model, &out.loss);
        if step == 0 {
            let first = below(golden, "first");
            assert_eq!(gradients.len(), first.len(), "{name}");
            for gradient in &gradients {
                let expected = &first[&format!("d_{}", gradient.name)].data;
                close(
                    gradient.as_slice(),
                    expected,
                    5e-6,
                    &format!("{name} d_{}", gradient.name),
                );
            }
        }
        let norm = gradients
            .iter()
            .map(|g| update::sum_of_squares(g.as_slice()))
            .sum::<f64>()
            .sqrt();
        let scale = clip.map_or(1.0, |clip| (clip / (norm + 1e-6)).min(1.0));
        optimizer.begin();
        model = params::update(model, gradients, |name, p, g| {
            optimizer.update(name, p, g, lr, scale)
        })
        .unwrap();
        carried = Some(out.state);
    }
    let last = below(golden, "final");
    for parameter in params::export(&model.valid()) {
        close(
            &parameter.data,
            &last[&parameter.name].data,
            1e-5,
            &format!("{name} {}", parameter.name),
        );
    }
}
