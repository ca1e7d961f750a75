//! A model that was read, and a run of it: node by node, in the order of the file.

use crate::error::{OnnxError, OpError};
use crate::external::{self, External};
use crate::graph::{Finding, Graph, Program};
use crate::ops::Run as Way;
use crate::port::Port;
use crate::run::{Constants, Run};
use refrain_data::array::{Array, Data, Dtype, MAX_BYTES, f16};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::OnceLock;

/// Most iterations of all loops of a run.
const MAX_ITERATIONS: u64 = 1 << 28;

/// A model, read and checked; any number of threads may run it at once.
///
/// The first run computes the nodes that depend on constants only, and brings the weights of recurrent nodes and
/// products into the order in which the kernels read them. All later runs use both.
pub struct Model {
    pub(crate) program: Program,
    pub(crate) limit: usize,
    pub(crate) iterations: u64,
    constants: OnceLock<Constants>,
}

impl Model {
    /// Reads a file's bytes. Every part of them that the outputs need is understood, or refused by name. A constant in
    /// another file is refused; [`Self::open`] and [`Self::read_with`] read those.
    ///
    /// # Errors
    /// Bytes that are no model, a model that contradicts itself, or an operator, attribute, type or opset that is not
    /// supported.
    pub fn read(bytes: &[u8]) -> Result<Self, OnnxError> {
        Self::read_with(bytes, external::nowhere)
    }

    /// [`Self::read`] with a function that gives the numbers of constants which lie in other files, or says why not.
    ///
    /// # Errors
    /// The errors of [`Self::read`].
    pub fn read_with(
        bytes: &[u8],
        fetch: impl Fn(&External) -> Result<Vec<u8>, String>,
    ) -> Result<Self, OnnxError> {
        Ok(Self {
            program: Program::read(bytes, &fetch)?,
            limit: MAX_BYTES,
            iterations: MAX_ITERATIONS,
            constants: OnceLock::new(),
        })
    }

    /// Reads a file, and the constants that lie in files beside it; never one outside of its folder.
    ///
    /// # Errors
    /// A file that cannot be read, or the errors of [`Self::read`].
    pub fn open(path: &Path) -> Result<Self, OnnxError> {
        let bytes = file(path)?;
        Self::read_with(&bytes, |place| external::in_folder(folder(path), place))
    }

    /// All that stands in the way of running a file, each with its place; nothing if [`Self::read`] takes it.
    ///
    /// # Errors
    /// Bytes that are no model, or a model that contradicts itself.
    pub fn check(bytes: &[u8]) -> Result<Vec<Finding>, OnnxError> {
        Program::check(bytes, &external::nowhere)
    }

    /// [`Self::check`] of a file, with the constants in files beside it.
    ///
    /// # Errors
    /// A file that cannot be read, or the errors of [`Self::check`].
    pub fn check_file(path: &Path) -> Result<Vec<Finding>, OnnxError> {
        let bytes = file(path)?;
        Program::check(&bytes, &|place: &External| {
            external::in_folder(folder(path), place)
        })
    }

    /// The same model with another limit, in bytes: for a tensor, for all tensors that a run holds at a time, and for
    /// the results that all runs share. It is 2 GiB otherwise.
    pub fn with_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self.constants = OnceLock::new();
        self
    }

    /// The same model with another limit for the iterations of all loops of a run. It is 2²⁸ otherwise.
    pub fn with_iterations(mut self, iterations: u64) -> Self {
        self.iterations = iterations;
        self
    }

    /// The inputs. An input with a value in the file may be left out of a run.
    pub fn inputs(&self) -> impl Iterator<Item = &Port> {
        self.program.inputs.iter()
    }

    /// The outputs.
    pub fn outputs(&self) -> impl Iterator<Item = &Port> {
        self.program.outputs.iter()
    }

    /// Whether the file has a value for an input that is not given.
    pub fn has_default(&self, input: &str) -> bool {
        let place = self.program.inputs.iter().position(|p| p.name == input);
        let id = place.and_then(|place| self.program.graph.inputs.get(place));
        id.is_some_and(|&id| self.program.constants[id].is_some())
    }

    /// Runs the model: the outputs by name, in the model's order. A float16 input may be given as float32, which is
    /// rounded.
    ///
    /// # Errors
    /// Inputs that are missing, unknown or do not fit, or a node that cannot run on its inputs.
    pub fn run(
        &self,
        mut inputs: BTreeMap<String, Array>,
    ) -> Result<Vec<(String, Array)>, OnnxError> {
        for port in self
            .program
            .inputs
            .iter()
            .filter(|port| port.dtype == Dtype::F16)
        {
            if let Some(value) = inputs.get_mut(&port.name) {
                *value = narrowed(value)?;
            }
        }
        self.check_inputs(&inputs)?;
        let constants = self.constants.get_or_init(|| self.fold());
        let graph = &self.program.graph;
        let mut run = Run::new(self, constants);
        for (port, &id) in self.program.inputs.iter().zip(&graph.inputs) {
            if let Some(value) = inputs.remove(&port.name) {
                run.set_input(id, value);
            }
        }
        run.graph(graph)?;
        let mut outputs = Vec::with_capacity(graph.outputs.len());
        for (place, port) in self.program.outputs.iter().enumerate() {
            let value = run.output(graph, place);
            let value = value.ok_or_else(|| OnnxError::nothing_makes(&port.name))?;
            if value.dtype() != port.dtype {
                return Err(OnnxError::Malformed(format!(
                    "output \"{}\" is said to hold {} and holds {}",
                    port.name,
                    port.dtype,
                    value.dtype()
                )));
            }
            outputs.push((port.name.clone(), value));
        }
        Ok(outputs)
    }

    /// Runs the nodes that depend on constants only, within the limit. A node that fails is left to the run, which
    /// reports it.
    fn fold(&self) -> Constants {
        let program = &self.program;
        let mut done = vec![false; program.nodes];
        let mut values = vec![None; program.constants.len()];
        let mut left = self.limit;
        let open: HashSet<usize> = program.graph.inputs.iter().copied().collect();
        self.fold_graph(&program.graph, &open, &mut values, &mut done, &mut left);
        // The results that only such nodes need are not kept.
        let mut needed = HashSet::new();
        needed_by(&program.graph, &done, &mut needed);
        for (id, value) in values.iter_mut().enumerate() {
            if !needed.contains(&id) {
                *value = None;
            }
        }
        Constants { values, done }
    }

    fn fold_graph(
        &self,
        graph: &Graph,
        open: &HashSet<usize>,
        values: &mut Vec<Option<Array>>,
        done: &mut [bool],
        left: &mut usize,
    ) {
        for node in &graph.nodes {
            let results = {
                let value = |id: usize| {
                    let given = || self.program.constants[id].as_ref();
                    let given = || given().filter(|_| !open.contains(&id));
                    Some((values[id].as_ref().or_else(given)?, true))
                };
                let known = node.inputs.iter().flatten().all(|&id| value(id).is_some());
                match (&node.operator.run, known) {
                    (Way::Plain(run), true) => crate::run::call(self, node, *run, value).ok(),
                    _ => None,
                }
            };
            for body in &node.bodies {
                self.fold_graph(body, open, values, done, left);
            }
            let Some(results) = results else {
                continue;
            };
            let wanted: Vec<_> = node.wanted(results).collect();
            let bytes = wanted.iter().map(|(_, value)| value.bytes());
            let bytes = bytes.fold(0usize, usize::saturating_add);
            if let Some(rest) = left.checked_sub(bytes) {
                *left = rest;
                done[node.place] = true;
                for (id, value) in wanted {
                    values[id] = Some(value);
                }
            }
        }
    }

    fn check_inputs(&self, given: &BTreeMap<String, Array>) -> Result<(), OnnxError> {
        let inputs = &self.program.inputs;
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

/// The values that the nodes which are not done need.
fn needed_by(graph: &Graph, done: &[bool], all: &mut HashSet<usize>) {
    all.extend(&graph.outputs);
    for node in graph.nodes.iter().filter(|node| !done[node.place]) {
        all.extend(node.inputs.iter().flatten());
        for body in &node.bodies {
            needed_by(body, done, all);
        }
    }
}

/// Floats rounded to halves; anything else as it is.
fn narrowed(value: &Array) -> Result<Array, OnnxError> {
    match value.as_f32() {
        None => Ok(value.clone()),
        Some(x) => {
            let halves = Data::F16(x.iter().map(|&x| f16::from_f32(x)).collect());
            let failed = |error| OnnxError::Tensor {
                name: "input".into(),
                problem: Box::new(OpError::from(error)),
            };
            Array::new(value.shape().to_vec(), halves).map_err(failed)
        }
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn file(path: &Path) -> Result<Vec<u8>, OnnxError> {
    std::fs::read(path).map_err(|error| OnnxError::File {
        path: path.into(),
        error,
    })
}
