//! The attributes of a node: read from the file, checked against the operator's list, asked for by type.

use crate::error::{OpError, problem};
use crate::external::Fetch;
use crate::proto::{AttributeProto, attribute_type as kind};
use crate::tensor;
use refrain_data::array::Array;
use std::collections::BTreeMap;

/// The name of an attribute, and the first and last opset that have it.
pub(crate) struct Attr {
    pub name: &'static str,
    pub from: i64,
    pub to: i64,
}

/// An attribute of every opset.
pub(crate) const fn attr(name: &'static str) -> Attr {
    between(name, 1, i64::MAX)
}

/// An attribute of opset `from` and all later ones.
pub(crate) const fn since(name: &'static str, from: i64) -> Attr {
    between(name, from, i64::MAX)
}

/// An attribute of all opsets up to `to`.
pub(crate) const fn until(name: &'static str, to: i64) -> Attr {
    between(name, 1, to)
}

const fn between(name: &'static str, from: i64, to: i64) -> Attr {
    Attr { name, from, to }
}

/// The value of an attribute.
#[derive(Clone, Debug)]
enum Attribute {
    Float(f32),
    Int(i64),
    Text(String),
    Tensor(Array),
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

/// The attributes of a node, by name.
#[derive(Default)]
pub(crate) struct Attributes(BTreeMap<String, Attribute>);

impl Attributes {
    /// Reads the attributes of a node; `known` is the operator's list.
    pub fn read(
        given: Vec<AttributeProto>,
        known: &[Attr],
        opset: i64,
        fetch: &Fetch,
    ) -> Result<Self, OpError> {
        let mut all = BTreeMap::new();
        for attribute in given {
            let name = attribute.name.clone().unwrap_or_default();
            if !known
                .iter()
                .any(|attr| attr.name == name && (attr.from..=attr.to).contains(&opset))
            {
                return Err(OpError::UnknownAttribute { name, opset });
            }
            let value = read_attribute(&name, attribute, fetch)?;
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

    pub fn tensor(&self, name: &str) -> Result<Option<&Array>, OpError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Attribute::Tensor(value)) => Ok(Some(value)),
            Some(other) => Self::wrong(name, other, "a tensor"),
        }
    }
}

/// Refuses everything in an attribute that is not one of the types of [`Attribute`].
fn check_kind(name: &str, attribute: &AttributeProto) -> Result<(), OpError> {
    let reference = attribute.ref_attr_name.as_ref();
    let unsupported = [
        (
            reference.is_some_and(|name| !name.is_empty()),
            "refers to an attribute of a function",
        ),
        (
            attribute.g.is_some() || !attribute.graphs.is_empty(),
            "holds a graph",
        ),
        (
            attribute.sparse_tensor.is_some() || !attribute.sparse_tensors.is_empty(),
            "holds a sparse tensor",
        ),
        (
            attribute.tp.is_some()
                || !attribute.type_protos.is_empty()
                || !attribute.tensors.is_empty(),
            "holds types or tensors",
        ),
    ];
    match unsupported.iter().find(|(there, _)| *there) {
        Some((_, what)) => Err(problem(name, &format!("{what}, which is not supported"))),
        None => Ok(()),
    }
}

/// The type of an attribute. Files of the first version of the format do not say it; then it is that of the one field
/// that is there.
fn kind_of(attribute: &AttributeProto) -> Option<i32> {
    let of_field = match attribute {
        AttributeProto { f: Some(_), .. } => Some(kind::FLOAT),
        AttributeProto { i: Some(_), .. } => Some(kind::INT),
        AttributeProto { s: Some(_), .. } => Some(kind::STRING),
        AttributeProto { t: Some(_), .. } => Some(kind::TENSOR),
        AttributeProto { floats, .. } if !floats.is_empty() => Some(kind::FLOATS),
        AttributeProto { ints, .. } if !ints.is_empty() => Some(kind::INTS),
        AttributeProto { strings, .. } if !strings.is_empty() => Some(kind::STRINGS),
        _ => None,
    };
    attribute.r#type.filter(|&kind| kind != 0).or(of_field)
}

fn read_attribute(
    name: &str,
    attribute: AttributeProto,
    fetch: &Fetch,
) -> Result<Attribute, OpError> {
    check_kind(name, &attribute)?;
    let utf8 =
        |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| problem(name, "is no UTF-8 text"));
    let missing = || problem(name, "has no value");
    Ok(match kind_of(&attribute).ok_or_else(missing)? {
        // Writers of proto3 leave zeros out.
        kind::FLOAT => Attribute::Float(attribute.f.unwrap_or(0.0)),
        kind::INT => Attribute::Int(attribute.i.unwrap_or(0)),
        kind::STRING => Attribute::Text(utf8(attribute.s.unwrap_or_default())?),
        kind::TENSOR => {
            let value = tensor::read(attribute.t.ok_or_else(missing)?, name, fetch);
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
