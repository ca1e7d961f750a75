//! A node of the file, checked against the table of operators.

use crate::attributes::Attributes;
use crate::error::{OnnxError, OpError};
use crate::graph::Graph;
use crate::ops::Operator;
use crate::packed::Kept;
use crate::proto::NodeProto;
use refrain_data::array::Array;

/// One operator at work. Values are numbered: see [`crate::graph::Program`].
pub(crate) struct Node {
    pub operator: &'static Operator,
    /// Its own name, or that of its first output.
    pub name: String,
    /// Its number among all nodes of the file.
    pub place: usize,
    /// None stands for an input that was left out.
    pub inputs: Vec<Option<usize>>,
    /// None stands for an output that is not used.
    pub outputs: Vec<Option<usize>>,
    pub attributes: Attributes,
    /// The graphs of `If`, `Loop` and `Scan`, in the order of the operator's list.
    pub bodies: Vec<Graph>,
    /// The opset of its domain.
    pub opset: i64,
    /// Forms of its constants.
    pub kept: Kept,
}

impl Node {
    /// The results that have a name.
    pub fn wanted(&self, results: Vec<Array>) -> impl Iterator<Item = (usize, Array)> {
        let numbered = self.outputs.iter().zip(results);
        numbered.filter_map(|(id, value)| Some(((*id)?, value)))
    }

    /// An error of a run, with the types and shapes of the inputs.
    pub fn error(&self, problem: OpError, inputs: Vec<String>) -> OnnxError {
        OnnxError::Node {
            op: self.operator.name.into(),
            node: self.name.clone(),
            problem: Box::new(problem),
            inputs,
        }
    }
}

/// The operator of a node with the domain before a foreign one.
pub(crate) fn full_name(node: &NodeProto) -> String {
    let op = node.op_type.as_deref().unwrap_or_default();
    match domain(node) {
        "" => op.into(),
        domain => format!("{domain}.{op}"),
    }
}

/// The domain of a node; ONNX's own is empty.
pub(crate) fn domain(node: &NodeProto) -> &str {
    match node.domain.as_deref().unwrap_or_default() {
        "ai.onnx" => "",
        domain => domain,
    }
}

/// The name of a node, or that of its first output.
pub(crate) fn name(node: &NodeProto) -> &str {
    let own = node.name.iter().chain(&node.output);
    own.map(String::as_str)
        .find(|name| !name.is_empty())
        .unwrap_or_default()
}

pub(crate) fn count(
    what: &'static str,
    (least, most): (usize, usize),
    got: usize,
) -> Result<(), OpError> {
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
