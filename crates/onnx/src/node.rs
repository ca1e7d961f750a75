//! A node of the file, checked against the table of operators.

use crate::attributes::Attributes;
use crate::error::{OnnxError, OpError};
use crate::ops::Operator;
use crate::proto::NodeProto;
use refrain_data::array::Array;

/// One operator at work.
pub(crate) struct Node {
    pub operator: &'static Operator,
    /// Its own name, or that of its first output.
    pub name: String,
    /// An empty name stands for an input that was left out.
    pub inputs: Vec<String>,
    /// An empty name stands for an output that is not used.
    pub outputs: Vec<String>,
    pub attributes: Attributes,
}

impl Node {
    /// Reads a node; every part of it is either understood or refused.
    pub fn read(node: NodeProto, opset: i64) -> Result<Self, OnnxError> {
        let name = name(&node).to_string();
        let op = node.op_type.unwrap_or_default();
        if let Some(overload) = node.overload.filter(|overload| !overload.is_empty()) {
            return Err(OnnxError::Unsupported(format!(
                "overload {overload} of {op} (node \"{name}\")"
            )));
        }
        let operator = Operator::find(&op, opset).ok_or_else(|| OnnxError::Operators {
            missing: vec![op.clone()],
            opset,
        })?;
        let fail = |problem| OnnxError::Node {
            op: op.clone(),
            node: name.clone(),
            problem: Box::new(problem),
        };
        let attributes =
            Attributes::read(node.attribute, operator.attributes, opset).map_err(fail)?;
        count("input", operator.inputs, node.input.len()).map_err(fail)?;
        count("output", operator.outputs, node.output.len()).map_err(fail)?;
        Ok(Self {
            operator,
            name,
            inputs: node.input,
            outputs: node.output,
            attributes,
        })
    }

    /// The results that have a name.
    pub fn wanted(&self, results: Vec<Array>) -> impl Iterator<Item = (&String, Array)> {
        let named = self.outputs.iter().zip(results);
        named.filter(|(name, _)| !name.is_empty())
    }

    pub fn error(&self, problem: OpError) -> OnnxError {
        OnnxError::Node {
            op: self.operator.name.into(),
            node: self.name.clone(),
            problem: Box::new(problem),
        }
    }
}

/// The operator of a node if it is not supported, with the domain before a foreign one.
pub(crate) fn unsupported(node: &NodeProto, opset: i64) -> Option<String> {
    let op = node.op_type.as_deref().unwrap_or_default();
    match node.domain.as_deref().unwrap_or_default() {
        "" | "ai.onnx" => Operator::find(op, opset).is_none().then(|| op.into()),
        domain => Some(format!("{domain}.{op}")),
    }
}

/// The name of a node, or that of its first output.
pub(crate) fn name(node: &NodeProto) -> &str {
    let own = node.name.iter().chain(&node.output);
    own.map(String::as_str)
        .find(|name| !name.is_empty())
        .unwrap_or_default()
}

fn count(what: &'static str, (least, most): (usize, usize), got: usize) -> Result<(), OpError> {
    match (least..=most).contains(&got) {
        true => Ok(()),
        false => Err(OpError::Count {
            what,
            least,
            most,
            got,
        }),
    }
}
