//! `com.microsoft.DynamicQuantizeLSTM`: weights of 8 bits, and inputs and states quantised as they come.
//!
//! As in ONNX Runtime, the inputs of all steps are quantised together, and the states of all sequences of a step.

use super::layer::{self, Kind, Layer};
use crate::activation::Activation;
use crate::call::Call;
use crate::error::OpError;
use crate::quantised::{bytes, product, quantised, range, zeros};
use refrain_data::array::{Array, Dtype};
use refrain_kernels::{Direction, Outputs};
use std::borrow::Cow;

/// A matrix `[K,4·H]` of bytes with its scales and zero points.
struct Weights {
    values: Vec<i32>,
    inner: usize,
    columns: usize,
    scales: Vec<f32>,
    zeros: Vec<i32>,
}

impl Weights {
    /// The matrices of all directions, of shape `[D,K,4·H]`.
    fn read(
        call: &Call,
        (weights, what): (usize, &'static str),
        (scale, zero): (usize, usize),
        [directions, inner, columns]: [usize; 3],
    ) -> Result<Vec<Self>, OpError> {
        let value = call.input(weights, what)?;
        if value.shape() != [directions, inner, columns] {
            return Err(OpError::Shape {
                what,
                expected: vec![directions, inner, columns],
                got: value.shape().to_vec(),
            });
        }
        let all = bytes(value, what)?;
        let (_, scales) = call.floats(scale, "a scale")?;
        let zeros = zeros(call, zero, "a zero point", value.dtype())?;
        let zeros = if zeros.len() == 1 {
            zeros.repeat(scales.len().max(1))
        } else {
            zeros
        };
        let each = scales.len().checked_div(directions).unwrap_or(0);
        let fits = each * directions == scales.len() && [1, columns].contains(&each);
        if !fits || zeros.len() != scales.len() {
            return Err(OpError::Other(format!(
                "{} scales and {} zero points are not one for each direction or for each of {columns} columns",
                scales.len(),
                zeros.len()
            )));
        }
        let size = inner * columns;
        let one = |d: usize| Self {
            values: all[d * size..(d + 1) * size].to_vec(),
            inner,
            columns,
            scales: scales[d * each..(d + 1) * each].to_vec(),
            zeros: zeros[d * each..(d + 1) * each].to_vec(),
        };
        Ok((0..directions).map(one).collect())
    }

    /// x `[rows,K]`, quantised by its own range, times the matrix.
    fn times(&self, x: &[f32], rows: usize) -> Vec<f32> {
        let (scale, zero) = range(x);
        let x: Vec<i32> = quantised(x, scale, zero)
            .iter()
            .map(|&x| x.into())
            .collect();
        let sizes = [rows, self.inner, self.columns];
        let sums = product((&x, &[zero.into()]), (&self.values, &self.zeros), sizes);
        let factor =
            |column: usize| scale * self.scales[if self.scales.len() == 1 { 0 } else { column }];
        let one = |(at, &sum): (usize, &i32)| sum as f32 * factor(at % self.columns);
        sums.iter().enumerate().map(one).collect()
    }
}

pub(super) fn run(call: &Call) -> Result<Vec<Array>, OpError> {
    let directions = layer::directions(call)?;
    let (shape, x) = call.floats(0, "X")?;
    let (&[time, batch, input], &[_, hidden, _]) = (shape, call.input(2, "R")?.shape()) else {
        return Err(OpError::Other(format!(
            "X has shape {shape:?} where [T,B,C] is needed, and R has [D,H,4·H]"
        )));
    };
    let d = directions.len();
    call.check(Dtype::F32, &[time.max(1), d, batch, hidden, 4])?;
    let columns = 4 * hidden;
    let w = Weights::read(call, (1, "W"), (8, 9), [d, input, columns])?;
    let r = Weights::read(call, (2, "R"), (10, 11), [d, hidden, columns])?;
    let optional = |index: usize, what: &'static str, shape: &[usize]| match call.optional(index) {
        Some(value) => layer::exactly(value, what, shape).map(Some),
        None => Ok(None),
    };
    let states = [d, batch, hidden];
    let layer = Layer {
        kind: Kind::Lstm,
        directions,
        batch,
        time,
        input,
        hidden,
        lengths: layer::lengths(call, batch, time)?,
        x: Cow::Borrowed(x),
        w: &[],
        r: &[],
        bias: optional(3, "B", &[d, 2 * columns])?,
        h0: optional(5, "initial_h", &states)?.map(Cow::Borrowed),
        c0: optional(6, "initial_c", &states)?.map(Cow::Borrowed),
        peepholes: optional(7, "P", &[d, 3 * hidden])?,
        functions: layer::functions(Kind::Lstm, call, d)?,
        clip: layer::clip(call)?,
        coupled: call.attributes.switch("input_forget", false)?,
        linear_before_reset: false,
    };
    let mut out = Outputs {
        y: vec![0.0; batch * time * d * hidden],
        h_n: vec![0.0; d * batch * hidden],
        c_n: vec![0.0; d * batch * hidden],
    };
    for (index, (w, r)) in w.iter().zip(&r).enumerate() {
        direction(&layer, index, w, r, &mut out);
    }
    layer.results(out, false)
}

/// All steps of one direction.
fn direction(layer: &Layer, d: usize, w: &Weights, r: &Weights, out: &mut Outputs) {
    let (n, batch) = (layer.hidden, layer.batch);
    let own = d * batch * n..(d + 1) * batch * n;
    let initial = |state: &Option<Cow<[f32]>>| match state {
        Some(state) => state[own.clone()].to_vec(),
        None => vec![0.0; batch * n],
    };
    let (mut h, mut c) = (initial(&layer.h0), initial(&layer.c0));
    // [T,B,4·H]
    let of_x = w.times(&layer.x, layer.time * batch);
    let functions = &layer.functions[3 * d..3 * d + 3];
    for step in 0..layer.time {
        let of_h = r.times(&h, batch);
        for b in (0..batch).filter(|&b| step < layer.length(b)) {
            let t = match layer.directions[d] {
                Direction::Forward => step,
                Direction::Reverse => layer.length(b) - 1 - step,
            };
            let gates = Gates {
                layer,
                d,
                functions,
                x: &of_x[(t * batch + b) * 4 * n..][..4 * n],
                h: &of_h[b * 4 * n..][..4 * n],
            };
            gates.step(&mut h[b * n..(b + 1) * n], &mut c[b * n..(b + 1) * n]);
            let at = ((b * layer.time + t) * layer.directions.len() + d) * n;
            out.y[at..at + n].copy_from_slice(&h[b * n..(b + 1) * n]);
        }
    }
    out.h_n[own.clone()].copy_from_slice(&h);
    out.c_n[own].copy_from_slice(&c);
}

/// The sums of one step of one sequence, gates in ONNX's order i, o, f, c.
struct Gates<'a> {
    layer: &'a Layer<'a>,
    d: usize,
    functions: &'a [Activation],
    x: &'a [f32],
    h: &'a [f32],
}

impl Gates<'_> {
    fn sum(&self, gate: usize, j: usize, c: f32) -> f32 {
        let n = self.layer.hidden;
        let at = gate * n + j;
        let bias = self.layer.bias.map_or(0.0, |bias| {
            let own = self.d * 8 * n;
            bias[own + at] + bias[own + 4 * n + at]
        });
        // The candidate has no peephole; those of the others are in order i, o, f.
        let peephole = match self.layer.peepholes {
            Some(p) if gate < 3 => p[(self.d * 3 + gate) * n + j] * c,
            _ => 0.0,
        };
        self.x[at] + self.h[at] + bias + peephole
    }

    fn apply(&self, function: usize, x: f32) -> f32 {
        let x = self.layer.clip.map_or(x, |clip| x.clamp(-clip, clip));
        self.functions[function].of(x)
    }

    fn step(&self, h: &mut [f32], c: &mut [f32]) {
        for (j, (h, c)) in h.iter_mut().zip(c).enumerate() {
            let input = self.apply(0, self.sum(0, j, *c));
            let forget = match self.layer.coupled {
                true => 1.0 - input,
                false => self.apply(0, self.sum(2, j, *c)),
            };
            let new = forget * *c + input * self.apply(1, self.sum(3, j, *c));
            let output = self.apply(0, self.sum(1, j, new));
            (*h, *c) = (output * self.functions[2].of(new), new);
        }
    }
}
