//! Vectors of `f32`: one trait, one implementation per instruction set, chosen at run time.
//!
//! A kernel is generic over [`Simd`], `#[inline(always)]`, and entered through [`dispatch!`], whose shims carry the
//! `target_feature` that lets the compiler inline the intrinsics. This folder is the only place that names them.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
pub(crate) use portable::Portable;

use crate::error::KernelError;
use std::sync::OnceLock;

/// A vector of `LANES` floats.
///
/// # Safety
/// Callers of the methods: the instruction set of the implementation is present, and a pointer is valid for `LANES`
/// elements, or for `n` where there is an `n`; [`Self::transpose`] reads and writes `LANES` rows of as many, one stride
/// apart.
///
/// Implementations: a method touches no other memory, and `LANES` is at most 16 and at least 8.
pub(crate) unsafe trait Simd: Copy + Send + Sync + 'static {
    /// Floats in a vector.
    const LANES: usize;
    /// The register.
    type V: Copy;

    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn splat(x: f32) -> Self::V;
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn load(p: *const f32) -> Self::V;
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn store(p: *mut f32, v: Self::V);
    /// Prefetches the line of `p`, which may be any address, into the first cache.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    #[inline(always)]
    unsafe fn prefetch(p: *const f32) {
        let _ = p;
    }
    /// Prefetches the line of `p`, which may be any address, into the second cache.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    #[inline(always)]
    unsafe fn prefetch_far(p: *const f32) {
        let _ = p;
    }
    /// The first `n < LANES` elements, zeros behind.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn load_partial(p: *const f32, n: usize) -> Self::V;
    /// The first `n < LANES` elements.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn store_partial(p: *mut f32, v: Self::V, n: usize);
    /// `a·b + c`
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// `a/b` within a unit in the last place, for `b` neither infinite nor denormal.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// `1/b`, as [`Self::div`].
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn recip(b: Self::V) -> Self::V;
    /// `b` where `a` is NaN.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// `b` where `a` is NaN.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// To the nearest integer.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn round(a: Self::V) -> Self::V;
    /// `a·2^n` for integral `n` in −126..=127.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn scale2(a: Self::V, n: Self::V) -> Self::V;
    /// `|a|`
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn abs(a: Self::V) -> Self::V;
    /// `a` where `x > 0`, else zero.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn where_positive(x: Self::V, a: Self::V) -> Self::V;
    /// To the nearest bf16, ties to even: the lower half of each lane becomes zero.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn round_bf16(a: Self::V) -> Self::V;
    /// Words of two rounded values, `low` in the lower half.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn pair(low: Self::V, high: Self::V) -> Self::V;
    /// Stores rounded values as LANES bf16.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn store_bf16(p: *mut u16, a: Self::V);
    /// [`Self::pair`] of two values that are rounded here. Denormals may become zero, as in [`Self::dot2`].
    ///
    /// # Safety
    /// The contract of [`Simd`].
    #[inline(always)]
    unsafe fn round_pair(low: Self::V, high: Self::V) -> Self::V {
        // SAFETY: the caller has the instruction set.
        unsafe { Self::pair(Self::round_bf16(low), Self::round_bf16(high)) }
    }
    /// [`Self::store_bf16`] of values that are rounded here, as in [`Self::round_pair`].
    ///
    /// # Safety
    /// The contract of [`Simd`].
    #[inline(always)]
    unsafe fn store_rounded(p: *mut u16, a: Self::V) {
        // SAFETY: the caller has the instruction set, and room for LANES bf16.
        unsafe { Self::store_bf16(p, Self::round_bf16(a)) }
    }
    /// The two values of each word.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn unpair(words: Self::V) -> [Self::V; 2];
    /// `acc + a.high·b.high + a.low·b.low` over words of two bf16.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    #[inline(always)]
    unsafe fn dot2(a: Self::V, b: Self::V, acc: Self::V) -> Self::V {
        // SAFETY: the caller has the instruction set.
        unsafe {
            let ([a_low, a_high], [b_low, b_high]) = (Self::unpair(a), Self::unpair(b));
            Self::fma(a_low, b_low, Self::fma(a_high, b_high, acc))
        }
    }
    /// `acc + Σ a·b` over the four bytes of each word, those of `a` unsigned, those of `b` signed, all sums integers.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn dot4(a: Self::V, b: Self::V, acc: Self::V) -> Self::V;
    /// The float of `a − b` for lanes of integers.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn integers(a: Self::V, b: Self::V) -> Self::V;
    /// Stores the nearest integers of LANES values in −127..=127, each with `offset` added, as bytes.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    #[inline(always)]
    unsafe fn store_bytes(p: *mut u8, a: Self::V, offset: i32) {
        let mut lanes = [0.0; 16];
        // SAFETY: no vector is longer than the sixteen floats of `lanes`; the caller gives LANES writable bytes.
        unsafe {
            Self::store(lanes.as_mut_ptr(), Self::round(a));
            for (i, x) in lanes[..Self::LANES].iter().enumerate() {
                *p.add(i) = (*x as i32 + offset) as u8;
            }
        }
    }
    /// The largest lane.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    #[inline(always)]
    unsafe fn largest(a: Self::V) -> f32 {
        let mut lanes = [0.0; 16];
        // SAFETY: no vector is longer than sixteen floats.
        unsafe { Self::store(lanes.as_mut_ptr(), a) }
        lanes[..Self::LANES]
            .iter()
            .fold(f32::NEG_INFINITY, |m, x| m.max(*x))
    }
    /// The sum of all lanes, in one order on every machine.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    #[inline(always)]
    unsafe fn sum(a: Self::V) -> f32 {
        let mut lanes = [0.0; 16];
        // SAFETY: no vector is longer than sixteen floats.
        unsafe { Self::store(lanes.as_mut_ptr(), a) }
        lanes[..Self::LANES].iter().sum()
    }
    /// The first `n` lanes, zeros behind.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    #[inline(always)]
    unsafe fn first(a: Self::V, n: usize) -> Self::V {
        if n >= Self::LANES {
            return a;
        }
        let mut lanes = [0.0; 16];
        // SAFETY: no vector is longer than sixteen floats.
        unsafe {
            Self::store(lanes.as_mut_ptr(), a);
            Self::load_partial(lanes.as_ptr(), n)
        }
    }
    /// Writes the transpose of a `LANES`×`LANES` block; strides in elements.
    ///
    /// # Safety
    /// The contract of [`Simd`].
    unsafe fn transpose(src: *const f32, src_stride: usize, dst: *mut f32, dst_stride: usize);
}

/// [`Simd::transpose`] one element at a time.
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
unsafe fn transpose_scalar<S: Simd>(
    src: *const f32,
    src_stride: usize,
    dst: *mut f32,
    dst_stride: usize,
) {
    for row in 0..S::LANES {
        for column in 0..S::LANES {
            // SAFETY: the caller gives blocks of LANES rows and columns.
            unsafe { *dst.add(column * dst_stride + row) = *src.add(row * src_stride + column) }
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f") && has_avx2()
}

#[cfg(target_arch = "x86_64")]
fn has_vnni() -> bool {
    is_x86_feature_detected!("avx512vnni") && has_avx512()
}

#[cfg(target_arch = "x86_64")]
fn has_bf16() -> bool {
    is_x86_feature_detected!("avx512bf16") && has_vnni()
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn has_amx() -> bool {
    has_bf16() && amx::is_usable()
}

#[cfg(all(target_arch = "x86_64", not(target_os = "linux")))]
fn has_amx() -> bool {
    false
}

/// An instruction set. One that this machine lacks runs as [`Level::Portable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Plain Rust on arrays of eight floats; the compiler uses the instructions of the target.
    Portable,
    /// AVX2 with FMA: eight floats.
    Avx2,
    /// AVX-512F: sixteen floats. All levels above compute the same bits in `f32`.
    Avx512,
    /// The same with AVX512_VNNI, which multiplies quadruples of bytes.
    Avx512Vnni,
    /// The same with AVX512_BF16, which multiplies pairs of bf16.
    Avx512Bf16,
    /// The same with AMX, which multiplies matrices of bf16 and of bytes (on Linux).
    Amx,
}

impl Level {
    const ALL: [Self; 6] = [
        Self::Portable,
        Self::Avx2,
        Self::Avx512,
        Self::Avx512Vnni,
        Self::Avx512Bf16,
        Self::Amx,
    ];

    /// Levels that run here, slowest first.
    pub fn available() -> Vec<Self> {
        let runs = |level: &Self| level.or_portable() == *level;
        Self::ALL.into_iter().filter(runs).collect()
    }

    /// The level in use: that of [`Self::from_env`], or the fastest one if the variable names none that runs here.
    pub fn best() -> Self {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| Self::from_env().unwrap_or_else(|_| Self::fastest()))
    }

    /// The level that the environment variable `REFRAIN_SIMD` names (see [`Self::name`]); the fastest one without it.
    ///
    /// A program should call it at its start and report the error, which [`Self::best`] has no way to do.
    ///
    /// # Errors
    /// [`KernelError::Level`]: a name that is none, or that of a level which does not run on this machine.
    pub fn from_env() -> Result<Self, KernelError> {
        match std::env::var_os("REFRAIN_SIMD") {
            Some(name) if !name.is_empty() => Self::named(&name.to_string_lossy()),
            _ => Ok(Self::fastest()),
        }
    }

    /// The level of this name, if it runs on this machine.
    fn named(name: &str) -> Result<Self, KernelError> {
        let available = Self::available();
        let found = available.iter().find(|level| level.name() == name);
        found.copied().ok_or_else(|| KernelError::Level {
            name: name.to_owned(),
            available: available.iter().map(|level| level.name()).collect(),
        })
    }

    /// The fastest level of this machine.
    fn fastest() -> Self {
        Self::available().pop().unwrap_or(Self::Portable)
    }

    /// `amx`, `avx512bf16`, `avx512vnni`, `avx512`, `avx2` or `portable`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Vnni => "avx512vnni",
            Self::Avx512Bf16 => "avx512bf16",
            Self::Amx => "amx",
        }
    }

    /// Floats in a vector.
    pub(crate) fn lanes(self) -> usize {
        struct Lanes;
        impl Kernel for Lanes {
            type Output = usize;
            #[inline(always)]
            unsafe fn run<S: Simd>(self) -> usize {
                S::LANES
            }
        }
        dispatch(self, Lanes)
    }

    /// The level itself where it runs.
    pub(crate) fn or_portable(self) -> Self {
        #[cfg(target_arch = "x86_64")]
        let runs = match self {
            Self::Portable => true,
            Self::Avx2 => has_avx2(),
            Self::Avx512 => has_avx512(),
            Self::Avx512Vnni => has_vnni(),
            Self::Avx512Bf16 => has_bf16(),
            Self::Amx => has_amx(),
        };
        #[cfg(not(target_arch = "x86_64"))]
        let runs = false;
        if runs { self } else { Self::Portable }
    }
}

/// Work that is generic over the vectors.
pub(crate) trait Kernel {
    type Output;
    /// Implementations are `#[inline(always)]`, to become part of the shim that has the instruction set.
    ///
    /// # Safety
    /// As [`Simd`]: the instruction set of `S` is present.
    unsafe fn run<S: Simd>(self) -> Self::Output;
}

/// Runs a kernel with the vectors of `level`.
pub(crate) fn dispatch<K: Kernel>(level: Level, kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        /// # Safety
        /// AVX2 and FMA are present.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn avx2<K: Kernel>(kernel: K) -> K::Output {
            // SAFETY: the function's own contract is that of the vectors.
            unsafe { kernel.run::<Avx2>() }
        }
        /// # Safety
        /// AVX-512F, AVX2 and FMA are present.
        #[target_feature(enable = "avx512f,avx2,fma")]
        unsafe fn avx512<K: Kernel>(kernel: K) -> K::Output {
            // SAFETY: the function's own contract is that of the vectors.
            unsafe { kernel.run::<Avx512<false>>() }
        }
        match level.or_portable() {
            Level::Portable => {}
            // SAFETY: `or_portable` gives this level only where `has_avx2` has detected both.
            Level::Avx2 => return unsafe { avx2(kernel) },
            Level::Avx512 | Level::Avx512Vnni | Level::Avx512Bf16 | Level::Amx => {
                // SAFETY: `or_portable` gives these levels only where `has_avx512` has detected all three.
                return unsafe { avx512(kernel) };
            }
        }
    }
    let _ = level;
    // SAFETY: plain Rust, no instruction set needed.
    unsafe { kernel.run::<Portable>() }
}

/// [`dispatch`] for kernels that round to bf16, which AVX512_BF16 does in one instruction.
pub(crate) fn dispatch_bf16<K: Kernel>(level: Level, kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        /// # Safety
        /// AVX-512F, AVX512_BF16, AVX2 and FMA are present.
        #[target_feature(enable = "avx512f,avx512bf16,avx2,fma")]
        unsafe fn avx512<K: Kernel>(kernel: K) -> K::Output {
            // SAFETY: the function's own contract is that of the vectors, but for `dot4`, which no such kernel calls.
            unsafe { kernel.run::<Avx512<true>>() }
        }
        if matches!(level.or_portable(), Level::Avx512Bf16 | Level::Amx) {
            // SAFETY: `or_portable` gives these levels only where `has_bf16` has detected all four.
            return unsafe { avx512(kernel) };
        }
    }
    dispatch(level, kernel)
}

/// A vector of which only the first `left` elements are there, if those are fewer than LANES; zeros behind.
///
/// # Safety
/// As [`Simd`]; `p` is valid for `left` elements, or for LANES if those are fewer.
#[inline(always)]
pub(crate) unsafe fn load_edge<S: Simd>(p: *const f32, left: usize) -> S::V {
    // SAFETY: as the caller promises; fewer than LANES are touched where fewer remain.
    unsafe {
        match left >= S::LANES {
            true => S::load(p),
            false => S::load_partial(p, left),
        }
    }
}

/// Stores the first `left` elements of a vector, or all if LANES is less.
///
/// # Safety
/// As [`Simd`]; `p` is valid for `left` elements, or for LANES if those are fewer.
#[inline(always)]
pub(crate) unsafe fn store_edge<S: Simd>(p: *mut f32, v: S::V, left: usize) {
    // SAFETY: as the caller promises; fewer than LANES are touched where fewer remain.
    unsafe {
        match left >= S::LANES {
            true => S::store(p, v),
            false => S::store_partial(p, v, left),
        }
    }
}

/// `x` rounded to the nearest bf16, ties to even; its bits are the upper half of an `f32`'s.
#[inline(always)]
pub(crate) fn bf16_bits(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_found_by_its_name_and_no_other() {
        for level in Level::available() {
            assert_eq!(Level::named(level.name()), Ok(level));
        }
        for name in ["avx", "AVX2", "avx512 ", "neon"] {
            let error = Level::named(name).unwrap_err().to_string();
            let known = error.contains(&format!("\"{name}\"")) && error.contains("\"portable\"");
            assert!(known, "{error}");
        }
    }

    #[test]
    fn rounding_to_bf16_is_to_the_nearest_with_ties_to_even() {
        let back = |bits: u16| f32::from_bits(u32::from(bits) << 16);
        for (x, expected) in [
            (0.0, 0.0),
            (1.0, 1.0),
            (-1.5, -1.5),
            (1.0 + 1.0 / 256.0, 1.0),
            (1.0 + 3.0 / 256.0, 1.0 + 4.0 / 256.0),
            (1.0 + 1.01 / 256.0, 1.0 + 2.0 / 256.0),
            (f32::MAX, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
        ] {
            assert_eq!(back(bf16_bits(x)), expected, "{x}");
        }
        assert!(back(bf16_bits(f32::NAN)).is_nan());
        assert!(back(bf16_bits(f32::from_bits(0x7fff_ffff))).is_nan());
    }
}
