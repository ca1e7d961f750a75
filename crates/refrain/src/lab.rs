//! Gradients of a loss with respect to earlier states: how far back a model learns.

use crate::error::Error;
use crate::models::SequenceModel;
use crate::ops::floats;
use refrain_data::long_memory::{Sequences, Targets};
use refrain_kernels::{
    Cell, Direction, Inputs, OutputGradients, Plan, Precision, Reserve, Wanted, Weights, backward,
    forward,
};

/// The mean over the sequences of ‖∂loss/∂h‖ for the state `k` steps before the last one, for every lag `k` from 0 to
/// `T − 1`. The loss is that of the answer after the last step. The norm is taken over the states h of all layers.
///
/// With vanishing gradients (Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013) the norm falls with the
/// lag.
///
/// # Errors
/// Sequences that do not fit the model.
pub fn gradients(model: &SequenceModel, sequences: &Sequences) -> Result<Vec<f64>, Error> {
    if model.variant().changes_inference() {
        return Err(Error::Config(
            "its layers have a projection, a norm or zoneout, whose gradients are not computed here; \
             use a model without [model.variant]"
                .into(),
        ));
    }
    let layers = Layers::of(model);
    let Sequences { batch, time, .. } = *sequences;
    let mut state = layers.zeros(batch);
    let mut steps = Vec::with_capacity(time);
    for t in 0..time {
        let (step, after) = layers.step(input(sequences, t), &state, batch)?;
        steps.push(step);
        state = after;
    }
    let mut d_state = layers.zeros(batch);
    if let Some((last, d_last)) = state.last().zip(d_state.last_mut()) {
        d_last.h = layers.d_loss(&last.h, sequences);
    }
    let mut norms = Vec::with_capacity(time);
    for step in steps.into_iter().rev() {
        norms.push(mean_norm(&d_state, batch));
        d_state = layers.back(step, d_state, batch)?;
    }
    Ok(norms)
}

/// `[B,C]` of a step.
fn input(sequences: &Sequences, t: usize) -> Vec<f32> {
    let Sequences { time, features, .. } = *sequences;
    let rows = sequences.x.chunks_exact(time * features);
    rows.flat_map(|x| &x[t * features..(t + 1) * features])
        .copied()
        .collect()
}

/// Mean over the sequences of the norm over all layers.
fn mean_norm(d_state: &[State], batch: usize) -> f64 {
    let of = |b: usize| -> f64 {
        let own = d_state.iter().flat_map(|layer| {
            let hidden = layer.h.len() / batch;
            &layer.h[b * hidden..(b + 1) * hidden]
        });
        own.map(|&d| f64::from(d).powi(2)).sum::<f64>().sqrt()
    };
    (0..batch).map(of).sum::<f64>() / batch.max(1) as f64
}

/// h and c of a layer, `[B,H]` each, or their gradients.
#[derive(Clone)]
struct State {
    h: Vec<f32>,
    c: Vec<f32>,
}

/// Values that the backward pass of one layer and step needs.
struct Kept {
    x: Vec<f32>,
    before: State,
    y: Vec<f32>,
    reserve: Reserve,
}

struct Layer {
    sizes: [usize; 2],
    w_ih: Vec<f32>,
    w_hh: Vec<f32>,
    b_ih: Vec<f32>,
    b_hh: Vec<f32>,
}

/// The layers of a model as plain numbers.
struct Layers {
    cell: Cell,
    layers: Vec<Layer>,
    /// `[V,H]`, `[V]`
    output: [Vec<f32>; 2],
}

impl Layers {
    fn of(model: &SequenceModel) -> Self {
        let (layers, output) = model.weights();
        let taken = layers.into_iter().map(|w| Layer {
            sizes: [w.w_ih.dims()[1], w.w_hh.dims()[1]],
            w_ih: floats(w.w_ih),
            w_hh: floats(w.w_hh),
            b_ih: floats(w.b_ih),
            b_hh: floats(w.b_hh),
        });
        Self {
            cell: model.cell(),
            layers: taken.collect(),
            output,
        }
    }

    fn zeros(&self, batch: usize) -> Vec<State> {
        let zeros = |layer: &Layer| {
            let h = vec![0.0; batch * layer.sizes[1]];
            let c = if self.cell.has_memory() {
                h.clone()
            } else {
                Vec::new()
            };
            State { h, c }
        };
        self.layers.iter().map(zeros).collect()
    }

    fn plan(&self, layer: &Layer, batch: usize) -> Plan<'static> {
        Plan {
            cell: self.cell,
            batch,
            time: 1,
            input: layer.sizes[0],
            hidden: layer.sizes[1],
            directions: &[Direction::Forward],
            lengths: None,
            precision: Precision::F32,
        }
    }

    /// One step of all layers.
    fn step(
        &self,
        x: Vec<f32>,
        before: &[State],
        batch: usize,
    ) -> Result<(Vec<Kept>, Vec<State>), Error> {
        let (mut x, mut kept, mut after) = (x, Vec::new(), Vec::new());
        for (layer, before) in self.layers.iter().zip(before) {
            let out = layer.with(self.cell, &x, before, |inputs| {
                forward(&self.plan(layer, batch), inputs, true)
            });
            let (out, reserve) = out?;
            let Some(reserve) = reserve else {
                unreachable!("a pass for training keeps a reserve")
            };
            after.push(State {
                h: out.h_n,
                c: out.c_n,
            });
            kept.push(Kept {
                x: std::mem::replace(&mut x, out.y.clone()),
                before: before.clone(),
                y: out.y,
                reserve,
            });
        }
        Ok((kept, after))
    }

    /// Gradients of the states before a step, from the gradients of the states after it.
    fn back(&self, step: Vec<Kept>, after: Vec<State>, batch: usize) -> Result<Vec<State>, Error> {
        let mut from_above: Option<Vec<f32>> = None;
        let mut before = Vec::new();
        let all = self.layers.iter().zip(step).zip(after).enumerate();
        for (index, ((layer, kept), d)) in all.rev() {
            let memory = self.cell.has_memory();
            let d_out = OutputGradients {
                d_y: from_above.as_deref(),
                d_h_n: Some(&d.h),
                d_c_n: memory.then_some(d.c.as_slice()),
            };
            let wanted = Wanted {
                x: index > 0,
                weights: false,
                h0: true,
                c0: memory,
            };
            let Kept {
                x,
                before: state,
                y,
                reserve,
            } = kept;
            let d = layer.with(self.cell, &x, &state, |inputs| {
                let plan = self.plan(layer, batch);
                backward(&plan, inputs, &y, reserve, &d_out, &wanted)
            })?;
            before.push(State {
                h: d.d_h0.unwrap_or_default(),
                c: d.d_c0.unwrap_or_default(),
            });
            from_above = d.d_x;
        }
        before.reverse();
        Ok(before)
    }

    /// `[B,H]`: gradient of each sequence's loss with respect to the last state.
    fn d_loss(&self, h: &[f32], sequences: &Sequences) -> Vec<f32> {
        let [weight, bias] = &self.output;
        let (outputs, hidden) = (bias.len(), weight.len() / bias.len().max(1));
        let mut d_h = vec![0.0; h.len()];
        for (b, (h, d_h)) in h.chunks(hidden).zip(d_h.chunks_mut(hidden)).enumerate() {
            let rows = weight.chunks(hidden).zip(bias);
            let score =
                |(w, bias): (&[f32], &f32)| bias + w.iter().zip(h).map(|(w, h)| w * h).sum::<f32>();
            let mut d: Vec<f32> = rows.map(score).collect();
            match &sequences.targets {
                Targets::Number(numbers) => d[0] = 2.0 * (d[0] - numbers[b]),
                Targets::Class(classes) => softmax_gradient(&mut d, classes[b]),
                Targets::Symbols(symbols) => {
                    softmax_gradient(&mut d, symbols[(b + 1) * sequences.time - 1]);
                }
            }
            for (output, d) in d.iter().enumerate().take(outputs) {
                let w = &weight[output * hidden..(output + 1) * hidden];
                d_h.iter_mut().zip(w).for_each(|(d_h, w)| *d_h += d * w);
            }
        }
        d_h
    }
}

/// Replaces scores by the gradient of the cross-entropy: softmax minus the target.
fn softmax_gradient(scores: &mut [f32], target: u32) {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|s| *s = (*s - most).exp());
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|s| *s /= sum);
    if let Some(score) = scores.get_mut(target as usize) {
        *score -= 1.0;
    }
}

impl Layer {
    /// Runs `f` with the kernel's view of a step.
    fn with<R>(&self, cell: Cell, x: &[f32], before: &State, f: impl FnOnce(&Inputs) -> R) -> R {
        let weights = [Weights {
            w_ih: &self.w_ih,
            w_hh: &self.w_hh,
            b_ih: Some(&self.b_ih),
            b_hh: Some(&self.b_hh),
        }];
        f(&Inputs {
            x,
            weights: &weights,
            h0: Some(&before.h),
            c0: cell.has_memory().then_some(before.c.as_slice()),
        })
    }
}
