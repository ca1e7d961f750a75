//! The taps of all sites times weights: results of the forward pass, or gradients of its input.

use super::gather::Gather;
use super::patches::{Patches, Rows};
use super::useful;
use super::winograd;
use crate::call::Precision;
use crate::error::KernelError;
use crate::number::{Bf16, F32};
use crate::parts::Parts;
use crate::pool::{self, SharedPtr};
use crate::product::{Columns, Left, Product, Right, rows};
use crate::scratch::unwritten;
use crate::simd::Level;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rows of a block that are worth the packing of the weights.
const WORTH_PACKING: usize = 96;

/// out`[site, g·n..]` = Σ over taps of values`[tap, g·k..]`·weights`[g,tap]` (+ bias).
pub(super) struct Multiply<'a> {
    /// The call's name in errors.
    pub op: &'static str,
    pub level: Level,
    pub threads: usize,
    pub precision: Precision,
    pub gather: &'a Gather<'a>,
    pub groups: usize,
    /// `[pixels, G·k]`
    pub values: &'a [f32],
    pub k: usize,
    /// `[G,T,k,n]`, where T counts all taps of the kernel.
    pub weights: &'a [f32],
    pub n: usize,
    /// `[G·n]`
    pub bias: Option<&'a [f32]>,
    /// Whether negative results become zero.
    pub relu: bool,
}

impl Multiply<'_> {
    /// Writes the results of all sites, `[·,G·n]`.
    ///
    /// # Errors
    /// [`KernelError::TooLarge`]: no memory for a block of rows.
    ///
    /// # Safety
    /// `out` is valid for G·n values at each target of a site, and nobody else uses those.
    pub unsafe fn run(&self, out: SharedPtr<f32>) -> Result<(), KernelError> {
        let (sites, outputs) = (self.gather.sites(), self.groups * self.n);
        if sites == 0 || outputs == 0 {
            return Ok(());
        }
        if winograd::fits(self.gather, self.groups, [self.k, self.n]) {
            // SAFETY: as the caller promises; sites are all pixels of the results.
            return unsafe { self.filtered(out) };
        }
        let patches = Patches::new(self.op, self.gather, self.values, [self.groups, self.k])?;
        let values = patches.values();
        let threads = useful(sites * outputs, values, self.threads);
        let block = match threads {
            1 => patches.block(),
            // Enough blocks to share them evenly.
            _ => sites
                .div_ceil(4 * threads)
                .next_multiple_of(WORTH_PACKING)
                .min(patches.block()),
        };
        let threads = threads.min(sites.div_ceil(block));
        let mut room = unwritten(self.op, "blocks of windows", &[threads, block, values])?;
        let rooms = Parts::new(&mut room);
        let next = AtomicUsize::new(0);
        pool::run(threads, |id, _| {
            // SAFETY: each thread has its own number.
            let room = unsafe { rooms.take(id * block * values..(id + 1) * block * values) };
            let mut rows = Rows::default();
            loop {
                let first = next.fetch_add(block, Ordering::Relaxed);
                if first >= sites {
                    break;
                }
                let sites = first..sites.min(first + block);
                // SAFETY: `next` gives each block to one thread, and the room is its own. The caller vouches for `out`.
                unsafe { self.block(&patches, sites, room.as_mut_ptr().cast(), &mut rows, out) }
            }
        });
        Ok(())
    }

    /// Computes some sites.
    ///
    /// # Safety
    /// As [`Self::run`]; `room` is valid for the values of the sites, and nobody else computes them.
    unsafe fn block(
        &self,
        patches: &Patches,
        sites: Range<usize>,
        room: *mut f32,
        rows_of: &mut Rows,
        out: SharedPtr<f32>,
    ) {
        let outputs = self.groups * self.n;
        let all = 0..patches.values();
        let targets = self.gather.targets(sites.clone());
        let first: Vec<*mut f32> = targets
            .map(|pixel| out.get().wrapping_add(pixel * outputs))
            .collect();
        let mut part = Part::default();
        for group in 0..self.groups {
            let c: Vec<*mut f32> = first
                .iter()
                .map(|c| c.wrapping_add(group * self.n))
                .collect();
            let weights = self.weights_of(group);
            let bias = self.bias.map(|b| &b[group * self.n..(group + 1) * self.n]);
            // SAFETY: the caller's room has the values of the sites; the rows of the group before are used no more.
            unsafe { patches.fill(sites.clone(), group, &all, room, rows_of) }
            let mut begun = vec![false; c.len()];
            for (piece, values) in patches.pieces().enumerate() {
                // Where the whole piece is past an edge, nothing is to be added.
                let inside = |i: &usize| !patches.is_zero(rows_of.of(piece)[*i]);
                for accumulate in [true, false] {
                    let own = (0..c.len()).filter(|&i| begun[i] == accumulate);
                    part.take(own.filter(inside), rows_of.of(piece), &c);
                    let product = Product {
                        k: values.len(),
                        a: Left::Rows(&part.a),
                        columns: &[Columns {
                            n: self.n,
                            b: Right::Rows(&weights[values.clone()]),
                            c: &part.c,
                            bias: bias.filter(|_| !accumulate),
                        }],
                        accumulate,
                        sums: None,
                    };
                    // SAFETY: rows of a piece have as many values as it names rows of weights, each of `n`; the targets
                    // of distinct sites are distinct, the caller's own, and written if they have begun.
                    unsafe { run(&product, self.level, self.precision) }
                    for &i in &part.sites {
                        begun[i] = true;
                    }
                }
            }
            for (&c, _) in c.iter().zip(begun).filter(|(_, begun)| !begun) {
                // SAFETY: a target has `n` values, which are the caller's own.
                unsafe {
                    match bias {
                        Some(bias) => c.copy_from_nonoverlapping(bias.as_ptr(), self.n),
                        None => c.write_bytes(0, self.n),
                    }
                }
            }
        }
        if self.relu {
            for row in first {
                // SAFETY: the groups have written the `outputs` values of the row, which are the caller's own.
                relu(unsafe { std::slice::from_raw_parts_mut(row, outputs) });
            }
        }
    }

    /// The rows of a group's weights, in the order of the taps.
    fn weights_of(&self, group: usize) -> Vec<*const f32> {
        let taps = self.weights.len() / (self.groups * self.k * self.n);
        let of = |index: usize| {
            let first = ((group * taps + index) * self.k) * self.n;
            rows(self.weights[first..].as_ptr(), self.n, self.k)
        };
        self.gather
            .taps
            .iter()
            .flat_map(|tap| of(tap.index))
            .collect()
    }
}

/// Some sites of a block, with their rows and targets.
#[derive(Default)]
struct Part {
    sites: Vec<usize>,
    a: Vec<*const f32>,
    c: Vec<*mut f32>,
}

impl Part {
    fn take(&mut self, sites: impl Iterator<Item = usize>, a: &[*const f32], c: &[*mut f32]) {
        self.sites.clear();
        self.sites.extend(sites);
        self.a.clear();
        self.a.extend(self.sites.iter().map(|&i| a[i]));
        self.c.clear();
        self.c.extend(self.sites.iter().map(|&i| c[i]));
    }
}

/// Runs a product on the calling thread.
///
/// # Safety
/// As [`Product::run`].
pub(super) unsafe fn run(product: &Product, level: Level, precision: Precision) {
    // SAFETY: as the caller promises.
    unsafe {
        match precision {
            // `Conv::check` refuses int8.
            Precision::F32 | Precision::Int8 => product.run::<F32>(level, 1),
            Precision::Bf16 => product.run::<Bf16>(level, 1),
        }
    }
}

/// max(0, ·); NaN stays.
pub(super) fn relu(values: &mut [f32]) {
    for value in values {
        *value = if *value < 0.0 { 0.0 } else { *value };
    }
}
