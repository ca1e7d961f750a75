//! One step of the gated recurrent unit, elementwise part. Saved gates are `[r,z,n,hn][H]`, hn = W_hn·h + b_hn
//! (for reset before: W_hn·(r⊙h) + b_hn, not needed again).

use crate::reference::Float;

fn finish<F: Float>(gx: &[F], gh: &[F], ghn: &[F], h_prev: &[F], after: bool) -> (Vec<F>, Vec<F>) {
    let n = h_prev.len();
    let mut gates = vec![F::default(); 4 * n];
    let mut h = vec![F::default(); n];
    for u in 0..n {
        let r = (gx[u] + gh[u]).sigmoid();
        let z = (gx[n + u] + gh[n + u]).sigmoid();
        let scale = if after { r } else { F::ONE };
        let new = (gx[2 * n + u] + scale * ghn[u]).tanh();
        h[u] = (F::ONE - z) * new + z * h_prev[u];
        (gates[u], gates[n + u], gates[2 * n + u], gates[3 * n + u]) = (r, z, new, ghn[u]);
    }
    (gates, h)
}

/// Reset after the product: `gh` has all three rows.
pub(crate) fn step_forward<F: Float>(gx: &[F], gh: &[F], h_prev: &[F]) -> (Vec<F>, Vec<F>) {
    finish(gx, gh, &gh[2 * h_prev.len()..], h_prev, true)
}

/// r⊙h, the operand of the third product when the reset comes first.
pub(crate) fn reset<F: Float>(gx: &[F], gh: &[F], h_prev: &[F]) -> Vec<F> {
    (0..h_prev.len())
        .map(|u| (gx[u] + gh[u]).sigmoid() * h_prev[u])
        .collect()
}

/// Reset before the product: `gh` has the rows r,z; `ghn` is W_hn·(r⊙h) + b_hn.
pub(crate) fn step_forward_reset_before<F: Float>(
    gx: &[F],
    gh: &[F],
    ghn: &[F],
    h_prev: &[F],
) -> (Vec<F>, Vec<F>) {
    finish(gx, gh, ghn, h_prev, false)
}

/// Gradients of the sums of z and n `[z,n][H]`, and the direct share of d_h_prev.
pub(crate) fn step_backward_update<F: Float>(
    gates: &[F],
    h_prev: &[F],
    d_h: &[F],
) -> (Vec<F>, Vec<F>) {
    let n = h_prev.len();
    let mut d_zn = vec![F::default(); 2 * n];
    let mut d_h_prev = vec![F::default(); n];
    for u in 0..n {
        let (z, new) = (gates[n + u], gates[2 * n + u]);
        d_zn[u] = d_h[u] * (h_prev[u] - new) * z * (F::ONE - z);
        d_zn[n + u] = d_h[u] * (F::ONE - z) * (F::ONE - new * new);
        d_h_prev[u] = d_h[u] * z;
    }
    (d_zn, d_h_prev)
}

/// Reset before: the gradient of r's sum from that of r⊙h; adds the share of h to `d_h_prev`.
pub(crate) fn step_backward_reset<F: Float>(
    gates: &[F],
    h_prev: &[F],
    d_rh: &[F],
    d_h_prev: &mut [F],
) -> Vec<F> {
    (0..h_prev.len())
        .map(|u| {
            let r = gates[u];
            d_h_prev[u] += d_rh[u] * r;
            d_rh[u] * h_prev[u] * r * (F::ONE - r)
        })
        .collect()
}

/// Reset after: gradients on the input side and on the recurrent side `[r,z,n][H]`, and the direct share of d_h_prev.
pub(crate) fn step_backward<F: Float>(
    gates: &[F],
    h_prev: &[F],
    d_h: &[F],
) -> (Vec<F>, Vec<F>, Vec<F>) {
    let n = h_prev.len();
    let (d_zn, d_h_prev) = step_backward_update(gates, h_prev, d_h);
    let mut d_gx: Vec<F> = (0..n)
        .map(|u| d_zn[n + u] * gates[3 * n + u] * gates[u] * (F::ONE - gates[u]))
        .collect();
    d_gx.extend(&d_zn);
    let mut d_gh = d_gx.clone();
    for u in 0..n {
        d_gh[2 * n + u] = d_gh[2 * n + u] * gates[u];
    }
    (d_gx, d_gh, d_h_prev)
}
