//! The backward pass: buffers, the threads, and the results. [`BackwardThread`] runs the steps, [`Products`] does the
//! rest.

use super::backward_step::BackwardThread;
use super::products::Products;
use super::{Kept, Member, layouts, on_threads, padded, part, ranked, row_of_gates, useful};
use crate::call::{Gradients, Inputs, OutputGradients, Plan, Wanted};
use crate::cells::CellKernel;
use crate::error::{KernelError, expect};
use crate::layout::Layout;
use crate::number::Float;
use crate::parts::Owners;
use crate::pool::SharedPtr;
use crate::scratch::Lines;
use crate::simd::{Level, dispatch};
use crate::tile::Table;
use std::marker::PhantomData;
use std::sync::OnceLock;

/// A call of [`backward`], whose sizes are checked.
pub(crate) struct BackwardCall<'a> {
    /// Its name in errors.
    pub op: &'static str,
    pub level: Level,
    /// At least one.
    pub threads: usize,
    pub plan: &'a Plan<'a>,
    pub inputs: &'a Inputs<'a>,
    pub y: &'a [f32],
    pub d_out: &'a OutputGradients<'a>,
    pub wanted: &'a Wanted,
}

/// One direction of a backward pass. Its threads share the pointers; each writes the blocks that it owns.
pub(super) struct Backward<'a> {
    pub plan: &'a Plan<'a>,
    pub layout: &'a Layout,
    pub w_hh: &'a [f32],
    pub table: &'static Table,
    pub hp: usize,
    /// Activated gates as in [`Kept`], overwritten by their gradients.
    pub gates: SharedPtr<f32>,
    /// The words of the gates' gradients for the recurrent weights, of even and odd steps, `[B,GATES·hp]` values;
    /// unused where a word is a float.
    pub words: [SharedPtr<f32>; 2],
    /// `[rows,hp]`
    pub cells: *const f32,
    /// Initial states by rank, `[B,hp]`.
    pub h0: &'a [f32],
    pub c0: &'a [f32],
    /// Output and its gradient at the direction's first feature; rows are `y_stride` apart.
    pub y: *const f32,
    pub d_y: Option<*const f32>,
    pub y_stride: usize,
    /// Gradient of the final h by rank, `[B,hp]`.
    pub d_h_n: &'a [f32],
    /// By rank, `[B,hp]`; see [`BackwardAt`](crate::cells::BackwardAt).
    pub carry: SharedPtr<f32>,
    /// Takes the gradient of the initial h by rank, `[B,hp]`.
    pub d_h0: SharedPtr<f32>,
    /// Packed weights by the thread that packs them.
    pub packed: Vec<OnceLock<Lines>>,
    /// Of blocks by rank and vector of units.
    pub owners: Owners,
}

// SAFETY: the raw pointers are valid for the whole call, as `backward` keeps their buffers alive and untouched while
// the threads run. Threads write only at the ranks and units that they own, which are disjoint (`owners` checks it with
// debug assertions). They read blocks of others only of the gates' gradients of the step before, and the barrier at the
// end of each step orders that after the writes; words of even and odd steps are different buffers.
unsafe impl Sync for Backward<'_> {}

/// Memory of a direction while it runs; see [`Backward`].
struct Buffers {
    h0: Vec<f32>,
    c0: Vec<f32>,
    d_h_n: Vec<f32>,
    carry: Vec<f32>,
    d_h0: Vec<f32>,
    words: [Lines; 2],
}

impl Buffers {
    /// For direction `d`, whose layout this is.
    fn new<C: CellKernel, N: Float>(call: &BackwardCall, layout: &Layout, d: usize) -> Self {
        let (batch, hidden) = (call.plan.batch, call.plan.hidden);
        let hp = padded(call.level, hidden);
        let state = |state| ranked(part(state, d, batch * hidden), layout, hidden, hp);
        let words = match N::PACK {
            1 => 0,
            _ => batch * N::row(C::GATES * hp),
        };
        Self {
            h0: state(call.inputs.h0),
            c0: state(call.inputs.c0.filter(|_| C::MEMORY)),
            d_h_n: state(call.d_out.d_h_n),
            carry: state(call.d_out.d_c_n.filter(|_| C::MEMORY)),
            d_h0: state(None),
            words: [(); 2].map(|()| Lines::zeros(words)),
        }
    }
}

/// [`crate::backward`] for the cells of the fast path.
pub(crate) fn backward<C: CellKernel, N: Float>(
    call: &BackwardCall,
    mut kept: Vec<Kept>,
) -> Result<Gradients, KernelError> {
    let BackwardCall {
        op,
        level,
        plan,
        inputs,
        wanted,
        ..
    } = *call;
    let (hidden, directions) = (plan.hidden, plan.directions.len());
    let hp = padded(level, hidden);
    let layouts = layouts(op, plan)?;
    for (layout, kept) in layouts.iter().zip(&kept) {
        let rows = layout.external.len();
        let gates = [rows, row_of_gates::<C>(hp)];
        expect(op, "gates of the reserve", &gates, kept.gates.len())?;
        let cells = [if C::MEMORY { rows } else { 0 }, hp];
        expect(op, "cells of the reserve", &cells, kept.cells.len())?;
    }
    let new_buffers = |(d, layout)| Buffers::new::<C, N>(call, layout, d);
    let mut buffers: Vec<Buffers> = layouts.iter().enumerate().map(new_buffers).collect();
    let threads = useful(call.threads, plan, C::GATES);
    let mut passes: Vec<Backward> = Vec::new();
    for (d, (kept, buffers)) in kept.iter_mut().zip(&mut buffers).enumerate() {
        passes.push(new_pass::<C, N>(
            call,
            d,
            &layouts[d],
            kept,
            buffers,
            threads,
        ));
    }
    if hidden > 0 {
        let units = hp / level.lanes();
        on_threads(directions, threads, units, |d, member, barrier| {
            let thread = BackwardThread::<C, N> {
                pass: &passes[d],
                member: Member {
                    parts: member.of,
                    ..member
                },
                barrier,
                kind: PhantomData,
            };
            dispatch(level, thread);
        });
    }
    drop(passes);
    let products = Products {
        op,
        level,
        threads: call.threads,
        plan,
        inputs,
        hp,
        y: call.y,
        layouts: &layouts,
        kept: &kept,
    };
    let of_weights = || {
        let of = |(d, buffers): (usize, &Buffers)| products.weights::<C, N>(d, &buffers.h0);
        buffers.iter().enumerate().map(of).collect()
    };
    let states = |of: fn(&Buffers) -> &[f32]| unranked(plan, &layouts, hp, buffers.iter().map(of));
    Ok(Gradients {
        d_x: wanted.x.then(|| products.d_x::<C, N>()).transpose()?,
        weights: wanted.weights.then(of_weights).transpose()?,
        d_h0: wanted.h0.then(|| states(|buffers| &buffers.d_h0)),
        d_c0: wanted.c0.then(|| match C::MEMORY {
            true => states(|buffers| &buffers.carry),
            false => Vec::new(),
        }),
    })
}

/// Direction `d` of a call on `threads` threads.
fn new_pass<'a, C: CellKernel, N: Float>(
    call: &'a BackwardCall,
    d: usize,
    layout: &'a Layout,
    kept: &'a mut Kept,
    buffers: &'a mut Buffers,
    threads: usize,
) -> Backward<'a> {
    let hidden = call.plan.hidden;
    let hp = padded(call.level, hidden);
    let words = buffers.words.each_mut();
    Backward {
        plan: call.plan,
        layout,
        w_hh: call.inputs.weights[d].w_hh,
        table: Table::of::<N>(call.level),
        hp,
        gates: SharedPtr(kept.gates.as_mut_ptr().cast()),
        words: words.map(|words| SharedPtr(words.as_mut_ptr())),
        cells: kept.cells.as_ptr(),
        h0: &buffers.h0,
        c0: &buffers.c0,
        y: call.y.as_ptr().wrapping_add(d * hidden),
        d_y: call
            .d_out
            .d_y
            .map(|d_y| d_y.as_ptr().wrapping_add(d * hidden)),
        y_stride: call.plan.directions.len() * hidden,
        d_h_n: &buffers.d_h_n,
        carry: SharedPtr(buffers.carry.as_mut_ptr()),
        d_h0: SharedPtr(buffers.d_h0.as_mut_ptr()),
        packed: (0..threads).map(|_| OnceLock::new()).collect(),
        owners: Owners::new(call.plan.batch, hp / call.level.lanes()),
    }
}

/// States `[D,B,H]` from those of each direction by rank, `[B,hp]`.
fn unranked<'a>(
    plan: &Plan,
    layouts: &[Layout],
    hp: usize,
    states: impl Iterator<Item = &'a [f32]>,
) -> Vec<f32> {
    let hidden = plan.hidden;
    let mut out = vec![0.0; plan.directions.len() * plan.batch * hidden];
    for (d, (layout, state)) in layouts.iter().zip(states).enumerate() {
        for (rank, &b) in layout.order.iter().enumerate() {
            let to = (d * plan.batch + b) * hidden;
            out[to..to + hidden].copy_from_slice(&state[rank * hp..rank * hp + hidden]);
        }
    }
    out
}
