//! Layers on Burn: `XConfig` → `init` → `forward`.

mod recurrent;
mod variant;

pub use recurrent::{
    Gru, GruConfig, LayerState, Lstm, LstmConfig, Options, Recurrent, RecurrentConfig, Rnn,
    RnnConfig, State,
};
pub use variant::Variant;
