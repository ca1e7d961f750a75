//! Operators with graphs inside: `If`, `Loop` and `Scan`.

use crate::call::wrong_dtype;
use crate::error::{OnnxError, OpError, problem};
use crate::graph::Graph;
use crate::node::Node;
use crate::port::{Dim, Port};
use crate::run::Run;
use crate::walk::{Walk, axis, strides};
use refrain_data::array::{Array, Data, Dtype, MAX_BYTES};
use refrain_data::each;

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    If,
    Loop,
    Scan,
}

pub(crate) fn run(run: &mut Run, node: &Node, kind: Control) -> Result<Vec<Array>, OnnxError> {
    match kind {
        Control::If => branch(run, node),
        Control::Loop => repeat(run, node),
        Control::Scan => scan(run, node),
    }
}

/// `If`: the first body if the condition holds, else the second.
fn branch(run: &mut Run, node: &Node) -> Result<Vec<Array>, OnnxError> {
    let condition = run.input(node, 0).ok_or(OpError::Missing("cond"));
    let condition = condition.and_then(|value| truth(value, "cond"));
    let condition = condition.map_err(|e| run.error(node, e))?;
    let body = &node.bodies[usize::from(!condition)];
    if body.outputs.len() < node.outputs.len() || !body.inputs.is_empty() {
        let text = format!(
            "a branch has {} inputs and {} outputs where none and {} are needed",
            body.inputs.len(),
            body.outputs.len(),
            node.outputs.len()
        );
        return Err(run.error(node, OpError::Other(text)));
    }
    run.graph(body)?;
    let results = outputs(run, node, body)?;
    run.clear(body);
    Ok(results)
}

/// All outputs of a body that has run.
fn outputs(run: &mut Run, node: &Node, body: &Graph) -> Result<Vec<Array>, OnnxError> {
    let mut all = Vec::with_capacity(body.outputs.len());
    for place in 0..body.outputs.len() {
        let missing = OpError::Other(format!("output {place} of its body has no value"));
        match run.output(body, place) {
            Some(value) => all.push(value),
            None => return Err(run.error(node, missing)),
        }
    }
    Ok(all)
}

fn truth(value: &Array, what: &'static str) -> Result<bool, OpError> {
    match value.data() {
        Data::Bool(v) if v.len() == 1 => Ok(v[0]),
        Data::Bool(_) => Err(OpError::Other(format!(
            "{what} has shape {:?} where one truth value is needed",
            value.shape()
        ))),
        _ => Err(wrong_dtype(what, "bool", value)),
    }
}

/// Checks the numbers of inputs and outputs of a body, and gives the number of outputs that are stacked: the body has
/// `before` values of its own before the carried ones in both directions.
fn stacked(
    run: &Run,
    node: &Node,
    [inputs, outputs]: [usize; 2],
    carried: usize,
) -> Result<usize, OnnxError> {
    let body = &node.bodies[0];
    let stacked = body.outputs.len().checked_sub(outputs);
    match stacked {
        Some(stacked) if body.inputs.len() == inputs && node.outputs.len() <= carried + stacked => {
            Ok(stacked)
        }
        _ => {
            let text = format!(
                "its body has {} inputs and {} outputs where {inputs} and {outputs} or more are needed, and the node \
                 has {} outputs",
                body.inputs.len(),
                body.outputs.len(),
                node.outputs.len()
            );
            Err(run.error(node, OpError::Other(text)))
        }
    }
}

/// `Loop`: at most M times, as long as the condition holds; values are carried from one iteration to the next, and
/// others stacked.
fn repeat(run: &mut Run, node: &Node) -> Result<Vec<Array>, OnnxError> {
    let carried = node.inputs.len().saturating_sub(2);
    let count = stacked(run, node, [2 + carried, 1 + carried], carried)?;
    let most = match run.input(node, 0).map(|m| (m.to_i64(), m)) {
        None => i64::MAX,
        Some((Some(m), _)) if m.len() == 1 => m[0],
        Some((_, m)) => return Err(run.error(node, wrong_dtype("M", "one int64", m))),
    };
    let condition = run.input(node, 1).map(|value| truth(value, "cond"));
    let condition = condition.transpose().map_err(|e| run.error(node, e))?;
    let mut goes_on = condition.unwrap_or(true);
    let mut state = states(run, node, 2..node.inputs.len())?;
    let mut stacks: Vec<Stack> = (0..count).map(|_| Stack::default()).collect();
    let mut step = 0i64;
    while goes_on && step < most {
        let numbered = Array::new(vec![], Data::I64(vec![step])).map_err(OpError::from);
        let again = Array::new(vec![], Data::Bool(vec![true])).map_err(OpError::from);
        let own = [numbered, again].into_iter().collect::<Result<Vec<_>, _>>();
        let values = own.map_err(|e| run.error(node, e))?;
        let mut results = iteration(run, node, values.into_iter().chain(state))?;
        let rest = results.split_off(1);
        goes_on =
            truth(&results[0], "the condition of the body").map_err(|e| run.error(node, e))?;
        state = keep(run, node, rest, carried, &mut stacks)?;
        step += 1;
    }
    finish(run, node, state, stacks, 1 + carried, |_| Ok(0))
}

/// `Scan`: one iteration for each slice of the inputs that are scanned.
fn scan(run: &mut Run, node: &Node) -> Result<Vec<Array>, OnnxError> {
    let body = &node.bodies[0];
    let scanned = scanned(node).map_err(|e| run.error(node, e))?;
    let carried = node.inputs.len() - scanned;
    let count = stacked(run, node, [node.inputs.len(), carried], carried)?;
    let plan = Scan::read(run, node, carried, count).map_err(|e| run.error(node, e))?;
    let mut state = states(run, node, 0..carried)?;
    let mut stacks: Vec<Stack> = (0..count).map(|_| Stack::default()).collect();
    for step in 0..plan.steps {
        let slice = |i: usize| plan.slice(run, node, carried + i, i, step);
        let slices: Result<Vec<_>, _> = (0..scanned).map(slice).collect();
        let slices = slices.map_err(|e| run.error(node, e))?;
        let results = iteration(run, node, state.into_iter().chain(slices))?;
        state = keep(run, node, results, carried, &mut stacks)?;
    }
    for (stack, &back) in stacks.iter_mut().zip(&plan.backwards_out) {
        if back {
            stack.parts.reverse();
        }
    }
    let axis_of = |i: usize| plan.axes_out.get(i).copied();
    debug_assert_eq!(body.outputs.len(), carried + count);
    finish(run, node, state, stacks, carried, |i| {
        Ok(axis_of(i).unwrap_or(0))
    })
}

/// The initial values of what is carried.
fn states(
    run: &mut Run,
    node: &Node,
    inputs: std::ops::Range<usize>,
) -> Result<Vec<Array>, OnnxError> {
    let mut all = Vec::with_capacity(inputs.len());
    for index in inputs {
        let missing = OpError::Missing("a carried value");
        match run.input(node, index) {
            Some(value) => all.push(value.clone()),
            None => return Err(run.error(node, missing)),
        }
    }
    Ok(all)
}

/// Runs the body once.
fn iteration(
    run: &mut Run,
    node: &Node,
    inputs: impl Iterator<Item = Array>,
) -> Result<Vec<Array>, OnnxError> {
    let body = &node.bodies[0];
    run.iterate().map_err(|e| run.error(node, e))?;
    for (&id, value) in body.inputs.iter().zip(inputs) {
        run.set(id, value).map_err(|e| run.error(node, e))?;
    }
    run.graph(body)?;
    let results = outputs(run, node, body)?;
    run.clear(body);
    Ok(results)
}

/// Puts the results behind the carried ones on their stacks.
fn keep(
    run: &mut Run,
    node: &Node,
    mut results: Vec<Array>,
    carried: usize,
    stacks: &mut [Stack],
) -> Result<Vec<Array>, OnnxError> {
    let parts = results.split_off(carried.min(results.len()));
    for (stack, part) in stacks.iter_mut().zip(parts) {
        let pushed = run.hold(part.bytes()).and_then(|()| stack.push(part));
        pushed.map_err(|e| run.error(node, e))?;
    }
    Ok(results)
}

/// The carried values, then the stacks.
fn finish(
    run: &mut Run,
    node: &Node,
    state: Vec<Array>,
    stacks: Vec<Stack>,
    first: usize,
    axis_of: impl Fn(usize) -> Result<i64, OpError>,
) -> Result<Vec<Array>, OnnxError> {
    let mut results = state;
    for (i, stack) in stacks.into_iter().enumerate() {
        let bytes = stack.bytes;
        let kind = node.bodies[0].kinds.get(first + i).and_then(Option::as_ref);
        let limit = run.model.limit;
        let array = axis_of(i).and_then(|axis| stack.array(kind, axis, limit));
        results.push(array.map_err(|e| run.error(node, e))?);
        run.release(bytes);
    }
    Ok(results)
}

/// Results of all iterations, to be stacked along a new axis.
#[derive(Default)]
struct Stack {
    parts: Vec<Array>,
    bytes: usize,
}

impl Stack {
    fn push(&mut self, part: Array) -> Result<(), OpError> {
        if let Some(first) = self.parts.first()
            && (first.shape() != part.shape() || first.dtype() != part.dtype())
        {
            return Err(OpError::Shapes {
                left: first.shape().to_vec(),
                right: part.shape().to_vec(),
                why: ", all iterations must give the same type and shape",
            });
        }
        self.bytes = self.bytes.saturating_add(part.bytes());
        self.parts.push(part);
        Ok(())
    }

    /// One array with the new axis at `along`. Where there was no iteration, the file must say the type; sizes that it
    /// does not say are 0.
    fn array(self, kind: Option<&Port>, along: i64, limit: usize) -> Result<Array, OpError> {
        let count = self.parts.len();
        let (dtype, inner) = match (self.parts.first(), kind) {
            (Some(first), _) => (first.dtype(), first.shape().to_vec()),
            (None, Some(port)) => (port.dtype, least_shape(port)),
            (None, None) => {
                let text = "it had no iteration, and the file does not say the type of its results";
                return Err(OpError::Other(text.into()));
            }
        };
        let along = axis(along, inner.len() + 1)?;
        let stacked = [&[count][..], &inner].concat();
        let elements = dtype.check(&stacked, limit)?;
        let data = joined(&self.parts, dtype, elements);
        let array = Array::new(stacked, data)?;
        if along == 0 {
            return Ok(array);
        }
        let own = strides(array.shape());
        let (mut shape, mut steps) = (inner, own[1..].to_vec());
        shape.insert(along, count);
        steps.insert(along, own[0]);
        let walk = Walk::new(&shape, steps, 0);
        Ok(array.taken(shape, walk)?)
    }
}

fn least_shape(port: &Port) -> Vec<usize> {
    let size = |dim: &Dim| match dim {
        Dim::Fixed(size) => *size,
        _ => 0,
    };
    port.shape.iter().flatten().map(size).collect()
}

/// The elements of all parts, which have one type.
fn joined(parts: &[Array], dtype: Dtype, elements: usize) -> Data {
    macro_rules! join {
        ($($kind:ident),+) => {
            match dtype {
                $(Dtype::$kind => {
                    let mut all = Vec::with_capacity(elements);
                    for part in parts {
                        if let Data::$kind(v) = part.data() {
                            all.extend_from_slice(v);
                        }
                    }
                    Data::$kind(all)
                })+
            }
        };
    }
    join!(F32, F64, F16, I64, I32, I16, I8, U64, U32, U16, U8, Bool)
}

/// How many of the inputs a `Scan` scans.
fn scanned(node: &Node) -> Result<usize, OpError> {
    let given = node.attributes.int("num_scan_inputs")?;
    let given = given.ok_or_else(|| problem("num_scan_inputs", "is missing"))?;
    match usize::try_from(given) {
        Ok(count) if (1..=node.inputs.len()).contains(&count) => Ok(count),
        _ => {
            let text = format!("is {given} where the node has {} inputs", node.inputs.len());
            Err(problem("num_scan_inputs", &text))
        }
    }
}

/// The options of a `Scan`.
struct Scan {
    steps: usize,
    axes: Vec<usize>,
    backwards: Vec<bool>,
    axes_out: Vec<i64>,
    backwards_out: Vec<bool>,
}

impl Scan {
    fn read(run: &Run, node: &Node, carried: usize, stacked: usize) -> Result<Self, OpError> {
        let scanned = node.inputs.len() - carried;
        let list = |name: &str, count: usize| match node.attributes.ints(name)? {
            None => Ok(vec![0; count]),
            Some(list) if list.len() == count => Ok(list.to_vec()),
            Some(list) => {
                let text = format!("has {} numbers where {count} are needed", list.len());
                Err(problem(name, &text))
            }
        };
        let mut axes = Vec::with_capacity(scanned);
        let mut steps = None;
        for (i, given) in list("scan_input_axes", scanned)?.into_iter().enumerate() {
            let missing = OpError::Missing("a scanned value");
            let value = run.input(node, carried + i).ok_or(missing)?;
            let along = axis(given, value.shape().len())?;
            let size = value.shape()[along];
            if *steps.get_or_insert(size) != size {
                let text =
                    format!("a scanned value has {size} slices where others have another number");
                return Err(OpError::Other(text));
            }
            axes.push(along);
        }
        let flags = |list: Vec<i64>| list.into_iter().map(|flag| flag != 0).collect();
        Ok(Self {
            steps: steps.unwrap_or(0),
            axes,
            backwards: flags(list("scan_input_directions", scanned)?),
            axes_out: list("scan_output_axes", stacked)?,
            backwards_out: flags(list("scan_output_directions", stacked)?),
        })
    }

    /// Slice `step` of an input, which is the `i`-th of the scanned ones.
    fn slice(
        &self,
        run: &Run,
        node: &Node,
        index: usize,
        i: usize,
        step: usize,
    ) -> Result<Array, OpError> {
        let missing = OpError::Missing("a scanned value");
        let value = run.input(node, index).ok_or(missing)?;
        let along = self.axes[i];
        let step = match self.backwards[i] {
            true => self.steps - 1 - step,
            false => step,
        };
        let mut shape = value.shape().to_vec();
        shape.remove(along);
        value.dtype().check(&shape, MAX_BYTES)?;
        let mut steps = strides(value.shape());
        let first = step * steps.remove(along) as usize;
        if along == 0 {
            let count: usize = shape.iter().product();
            let data = each!(value.data(), v => v[first..first + count].to_vec());
            return Ok(Array::new(shape, data)?);
        }
        let walk = Walk::new(&shape, steps, first);
        Ok(value.taken(shape.clone(), walk)?)
    }
}
