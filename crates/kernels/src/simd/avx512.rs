//! AVX-512F: sixteen floats.

use super::Simd;
use super::avx2::dot4;
use std::arch::x86_64::*;

/// `DOTS`: with AVX512_VNNI in [`Simd::dot4`], and AVX512_BF16 in [`Simd::dot2`], [`Simd::round_pair`] and
/// [`Simd::store_rounded`].
#[derive(Clone, Copy)]
pub(crate) struct Avx512<const DOTS: bool>;

#[inline(always)]
fn mask(n: usize) -> __mmask16 {
    (1u32 << n).wrapping_sub(1) as __mmask16
}

// SAFETY: every method needs AVX-512F (and more where said), as the trait demands of its callers, and touches only the
// elements it is given.
unsafe impl<const DOTS: bool> Simd for Avx512<DOTS> {
    const LANES: usize = 16;
    type V = __m512;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: __m512) {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe { _mm512_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn prefetch(p: *const f32) {
        // SAFETY: a hint; no address faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn prefetch_far(p: *const f32) {
        // SAFETY: a hint; no address faults.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn load_partial(p: *const f32, n: usize) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe { _mm512_maskz_loadu_ps(mask(n), p) }
    }
    #[inline(always)]
    unsafe fn store_partial(p: *mut f32, v: __m512, n: usize) {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe { _mm512_mask_storeu_ps(p, mask(n), v) }
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe {
            // With a correction of the quotient: a third of the time of the instruction.
            let r = Self::recip(b);
            let q = _mm512_mul_ps(a, r);
            _mm512_fmadd_ps(_mm512_fnmadd_ps(b, q, a), r, q)
        }
    }
    #[inline(always)]
    unsafe fn recip(b: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe {
            // One step of Newton's from 14 bits.
            let r = _mm512_rcp14_ps(b);
            _mm512_fmadd_ps(r, _mm512_fnmadd_ps(b, r, _mm512_set1_ps(1.0)), r)
        }
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn round(a: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe { _mm512_roundscale_ps::<0>(a) }
    }
    #[inline(always)]
    unsafe fn scale2(a: __m512, n: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe { _mm512_scalef_ps(a, n) }
    }
    #[inline(always)]
    unsafe fn abs(a: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe { _mm512_abs_ps(a) }
    }
    #[inline(always)]
    unsafe fn where_positive(x: __m512, a: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe {
            let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, _mm512_setzero_ps());
            _mm512_maskz_mov_ps(positive, a)
        }
    }
    #[inline(always)]
    unsafe fn round_bf16(a: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe {
            let bits = _mm512_castps_si512(a);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
            let rounded = _mm512_add_epi32(bits, half);
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a);
            let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x40_0000));
            let rounded = _mm512_mask_mov_epi32(rounded, nan, quiet);
            let upper = _mm512_set1_epi32(0xffff_0000_u32 as i32);
            _mm512_castsi512_ps(_mm512_and_si512(rounded, upper))
        }
    }
    #[inline(always)]
    unsafe fn pair(low: __m512, high: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe {
            let low = _mm512_srli_epi32::<16>(_mm512_castps_si512(low));
            _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_castps_si512(high)))
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(p: *mut u16, a: __m512) {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe {
            let upper = _mm512_srli_epi32::<16>(_mm512_castps_si512(a));
            _mm256_storeu_si256(p.cast(), _mm512_cvtepi32_epi16(upper));
        }
    }
    #[inline(always)]
    unsafe fn round_pair(low: __m512, high: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and AVX512_BF16 where `DOTS`; bits of bf16 are integers.
        unsafe {
            if DOTS {
                let [low, high] = [low, high].map(|v| {
                    let bits = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(v));
                    _mm512_cvtepu16_epi32(bits)
                });
                return _mm512_castsi512_ps(_mm512_or_si512(low, _mm512_slli_epi32::<16>(high)));
            }
            Self::pair(Self::round_bf16(low), Self::round_bf16(high))
        }
    }
    #[inline(always)]
    unsafe fn store_rounded(p: *mut u16, a: __m512) {
        // SAFETY: the caller has AVX-512F, AVX512_BF16 where `DOTS`, and pointers valid for what is touched.
        unsafe {
            if DOTS {
                let bits = std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(a));
                return _mm256_storeu_si256(p.cast(), bits);
            }
            Self::store_bf16(p, Self::round_bf16(a));
        }
    }
    #[inline(always)]
    unsafe fn unpair(words: __m512) -> [__m512; 2] {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe {
            let bits = _mm512_castps_si512(words);
            let high = _mm512_and_si512(bits, _mm512_set1_epi32(0xffff_0000_u32 as i32));
            [_mm512_slli_epi32::<16>(bits), high].map(|v| _mm512_castsi512_ps(v))
        }
    }
    #[inline(always)]
    unsafe fn dot2(a: __m512, b: __m512, acc: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and AVX512_BF16 where `DOTS`; any bits are a vector of bf16.
        unsafe {
            if DOTS {
                let [a, b] = [a, b].map(|words| std::mem::transmute::<__m512, __m512bh>(words));
                return _mm512_dpbf16_ps(acc, a, b);
            }
            let ([a_low, a_high], [b_low, b_high]) = (Self::unpair(a), Self::unpair(b));
            Self::fma(a_low, b_low, Self::fma(a_high, b_high, acc))
        }
    }
    #[inline(always)]
    unsafe fn dot4(a: __m512, b: __m512, acc: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and AVX512_VNNI where `DOTS`.
        unsafe {
            let [a, b, acc] = [a, b, acc].map(|v| _mm512_castps_si512(v));
            if DOTS {
                return _mm512_castsi512_ps(_mm512_dpbusd_epi32(acc, a, b));
            }
            let low = dot4(_mm512_castsi512_si256(a), _mm512_castsi512_si256(b));
            let high = dot4(
                _mm512_extracti64x4_epi64::<1>(a),
                _mm512_extracti64x4_epi64::<1>(b),
            );
            let sums = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high);
            _mm512_castsi512_ps(_mm512_add_epi32(acc, sums))
        }
    }
    #[inline(always)]
    unsafe fn integers(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F.
        unsafe {
            let difference = _mm512_sub_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b));
            _mm512_cvtepi32_ps(difference)
        }
    }
    #[inline(always)]
    unsafe fn store_bytes(p: *mut u8, a: __m512, offset: i32) {
        // SAFETY: the caller has AVX-512F, and gives sixteen writable bytes.
        unsafe {
            let integers = _mm512_add_epi32(_mm512_cvtps_epi32(a), _mm512_set1_epi32(offset));
            _mm_storeu_si128(p.cast(), _mm512_cvtepi32_epi8(integers));
        }
    }
    #[inline(always)]
    unsafe fn largest(a: __m512) -> f32 {
        // SAFETY: the caller has AVX-512F.
        unsafe { _mm512_reduce_max_ps(a) }
    }
    #[inline(always)]
    unsafe fn transpose(src: *const f32, src_stride: usize, dst: *mut f32, dst_stride: usize) {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe {
            let mut r = [_mm512_setzero_ps(); 16];
            for (i, row) in r.iter_mut().enumerate() {
                *row = _mm512_loadu_ps(src.add(i * src_stride));
            }
            let mut t = r;
            for i in 0..8 {
                t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
            }
            for i in 0..4 {
                let [a, b, c, d] = [t[4 * i], t[4 * i + 1], t[4 * i + 2], t[4 * i + 3]]
                    .map(|v| _mm512_castps_pd(v));
                r[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
                r[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
                r[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
                r[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
            }
            // r[4i + j] holds, in its four quarters q, elements 4q + j of rows 4i..4i + 4.
            for j in 0..4 {
                let (a, b, c, d) = (r[j], r[4 + j], r[8 + j], r[12 + j]);
                let even_ab = _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b);
                let odd_ab = _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b);
                let even_cd = _mm512_shuffle_f32x4::<0b10_00_10_00>(c, d);
                let odd_cd = _mm512_shuffle_f32x4::<0b11_01_11_01>(c, d);
                let out = [
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(even_ab, even_cd),
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(odd_ab, odd_cd),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(even_ab, even_cd),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(odd_ab, odd_cd),
                ];
                for (q, v) in out.into_iter().enumerate() {
                    _mm512_storeu_ps(dst.add((4 * q + j) * dst_stride), v);
                }
            }
        }
    }
}
