//! The gated recurrent unit (Cho et al. 2014), in both published forms.
//!
//! r, z = σ(W_ih·x_t + b_ih + W_hh·h_{t-1} + b_hh);
//! reset after the product (PyTorch, cuDNN): n = tanh(W_in·x_t + b_in + r⊙(W_hn·h_{t-1} + b_hn));
//! reset before it: n = tanh(W_in·x_t + b_in + W_hn·(r⊙h_{t-1}) + b_hn);
//! h_t = (1−z)⊙n + z⊙h_{t-1}. Rows of the weights: r,z,n.
//!
//! Backward: d_a_n = d_h⊙(1−z)⊙(1−n²); d_a_z = d_h⊙(h_{t-1}−n)⊙z⊙(1−z); d_h_{t-1} = d_h⊙z + W_hhᵀ·(..).
//! Reset after: d_a_r = d_a_n⊙(W_hn·h_{t-1} + b_hn)⊙r⊙(1−r), and the recurrent side of n sees d_a_n⊙r.

pub(crate) mod reference;
