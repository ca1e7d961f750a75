//! One step of the LSTM, elementwise part.

use crate::reference::Float;

/// Activated gates `[i,f,g,o][H]`, h and c.
pub(crate) fn step_forward<F: Float>(
    gx: &[F],
    gh: &[F],
    c_prev: &[F],
) -> (Vec<F>, Vec<F>, Vec<F>) {
    let n = c_prev.len();
    let mut gates: Vec<F> = gx.iter().zip(gh).map(|(&x, &h)| x + h).collect();
    for (k, a) in gates.iter_mut().enumerate() {
        let is_g = k / n == 2;
        *a = if is_g { a.tanh() } else { a.sigmoid() };
    }
    let (i, f, g, o) = (&gates[..n], &gates[n..2 * n], &gates[2 * n..3 * n], &gates[3 * n..]);
    let c: Vec<F> = (0..n).map(|u| f[u] * c_prev[u] + i[u] * g[u]).collect();
    let h = (0..n).map(|u| o[u] * c[u].tanh()).collect();
    (gates, h, c)
}

/// d_gates `[i,f,g,o][H]`; `d_c` goes from after the step to before it.
pub(crate) fn step_backward<F: Float>(
    gates: &[F],
    c_prev: &[F],
    c: &[F],
    d_h: &[F],
    d_c: &mut [F],
) -> Vec<F> {
    let n = c.len();
    let mut d_gates = vec![F::default(); 4 * n];
    for u in 0..n {
        let (i, f, g, o) = (gates[u], gates[n + u], gates[2 * n + u], gates[3 * n + u]);
        let m = c[u].tanh();
        let d_cell = d_c[u] + d_h[u] * o * (F::ONE - m * m);
        d_gates[u] = d_cell * g * i * (F::ONE - i);
        d_gates[n + u] = d_cell * c_prev[u] * f * (F::ONE - f);
        d_gates[2 * n + u] = d_cell * i * (F::ONE - g * g);
        d_gates[3 * n + u] = d_h[u] * m * o * (F::ONE - o);
        d_c[u] = d_cell * f;
    }
    d_gates
}
