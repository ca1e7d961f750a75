//! Models made by hand, golden archives, and comparisons.

use prost::Message;
use refrain_onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorTypeProto, TypeProto, ValueInfoProto,
};
use refrain_onnx::{Array, Data, Dtype, Model, OnnxError};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

/// A model with its inputs and the outputs that it must give.
pub struct Golden {
    pub name: String,
    pub model: Vec<u8>,
    pub inputs: BTreeMap<String, Array>,
    pub outputs: BTreeMap<String, Array>,
}

/// The cases of an archive that `scripts/golden/make_onnx_goldens.py` wrote.
pub fn goldens(archive: &str) -> Vec<Golden> {
    let path = format!("{}/tests/golden/{archive}.zip", env!("CARGO_MANIFEST_DIR"));
    let mut files = zip::ZipArchive::new(Cursor::new(std::fs::read(path).unwrap())).unwrap();
    let names: Vec<String> = files
        .file_names()
        .map(|name| name.unwrap().into())
        .collect();
    let mut file = |name: String| {
        let mut bytes = Vec::new();
        files
            .by_name(&name)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    };
    let golden = |name: &String| {
        let name = name.strip_suffix(".onnx")?;
        let arrays = refrain_data::npz::read(&file(format!("{name}.npz"))).unwrap();
        let part = |prefix: &str| {
            let own = arrays.iter().filter_map(|(name, array)| {
                Some((name.strip_prefix(prefix)?.to_string(), array.clone()))
            });
            own.collect()
        };
        Some(Golden {
            name: name.into(),
            model: file(format!("{name}.onnx")),
            inputs: part("in."),
            outputs: part("out."),
        })
    };
    names.iter().filter_map(golden).collect()
}

/// Largest difference, divided by the largest expected value or by 1; infinite where type, shape or integers differ.
/// Halves are rounded to 1e-3, and count a hundredth; archives hold them as float32.
pub fn error(expected: &Array, got: &Array) -> f32 {
    let (Some(e), Some(g)) = (wide(expected), wide(got)) else {
        return if expected == got { 0.0 } else { f32::INFINITY };
    };
    let half = got.dtype() == Dtype::F16;
    if expected.shape() != got.shape() || (expected.dtype() != got.dtype() && !half) {
        return f32::INFINITY;
    }
    let finite = e.iter().filter(|x| x.is_finite());
    let largest = finite.fold(1f64, |largest, x| largest.max(x.abs()));
    let difference = |(e, g): (&f64, &f64)| match (e == g) || (e.is_nan() && g.is_nan()) {
        true => 0.0,
        false => (e - g).abs(),
    };
    let worst = e.iter().zip(&g).map(difference).fold(0f64, |worst, d| {
        if d > worst || d.is_nan() { d } else { worst }
    });
    (worst / largest / if half { 100.0 } else { 1.0 }) as f32
}

/// Floats of any type in double precision.
fn wide(array: &Array) -> Option<Vec<f64>> {
    match array.data() {
        Data::F32(v) => Some(v.iter().map(|&x| x.into()).collect()),
        Data::F64(v) => Some(v.clone()),
        Data::F16(v) => Some(v.iter().map(|&x| x.into()).collect()),
        _ => None,
    }
}

pub fn floats(shape: &[usize], data: &[f32]) -> Array {
    Array::floats(shape.to_vec(), data.to_vec()).unwrap()
}

/// Numbers between -1 and 1 that look random.
pub fn noise(shape: &[usize], seed: u64) -> Array {
    let key = refrain_kernels::random::Key::new(seed);
    let count = shape.iter().product::<usize>() as u64;
    let data = (0..count).map(|i| 2.0 * key.uniform_f32(i) - 1.0).collect();
    Array::floats(shape.to_vec(), data).unwrap()
}

pub fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(2),
        i: Some(i),
        ..AttributeProto::default()
    }
}

pub fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(1),
        f: Some(f),
        ..AttributeProto::default()
    }
}

pub fn text(name: &str, s: &str) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(3),
        s: Some(s.into()),
        ..AttributeProto::default()
    }
}

pub fn texts(name: &str, s: &[&str]) -> AttributeProto {
    AttributeProto {
        name: Some(name.into()),
        r#type: Some(8),
        strings: s.iter().map(|s| s.as_bytes().to_vec()).collect(),
        ..AttributeProto::default()
    }
}

/// A constant of floats.
pub fn constant(name: &str, dims: &[i64], data: &[f32]) -> TensorProto {
    TensorProto {
        name: Some(name.into()),
        dims: dims.to_vec(),
        data_type: Some(1),
        float_data: data.to_vec(),
        ..TensorProto::default()
    }
}

pub fn node(
    op: &str,
    inputs: &[&str],
    outputs: &[&str],
    attribute: Vec<AttributeProto>,
) -> NodeProto {
    NodeProto {
        op_type: Some(op.into()),
        name: Some("here".into()),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: outputs.iter().map(ToString::to_string).collect(),
        attribute,
        ..NodeProto::default()
    }
}

pub fn info(name: &str, code: i32) -> ValueInfoProto {
    ValueInfoProto {
        name: Some(name.into()),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type: Some(code),
                shape: None,
            }),
            ..TypeProto::default()
        }),
    }
}

/// A model of one node with floats, or the types given, going in and out.
pub fn single(opset: i64, node: NodeProto, types: &[(&str, i32)]) -> ModelProto {
    let code = |name: &str| {
        types
            .iter()
            .find(|(of, _)| *of == name)
            .map_or(1, |(_, code)| *code)
    };
    let infos = |names: &[String]| {
        let named = names.iter().filter(|name| !name.is_empty());
        named.map(|name| info(name, code(name))).collect()
    };
    ModelProto {
        ir_version: Some(8),
        graph: Some(GraphProto {
            input: infos(&node.input),
            output: infos(&node.output),
            node: vec![node],
            ..GraphProto::default()
        }),
        opset_import: vec![OperatorSetIdProto {
            domain: None,
            version: Some(opset),
        }],
        ..ModelProto::default()
    }
}

pub fn read(model: &ModelProto) -> Result<Model, OnnxError> {
    Model::read(&model.encode_to_vec())
}

pub fn run(
    model: &ModelProto,
    inputs: &[(&str, Array)],
) -> Result<BTreeMap<String, Array>, OnnxError> {
    let inputs = inputs
        .iter()
        .map(|(name, value)| (name.to_string(), value.clone()))
        .collect();
    Ok(read(model)?.run(inputs)?.into_iter().collect())
}

/// The error of a model that must not be read, or must not run.
pub fn refused(model: &ModelProto, inputs: &[(&str, Array)]) -> String {
    run(model, inputs).expect_err("it is refused").to_string()
}

pub fn lengths(lengths: &[i32]) -> Array {
    Array::new(vec![lengths.len()], Data::I32(lengths.to_vec())).unwrap()
}
