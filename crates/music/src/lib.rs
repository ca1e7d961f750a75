//! Music without networks: readers, writers, sound, pictures, rules and measures.
//!
//! [`Score`] holds notes in time, [`Roll`] sets of pitches in steps, [`Chorale`] four voices in steps, and
//! [`abc::Tune`] a tune as it is written. Pitches are MIDI numbers, 60 is middle C. `T` is a number of steps.
//!
//! | from | to | by |
//! |---|---|---|
//! | MIDI | score, and back | [`read_midi`], [`midi_bytes`] |
//! | MusicXML | score, and back | [`read_musicxml`], [`musicxml()`] |
//! | ABC | tune, score | [`abc::read_tune`], [`abc::Tune::to_score`] |
//! | data sets | rolls, chorales | [`read_rolls`], [`read_chorales`] |
//! | score | roll, line, and back | [`Score::to_roll`], [`Line::of_score`], [`Roll::to_score`] |
//! | score | samples | [`render()`], [`SoundFont`] |
//! | score | picture, page with sound | [`roll_png`], [`roll_svg`], [`roll_html`] |
//!
//! Measures are in [`VoiceLeading`] (parallels, crossings, ranges), [`abc::BarCounts`] (bars that add up) and
//! [`CopyIndex`] (copies of training data). [`abc::Automaton`] says which characters may follow in a tune.
//!
//! Readers take any bytes: they give an error, or music and [`Warning`]s of what is lost. [`Limits`] bound memory.
//!
//! ```
//! use refrain_music::{Limits, MidiOptions, SynthConfig, midi_bytes, read_midi, render};
//! use refrain_music::abc::{PlayOptions, read_tune};
//!
//! let tune = read_tune("X:1\nM:6/8\nK:G\nd|GAB cBA|G3 G2:|\n", &Limits::default())?;
//! assert!(tune.regular());
//! let score = tune.to_score(&PlayOptions::default())?;
//! assert_eq!(read_midi(&midi_bytes(&score)?, &MidiOptions::default())?.score.notes().len(), 18);
//! let samples = render(&score, &SynthConfig::default())?;
//! assert_eq!((samples.len() as f64 / 22_050.0).round(), 6.0);
//! # Ok::<(), refrain_music::MusicError>(())
//! ```

pub mod abc;
mod copies;
mod corpus;
mod error;
mod html;
mod key;
mod limits;
mod line;
mod midi;
mod musicxml;
mod picture;
mod roll;
mod rules;
mod score;
mod soundfont;
mod synth;
mod warning;

pub use copies::{Copied, CopyIndex};
pub use corpus::{Split, known_tune, read_chorales, read_file, read_rolls};
pub use error::MusicError;
pub use html::{HtmlConfig, roll_html};
pub use limits::Limits;
pub use line::{Chorale, Line, VOICE_NAMES, VOICE_RANGES};
pub use midi::{MidiOptions, midi_bytes, read_midi};
pub use musicxml::{XmlConfig, XmlOptions, musicxml, read_musicxml};
pub use picture::{PictureConfig, roll_png, roll_svg};
pub use roll::{GridFit, Pitches, Roll};
pub use rules::{OutOfRange, VoiceLeading, out_of_range, pitch_name};
pub use score::{Clock, KeySignature, LAST_TICK, Meter, Note, Score, TEXT_DIVISION, Tempo, Voice};
pub use soundfont::SoundFont;
pub use synth::{SynthConfig, Timbre, render};
pub use warning::{Imported, Warning};
