//! Rows of a product from the taps of sites: pointers to the pixels themselves wherever they lie side by side.

use super::gather::{Gather, Segment};
use crate::error::KernelError;
use crate::scratch::zeros;
use std::ops::Range;

/// Runs of fewer values than this are copied side by side, as a product with few terms is not efficient.
const SHORT: usize = 32;
/// Values of the rows of a block, at most, where a row has less than [`FEWEST`]th of them.
const BLOCK: usize = 1 << 19;
/// Rows of a block: at least, where there are as many, and at most.
const FEWEST: usize = 16;
const MOST: usize = 1024;

/// Taps of one row of the kernel whose values lie side by side.
#[derive(Clone, Copy, Debug)]
struct Run {
    at: [isize; 2],
    pixels: usize,
    /// Its values in a row.
    first: usize,
    values: usize,
}

/// The values of the taps of sites, as rows `[K]` of K = taps·k values for each group of channels.
pub(super) struct Patches<'a> {
    gather: &'a Gather<'a>,
    /// `[pixels, groups·k]`
    values: &'a [f32],
    channels: usize,
    /// Channels of a group.
    k: usize,
    runs: Vec<Run>,
    /// Whether all runs of a site are copied into one row.
    copies: bool,
    /// The values of a run outside of the images.
    zeros: Vec<f32>,
}

/// Pointers to the rows of some sites, for each piece.
#[derive(Default)]
pub(super) struct Rows(Vec<Vec<*const f32>>);

impl Rows {
    pub fn of(&self, piece: usize) -> &[*const f32] {
        &self.0[piece]
    }
}

impl<'a> Patches<'a> {
    /// For `groups` groups of `k` channels of `values`, a value for each pixel of the source and channel.
    pub fn new(
        op: &'static str,
        gather: &'a Gather<'a>,
        values: &'a [f32],
        [groups, k]: [usize; 2],
    ) -> Result<Self, KernelError> {
        let channels = groups * k;
        assert_eq!(values.len(), gather.from.pixels() * channels, "[P,C]");
        let mut runs: Vec<Run> = Vec::new();
        for (i, tap) in gather.taps.iter().enumerate() {
            let joins = |run: &&mut Run| {
                groups == 1
                    && run.at[0] == tap.at[0]
                    && run.at[1] + run.pixels as isize == tap.at[1]
            };
            match runs.last_mut().filter(joins) {
                Some(run) => (run.pixels, run.values) = (run.pixels + 1, run.values + k),
                None => runs.push(Run {
                    at: tap.at,
                    pixels: 1,
                    first: i * k,
                    values: k,
                }),
            }
        }
        let longest = runs.iter().map(|run| run.values).max().unwrap_or(0);
        Ok(Self {
            gather,
            values,
            channels,
            k,
            runs,
            copies: longest < SHORT,
            zeros: zeros(op, "padding", &[longest])?,
        })
    }

    /// `K`
    pub fn values(&self) -> usize {
        self.gather.taps.len() * self.k
    }

    /// Whether a row is that of a piece with no pixel inside.
    pub fn is_zero(&self, row: *const f32) -> bool {
        row == self.zeros.as_ptr()
    }

    /// The values of a row that one product takes, piece by piece: those of each run, or all.
    pub fn pieces(&self) -> impl Iterator<Item = Range<usize>> {
        let runs: &[Run] = if self.copies { &[] } else { &self.runs };
        let all = self.copies.then_some(0..self.values());
        let of = |run: &Run| run.first..run.first + run.values;
        all.into_iter().chain(runs.iter().map(of))
    }

    /// Sites of a block.
    pub fn block(&self) -> usize {
        (BLOCK / self.values().max(1)).clamp(FEWEST, MOST) / FEWEST * FEWEST
    }

    /// Points to the rows of some sites, for a group of channels and the pieces that meet `part` of the values; the
    /// others get none. Windows across an edge are copied to `room`.
    ///
    /// # Safety
    /// `room` is valid for K values of each site, and nobody else uses it as long as the rows are used.
    pub unsafe fn fill(
        &self,
        sites: Range<usize>,
        group: usize,
        part: &Range<usize>,
        room: *mut f32,
        rows: &mut Rows,
    ) {
        if self.copies {
            for run in &self.runs {
                // SAFETY: `room` is valid for a row of each site.
                unsafe { self.copy(sites.clone(), group, run, room) }
            }
            let all = self.values();
            let copied = (0..sites.len()).map(|i| room.wrapping_add(i * all).cast_const());
            rows.0.resize_with(1, Vec::new);
            rows.0[0].clear();
            rows.0[0].extend(copied);
            return;
        }
        rows.0.resize_with(self.runs.len(), Vec::new);
        for (run, rows) in self.runs.iter().zip(&mut rows.0) {
            rows.clear();
            if run.first < part.end && part.start < run.first + run.values {
                let room = room.wrapping_add(run.first * sites.len());
                // SAFETY: each run has its own part of `room`.
                unsafe { self.point(sites.clone(), group, run, room, rows) }
            }
        }
    }

    /// Points to the values of a run for some sites.
    ///
    /// # Safety
    /// `room` is valid for the values of the run of each site, and nobody else uses it as long as the rows are used.
    unsafe fn point(
        &self,
        sites: Range<usize>,
        group: usize,
        run: &Run,
        room: *mut f32,
        rows: &mut Vec<*const f32>,
    ) {
        let zeros = self.zeros.as_ptr();
        for segment in self.gather.segments(sites) {
            let Some(line) = self.gather.source(&segment, run.at[0]) else {
                rows.extend(std::iter::repeat_n(zeros, segment.columns.len()));
                continue;
            };
            let values = self
                .values
                .as_ptr()
                .wrapping_add(line * self.channels + group * self.k);
            let width = self.gather.from.widths[segment.image];
            let last = run.at[1] + run.pixels as isize - 1;
            let inside = self.gather.inside(&segment, [run.at[1], last]);
            for i in segment.columns {
                let x = (i * self.gather.step[1]) as isize + run.at[1];
                if inside.contains(&i) {
                    rows.push(values.wrapping_add(x as usize * self.channels));
                    continue;
                }
                let there = run.inside(x, width);
                if there.is_empty() {
                    rows.push(zeros);
                    continue;
                }
                let to = room.wrapping_add(rows.len() * run.values);
                // SAFETY: each site has its own values in `room`; the pixels `there` lie inside the line.
                unsafe { self.copy_pixels(run, values, x, there, to) }
                rows.push(to);
            }
        }
    }

    /// Copies the values of a run for some sites to their places in rows of K values.
    ///
    /// # Safety
    /// `room` is valid for the rows of all sites.
    unsafe fn copy(&self, sites: Range<usize>, group: usize, run: &Run, room: *mut f32) {
        let all = self.values();
        let mut to = room.wrapping_add(run.first);
        for segment in self.gather.segments(sites) {
            let Segment { image, columns, .. } = segment.clone();
            let line = self.gather.source(&segment, run.at[0]);
            let first = line.unwrap_or(0) * self.channels + group * self.k;
            let values = self.values.as_ptr().wrapping_add(first);
            let width = line.map_or(0, |_| self.gather.from.widths[image]);
            for i in columns {
                let x = (i * self.gather.step[1]) as isize + run.at[1];
                // SAFETY: the run has its place in the row of each site; the pixels inside lie on the line.
                unsafe { self.copy_pixels(run, values, x, run.inside(x, width), to) }
                to = to.wrapping_add(all);
            }
        }
    }

    /// Copies the pixels `there` of a run that begins at pixel `x` of a line, with zeros around them.
    ///
    /// # Safety
    /// The pixels are on the line, whose channels of the group start at `line`; `to` is valid for the run.
    unsafe fn copy_pixels(
        &self,
        run: &Run,
        line: *const f32,
        x: isize,
        there: Range<usize>,
        to: *mut f32,
    ) {
        // A run of several pixels has all channels of each.
        let k = self.k;
        let (before, count) = (there.start * k, there.len() * k);
        let from = line.wrapping_offset((x + there.start as isize) * self.channels as isize);
        // SAFETY: as the caller promises: the pixels are `count` values from `from` on, and the run has `run.values`.
        unsafe {
            if count < run.values {
                to.write_bytes(0, before);
                let end = before + count;
                to.add(end).write_bytes(0, run.values - end);
            }
            copy_values(from, to.add(before), count);
        }
    }
}

/// Copies `count` values. A few, which is the rule, are copied without a call, as two halves that may overlap.
///
/// # Safety
/// Both are valid for the values, and do not overlap each other.
#[inline(always)]
unsafe fn copy_values(from: *const f32, to: *mut f32, count: usize) {
    /// # Safety
    /// As [`copy_values`]; `count` is N at least.
    #[inline(always)]
    unsafe fn ends<const N: usize>(from: *const f32, to: *mut f32, count: usize) {
        // SAFETY: the first and the last N of at least N values.
        unsafe {
            let last = count - N;
            let (a, b) = (
                from.cast::<[f32; N]>().read(),
                from.add(last).cast::<[f32; N]>().read(),
            );
            to.cast::<[f32; N]>().write(a);
            to.add(last).cast::<[f32; N]>().write(b);
        }
    }
    // SAFETY: each arm has the least count of its halves.
    unsafe {
        match count {
            0 => {}
            1 => ends::<1>(from, to, count),
            2..=3 => ends::<2>(from, to, count),
            4..=7 => ends::<4>(from, to, count),
            8..=15 => ends::<8>(from, to, count),
            16..=31 => ends::<16>(from, to, count),
            _ => from.copy_to_nonoverlapping(to, count),
        }
    }
}

impl Run {
    /// The pixels of the run that are on a line of `width` pixels, where it begins at pixel `x`.
    fn inside(&self, x: isize, width: usize) -> Range<usize> {
        let end = (width as isize - x).clamp(0, self.pixels as isize) as usize;
        let start = (x.min(0).unsigned_abs()).min(end);
        start..end
    }
}
