//! AVX2 with FMA: eight floats.

use super::Simd;
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// Ones in the first `n < 8` lanes.
///
/// # Safety
/// AVX is present.
#[inline(always)]
unsafe fn mask(n: usize) -> __m256i {
    const ON_THEN_OFF: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    debug_assert!(n < 8);
    // SAFETY: n <= 8, so eight elements from 8 - n on lie inside the table; the caller has AVX.
    unsafe { _mm256_loadu_si256(ON_THEN_OFF.as_ptr().add(8 - n).cast()) }
}

/// Σ a·b over the four bytes of each word, those of `a` unsigned, those of `b` signed.
///
/// # Safety
/// AVX2 is present.
#[inline(always)]
pub(super) unsafe fn dot4(a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: only registers; the caller has AVX2.
    unsafe {
        // `vpmaddubsw` would saturate: bytes become words of 16 bits first.
        let low = _mm256_set1_epi16(0xff);
        let even = _mm256_madd_epi16(
            _mm256_and_si256(a, low),
            _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(b)),
        );
        let odd = _mm256_madd_epi16(_mm256_srli_epi16::<8>(a), _mm256_srai_epi16::<8>(b));
        _mm256_add_epi32(even, odd)
    }
}

// SAFETY: every method needs AVX2 and FMA, as the trait demands of its callers, and touches only the elements it is
// given.
unsafe impl Simd for Avx2 {
    const LANES: usize = 8;
    type V = __m256;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: __m256) {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe { _mm256_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn load_partial(p: *const f32, n: usize) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe { _mm256_maskload_ps(p, mask(n)) }
    }
    #[inline(always)]
    unsafe fn store_partial(p: *mut f32, v: __m256, n: usize) {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe { _mm256_maskstore_ps(p, mask(n), v) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn recip(b: __m256) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe { _mm256_div_ps(_mm256_set1_ps(1.0), b) }
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn round(a: __m256) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }
    #[inline(always)]
    unsafe fn scale2(a: __m256, n: __m256) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
        }
    }
    #[inline(always)]
    unsafe fn abs(a: __m256) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), a) }
    }
    #[inline(always)]
    unsafe fn where_positive(x: __m256, a: __m256) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe { _mm256_and_ps(a, _mm256_cmp_ps::<_CMP_GT_OQ>(x, _mm256_setzero_ps())) }
    }
    #[inline(always)]
    unsafe fn round_bf16(a: __m256) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe {
            let bits = _mm256_castps_si256(a);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
            let rounded = _mm256_castsi256_ps(_mm256_add_epi32(bits, half));
            let nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a);
            let quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x40_0000));
            let rounded = _mm256_blendv_ps(rounded, _mm256_castsi256_ps(quiet), nan);
            let upper = _mm256_set1_epi32(0xffff_0000_u32 as i32);
            _mm256_and_ps(rounded, _mm256_castsi256_ps(upper))
        }
    }
    #[inline(always)]
    unsafe fn pair(low: __m256, high: __m256) -> __m256 {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe {
            let low = _mm256_srli_epi32::<16>(_mm256_castps_si256(low));
            _mm256_or_ps(_mm256_castsi256_ps(low), high)
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(p: *mut u16, a: __m256) {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe {
            let upper = _mm256_srli_epi32::<16>(_mm256_castps_si256(a));
            let (first, second) = (
                _mm256_castsi256_si128(upper),
                _mm256_extracti128_si256::<1>(upper),
            );
            _mm_storeu_si128(p.cast(), _mm_packus_epi32(first, second));
        }
    }
    #[inline(always)]
    unsafe fn unpair(words: __m256) -> [__m256; 2] {
        // SAFETY: the caller has AVX2 and FMA, and pointers valid for what is touched.
        unsafe {
            let bits = _mm256_castps_si256(words);
            let high = _mm256_and_si256(bits, _mm256_set1_epi32(0xffff_0000_u32 as i32));
            [_mm256_slli_epi32::<16>(bits), high].map(|v| _mm256_castsi256_ps(v))
        }
    }
    #[inline(always)]
    unsafe fn dot4(a: __m256, b: __m256, acc: __m256) -> __m256 {
        // SAFETY: the caller has AVX2.
        unsafe {
            let sums = dot4(_mm256_castps_si256(a), _mm256_castps_si256(b));
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(acc), sums))
        }
    }
    #[inline(always)]
    unsafe fn integers(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller has AVX2.
        unsafe {
            let difference = _mm256_sub_epi32(_mm256_castps_si256(a), _mm256_castps_si256(b));
            _mm256_cvtepi32_ps(difference)
        }
    }
    #[inline(always)]
    unsafe fn transpose(src: *const f32, src_stride: usize, dst: *mut f32, dst_stride: usize) {
        // SAFETY: the caller gives blocks of LANES rows and columns.
        unsafe { super::transpose_scalar::<Self>(src, src_stride, dst, dst_stride) }
    }
}
