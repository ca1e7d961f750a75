//! The formats of sound files: WAV headers, MP3 frames, and symphonia's readers for the rest.

mod flac;
mod mp3;
mod ogg;
mod packets;
mod source;
mod wave;

use crate::warning::Warning;
use mp3::Mp3;
use packets::{Kind, Packets};
pub(crate) use source::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::errors::Error;
use symphonia::core::formats::well_known::FORMAT_ID_MP3;
use symphonia::core::io::MediaSource;

/// The cause of damage where joined files meet.
const SHORT: &str = "a sound is shorter than its header states, and another follows";

/// A sound file that is open.
pub(crate) struct Opened {
    pub input: Input,
    /// Samples per second.
    pub rate: u32,
    /// Samples that the header promises, if it does.
    pub promised: Option<u64>,
    pub warnings: Vec<Warning>,
}

/// Gives the decoded samples of a file.
pub(crate) enum Input {
    Packets(Box<Packets>),
    Mp3(Box<Mp3>),
}

/// The result of a step through a file.
pub(crate) enum Step {
    Samples {
        channels: usize,
        rate: u32,
    },
    Warning(Warning),
    Nothing,
    /// The end of a whole file, and of one whose rest is missing.
    End,
    CutOff,
}

impl Input {
    /// Opens a source; `None` if it has no track of sound. `extension` is only a hint.
    ///
    /// # Errors
    /// None of the formats, or bytes that cannot be read.
    pub fn open(
        source: Box<dyn MediaSource>,
        extension: Option<&str>,
    ) -> Result<Option<Opened>, Error> {
        guarded(|| match wave::open(source)? {
            wave::Opened::Wave(wave) => Packets::wave(wave),
            wave::Opened::Other { source, start } => {
                if start.starts_with(b"OggS") {
                    let (source, faults) = ogg::Watched::new(source);
                    let format = packets::probe(Box::new(source), Some("ogg"))?;
                    return Packets::open(format, Kind::Ogg(faults));
                }
                if start.starts_with(b"fLaC") {
                    let parts = flac::Parts::new(source);
                    let format = packets::probe(Box::new(parts.clone()), Some("flac"))?;
                    return Packets::open(format, Kind::Flac(Some(parts)));
                }
                let format = packets::probe(source, extension)?;
                match format.format_info().format {
                    FORMAT_ID_MP3 => Mp3::open(Box::new(format.into_inner())),
                    // Behind a tag.
                    _ => Packets::open(format, Kind::Flac(None)),
                }
            }
        })
    }

    /// Reads and decodes the next part into `interleaved` `[frames, channels]`.
    ///
    /// # Errors
    /// Bytes that cannot be read, and decoders that cannot go on.
    pub fn step(&mut self, interleaved: &mut Vec<f32>) -> Result<Step, Error> {
        guarded(|| match self {
            Self::Packets(packets) => packets.step(interleaved),
            Self::Mp3(mp3) => mp3.step(interleaved),
        })
    }
}

/// Copies decoded samples: their channels and their rate.
fn copy(buffer: &GenericAudioBufferRef<'_>, interleaved: &mut Vec<f32>) -> (usize, u32) {
    interleaved.resize(buffer.samples_interleaved(), 0.0);
    buffer.copy_to_slice_interleaved(&mut *interleaved);
    (buffer.num_planes(), buffer.spec().rate())
}

/// Runs a decoder of another crate: a panic in it means a damaged file, and does not end the program.
///
/// Some assertions of symphonia 0.6.1 can be broken from outside. The program's panic hook still runs, and the usual
/// one writes a line to standard error.
fn guarded<T>(run: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or(Err(Error::DecodeError("the decoder failed on its bytes")))
}
