//! Attention and the dense layer against Burn's own operations, and the encoder–decoder against itself in other forms.

use crate::second_opinion::{close, random};
use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor, TensorData};
use refrain::models::{
    AttentionKind, CellKind, Pairs, Seq2Seq, Seq2SeqConfig, Seq2SeqScratch, StepRow, Vocabularies,
};
use refrain::ops::{AttentionInputs, AttentionLengths, attention, floats, linear};
use refrain::params::{self, NamedTensor};
use refrain_kernels::random::Key;
use std::collections::BTreeMap;

const LENGTHS: [[usize; 2]; 3] = [[4, 5], [0, 2], [3, 1]];

/// Context and weights by Burn's operations, with a mask.
fn composed(
    [q, k, v]: [Tensor<3>; 3],
    energy: Option<Tensor<1>>,
    device: &Device,
) -> [Tensor<3>; 2] {
    let ([batch, time, size], [_, keys, _]) = (q.dims(), k.dims());
    let mask = |f: &dyn Fn(usize, usize, usize) -> f32| {
        let all = (0..batch * time * keys)
            .map(|i| f(i / (time * keys), i / keys % time, i % keys))
            .collect::<Vec<f32>>();
        Tensor::<3>::from_data(TensorData::new(all, [batch, time, keys]), device)
    };
    let scores = match energy {
        None => q.matmul(k.transpose()),
        Some(u) => {
            let q = q.reshape([batch, time, 1, size]);
            let k = k.reshape([batch, 1, keys, size]);
            let u = u.reshape([1, 1, 1, size]);
            ((q + k).tanh() * u).sum_dim(3).reshape([batch, time, keys])
        }
    };
    let outside = mask(&|b, _, s| if s < LENGTHS[b][1] { 0.0 } else { -1e30 });
    let there = mask(&|b, t, s| f32::from(t < LENGTHS[b][0] && s < LENGTHS[b][1]));
    let weights = softmax(scores + outside, 2) * there;
    [weights.clone().matmul(v), weights]
}

#[test]
fn attention_and_its_gradients_are_those_of_burns_operations() {
    let device = Device::flex().autodiff();
    for additive in [false, true] {
        let inputs = || {
            let q = random([3, 4, 6], 1, &device).require_grad();
            let k = random([3, 5, 6], 2, &device).require_grad();
            let v = random([3, 5, 7], 3, &device).require_grad();
            let u = random([6], 4, &device).require_grad();
            (q, k, v, u)
        };
        let factors = [random([3, 4, 7], 5, &device), random([3, 4, 5], 6, &device)];
        let loss = |[context, weights]: [Tensor<3>; 2]| {
            (context * factors[0].clone()).sum() + (weights * factors[1].clone()).sum()
        };
        let (q, k, v, u) = inputs();
        let own = attention(
            AttentionInputs {
                queries: q.clone(),
                keys: k.clone(),
                values: v.clone(),
                energy: additive.then(|| u.clone()),
                coverage: None,
            },
            AttentionLengths {
                queries: LENGTHS.map(|own| own[0]).to_vec().into(),
                keys: LENGTHS.map(|own| own[1]).to_vec().into(),
            },
        )
        .unwrap();
        let (p, l, w, r) = inputs();
        let other = composed(
            [p.clone(), l.clone(), w.clone()],
            additive.then(|| r.clone()),
            &device,
        );
        close(own.context.clone(), other[0].clone(), 1e-5, "context");
        close(own.weights.clone(), other[1].clone(), 1e-5, "weights");
        let mut d = loss([own.context, own.weights]).backward();
        let mut e = loss(other).backward();
        for (name, own, other) in [("q", q, p), ("k", k, l), ("v", v, w)] {
            let (own, other) = (own.grad_remove(&mut d), other.grad_remove(&mut e));
            close(own.unwrap(), other.unwrap(), 1e-5, name);
        }
        if additive {
            let (own, other) = (u.grad_remove(&mut d), r.grad_remove(&mut e));
            close(own.unwrap(), other.unwrap(), 1e-5, "u");
        }
    }
}

#[test]
fn lengths_and_shapes_of_attention_that_do_not_fit_are_refused() {
    let device = Device::flex();
    let inputs = AttentionInputs {
        queries: random([2, 3, 4], 1, &device),
        keys: random([2, 5, 4], 2, &device),
        values: random([2, 5, 6], 3, &device),
        energy: None,
        coverage: None,
    };
    let lengths = |queries: &[usize], keys: &[usize]| AttentionLengths {
        queries: queries.into(),
        keys: keys.into(),
    };
    attention(inputs.clone(), lengths(&[3, 1], &[5, 0])).unwrap();
    let refused =
        |inputs: &AttentionInputs, lengths| attention(inputs.clone(), lengths).unwrap_err();
    for (own, named) in [
        (lengths(&[4, 1], &[5, 5]), "length of a sequence"),
        (lengths(&[3, 1], &[6, 5]), "length of a sequence"),
        (lengths(&[3], &[5, 5]), "lengths"),
    ] {
        let error = refused(&inputs, own).to_string();
        assert!(error.contains(named), "{error}");
    }
    let wide = AttentionInputs {
        keys: random([2, 5, 3], 2, &device),
        ..inputs
    };
    let error = refused(&wide, lengths(&[3, 1], &[5, 5])).to_string();
    assert!(error.contains("keys"), "{error}");
}

#[test]
fn a_dense_layer_and_its_gradients_are_those_of_burns_operations() {
    let device = Device::flex().autodiff();
    for [n, features, outputs] in [[1, 1, 1], [5, 17, 33], [70, 40, 3]] {
        let inputs = || {
            let h = random([n, features], 1, &device).require_grad();
            let w = random([outputs, features], 2, &device).require_grad();
            let b = random([outputs], 3, &device).require_grad();
            (h, w, b)
        };
        let factors = random([n, outputs], 4, &device);
        let (h, w, b) = inputs();
        let (g, v, a) = inputs();
        let own = linear(h.clone(), w.clone(), b.clone()).unwrap();
        let other = g.clone().matmul(v.clone().transpose()) + a.clone().unsqueeze();
        close(own.clone(), other.clone(), 1e-5, "y");
        let mut d = (own * factors.clone()).sum().backward();
        let mut e = (other * factors).sum().backward();
        close(
            h.grad_remove(&mut d).unwrap(),
            g.grad_remove(&mut e).unwrap(),
            1e-5,
            "h",
        );
        close(
            w.grad_remove(&mut d).unwrap(),
            v.grad_remove(&mut e).unwrap(),
            1e-5,
            "w",
        );
        close(
            b.grad_remove(&mut d).unwrap(),
            a.grad_remove(&mut e).unwrap(),
            1e-5,
            "b",
        );
    }
    let error = linear(
        random([2, 3], 1, &device),
        random([4, 5], 2, &device),
        random([4], 3, &device),
    );
    assert!(error.unwrap_err().to_string().contains("linear"));
}

const SIZES: Vocabularies = Vocabularies {
    source: 13,
    target: 13,
    joint: true,
};

/// Every form of the model.
fn forms() -> Vec<Seq2SeqConfig> {
    let usual = Seq2SeqConfig {
        embedding: 6,
        encoder: 5,
        decoder: 7,
        ..Seq2SeqConfig::default()
    };
    let with = |f: &dyn Fn(&mut Seq2SeqConfig)| {
        let mut config = usual.clone();
        f(&mut config);
        config
    };
    vec![
        usual.clone(),
        with(&|own| own.decoder_layers = 1),
        with(&|own| (own.decoder_layers, own.encoder_layers) = (3, 2)),
        with(&|own| (own.cell, own.tied) = (CellKind::Gru, false)),
        with(&|own| own.attention = AttentionKind::Additive),
        with(&|own| own.coverage = true),
        with(&|own| own.copy = true),
        with(&|own| own.feeding = true),
        with(&|own| (own.feeding, own.decoder_layers) = (true, 1)),
        with(&|own| {
            (own.coverage, own.copy, own.attention) = (true, true, AttentionKind::Additive)
        }),
    ]
}

fn pairs() -> Pairs {
    Pairs {
        source: vec![vec![3, 4, 5, 6, 12], vec![7, 12], vec![1, 1, 8, 12]],
        target: vec![vec![4, 4, 9], vec![], vec![2, 8, 10, 0, 1]],
        begin: 11,
        end: 12,
    }
}

fn by_name(tensors: Vec<NamedTensor>) -> BTreeMap<String, NamedTensor> {
    tensors
        .into_iter()
        .map(|own| (own.name.clone(), own))
        .collect()
}

/// A model whose coverage counts.
fn model(config: &Seq2SeqConfig, device: &Device) -> Seq2Seq {
    let model = config.init(SIZES, 5, device).unwrap();
    let mut tensors = params::export(&model);
    for tensor in &mut tensors {
        if tensor.name.ends_with("coverage") {
            tensor.data = vec![-0.7];
        }
    }
    params::import(model, &by_name(tensors)).unwrap()
}

#[test]
fn the_steps_of_every_form_have_the_likelihood_of_the_whole_sequences() {
    let pairs = pairs();
    for config in forms() {
        let model = model(&config, &Device::flex());
        let whole = model.loss(&pairs, 0.1, None).unwrap();
        assert_eq!(whole.tokens, 3 + 5 + 3);
        let steps = model.steps().unwrap();
        let memories = steps.encode(&pairs.source).unwrap();
        let mut scratch = Seq2SeqScratch::default();
        let mut nats = 0.0;
        for (memory, target) in memories.iter().zip(&pairs.target) {
            let mut state = memory.start().clone();
            let inputs = std::iter::once(pairs.begin).chain(target.iter().copied());
            let wanted = target.iter().copied().chain([pairs.end]);
            for (token, wanted) in inputs.zip(wanted) {
                let mut log_probs = vec![0.0; SIZES.target];
                let state = &mut state;
                let mut rows = [StepRow {
                    token,
                    memory,
                    state,
                }];
                steps.step(&mut rows, &mut scratch, &mut log_probs).unwrap();
                let sum: f32 = log_probs.iter().map(|own| own.exp()).sum();
                assert!((sum - 1.0).abs() < 1e-4, "{config:?}: {sum}");
                nats -= f64::from(log_probs[wanted as usize]);
            }
        }
        assert!(
            (nats - whole.nats).abs() < 1e-3,
            "{config:?}: {nats} nats step by step, {} at once",
            whole.nats
        );
    }
}

#[test]
fn a_source_has_the_same_memory_alone_and_among_others() {
    let pairs = pairs();
    for config in forms() {
        let steps = model(&config, &Device::flex()).steps().unwrap();
        let together = steps.encode(&pairs.source).unwrap();
        for (source, memory) in pairs.source.iter().zip(&together) {
            let alone = steps.encode(std::slice::from_ref(source)).unwrap();
            assert_eq!(&alone[0], memory, "{config:?}");
        }
    }
    let steps = model(&forms()[0], &Device::flex()).steps().unwrap();
    assert!(steps.encode(&[vec![1], Vec::new()]).is_err());
    assert!(steps.encode(&[vec![13]]).is_err());
}

#[test]
fn the_gradients_of_every_form_are_those_of_finite_differences() {
    let pairs = pairs();
    for config in forms() {
        let model = model(&config, &Device::flex().autodiff());
        let out = model.loss(&pairs, 0.0, None).unwrap();
        let gradients = params::gradients(&model, &out.loss);
        let names: Vec<String> = gradients.iter().map(|own| own.name.clone()).collect();
        assert_eq!(
            names.len(),
            params::export(&model).len(),
            "{config:?}: {names:?}"
        );
        let gradients: Vec<Vec<f32>> = gradients
            .iter()
            .map(|own| own.as_slice().to_vec())
            .collect();
        let plain = model.valid();
        let loss = |shift: &dyn Fn(usize, usize) -> f32| {
            let mut tensors = params::export(&plain);
            for (t, tensor) in tensors.iter_mut().enumerate() {
                tensor
                    .data
                    .iter_mut()
                    .enumerate()
                    .for_each(|(i, x)| *x += shift(t, i));
            }
            let moved = params::import(plain.clone(), &by_name(tensors)).unwrap();
            let out = moved.loss(&pairs, 0.0, None).unwrap();
            out.nats / out.tokens as f64
        };
        // Along a random direction over all parameters of one tensor.
        for (t, name) in names.iter().enumerate() {
            let key = Key::new(77).fold(t as u64);
            let direction = |i: usize| key.normal_f32(i as u64);
            let step = 1e-3;
            let at = |sign: f32| {
                loss(&|own, i| {
                    if own == t {
                        sign * step * direction(i)
                    } else {
                        0.0
                    }
                })
            };
            let numeric = (at(1.0) - at(-1.0)) / (2.0 * f64::from(step));
            let exact: f64 = gradients[t]
                .iter()
                .enumerate()
                .map(|(i, d)| f64::from(*d) * f64::from(direction(i)))
                .sum();
            assert!(
                (numeric - exact).abs() < 2e-3 * (1.0 + exact.abs()),
                "{config:?}: {name}: {exact} by the backward pass, {numeric} by differences"
            );
        }
    }
}

#[test]
fn smoothing_changes_the_loss_and_not_the_figure() {
    let model = model(&forms()[0], &Device::flex());
    let [sharp, smooth] = [0.0, 0.2].map(|own| model.loss(&pairs(), own, None).unwrap());
    assert_eq!(sharp.nats, smooth.nats);
    assert_ne!(floats(sharp.loss), floats(smooth.loss));
    assert!(model.loss(&pairs(), 1.0, None).is_err());
    let odd = Pairs {
        target: vec![vec![1]],
        ..pairs()
    };
    assert!(model.loss(&odd, 0.0, None).is_err());
}
