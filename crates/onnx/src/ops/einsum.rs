//! `Einsum`: sums of products over the letters that the result lacks.

use super::Results;
use crate::call::Call;
use crate::error::{OpError, problem};
use crate::walk::{Walk, strides};
use refrain_data::array::{Array, Dtype};
use std::collections::BTreeMap;

/// Stands for `...` in an equation. The axes of it get the characters behind, from the last axis on.
const REST: char = '\u{E000}';

/// The letters of the operands and of the result.
struct Equation {
    operands: Vec<Vec<char>>,
    result: Vec<char>,
}

impl Equation {
    fn read(text: &str) -> Result<Self, OpError> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let text = text.replace("...", &REST.to_string());
        let (left, right) = match text.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (&text[..], None),
        };
        let operands: Vec<Vec<char>> = left.split(',').map(|part| part.chars().collect()).collect();
        let all = operands.iter().flatten().copied();
        let result: Vec<char> = match right {
            Some(right) => right.chars().collect(),
            None => {
                // In alphabetical order, the letters that stand once.
                let mut counts = BTreeMap::new();
                all.for_each(|c| *counts.entry(c).or_insert(0) += 1);
                let rest = counts.remove(&REST).map(|_| REST);
                let once = counts.into_iter().filter(|(_, count)| *count == 1);
                rest.into_iter()
                    .chain(once.map(|(letter, _)| letter))
                    .collect()
            }
        };
        let bad = |c: &char| !c.is_ascii_alphabetic() && *c != REST;
        if operands.iter().flatten().any(bad) || result.iter().any(bad) {
            let text = format!("is \"{text}\", which has more than letters and `...`");
            return Err(problem("equation", &text));
        }
        let unknown = |c: &char| !operands.iter().any(|operand| operand.contains(c));
        let twice = (0..result.len()).any(|i| result[..i].contains(&result[i]));
        if result.iter().any(unknown) || twice {
            let text = format!("is \"{text}\": the result has a letter twice, or one of its own");
            return Err(problem("equation", &text));
        }
        Ok(Self { operands, result })
    }

    /// The same with a character for every axis that `...` stands for, in tensors of these ranks.
    fn expanded(self, ranks: &[usize]) -> Result<Self, OpError> {
        let rest_of =
            |letters: &[char], rank: usize| match letters.iter().filter(|c| **c == REST).count() {
                0 => Some(0),
                1 => (rank + 1).checked_sub(letters.len()),
                _ => None,
            };
        let rests: Option<Vec<usize>> = self
            .operands
            .iter()
            .zip(ranks)
            .map(|(letters, &rank)| rest_of(letters, rank))
            .collect();
        let wrong = || {
            problem(
                "equation",
                "has more letters than an input has axes, or `...` twice",
            )
        };
        let rests = rests.ok_or_else(wrong)?;
        let axes = |count: usize| {
            let axis = move |d: usize| u32::from(REST) + (count - d) as u32;
            (0..count).filter_map(move |d| char::from_u32(axis(d)))
        };
        let expand = |letters: &[char], count: usize| -> Vec<char> {
            let one = |&c: &char| {
                if c == REST {
                    axes(count).collect()
                } else {
                    vec![c]
                }
            };
            letters.iter().flat_map(one).collect()
        };
        let most = rests.iter().copied().max().unwrap_or(0);
        let pairs = self.operands.iter().zip(&rests);
        Ok(Self {
            operands: pairs
                .map(|(letters, &count)| expand(letters, count))
                .collect(),
            result: expand(&self.result, most),
        })
    }
}

pub(super) fn einsum(call: &Call) -> Results {
    let text = call.attributes.text("equation")?;
    let equation = Equation::read(text.ok_or_else(|| problem("equation", "is missing"))?)?;
    if equation.operands.len() != call.inputs.len() {
        let text = format!(
            "has {} operands where the node has {} inputs",
            equation.operands.len(),
            call.inputs.len()
        );
        return Err(problem("equation", &text));
    }
    let ranks: Result<Vec<usize>, OpError> = (0..call.inputs.len())
        .map(|index| Ok(call.input(index, "an input")?.shape().len()))
        .collect();
    let equation = equation.expanded(&ranks?)?;
    let mut inputs = Vec::with_capacity(call.inputs.len());
    let mut sizes: BTreeMap<char, usize> = BTreeMap::new();
    for (index, letters) in equation.operands.iter().enumerate() {
        let (shape, x) = call.floats(index, "an input")?;
        if shape.len() != letters.len() {
            return Err(OpError::Other(format!(
                "input {index} has shape {shape:?} for {} letters",
                letters.len()
            )));
        }
        for (&letter, &size) in letters.iter().zip(shape) {
            let known = sizes.entry(letter).or_insert(size);
            // The axes of `...` broadcast.
            if letter > REST && *known == 1 {
                *known = size;
            }
            let known = *known;
            if known != size && !(letter > REST && size == 1) {
                return Err(OpError::Other(format!(
                    "letter {letter} stands for sizes {known} and {size}"
                )));
            }
        }
        inputs.push((letters, shape, x));
    }
    let summed = sizes.keys().filter(|c| !equation.result.contains(c));
    let order: Vec<char> = equation.result.iter().chain(summed).copied().collect();
    let whole: Vec<usize> = order.iter().map(|c| sizes[c]).collect();
    let shape = whole[..equation.result.len()].to_vec();
    let count = call.check(Dtype::F32, &shape)?;
    // Every product is computed once.
    let products = call.check(Dtype::Bool, &whole)?;
    let mut walks: Vec<Walk> = Vec::with_capacity(inputs.len());
    for (letters, shape, _) in &inputs {
        let own = strides(shape);
        let step = |c: &char| -> isize {
            let all = letters.iter().zip(&own).zip(*shape);
            let same = all.filter(|((letter, _), size)| *letter == c && (sizes[c] == **size));
            same.map(|((_, step), _)| step).sum()
        };
        walks.push(Walk::new(&whole, order.iter().map(step).collect(), 0));
    }
    let terms = products.checked_div(count).unwrap_or(0);
    let mut y = Vec::with_capacity(count);
    for _ in 0..count {
        let mut sum = 0.0f64;
        for _ in 0..terms {
            let mut term = 1.0f64;
            for (walk, (.., x)) in walks.iter_mut().zip(&inputs) {
                term *= walk.next().map_or(0.0, |at| f64::from(x[at]));
            }
            sum += term;
        }
        y.push(sum as f32);
    }
    Ok(vec![Array::floats(shape, y)?])
}
