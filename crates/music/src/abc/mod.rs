//! Tunes in ABC notation (standard 2.1, with the habits of older files).

mod bars;
mod chords;
mod fields;
mod lexer;
mod next;
mod play;
mod ratio;
mod read;
mod symbols;
mod text;

pub use bars::{Bar, BarCounts, BarKind};
pub use fields::{Key, Pace, TimeSignature};
pub use next::{Automaton, AutomatonConfig};
pub use play::PlayOptions;
pub use ratio::Ratio;
pub use read::{BarLine, Item, Part, Tune, read_tune};
pub use symbols::{Symbols, tune_symbols};
pub use text::{TuneText, decode_abc, normal_form, split_tunes};
