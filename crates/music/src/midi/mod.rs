//! Standard MIDI files.

mod chunks;
mod read;
mod track;
mod write;

pub use read::{MidiOptions, read_midi};
pub(crate) use write::channel;
pub use write::midi_bytes;

/// The channel of drums, from 0.
pub(crate) const DRUMS: u8 = 9;
