//! Sound files, read piece by piece.
//!
//! WAV (PCM of 8 to 32 bits, floats, A-law and µ-law; also RF64 and Wave64), FLAC, Ogg Vorbis and MP3, of any rate and
//! number of channels. The bytes tell the format, not the name.

use crate::channels::Mixer;
use crate::error::SoundError;
use crate::formats::{Bytes, Input, Step};
use crate::resample::Resampler;
use crate::warning::{Warning, Warnings};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use symphonia::core::errors::Error;
use symphonia::core::io::MediaSource;

/// A whole sound in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Mono, in ±1.
    pub samples: Vec<f32>,
    /// Samples per second.
    pub rate: u32,
    /// Sound that was lost or changed.
    pub warnings: Vec<Warning>,
}

/// Reads a whole file.
///
/// # Errors
/// As [`Reader::open`] and [`Reader::next_chunk`].
pub fn load(path: impl AsRef<Path>) -> Result<Sound, SoundError> {
    Reader::open(path)?.into_sound()
}

/// Reads a sound piece by piece; memory does not grow with the length of the sound.
///
/// Channels are mixed to one by their mean, or, where that cancels, by taking one of them. Samples beyond ±1 are
/// clamped; NaN and ±∞ become 0. Damaged parts are left out. Sounds that were joined in one Ogg or MP3 file are read
/// one after the other, at the rate of the first. [`warnings`](Self::warnings) lists every loss and change.
pub struct Reader {
    name: String,
    input: Input,
    /// Samples per second of the output.
    rate: u32,
    promised: Option<u64>,
    /// For a later part of another rate: that rate, and its resampler to the rate of the first.
    adapter: Option<(u32, Resampler)>,
    mixer: Mixer,
    given: u64,
    warnings: Warnings,
    ended: bool,
    /// All channels of one packet, before they are mixed.
    interleaved: Vec<f32>,
}

impl Reader {
    /// Opens a file.
    ///
    /// # Errors
    /// A file that is missing, empty, or none of the formats.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SoundError> {
        let path = path.as_ref();
        let refused = |error| SoundError::Open {
            path: path.to_path_buf(),
            error,
        };
        let file = File::open(path).map_err(refused)?;
        let about = file.metadata().map_err(refused)?;
        if about.is_dir() {
            return Err(refused(ErrorKind::IsADirectory.into()));
        }
        let name = path.display().to_string();
        if about.is_file() && about.len() == 0 {
            return Err(SoundError::Empty { name });
        }
        Self::build(name, Box::new(file), extension(path))
    }

    /// Reads from bytes that are in memory or elsewhere; `extension` (such as `"mp3"`) is only a hint.
    ///
    /// # Errors
    /// No bytes, or none of the formats.
    pub fn new(
        bytes: impl Read + Seek + Send + Sync + 'static,
        extension: Option<&str>,
    ) -> Result<Self, SoundError> {
        Self::from_bytes("the given sound".into(), bytes, extension)
    }

    /// Reads from bytes that have a name, such as that of a file in an archive: errors give it. Its ending is only a
    /// hint.
    ///
    /// # Errors
    /// No bytes, or none of the formats.
    pub fn named(
        bytes: impl Read + Seek + Send + Sync + 'static,
        name: &str,
    ) -> Result<Self, SoundError> {
        Self::from_bytes(name.into(), bytes, extension(Path::new(name)))
    }

    fn from_bytes(
        name: String,
        mut bytes: impl Read + Seek + Send + Sync + 'static,
        extension: Option<&str>,
    ) -> Result<Self, SoundError> {
        let length = bytes
            .seek(SeekFrom::End(0))
            .and_then(|length| bytes.seek(SeekFrom::Start(0)).map(|_| length));
        match length {
            Ok(0) => Err(SoundError::Empty { name }),
            Ok(length) => Self::build(name, Box::new(Bytes { bytes, length }), extension),
            Err(error) => Err(SoundError::Read { name, error }),
        }
    }

    fn build(
        name: String,
        source: Box<dyn MediaSource>,
        extension: Option<&str>,
    ) -> Result<Self, SoundError> {
        let opened = match Input::open(source, extension) {
            Ok(Some(opened)) => opened,
            Ok(None) => return Err(SoundError::NoTrack { name }),
            Err(error) => {
                return Err(match failed_read(error) {
                    Ok(error) => SoundError::Read { name, error },
                    Err(reason) => SoundError::Format { name, reason },
                });
            }
        };
        let mut warnings = Warnings::default();
        opened
            .warnings
            .into_iter()
            .for_each(|own| warnings.add(own));
        Ok(Self {
            name,
            input: opened.input,
            rate: opened.rate,
            promised: opened.promised,
            adapter: None,
            mixer: Mixer::new(opened.rate),
            given: 0,
            warnings,
            ended: false,
            interleaved: Vec::new(),
        })
    }

    /// All that is left, in memory.
    ///
    /// # Errors
    /// As [`Self::next_chunk`].
    pub fn into_sound(mut self) -> Result<Sound, SoundError> {
        let mut samples = Vec::new();
        while let Some(chunk) = self.next_chunk()? {
            samples.extend(chunk);
        }
        Ok(Sound {
            samples,
            rate: self.rate(),
            warnings: self.warnings.into_list(),
        })
    }

    /// Samples per second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Samples that the file's header promises, where it says so.
    pub fn promised(&self) -> Option<u64> {
        self.promised
    }

    /// Sound that was lost or changed so far; complete after the last piece.
    pub fn warnings(&self) -> &[Warning] {
        self.warnings.list()
    }

    /// Whether the sound ended before the file said it would; known after the last piece.
    pub fn truncated(&self) -> bool {
        let cut = |warning: &Warning| matches!(warning, Warning::CutOff { .. });
        self.warnings().iter().any(cut)
    }

    /// The next samples, at least one and at most some ten thousand; `None` at the end. A sound that is cut off ends
    /// like any other, and [`warnings`](Self::warnings) says so.
    ///
    /// # Errors
    /// Bytes that cannot be read, and a file of which not one sample could be decoded.
    pub fn next_chunk(&mut self) -> Result<Option<Vec<f32>>, SoundError> {
        while !self.ended {
            let chunk = self.step()?;
            if !chunk.is_empty() {
                self.given += chunk.len() as u64;
                return Ok(Some(chunk));
            }
            if self.ended && self.given == 0 {
                return Err(self.nothing_at_all());
            }
        }
        Ok(None)
    }

    /// The samples of the next part of the file, which may be none.
    fn step(&mut self) -> Result<Vec<f32>, SoundError> {
        match self.input.step(&mut self.interleaved) {
            Ok(Step::Samples { channels, rate }) => {
                let mut out = match self.change_rate(rate) {
                    Ok(out) => out,
                    Err(error) => return self.lost(error.to_string()),
                };
                let mono = self.mixer.push(&mut self.interleaved, channels);
                out.extend(self.adapt(mono)?);
                Ok(out)
            }
            Ok(Step::Nothing) => Ok(Vec::new()),
            Ok(Step::Warning(warning)) => {
                self.warnings.add(warning);
                Ok(Vec::new())
            }
            Ok(Step::End) => self.end(),
            Ok(Step::CutOff) => self.cut_off(),
            Err(error) => match failed_read(error) {
                Ok(error) => {
                    self.ended = true;
                    let name = self.name.clone();
                    Err(SoundError::Read { name, error })
                }
                Err(cause) => self.lost(cause),
            },
        }
    }

    /// Ends the sound before its end.
    fn lost(&mut self, cause: String) -> Result<Vec<f32>, SoundError> {
        let (at, seconds) = (self.mixer.seconds(), None);
        self.warnings.add(Warning::Damaged { at, seconds, cause });
        self.cut_off()
    }

    fn cut_off(&mut self) -> Result<Vec<f32>, SoundError> {
        let seconds = self.mixer.seconds();
        let promised = self.promised.map(|own| own as f64 / f64::from(self.rate));
        if !self.truncated() {
            self.warnings.add(Warning::CutOff { seconds, promised });
        }
        self.end()
    }

    /// Ends the sound; gives the samples that wait.
    fn end(&mut self) -> Result<Vec<f32>, SoundError> {
        self.ended = true;
        let last = self.mixer.flush();
        let mut out = self.adapt(last)?;
        if let Some((_, adapter)) = &mut self.adapter {
            out.extend(adapter.finish()?);
        }
        self.mixer.warn(&mut self.warnings);
        Ok(out)
    }

    /// Brings mixed samples to the rate of the output.
    fn adapt(&mut self, samples: Vec<f32>) -> Result<Vec<f32>, SoundError> {
        match &mut self.adapter {
            Some((_, adapter)) => adapter.push(&samples),
            None => Ok(samples),
        }
    }

    /// Changes the rate of the input if it differs; gives the samples that wait.
    fn change_rate(&mut self, rate: u32) -> Result<Vec<f32>, SoundError> {
        let now = self.adapter.as_ref().map_or(self.rate, |own| own.0);
        if rate == now {
            return Ok(Vec::new());
        }
        let next = match rate == self.rate {
            true => None,
            false => Some((rate, Resampler::new(rate, self.rate)?)),
        };
        let waiting = self.mixer.change_rate(rate);
        let mut out = self.adapt(waiting)?;
        if let Some((_, mut adapter)) = std::mem::replace(&mut self.adapter, next) {
            out.extend(adapter.finish()?);
        }
        Ok(out)
    }

    /// The reason why there is no sample at all.
    fn nothing_at_all(&self) -> SoundError {
        let name = self.name.clone();
        match self.warnings.damage() {
            Some(reason) => SoundError::Damaged {
                name,
                reason: reason.into(),
            },
            None => SoundError::NoSamples { name },
        }
    }
}

fn extension(path: &Path) -> Option<&str> {
    path.extension().and_then(|extension| extension.to_str())
}

/// The system's error, or the fault in the bytes.
fn failed_read(error: Error) -> Result<std::io::Error, String> {
    use ErrorKind::{InvalidData, UnexpectedEof};
    match error {
        Error::IoError(error) if matches!(error.kind(), UnexpectedEof | InvalidData) => {
            Err(error.to_string())
        }
        Error::IoError(error) => Ok(error),
        error => Err(error.to_string()),
    }
}
