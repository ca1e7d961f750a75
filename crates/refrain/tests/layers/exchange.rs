//! Parameters written by `safetensors.torch.save_model` load by name, and ours are written in the same layout.
//! scripts/torch_exchange.py tests the other direction, in PyTorch.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use refrain::files::tensors;
use refrain::layers::{GruConfig, LstmConfig, RnnConfig, Variant};
use refrain::models::{GeneratorScratch, LanguageModelConfig};
use refrain::ops::floats;
use refrain::params;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn path(file: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/torch");
    PathBuf::from(folder).join(format!("{file}.safetensors"))
}

fn result(name: &str) -> (Vec<usize>, Vec<f32>) {
    let (all, _) = tensors::load(&path("results")).unwrap();
    (all[name].shape.clone(), all[name].data.clone())
}

fn close(got: &[f32], expected: &[f32], what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (g, e) in got.iter().zip(expected) {
        assert!((g - e).abs() < 1e-6, "{what}: {g}, not {e}");
    }
}

type Layout = BTreeMap<String, (Dtype, Vec<usize>)>;

fn layout(bytes: &[u8]) -> Layout {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let all = file.iter();
    all.map(|(name, view)| (name.to_string(), (view.dtype(), view.shape().to_vec())))
        .collect()
}

/// The model with PyTorch's parameters, after its initial ones were written in the same layout.
fn exchanged<M: Module>(model: M, file: &str) -> M {
    let ours = std::env::temp_dir().join(format!("refrain-{}-{file}", std::process::id()));
    tensors::save(&ours, params::export(&model), ("made_by", "a test".into())).unwrap();
    let [ours, theirs] = [ours, path(file)].map(|path| {
        let bytes = std::fs::read(&path).unwrap();
        (layout(&bytes), path)
    });
    std::fs::remove_file(&ours.1).unwrap();
    assert_eq!(ours.0, theirs.0, "{file}");
    let (parameters, _) = tensors::load(&theirs.1).unwrap();
    params::import(model, &parameters).unwrap()
}

#[test]
fn bare_layers_go_both_ways() {
    let projected = Variant {
        projection: Some(2),
        ..Variant::default()
    };
    let layers = [
        ("rnn", RnnConfig::new(3, 5).with_bidirectional(true)),
        ("gru", GruConfig::new(3, 5).with_bidirectional(true)),
        ("lstm", LstmConfig::new(3, 5).with_bidirectional(true)),
        (
            "lstm_projected",
            LstmConfig::new(3, 5).with_variant(projected),
        ),
    ];
    let device = Device::flex();
    for (name, config) in layers {
        let model = exchanged(config.with_layers(2).init(&device), name);
        let (shape, x) = result(&format!("{name}/x"));
        let x = Tensor::<3>::from_data(TensorData::new(x, shape), &device);
        let (y, _) = model.forward(x, None).unwrap();
        close(&floats(y), &result(&format!("{name}/y")).1, name);
    }
}

#[test]
fn language_models_go_both_ways() {
    for (name, tied, hidden) in [
        ("language_model", false, 8),
        ("language_model_tied", true, 6),
    ] {
        let config = LanguageModelConfig {
            embedding: 6,
            hidden,
            layers: 2,
            tied,
            ..LanguageModelConfig::default()
        };
        let model = exchanged(config.init(11, 0, &Device::flex()).unwrap(), name);
        let generator = model.generator().unwrap();
        let (mut state, mut scratch) = (generator.start(), GeneratorScratch::default());
        let (_, ids) = result(&format!("{name}/ids"));
        let (_, logits) = result(&format!("{name}/logits"));
        for (id, expected) in ids.iter().zip(logits.chunks(11)) {
            close(
                &generator
                    .step(*id as u32, &mut state, &mut scratch)
                    .unwrap(),
                expected,
                name,
            );
        }
    }
}
