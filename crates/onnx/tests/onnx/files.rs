//! Small files made by other tools.

use crate::tools::{constant, floats, node, run, single};
use refrain_data::npz;
use refrain_onnx::{Model, OnnxError};

/// Merging two models lists their opset twice; the same version says nothing new (so do onnx.checker and ONNX Runtime).
#[test]
fn one_opset_may_be_imported_twice() {
    let model = Model::read(include_bytes!("../golden/opset_twice.onnx")).unwrap();
    let inputs = npz::read(include_bytes!("../golden/opset_twice.npz")).unwrap();
    let expected = floats(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(model.run(inputs).unwrap(), [("y".to_string(), expected)]);
}

/// The specification wants nodes in an order in which they can run (IR.md, "Graphs"); the error names both nodes and a
/// way out.
#[test]
fn unsorted_nodes_are_refused_by_name() {
    let error = Model::read(include_bytes!("../golden/unsorted.onnx"))
        .err()
        .unwrap();
    let OnnxError::Unsorted { node, value, maker } = &error else {
        panic!("{error}")
    };
    assert_eq!([node, value, maker], ["y", "h", "h"]);
    assert!(error.to_string().contains("not sorted"), "{error}");
}

/// Masks of attention and padding are written with −∞, and a foreign graph may hold NaN on purpose.
#[test]
fn constants_may_be_infinite_or_nan() {
    let mut model = single(13, node("Add", &["a", "b"], &["c"], vec![]), &[]);
    let b = constant("b", &[3], &[f32::NEG_INFINITY, f32::NAN, f32::INFINITY]);
    model.graph.as_mut().unwrap().initializer.push(b);
    let a = ("a", floats(&[1], &[1.0]));
    let c = &run(&model, &[a]).unwrap()["c"];
    let c = c.as_f32().unwrap();
    assert_eq!([c[0], c[2]], [f32::NEG_INFINITY, f32::INFINITY]);
    assert!(c[1].is_nan());
}
