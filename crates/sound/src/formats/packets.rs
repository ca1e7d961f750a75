//! Packets of sound that symphonia reads: WAV, FLAC, Ogg Vorbis.

use super::flac::Parts;
use super::ogg::Faults;
use super::wave::Wave;
use super::{Input, Opened, SHORT, Step, copy};
use crate::warning::Warning;
use std::collections::VecDeque;
use std::io::ErrorKind;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::default::{get_codecs, get_probe};

/// A reader of packets and its decoder.
pub(crate) struct Packets {
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    rate: u32,
    kind: Kind,
    /// Seconds of the sounds before this one.
    before: f64,
    /// Samples that the header of this sound promises, if it does.
    promised: Option<u64>,
    /// Where the next packet should begin, samples.
    next: Option<i64>,
    warnings: VecDeque<Warning>,
}

/// The format, with the means to tell the end of a file and damage.
pub(super) enum Kind {
    /// The end of the bytes is the end of the sound if `endless`.
    Wave { endless: bool },
    /// Faults of its pages; the last page is marked as such.
    Ogg(Faults),
    /// Packets state where they begin. Several files may be joined.
    Flac(Option<Parts>),
}

/// The track of sound of a file.
struct Track {
    decoder: Box<dyn AudioDecoder>,
    id: u32,
    rate: u32,
    length: Option<u64>,
}

/// Finds out the format of a source.
pub(super) fn probe(
    source: Box<dyn MediaSource>,
    extension: Option<&str>,
) -> Result<Box<dyn FormatReader>, Error> {
    let mut hint = Hint::new();
    extension.map(|extension| hint.with_extension(extension));
    let stream = MediaSourceStream::new(source, Default::default());
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    get_probe().probe(&hint, stream, format, metadata)
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

impl Packets {
    /// Reads the sound of a WAV file.
    pub fn wave(wave: Wave) -> Result<Option<Opened>, Error> {
        let format = probe(wave.source, Some("wav"))?;
        let Some(track) = track(&*format)? else {
            return Ok(None);
        };
        let kind = Kind::Wave {
            endless: wave.endless,
        };
        Ok(Some(Self::with(
            format,
            track,
            kind,
            wave.promised,
            wave.warnings,
        )))
    }

    /// Reads FLAC or Ogg Vorbis.
    pub(super) fn open(format: Box<dyn FormatReader>, kind: Kind) -> Result<Option<Opened>, Error> {
        let Some(track) = track(&*format)? else {
            return Ok(None);
        };
        let tracks = format.tracks().iter();
        let sounds = tracks
            .filter(|track| track.track_type() == Some(TrackType::Audio))
            .count();
        let warnings = (sounds > 1).then(|| Warning::SecondStream {
            note: format!("it holds {sounds} at once"),
        });
        let promised = track.length;
        Ok(Some(Self::with(
            format,
            track,
            kind,
            promised,
            warnings.into_iter().collect(),
        )))
    }

    fn with(
        format: Box<dyn FormatReader>,
        track: Track,
        kind: Kind,
        promised: Option<u64>,
        warnings: Vec<Warning>,
    ) -> Opened {
        let rate = track.rate;
        let packets = Self {
            format,
            decoder: track.decoder,
            track: track.id,
            rate,
            kind,
            before: 0.0,
            promised,
            next: None,
            warnings: VecDeque::new(),
        };
        Opened {
            input: Input::Packets(Box::new(packets)),
            rate,
            promised,
            warnings,
        }
    }

    /// Reads and decodes one packet.
    pub fn step(&mut self, interleaved: &mut Vec<f32>) -> Result<Step, Error> {
        if let Some(warning) = self.warnings.pop_front() {
            return Ok(Step::Warning(warning));
        }
        // Tags in the middle of a stream are dropped here: they are not used, and would fill the memory.
        while self.format.metadata().pop().is_some() {}
        let packet = self.format.next_packet();
        self.collect();
        match packet {
            Ok(Some(packet)) if packet.track_id == self.track => self.decode(&packet, interleaved),
            Ok(Some(_)) => Ok(Step::Nothing),
            Ok(None) => self.end(),
            // One Ogg file may hold several sounds, one after the other.
            Err(Error::ResetRequired) => self.restart(),
            Err(Error::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                match self.kind {
                    Kind::Wave { endless: true } => self.end(),
                    _ => self.last(Step::CutOff),
                }
            }
            Err(error) => Err(error),
        }
    }

    fn decode(&mut self, packet: &Packet, interleaved: &mut Vec<f32>) -> Result<Step, Error> {
        let begin = packet.pts.get();
        if matches!(self.kind, Kind::Flac(_)) {
            self.note_gap(begin);
        }
        let length = packet.dur.get();
        self.next = Some(begin.saturating_add_unsigned(length));
        let at = self.time(begin);
        let seconds = Some(length as f64 / f64::from(self.rate));
        let damaged = |cause: &str| {
            let cause = cause.into();
            Ok(Step::Warning(Warning::Damaged { at, seconds, cause }))
        };
        match self.decoder.decode(packet) {
            Ok(buffer) => {
                let (channels, rate) = copy(&buffer, interleaved);
                Ok(Step::Samples { channels, rate })
            }
            Err(Error::DecodeError(cause)) => damaged(cause),
            // The packet is whole in memory: its end is not the end of the file.
            Err(Error::IoError(_)) => damaged("a packet ends too early"),
            Err(error) => Err(error),
        }
    }

    /// Notes sound that is missing before a packet that begins at `begin`.
    fn note_gap(&mut self, begin: i64) {
        let expected = self.next.unwrap_or(0);
        if begin > expected {
            self.warnings.push_back(Warning::Damaged {
                at: self.time(expected),
                seconds: Some((begin - expected) as f64 / f64::from(self.rate)),
                cause: "frames are damaged or missing".into(),
            });
        }
    }

    /// The place of a sample of this sound in the file, seconds.
    fn time(&self, sample: i64) -> f64 {
        self.before + sample.max(0) as f64 / f64::from(self.rate)
    }

    /// Collects the damaged pages of an Ogg file.
    fn collect(&mut self) {
        if let Kind::Ogg(faults) = &self.kind {
            self.warnings
                .extend(faults.take().into_iter().map(|fault| Warning::Damaged {
                    at: fault.at as f64 / f64::from(self.rate),
                    seconds: None,
                    cause: fault.cause.into(),
                }));
        }
    }

    /// The end of the packets.
    fn end(&mut self) -> Result<Step, Error> {
        let given = self.next.unwrap_or(0).max(0) as u64;
        let short = self.promised.is_some_and(|promised| given < promised);
        match (&self.kind, short) {
            (Kind::Ogg(_), _) | (_, false) => self.last(Step::End),
            _ => self.last(Step::CutOff),
        }
    }

    /// Gives the warnings that wait, then the next of joined FLAC files, then the end.
    fn last(&mut self, end: Step) -> Result<Step, Error> {
        if let Some(warning) = self.warnings.pop_front() {
            return Ok(Step::Warning(warning));
        }
        let Kind::Flac(Some(parts)) = &self.kind else {
            return Ok(end);
        };
        if !parts.next()? {
            return Ok(end);
        }
        let source = Box::new(parts.clone());
        self.before = self.time(self.next.unwrap_or(0));
        if matches!(end, Step::CutOff) {
            self.warnings.push_back(Warning::Damaged {
                at: self.before,
                seconds: None,
                cause: SHORT.into(),
            });
        }
        self.format = probe(source, Some("flac"))?;
        self.restart()
    }

    /// Begins the next sound of the file.
    fn restart(&mut self) -> Result<Step, Error> {
        let Some(track) = track(&*self.format)? else {
            return Err(Error::Unsupported("the next part of the file has no sound"));
        };
        self.decoder = track.decoder;
        self.track = track.id;
        self.rate = track.rate;
        (self.promised, self.next) = (track.length, None);
        Ok(Step::Nothing)
    }
}
