//! MusicXML, as notation programs read and write it.

mod read;
mod write;

pub use read::{XmlOptions, read_musicxml};
pub use write::{XmlConfig, musicxml};
