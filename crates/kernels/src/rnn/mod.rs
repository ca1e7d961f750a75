//! The vanilla recurrent network (Elman 1990).
//!
//! h_t = f(W_ih·x_t + b_ih + W_hh·h_{t-1} + b_hh), f = tanh or max(0, ·).
//! Backward: d_gates = d_h ⊙ f'(h), f' = 1 − h² or (h > 0); d_h_{t-1} = W_hhᵀ·d_gates.

pub(crate) mod reference;
