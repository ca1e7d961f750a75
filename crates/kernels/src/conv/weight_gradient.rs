//! The gradient of the weights: d_z transposed times the windows of x.

use super::gather::Gather;
use super::multiply::run;
use super::patches::{Patches, Rows};
use super::useful;
use super::weights::Order;
use super::winograd;
use crate::call::Precision;
use crate::error::KernelError;
use crate::parts::Parts;
use crate::pool::{self, SharedPtr, share};
use crate::product::{Columns, Left, Product, Right, rows_mut};
use crate::scratch::{unwritten, zeros};
use crate::simd::Level;
use std::ops::Range;

/// Sites that are summed together, at most.
const TOGETHER: usize = 512;

/// d_w`[g,n,t,k]` = Σ over sites of d_z`[site, g·n..]`·values`[tap, g·k..]`.
///
/// Threads divide the taps and channels of x first, then those of y. Each makes its own windows, and goes over all
/// sites in blocks whose size depends on the sizes of the weights alone.
pub(super) struct WeightGradient<'a> {
    /// The call's name in errors.
    pub op: &'static str,
    pub level: Level,
    pub threads: usize,
    pub precision: Precision,
    /// Windows.
    pub gather: &'a Gather<'a>,
    pub order: Order,
    /// `[P,G·k]`
    pub values: &'a [f32],
    /// `[Q,G·n]`
    pub d_z: &'a [f32],
}

/// A part of the gradient: some results and values of a group.
#[derive(Clone)]
struct Unit {
    group: usize,
    results: Range<usize>,
    values: Range<usize>,
}

impl WeightGradient<'_> {
    /// The gradient, `[G,n,T,k]`.
    ///
    /// # Errors
    /// [`KernelError::TooLarge`]: no memory for it or for a block of windows.
    pub fn run(&self) -> Result<Vec<f32>, KernelError> {
        let Order { groups, n, k, taps } = self.order;
        let sites = self.gather.sites();
        assert_eq!(self.d_z.len(), sites * groups * n, "[Q,D]");
        if sites > 0
            && winograd::fits(self.gather, groups, [k, n])
            && winograd::packs_columns(self.level, self.precision)
        {
            return self.filtered();
        }
        let mut d_w = zeros(self.op, "d_w", &[groups, n, taps, k])?;
        if sites == 0 {
            return Ok(d_w);
        }
        let patches = Patches::new(self.op, self.gather, self.values, [groups, k])?;
        let block = patches.block().min(TOGETHER);
        let threads = useful(sites * groups * n, patches.values(), self.threads);
        let units = self.units(threads);
        let threads = threads.min(units.len());
        let size = block * patches.values();
        let mut room = unwritten(self.op, "blocks of windows", &[threads, size])?;
        let rooms = Parts::new(&mut room);
        let out = SharedPtr(d_w.as_mut_ptr());
        pool::run(threads, |id, threads| {
            // SAFETY: each thread has its own number.
            let room = unsafe { rooms.take(id * size..(id + 1) * size) };
            let room: *mut f32 = room.as_mut_ptr().cast();
            let mut rows = Rows::default();
            for unit in &units[share(units.len(), id, threads)] {
                for first in (0..sites).step_by(block) {
                    let sites = first..sites.min(first + block);
                    // SAFETY: the room is this thread's, and so is the unit, whose part of d_w no other one has.
                    unsafe { self.add(&patches, unit, sites, room, &mut rows, out) }
                }
            }
        });
        Ok(d_w)
    }

    /// Parts of the gradient, enough for `threads` if there are as many.
    fn units(&self, threads: usize) -> Vec<Unit> {
        /// Values and results that are worth a part.
        const WORTH: usize = 16;
        let Order { groups, n, k, taps } = self.order;
        let wanted = threads.div_ceil(groups);
        let by_values = wanted.min((taps * k).div_ceil(WORTH));
        let by_results = wanted.div_ceil(by_values).min(n.div_ceil(WORTH));
        // Whole vectors.
        let part = |total: usize, i: usize, of: usize| {
            let part = share(total.div_ceil(WORTH), i, of);
            part.start * WORTH..total.min(part.end * WORTH)
        };
        let pairs =
            |group| (0..by_values).flat_map(move |v| (0..by_results).map(move |r| (group, v, r)));
        let unit = |(group, v, r)| Unit {
            group,
            results: part(n, r, by_results),
            values: part(taps * k, v, by_values),
        };
        (0..groups).flat_map(pairs).map(unit).collect()
    }

    /// Adds the sum over some sites to a part of `out`.
    ///
    /// # Safety
    /// `room` is valid for the values of the sites, `out` for the gradient; no other thread uses either the room or
    /// this part of the gradient.
    unsafe fn add(
        &self,
        patches: &Patches,
        unit: &Unit,
        sites: Range<usize>,
        room: *mut f32,
        rows: &mut Rows,
        out: SharedPtr<f32>,
    ) {
        let Order { groups, n, .. } = self.order;
        let (results, all) = (unit.results.clone(), patches.values());
        // SAFETY: the room is the caller's, and the rows of the sites before are used no more.
        unsafe { patches.fill(sites.clone(), unit.group, &unit.values, room, rows) }
        let mut parts: Vec<(Range<usize>, Vec<*const f32>, Vec<*mut f32>)> = Vec::new();
        for (piece, values) in patches.pieces().enumerate() {
            let part = values.start.max(unit.values.start)..values.end.min(unit.values.end);
            if part.is_empty() {
                continue;
            }
            let before = part.start - values.start;
            let b = rows
                .of(piece)
                .iter()
                .map(|row| row.wrapping_add(before))
                .collect();
            let first = (unit.group * n + results.start) * all + part.start;
            let c = rows_mut(out.get().wrapping_add(first), all, results.len());
            parts.push((part, b, c));
        }
        let columns: Vec<Columns> = parts
            .iter()
            .map(|(part, b, c)| Columns {
                n: part.len(),
                b: Right::Rows(b),
                c,
                bias: None,
            })
            .collect();
        let first = unit.group * n + results.start;
        let d_z = self.d_z.as_ptr();
        let a: Vec<*const f32> = sites
            .clone()
            .map(|site| d_z.wrapping_add(site * groups * n + first))
            .collect();
        let product = Product {
            k: sites.len(),
            a: Left::Transposed(&a),
            columns: &columns,
            accumulate: true,
            sums: None,
        };
        // SAFETY: rows of d_z have the results from `first` on, rows of windows the values of their part; the rows of c
        // are disjoint, the caller's own, and were filled with zeros at first.
        unsafe { run(&product, self.level, self.precision) }
    }
}
