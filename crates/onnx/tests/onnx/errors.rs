//! Unsupported, forged and unfitting parts are refused by name.

use crate::tools::{constant, floats, info, int, node, read, refused, run, single};
use refrain_onnx::proto::{
    AttributeProto, FunctionProto, ModelProto, OperatorSetIdProto, Present, TensorAnnotation,
    TensorProto,
};
use refrain_onnx::{Array, Data, Model};

fn add() -> ModelProto {
    single(13, node("Add", &["a", "b"], &["c"], vec![]), &[])
}

/// The model `add` after a change must be refused with these words.
fn check(change: impl Fn(&mut ModelProto), words: &[&str]) {
    let mut model = add();
    change(&mut model);
    let error = read(&model).err().expect("it is refused").to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
}

fn with_constant(change: impl Fn(&mut TensorProto), words: &[&str]) {
    let insert = |model: &mut ModelProto| {
        let mut tensor = constant("b", &[2], &[1.0, 2.0]);
        change(&mut tensor);
        model.graph.as_mut().unwrap().initializer.push(tensor);
    };
    check(insert, words);
}

fn with_attribute(attribute: AttributeProto, words: &[&str]) {
    let insert = |model: &mut ModelProto| {
        *model = single(
            13,
            node("Gather", &["a", "b"], &["c"], vec![attribute.clone()]),
            &[],
        );
    };
    check(insert, words);
}

#[test]
fn models_beyond_what_is_supported() {
    check(
        |m| m.graph.as_mut().unwrap().node[0].op_type = Some("StringNormalizer".into()),
        &["StringNormalizer", "here"],
    );
    check(
        |m| m.graph.as_mut().unwrap().node[0].domain = Some("com.microsoft".into()),
        &["com.microsoft.Add", "here"],
    );
    let two = |m: &mut ModelProto| {
        let nodes = &mut m.graph.as_mut().unwrap().node;
        nodes[0].op_type = Some("Attention".into());
        nodes[0].output[0] = "b2".into();
        nodes.push(node("Unique", &["b2"], &["c"], vec![]));
    };
    check(
        two,
        &["operators Attention (node \"here\") and Unique (node"],
    );
    check(
        |m| m.graph.as_mut().unwrap().node[0].overload = Some("x".into()),
        &["overload"],
    );
    check(
        |m| m.opset_import[0].version = Some(99),
        &["opset 99", "7 to 28"],
    );
    check(|m| m.opset_import[0].version = Some(6), &["opset 6"]);
    check(|m| m.opset_import.clear(), &["opset"]);
    check(
        |m| {
            m.opset_import.push(OperatorSetIdProto {
                domain: None,
                version: Some(9),
            })
        },
        &["several versions", "[9, 13]"],
    );
    check(|m| m.training_info.push(Present {}), &["training"]);
    check(
        |m| {
            m.functions.push(FunctionProto {
                name: Some("f".into()),
            })
        },
        &["function \"f\""],
    );
    check(
        |m| {
            m.graph
                .as_mut()
                .unwrap()
                .sparse_initializer
                .push(Present {})
        },
        &["sparse"],
    );
    let annotation = TensorAnnotation {
        tensor_name: Some("q".into()),
    };
    check(
        |m| {
            m.graph
                .as_mut()
                .unwrap()
                .quantization_annotation
                .push(annotation.clone())
        },
        &["quantisation", "\"q\""],
    );
    check(
        |m| {
            m.graph.as_mut().unwrap().input[0]
                .r#type
                .as_mut()
                .unwrap()
                .sequence_type = Some(Present {})
        },
        &["sequence", "\"a\""],
    );
    check(
        |m| m.graph.as_mut().unwrap().input[0] = info("a", 8),
        &["string", "\"a\""],
    );
    check(
        |m| m.graph.as_mut().unwrap().input[0] = info("a", 16),
        &["bfloat16"],
    );
    check(|m| m.graph = None, &["no graph"]);
}

#[test]
fn graphs_that_contradict_themselves() {
    check(
        |m| drop(m.graph.as_mut().unwrap().input.pop()),
        &["\"b\"", "nothing"],
    );
    check(
        |m| m.graph.as_mut().unwrap().output.push(info("d", 1)),
        &["\"d\""],
    );
    check(
        |m| m.graph.as_mut().unwrap().output.push(info("c", 1)),
        &["two outputs \"c\""],
    );
    check(
        |m| m.graph.as_mut().unwrap().node[0].output[0] = "a".into(),
        &["two", "\"a\""],
    );
    check(
        |m| drop(m.graph.as_mut().unwrap().node[0].input.pop()),
        &["1 inputs", "2 to 2"],
    );
    let twice = |m: &mut ModelProto| {
        m.graph.as_mut().unwrap().initializer = vec![constant("k", &[1], &[1.0]); 2]
    };
    check(twice, &["two initializers \"k\""]);
}

#[test]
fn forged_constants() {
    with_constant(|t| t.dims = vec![3], &["\"b\"", "[3]", "2 elements"]);
    with_constant(|t| t.dims = vec![1 << 40, 1 << 40], &["limit"]);
    with_constant(|t| t.dims = vec![1 << 40, 0], &["limit"]);
    with_constant(|t| t.dims = vec![-2], &["negative"]);
    with_constant(|t| t.data_type = Some(16), &["bfloat16"]);
    with_constant(|t| t.data_type = Some(23), &["type 23"]);
    with_constant(|t| t.data_location = Some(1), &["float_data"]);
    with_constant(|t| t.segment = Some(Present {}), &["segments"]);
    with_constant(|t| t.raw_data = Some(vec![0; 8]), &["float_data"]);
    with_constant(|t| t.double_data = vec![1.0], &["double_data"]);
    let raw = |t: &mut TensorProto| {
        t.float_data.clear();
        t.raw_data = Some(vec![0; 7]);
    };
    with_constant(raw, &["7 bytes"]);
}

#[test]
fn attributes_beyond_what_is_supported() {
    with_attribute(int("batch_dims", 1), &["batch_dims", "Gather \"here\""]);
    let axis = |change: fn(&mut AttributeProto)| {
        let mut attribute = int("axis", 0);
        change(&mut attribute);
        attribute
    };
    with_attribute(axis(|a| a.g = Some(Box::default())), &["axis", "graph"]);
    with_attribute(axis(|a| a.sparse_tensor = Some(Present {})), &["sparse"]);
    with_attribute(axis(|a| a.ref_attr_name = Some("x".into())), &["function"]);
    with_attribute(axis(|a| a.r#type = Some(13)), &["type 13"]);
}

#[test]
fn inputs_that_do_not_fit() {
    let a = || ("a", floats(&[2], &[1.0, 2.0]));
    let b = || ("b", floats(&[3], &[1.0, 2.0, 3.0]));
    let error = refused(&add(), &[a()]);
    assert!(
        error.contains("b (float32 of any shape)") && error.contains("array a"),
        "{error}"
    );
    let error = refused(&add(), &[a(), b(), ("z", floats(&[1], &[0.0]))]);
    assert!(
        error.contains("no input z") && error.contains("a (float32"),
        "{error}"
    );
    let error = refused(&add(), &[a(), ("b", Array::ints(vec![1, 2]))]);
    assert!(
        error.contains("\"b\"") && error.contains(".astype(numpy.float32)"),
        "{error}"
    );
    let error = refused(&add(), &[a(), b()]);
    assert!(
        error.contains("Add \"here\"") && error.contains("[2]") && error.contains("[3]"),
        "{error}"
    );
}

#[test]
fn an_initializer_is_a_default_for_its_input() {
    let mut model = add();
    model
        .graph
        .as_mut()
        .unwrap()
        .initializer
        .push(constant("b", &[1], &[10.0]));
    let a = || ("a", floats(&[1], &[1.0]));
    assert_eq!(run(&model, &[a()]).unwrap()["c"], floats(&[1], &[11.0]));
    assert_eq!(
        run(&model, &[a(), ("b", floats(&[1], &[2.0]))]).unwrap()["c"],
        floats(&[1], &[3.0])
    );
}

#[test]
fn results_over_the_limit_are_refused_before_memory_is_taken() {
    let huge = Array::ints(vec![1 << 31, 1 << 31]);
    let model = single(
        9,
        node("ConstantOfShape", &["s"], &["y"], vec![]),
        &[("s", 7)],
    );
    assert!(refused(&model, &[("s", huge)]).contains("limit"));
    let model = single(13, node("Expand", &["x", "s"], &["y"], vec![]), &[("s", 7)]);
    let inputs = [
        ("x", floats(&[1], &[1.0])),
        ("s", Array::ints(vec![1 << 40])),
    ];
    assert!(refused(&model, &inputs).contains("limit"));
    let model = read(&single(
        9,
        node("ConstantOfShape", &["s"], &["y"], vec![]),
        &[("s", 7)],
    ))
    .unwrap();
    let inputs = [("s".to_string(), Array::ints(vec![1000]))].into();
    let error = model.with_limit(3999).run(inputs).unwrap_err().to_string();
    assert!(error.contains("3999"), "{error}");
}

#[test]
fn integers_are_not_divided_by_zero() {
    let model = single(
        14,
        node("Div", &["a", "b"], &["c"], vec![]),
        &[("a", 7), ("b", 7), ("c", 7)],
    );
    let error = refused(
        &model,
        &[("a", Array::ints(vec![1])), ("b", Array::ints(vec![0]))],
    );
    assert!(error.contains("divided by zero"), "{error}");
    let least = run(
        &model,
        &[
            ("a", Array::ints(vec![i64::MIN])),
            ("b", Array::ints(vec![-1])),
        ],
    )
    .unwrap();
    assert_eq!(least["c"], Array::ints(vec![i64::MIN]));
}

#[test]
fn dropout_that_trains_is_refused() {
    let model = single(
        13,
        node("Dropout", &["x", "r", "t"], &["y"], vec![]),
        &[("t", 9)],
    );
    let train = Array::new(vec![], Data::Bool(vec![true])).unwrap();
    let inputs = [
        ("x", floats(&[1], &[1.0])),
        ("r", floats(&[], &[0.5])),
        ("t", train),
    ];
    assert!(refused(&model, &inputs).contains("training mode"));
}

#[test]
fn bytes_that_are_no_model() {
    for bytes in [&b""[..], b"hello", &[0xff; 100]] {
        assert!(Model::read(bytes).is_err());
    }
}
