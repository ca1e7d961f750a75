//! Layers and fused operations on Burn: against Burn's own operations and against PyTorch.

mod golden;
mod operations;
mod recurrent;
mod second_opinion;
