//! Parts of files that a run does not need, graphs inside of nodes, types, and data beside the file.

use crate::tools::{constant, floats, info, int, node, read, refused, run, single};
use refrain_data::array::f16;
use refrain_onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, StringEntry, TensorProto,
};
use refrain_onnx::{Array, Data, Dtype, Model, OnnxError, operators};

fn add() -> ModelProto {
    single(13, node("Add", &["a", "b"], &["c"], vec![]), &[])
}

fn with_nodes(nodes: Vec<NodeProto>) -> ModelProto {
    let mut model = add();
    model.graph.as_mut().unwrap().node = nodes;
    model
}

fn pair() -> [(&'static str, Array); 2] {
    [
        ("a", floats(&[2], &[1.0, 2.0])),
        ("b", floats(&[2], &[3.0, 5.0])),
    ]
}

fn graph(name: &str, body: GraphProto) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(5),
        g: Some(Box::new(body)),
        ..AttributeProto::default()
    }
}

#[test]
fn what_no_output_needs_is_not_read() {
    let mut model = with_nodes(vec![
        node("StringNormalizer", &["a"], &["unused"], vec![]),
        node("Add", &["a", "b"], &["c"], vec![]),
    ]);
    let mut odd = constant("odd", &[1], &[1.0]);
    odd.data_type = Some(16);
    model.graph.as_mut().unwrap().initializer.push(odd);
    let got = run(&model, &pair()).unwrap();
    assert_eq!(got["c"], floats(&[2], &[4.0, 7.0]));
}

#[test]
fn a_check_lists_everything_with_places() {
    let branch = |op: &str| GraphProto {
        node: vec![node(op, &["a"], &["r"], vec![])],
        output: vec![info("r", 1)],
        ..GraphProto::default()
    };
    let mut model = with_nodes(vec![
        node(
            "If",
            &["b"],
            &["d"],
            vec![
                graph("then_branch", branch("Attention")),
                graph("else_branch", branch("Tanh")),
            ],
        ),
        node("Gather", &["d", "a"], &["e"], vec![int("batch_dims", 1)]),
        node("Unique", &["e"], &["f"], vec![]),
        node("Unique", &["f"], &["g"], vec![]),
        node("Add", &["g", "k"], &["c"], vec![]),
    ]);
    let mut odd = constant("k", &[1], &[1.0]);
    odd.data_type = Some(16);
    model.graph.as_mut().unwrap().initializer.push(odd);
    model.opset_import[0].version = Some(13);
    let bytes = prost::Message::encode_to_vec(&model);
    let found = Model::check(&bytes).unwrap();
    let operators: Vec<_> = found.iter().map(|f| f.operator.as_deref()).collect();
    assert_eq!(
        operators,
        [
            None,
            Some("Attention"),
            None,
            Some("Unique"),
            Some("Unique")
        ]
    );
    let text: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(
        text[0].contains("\"k\"") && text[0].contains("bfloat16"),
        "{text:?}"
    );
    assert!(text[1].contains("then_branch of If \"here\""), "{text:?}");
    assert!(text[2].contains("batch_dims"), "{text:?}");
    assert!(
        Model::check(&prost::Message::encode_to_vec(&add()))
            .unwrap()
            .is_empty()
    );
}

/// A loop whose body is `next = state + step`, with the step from outside.
fn counting(condition: &str) -> ModelProto {
    let body = GraphProto {
        node: vec![
            node("Identity", &[condition], &["again"], vec![]),
            node("Add", &["s", "b"], &["t"], vec![]),
        ],
        input: vec![info("i", 7), info("go", 9), info("s", 1)],
        output: vec![info("again", 9), info("t", 1)],
        ..GraphProto::default()
    };
    let mut model = with_nodes(vec![node(
        "Loop",
        &["m", "", "a"],
        &["c"],
        vec![graph("body", body)],
    )]);
    model.graph.as_mut().unwrap().input.push(info("m", 7));
    model
}

#[test]
fn loops_carry_state_and_are_bounded() {
    let model = counting("go");
    let steps = |m: i64| ("m", Array::new(vec![], Data::I64(vec![m])).unwrap());
    let [a, b] = pair();
    let got = run(&model, &[a.clone(), b.clone(), steps(3)]).unwrap();
    assert_eq!(got["c"], floats(&[2], &[10.0, 17.0]));
    let got = run(&model, &[a.clone(), b.clone(), steps(0)]).unwrap();
    assert_eq!(got["c"], a.1);
    let inputs = [a, b, steps(i64::MAX)].map(|(name, value)| (name.to_string(), value));
    let bounded = read(&model).unwrap().with_iterations(100);
    let error = bounded.run(inputs.into()).unwrap_err().to_string();
    assert!(error.contains("over 100 iterations"), "{error}");
}

#[test]
fn halves_and_doubles_keep_their_types() {
    let codes = |code| [("a", code), ("b", code), ("c", code)];
    let half = single(13, node("Add", &["a", "b"], &["c"], vec![]), &codes(10));
    // Archives hold halves as float32, which a model of halves takes.
    let got = run(&half, &pair()).unwrap();
    let sums = [4.0, 7.0].map(f16::from_f32).to_vec();
    assert_eq!(got["c"], Array::new(vec![2], Data::F16(sums)).unwrap());
    let double = single(13, node("Div", &["a", "b"], &["c"], vec![]), &codes(11));
    let values = |v: f64| Array::new(vec![1], Data::F64(vec![v])).unwrap();
    let got = run(&double, &[("a", values(1.0)), ("b", values(3.0))]).unwrap();
    assert_eq!(got["c"], values(1.0 / 3.0));
    let tanh = single(13, node("Tanh", &["a"], &["c"], vec![]), &codes(11));
    let got = run(&tanh, &[("a", values(0.5))]).unwrap();
    assert_eq!(got["c"].dtype(), Dtype::F64);
}

fn entry(key: &str, value: &str) -> StringEntry {
    StringEntry {
        key: Some(key.into()),
        value: Some(value.into()),
    }
}

/// `add` with b in another file.
fn outside(entries: &[(&str, &str)]) -> ModelProto {
    let mut model = add();
    let graph = model.graph.as_mut().unwrap();
    graph.input.pop();
    graph.initializer.push(TensorProto {
        name: Some("b".into()),
        dims: vec![2],
        data_type: Some(1),
        data_location: Some(1),
        external_data: entries
            .iter()
            .map(|(key, value)| entry(key, value))
            .collect(),
        ..TensorProto::default()
    });
    model
}

#[test]
fn data_beside_the_file_is_read() {
    let folder = std::env::temp_dir().join(format!("refrain-onnx-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("inner")).unwrap();
    let bytes: Vec<u8> = [9.0f32, 3.0, 5.0]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    std::fs::write(folder.join("inner/w.data"), &bytes).unwrap();
    std::fs::write(folder.join("secret.data"), &bytes).unwrap();
    let path = folder.join("inner/model.onnx");
    let open = |entries: &[(&str, &str)]| {
        std::fs::write(&path, prost::Message::encode_to_vec(&outside(entries))).unwrap();
        Model::open(&path)
    };
    let inputs = || [("a".to_string(), floats(&[2], &[1.0, 2.0]))].into();
    let model = open(&[("location", "w.data"), ("offset", "4"), ("length", "8")]).unwrap();
    let got = model.run(inputs()).unwrap();
    assert_eq!(got[0].1, floats(&[2], &[4.0, 7.0]));
    let model = open(&[("location", "./w.data")]).unwrap();
    assert_eq!(
        model.run(inputs()).unwrap()[0].1,
        floats(&[2], &[10.0, 5.0])
    );
    let absolute = folder.join("secret.data").display().to_string();
    for (entries, words) in [
        (vec![("location", "../secret.data")], "own folder"),
        (vec![("location", absolute.as_str())], "own folder"),
        (vec![("location", "")], "own folder"),
        (vec![("location", "none.data")], "cannot be read"),
        (vec![("location", "w.data"), ("offset", "8")], "from byte 8"),
        (
            vec![("location", "w.data"), ("offset", "18446744073709551615")],
            "from byte",
        ),
        (vec![("location", "w.data"), ("offset", "x")], "no number"),
        (
            vec![("location", "w.data"), ("length", "9")],
            "says 9 bytes",
        ),
    ] {
        let error = open(&entries).err().expect("it is refused").to_string();
        assert!(error.contains(words) && error.contains("\"b\""), "{error}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.join("secret.data"), folder.join("inner/link.data"))
            .unwrap();
        let error = open(&[("location", "link.data")])
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("leads out"), "{error}");
    }
    let alone = refused(&outside(&[("location", "w.data")]), &[]);
    assert!(alone.contains("without its folder"), "{alone}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn errors_of_a_run_name_types_and_shapes() {
    let [a, _] = pair();
    let error = refused(&add(), &[a, ("b", floats(&[3], &[0.0; 3]))]);
    assert!(
        error.contains("inputs float32 [2] and float32 [3]"),
        "{error}"
    );
    let model = single(13, node("MatMul", &["a", "b"], &["c"], vec![]), &[]);
    let error = run(&model, &[pair()[0].clone(), ("b", floats(&[3], &[0.0; 3]))]).unwrap_err();
    assert!(matches!(error, OnnxError::Node { .. }));
}

#[test]
fn the_table_names_each_operator_once_per_opset() {
    let all: Vec<_> = operators().collect();
    for (i, entry) in all.iter().enumerate() {
        let same = |other: &&refrain_onnx::Entry| {
            (other.domain, other.name) == (entry.domain, entry.name)
                && other.since <= entry.until.unwrap_or(i64::MAX)
        };
        assert!(
            !all[i + 1..].iter().any(|other| same(&other)),
            "{}",
            entry.name
        );
    }
    assert!(all.len() > 150);
}
