//! Options of RNN, GRU and LSTM that the goldens do not settle.

use crate::tools::{
    error, float, floats, int, lengths, node, noise, refused, run, single, text, texts,
};
use refrain_onnx::Array;
use refrain_onnx::proto::{AttributeProto, ModelProto};

const T: usize = 4;
const B: usize = 3;
const C: usize = 2;
const H: usize = 5;

fn gates(op: &str) -> usize {
    match op {
        "RNN" => 1,
        "GRU" => 3,
        _ => 4,
    }
}

/// A layer of one direction with bias, lengths and initial states.
fn model(op: &str, attributes: Vec<AttributeProto>) -> ModelProto {
    let inputs: &[&str] = match op {
        "LSTM" => &["X", "W", "R", "B", "lens", "h", "c"],
        _ => &["X", "W", "R", "B", "lens", "h"],
    };
    let outputs: &[&str] = if op == "LSTM" {
        &["Y", "Y_h", "Y_c"]
    } else {
        &["Y", "Y_h"]
    };
    single(14, node(op, inputs, outputs, attributes), &[("lens", 6)])
}

fn inputs(op: &str) -> Vec<(&'static str, Array)> {
    let rows = gates(op) * H;
    let mut inputs = vec![
        ("X", noise(&[T, B, C], 1)),
        ("W", noise(&[1, rows, C], 2)),
        ("R", noise(&[1, rows, H], 3)),
        ("B", noise(&[1, 2 * rows], 4)),
        ("lens", lengths(&[4, 0, 2])),
        ("h", noise(&[1, B, H], 5)),
    ];
    if op == "LSTM" {
        inputs.push(("c", noise(&[1, B, H], 6)));
    }
    inputs
}

/// A clip so wide that it changes nothing asks for the loop instead of the kernels: both must agree.
#[test]
fn the_fast_path_and_the_loop_agree() {
    for op in ["RNN", "GRU", "LSTM"] {
        for direction in ["forward", "reverse"] {
            let mut attributes = vec![text("direction", direction)];
            if op == "GRU" {
                attributes.push(int("linear_before_reset", 1));
            }
            let fast = run(&model(op, attributes.clone()), &inputs(op)).unwrap();
            attributes.push(float("clip", 1e6));
            let slow = run(&model(op, attributes), &inputs(op)).unwrap();
            for (name, value) in &fast {
                let error = error(value, &slow[name]);
                assert!(error < 1e-6, "{op} {direction} {name}: {error:e}");
            }
        }
    }
}

#[test]
fn a_sequence_without_steps_ends_in_its_initial_state() {
    for op in ["RNN", "GRU", "LSTM"] {
        for clip in [None, Some(float("clip", 3.0))] {
            let out = run(&model(op, clip.into_iter().collect()), &inputs(op)).unwrap();
            let row = |value: &Array| value.as_f32().unwrap()[H..2 * H].to_vec();
            assert_eq!(row(&out["Y_h"]), row(&noise(&[1, B, H], 5)), "{op}");
            let y = out["Y"].as_f32().unwrap();
            // Step 0 of sequence 1, and step 2 of sequence 2, [T,1,B,H].
            assert!(y[H..2 * H].iter().all(|&y| y == 0.0), "{op}");
            assert!(
                y[(2 * B + 2) * H..(2 * B + 3) * H]
                    .iter()
                    .all(|&y| y == 0.0),
                "{op}"
            );
        }
    }
}

#[test]
fn nan_stays_in_its_sequence() {
    for op in ["RNN", "GRU", "LSTM"] {
        for clip in [None, Some(float("clip", 3.0))] {
            let mut with = inputs(op);
            let mut x = with[0].1.as_f32().unwrap().to_vec();
            // Step 0 of sequence 2.
            x[2 * C] = f32::NAN;
            with[0].1 = floats(&[T, B, C], &x);
            let model = model(op, clip.into_iter().collect());
            let clean = run(&model, &inputs(op)).unwrap();
            let out = run(&model, &with).unwrap();
            let (clean, h) = (clean["Y_h"].as_f32().unwrap(), out["Y_h"].as_f32().unwrap());
            assert_eq!(h[..2 * H], clean[..2 * H], "{op}");
            assert!(h[2 * H..].iter().all(|h| h.is_nan()), "{op}");
        }
    }
}

#[test]
fn relu_layers_and_doubled_defaults() {
    let two = run(
        &model("RNN", vec![texts("activations", &["Tanh", "Tanh"])]),
        &inputs("RNN"),
    )
    .unwrap();
    let none = run(&model("RNN", vec![]), &inputs("RNN")).unwrap();
    assert_eq!(two, none);
    let relu = run(
        &model("RNN", vec![texts("activations", &["Relu"])]),
        &inputs("RNN"),
    )
    .unwrap();
    assert!(relu["Y"].as_f32().unwrap().iter().all(|&y| y >= 0.0));
}

#[test]
fn attributes_that_cannot_be_are_named() {
    let cases = [
        (int("hidden_size", 6), "hidden_size"),
        (float("clip", -1.0), "clip"),
        (float("clip", f32::NAN), "clip"),
        (text("direction", "sideways"), "sideways"),
        (texts("activations", &["Tanh", "Tanh"]), "activations"),
        (texts("activations", &["Tanh", "Tanh", "Gelu"]), "Gelu"),
        (int("layout", 2), "layout"),
        (int("linear_before_reset", 1), "linear_before_reset"),
        (text("clip", "much"), "clip"),
    ];
    for (attribute, said) in cases {
        let error = refused(&model("LSTM", vec![attribute]), &inputs("LSTM"));
        assert!(
            error.contains(said) && error.contains("LSTM \"here\""),
            "{error}"
        );
    }
    let mut early = model("GRU", vec![int("layout", 0)]);
    early.opset_import[0].version = Some(7);
    assert!(refused(&early, &inputs("GRU")).contains("\"layout\" is not supported at opset 7"));
}

#[test]
fn shapes_that_do_not_fit_are_named_with_both() {
    let mut with = inputs("LSTM");
    with[1].1 = noise(&[1, 4 * H, C + 1], 2);
    let error = refused(&model("LSTM", vec![]), &with);
    assert!(
        error.contains("W has shape [1, 20, 3] where [1, 20, 2] is needed"),
        "{error}"
    );
    let mut with = inputs("LSTM");
    with[4].1 = lengths(&[5, 1, 1]);
    let error = refused(&model("LSTM", vec![]), &with);
    assert!(
        error.contains("sequence_lens is 5, outside 0 to 4"),
        "{error}"
    );
}
