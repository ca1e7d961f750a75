//! One step of the vanilla network, elementwise part.

use crate::reference::Float;
use crate::shape::Cell;

/// h from `gx = W_ih·x + b_ih` and `gh = W_hh·h_prev + b_hh`.
pub(crate) fn step_forward<F: Float>(cell: Cell, gx: &[F], gh: &[F]) -> Vec<F> {
    let relu = |a: F| if a > F::default() { a } else { F::default() };
    let sums = gx.iter().zip(gh).map(|(&x, &h)| x + h);
    match cell {
        Cell::RnnRelu => sums.map(relu).collect(),
        _ => sums.map(F::tanh).collect(),
    }
}

/// d_gates from h and its gradient.
pub(crate) fn step_backward<F: Float>(cell: Cell, h: &[F], d_h: &[F]) -> Vec<F> {
    let slope = |h: F| match cell {
        Cell::RnnRelu if h > F::default() => F::ONE,
        Cell::RnnRelu => F::default(),
        _ => F::ONE - h * h,
    };
    h.iter().zip(d_h).map(|(&h, &d)| d * slope(h)).collect()
}
