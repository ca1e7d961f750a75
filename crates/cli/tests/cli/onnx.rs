//! `refrain export` and `refrain onnx run`.

use crate::tools::{fails, model, ok, path};
use refrain_data::npz;
use refrain_onnx::{Array as Value, Data, Model};
use std::path::{Path, PathBuf};

const B: usize = 2;
const T: usize = 3;
/// Units of the model that all tests share, a GRU.
const H: usize = 24;

/// The shared model as an ONNX file in `folder`.
fn exported(folder: &Path) -> PathBuf {
    let file = folder.join("model.onnx");
    let text = ok(&["export", &path(&model()), &path(&file)]);
    assert!(text.contains("bytes"), "{text}");
    file
}

fn inputs() -> Vec<(String, Value)> {
    let tokens = (0..(B * T) as i64).map(|i| i % 5).collect();
    let zeros = Value::floats(vec![1, B, H], vec![0.0; B * H]).unwrap();
    vec![
        (
            "tokens".into(),
            Value::new(vec![B, T], Data::I64(tokens)).unwrap(),
        ),
        ("h_l0".into(), zeros),
    ]
}

fn save(file: &Path, arrays: &[(String, Value)]) -> String {
    std::fs::write(file, npz::write(arrays).unwrap()).unwrap();
    path(file)
}

#[test]
fn an_exported_model_runs() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = exported(folder.path());
    let (source, target) = (folder.path().join("in.npz"), folder.path().join("out.npz"));
    save(&source, &inputs());
    let run = [
        "onnx",
        "run",
        &path(&onnx),
        "--input",
        &path(&source),
        "--output",
        &path(&target),
    ]
    .map(String::from);
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    let text = ok(&run);
    assert!(
        text.contains("logits") && text.contains("out.npz"),
        "{text}"
    );
    let outputs = npz::read(&std::fs::read(&target).unwrap()).unwrap();
    let names: Vec<_> = outputs.keys().map(String::as_str).collect();
    assert_eq!(names, ["h_n_l0", "logits"]);
    assert_eq!(outputs["logits"].shape()[..2], [B, T]);

    let json = ok(&[&run[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["outputs"][1]["name"], "h_n_l0");
    assert_eq!(json["outputs"][1]["dtype"], "float32");
    assert_eq!(json["outputs"][1]["shape"], serde_json::json!([1, B, H]));

    let library = Model::read(&std::fs::read(&onnx).unwrap()).unwrap();
    let direct = library.run(inputs().into_iter().collect()).unwrap();
    assert_eq!(
        direct
            .into_iter()
            .collect::<std::collections::BTreeMap<_, _>>(),
        outputs
    );
}

#[test]
fn inputs_that_do_not_fit_get_an_error_of_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = path(&exported(folder.path()));
    let source = folder.path().join("in.npz");
    let target = path(&folder.path().join("out.npz"));
    let run = |model: &str, arrays: &[(String, Value)]| {
        let source = save(&source, arrays);
        fails(&[
            "onnx", "run", model, "--input", &source, "--output", &target,
        ])
    };
    let error = run(&onnx, &inputs()[..1]);
    assert!(
        error.contains("h_l0 (float32 [1,B,24])") && error.contains("array tokens"),
        "{error}"
    );
    let extra = [&inputs()[..], &[("more".to_string(), Value::ints(vec![1]))]].concat();
    assert!(run(&onnx, &extra).contains("no input more"));
    let mut wrong = inputs();
    wrong[0].1 = Value::ints(vec![1]);
    assert!(run(&onnx, &wrong).contains("\"tokens\" has shape [1]"));
    wrong[0].1 = Value::new(vec![B, 1], Data::I64(vec![0, 1_000_000])).unwrap();
    let error = run(&onnx, &wrong);
    assert!(
        error.contains("Gather") && error.contains("1000000"),
        "{error}"
    );

    let damaged = folder.path().join("damaged.onnx");
    let whole = std::fs::read(&onnx).unwrap();
    for bytes in [&b""[..], b"not this at all", &whole[..whole.len() / 2]] {
        std::fs::write(&damaged, bytes).unwrap();
        assert!(run(&path(&damaged), &inputs()).contains("damaged.onnx"));
    }
    fails(&[
        "onnx",
        "run",
        &path(&folder.path().join("none.onnx")),
        "--input",
        &path(&source),
        "--output",
        &target,
    ]);
    fails(&["onnx", "run", &onnx, "--input", &onnx, "--output", &target]);
    fails(&["export", &path(folder.path()), &target]);
    assert!(!Path::new(&target).exists());
}
