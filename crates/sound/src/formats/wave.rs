//! WAV files of any header that tells where the sound is: RIFF, RF64, BW64 and Wave64.
//!
//! Recorders that are interrupted or write to a pipe leave wrong sizes, which symphonia refuses. The chunks are
//! therefore walked here, and symphonia gets a plain header with the format and the true length, followed by the sound.

use super::source::{Chain, fill};
use crate::warning::Warning;
use std::io::{self, Read, SeekFrom};
use symphonia::core::io::MediaSource;

/// Bytes at the beginning that tell the kind of file.
const START: usize = 12;
/// Most bytes of a format chunk.
const LONGEST_FORMAT: u64 = 4096;
/// Most chunks that are walked before or behind the sound.
const MOST_CHUNKS: usize = 10_000;
/// Fewer bytes behind the sound are padding.
const LEAST_LEFTOVER: u64 = 16;
/// Most channels.
const MOST_CHANNELS: u16 = 1024;
/// Sizes from here on stand for "unknown" if the file is shorter: recorders that cannot go back write 0x7ffff000,
/// 0x80000000 or 0xffffffff.
const UNKNOWN: u64 = 0x7fff_0000;
/// The first identifier of a Wave64 file, and the end of every other one behind its four letters.
const WAVE64_RIFF: [u8; 16] = *b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00";
const WAVE64_END: [u8; 12] = *b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a";

/// A source after a look at its first bytes.
pub(crate) enum Opened {
    /// A WAV file.
    Wave(Wave),
    /// Another format, from its first byte on.
    Other {
        source: Box<dyn MediaSource>,
        start: Vec<u8>,
    },
}

/// The sound of a WAV file.
pub(crate) struct Wave {
    /// A plain WAV file of the sound; it can only be read forwards.
    pub source: Box<dyn MediaSource>,
    /// Frames that the header promises, if it knows.
    pub promised: Option<u64>,
    /// Whether the plain header does not state the length: the end of the bytes is then the end of the sound.
    pub endless: bool,
    pub warnings: Vec<Warning>,
}

/// Sizes and identifiers of 32 bits (RIFF) or 64 and 128 bits (Wave64).
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Riff,
    Wave64,
}

/// A chunk's header.
struct Chunk {
    id: [u8; 4],
    /// Bytes of its body.
    size: u64,
}

/// Whether these bytes can be the letters of a chunk's name.
fn is_name(id: &[u8; 4]) -> bool {
    id.iter().all(|byte| (b' '..=b'~').contains(byte))
}

/// The part of a format chunk that is needed here.
struct Format {
    /// The body of the chunk, as symphonia takes it.
    chunk: Vec<u8>,
    /// Bytes of a frame.
    block: u64,
    rate: u32,
}

/// Checks whether a source is a WAV file, and finds the sound in it.
///
/// # Errors
/// Bytes that cannot be read, or (as `InvalidData`) a WAV file without a format or a sound.
pub(crate) fn open(mut source: Box<dyn MediaSource>) -> io::Result<Opened> {
    let mut start = vec![0; START];
    let count = fill(&mut source, &mut start)?;
    start.truncate(count);
    let kind = match (start.get(..4), start.get(8..12)) {
        (Some(b"RIFF" | b"RF64" | b"BW64"), Some(b"WAVE")) => Kind::Riff,
        (Some(b"riff"), _) if start == WAVE64_RIFF[..START] => Kind::Wave64,
        _ if source.is_seekable() => {
            source.seek(SeekFrom::Start(0))?;
            return Ok(Opened::Other { source, start });
        }
        _ => {
            let source = Box::new(Chain::new(start.clone(), source, u64::MAX));
            return Ok(Opened::Other { source, start });
        }
    };
    let mut walk = Walk {
        source,
        kind,
        at: START as u64,
        odd: false,
    };
    if kind == Kind::Wave64 {
        // The rest of the first identifier, the size of the file, and the identifier of WAVE.
        walk.forward(4 + 8 + 16)?;
    }
    walk.find().map(Opened::Wave)
}

/// Goes through the chunks.
struct Walk {
    source: Box<dyn MediaSource>,
    kind: Kind,
    /// Bytes read so far.
    at: u64,
    /// Whether the chunk before had an odd size.
    odd: bool,
}

impl Walk {
    /// Finds format and sound.
    fn find(mut self) -> io::Result<Wave> {
        let (mut format, mut long) = (None, None);
        for _ in 0..MOST_CHUNKS {
            let Some(chunk) = self.next()? else { break };
            match &chunk.id {
                b"fmt " => {
                    let body = self.body(&chunk, LONGEST_FORMAT)?;
                    format = Some(Format::read(&body).ok_or_else(|| bad("malformed fmt chunk"))?);
                }
                // The true sizes of RF64: of the file, of the sound.
                b"ds64" => {
                    let body = self.body(&chunk, LONGEST_FORMAT)?;
                    let size = body.get(8..16).and_then(|own| own.try_into().ok());
                    long = size.map(u64::from_le_bytes);
                }
                b"data" => {
                    let format = format.ok_or_else(|| bad("no fmt chunk before the sound"))?;
                    let stated = match long {
                        Some(long) if chunk.size == u64::from(u32::MAX) => long,
                        _ => chunk.size,
                    };
                    return self.sound(format, stated);
                }
                _ => self.skip(chunk.size)?,
            }
        }
        Err(bad("no data chunk"))
    }

    /// The next chunk's header; `None` at the end of the file.
    fn next(&mut self) -> io::Result<Option<Chunk>> {
        let mut id = [0; 4];
        if self.read(&mut id)? < id.len() {
            return Ok(None);
        }
        // A chunk of an odd size is followed by a byte of padding, which some writers forget.
        if self.odd && !is_name(&id) {
            id.rotate_left(1);
            if self.read(&mut id[3..])? < 1 {
                return Ok(None);
            }
        }
        let size = match self.kind {
            Kind::Riff => {
                let mut size = [0; 4];
                if self.read(&mut size)? < size.len() {
                    return Ok(None);
                }
                u32::from_le_bytes(size).into()
            }
            Kind::Wave64 => {
                let mut rest = [0; 20];
                if self.read(&mut rest)? < rest.len() || rest[..12] != WAVE64_END {
                    return Ok(None);
                }
                let (_, size) = rest.split_at(12);
                let size = u64::from_le_bytes(size.try_into().unwrap_or_default());
                // The size counts the header.
                size.saturating_sub(24)
            }
        };
        self.odd = self.kind == Kind::Riff && size % 2 == 1;
        Ok(Some(Chunk { id, size }))
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = fill(&mut self.source, buffer)?;
        self.at += count as u64;
        Ok(count)
    }

    /// Steps over a body.
    fn skip(&mut self, size: u64) -> io::Result<()> {
        self.forward(size)?;
        self.forward(self.padding(size))
    }

    /// Bytes that align the chunk behind a body; those of RIFF are looked for, because some writers forget them.
    fn padding(&self, size: u64) -> u64 {
        match self.kind {
            Kind::Riff => 0,
            Kind::Wave64 => size.wrapping_neg() % 8,
        }
    }

    fn forward(&mut self, count: u64) -> io::Result<()> {
        self.at += io::copy(&mut (&mut self.source).take(count), &mut io::sink())?;
        Ok(())
    }

    fn body(&mut self, chunk: &Chunk, longest: u64) -> io::Result<Vec<u8>> {
        if chunk.size > longest {
            return Err(bad("a chunk of the header is too long"));
        }
        let mut body = vec![0; chunk.size as usize];
        let count = self.read(&mut body)?;
        body.truncate(count);
        self.forward(self.padding(chunk.size))?;
        Ok(body)
    }

    /// The sound that begins here and is said to be `stated` bytes long.
    fn sound(mut self, format: Format, stated: u64) -> io::Result<Wave> {
        let begin = self.at;
        let length = match self.source.is_seekable() {
            true => self.source.byte_len(),
            false => None,
        };
        let there = length.map(|length| length.saturating_sub(begin));
        let unknown = stated == 0 || stated >= UNKNOWN && there.is_none_or(|there| there < stated);
        let mut warnings = Vec::new();
        let seconds = |bytes: u64| (bytes / format.block) as f64 / f64::from(format.rate.max(1));
        let bytes = match (unknown, there) {
            (false, Some(there)) if there < stated => {
                warnings.push(Warning::CutOff {
                    seconds: seconds(there),
                    promised: Some(seconds(stated)),
                });
                Some(there)
            }
            (false, Some(there)) => {
                warnings.extend(self.behind(stated, there - stated)?);
                self.source.seek(SeekFrom::Start(begin))?;
                Some(stated)
            }
            (false, None) => Some(stated),
            (true, there) => there,
        };
        let whole = bytes.map(|bytes| bytes - bytes % format.block);
        let plain = whole.and_then(|bytes| u32::try_from(bytes).ok());
        let plain = plain.filter(|&bytes| bytes < u32::MAX - 1024);
        let mut head = b"RIFF\xff\xff\xff\xffWAVEfmt ".to_vec();
        head.extend((format.chunk.len() as u32).to_le_bytes());
        head.extend(&format.chunk);
        head.extend(b"data");
        head.extend(plain.unwrap_or(u32::MAX).to_le_bytes());
        Ok(Wave {
            source: Box::new(Chain::new(head, self.source, whole.unwrap_or(u64::MAX))),
            promised: (!unknown).then_some(stated / format.block),
            endless: plain.is_none(),
            warnings,
        })
    }

    /// Looks at the `rest` of a file behind a sound of `stated` bytes.
    fn behind(&mut self, stated: u64, rest: u64) -> io::Result<Option<Warning>> {
        let end = self.at + stated + rest;
        self.at = self.source.seek(SeekFrom::Start(self.at + stated))?;
        self.forward(self.padding(stated))?;
        for _ in 0..MOST_CHUNKS {
            let bytes = end.saturating_sub(self.at);
            match self.next()? {
                Some(chunk) if matches!(&chunk.id, b"RIFF" | b"RF64" | b"data") => {
                    let note = format!("{bytes} bytes behind it hold another");
                    return Ok(Some(Warning::SecondStream { note }));
                }
                // A last chunk may be one byte short.
                Some(chunk) if is_name(&chunk.id) && self.at + chunk.size.min(end) <= end + 1 => {
                    let next = self.at + chunk.size + self.padding(chunk.size);
                    self.at = self.source.seek(SeekFrom::Start(next))?;
                }
                _ if bytes < LEAST_LEFTOVER => return Ok(None),
                _ => return Ok(Some(Warning::Leftover { bytes })),
            }
        }
        Ok(None)
    }
}

impl Format {
    /// Reads a format chunk; `None` if it is too short, its frames have no size, or it states an absurd
    /// number of channels.
    fn read(body: &[u8]) -> Option<Self> {
        const PCM: u16 = 1;
        const FLOAT: u16 = 3;
        const LAWS: [u16; 2] = [6, 7];
        let base = body.get(..16)?;
        let short = |at: usize| u16::from_le_bytes([base[at], base[at + 1]]);
        let (tag, channels, align, bits) = (short(0), short(2), short(12), short(14));
        let rate = u32::from_le_bytes([base[4], base[5], base[6], base[7]]);
        // Symphonia takes these formats only with a chunk of the usual size; other sizes have no meaning.
        let chunk = match tag {
            PCM | FLOAT => base.to_vec(),
            tag if LAWS.contains(&tag) => [base, &[0, 0]].concat(),
            _ => body.to_vec(),
        };
        let own = u64::from(channels) * u64::from(bits / 8);
        let block = if own > 0 { own } else { align.into() };
        let usual = (1..=MOST_CHANNELS).contains(&channels);
        (block > 0 && usual).then_some(Self { chunk, block, rate })
    }
}

fn bad(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("wav: {problem}"))
}
