//! Every option of the operators, one sequence and step after the other, by the equations of the specification.

use super::layer::{Kind, Layer};
use crate::activation::Activation;
use refrain_kernels::{Direction, Outputs};

/// Weights and functions of one direction, ONNX's order of gates.
struct Cell<'a> {
    layer: &'a Layer<'a>,
    /// `[G·H,C]`
    w: &'a [f32],
    /// `[G·H,H]`
    r: &'a [f32],
    /// `[G·H]` each.
    biases: Option<[&'a [f32]; 2]>,
    /// `[H]` each: input, output and forget gate.
    peepholes: Option<[&'a [f32]; 3]>,
    functions: &'a [Activation],
}

/// State of one sequence, `[H]` each; `c` counts for an LSTM only.
struct State {
    h: Vec<f32>,
    c: Vec<f32>,
}

/// Runs the layer.
pub(super) fn forward(layer: &Layer) -> Outputs {
    let (n, directions) = (layer.hidden, layer.directions.len());
    let states = directions * layer.batch * n;
    let memory = if layer.kind == Kind::Lstm { states } else { 0 };
    let mut out = Outputs {
        y: vec![0.0; layer.batch * layer.time * directions * n],
        h_n: vec![0.0; states],
        c_n: vec![0.0; memory],
    };
    for d in 0..directions {
        let cell = Cell::new(layer, d);
        for b in 0..layer.batch {
            let at = (d * layer.batch + b) * n;
            let state = cell.run(d, b, &mut out.y);
            out.h_n[at..at + n].copy_from_slice(&state.h);
            if memory > 0 {
                out.c_n[at..at + n].copy_from_slice(&state.c);
            }
        }
    }
    out
}

impl<'a> Cell<'a> {
    fn new(layer: &'a Layer, d: usize) -> Self {
        let (n, rows) = (layer.hidden, layer.kind.gates() * layer.hidden);
        let count = layer.functions.len() / layer.directions.len();
        Self {
            layer,
            w: part(layer.w, rows * layer.input, d),
            r: part(layer.r, rows * n, d),
            biases: layer
                .bias
                .map(|bias| [0, 1].map(|side| part(bias, rows, 2 * d + side))),
            peepholes: layer
                .peepholes
                .map(|p| [0, 1, 2].map(|gate| part(p, n, 3 * d + gate))),
            functions: &layer.functions[d * count..(d + 1) * count],
        }
    }

    /// Sequence `b` in direction `d`; its outputs go into y, `[B,T,D·H]`.
    fn run(&self, d: usize, b: usize, y: &mut [f32]) -> State {
        let (layer, n) = (self.layer, self.layer.hidden);
        let initial = |state: Option<&[f32]>| match state {
            Some(state) => part(state, n, d * layer.batch + b).to_vec(),
            None => vec![0.0; n],
        };
        let mut state = State {
            h: initial(layer.h0.as_deref()),
            c: initial(layer.c0.as_deref()),
        };
        let length = layer.length(b);
        for s in 0..length {
            let t = match layer.directions[d] {
                Direction::Forward => s,
                Direction::Reverse => length - 1 - s,
            };
            let at = b * layer.time + t;
            state = self.step(part(&layer.x, layer.input, at), &state);
            let start = (at * layer.directions.len() + d) * n;
            y[start..start + n].copy_from_slice(&state.h);
        }
        state
    }

    fn step(&self, x: &[f32], state: &State) -> State {
        match self.layer.kind {
            Kind::Rnn => State {
                h: (0..self.layer.hidden)
                    .map(|j| self.apply(0, self.sum(j, x, &state.h)))
                    .collect(),
                c: Vec::new(),
            },
            Kind::Gru => self.gru(x, &state.h),
            Kind::Lstm => self.lstm(x, state),
        }
    }

    /// z, r = f(·), n = g(·), h' = (1 − z)⊙n + z⊙h
    fn gru(&self, x: &[f32], h: &[f32]) -> State {
        let n = self.layer.hidden;
        let gates: Vec<f32> = (0..2 * n)
            .map(|row| self.apply(0, self.sum(row, x, h)))
            .collect();
        let (z, r) = gates.split_at(n);
        let reset: Vec<f32> = r.iter().zip(h).map(|(r, h)| r * h).collect();
        let candidate = |j: usize| {
            let row = 2 * n + j;
            match self.layer.linear_before_reset {
                true => self.of_x(row, x) + r[j] * self.of_h(row, h),
                false => self.of_x(row, x) + self.of_h(row, &reset),
            }
        };
        let next = |j: usize| (1.0 - z[j]) * self.apply(1, candidate(j)) + z[j] * h[j];
        State {
            h: (0..n).map(next).collect(),
            c: Vec::new(),
        }
    }

    /// i = f(· + p_i⊙c), f = f(· + p_f⊙c) or 1 − i, c' = f⊙c + i⊙g(·), o = f(· + p_o⊙c'), h' = o⊙h(c')
    fn lstm(&self, x: &[f32], state: &State) -> State {
        let n = self.layer.hidden;
        let peep = |gate: usize, j: usize, c: f32| self.peepholes.map_or(0.0, |p| p[gate][j] * c);
        let sum = |gate: usize, j: usize| self.sum(gate * n + j, x, &state.h);
        let (mut h, mut c) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for (j, &old) in state.c.iter().enumerate() {
            let input = self.apply(0, sum(0, j) + peep(0, j, old));
            let forget = match self.layer.coupled {
                true => 1.0 - input,
                false => self.apply(0, sum(2, j) + peep(2, j, old)),
            };
            let new = forget * old + input * self.apply(1, sum(3, j));
            let output = self.apply(0, sum(1, j) + peep(1, j, new));
            h.push(output * self.functions[2].of(new));
            c.push(new);
        }
        State { h, c }
    }

    /// A function of an argument clamped to ± clip.
    fn apply(&self, function: usize, x: f32) -> f32 {
        let x = self.layer.clip.map_or(x, |clip| x.clamp(-clip, clip));
        self.functions[function].of(x)
    }

    fn sum(&self, row: usize, x: &[f32], h: &[f32]) -> f32 {
        self.of_x(row, x) + self.of_h(row, h)
    }

    fn of_x(&self, row: usize, x: &[f32]) -> f32 {
        dot(part(self.w, self.layer.input, row), x) + self.biases.map_or(0.0, |[b, _]| b[row])
    }

    fn of_h(&self, row: usize, h: &[f32]) -> f32 {
        dot(part(self.r, self.layer.hidden, row), h) + self.biases.map_or(0.0, |[_, b]| b[row])
    }
}

/// The `index`-th part of `size` numbers.
fn part(all: &[f32], size: usize, index: usize) -> &[f32] {
    &all[index * size..(index + 1) * size]
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
