//! Test cases from files: a recurrent stack or a CTC loss. Inputs are weights, arguments and factors of the loss by
//! name. Outputs are results and gradients by name. The goldens and the tool `layer_cases` of crates/bench, which
//! the fuzz tests drive, both read cases in this form.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use refrain::error::Error;
use refrain::layers::{LayerState, Options, Recurrent, RecurrentConfig, State, Variant};
use refrain::ops::{CtcTargets, ctc_loss, floats};
use refrain::params::{self, NamedTensor};
use refrain_kernels::Cell;
use std::collections::BTreeMap;

pub type Tensors = BTreeMap<String, NamedTensor>;

/// The tensors with names below `prefix/`, without the prefix.
pub fn below(all: &Tensors, prefix: &str) -> Tensors {
    let prefix = format!("{prefix}/");
    let named = all.iter().filter_map(|(name, tensor)| {
        let name = name.strip_prefix(&prefix)?.to_string();
        let tensor = NamedTensor {
            name: name.clone(),
            ..tensor.clone()
        };
        Some((name, tensor))
    });
    named.collect()
}

/// The model and the inputs whose gradients are computed.
#[derive(Module, Debug)]
struct Leaves {
    model: Recurrent,
    x: Param<Tensor<3>>,
    h0: Param<Tensor<3>>,
    c0: Param<Tensor<3>>,
}

/// The case's stack with its weights; the name of a case starts with its cell.
fn stack(name: &str, case: &Tensors, device: &Device) -> Result<Recurrent, Error> {
    let cell = match name {
        name if name.starts_with("lstm") => Cell::Lstm,
        name if name.starts_with("gru") => Cell::Gru,
        name if name.starts_with("rnn_relu") => Cell::RnnRelu,
        _ => Cell::RnnTanh,
    };
    let layers = (0..)
        .take_while(|l| case.contains_key(&format!("weight_ih_l{l}")))
        .count();
    let first = &case["weight_ih_l0"].shape;
    let zoneout = |k: usize| case.get("zoneout").map_or(0.0, |p| f64::from(p.data[k]));
    let config = RecurrentConfig::new(cell, first[1], first[0] / cell.gates())
        .with_layers(layers)
        .with_bidirectional(case.contains_key("weight_ih_l0_reverse"))
        .with_variant(Variant {
            projection: case.get("weight_hr_l0").map(|w| w.shape[0]),
            layer_norm: case.contains_key("norm_ih_l0"),
            zoneout_h: zoneout(0),
            zoneout_c: zoneout(1),
            ..Variant::default()
        });
    let is_parameter = |name: &str| {
        let kinds = ["weight_", "bias_", "norm_"];
        kinds.iter().any(|kind| name.starts_with(kind))
    };
    let parameters = case.iter().filter(|(name, _)| is_parameter(name));
    let parameters = parameters.map(|(n, t)| (n.clone(), t.clone())).collect();
    params::import(config.init(device), &parameters)
}

fn named(name: String, shape: Vec<usize>, data: Vec<f32>) -> (String, NamedTensor) {
    (name.clone(), NamedTensor { name, shape, data })
}

/// Runs a case; its name starts with the kind of case.
pub fn run(name: &str, case: &Tensors) -> Result<Tensors, Error> {
    match name.starts_with("ctc") {
        true => run_ctc(case),
        false => run_stack(name, case),
    }
}

/// Computes `loss` `[1]`, `nll` `[B]` and `d_logits` `[B,T,V]`. Inputs: `logits` `[B,T,V]`, `lengths` `[B]`, `labels`
/// `[B,L]` (−1 after the last label) and `blank` `[1]`.
fn run_ctc(case: &Tensors) -> Result<Tensors, Error> {
    let device = Device::flex().autodiff();
    let shape = case["logits"].shape.clone();
    let logits = TensorData::new(case["logits"].data.clone(), shape.clone());
    let logits = Tensor::<3>::from_data(logits, &device).require_grad();
    let longest = case["labels"].shape[1].max(1);
    let mut labels = vec![Vec::new(); shape[0]];
    for (labels, row) in labels.iter_mut().zip(case["labels"].data.chunks(longest)) {
        labels.extend(
            row.iter()
                .filter(|&&label| label >= 0.0)
                .map(|&label| label as u32),
        );
    }
    let targets = CtcTargets {
        labels,
        lengths: case["lengths"].data.iter().map(|&l| l as usize).collect(),
        blank: case["blank"].data[0] as u32,
    };
    let out = ctc_loss(logits.clone(), targets.into())?;
    let mut gradients = out.loss.backward();
    let d_logits = logits.grad_remove(&mut gradients).map(floats);
    Ok(Tensors::from([
        named("loss".into(), vec![1], floats(out.loss)),
        named("nll".into(), vec![out.nll.len()], out.nll),
        named("d_logits".into(), shape, d_logits.expect("a gradient")),
    ]))
}

/// Computes `y`, `h_n`, `c_n`, and `d_NAME` for every parameter and for `x`, `h0` and `c0`. The loss is Σ y·gy + Σ
/// h_n·gh + Σ c_n·gc.
fn run_stack(name: &str, case: &Tensors) -> Result<Tensors, Error> {
    let device = Device::flex().autodiff();
    let model = stack(name, case, &device)?;
    let d = 1 + usize::from(case.contains_key("weight_ih_l0_reverse"));
    let [all, batch] = [case["h0"].shape[0], case["x"].shape[0]];
    let tensor = |name: &str| match case.get(name) {
        Some(own) => Tensor::<3>::from_data(
            TensorData::new(own.data.clone(), own.shape.clone()),
            &device,
        ),
        None => Tensor::zeros([all, batch, 0], &device),
    };
    let leaves = Leaves {
        model,
        x: Param::from_tensor(tensor("x")),
        h0: Param::from_tensor(tensor("h0")),
        c0: Param::from_tensor(tensor("c0")),
    };
    let layers = (0..all / d).map(|layer| LayerState {
        h: leaves.h0.val().narrow(0, layer * d, d),
        c: leaves.c0.val().narrow(0, layer * d, d),
    });
    let options = Options {
        state: Some(State {
            layers: layers.collect(),
        }),
        lengths: Some(case["lengths"].data.iter().map(|&l| l as usize).collect()),
        dropout: None,
    };
    let (y, state) = leaves.model.forward_with(leaves.x.val(), options)?;
    let joined = |part: fn(&LayerState) -> Tensor<3>| {
        Tensor::cat(state.layers.iter().map(part).collect(), 0)
    };
    let mut results = vec![
        ("y", "gy", y),
        ("h_n", "gh", joined(|layer| layer.h.clone())),
    ];
    if case.contains_key("c0") {
        results.push(("c_n", "gc", joined(|layer| layer.c.clone())));
    }
    // Makes the loss depend on something, even if all results are empty.
    let mut loss = leaves.x.val().sum().mul_scalar(0.0);
    for (_, factor, value) in &results {
        loss = loss + (value.clone() * tensor(factor)).sum();
    }
    let mut out: Tensors = results
        .into_iter()
        .map(|(name, _, value)| named(name.into(), value.dims().to_vec(), floats(value)))
        .collect();
    let gradients: BTreeMap<String, Vec<f32>> = params::gradients(&leaves, &loss)
        .into_iter()
        .map(|gradient| (gradient.name.clone(), gradient.as_slice().to_vec()))
        .collect();
    for parameter in params::export(&leaves) {
        let of = parameter.name.trim_start_matches("model.");
        if let Some(own) = case.get(of) {
            // A tensor that does not affect the loss has no gradient.
            let zeros = || vec![0.0; own.data.len()];
            let data = gradients
                .get(&parameter.name)
                .cloned()
                .unwrap_or_else(zeros);
            out.extend([named(format!("d_{of}"), own.shape.clone(), data)]);
        }
    }
    Ok(out)
}
