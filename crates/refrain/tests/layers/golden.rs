//! Against PyTorch: tests/golden/README.md says how the files were made.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use refrain::layers::{
    GruConfig, LayerState, LstmConfig, Options, RecurrentConfig, RnnConfig, State,
};
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

/// The tensors below `prefix/`, by the rest of their names.
fn below(all: &BTreeMap<String, NamedTensor>, prefix: &str) -> BTreeMap<String, NamedTensor> {
    let prefix = format!("{prefix}/");
    let named = all.iter().filter_map(|(name, tensor)| {
        let name = name.strip_prefix(&prefix)?.to_string();
        Some((
            name.clone(),
            NamedTensor {
                name,
                ..tensor.clone()
            },
        ))
    });
    named.collect()
}

/// |a − b| ≤ within · max(1, |b|) everywhere.
fn close(got: &[f32], expected: &[f32], within: f32, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (index, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!(
            (g - e).abs() <= within * e.abs().max(1.0),
            "{what}[{index}] is {g}, not {e}"
        );
    }
}

fn tensor<const D: usize>(from: &NamedTensor, device: &Device) -> Tensor<D> {
    Tensor::from_data(
        TensorData::new(from.data.clone(), from.shape.clone()),
        device,
    )
}

#[test]
fn recurrent_stacks_agree_with_pytorch() {
    let all = load("cells");
    let cases: BTreeSet<&str> = all
        .keys()
        .filter_map(|name| name.split('/').next())
        .collect();
    assert_eq!(cases.len(), 22);
    for name in cases {
        stack(name, &below(&all, name));
    }
}

fn stack(name: &str, case: &BTreeMap<String, NamedTensor>) {
    let device = Device::flex().autodiff();
    let input = case["x"].shape[2];
    let hidden = case["weight_hh_l0"].shape[1];
    let bidirectional = case.contains_key("weight_ih_l0_reverse");
    let layers = if case.contains_key("weight_ih_l1") {
        2
    } else {
        1
    };
    let config: RecurrentConfig = match name {
        name if name.starts_with("lstm") => LstmConfig::new(input, hidden),
        name if name.starts_with("gru") => GruConfig::new(input, hidden),
        name if name.starts_with("rnn_relu") => RnnConfig::relu(input, hidden),
        _ => RnnConfig::new(input, hidden),
    };
    let model = config
        .with_layers(layers)
        .with_bidirectional(bidirectional)
        .init(&device);
    let is_parameter = |name: &str| name.starts_with("weight_") || name.starts_with("bias_");
    let parameters: BTreeMap<_, _> = case
        .iter()
        .filter(|(name, _)| is_parameter(name))
        .map(|(n, t)| (n.clone(), t.clone()))
        .collect();
    let model = params::import(model, &parameters).expect("PyTorch's names");

    let d = if bidirectional { 2 } else { 1 };
    let leaf = |name: &str| tensor::<3>(&case[name], &device).require_grad();
    let (x, h0) = (leaf("x"), leaf("h0"));
    let c0 = case.contains_key("c0").then(|| leaf("c0"));
    let batch = x.dims()[0];
    let states = (0..layers).map(|layer| LayerState {
        h: h0.clone().narrow(0, layer * d, d),
        c: match &c0 {
            Some(c0) => c0.clone().narrow(0, layer * d, d),
            None => Tensor::zeros([d, batch, 0], &device),
        },
    });
    let options = Options {
        state: Some(State {
            layers: states.collect(),
        }),
        lengths: Some(case["lengths"].data.iter().map(|&l| l as usize).collect()),
        dropout: None,
    };
    let (y, state) = model.forward_with(x.clone(), options).expect("shapes fit");
    let h_n = Tensor::cat(state.layers.iter().map(|s| s.h.clone()).collect(), 0);
    let mut loss = (y.clone() * tensor(&case["gy"], &device)).sum()
        + (h_n.clone() * tensor(&case["gh"], &device)).sum();
    let floats = refrain::ops::floats::<3>;
    close(&floats(y), &case["y"].data, 2e-6, &format!("{name} y"));
    close(
        &floats(h_n),
        &case["h_n"].data,
        2e-6,
        &format!("{name} h_n"),
    );
    if c0.is_some() {
        let c_n = Tensor::cat(state.layers.iter().map(|s| s.c.clone()).collect(), 0);
        loss = loss + (c_n.clone() * tensor(&case["gc"], &device)).sum();
        close(
            &floats(c_n),
            &case["c_n"].data,
            2e-6,
            &format!("{name} c_n"),
        );
    }
    let mut gradients = loss.backward();
    for (what, leaf) in [("d_x", Some(x)), ("d_h0", Some(h0)), ("d_c0", c0)] {
        let Some(leaf) = leaf else { continue };
        let gradient = leaf.grad_remove(&mut gradients).expect("a gradient");
        close(
            &floats(gradient),
            &case[what].data,
            1e-5,
            &format!("{name} {what}"),
        );
    }
    params_gradients(name, &model, case);
}

/// Gradients of the weights, from a forward pass of their own.
fn params_gradients(
    name: &str,
    model: &refrain::layers::Recurrent,
    case: &BTreeMap<String, NamedTensor>,
) {
    let device = Device::flex().autodiff();
    let d = 1 + usize::from(case.contains_key("weight_ih_l0_reverse"));
    let layers = case["h0"].shape[0] / d;
    let batch = case["x"].shape[0];
    let state = |name: &str, layer: usize| match case.get(name) {
        Some(state) => tensor::<3>(state, &device).narrow(0, layer * d, d),
        None => Tensor::zeros([d, batch, 0], &device),
    };
    let options = Options {
        state: Some(State {
            layers: (0..layers)
                .map(|l| LayerState {
                    h: state("h0", l),
                    c: state("c0", l),
                })
                .collect(),
        }),
        lengths: Some(case["lengths"].data.iter().map(|&l| l as usize).collect()),
        dropout: None,
    };
    let (y, state) = model
        .forward_with(tensor(&case["x"], &device), options)
        .expect("shapes fit");
    let h_n = Tensor::cat(state.layers.iter().map(|s| s.h.clone()).collect(), 0);
    let mut loss =
        (y * tensor(&case["gy"], &device)).sum() + (h_n * tensor(&case["gh"], &device)).sum();
    if case.contains_key("gc") {
        let c_n = Tensor::cat(state.layers.iter().map(|s| s.c.clone()).collect(), 0);
        loss = loss + (c_n * tensor(&case["gc"], &device)).sum();
    }
    let gradients = params::gradients(model, &loss);
    assert_eq!(gradients.len(), 4 * d * layers);
    for gradient in gradients {
        let expected = &case[&format!("d_{}", gradient.name)];
        close(
            gradient.as_slice(),
            &expected.data,
            1e-5,
            &format!("{name} d_{}", gradient.name),
        );
    }
}

#[test]
fn linear_cross_entropy_agrees_with_pytorch() {
    let golden = load("linear_ce");
    let data = |name: &str| &golden[name].data[..];
    let [n, hidden, vocabulary] = [7, 5, 11];
    let targets: Vec<u32> = data("targets")
        .iter()
        .map(|&t| if t < 0.0 { softmax::IGNORE } else { t as u32 })
        .collect();
    let out = softmax::linear_cross_entropy(
        data("h"),
        data("w"),
        Some(data("b")),
        &targets,
        n,
        hidden,
        vocabulary,
        Precision::F32,
        true,
    )
    .expect("shapes fit");
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
        });
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
