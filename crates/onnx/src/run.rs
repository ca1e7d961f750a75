//! One run of a model: its values, and the nodes that change them.

use crate::call::Call;
use crate::control;
use crate::error::{OnnxError, OpError};
use crate::graph::Graph;
use crate::model::Model;
use crate::node::Node;
use crate::ops::{Plain, Run as Way};
use refrain_data::array::{Array, Dtype};

/// Results of nodes that are the same in every run.
pub(crate) struct Constants {
    /// For every value.
    pub values: Vec<Option<Array>>,
    /// For every node, whether its results are among them.
    pub done: Vec<bool>,
}

/// A value, and whether it is the same in every run.
pub(crate) type Known<'a> = (&'a Array, bool);

/// A run at work.
pub(crate) struct Run<'a> {
    pub model: &'a Model,
    constants: &'a Constants,
    values: Vec<Option<Array>>,
    /// Bytes of the values.
    held: usize,
    /// Iterations of loops so far.
    iterations: u64,
}

impl<'a> Run<'a> {
    pub fn new(model: &'a Model, constants: &'a Constants) -> Self {
        Self {
            model,
            constants,
            values: vec![None; model.program.constants.len()],
            held: 0,
            iterations: 0,
        }
    }

    /// An input of the model, which its owner has paid for.
    pub fn set_input(&mut self, id: usize, value: Array) {
        self.held = self.held.saturating_add(value.bytes());
        self.values[id] = Some(value);
    }

    /// A value, unless the run holds too much with it.
    pub fn set(&mut self, id: usize, value: Array) -> Result<(), OpError> {
        self.take(id);
        self.hold(value.bytes())?;
        self.values[id] = Some(value);
        Ok(())
    }

    /// Notes bytes that a node holds beside the values.
    pub fn hold(&mut self, bytes: usize) -> Result<(), OpError> {
        let limit = self.model.limit;
        self.held = self.held.saturating_add(bytes);
        match self.held > limit {
            true => Err(OpError::RunTooLarge { limit }),
            false => Ok(()),
        }
    }

    /// The bytes of [`Self::hold`] are free again.
    pub fn release(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(bytes);
    }

    fn take(&mut self, id: usize) -> Option<Array> {
        let value = self.values[id].take()?;
        self.release(value.bytes());
        Some(value)
    }

    /// A value of the run, or a constant. An initializer that the run was given another value for does not count.
    pub fn value(&self, id: usize) -> Option<Known<'_>> {
        let constants = || self.constants.values[id].as_ref();
        let constant = || constants().or(self.model.program.constants[id].as_ref());
        match &self.values[id] {
            Some(value) => Some((value, false)),
            None => Some((constant()?, true)),
        }
    }

    /// An input of a node.
    pub fn input(&self, node: &Node, index: usize) -> Option<&Array> {
        let id = (*node.inputs.get(index)?)?;
        Some(self.value(id)?.0)
    }

    /// Output `place` of a graph that has run. A value of its own is handed over when it is needed for the last time.
    pub fn output(&mut self, graph: &Graph, place: usize) -> Option<Array> {
        let id = *graph.outputs.get(place)?;
        let again = graph.outputs[place + 1..].contains(&id);
        match graph.own.contains(&id) && !again && self.values[id].is_some() {
            true => self.take(id),
            false => Some(self.value(id)?.0.clone()),
        }
    }

    /// Forgets all values of a graph.
    pub fn clear(&mut self, graph: &Graph) {
        for id in graph.own.clone() {
            self.take(id);
        }
    }

    /// Counts an iteration of a loop.
    pub fn iterate(&mut self) -> Result<(), OpError> {
        let limit = self.model.iterations;
        self.iterations += 1;
        match self.iterations > limit {
            true => Err(OpError::TooManyIterations { limit }),
            false => Ok(()),
        }
    }

    /// Runs the nodes of a graph whose inputs are set.
    pub fn graph(&mut self, graph: &Graph) -> Result<(), OnnxError> {
        for (place, node) in graph.nodes.iter().enumerate() {
            if !self.constants.done[node.place] {
                self.node(node)?;
            }
            for &id in &graph.spent[place] {
                self.take(id);
            }
        }
        Ok(())
    }

    fn node(&mut self, node: &Node) -> Result<(), OnnxError> {
        let results = match node.operator.run {
            Way::Plain(run) => {
                let value = |id: usize| self.value(id);
                call(self.model, node, run, value).map_err(|e| self.error(node, e))?
            }
            Way::Control(kind) => control::run(self, node, kind)?,
        };
        for (id, value) in node.wanted(results) {
            self.set(id, value).map_err(|e| self.error(node, e))?;
        }
        Ok(())
    }

    /// The error of a node with its inputs.
    pub fn error(&self, node: &Node, problem: OpError) -> OnnxError {
        let text = |id: &Option<usize>| match id.and_then(|id| self.value(id)) {
            Some((value, _)) => format!("{} {:?}", value.dtype(), value.shape()),
            None => "left out".into(),
        };
        node.error(problem, node.inputs.iter().map(text).collect())
    }
}

/// Runs a node; `value` gives the inputs. Floats of other widths go through float32 where the operator says so.
pub(crate) fn call<'v>(
    model: &Model,
    node: &'v Node,
    run: Plain,
    value: impl Fn(usize) -> Option<Known<'v>>,
) -> Result<Vec<Array>, OpError> {
    let known: Vec<Option<Known>> = node.inputs.iter().map(|id| id.and_then(&value)).collect();
    let floats = known.iter().flatten().map(|(value, _)| value.dtype());
    let narrow = node.operator.types.widened(floats);
    let wide: Vec<Option<Array>> = match narrow {
        None => Vec::new(),
        Some(narrow) => {
            let widened = |known: &Option<Known>| match known {
                Some((value, false)) if value.dtype() == narrow => {
                    crate::cast::to(value, Dtype::F32, model.limit).map(Some)
                }
                _ => Ok(None),
            };
            known.iter().map(widened).collect::<Result<_, _>>()?
        }
    };
    let mut inputs = Vec::with_capacity(known.len());
    for (index, known) in known.iter().enumerate() {
        inputs.push(match known {
            None => None,
            Some((value, true)) if Some(value.dtype()) == narrow => {
                Some(node.wide(index, value, model.limit)?)
            }
            Some((value, _)) => Some(wide.get(index).and_then(Option::as_ref).unwrap_or(value)),
        });
    }
    let call = Call {
        attributes: &node.attributes,
        inputs,
        constant: known
            .iter()
            .map(|k| k.is_none_or(|(_, same)| same))
            .collect(),
        kept: &node.kept,
        outputs: node.outputs.len(),
        opset: node.opset,
        limit: model.limit,
    };
    let mut results = run(&call)?;
    if results.len() < call.outputs {
        return Err(OpError::Count {
            what: "output",
            least: 1,
            most: results.len(),
            got: call.outputs,
        });
    }
    if let Some(narrow) = narrow {
        for result in results.iter_mut().filter(|r| r.dtype() == Dtype::F32) {
            *result = crate::cast::to(result, narrow, model.limit)?;
        }
    }
    Ok(results)
}

impl Node {
    /// A constant input as float32, made once for all runs.
    fn wide(&self, index: usize, value: &Array, limit: usize) -> Result<&Array, OpError> {
        let place = &self.kept.wide[index];
        if let Some(wide) = place.get() {
            return Ok(wide);
        }
        let wide = crate::cast::to(value, Dtype::F32, limit)?;
        Ok(place.get_or_init(|| wide))
    }
}
