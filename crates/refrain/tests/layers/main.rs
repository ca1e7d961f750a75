//! Layers and fused operations on Burn, compared with Burn's own operations and with PyTorch.

mod acoustic;
mod attention;
#[cfg(feature = "ndarray")]
mod backends;
mod case;
mod conv;
mod exchange;
mod golden;
mod lines;
mod operations;
mod pages;
mod recurrent;
mod second_opinion;
mod variant;
