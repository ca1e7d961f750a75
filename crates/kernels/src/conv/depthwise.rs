//! Convolutions with one channel in and out of each group: each tap is one multiplication a channel, in vectors of
//! channels.

use super::gather::{Gather, Segment, Tap};
use super::useful;
use crate::error::KernelError;
use crate::pool::{self, SharedPtr, share};
use crate::scratch::zeros;
use crate::simd::{Kernel, Level, Simd, dispatch, load_edge, store_edge};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Sites that a thread takes at a time.
const BLOCK: usize = 1024;
/// Sites whose sums are in registers together.
const TOGETHER: usize = 4;

/// out`[site,c]` = Σ over taps of values`[tap,c]`·weights`[tap,c]` (+ bias), the taps in order.
pub(super) struct Depthwise<'a> {
    pub level: Level,
    pub threads: usize,
    pub gather: &'a Gather<'a>,
    /// `[pixels,C]`
    pub values: &'a [f32],
    /// `C`
    pub channels: usize,
    /// `[T,C]`, where T counts all taps of the kernel.
    pub weights: &'a [f32],
    /// `[C]`
    pub bias: Option<&'a [f32]>,
    /// Whether negative results become zero.
    pub relu: bool,
}

impl Depthwise<'_> {
    /// Writes the results of all sites, `[·,C]`.
    ///
    /// # Safety
    /// `out` is valid for C values at each target of a site, and nobody else uses those.
    pub unsafe fn run(&self, out: SharedPtr<f32>) {
        let (sites, channels) = (self.gather.sites(), self.channels);
        let inside = |tap: &Tap| (tap.index + 1) * channels <= self.weights.len();
        assert!(self.gather.taps.iter().all(inside), "[T,C]");
        let pixels = self.gather.from.pixels();
        assert_eq!(self.values.len(), pixels * channels, "[P,C]");
        assert!(self.bias.is_none_or(|b| b.len() == channels), "[C]");
        let threads = useful(sites * channels, self.gather.taps.len(), self.threads);
        let next = AtomicUsize::new(0);
        pool::run(threads, |_, _| {
            loop {
                let first = next.fetch_add(BLOCK, Ordering::Relaxed);
                if first >= sites {
                    break;
                }
                let block = Block {
                    of: self,
                    sites: first..sites.min(first + BLOCK),
                    out,
                };
                dispatch(self.level, block);
            }
        });
    }
}

/// Some sites, which one thread computes.
struct Block<'a> {
    of: &'a Depthwise<'a>,
    sites: Range<usize>,
    out: SharedPtr<f32>,
}

/// A tap that is inside the image for some sites.
#[derive(Clone, Copy)]
struct Near {
    /// Where its weights start.
    weights: usize,
    /// Where the values of a site's pixel start.
    values: usize,
}

impl Kernel for Block<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Depthwise {
            gather, channels, ..
        } = *self.of;
        let columns = gather.taps.iter().map(|tap| tap.at[1]);
        let (least, most) = columns.fold((0, 0), |(a, b), at| (a.min(at), b.max(at)));
        // Taps on the lines of a segment, by the first pixel of the line; those of a site.
        let mut lines: Vec<(usize, Tap)> = Vec::with_capacity(gather.taps.len());
        let mut near = Vec::with_capacity(gather.taps.len());
        for segment in gather.segments(self.sites.clone()) {
            let line = |tap: &Tap| Some((gather.source(&segment, tap.at[0])?, *tap));
            lines.clear();
            lines.extend(gather.taps.iter().filter_map(line));
            let width = gather.from.widths[segment.image];
            let inside = gather.inside(&segment, [least, most]);
            let (target, every) = gather.target(&segment);
            let mut i = segment.columns.start;
            while i < segment.columns.end {
                let x = (i * gather.step[1]) as isize;
                near.clear();
                near.extend(lines.iter().filter_map(|&(line, tap)| {
                    let x = usize::try_from(x + tap.at[1]).ok().filter(|&x| x < width)?;
                    Some(Near {
                        weights: tap.index * channels,
                        values: (line + x) * channels,
                    })
                }));
                let to = (target + (i - segment.columns.start) * every) * channels;
                let to = self.out.get().wrapping_add(to);
                // SAFETY: the taps of all sites are inside their images, those of one site or of several that are
                // inside with all taps; the targets are this thread's.
                unsafe {
                    if inside.contains(&i) && inside.end - i >= TOGETHER {
                        self.sites::<S, TOGETHER>(&near, to, every * channels);
                        i += TOGETHER;
                    } else {
                        self.sites::<S, 1>(&near, to, 0);
                        i += 1;
                    }
                }
            }
        }
    }
}

impl Block<'_> {
    /// Computes `N` neighbouring sites, whose results are `every` values apart.
    ///
    /// # Safety
    /// As [`Simd`]; the taps are those of the first site and inside for all sites, and `to` is valid for C values of
    /// each.
    #[inline(always)]
    unsafe fn sites<S: Simd, const N: usize>(&self, taps: &[Near], to: *mut f32, every: usize) {
        let channels = self.of.channels;
        let whole = channels / S::LANES * S::LANES;
        // SAFETY: as the caller promises; whole vectors lie before `whole`.
        unsafe {
            for c in (0..whole).step_by(S::LANES) {
                self.vector::<S, N, true>(taps, c, to, every);
            }
            if whole < channels {
                self.vector::<S, N, false>(taps, whole, to, every);
            }
        }
    }

    /// Channels from `c` on: a vector of them, or those that remain if they are fewer.
    ///
    /// # Safety
    /// As [`Self::sites`]; a `WHOLE` vector is there.
    #[inline(always)]
    unsafe fn vector<S: Simd, const N: usize, const WHOLE: bool>(
        &self,
        taps: &[Near],
        c: usize,
        to: *mut f32,
        every: usize,
    ) {
        let of = self.of;
        let step = of.gather.step[1] * of.channels;
        let left = match WHOLE {
            true => S::LANES,
            false => of.channels - c,
        };
        // SAFETY: weights, bias and pixels have `left` values from `c` on, of which an edge touches no more.
        unsafe {
            let start = match of.bias {
                Some(bias) => load_edge::<S>(bias.as_ptr().add(c), left),
                None => S::splat(0.0),
            };
            let mut sums = [start; N];
            for tap in taps {
                let w = load_edge::<S>(of.weights.as_ptr().add(tap.weights + c), left);
                let x = of.values.as_ptr().add(tap.values + c);
                for n in 0..N {
                    let x = load_edge::<S>(x.add(n * step), left);
                    sums[n] = S::fma(w, x, sums[n]);
                }
            }
            for n in 0..N {
                let sum = match of.relu {
                    // The second argument stays if it is NaN.
                    true => S::max(S::splat(0.0), sums[n]),
                    false => sums[n],
                };
                store_edge::<S>(to.add(n * every + c), sum, left);
            }
        }
    }
}

/// d_w`[tap,c]` = Σ over sites of values`[tap,c]`·d_z`[site,c]`: each row is summed by itself, and added to the rows
/// before it.
pub(super) struct WeightGradient<'a> {
    /// The call's name in errors.
    pub op: &'static str,
    pub level: Level,
    pub threads: usize,
    /// Windows.
    pub gather: &'a Gather<'a>,
    /// `[P,C]`
    pub values: &'a [f32],
    /// `[Q,C]`
    pub d_z: &'a [f32],
    /// `C`
    pub channels: usize,
}

impl WeightGradient<'_> {
    /// The gradient, `[T,C]`.
    ///
    /// # Errors
    /// [`KernelError::TooLarge`]: no memory for it.
    pub fn run(&self) -> Result<Vec<f32>, KernelError> {
        let (taps, channels, sites) = (self.gather.taps.len(), self.channels, self.gather.sites());
        let pixels = self.gather.from.pixels();
        assert_eq!(self.values.len(), pixels * channels, "[P,C]");
        assert_eq!(self.d_z.len(), sites * channels, "[Q,C]");
        let mut d_w = zeros(self.op, "d_w", &[taps, channels])?;
        let out = SharedPtr(d_w.as_mut_ptr());
        let units = taps * channels.div_ceil(self.level.lanes());
        let threads = useful(sites * channels, taps, self.threads);
        pool::run(threads.min(units.max(1)), |id, threads| {
            let own = share(units, id, threads);
            dispatch(self.level, Units { of: self, own, out });
        });
        Ok(d_w)
    }
}

/// Some pairs of a vector of channels and a tap, counted vector by vector, whose sums one thread makes.
struct Units<'a> {
    of: &'a WeightGradient<'a>,
    own: Range<usize>,
    out: SharedPtr<f32>,
}

impl Kernel for Units<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let gather = self.of.gather;
        for segment in gather.segments(0..gather.sites()) {
            for unit in self.own.clone() {
                let tap = gather.taps[unit % gather.taps.len()];
                let Some(line) = gather.source(&segment, tap.at[0]) else {
                    continue;
                };
                let c = unit / gather.taps.len() * S::LANES;
                // SAFETY: the unit is this thread's, its first channel is there, and the line is that of the tap.
                unsafe { self.add::<S>(&segment, tap, line, c) }
            }
        }
    }
}

impl Units<'_> {
    /// Adds the sum over a row to those of a tap and the channels from `c` on.
    ///
    /// # Safety
    /// As [`Simd`]; `line` is the first pixel of the tap's line for this segment, a channel `c` is there, and no other
    /// thread has the unit.
    #[inline(always)]
    unsafe fn add<S: Simd>(&self, segment: &Segment, tap: Tap, line: usize, c: usize) {
        let WeightGradient {
            gather,
            values,
            d_z,
            channels,
            ..
        } = *self.of;
        let columns = gather.inside(segment, [tap.at[1]; 2]);
        if columns.is_empty() {
            return;
        }
        let left = channels - c;
        let (count, step) = (columns.len(), gather.step[1] * channels);
        let x = (columns.start * gather.step[1]).wrapping_add_signed(tap.at[1]);
        let (first, _) = gather.target(segment);
        let site = first + columns.start - segment.columns.start;
        // SAFETY: the sites of `columns` have their pixels of x on the line, and C values each; an edge touches the
        // `left` channels only. The sum is the caller's own.
        unsafe {
            let x = values.as_ptr().add((line + x) * channels + c);
            let d = d_z.as_ptr().add(site * channels + c);
            // Several sums, as an addition takes several cycles.
            let mut sums = [S::splat(0.0); TOGETHER];
            let term = |i: usize, sum: S::V| {
                let x = load_edge::<S>(x.add(i * step), left);
                S::fma(x, load_edge::<S>(d.add(i * channels), left), sum)
            };
            let together = count / TOGETHER * TOGETHER;
            for i in (0..together).step_by(TOGETHER) {
                for n in 0..TOGETHER {
                    sums[n] = term(i + n, sums[n]);
                }
            }
            for i in together..count {
                sums[i - together] = term(i, sums[i - together]);
            }
            let sum = S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3]));
            let out = self.out.get().add(tap.index * channels + c);
            store_edge::<S>(out, S::add(load_edge::<S>(out, left), sum), left);
        }
    }
}
