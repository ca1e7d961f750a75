//! AMX: products of small matrices, sixteen rows of sixteen words each, by a unit of their own.
//!
//! The instructions stand in assembly: their intrinsics are not stable. A panel of B is laid out as the unit wants it,
//! a word of k a row.

use super::{Ahead, PANEL, Packed, Table, Tile};
use std::arch::asm;
use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};

/// Rows of a tile register, and words in one of its rows.
const SIDE: usize = 16;

pub(super) const PAIRS: [Tile; PANEL] = [
    multiply::<false, 1>,
    multiply::<false, 2>,
    multiply::<false, 3>,
    multiply::<false, 4>,
];
pub(super) const BYTES: [Tile; PANEL] = [
    multiply::<true, 1>,
    multiply::<true, 2>,
    multiply::<true, 3>,
    multiply::<true, 4>,
];

/// Single rows stay with the vectors: a tile register would be mostly empty.
pub(super) const fn table(tiles: [Tile; PANEL], vectors: &Table) -> Table {
    Table {
        rows: [[tiles[0]; 8], [tiles[1]; 8], [tiles[2]; 8], [tiles[3]; 8]],
        single: vectors.single,
        early: vectors.early,
        early_rows: 0,
        most_rows: [2 * SIDE; PANEL],
        efficient_rows: [2 * SIDE; 2],
        prefetch_eighths: 7,
        panel_multiple: 2,
        packed: Packed::Rows { height: SIDE },
    }
}

/// The shapes of the eight tile registers, as `ldtilecfg` reads them.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    /// Bytes of a row.
    widths: [u16; 16],
    rows: [u8; 16],
}

/// Sets the shapes: registers 0 to 3 for sums, 4 and 5 for A, 6 and 7 for B. With `lower` rows, registers 2 and 3 hold
/// the sums of those, and 5 their A.
///
/// # Safety
/// AMX may be used; `upper`, `lower` and `words` are at most 16.
unsafe fn shape(upper: usize, lower: usize, words: usize) {
    let (full, part) = (64, 4 * words as u16);
    let second = if lower == 0 { upper } else { lower } as u8;
    let (upper, words) = (upper as u8, words as u8);
    let mut shapes = Shapes {
        palette: 1,
        start_row: 0,
        reserved: [0; 14],
        widths: [0; 16],
        rows: [0; 16],
    };
    shapes.widths[..8].copy_from_slice(&[full, full, full, full, part, part, full, full]);
    shapes.rows[..8].copy_from_slice(&[upper, upper, second, second, upper, second, words, words]);
    // SAFETY: the caller has AMX; shapes are at most sixteen rows of 64 bytes.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const shapes, options(nostack, preserves_flags)) }
}

macro_rules! zero {
    ($tile:literal) => {
        asm!(
            concat!("tilezero tmm", $tile),
            options(nostack, preserves_flags)
        )
    };
}

macro_rules! load {
    ($tile:literal, $from:expr, $stride:expr) => {
        asm!(
            concat!("tileloadd tmm", $tile, ", [{p} + {s}*1]"),
            p = in(reg) $from, s = in(reg) $stride, options(nostack, preserves_flags)
        )
    };
}

macro_rules! store {
    ($tile:literal, $to:expr, $stride:expr) => {
        asm!(
            concat!("tilestored [{p} + {s}*1], tmm", $tile),
            p = in(reg) $to, s = in(reg) $stride, options(nostack, preserves_flags)
        )
    };
}

macro_rules! dot {
    ($bytes:expr, $sums:literal, $a:literal, $b:literal) => {
        match $bytes {
            true => asm!(
                concat!("tdpbusd tmm", $sums, ", tmm", $a, ", tmm", $b),
                options(nostack, preserves_flags)
            ),
            false => asm!(
                concat!("tdpbf16ps tmm", $sums, ", tmm", $a, ", tmm", $b),
                options(nostack, preserves_flags)
            ),
        }
    };
}

/// Begins a register of sums: at zero, or with the sums of an earlier part of k.
macro_rules! begin {
    ($go_on:expr, $tile:literal, $out:expr, $stride:expr) => {
        match $go_on {
            true => load!($tile, $out, $stride),
            false => zero!($tile),
        }
    };
}

/// A part of k: `steps` times `words` of it.
struct Part {
    steps: usize,
    words: usize,
    a: *const f32,
    b: *const f32,
    /// The first word of k; where there are others before it, `out` holds their sums.
    first: usize,
}

/// A [`Tile`] of up to 32 rows.
///
/// # Safety
/// As [`Tile`], with at most 32 rows and `NV` vectors; AMX may be used.
unsafe fn multiply<const BYTES: bool, const NV: usize>(
    rows: usize,
    k: usize,
    a: *const *const f32,
    b: *const f32,
    out: *mut f32,
    ahead: Ahead,
) {
    // SAFETY: the same contract; a prefetch may name any address.
    unsafe {
        // Two instances, so that calls without prefetches have no cost of them.
        match ahead.is_nothing() {
            true => multiply_and::<BYTES, NV>(rows, k, a, b, out, |_| ()),
            false => multiply_and::<BYTES, NV>(rows, k, a, b, out, |first| {
                for line in ahead.lines(first..first + SIDE) {
                    _mm_prefetch::<_MM_HINT_T1>(line.cast());
                }
            }),
        }
    }
}

/// [`multiply`]; `fetch` is called with the first word of each step of k, once.
///
/// # Safety
/// As [`multiply`].
#[inline(never)]
unsafe fn multiply_and<const BYTES: bool, const NV: usize>(
    rows: usize,
    k: usize,
    a: *const *const f32,
    b: *const f32,
    out: *mut f32,
    fetch: impl Fn(usize),
) {
    // SAFETY: the tile shapes loaded by `shape` never exceed the part's rows and words, so every load and store stays
    // inside `a`, `b` and `out`: rows of A are `apart` bytes apart, as `Tile` says, and rows of B and of the sums
    // NV·64.
    unsafe {
        let first = *a;
        let apart = if rows > 1 {
            (*a.add(1)).byte_offset_from(first)
        } else {
            64
        };
        let (upper, lower) = match rows > SIDE {
            true => (rows.div_ceil(2), rows / 2),
            false => (rows, 0),
        };
        let (whole, rest) = (k / SIDE, k % SIDE);
        let parts = [
            Part {
                steps: whole,
                words: SIDE,
                a: first,
                b,
                first: 0,
            },
            Part {
                steps: usize::from(rest > 0 || whole == 0),
                words: rest.max(1),
                a: first.wrapping_add(whole * SIDE),
                b: b.wrapping_add(whole * SIDE * NV * SIDE),
                first: whole * SIDE,
            },
        ];
        if k == 0 {
            return out.write_bytes(0, rows * NV * SIDE);
        }
        for part in parts.iter().filter(|part| part.steps > 0) {
            shape(upper, lower, part.words);
            if lower == 0 {
                one_high::<BYTES, NV>(part, apart, out);
            } else {
                let lower = (first.wrapping_byte_offset(apart * upper as isize), upper);
                for v in (0..NV).step_by(2) {
                    match NV - v {
                        1 => two_high::<BYTES, NV, false>(part, apart, out, v, lower, &fetch),
                        _ => two_high::<BYTES, NV, true>(part, apart, out, v, lower, &fetch),
                    }
                }
            }
        }
        asm!("tilerelease", options(nostack, preserves_flags));
    }
}

/// Up to sixteen rows times all vectors of the panel.
///
/// # Safety
/// As [`multiply`], for a part of k whose shapes are set.
#[inline(always)]
unsafe fn one_high<const BYTES: bool, const NV: usize>(part: &Part, apart: isize, out: *mut f32) {
    let stride = NV * 64;
    let sums = |v: usize| out.wrapping_add(v * SIDE);
    // SAFETY: as the caller promises, each instruction touches the rows and words of the shapes, which are those of the
    // part.
    unsafe {
        begin!(part.first > 0, "0", sums(0), stride);
        if NV > 1 {
            begin!(part.first > 0, "1", sums(1), stride);
        }
        if NV > 2 {
            begin!(part.first > 0, "2", sums(2), stride);
        }
        if NV > 3 {
            begin!(part.first > 0, "3", sums(3), stride);
        }
        for step in 0..part.steps {
            let b = part.b.wrapping_add(step * SIDE * NV * SIDE);
            load!("4", part.a.wrapping_add(step * SIDE), apart);
            load!("6", b, stride);
            dot!(BYTES, "0", "4", "6");
            if NV > 1 {
                load!("7", b.wrapping_add(SIDE), stride);
                dot!(BYTES, "1", "4", "7");
            }
            if NV > 2 {
                load!("6", b.wrapping_add(2 * SIDE), stride);
                dot!(BYTES, "2", "4", "6");
            }
            if NV > 3 {
                load!("7", b.wrapping_add(3 * SIDE), stride);
                dot!(BYTES, "3", "4", "7");
            }
        }
        store!("0", sums(0), stride);
        if NV > 1 {
            store!("1", sums(1), stride);
        }
        if NV > 2 {
            store!("2", sums(2), stride);
        }
        if NV > 3 {
            store!("3", sums(3), stride);
        }
    }
}

/// More than sixteen rows, `upper` of them above the others, times vectors `v` and (`TWO`) `v + 1`. B is read once for
/// both halves.
///
/// # Safety
/// As [`multiply`], for a part of k whose shapes are set; `v`, and `v + 1` if `TWO`, are below `NV`.
#[inline(always)]
unsafe fn two_high<const BYTES: bool, const NV: usize, const TWO: bool>(
    part: &Part,
    apart: isize,
    out: *mut f32,
    v: usize,
    (below, upper): (*const f32, usize),
    fetch: impl Fn(usize),
) {
    let stride = NV * 64;
    let sums = |half: usize, v: usize| out.wrapping_add((half * upper * NV + v) * SIDE);
    // SAFETY: as the caller promises, each instruction touches the rows and words of the shapes, which are those of the
    // part.
    unsafe {
        let below = below.wrapping_add(part.first);
        begin!(part.first > 0, "0", sums(0, v), stride);
        begin!(part.first > 0, "2", sums(1, v), stride);
        if TWO {
            begin!(part.first > 0, "1", sums(0, v + 1), stride);
            begin!(part.first > 0, "3", sums(1, v + 1), stride);
        }
        for step in 0..part.steps {
            if v == 0 {
                fetch(part.first + step * SIDE);
            }
            let b = part.b.wrapping_add((step * SIDE * NV + v) * SIDE);
            for row in 0..SIDE {
                let next = b.wrapping_add((SIDE + row) * NV * SIDE);
                _mm_prefetch::<_MM_HINT_T0>(next.cast());
                if TWO {
                    _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(SIDE).cast());
                }
            }
            load!("6", b, stride);
            load!("4", part.a.wrapping_add(step * SIDE), apart);
            dot!(BYTES, "0", "4", "6");
            load!("5", below.wrapping_add(step * SIDE), apart);
            dot!(BYTES, "2", "5", "6");
            if TWO {
                load!("7", b.wrapping_add(SIDE), stride);
                dot!(BYTES, "1", "4", "7");
                dot!(BYTES, "3", "5", "7");
            }
        }
        store!("0", sums(0, v), stride);
        store!("2", sums(1, v), stride);
        if TWO {
            store!("1", sums(0, v + 1), stride);
            store!("3", sums(1, v + 1), stride);
        }
    }
}
