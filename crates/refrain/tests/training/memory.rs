//! The long-memory tasks from recipe to figures, and their gradients at long lags.

use crate::support;
use burn::tensor::{Device, Tensor, TensorData};
use refrain::lab;
use refrain::models::{CellKind, SequenceModelConfig};
use refrain::ops::{self, PackedWeights, RecurrentSpec, floats};
use refrain::recipe::Recipe;
use refrain::tasks::language::LanguageRecipe;
use refrain::tasks::{EvaluateData, EvaluateOn, Split};
use refrain::train::{Control, Event, Stopped};
use refrain_data::long_memory::{Part, Problem, Sequences, Source, Targets};
use refrain_kernels::{Direction, Precision};
use std::path::Path;
use tempfile::tempdir;

const ADDING: &str = r#"
task = "adding"
[data]
kind = "adding"
length = 10
examples = 1500
[model]
cell = "gru"
hidden = 24
[train]
batch = 25
epochs = 6
checkpoint_every_seconds = 0
optimizer = { kind = "adamw", lr = 0.01 }
"#;

fn recipe(text: &str, overrides: &[&str]) -> Recipe {
    support::recipe(text, overrides).unwrap()
}

#[test]
fn a_gru_learns_to_add_and_an_interrupted_run_ends_with_the_same_bits() {
    let (calm, rough) = (tempdir().unwrap(), tempdir().unwrap());
    let adding = recipe(ADDING, &[]);
    let here = Path::new(".");
    let folder = calm.path().join("run");
    let summary = support::train(&adding, &folder, here, &mut |_| Control::Continue).unwrap();
    assert_eq!(summary.stopped, Stopped::Done);
    let test = summary.test.unwrap();
    assert!(test["mse"] < 0.02, "guessing has 0.167: {test:?}");
    let again = support::evaluate(&folder, Split::Test).unwrap();
    assert_eq!(again.task, "adding");
    assert_eq!(again.metrics["mse"], test["mse"]);
    let file = EvaluateOn {
        data: EvaluateData::File("a.txt".into()),
        worst: 0,
        confusions: 0,
    };
    let other = support::evaluate(&folder, file);
    assert!(other.unwrap_err().to_string().contains("--text"));

    let mut steps = 0;
    let rough = rough.path().join("run");
    let first = support::train(&adding, &rough, here, &mut |event| {
        steps += u32::from(matches!(event, Event::Step { .. }));
        if steps < 77 {
            Control::Continue
        } else {
            Control::Stop
        }
    });
    assert_eq!(first.unwrap().stopped, Stopped::Asked);
    support::resume(&rough, &mut |_| Control::Continue).unwrap();
    let bytes = |folder: &Path| std::fs::read(folder.join("model.safetensors")).unwrap();
    assert_eq!(bytes(&folder), bytes(&rough));
}

#[test]
fn copying_is_learned_where_there_is_no_wait() {
    let folder = tempdir().unwrap();
    let copying = recipe(
        &ADDING.replace("\"adding\"", "\"copy\""),
        &["data.length=2", "model.hidden=48", "train.epochs=12"],
    );
    let run = folder.path().join("run");
    let summary = support::train(&copying, &run, Path::new("."), &mut |_| Control::Continue);
    let test = summary.unwrap().test.unwrap();
    assert!(test["accuracy"] > 30.0, "guessing has 12.5: {test:?}");
}

#[test]
fn a_recipe_of_one_task_is_none_of_another() {
    let read = |text: String| support::recipe(&text, &[]).unwrap_err();
    let error = read(ADDING.replace("cell =", "embedding ="));
    assert!(error.to_string().contains("`embedding`"), "{error}");
    let other = recipe(ADDING, &[]).body::<LanguageRecipe>();
    assert!(other.is_err());
    let error = read(ADDING.replace("task = \"adding\"", "task = \"ading\"")).to_string();
    assert!(error.contains("did you mean \"adding\""), "{error}");
}

/// ‖∂loss/∂h‖ of one sequence by automatic differentiation: runs the steps after `t` from a state that is a leaf.
fn by_autodiff(config: &SequenceModelConfig, sequence: &Sequences, t: usize) -> f64 {
    let device = Device::flex().autodiff();
    let model = config.init([2, 1], 5, &device).unwrap();
    let (weights, [w, b]) = model.weights();
    let tensor = |from: usize, to: usize| {
        let x = sequence.x[from * 2..to * 2].to_vec();
        Tensor::<3>::from_data(TensorData::new(x, [1, to - from, 2]), &device)
    };
    let spec = || RecurrentSpec {
        cell: model.cell(),
        directions: vec![Direction::Forward],
        lengths: None,
        precision: Precision::F32,
        packed: PackedWeights::default(),
    };
    let memory = if model.cell().has_memory() {
        config.hidden
    } else {
        0
    };
    let zeros = |hidden| Tensor::<3>::zeros([1, 1, hidden], &device);
    let (h, c) = (zeros(config.hidden), zeros(memory));
    let before = ops::recurrent(tensor(0, t), h, c, weights.clone(), spec()).unwrap();
    let h = before.h_n.detach().require_grad();
    let c = before.c_n.detach();
    let after = ops::recurrent(tensor(t, sequence.time), h.clone(), c, weights, spec()).unwrap();
    let Targets::Number(target) = &sequence.targets else {
        panic!("adding")
    };
    let w = Tensor::<3>::from_data(TensorData::new(w, [1, 1, config.hidden]), &device);
    let loss = ((after.h_n * w).sum() + b[0] - target[0]).powi_scalar(2);
    let gradient = h.grad(&loss.backward()).unwrap();
    let squares = floats(gradient).into_iter().map(|d| f64::from(d).powi(2));
    squares.sum::<f64>().sqrt()
}

#[test]
fn gradients_through_time_are_those_of_automatic_differentiation() {
    let problem = Problem::Adding {
        length: 9,
        examples: 1,
    };
    let source = Source::new(&problem, 3, Path::new(".")).unwrap();
    let sequence = source.batch(Part::Test, 0, 1);
    for cell in [CellKind::Rnn, CellKind::Lstm, CellKind::Gru] {
        let config = SequenceModelConfig {
            cell,
            hidden: 7,
            ..SequenceModelConfig::default()
        };
        let model = config.init([2, 1], 5, &Device::flex()).unwrap();
        let norms = lab::gradients(&model, &sequence).unwrap();
        assert_eq!(norms.len(), 9);
        for (lag, norm) in norms.into_iter().enumerate().skip(1) {
            let expected = by_autodiff(&config, &sequence, 9 - lag);
            let error = (norm - expected).abs();
            assert!(
                error < 1e-5 * expected.max(1e-3),
                "{cell:?} {lag}: {norm} {expected}"
            );
        }
    }
}

#[cfg(feature = "ndarray")]
#[test]
fn another_device_learns_the_same() {
    use refrain::tasks::{DeviceName, Out, Site, TASKS};
    let folder = tempdir().unwrap();
    let small = recipe(ADDING, &["train.epochs=2", "data.examples=500"]);
    let figures = ["cpu", "ndarray"].map(|name| {
        let site = Site {
            device: DeviceName::find(name).unwrap(),
            ..Site::default()
        };
        let out = Out::new(folder.path().join(name));
        let summary = TASKS.train(&small, &out, &site, &mut |_| Control::Continue);
        let run = folder.path().join(name);
        let options = toml::Table::new();
        let again = TASKS.evaluate(&run, options, &Split::Test.into(), None, &site);
        let test = summary.unwrap().test.unwrap()["mse"];
        assert_eq!(again.unwrap().metrics["mse"], test, "{name}");
        test
    });
    let [cpu, other] = figures;
    assert!((cpu - other).abs() < 1e-3 * cpu, "{cpu} {other}");
}

#[test]
fn a_device_that_is_not_built_in_is_named() {
    use refrain::tasks::DeviceName;
    assert_eq!(DeviceName::find("cpu").unwrap(), DeviceName::Cpu);
    let unknown = DeviceName::find("gpu").unwrap_err().to_string();
    assert!(unknown.contains("cpu, ndarray, vulkan"), "{unknown}");
    if cfg!(not(feature = "vulkan")) {
        let absent = DeviceName::find("vulkan").unwrap_err().to_string();
        assert!(absent.contains("--features vulkan"), "{absent}");
    }
}
