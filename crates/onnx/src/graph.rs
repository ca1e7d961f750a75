//! A model that was read, and how it runs: node by node, in the order of the file.

use crate::error::{OnnxError, OpError};
use crate::node::Node;
use crate::ops::Call;
use crate::port::Port;
use crate::proto::{GraphProto, ModelProto, TensorProto};
use crate::tensor;
use crate::value::{DEFAULT_LIMIT, Value};
use prost::Message;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Versions of the set of operators that are understood.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=22;

/// A model, read and checked.
pub struct Model {
    opset: i64,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    initializers: HashMap<String, Value>,
    nodes: Vec<Node>,
    /// For every node, the values that nobody needs after it.
    spent: Vec<Vec<String>>,
    limit: usize,
}

impl Model {
    /// Reads a file's bytes. Everything in them is understood, or refused by name.
    ///
    /// # Errors
    /// Bytes that are no model, a model that contradicts itself, or one with an operator, attribute, type or opset that is not supported.
    pub fn read(bytes: &[u8]) -> Result<Self, OnnxError> {
        let model = ModelProto::decode(bytes)?;
        let opset = opset(&model)?;
        if !model.training_info.is_empty() {
            return Err(OnnxError::Unsupported(
                "a model with training information".into(),
            ));
        }
        if let Some(function) = model.functions.first() {
            let name = function.name.as_deref().unwrap_or_default();
            return Err(OnnxError::Unsupported(format!(
                "function \"{name}\" of the model"
            )));
        }
        let graph = model
            .graph
            .ok_or_else(|| OnnxError::Malformed("it has no graph".into()))?;
        Self::from_graph(graph, opset)
    }

    fn from_graph(graph: GraphProto, opset: i64) -> Result<Self, OnnxError> {
        if !graph.sparse_initializer.is_empty() {
            return Err(OnnxError::Unsupported("a sparse initializer".into()));
        }
        if let Some(annotation) = graph.quantization_annotation.first() {
            let name = annotation.tensor_name.as_deref().unwrap_or_default();
            return Err(OnnxError::Unsupported(format!(
                "quantisation of tensor \"{name}\""
            )));
        }
        let initializers = initializers(graph.initializer)?;
        let ports = |infos: Vec<_>| {
            infos
                .into_iter()
                .map(Port::read)
                .collect::<Result<Vec<_>, _>>()
        };
        let nodes = graph.node.into_iter().map(|node| Node::read(node, opset));
        let mut model = Self {
            opset,
            inputs: ports(graph.input)?,
            outputs: ports(graph.output)?,
            initializers,
            nodes: nodes.collect::<Result<_, _>>()?,
            spent: Vec::new(),
            limit: DEFAULT_LIMIT,
        };
        model.check_names()?;
        model.spent = model.find_spent();
        Ok(model)
    }

    /// The same model with another limit for the elements of a tensor, and of all tensors that a run holds at a time.
    pub fn with_limit(mut self, elements: usize) -> Self {
        self.limit = elements;
        self
    }

    /// What goes in. Inputs that the file has a value for may be left out.
    pub fn inputs(&self) -> impl Iterator<Item = &Port> {
        self.inputs.iter()
    }

    /// What comes out.
    pub fn outputs(&self) -> impl Iterator<Item = &Port> {
        self.outputs.iter()
    }

    /// Whether the file has a value for an input that is not given.
    pub fn has_default(&self, input: &str) -> bool {
        self.initializers.contains_key(input)
    }

    /// Runs the model: the outputs by name, in the model's order.
    ///
    /// # Errors
    /// Inputs that are missing, unknown or do not fit, or a node that cannot run on what reaches it.
    pub fn run(&self, inputs: BTreeMap<String, Value>) -> Result<Vec<(String, Value)>, OnnxError> {
        self.check_inputs(&inputs)?;
        let mut values: HashMap<String, Value> = inputs.into_iter().collect();
        let mut held: usize = values.values().map(Value::len).sum();
        for (node, spent) in self.nodes.iter().zip(&self.spent) {
            let results = self
                .run_node(node, &values)
                .map_err(|problem| node.error(problem))?;
            let wanted = node
                .outputs
                .iter()
                .zip(results)
                .filter(|(name, _)| !name.is_empty());
            for (name, value) in wanted {
                held = held.saturating_add(value.len());
                if held > self.limit {
                    let too_much =
                        format!("the run holds over {} elements with its result", self.limit);
                    return Err(node.error(OpError::Other(too_much)));
                }
                values.insert(name.clone(), value);
            }
            for name in spent {
                held -= values.remove(name).map_or(0, |value| value.len());
            }
        }
        let output = |port: &Port| match self.value(&port.name, &values) {
            Some(value) if value.dtype() == port.dtype => Ok((port.name.clone(), value.clone())),
            Some(value) => Err(OnnxError::Malformed(format!(
                "output \"{}\" is said to hold {} and holds {}",
                port.name,
                port.dtype,
                value.dtype()
            ))),
            None => Err(OnnxError::Malformed(format!(
                "nothing makes output \"{}\"",
                port.name
            ))),
        };
        self.outputs.iter().map(output).collect()
    }

    fn value<'a>(&'a self, name: &str, values: &'a HashMap<String, Value>) -> Option<&'a Value> {
        values.get(name).or_else(|| self.initializers.get(name))
    }

    fn run_node(
        &self,
        node: &Node,
        values: &HashMap<String, Value>,
    ) -> Result<Vec<Value>, OpError> {
        let call = Call {
            attributes: &node.attributes,
            inputs: node
                .inputs
                .iter()
                .map(|name| self.value(name, values))
                .collect(),
            outputs: node.outputs.len(),
            opset: self.opset,
            limit: self.limit,
        };
        let results = (node.operator.run)(&call)?;
        match results.len() >= call.outputs {
            true => Ok(results),
            false => Err(OpError::Count {
                what: "output",
                least: 1,
                most: results.len(),
                got: call.outputs,
            }),
        }
    }

    fn check_inputs(&self, given: &BTreeMap<String, Value>) -> Result<(), OnnxError> {
        let known: HashSet<&str> = self.inputs.iter().map(|port| port.name.as_str()).collect();
        let extra: Vec<_> = given
            .keys()
            .filter(|name| !known.contains(name.as_str()))
            .cloned()
            .collect();
        let missing =
            |port: &&Port| !given.contains_key(&port.name) && !self.has_default(&port.name);
        let missing: Vec<_> = self
            .inputs
            .iter()
            .filter(missing)
            .map(Port::to_string)
            .collect();
        if !missing.is_empty() {
            let given = given.keys().cloned().collect();
            return Err(OnnxError::MissingInput { missing, given });
        }
        if !extra.is_empty() {
            let known = self.inputs.iter().map(Port::to_string).collect();
            return Err(OnnxError::ExtraInput { extra, known });
        }
        let mut bound = BTreeMap::new();
        let mut given = self
            .inputs
            .iter()
            .filter_map(|port| Some((port, given.get(&port.name)?)));
        given.try_for_each(|(port, value)| port.check(value, &mut bound))
    }

    /// Every name is made once, before it is used.
    fn check_names(&self) -> Result<(), OnnxError> {
        let mut known: HashSet<&str> = self.initializers.keys().map(String::as_str).collect();
        let mut inputs = HashSet::new();
        for port in &self.inputs {
            if !inputs.insert(&port.name) {
                return Err(OnnxError::Malformed(format!(
                    "there are two inputs \"{}\"",
                    port.name
                )));
            }
            known.insert(&port.name);
        }
        for node in &self.nodes {
            let used = node.inputs.iter().filter(|name| !name.is_empty());
            if let Some(name) = used.clone().find(|name| !known.contains(name.as_str())) {
                let problem = format!(
                    "node \"{}\" uses \"{name}\", which nothing before it makes",
                    node.name
                );
                return Err(OnnxError::Malformed(problem));
            }
            for name in node.outputs.iter().filter(|name| !name.is_empty()) {
                if !known.insert(name) {
                    return Err(OnnxError::Malformed(format!(
                        "two nodes or constants make \"{name}\""
                    )));
                }
            }
        }
        let mut outputs = HashSet::new();
        if let Some(port) = self.outputs.iter().find(|port| !outputs.insert(&port.name)) {
            return Err(OnnxError::Malformed(format!(
                "there are two outputs \"{}\"",
                port.name
            )));
        }
        match self
            .outputs
            .iter()
            .find(|port| !known.contains(port.name.as_str()))
        {
            Some(port) => Err(OnnxError::Malformed(format!(
                "nothing makes output \"{}\"",
                port.name
            ))),
            None => Ok(()),
        }
    }

    fn find_spent(&self) -> Vec<Vec<String>> {
        let mut needed: HashSet<&str> =
            self.outputs.iter().map(|port| port.name.as_str()).collect();
        let mut lists = Vec::with_capacity(self.nodes.len());
        for node in self.nodes.iter().rev() {
            let names = node.inputs.iter().chain(&node.outputs);
            lists.push(
                names
                    .filter(|name| !needed.contains(name.as_str()))
                    .cloned()
                    .collect(),
            );
            needed.extend(node.inputs.iter().map(String::as_str));
        }
        lists.reverse();
        lists
    }
}

fn opset(model: &ModelProto) -> Result<i64, OnnxError> {
    let own = |domain: &Option<String>| matches!(domain.as_deref(), None | Some("" | "ai.onnx"));
    let mut versions = model.opset_import.iter().filter(|set| own(&set.domain));
    let version = match (versions.next(), versions.next()) {
        (Some(set), None) => set.version.unwrap_or(0),
        (None, _) => {
            return Err(OnnxError::Malformed(
                "it does not say which opset it uses".into(),
            ));
        }
        (Some(_), Some(_)) => {
            return Err(OnnxError::Malformed(
                "it names two versions of one opset".into(),
            ));
        }
    };
    match OPSETS.contains(&version) {
        true => Ok(version),
        false => Err(OnnxError::Unsupported(format!(
            "opset {version} (those from {} to {} are)",
            OPSETS.start(),
            OPSETS.end()
        ))),
    }
}

fn initializers(tensors: Vec<TensorProto>) -> Result<HashMap<String, Value>, OnnxError> {
    let mut all = HashMap::new();
    for tensor in tensors {
        let name = tensor.name.clone().unwrap_or_default();
        if name.is_empty() {
            return Err(OnnxError::Malformed("an initializer has no name".into()));
        }
        let value = tensor::read(tensor, &name)?;
        if all.insert(name.clone(), value).is_some() {
            return Err(OnnxError::Malformed(format!(
                "there are two initializers \"{name}\""
            )));
        }
    }
    Ok(all)
}
