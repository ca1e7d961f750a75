//! AVX-512F: sixteen floats.

use super::Simd;
use crate::tile::{Table, table};
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(crate) struct Avx512;

#[inline(always)]
fn mask(n: usize) -> __mmask16 {
    (1u32 << n).wrapping_sub(1) as __mmask16
}

// SAFETY: every method needs AVX-512F, as the trait demands of its callers, and touches only the elements it is given.
unsafe impl Simd for Avx512 {
    const LANES: usize = 16;
    const TILES: &'static Table = &table!(Avx512, 6, "avx512f,avx2,fma");
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
        unsafe { _mm512_div_ps(a, b) }
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
    unsafe fn copysign(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller has AVX-512F, and pointers valid for what is touched.
        unsafe {
            let sign = _mm512_set1_epi32(i32::MIN);
            let (a, b) = (_mm512_castps_si512(a), _mm512_castps_si512(b));
            let (a, b) = (_mm512_andnot_si512(sign, a), _mm512_and_si512(sign, b));
            _mm512_castsi512_ps(_mm512_or_si512(a, b))
        }
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
