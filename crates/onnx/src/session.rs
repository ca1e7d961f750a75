//! One user of a model: runs one after the other, with state carried from each to the next.

use crate::error::OnnxError;
use crate::model::Model;
use crate::port::Port;
use refrain_data::array::Array;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One user of a model. The model is shared, the state is the session's own.
///
/// A session without carried outputs is a plain run. Results are bit for bit those of [`Model::run`] with the same
/// inputs.
#[derive(Clone)]
pub struct Session {
    model: Arc<Model>,
    /// The input that takes an output's value in the next run, by output.
    carried: BTreeMap<String, String>,
    /// By input.
    state: BTreeMap<String, Array>,
}

impl Session {
    /// A session without state.
    pub fn new(model: Arc<Model>) -> Self {
        Self {
            model,
            carried: BTreeMap::new(),
            state: BTreeMap::new(),
        }
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// From the next run on, `input` takes the value that `output` had in the run before, unless a run is given another
    /// one.
    ///
    /// # Errors
    /// Names that the model does not have, two outputs for one input, or an output of another type than the input.
    pub fn carry(&mut self, output: &str, input: &str) -> Result<(), OnnxError> {
        let from = find("output", self.model.outputs(), output)?;
        let to = find("input", self.model.inputs(), input)?;
        let refused = |problem| OnnxError::Carry {
            output: output.into(),
            input: input.into(),
            problem,
        };
        if from.dtype != to.dtype {
            let problem = format!("their types are {} and {}", from.dtype, to.dtype);
            return Err(refused(problem));
        }
        let other = |(own, taken): (&String, &String)| own != output && taken == input;
        if self.carried.iter().any(other) {
            return Err(refused("another output is carried there".into()));
        }
        self.carried.insert(output.into(), input.into());
        Ok(())
    }

    /// Runs the model on these inputs and the carried ones: the outputs by name, in the model's order. The state is
    /// unchanged if it fails.
    ///
    /// # Errors
    /// The errors of [`Model::run`].
    pub fn run(
        &mut self,
        inputs: BTreeMap<String, Array>,
    ) -> Result<Vec<(String, Array)>, OnnxError> {
        let mut all = self.state.clone();
        all.extend(inputs);
        let outputs = self.model.run(all)?;
        for (name, value) in &outputs {
            if let Some(input) = self.carried.get(name) {
                self.state.insert(input.clone(), value.clone());
            }
        }
        Ok(outputs)
    }

    /// The carried values, by the input that takes them: plain data that can be stored and set again.
    pub fn state(&self) -> &BTreeMap<String, Array> {
        &self.state
    }

    /// Sets the carried values; with an empty map the session begins anew. A run checks types and shapes.
    ///
    /// # Errors
    /// An input that the model does not have.
    pub fn set_state(&mut self, state: BTreeMap<String, Array>) -> Result<(), OnnxError> {
        for name in state.keys() {
            find("input", self.model.inputs(), name)?;
        }
        self.state = state;
        Ok(())
    }
}

fn find<'a>(
    kind: &'static str,
    mut ports: impl Iterator<Item = &'a Port>,
    name: &str,
) -> Result<&'a Port, OnnxError> {
    let unknown = || OnnxError::UnknownPort {
        kind,
        name: name.into(),
    };
    ports.find(|port| port.name == name).ok_or_else(unknown)
}
