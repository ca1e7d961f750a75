//! A graph as its file holds it, checked: every name is made once, before it is used.

use crate::error::OnnxError;
use crate::node::{self, Node};
use crate::port::Port;
use crate::proto::{GraphProto, ModelProto, NodeProto, TensorProto};
use crate::tensor;
use prost::Message;
use refrain_data::array::Array;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Versions of the set of operators that are understood.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=22;

/// The parts of a model.
pub(crate) struct Graph {
    pub opset: i64,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    pub initializers: HashMap<String, Array>,
    /// In an order in which they can run.
    pub nodes: Vec<Node>,
    /// For every node, the values that no later node and no output needs.
    pub spent: Vec<Vec<String>>,
}

impl Graph {
    /// Reads a file's bytes. Everything in them is understood, or refused by name.
    pub fn read(bytes: &[u8]) -> Result<Self, OnnxError> {
        let model = ModelProto::decode(bytes)?;
        let opset = opset(&model)?;
        if !model.training_info.is_empty() {
            let what = "a model with training information";
            return Err(OnnxError::Unsupported(what.into()));
        }
        if let Some(function) = model.functions.first() {
            let name = function.name.as_deref().unwrap_or_default();
            let what = format!("function \"{name}\" of the model");
            return Err(OnnxError::Unsupported(what));
        }
        match model.graph {
            Some(graph) => Self::from_proto(graph, opset),
            None => Err(OnnxError::Malformed("it has no graph".into())),
        }
    }

    fn from_proto(graph: GraphProto, opset: i64) -> Result<Self, OnnxError> {
        if !graph.sparse_initializer.is_empty() {
            return Err(OnnxError::Unsupported("a sparse initializer".into()));
        }
        if let Some(annotation) = graph.quantization_annotation.first() {
            let name = annotation.tensor_name.as_deref().unwrap_or_default();
            let what = format!("quantisation of tensor \"{name}\"");
            return Err(OnnxError::Unsupported(what));
        }
        check_operators(&graph.node, opset)?;
        let ports = |infos: Vec<_>| infos.into_iter().map(Port::read).collect::<Result<_, _>>();
        let nodes = graph.node.into_iter().map(|node| Node::read(node, opset));
        let mut graph = Self {
            opset,
            initializers: initializers(graph.initializer)?,
            inputs: ports(graph.input)?,
            outputs: ports(graph.output)?,
            nodes: nodes.collect::<Result<_, _>>()?,
            spent: Vec::new(),
        };
        graph.check_names()?;
        graph.spent = graph.find_spent();
        Ok(graph)
    }

    fn check_names(&self) -> Result<(), OnnxError> {
        check_unique("input", &self.inputs)?;
        check_unique("output", &self.outputs)?;
        let mut known: HashSet<&str> = self.initializers.keys().map(String::as_str).collect();
        known.extend(self.inputs.iter().map(|port| port.name.as_str()));
        for (place, node) in self.nodes.iter().enumerate() {
            let mut used = node.inputs.iter().filter(|name| !name.is_empty());
            if let Some(name) = used.find(|name| !known.contains(name.as_str())) {
                return Err(self.unmade(place, name));
            }
            for name in node.outputs.iter().filter(|name| !name.is_empty()) {
                if !known.insert(name) {
                    let problem = format!("two nodes or constants make \"{name}\"");
                    return Err(OnnxError::Malformed(problem));
                }
            }
        }
        let unmade = |port: &&Port| !known.contains(port.name.as_str());
        match self.outputs.iter().find(unmade) {
            Some(port) => Err(OnnxError::nothing_makes(&port.name)),
            None => Ok(()),
        }
    }

    /// The error about a node that uses a value which no node before it makes.
    fn unmade(&self, place: usize, value: &str) -> OnnxError {
        let node = self.nodes[place].name.clone();
        let makes = |node: &&Node| node.outputs.iter().any(|own| own == value);
        match self.nodes[place..].iter().find(makes) {
            Some(maker) => OnnxError::Unsorted {
                node,
                value: value.into(),
                maker: maker.name.clone(),
            },
            None => OnnxError::Malformed(format!(
                "node \"{node}\" uses \"{value}\", and nothing makes it"
            )),
        }
    }

    fn find_spent(&self) -> Vec<Vec<String>> {
        let mut needed: HashSet<&str> =
            self.outputs.iter().map(|port| port.name.as_str()).collect();
        let mut lists = Vec::with_capacity(self.nodes.len());
        for node in self.nodes.iter().rev() {
            let names = node.inputs.iter().chain(&node.outputs);
            let spent = names.filter(|name| !needed.contains(name.as_str()));
            lists.push(spent.cloned().collect());
            needed.extend(node.inputs.iter().map(String::as_str));
        }
        lists.reverse();
        lists
    }
}

fn check_unique(what: &str, ports: &[Port]) -> Result<(), OnnxError> {
    let mut names = HashSet::new();
    match ports.iter().find(|port| !names.insert(&port.name)) {
        Some(port) => Err(OnnxError::Malformed(format!(
            "there are two {what}s \"{}\"",
            port.name
        ))),
        None => Ok(()),
    }
}

/// Names every operator that is not supported, so that a file need not be tried once for each of them.
fn check_operators(nodes: &[NodeProto], opset: i64) -> Result<(), OnnxError> {
    let mut missing = BTreeMap::new();
    for node in nodes {
        if let Some(op) = node::unsupported(node, opset) {
            missing.entry(op).or_insert_with(|| node::name(node));
        }
    }
    match missing.is_empty() {
        true => Ok(()),
        false => Err(OnnxError::Operators {
            missing: missing
                .into_iter()
                .map(|(op, node)| format!("{op} (node \"{node}\")"))
                .collect(),
            opset,
        }),
    }
}

/// The version of ONNX's own operators. Tools that merge models list it once for each; the same version twice says
/// nothing new.
fn opset(model: &ModelProto) -> Result<i64, OnnxError> {
    let own = |domain: &Option<String>| matches!(domain.as_deref(), None | Some("" | "ai.onnx"));
    let sets = model.opset_import.iter().filter(|set| own(&set.domain));
    let versions: BTreeSet<i64> = sets.map(|set| set.version.unwrap_or(0)).collect();
    let versions: Vec<i64> = versions.into_iter().collect();
    match versions[..] {
        [] => Err(OnnxError::Malformed(
            "it does not say which opset it uses".into(),
        )),
        [version] if OPSETS.contains(&version) => Ok(version),
        [version] => Err(OnnxError::Unsupported(format!(
            "opset {version} (versions {} to {} are)",
            OPSETS.start(),
            OPSETS.end()
        ))),
        _ => Err(OnnxError::Malformed(format!(
            "it imports several versions of one opset, {versions:?}"
        ))),
    }
}

fn initializers(tensors: Vec<TensorProto>) -> Result<HashMap<String, Array>, OnnxError> {
    let mut all = HashMap::new();
    for tensor in tensors {
        let name = tensor.name.clone().unwrap_or_default();
        if name.is_empty() {
            return Err(OnnxError::Malformed("an initializer has no name".into()));
        }
        let value = tensor::read(tensor, &name)?;
        if all.insert(name.clone(), value).is_some() {
            let problem = format!("there are two initializers \"{name}\"");
            return Err(OnnxError::Malformed(problem));
        }
    }
    Ok(all)
}
