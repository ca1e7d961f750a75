//! Layers on Burn: `XConfig` → `init` → `forward`.

mod recurrent;

pub use recurrent::{
    Gru, GruConfig, LayerState, Lstm, LstmConfig, Options, Recurrent, RecurrentConfig, Rnn,
    RnnConfig, State,
};
