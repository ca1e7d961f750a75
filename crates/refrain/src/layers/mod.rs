//! Layers on Burn: `XConfig` → `init` → `forward`.

mod recurrent;
mod state;
mod variant;

pub use recurrent::{
    Gru, GruConfig, Lstm, LstmConfig, Options, Recurrent, RecurrentConfig, Rnn, RnnConfig,
};
pub use state::{LayerState, State};
pub use variant::Variant;
