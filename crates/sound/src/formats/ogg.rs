//! Watches the pages of an Ogg file while symphonia reads them: symphonia leaves out damaged pages without a word.
//!
//! Source: RFC 3533, "The Ogg Encapsulation Format Version 0".

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};
use symphonia::core::io::MediaSource;

/// Begins every page.
const MARK: [u8; 4] = *b"OggS";
/// Bytes of a page's header before the sizes of its segments.
const HEADER: usize = 27;
/// Most logical streams that are watched.
const MOST_STREAMS: usize = 64;
/// Most faults that wait to be collected.
const MOST_FAULTS: usize = 64;

/// A damaged or missing page.
pub(crate) struct Fault {
    /// Samples of sound before it.
    pub at: u64,
    pub cause: &'static str,
}

/// Faults found so far; shared between the source and its reader.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<Vec<Fault>>>);

impl Faults {
    /// Gives the faults that were found since the last call.
    pub fn take(&self) -> Vec<Fault> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, at: u64, cause: &'static str) {
        let mut own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if own.len() < MOST_FAULTS {
            own.push(Fault { at, cause });
        }
    }
}

/// An Ogg file whose pages are checked while it is read.
///
/// Symphonia looks at the end of a file before it reads on from the beginning. Bytes are watched in their order in the
/// file, each once; reads at other places are ignored.
pub(crate) struct Watched {
    source: Box<dyn MediaSource>,
    /// Place of the next byte that is read, and of the next that is watched.
    at: u64,
    next: u64,
    pages: Pages,
}

impl Watched {
    pub fn new(source: Box<dyn MediaSource>) -> (Self, Faults) {
        let faults = Faults::default();
        let watched = Self {
            source,
            at: 0,
            next: 0,
            pages: Pages::new(faults.clone()),
        };
        (watched, faults)
    }
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?.min(buffer.len());
        let end = self.at + count as u64;
        if (self.at..end).contains(&self.next) {
            self.pages
                .push(&buffer[(self.next - self.at) as usize..count]);
            self.next = end;
        }
        self.at = end;
        Ok(count)
    }
}

impl Seek for Watched {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = self.source.seek(to)?;
        Ok(self.at)
    }
}

impl MediaSource for Watched {
    fn is_seekable(&self) -> bool {
        self.source.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        self.source.byte_len()
    }
}

/// Checks pages that come in pieces.
struct Pages {
    faults: Faults,
    waiting: Vec<u8>,
    /// The number of the next page of each logical stream.
    streams: BTreeMap<u32, u32>,
    /// Samples before the current chain of streams, and of this chain up to the last page.
    before: u64,
    at: u64,
    /// Whether a fault was reported after the last valid page.
    reported: bool,
}

/// Fields of a valid page.
struct Page {
    first: bool,
    samples: u64,
    stream: u32,
    number: u32,
}

impl Pages {
    fn new(faults: Faults) -> Self {
        Self {
            faults,
            waiting: Vec::new(),
            streams: BTreeMap::new(),
            before: 0,
            at: 0,
            reported: false,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        let waiting = std::mem::take(&mut self.waiting);
        let mut rest = &waiting[..];
        while let Some(size) = self.step(rest) {
            rest = &rest[size..];
        }
        self.waiting = rest.to_vec();
    }

    /// Takes a page, or bytes that are none, from the front: how many were used, `None` if more bytes are needed.
    fn step(&mut self, bytes: &[u8]) -> Option<usize> {
        if bytes.len() < HEADER {
            return None;
        }
        if bytes[..4] != MARK {
            self.report("bytes between two pages belong to neither");
            let next = bytes.windows(4).position(|four| four == MARK);
            // The last three bytes may be the beginning of a mark.
            return Some(next.unwrap_or(bytes.len() - 3));
        }
        let segments = usize::from(bytes[26]);
        let sizes = bytes.get(HEADER..HEADER + segments)?;
        let body: usize = sizes.iter().map(|&size| usize::from(size)).sum();
        let size = HEADER + segments + body;
        let page = bytes.get(..size)?;
        let four =
            |at: usize| u32::from_le_bytes([page[at], page[at + 1], page[at + 2], page[at + 3]]);
        if four(22) != checksum(page) {
            self.report("the checksum of a page does not match");
            return Some(MARK.len());
        }
        self.page(&Page {
            first: page[5] & 2 != 0,
            samples: u64::from(four(6)) | u64::from(four(10)) << 32,
            stream: four(14),
            number: four(18),
        });
        Some(size)
    }

    fn page(&mut self, page: &Page) {
        if page.first {
            if self.at > 0 {
                // A new chain of streams.
                self.before = self.before.saturating_add(self.at);
                self.at = 0;
                self.streams.clear();
            }
            if self.streams.len() < MOST_STREAMS {
                self.streams.insert(page.stream, page.number);
            }
        }
        match self.streams.get_mut(&page.stream) {
            Some(next) => {
                let expected = std::mem::replace(next, page.number.wrapping_add(1));
                if expected != page.number {
                    self.report("pages are missing");
                }
            }
            None => self.report("pages belong to a stream whose beginning is missing"),
        }
        // All bits set: no packet ends on this page.
        if page.samples != u64::MAX {
            self.at = self.at.max(page.samples);
        }
        self.reported = false;
    }

    /// Reports a fault, once for everything between two valid pages.
    fn report(&mut self, cause: &'static str) {
        if !self.reported {
            self.faults.add(self.before.saturating_add(self.at), cause);
        }
        self.reported = true;
    }
}

/// The CRC-32 of a page (polynomial 0x04c11db7, no reflection), with the field of the checksum taken as 0.
fn checksum(page: &[u8]) -> u32 {
    let byte = |(at, &byte): (usize, &u8)| if (22..26).contains(&at) { 0 } else { byte };
    page.iter().enumerate().map(byte).fold(0, |sum: u32, byte| {
        sum << 8 ^ TABLE[(sum >> 24) as usize ^ usize::from(byte)]
    })
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            sum = sum << 1 ^ if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};
