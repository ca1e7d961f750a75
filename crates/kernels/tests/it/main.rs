//! Tests of the kernels: fast path against reference, reference against finite differences, and what must hold for any
//! sizes.

mod attention;
mod batches;
mod cases;
mod conv;
mod ctc;
mod finite_differences;
mod int8;
mod loss;
mod maxima;
mod pooling;
mod recurrence;
mod sizes;
mod stepper;
