//! A graph put together piece by piece.

use crate::error::{OnnxError, OpError};
use crate::gate_order;
use crate::port::{Dim, Port};
use crate::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, attribute_type as kind,
};
use crate::tensor;
use prost::Message;
use refrain_data::array::Array;
use refrain_kernels::{Cell, Weights};

/// The opset that is written; all current engines know it.
const OPSET: i64 = 17;
/// The version of the format that came with the opset.
const IR_VERSION: i64 = 8;
/// Largest message that every reader of the format takes, bytes.
const MAX_BYTES: usize = i32::MAX as usize;

/// An attribute's value.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Setting {
    Int(i64),
    Float(f32),
    Text(String),
    Ints(Vec<i64>),
    Texts(Vec<String>),
}

/// A graph that grows: nodes in the order in which they run, and names that join them.
#[derive(Clone, Debug)]
pub struct Builder(GraphProto);

impl Builder {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        Self(GraphProto {
            name: Some(name.into()),
            ..GraphProto::default()
        })
    }

    /// Adds a constant.
    pub fn initializer(&mut self, name: &str, value: &Array) {
        self.0.initializer.push(tensor::write(name, value));
    }

    /// Adds an input.
    pub fn input(&mut self, port: &Port) {
        self.0.input.push(info(port));
    }

    /// Adds an output; a node must make it.
    pub fn output(&mut self, port: &Port) {
        self.0.output.push(info(port));
    }

    /// An operator; an empty name leaves an input or output out.
    pub fn node(
        &mut self,
        op: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[(&str, Setting)],
    ) {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        self.0.node.push(NodeProto {
            input: names(inputs),
            output: names(outputs),
            name: outputs
                .iter()
                .find(|name| !name.is_empty())
                .map(|name| format!("{op}_{name}")),
            op_type: Some(op.into()),
            attribute: attributes
                .iter()
                .map(|(name, setting)| attribute(name, setting))
                .collect(),
            ..NodeProto::default()
        });
    }

    /// A recurrent layer of one direction, weights in the kernels' order: `x` `[T,B,C]`, states `[1,B,H]` in and out,
    /// `y` `[T,1,B,H]`.
    ///
    /// The states before and after are `h`, and `c` where the cell has a memory. Its constants are named `{name}.W`,
    /// `.R` and `.B`.
    ///
    /// # Errors
    /// Weights whose sizes do not fit each other.
    pub fn recurrent(
        &mut self,
        name: &str,
        cell: Cell,
        [input, hidden]: [usize; 2],
        weights: &Weights,
        [x, y]: [&str; 2],
        [states, next]: [&[&str]; 2],
    ) -> Result<(), OpError> {
        let rows = cell.gates() * hidden;
        let bias = |bias: Option<&[f32]>| {
            bias.map_or(vec![0.0; rows], |bias| gate_order::to_onnx(cell, bias))
        };
        let biases = [bias(weights.b_ih), bias(weights.b_hh)].concat();
        let constants = [
            (
                "W",
                vec![1, rows, input],
                gate_order::to_onnx(cell, weights.w_ih),
            ),
            (
                "R",
                vec![1, rows, hidden],
                gate_order::to_onnx(cell, weights.w_hh),
            ),
            ("B", vec![1, 2 * rows], biases),
        ];
        for (part, shape, data) in constants {
            self.initializer(&format!("{name}.{part}"), &Array::floats(shape, data)?);
        }
        let names = ["W", "R", "B"].map(|part| format!("{name}.{part}"));
        let [w, r, b] = names.each_ref().map(String::as_str);
        let inputs = [&[x, w, r, b, ""][..], states].concat();
        let outputs = [&[y][..], next].concat();
        let mut attributes = vec![("hidden_size", Setting::Int(hidden as i64))];
        let op = match cell {
            Cell::RnnTanh => "RNN",
            Cell::RnnRelu => {
                attributes.push(("activations", Setting::Texts(vec!["Relu".into()])));
                "RNN"
            }
            Cell::Lstm => "LSTM",
            Cell::Gru | Cell::GruResetBefore => {
                let linear_before_reset = i64::from(cell == Cell::Gru);
                attributes.push(("linear_before_reset", Setting::Int(linear_before_reset)));
                "GRU"
            }
        };
        self.node(op, &inputs, &outputs, &attributes);
        Ok(())
    }

    /// The bytes of a file with the graph.
    ///
    /// # Errors
    /// A graph over 2 GiB, which is more than a file of this format can hold.
    pub fn finish(self) -> Result<Vec<u8>, OnnxError> {
        let model = ModelProto {
            ir_version: Some(IR_VERSION),
            producer_name: Some("refrain".into()),
            producer_version: Some(env!("CARGO_PKG_VERSION").into()),
            graph: Some(self.0),
            opset_import: vec![OperatorSetIdProto {
                domain: Some(String::new()),
                version: Some(OPSET),
            }],
            ..ModelProto::default()
        };
        match model.encoded_len() {
            bytes if bytes > MAX_BYTES => Err(OnnxError::Unsupported(format!(
                "a model of {bytes} bytes (2 GiB at most)"
            ))),
            _ => Ok(model.encode_to_vec()),
        }
    }
}

fn attribute(name: &str, setting: &Setting) -> AttributeProto {
    let named = AttributeProto {
        name: Some(name.into()),
        ..AttributeProto::default()
    };
    match setting {
        Setting::Int(i) => AttributeProto {
            r#type: Some(kind::INT),
            i: Some(*i),
            ..named
        },
        Setting::Float(f) => AttributeProto {
            r#type: Some(kind::FLOAT),
            f: Some(*f),
            ..named
        },
        Setting::Text(s) => AttributeProto {
            r#type: Some(kind::STRING),
            s: Some(s.clone().into_bytes()),
            ..named
        },
        Setting::Ints(i) => AttributeProto {
            r#type: Some(kind::INTS),
            ints: i.clone(),
            ..named
        },
        Setting::Texts(s) => AttributeProto {
            r#type: Some(kind::STRINGS),
            strings: s.iter().map(|s| s.clone().into_bytes()).collect(),
            ..named
        },
    }
}

fn info(port: &Port) -> ValueInfoProto {
    let dim = |dim: &Dim| match dim {
        Dim::Fixed(size) => DimensionProto {
            dim_value: Some(*size as i64),
            dim_param: None,
        },
        Dim::Named(name) => DimensionProto {
            dim_value: None,
            dim_param: Some(name.clone()),
        },
        Dim::Any => DimensionProto::default(),
    };
    let shape = port.shape.as_ref().map(|shape| TensorShapeProto {
        dim: shape.iter().map(dim).collect(),
    });
    ValueInfoProto {
        name: Some(port.name.clone()),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type: Some(tensor::code(port.dtype)),
                shape,
            }),
            ..TypeProto::default()
        }),
    }
}
