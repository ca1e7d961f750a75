//! Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate of Gers et al. 2000), no peepholes.
//!
//! With a = W_ih·x_t + b_ih + W_hh·h_{t-1} + b_hh in rows i,f,g,o:
//! i, f, o = σ(a_i), σ(a_f), σ(a_o); g = tanh(a_g); c_t = f⊙c_{t-1} + i⊙g; h_t = o⊙tanh(c_t).
//!
//! Backward, with m = tanh(c_t): d_c += d_h⊙o⊙(1−m²); d_a_i = d_c⊙g⊙i⊙(1−i); d_a_f = d_c⊙c_{t-1}⊙f⊙(1−f);
//! d_a_g = d_c⊙i⊙(1−g²); d_a_o = d_h⊙m⊙o⊙(1−o); then d_c_{t-1} = d_c⊙f and d_h_{t-1} = W_hhᵀ·d_a.

pub(crate) mod reference;
