//! Layers and fused operations on Burn: against Burn's own operations and against PyTorch.

mod acoustic;
#[cfg(feature = "ndarray")]
mod backends;
mod case;
mod exchange;
mod golden;
mod operations;
mod recurrent;
mod second_opinion;
mod variant;
