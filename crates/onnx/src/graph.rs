//! A file's graphs, checked: every name is made once, before it is used, and all nodes are in the table of operators.

use crate::attributes::Attributes;
use crate::error::{OnnxError, OpError};
use crate::external::Fetch;
use crate::node::{self, Node};
use crate::ops::Operator;
use crate::packed::Kept;
use crate::port::Port;
use crate::proto::{GraphProto, ModelProto, NodeProto, TensorProto};
use crate::tensor;
use prost::Message;
use refrain_data::array::Array;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::sync::OnceLock;

/// Versions of the set of operators that are understood.
const OPSETS: RangeInclusive<i64> = 7..=28;

/// The parts of a model. Every value of every graph, by name a tensor, has a number of its own.
pub(crate) struct Program {
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    pub graph: Graph,
    /// Constants of the file, for every value.
    pub constants: Vec<Option<Array>>,
    /// Number of nodes in all graphs.
    pub nodes: usize,
}

/// One graph: that of the model, or the body of a node.
pub(crate) struct Graph {
    pub inputs: Vec<usize>,
    pub outputs: Vec<usize>,
    /// Type and shape of each output where the file says it; for bodies.
    pub kinds: Vec<Option<Port>>,
    /// In an order in which they can run.
    pub nodes: Vec<Node>,
    /// For every node, the values of this graph that no later node and no output needs.
    pub spent: Vec<Vec<usize>>,
    /// The values that belong to this graph and the bodies in it.
    pub own: Range<usize>,
}

/// A part of a model that Refrain does not support, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The operator that is missing, with the domain before a foreign one; absent for other problems.
    pub operator: Option<String>,
    /// The node or the part of the model, and the graph that it is in.
    pub place: String,
    /// The problem, one sentence.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl Program {
    /// Reads a file's bytes. Everything that its outputs need is understood, or refused by name.
    pub fn read(bytes: &[u8], fetch: &Fetch) -> Result<Self, OnnxError> {
        let (program, problems, opset) = Reader::model(bytes, fetch)?;
        let (missing, mut others): (Vec<_>, Vec<_>) = problems
            .into_iter()
            .partition(|problem| problem.operator.is_some());
        let first_of = |missing: Vec<Problem>| {
            let mut names = BTreeMap::new();
            for Problem {
                operator, place, ..
            } in missing
            {
                names.entry(operator.unwrap_or_default()).or_insert(place);
            }
            let named = names.iter().map(|(op, place)| format!("{op} ({place})"));
            named.collect()
        };
        match (missing.is_empty(), others.is_empty()) {
            (true, true) => Ok(program),
            (true, false) => Err(others.remove(0).error),
            (false, _) => Err(OnnxError::Operators {
                missing: first_of(missing),
                opset,
            }),
        }
    }

    /// All that stands in the way of running a file.
    pub fn check(bytes: &[u8], fetch: &Fetch) -> Result<Vec<Finding>, OnnxError> {
        let (_, problems, _) = Reader::model(bytes, fetch)?;
        let finding = |problem: Problem| Finding {
            problem: match (&problem.operator, &problem.error) {
                (Some(operator), OnnxError::Operators { opset, .. }) => {
                    format!("operator {operator} is not supported at opset {opset}")
                }
                (_, error) => error.to_string(),
            },
            operator: problem.operator,
            place: problem.place,
        };
        Ok(problems.into_iter().map(finding).collect())
    }
}

/// A finding while a file is read.
struct Problem {
    operator: Option<String>,
    place: String,
    error: OnnxError,
}

/// The parts of a file that have been read so far.
struct Reader<'a> {
    /// Of each domain; ONNX's own is empty.
    opsets: BTreeMap<String, i64>,
    fetch: &'a Fetch<'a>,
    /// Numbers of the values that can be seen, innermost graph last.
    scopes: Vec<HashMap<String, usize>>,
    constants: Vec<Option<Array>>,
    nodes: usize,
    /// The nodes whose bodies are being read, outermost first.
    within: Vec<String>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// The program with the problems found, and its opset. Nodes with problems are not in the program.
    fn model(
        bytes: &[u8],
        fetch: &'a Fetch<'a>,
    ) -> Result<(Program, Vec<Problem>, i64), OnnxError> {
        let model = ModelProto::decode(bytes)?;
        let opsets = opsets(&model)?;
        let opset = opsets.get("").copied().unwrap_or(*OPSETS.end());
        let mut reader = Reader {
            opsets,
            fetch,
            scopes: Vec::new(),
            constants: Vec::new(),
            nodes: 0,
            within: Vec::new(),
            problems: Vec::new(),
        };
        if !OPSETS.contains(&opset) {
            reader.unsupported(format!(
                "opset {opset} (versions {} to {} are)",
                OPSETS.start(),
                OPSETS.end()
            ));
        }
        if !model.training_info.is_empty() {
            reader.unsupported("a model with training information".into());
        }
        for function in &model.functions {
            let name = function.name.as_deref().unwrap_or_default();
            reader.unsupported(format!("function \"{name}\" of the model"));
        }
        let Some(graph) = model.graph else {
            return Err(OnnxError::Malformed("it has no graph".into()));
        };
        let inputs = reader.ports(&graph.input)?;
        let outputs = reader.ports(&graph.output)?;
        check_unique("input", &graph.input)?;
        check_unique("output", &graph.output)?;
        let graph = reader.graph(graph)?;
        let program = Program {
            inputs,
            outputs,
            graph,
            constants: reader.constants,
            nodes: reader.nodes,
        };
        Ok((program, reader.problems, opset))
    }

    fn unsupported(&mut self, what: String) {
        self.problem(None, "the model".into(), OnnxError::Unsupported(what));
    }

    /// Notes a problem; `place` gets the names of the nodes around it.
    fn problem(&mut self, operator: Option<String>, mut place: String, error: OnnxError) {
        for node in self.within.iter().rev() {
            place = format!("{place} in {node}");
        }
        self.problems.push(Problem {
            operator,
            place,
            error,
        });
    }

    /// Inputs or outputs of the model. Those of an unsupported type are noted as problems.
    fn ports(&mut self, infos: &[crate::proto::ValueInfoProto]) -> Result<Vec<Port>, OnnxError> {
        let mut ports = Vec::with_capacity(infos.len());
        for info in infos {
            match Port::read(info.clone()) {
                Ok(port) => ports.push(port),
                Err(error @ (OnnxError::Unsupported(_) | OnnxError::Tensor { .. })) => {
                    let name = info.name.as_deref().unwrap_or_default();
                    self.problem(None, format!("input or output \"{name}\""), error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(ports)
    }

    fn make(&mut self, name: &str) -> usize {
        let id = self.constants.len();
        self.constants.push(None);
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.into(), id);
        }
        id
    }

    fn find(&self, name: &str) -> Option<usize> {
        let mut scopes = self.scopes.iter().rev();
        scopes.find_map(|scope| scope.get(name).copied())
    }

    fn graph(&mut self, graph: GraphProto) -> Result<Graph, OnnxError> {
        if !graph.sparse_initializer.is_empty() {
            self.unsupported("a sparse initializer".into());
        }
        for annotation in &graph.quantization_annotation {
            let name = annotation.tensor_name.as_deref().unwrap_or_default();
            self.unsupported(format!("quantisation of tensor \"{name}\""));
        }
        check_made_once(&graph)?;
        let live = live(&graph);
        let first = self.constants.len();
        self.scopes.push(HashMap::new());
        let inputs = names(&graph.input)
            .map(|name| self.make(name))
            .collect::<Vec<_>>();
        self.initializers(graph.initializer, &live.names)?;
        let makers = makers(&graph.node);
        let mut nodes = Vec::new();
        for (node, _) in graph
            .node
            .into_iter()
            .zip(&live.nodes)
            .filter(|(_, live)| **live)
        {
            nodes.extend(self.node(node, &makers)?);
        }
        let output = |name: &str| {
            self.find(name)
                .ok_or_else(|| OnnxError::nothing_makes(name))
        };
        let outputs = names(&graph.output)
            .map(output)
            .collect::<Result<Vec<_>, _>>()?;
        let mut graph = Graph {
            inputs,
            outputs,
            kinds: graph
                .output
                .into_iter()
                .map(|info| Port::read(info).ok())
                .collect(),
            nodes,
            spent: Vec::new(),
            own: first..self.constants.len(),
        };
        self.scopes.pop();
        graph.spent = graph.find_spent();
        Ok(graph)
    }

    /// Reads the constants that are needed.
    fn initializers(
        &mut self,
        tensors: Vec<TensorProto>,
        needed: &HashSet<String>,
    ) -> Result<(), OnnxError> {
        for tensor in tensors {
            let name = tensor.name.clone().unwrap_or_default();
            let known = self.scopes.last().and_then(|own| own.get(&name).copied());
            if known.is_none() && !needed.contains(&name) {
                continue;
            }
            let id = known.unwrap_or_else(|| self.make(&name));
            match tensor::read(tensor, &name, self.fetch) {
                Ok(value) => self.constants[id] = Some(value),
                Err(error) => self.problem(None, format!("initializer \"{name}\""), error),
            }
        }
        Ok(())
    }

    /// Reads a node; every part of it is either understood or noted as a problem.
    fn node(
        &mut self,
        node: NodeProto,
        makers: &HashMap<String, String>,
    ) -> Result<Option<Node>, OnnxError> {
        let name = node::name(&node).to_string();
        let full = node::full_name(&node);
        let mut inputs = Vec::with_capacity(node.input.len());
        for input in &node.input {
            inputs.push(match (input.is_empty(), self.find(input)) {
                (true, _) => None,
                (false, Some(id)) => Some(id),
                (false, None) => return Err(unmade(name, input, makers)),
            });
        }
        let place = format!("node \"{name}\"");
        let version = self.opsets.get(node::domain(&node)).copied().unwrap_or(1);
        let outputs = node.output.clone();
        let op = node.op_type.clone().unwrap_or_default();
        let read = match Operator::find(node::domain(&node), &op, version) {
            None => {
                let error = OnnxError::Operators {
                    missing: vec![full.clone()],
                    opset: version,
                };
                self.problem(Some(full), place, error);
                None
            }
            Some(operator) => match self.parts(node, operator, version)? {
                Ok((attributes, bodies)) => Some((operator, attributes, bodies)),
                Err(problem) => {
                    let error = OnnxError::Node {
                        op: full,
                        node: name.clone(),
                        problem: Box::new(problem),
                        inputs: Vec::new(),
                    };
                    self.problem(None, place, error);
                    None
                }
            },
        };
        let outputs = outputs
            .iter()
            .map(|output| (!output.is_empty()).then(|| self.make(output)));
        let outputs = outputs.collect();
        Ok(read.map(|(operator, attributes, bodies)| {
            self.nodes += 1;
            let kept = Kept {
                wide: inputs.iter().map(|_| OnceLock::new()).collect(),
                ..Kept::default()
            };
            Node {
                operator,
                name,
                place: self.nodes - 1,
                inputs,
                outputs,
                attributes,
                bodies,
                opset: version,
                kept,
            }
        }))
    }

    /// Attributes and bodies of a node. The outer error is that of a body which contradicts itself.
    #[allow(clippy::type_complexity)]
    fn parts(
        &mut self,
        node: NodeProto,
        operator: &'static Operator,
        opset: i64,
    ) -> Result<Result<(Attributes, Vec<Graph>), OpError>, OnnxError> {
        let own = format!("{} \"{}\"", operator.name, node::name(&node));
        if node
            .overload
            .as_ref()
            .is_some_and(|overload| !overload.is_empty())
        {
            return Ok(Err(OpError::Unsupported("an overload".into())));
        }
        let counts = node::count("input", operator.inputs, node.input.len())
            .and_then(|()| node::count("output", operator.outputs, node.output.len()));
        if let Err(problem) = counts {
            return Ok(Err(problem));
        }
        let (graphs, others): (Vec<_>, Vec<_>) =
            node.attribute.into_iter().partition(|attribute| {
                let name = attribute.name.as_deref().unwrap_or_default();
                operator.bodies.contains(&name)
            });
        let attributes = match Attributes::read(others, operator.attributes, opset, self.fetch) {
            Ok(attributes) => attributes,
            Err(problem) => return Ok(Err(problem)),
        };
        let mut bodies = Vec::with_capacity(operator.bodies.len());
        for &name in operator.bodies {
            let mut given = graphs
                .iter()
                .filter(|attribute| attribute.name.as_deref() == Some(name));
            let (Some(graph), None) = (given.next().and_then(|a| a.g.clone()), given.next()) else {
                let text = "is no graph, or is given twice";
                return Ok(Err(crate::error::problem(name, text)));
            };
            self.within.push(format!("{name} of {own}"));
            bodies.push(self.graph(*graph)?);
            self.within.pop();
        }
        Ok(Ok((attributes, bodies)))
    }
}

/// The error about a node that uses a value which no node before it makes.
fn unmade(node: String, value: &str, makers: &HashMap<String, String>) -> OnnxError {
    match makers.get(value) {
        Some(maker) => OnnxError::Unsorted {
            node,
            value: value.into(),
            maker: maker.clone(),
        },
        None => OnnxError::Malformed(format!(
            "node \"{node}\" uses \"{value}\", and nothing makes it"
        )),
    }
}

/// For every value, the node that makes it.
fn makers(nodes: &[NodeProto]) -> HashMap<String, String> {
    let all = nodes.iter().flat_map(|node| {
        let maker = node::name(node);
        node.output
            .iter()
            .map(move |value| (value.clone(), maker.to_string()))
    });
    all.collect()
}

fn names(infos: &[crate::proto::ValueInfoProto]) -> impl Iterator<Item = &str> {
    infos
        .iter()
        .map(|info| info.name.as_deref().unwrap_or_default())
}

fn check_unique(what: &str, infos: &[crate::proto::ValueInfoProto]) -> Result<(), OnnxError> {
    let mut seen = HashSet::new();
    match names(infos).find(|name| !seen.insert(*name)) {
        Some(name) => Err(OnnxError::Malformed(format!(
            "there are two {what}s \"{name}\""
        ))),
        None => Ok(()),
    }
}

/// Every value of a graph has one maker.
fn check_made_once(graph: &GraphProto) -> Result<(), OnnxError> {
    let mut known: HashSet<&str> = HashSet::new();
    for tensor in &graph.initializer {
        let name = tensor.name.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err(OnnxError::Malformed("an initializer has no name".into()));
        }
        if !known.insert(name) {
            let problem = format!("there are two initializers \"{name}\"");
            return Err(OnnxError::Malformed(problem));
        }
    }
    check_unique("input", &graph.input)?;
    known.extend(names(&graph.input));
    let made = graph.node.iter().flat_map(|node| &node.output);
    for name in made.filter(|name| !name.is_empty()) {
        if !known.insert(name) {
            let problem = format!("two nodes or constants make \"{name}\"");
            return Err(OnnxError::Malformed(problem));
        }
    }
    Ok(())
}

/// The nodes and values that the outputs of a graph need.
struct Live {
    nodes: Vec<bool>,
    names: HashSet<String>,
}

fn live(graph: &GraphProto) -> Live {
    let mut needed: HashSet<String> = names(&graph.output).map(String::from).collect();
    let mut nodes = vec![false; graph.node.len()];
    for (live, node) in nodes.iter_mut().zip(&graph.node).rev() {
        *live = node.output.iter().any(|name| needed.contains(name));
        if *live {
            mentioned(node, &mut needed);
        }
    }
    Live {
        nodes,
        names: needed,
    }
}

/// Every name that a node or one of its bodies uses.
fn mentioned(node: &NodeProto, all: &mut HashSet<String>) {
    all.extend(node.input.iter().cloned());
    let bodies = node.attribute.iter().filter_map(|a| a.g.as_ref());
    for body in bodies {
        all.extend(names(&body.output).map(String::from));
        body.node.iter().for_each(|node| mentioned(node, all));
    }
}

impl Graph {
    /// Every value that the nodes of this graph and their bodies use.
    pub fn used(&self, all: &mut HashSet<usize>) {
        all.extend(&self.outputs);
        for node in &self.nodes {
            all.extend(node.inputs.iter().flatten());
            node.bodies.iter().for_each(|body| body.used(all));
        }
    }

    fn find_spent(&self) -> Vec<Vec<usize>> {
        let mut needed: HashSet<usize> = self.outputs.iter().copied().collect();
        let mut lists = Vec::with_capacity(self.nodes.len());
        for node in self.nodes.iter().rev() {
            let mut used: HashSet<usize> = node.inputs.iter().flatten().copied().collect();
            node.bodies.iter().for_each(|body| body.used(&mut used));
            let mine = used.iter().chain(node.outputs.iter().flatten());
            let spent = mine.filter(|id| self.own.contains(id) && !needed.contains(id));
            let mut spent: Vec<usize> = spent.copied().collect();
            spent.sort_unstable();
            spent.dedup();
            lists.push(spent);
            needed.extend(used);
        }
        lists.reverse();
        lists
    }
}

/// The version of each set of operators. Tools that merge models list one once for each; the same version twice says
/// nothing new.
fn opsets(model: &ModelProto) -> Result<BTreeMap<String, i64>, OnnxError> {
    let mut all: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for set in &model.opset_import {
        let domain = match set.domain.as_deref() {
            None | Some("ai.onnx") => "",
            Some(domain) => domain,
        };
        let versions = all.entry(domain.into()).or_default();
        versions.insert(set.version.unwrap_or(0));
    }
    if !all.contains_key("") {
        return Err(OnnxError::Malformed(
            "it does not say which opset it uses".into(),
        ));
    }
    let one = |(domain, versions): (String, BTreeSet<i64>)| {
        let versions: Vec<i64> = versions.into_iter().collect();
        match versions[..] {
            [version] => Ok((domain, version)),
            _ => Err(OnnxError::Malformed(format!(
                "it imports several versions of one opset, {versions:?}"
            ))),
        }
    };
    all.into_iter().map(one).collect()
}
