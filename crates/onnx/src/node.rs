//! A node as it stands in the file, checked against what its operator may have.

use crate::error::{OnnxError, OpError};
use crate::ops::{Attr, Operator};
use crate::proto::{AttributeProto, NodeProto, attribute_type as kind};
use crate::tensor;
use crate::value::Value;
use std::collections::BTreeMap;

/// A setting.
#[derive(Clone, Debug)]
pub(crate) enum Attribute {
    Float(f32),
    Int(i64),
    Text(String),
    Tensor(Value),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Texts(Vec<String>),
}

impl Attribute {
    fn kind(&self) -> &'static str {
        match self {
            Self::Float(_) => "a float",
            Self::Int(_) => "an integer",
            Self::Text(_) => "a text",
            Self::Tensor(_) => "a tensor",
            Self::Floats(_) => "floats",
            Self::Ints(_) => "integers",
            Self::Texts(_) => "texts",
        }
    }
}

/// One operator at work.
pub(crate) struct Node {
    pub operator: &'static Operator,
    /// Its own name, or that of its first output.
    pub name: String,
    /// An empty name stands for an input that was left out.
    pub inputs: Vec<String>,
    /// An empty name stands for an output that nobody wants.
    pub outputs: Vec<String>,
    pub attributes: Attributes,
}

impl Node {
    /// Reads a node: everything in it is either understood or refused.
    pub fn read(node: NodeProto, opset: i64) -> Result<Self, OnnxError> {
        let op = node.op_type.unwrap_or_default();
        let first = node.output.iter().find(|name| !name.is_empty());
        let name = node.name.filter(|name| !name.is_empty()).or(first.cloned());
        let name = name.unwrap_or_default();
        let domain = node.domain.unwrap_or_default();
        if !matches!(domain.as_str(), "" | "ai.onnx") {
            return Err(OnnxError::Unsupported(format!(
                "operator {op} of the domain {domain} (node \"{name}\")"
            )));
        }
        if let Some(overload) = node.overload.filter(|overload| !overload.is_empty()) {
            return Err(OnnxError::Unsupported(format!(
                "overload {overload} of {op} (node \"{name}\")"
            )));
        }
        let operator = Operator::find(&op, opset).ok_or_else(|| {
            OnnxError::Unsupported(format!("operator {op} (node \"{name}\") at opset {opset}"))
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

    pub fn error(&self, problem: OpError) -> OnnxError {
        OnnxError::Node {
            op: self.operator.name.into(),
            node: self.name.clone(),
            problem: Box::new(problem),
        }
    }
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

/// The settings of a node.
#[derive(Default)]
pub(crate) struct Attributes(BTreeMap<String, Attribute>);

impl Attributes {
    fn read(given: Vec<AttributeProto>, known: &[Attr], opset: i64) -> Result<Self, OpError> {
        let mut all = BTreeMap::new();
        for attribute in given {
            let name = attribute.name.clone().unwrap_or_default();
            if !known
                .iter()
                .any(|attr| attr.name == name && (attr.from..=attr.to).contains(&opset))
            {
                return Err(OpError::UnknownAttribute { name, opset });
            }
            let value = read_attribute(&name, attribute)?;
            if all.insert(name.clone(), value).is_some() {
                return Err(problem(&name, "is given twice"));
            }
        }
        Ok(Self(all))
    }

    fn wrong<T>(name: &str, attribute: &Attribute, needed: &str) -> Result<T, OpError> {
        Err(problem(
            name,
            &format!("is {} where {needed} is needed", attribute.kind()),
        ))
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn int(&self, name: &str) -> Result<Option<i64>, OpError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Attribute::Int(i)) => Ok(Some(*i)),
            Some(other) => Self::wrong(name, other, "an integer"),
        }
    }

    /// A switch: 0 or 1.
    pub fn switch(&self, name: &str, default: bool) -> Result<bool, OpError> {
        match self.int(name)? {
            None => Ok(default),
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            Some(other) => Err(problem(name, &format!("is {other} where 0 or 1 is needed"))),
        }
    }

    pub fn float(&self, name: &str) -> Result<Option<f32>, OpError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Attribute::Float(f)) => Ok(Some(*f)),
            Some(other) => Self::wrong(name, other, "a float"),
        }
    }

    pub fn ints(&self, name: &str) -> Result<Option<&[i64]>, OpError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Attribute::Ints(i)) => Ok(Some(i)),
            Some(other) => Self::wrong(name, other, "a list of integers"),
        }
    }

    pub fn floats(&self, name: &str) -> Result<Option<&[f32]>, OpError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Attribute::Floats(f)) => Ok(Some(f)),
            Some(other) => Self::wrong(name, other, "a list of floats"),
        }
    }

    pub fn text(&self, name: &str) -> Result<Option<&str>, OpError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Attribute::Text(s)) => Ok(Some(s)),
            Some(other) => Self::wrong(name, other, "a text"),
        }
    }

    pub fn texts(&self, name: &str) -> Result<Option<&[String]>, OpError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Attribute::Texts(s)) => Ok(Some(s)),
            Some(other) => Self::wrong(name, other, "a list of texts"),
        }
    }

    pub fn tensor(&self, name: &str) -> Result<Option<&Value>, OpError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Attribute::Tensor(value)) => Ok(Some(value)),
            Some(other) => Self::wrong(name, other, "a tensor"),
        }
    }
}

/// An error about an attribute.
pub(crate) fn problem(name: &str, problem: &str) -> OpError {
    OpError::Attribute {
        name: name.into(),
        problem: problem.into(),
    }
}

fn read_attribute(name: &str, attribute: AttributeProto) -> Result<Attribute, OpError> {
    if attribute
        .ref_attr_name
        .as_ref()
        .is_some_and(|name| !name.is_empty())
    {
        return Err(problem(
            name,
            "refers to an attribute of a function, which is not supported",
        ));
    }
    let utf8 =
        |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| problem(name, "is no UTF-8 text"));
    let graph = attribute.g.is_some() || !attribute.graphs.is_empty();
    let sparse = attribute.sparse_tensor.is_some() || !attribute.sparse_tensors.is_empty();
    let other = attribute.tp.is_some()
        || !attribute.type_protos.is_empty()
        || !attribute.tensors.is_empty();
    match (graph, sparse, other) {
        (true, ..) => return Err(problem(name, "holds a graph, which is not supported")),
        (_, true, _) => {
            return Err(problem(
                name,
                "holds a sparse tensor, which is not supported",
            ));
        }
        (_, _, true) => {
            return Err(problem(
                name,
                "holds types or tensors, which is not supported",
            ));
        }
        _ => {}
    }
    let missing = || problem(name, "has no value");
    // Files of the first version of the format have no type; then the one field that is there tells it.
    let kind_of = attribute
        .r#type
        .filter(|&kind| kind != 0)
        .or(match &attribute {
            AttributeProto { f: Some(_), .. } => Some(kind::FLOAT),
            AttributeProto { i: Some(_), .. } => Some(kind::INT),
            AttributeProto { s: Some(_), .. } => Some(kind::STRING),
            AttributeProto { t: Some(_), .. } => Some(kind::TENSOR),
            AttributeProto { floats, .. } if !floats.is_empty() => Some(kind::FLOATS),
            AttributeProto { ints, .. } if !ints.is_empty() => Some(kind::INTS),
            AttributeProto { strings, .. } if !strings.is_empty() => Some(kind::STRINGS),
            _ => None,
        });
    Ok(match kind_of.ok_or_else(missing)? {
        // proto3 writers leave zeros out.
        kind::FLOAT => Attribute::Float(attribute.f.unwrap_or(0.0)),
        kind::INT => Attribute::Int(attribute.i.unwrap_or(0)),
        kind::STRING => Attribute::Text(utf8(attribute.s.unwrap_or_default())?),
        kind::TENSOR => {
            let value = tensor::read(attribute.t.ok_or_else(missing)?, name);
            Attribute::Tensor(value.map_err(|error| OpError::Other(error.to_string()))?)
        }
        kind::FLOATS => Attribute::Floats(attribute.floats),
        kind::INTS => Attribute::Ints(attribute.ints),
        kind::STRINGS => Attribute::Texts(
            attribute
                .strings
                .into_iter()
                .map(utf8)
                .collect::<Result<_, _>>()?,
        ),
        other => {
            return Err(problem(
                name,
                &format!("has the type {other}, which is not supported"),
            ));
        }
    })
}
