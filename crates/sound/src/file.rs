//! Sound files, read piece by piece.
//!
//! WAV (PCM of 8 to 32 bits, floats, A-law and µ-law), FLAC, Ogg Vorbis and MP3, of any rate and number of channels. The format is told from
//! the bytes, not from the name.

use crate::error::SoundError;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;
use symphonia::default::{get_codecs, get_probe};

/// A whole sound in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Mono, in ±1.
    pub samples: Vec<f32>,
    /// Samples per second.
    pub rate: u32,
    /// Whether the file ends before its sound does; `samples` are what there is.
    pub truncated: bool,
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
/// Channels are mixed to one by their mean. Samples beyond ±1 (MP3 and float files have them) are clipped, and what is not a number becomes
/// silence. A packet that cannot be decoded is left out, and counted in [`skipped`](Self::skipped).
pub struct Reader {
    name: String,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    rate: u32,
    /// Samples that the header promises.
    promised: Option<u64>,
    given: u64,
    skipped: usize,
    /// What the decoder said of the last packet that was left out.
    reason: Option<String>,
    truncated: bool,
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
        let extension = path.extension().and_then(|extension| extension.to_str());
        Self::build(name, Box::new(file), extension)
    }

    /// Reads from bytes that are in memory or elsewhere; `extension` (such as `"mp3"`) is only a hint.
    ///
    /// # Errors
    /// No bytes, or none of the formats.
    pub fn new(
        mut bytes: impl Read + Seek + Send + Sync + 'static,
        extension: Option<&str>,
    ) -> Result<Self, SoundError> {
        let name = String::from("the given sound");
        let length = bytes
            .seek(SeekFrom::End(0))
            .and_then(|length| bytes.seek(SeekFrom::Start(0)).map(|_| length));
        match length {
            Ok(0) => Err(SoundError::Empty { name }),
            Ok(length) => Self::build(name, Box::new(Source { bytes, length }), extension),
            Err(error) => Err(SoundError::Read { name, error }),
        }
    }

    fn build(
        name: String,
        source: Box<dyn MediaSource>,
        extension: Option<&str>,
    ) -> Result<Self, SoundError> {
        let mut hint = Hint::new();
        extension.map(|extension| hint.with_extension(extension));
        let opened = guarded(|| {
            let stream = MediaSourceStream::new(source, Default::default());
            let format = get_probe().probe(
                &hint,
                stream,
                FormatOptions::default(),
                MetadataOptions::default(),
            )?;
            let track = track(&*format)?;
            Ok((format, track))
        });
        let (format, track) = match opened {
            Ok((format, Some(track))) => (format, track),
            Ok((_, None)) => return Err(SoundError::NoTrack { name }),
            Err(Error::IoError(error)) if error.kind() != ErrorKind::UnexpectedEof => {
                return Err(SoundError::Read { name, error });
            }
            Err(error) => {
                let reason = error.to_string();
                return Err(SoundError::Format { name, reason });
            }
        };
        Ok(Self {
            name,
            format,
            decoder: track.decoder,
            track: track.id,
            rate: track.rate,
            promised: track.length,
            given: 0,
            skipped: 0,
            reason: None,
            truncated: false,
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
            truncated: self.truncated(),
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

    /// Whether the sound ended before the file said it would; known after the last piece.
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// Packets that were left out so far because they were damaged.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// The next samples, at least one and at most some ten thousand; `None` at the end. A sound that is cut off ends like any other, and
    /// [`truncated`](Self::truncated) says so.
    ///
    /// # Errors
    /// Bytes that cannot be read, and a file of which not one sample could be decoded.
    pub fn next_chunk(&mut self) -> Result<Option<Vec<f32>>, SoundError> {
        while !self.ended {
            let Self {
                format, decoder, ..
            } = self;
            let track = self.track;
            let interleaved = &mut self.interleaved;
            let step = guarded(|| step(&mut **format, &mut **decoder, track, interleaved));
            match step {
                Ok(Step::Samples { channels, rate }) if rate == self.rate => {
                    let chunk = mix(&self.interleaved, channels);
                    if !chunk.is_empty() {
                        self.given += chunk.len() as u64;
                        return Ok(Some(chunk));
                    }
                }
                // Another rate in the middle: what follows is another sound.
                Ok(Step::Samples { .. }) => self.cut("its rate changes"),
                Ok(Step::Nothing) => {}
                Ok(Step::Damaged(reason)) => {
                    self.skipped += 1;
                    self.reason = Some(reason.into());
                }
                Ok(Step::End) => {
                    self.truncated |= self.promised.is_some_and(|length| self.given < length);
                    self.ended = true;
                }
                // One Ogg file may hold several sounds, one after the other.
                Err(Error::ResetRequired) => self.restart(),
                Err(Error::IoError(error)) if error.kind() != ErrorKind::UnexpectedEof => {
                    self.ended = true;
                    let name = self.name.clone();
                    return Err(SoundError::Read { name, error });
                }
                Err(error) => self.cut(&error.to_string()),
            }
            if self.ended {
                return self.nothing_at_all();
            }
        }
        Ok(None)
    }

    fn cut(&mut self, reason: &str) {
        self.reason = Some(reason.into());
        self.truncated = true;
        self.ended = true;
    }

    /// Goes on with the next sound of the file if it is of the same rate.
    fn restart(&mut self) {
        match guarded(|| track(&*self.format)) {
            Ok(Some(track)) if track.rate == self.rate => {
                self.decoder = track.decoder;
                self.track = track.id;
                // What the first header promised has been given; nobody promises the sum.
                self.promised = None;
            }
            _ => self.cut("another kind of sound follows"),
        }
    }

    /// The end, which is an error where there was no beginning.
    fn nothing_at_all(&mut self) -> Result<Option<Vec<f32>>, SoundError> {
        let name = self.name.clone();
        match (self.given, self.reason.take()) {
            (0, Some(reason)) => Err(SoundError::Damaged { name, reason }),
            (0, None) => Err(SoundError::NoSamples { name }),
            _ => Ok(None),
        }
    }
}

/// The track of sound, ready to be decoded.
struct Track {
    decoder: Box<dyn AudioDecoder>,
    id: u32,
    rate: u32,
    length: Option<u64>,
}

fn track(format: &dyn FormatReader) -> Result<Option<Track>, Error> {
    let Some(track) = format.default_track(TrackType::Audio) else {
        return Ok(None);
    };
    let Some(parameters) = track.codec_params.as_ref().and_then(|codec| codec.audio()) else {
        return Ok(None);
    };
    let Some(rate) = parameters.sample_rate.filter(|&rate| rate > 0) else {
        return Err(Error::Unsupported("no sample rate is stated"));
    };
    let decoder = get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default())?;
    Ok(Some(Track {
        decoder,
        id: track.id,
        rate,
        length: track.num_frames,
    }))
}

/// What one packet gave.
enum Step {
    Samples { channels: usize, rate: u32 },
    Nothing,
    Damaged(&'static str),
    End,
}

/// Reads and decodes one packet.
fn step(
    format: &mut dyn FormatReader,
    decoder: &mut dyn AudioDecoder,
    track: u32,
    interleaved: &mut Vec<f32>,
) -> Result<Step, Error> {
    // Tags in the middle of a stream are of no use here, and would gather.
    while format.metadata().pop().is_some() {}
    let Some(packet) = format.next_packet()? else {
        return Ok(Step::End);
    };
    if packet.track_id != track {
        return Ok(Step::Nothing);
    }
    match decoder.decode(&packet) {
        Ok(buffer) => Ok(copy(&buffer, interleaved)),
        Err(Error::DecodeError(reason)) => Ok(Step::Damaged(reason)),
        // The packet is whole in memory: its end is not the end of the file.
        Err(Error::IoError(_)) => Ok(Step::Damaged("a packet ends too early")),
        Err(error) => Err(error),
    }
}

fn copy(buffer: &GenericAudioBufferRef<'_>, interleaved: &mut Vec<f32>) -> Step {
    interleaved.resize(buffer.samples_interleaved(), 0.0);
    buffer.copy_to_slice_interleaved(&mut *interleaved);
    Step::Samples {
        channels: buffer.num_planes(),
        rate: buffer.spec().rate(),
    }
}

/// The mean of the channels.
fn mix(interleaved: &[f32], channels: usize) -> Vec<f32> {
    let usable = |sample: f32| match sample.is_finite() {
        true => sample.clamp(-1.0, 1.0),
        false => 0.0,
    };
    interleaved
        .chunks_exact(channels.max(1))
        .map(|frame| usable(frame.iter().sum::<f32>() / frame.len() as f32))
        .collect()
}

/// Runs a decoder that is not ours: a panic in it is a damaged file, not the end of the program. (Some of symphonia 0.6.1's assertions can be
/// broken from outside. The program's panic hook still runs, and the usual one writes a line to standard error.)
fn guarded<T>(run: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or(Err(Error::DecodeError("the decoder failed on its bytes")))
}

/// Bytes of a known length.
struct Source<R> {
    bytes: R,
    length: u64,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

impl<R: Seek> Seek for Source<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

impl<R: Read + Seek + Send + Sync> MediaSource for Source<R> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length)
    }
}
