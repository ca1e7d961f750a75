//! The frames of MP3 files, also of files that were joined or change from mono to stereo.
//!
//! Symphonia's decoder is used, but not its reader of frames: that trims the sound to the length that the first header
//! states, keeps one decoder for all frames, and steps over damage without a word.
//!
//! Source: ISO/IEC 11172-3 and 13818-3 (headers of frames); the Xing, LAME and VBRI tags as LAME 3.100 and Fraunhofer's
//! encoder write them.

use super::source::append;
use super::{Input, Opened, SHORT, Step, copy};
use crate::warning::Warning;
use std::collections::VecDeque;
use std::io::{Read, Seek, SeekFrom};
use symphonia::core::codecs::audio::well_known::CODEC_ID_MP3;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::io::MediaSource;
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};
use symphonia::default::get_codecs;

/// Bytes of a frame's header.
const HEADER: usize = 4;
/// Bytes that are kept ahead: more than two of the longest frames (1441 bytes).
const AHEAD: usize = 4096;
/// Bytes of one read.
const READ: usize = 16_384;
/// Samples by which a decoder is late, which encoders count from.
const DECODER_DELAY: u64 = 529;
/// Frames that a header may count too many before sound is taken as missing: some encoders count the header's own
/// frame.
const SPARE_FRAMES: u64 = 1;

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Header {
    /// MPEG-1, with two granules of 576 samples; MPEG-2 and 2.5 have one.
    one: bool,
    rate: u32,
    mono: bool,
    /// Bytes of the frame, header included.
    size: usize,
}

impl Header {
    /// Reads a header of layer III; free formats are not supported.
    fn read(bytes: &[u8]) -> Option<Self> {
        const RATES: [u32; 3] = [44_100, 48_000, 32_000];
        #[rustfmt::skip]
        const KILOBITS: [[u32; 14]; 2] = [
            [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
            [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        ];
        let &[0xff, second, third, fourth] = bytes.get(..HEADER)? else {
            return None;
        };
        let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
        // 1 is reserved; layer III is coded as 1.
        if second >> 5 != 7 || version == 1 || layer != 1 {
            return None;
        }
        let one = version == 3;
        let halves = [2, 0, 1, 0][usize::from(version)];
        let rate = RATES.get(usize::from(third >> 2 & 3))? >> halves;
        let index = usize::from(third >> 4).checked_sub(1)?;
        let kilobits = KILOBITS[usize::from(one)].get(index)?;
        let per_kilobit = if one { 144_000 } else { 72_000 };
        let padding = u32::from(third >> 1 & 1);
        Some(Self {
            one,
            rate,
            mono: fourth >> 6 == 3,
            size: (per_kilobit * kilobits / rate + padding) as usize,
        })
    }

    /// Samples of a frame.
    fn samples(&self) -> u64 {
        if self.one { 1152 } else { 576 }
    }

    fn same_kind(&self, other: &Self) -> bool {
        (self.one, self.rate) == (other.one, other.rate)
    }

    /// Bytes of side information, behind which a tag may stand.
    fn side(&self) -> usize {
        match (self.one, self.mono) {
            (true, false) => 32,
            (true, true) | (false, false) => 17,
            (false, true) => 9,
        }
    }
}

/// A sound's length as a tag in its first frame states it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tag {
    frames: Option<u64>,
    /// Samples that an encoder added before and behind the sound.
    trim: Option<(u64, u64)>,
}

impl Tag {
    /// Reads the tag of a frame, if it is one.
    fn read(header: &Header, frame: &[u8]) -> Option<Self> {
        let four = |at: usize| -> Option<u64> {
            let own = frame.get(at..at + 4)?;
            Some(u32::from_be_bytes(own.try_into().ok()?).into())
        };
        if frame.get(36..40)? == b"VBRI" {
            let frames = four(50);
            return frames.is_some().then_some(Self { frames, trim: None });
        }
        let begin = HEADER + header.side();
        if !matches!(frame.get(begin..begin + 4)?, b"Xing" | b"Info") {
            return None;
        }
        let flags = four(begin + 4)?;
        let mut at = begin + 8;
        let frames = (flags & 1 != 0).then(|| four(at)).flatten();
        for (flag, size) in [(1, 4), (2, 4), (4, 100), (8, 4)] {
            at += if flags & flag != 0 { size } else { 0 };
        }
        let encoder = frame.get(at..at + 4);
        let trim = frame.get(at + 21..at + 24).map(|own| {
            let both = u64::from(own[0]) << 16 | u64::from(own[1]) << 8 | u64::from(own[2]);
            let padding = (both & 0xfff).saturating_sub(DECODER_DELAY);
            ((both >> 12) + DECODER_DELAY, padding)
        });
        let known = matches!(encoder, Some(b"LAME" | b"Lavf" | b"Lavc"));
        Some(Self {
            frames,
            trim: trim.filter(|_| known),
        })
    }

    /// Samples of the sound without those that the encoder added, if both are known.
    fn samples(&self, frame: u64) -> Option<u64> {
        let (delay, padding) = self.trim.unwrap_or_default();
        let frames = self.frames?;
        Some((frames * frame).saturating_sub(delay + padding))
    }
}

/// One of the sounds that were joined in the file, as far as it was read.
#[derive(Default)]
struct Part {
    tag: Tag,
    frames: u64,
    /// Whether frames of it were lost.
    damaged: bool,
    /// Samples still to be dropped at its beginning, and still to be given after those.
    skip: u64,
    left: Option<u64>,
}

/// Reads an MP3 file.
pub(crate) struct Mp3 {
    bytes: Bytes,
    decoder: Option<Box<dyn AudioDecoder>>,
    last: Option<Header>,
    part: Part,
    /// Seconds of the frames so far.
    seconds: f64,
    warnings: VecDeque<Warning>,
    /// Whether any frame was found.
    begun: bool,
}

/// A window of the file.
struct Bytes {
    source: Box<dyn MediaSource>,
    window: Vec<u8>,
    /// Bytes of the window that were used.
    used: usize,
    ended: bool,
}

impl Bytes {
    /// The bytes ahead: at least [`AHEAD`] unless the file ends before.
    fn ahead(&mut self) -> Result<&[u8], Error> {
        while !self.ended && self.window.len() - self.used < AHEAD {
            self.window.drain(..self.used);
            self.used = 0;
            self.ended = append(&mut self.source, &mut self.window, READ)?;
        }
        Ok(&self.window[self.used..])
    }

    fn skip(&mut self, count: usize) -> Result<(), Error> {
        let there = self.window.len() - self.used;
        self.used += count.min(there);
        let beyond = count.saturating_sub(there) as u64;
        if beyond > 0 {
            std::io::copy(&mut (&mut self.source).take(beyond), &mut std::io::sink())?;
        }
        Ok(())
    }
}

/// The next thing in the file.
enum Found {
    Frame(Header),
    /// A tag, such as the name of the song; its size in bytes.
    Tag(usize),
    /// The last frame, but not all of it.
    Torn,
    /// A byte that begins neither a frame nor a tag.
    Junk(u8),
    End,
}

impl Mp3 {
    /// Opens a file, from its first byte on if its source can be sought, otherwise from where the source is.
    ///
    /// # Errors
    /// Bytes that cannot be read, or no frame.
    pub fn open(mut source: Box<dyn MediaSource>) -> Result<Option<Opened>, Error> {
        if source.is_seekable() {
            source.seek(SeekFrom::Start(0))?;
        }
        let bytes = Bytes {
            source,
            window: Vec::new(),
            used: 0,
            ended: false,
        };
        let mut mp3 = Self {
            bytes,
            decoder: None,
            last: None,
            part: Part::default(),
            seconds: 0.0,
            warnings: VecDeque::new(),
            begun: false,
        };
        let Some(header) = mp3.seek()? else {
            return Err(Error::Unsupported("mp3: no frame"));
        };
        let frame = &mp3.bytes.ahead()?[..header.size];
        let tag = Tag::read(&header, frame);
        Ok(Some(Opened {
            input: Input::Mp3(Box::new(mp3)),
            rate: header.rate,
            promised: tag.and_then(|tag| tag.samples(header.samples())),
            warnings: Vec::new(),
        }))
    }

    /// Decodes the next frame.
    pub fn step(&mut self, interleaved: &mut Vec<f32>) -> Result<Step, Error> {
        if let Some(warning) = self.warnings.pop_front() {
            return Ok(Step::Warning(warning));
        }
        let Some(header) = self.seek()? else {
            return Ok(match self.warnings.pop_front() {
                Some(warning) => Step::Warning(warning),
                None => self.end(),
            });
        };
        if !self.warnings.is_empty() {
            return Ok(Step::Nothing);
        }
        let frame = self.bytes.ahead()?[..header.size].to_vec();
        self.bytes.skip(header.size)?;
        let before = self.last.replace(header);
        if let Some(tag) = Tag::read(&header, &frame) {
            self.check_length(&before.unwrap_or(header));
            self.begin_part(tag, &header);
            return Ok(Step::Nothing);
        }
        // Without a tag, another sound begins where the length of this one is over, and where the kind of its frames
        // changes.
        let over = |frames| self.part.frames >= frames + SPARE_FRAMES;
        let over = self.part.tag.frames.is_some_and(over);
        let changed = before.is_some_and(|own| !own.same_kind(&header) || own.mono != header.mono);
        if over || changed {
            self.begin_part(Tag::default(), &header);
        }
        self.decode(&header, frame, interleaved)
    }

    fn decode(
        &mut self,
        header: &Header,
        frame: Vec<u8>,
        interleaved: &mut Vec<f32>,
    ) -> Result<Step, Error> {
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            None => {
                let mut parameters = AudioCodecParameters::new();
                // Trimming is done here, by the tag of each part.
                let options = AudioDecoderOptions::default().gapless(false);
                parameters
                    .for_codec(CODEC_ID_MP3)
                    .with_sample_rate(header.rate);
                let decoder = get_codecs().make_audio_decoder(&parameters, &options)?;
                self.decoder.insert(decoder)
            }
        };
        let packet = Packet::new(0, Timestamp::ZERO, Duration::from(header.samples()), frame);
        let decoded = decoder
            .decode(&packet)
            .map(|buffer| copy(&buffer, interleaved));
        let at = self.seconds;
        let seconds = header.samples() as f64 / f64::from(header.rate);
        self.seconds += seconds;
        self.part.frames += 1;
        let kept = self.part.keep(header.samples());
        match decoded {
            Ok((channels, rate)) => {
                let end = (kept.end * channels).min(interleaved.len());
                interleaved.truncate(end);
                interleaved.drain(..(kept.start * channels).min(end));
                Ok(Step::Samples { channels, rate })
            }
            Err(error) => {
                let cause = match error {
                    Error::DecodeError(cause) => cause.into(),
                    Error::IoError(_) => "a frame ends too early".into(),
                    error => return Err(error),
                };
                let seconds = Some(seconds);
                Ok(Step::Warning(Warning::Damaged { at, seconds, cause }))
            }
        }
    }

    fn begin_part(&mut self, tag: Tag, header: &Header) {
        self.decoder = None;
        self.part = Part {
            tag,
            frames: 0,
            damaged: false,
            skip: tag.trim.map_or(0, |(delay, _)| delay),
            left: tag.trim.and_then(|_| tag.samples(header.samples())),
        };
    }

    /// Frames that the tag of the last part counts and that did not come.
    fn missing(&self) -> u64 {
        let stated = self.part.tag.frames.filter(|_| !self.part.damaged);
        let stated = stated.unwrap_or(0);
        stated.saturating_sub(self.part.frames + SPARE_FRAMES)
    }

    /// Says if the part that ends here is shorter than its tag states.
    fn check_length(&mut self, header: &Header) {
        let missing = self.missing();
        if missing > 0 {
            let seconds = (missing * header.samples()) as f64 / f64::from(header.rate);
            self.warnings.push_back(Warning::Damaged {
                at: self.seconds,
                seconds: Some(seconds),
                cause: SHORT.into(),
            });
        }
    }

    fn end(&mut self) -> Step {
        match self.bytes.window.len() > self.bytes.used || self.missing() > 0 {
            true => Step::CutOff,
            false => Step::End,
        }
    }

    /// Goes to the next frame, over tags and damage; `None` at the end.
    fn seek(&mut self) -> Result<Option<Header>, Error> {
        let (mut junk, mut zeros) = (0u64, true);
        let found = loop {
            match self.ahead(junk > 0)? {
                Found::Frame(header) => break Some(header),
                Found::Torn | Found::End => break None,
                Found::Tag(size) => self.bytes.skip(size)?,
                Found::Junk(byte) => {
                    junk += 1;
                    zeros &= byte == 0;
                    self.bytes.skip(1)?;
                }
            }
        };
        // Bytes before the first frame are of no concern, and neither are zeros: some writers pad with them.
        if self.begun && !zeros {
            self.part.damaged |= found.is_some();
            self.warnings.push_back(match found {
                Some(_) => Warning::Damaged {
                    at: self.seconds,
                    seconds: None,
                    cause: format!("{junk} bytes are not a frame"),
                },
                None => Warning::Leftover { bytes: junk },
            });
        }
        self.begun |= found.is_some();
        Ok(found)
    }

    /// Tells which thing is next. A frame is valid if it is of the kind of the last one; behind junk, if another of its
    /// kind follows.
    fn ahead(&mut self, lost: bool) -> Result<Found, Error> {
        let last = self.last;
        let bytes = self.bytes.ahead()?;
        let Some(&first) = bytes.first() else {
            return Ok(Found::End);
        };
        // A tag in the middle of damage is not believed: it might make the rest of the file disappear.
        if let Some(size) = tag_size(bytes).filter(|_| !lost) {
            return Ok(Found::Tag(size));
        }
        let Some(header) = Header::read(bytes) else {
            return Ok(Found::Junk(first));
        };
        let usual = !lost && last.is_some_and(|last| last.same_kind(&header));
        if bytes.len() < header.size {
            return Ok(if usual {
                Found::Torn
            } else {
                Found::Junk(first)
            });
        }
        let behind = &bytes[header.size..];
        let follows = Header::read(behind).is_some_and(|next| next.same_kind(&header));
        let ends = behind.len() < HEADER || tag_size(behind).is_some();
        Ok(match usual || follows || ends {
            true => Found::Frame(header),
            false => Found::Junk(first),
        })
    }
}

impl Part {
    /// The samples of the next frame that belong to the sound.
    fn keep(&mut self, samples: u64) -> std::ops::Range<usize> {
        let start = self.skip.min(samples);
        self.skip -= start;
        let left = self.left.unwrap_or(u64::MAX);
        let count = (samples - start).min(left);
        self.left = self.left.map(|left| left - count);
        start as usize..(start + count) as usize
    }
}

/// The size of the tag (ID3v1, ID3v2, APE) that begins here, if one does.
fn tag_size(bytes: &[u8]) -> Option<usize> {
    let byte = |at: usize| bytes.get(at).map(|&byte| usize::from(byte));
    if bytes.starts_with(b"TAG") {
        return Some(128);
    }
    if bytes.starts_with(b"ID3") {
        let size = (6..10).try_fold(0, |size, at| Some(size << 7 | byte(at)? & 0x7f))?;
        let footer = if byte(5)? & 0x10 != 0 { 10 } else { 0 };
        return Some(10 + size + footer);
    }
    if bytes.starts_with(b"APETAGEX") {
        let size = (12..16)
            .rev()
            .try_fold(0, |size, at| Some(size << 8 | byte(at)?))?;
        // The size counts the footer but not the header; a footer alone stands behind its tag.
        let is_header = byte(23)? & 0x20 != 0;
        return Some(if is_header { 32 + size } else { 32 });
    }
    None
}
