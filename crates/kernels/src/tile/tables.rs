//! The register tiles of each instruction set and number.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::amx;
use super::{Ahead, PANEL, Packed, Table, multiply};
use crate::call::Precision;
use crate::number::{Bf16, F32, Int8, Number};
#[cfg(target_arch = "x86_64")]
use crate::simd::{Avx2, Avx512};
use crate::simd::{Level, Portable, Simd};

/// Makes the [`Table`] of an instruction set. `$height` and `$panel` are those of [`Packed`]; heights that do not occur
/// repeat the largest tile.
macro_rules! table {
    ($number:ty, $simd:ty, $height:literal x $panel:literal $(, $features:literal)?) => {{
        /// # Safety
        /// As [`Tile`](super::Tile), for `R` rows; the features named are those of the vectors.
        $(#[target_feature(enable = $features)])?
        unsafe fn tile<const R: usize, const NV: usize, const STEP: usize, const SOON: usize>(
            rows: usize,
            k: usize,
            a: *const *const f32,
            b: *const f32,
            out: *mut f32,
            ahead: Ahead,
        ) {
            debug_assert_eq!(rows, R);
            // SAFETY: the contract is the same, and the instruction set is that of the attribute.
            unsafe { multiply::<$simd, $number, R, NV, STEP, SOON>(k, a, b, out, ahead) }
        }
        macro_rules! by_rows {
            ($nv:literal, $step:literal, $least:ident) => {
                [
                    tile::<1, $nv, $step, 8>,
                    tile::<2, $nv, $step, 8>,
                    tile::<{ $least(3, $step) }, $nv, $step, 8>,
                    tile::<{ $least(4, $step) }, $nv, $step, 8>,
                    tile::<{ $least(5, $step) }, $nv, $step, 8>,
                    tile::<{ $least(6, $step) }, $nv, $step, 8>,
                    tile::<{ $least(7, $step) }, $nv, $step, 8>,
                    tile::<{ $least(8, $step) }, $nv, $step, 8>,
                ]
            };
        }
        const fn any(rows: usize, _: usize) -> usize {
            rows
        }
        const fn least(rows: usize, height: usize) -> usize {
            if rows < height { rows } else { height }
        }
        Table {
            rows: [by_rows!(1, 1, any), by_rows!(2, 1, any), by_rows!(3, 1, any), by_rows!(4, 1, any)],
            single: [tile::<1, 1, 1, 8>, tile::<1, 2, 1, 8>, tile::<1, 3, 1, 8>, tile::<1, 4, 1, 8>],
            early: [
                [tile::<1, 1, 1, 32>, tile::<2, 1, 1, 16>],
                [tile::<1, 2, 1, 32>, tile::<2, 2, 1, 16>],
                [tile::<1, 3, 1, 32>, tile::<2, 3, 1, 16>],
                [tile::<1, 4, 1, 32>, tile::<2, 4, 1, 16>],
            ],
            early_rows: 2,
            most_rows: most::<$simd>(),
            efficient_rows: [8, 4],
            prefetch_eighths: 4,
            panel_multiple: 1,
            packed: Packed::Columns {
                tiles: &[
                    by_rows!(1, $height, least),
                    by_rows!(2, $height, least),
                    by_rows!(3, $height, least),
                    by_rows!(4, $height, least),
                ],
                height: $height,
                panel: $panel,
            },
        }
    }};
}
/// Rows of the largest tile whose accumulators stay in registers, by vectors less one.
const fn most<S: Simd>() -> [usize; PANEL] {
    match S::LANES {
        16 => [8, 8, 8, 6],
        _ => [8, 4, 4, 2],
    }
}

/// The tables of one instruction set, one for each number.
struct Tables {
    f32: Table,
    bf16: Table,
    int8: Table,
}

static PORTABLE: Tables = Tables {
    f32: table!(F32, Portable, 2 x 4),
    bf16: table!(Bf16, Portable, 2 x 4),
    int8: table!(Int8, Portable, 2 x 4),
};

#[cfg(target_arch = "x86_64")]
static AVX2: Tables = Tables {
    f32: table!(F32, Avx2, 2 x 4, "avx2,fma"),
    bf16: table!(Bf16, Avx2, 2 x 4, "avx2,fma"),
    int8: table!(Int8, Avx2, 2 x 4, "avx2,fma"),
};

/// Tables that several levels with sixteen lanes share.
#[cfg(target_arch = "x86_64")]
mod wide {
    use super::*;
    pub const F32_TABLE: Table = table!(F32, Avx512<false>, 8 x 3, "avx512f,avx2,fma");
    pub const BF16_TABLE: Table = table!(Bf16, Avx512<false>, 8 x 3, "avx512f,avx2,fma");
    pub const DOT2: Table = table!(Bf16, Avx512<true>, 8 x 3, "avx512f,avx512bf16,avx2,fma");
    pub const DOT4: Table = table!(Int8, Avx512<true>, 8 x 3, "avx512f,avx512vnni,avx2,fma");
}

#[cfg(target_arch = "x86_64")]
static AVX512: Tables = Tables {
    f32: wide::F32_TABLE,
    bf16: wide::BF16_TABLE,
    int8: table!(Int8, Avx512<false>, 8 x 3, "avx512f,avx2,fma"),
};

#[cfg(target_arch = "x86_64")]
static AVX512_VNNI: Tables = Tables {
    f32: wide::F32_TABLE,
    bf16: wide::BF16_TABLE,
    int8: wide::DOT4,
};

#[cfg(target_arch = "x86_64")]
static AVX512_BF16: Tables = Tables {
    f32: wide::F32_TABLE,
    bf16: wide::DOT2,
    int8: wide::DOT4,
};

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
static AMX: Tables = Tables {
    f32: wide::F32_TABLE,
    bf16: amx::table(amx::PAIRS, &wide::DOT2),
    int8: amx::table(amx::BYTES, &wide::DOT4),
};

impl Table {
    /// The register tiles of `level` for words of `N`.
    pub fn of<N: Number>(level: Level) -> &'static Self {
        let tables = match level.or_portable() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => &AVX2,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => &AVX512,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Vnni => &AVX512_VNNI,
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 => &AVX512_BF16,
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Level::Amx => &AMX,
            _ => &PORTABLE,
        };
        match N::PRECISION {
            Precision::F32 => &tables.f32,
            Precision::Bf16 => &tables.bf16,
            Precision::Int8 => &tables.int8,
        }
    }
}
