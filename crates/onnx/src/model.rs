//! A model that was read, and a run of it: node by node, in the order of the file.

use crate::call::Call;
use crate::error::{OnnxError, OpError};
use crate::graph::Graph;
use crate::packed::Kept;
use crate::port::Port;
use refrain_data::array::{Array, MAX_BYTES};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::OnceLock;

/// A model, read and checked; any number of threads may run it at once.
///
/// The first run computes the nodes that depend on constants only, and brings the weights of recurrent nodes and
/// products into the order in which the kernels read them. All later runs use both.
pub struct Model {
    graph: Graph,
    limit: usize,
    constants: OnceLock<Constants>,
    /// For every node.
    kept: Vec<Kept>,
}

/// Results of nodes that are the same in every run.
struct Constants {
    values: HashMap<String, Array>,
    /// For every node, whether its results are among them.
    done: Vec<bool>,
}

/// A value, and whether it is the same in every run.
type Known<'a> = (&'a Array, bool);

impl Model {
    /// Reads a file's bytes. Every part of them is understood, or refused by name.
    ///
    /// # Errors
    /// Bytes that are no model, a model that contradicts itself, or an operator, attribute, type or opset that is not
    /// supported.
    pub fn read(bytes: &[u8]) -> Result<Self, OnnxError> {
        let graph = Graph::read(bytes)?;
        let kept = graph.nodes.iter().map(|_| Kept::default()).collect();
        Ok(Self {
            graph,
            limit: MAX_BYTES,
            constants: OnceLock::new(),
            kept,
        })
    }

    /// The same model with another limit, in bytes: for a tensor, for all tensors that a run holds at a time, and for
    /// the results that all runs share. It is 2 GiB otherwise.
    pub fn with_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self.constants = OnceLock::new();
        self
    }

    /// The inputs. An input with a value in the file may be left out of a run.
    pub fn inputs(&self) -> impl Iterator<Item = &Port> {
        self.graph.inputs.iter()
    }

    /// The outputs.
    pub fn outputs(&self) -> impl Iterator<Item = &Port> {
        self.graph.outputs.iter()
    }

    /// Whether the file has a value for an input that is not given.
    pub fn has_default(&self, input: &str) -> bool {
        self.graph.initializers.contains_key(input)
    }

    /// Runs the model: the outputs by name, in the model's order.
    ///
    /// # Errors
    /// Inputs that are missing, unknown or do not fit, or a node that cannot run on its inputs.
    pub fn run(&self, inputs: BTreeMap<String, Array>) -> Result<Vec<(String, Array)>, OnnxError> {
        self.check_inputs(&inputs)?;
        let constants = self.constants.get_or_init(|| self.fold());
        let mut values: HashMap<String, Array> = inputs.into_iter().collect();
        let mut held: usize = values.values().map(Array::bytes).sum();
        for (place, node) in self.graph.nodes.iter().enumerate() {
            if !constants.done[place] {
                let value = |name: &str| self.value(name, &values, &constants.values);
                let results = self.run_node(place, value).map_err(|e| node.error(e))?;
                for (name, value) in node.wanted(results) {
                    held = held.saturating_add(value.bytes());
                    if held > self.limit {
                        return Err(node.error(OpError::RunTooLarge { limit: self.limit }));
                    }
                    values.insert(name.clone(), value);
                }
            }
            for name in &self.graph.spent[place] {
                held -= values.remove(name).map_or(0, |value| value.bytes());
            }
        }
        let output = |port: &Port| match self.value(&port.name, &values, &constants.values) {
            Some((value, _)) if value.dtype() == port.dtype => {
                Ok((port.name.clone(), value.clone()))
            }
            Some((value, _)) => Err(OnnxError::Malformed(format!(
                "output \"{}\" is said to hold {} and holds {}",
                port.name,
                port.dtype,
                value.dtype()
            ))),
            None => Err(OnnxError::nothing_makes(&port.name)),
        };
        self.graph.outputs.iter().map(output).collect()
    }

    /// Runs the nodes that depend on constants only, within the limit. A node that fails is left to the run, which
    /// reports it.
    fn fold(&self) -> Constants {
        let graph = &self.graph;
        let open: HashSet<&str> = graph.inputs.iter().map(|port| port.name.as_str()).collect();
        let mut values: HashMap<String, Array> = HashMap::new();
        let mut done = vec![false; graph.nodes.len()];
        let mut left = self.limit;
        for (place, node) in graph.nodes.iter().enumerate() {
            let value = |name: &str| {
                let default = || {
                    graph
                        .initializers
                        .get(name)
                        .filter(|_| !open.contains(name))
                };
                Some((values.get(name).or_else(default)?, true))
            };
            let mut names = node.inputs.iter().filter(|name| !name.is_empty());
            if names.any(|name| value(name).is_none()) {
                continue;
            }
            let Ok(results) = self.run_node(place, value) else {
                continue;
            };
            let wanted: Vec<_> = node.wanted(results).collect();
            let bytes = wanted.iter().map(|(_, value)| value.bytes());
            let bytes = bytes.fold(0usize, usize::saturating_add);
            let Some(rest) = left.checked_sub(bytes) else {
                continue;
            };
            left = rest;
            done[place] = true;
            values.extend(
                wanted
                    .into_iter()
                    .map(|(name, value)| (name.clone(), value)),
            );
        }
        // The results that only such nodes need are not kept.
        let mut needed: HashSet<&str> = graph.outputs.iter().map(|p| p.name.as_str()).collect();
        let running = graph.nodes.iter().zip(&done).filter(|(_, done)| !**done);
        needed.extend(running.flat_map(|(node, _)| node.inputs.iter().map(String::as_str)));
        values.retain(|name, _| needed.contains(name.as_str()));
        Constants { values, done }
    }

    /// A value of a run, or a constant. An initializer that the run was given another value for does not count.
    fn value<'a>(
        &'a self,
        name: &str,
        values: &'a HashMap<String, Array>,
        constants: &'a HashMap<String, Array>,
    ) -> Option<Known<'a>> {
        let constant = || {
            constants
                .get(name)
                .or_else(|| self.graph.initializers.get(name))
        };
        match values.get(name) {
            Some(value) => Some((value, false)),
            None => Some((constant()?, true)),
        }
    }

    fn run_node<'a>(
        &'a self,
        place: usize,
        value: impl Fn(&str) -> Option<Known<'a>>,
    ) -> Result<Vec<Array>, OpError> {
        let node = &self.graph.nodes[place];
        let known: Vec<Option<Known>> = node.inputs.iter().map(|name| value(name)).collect();
        let call = Call {
            attributes: &node.attributes,
            inputs: known.iter().map(|known| Some(known.as_ref()?.0)).collect(),
            constant: known
                .iter()
                .map(|k| k.is_none_or(|(_, same)| same))
                .collect(),
            kept: &self.kept[place],
            outputs: node.outputs.len(),
            opset: self.graph.opset,
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

    fn check_inputs(&self, given: &BTreeMap<String, Array>) -> Result<(), OnnxError> {
        let inputs = &self.graph.inputs;
        let known: HashSet<&str> = inputs.iter().map(|port| port.name.as_str()).collect();
        let missing =
            |port: &&Port| !given.contains_key(&port.name) && !self.has_default(&port.name);
        let missing: Vec<_> = inputs.iter().filter(missing).map(Port::to_string).collect();
        if !missing.is_empty() {
            let given = given.keys().cloned().collect();
            return Err(OnnxError::MissingInput { missing, given });
        }
        let extra = given.keys().filter(|name| !known.contains(name.as_str()));
        let extra: Vec<_> = extra.cloned().collect();
        if !extra.is_empty() {
            let known = inputs.iter().map(Port::to_string).collect();
            return Err(OnnxError::ExtraInput { extra, known });
        }
        let mut bound = BTreeMap::new();
        let mut given = inputs
            .iter()
            .filter_map(|port| Some((port, given.get(&port.name)?)));
        given.try_for_each(|(port, value)| port.check(value, &mut bound))
    }
}
