//! Where the bytes of a sound come from.

use std::io::{self, Cursor, ErrorKind, Read, Seek, SeekFrom};
use symphonia::core::io::MediaSource;

/// Bytes of a known length that can be sought.
pub(crate) struct Bytes<R> {
    pub bytes: R,
    pub length: u64,
}

impl<R: Read> Read for Bytes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

impl<R: Seek> Seek for Bytes<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.bytes.seek(to)
    }
}

impl<R: Read + Seek + Send + Sync> MediaSource for Bytes<R> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length)
    }
}

/// Bytes in memory followed by at most `limit` bytes of a source; cannot be sought.
pub(crate) struct Chain {
    head: Cursor<Vec<u8>>,
    rest: io::Take<Box<dyn MediaSource>>,
}

impl Chain {
    pub fn new(head: Vec<u8>, rest: Box<dyn MediaSource>, limit: u64) -> Self {
        Self {
            head: Cursor::new(head),
            rest: rest.take(limit),
        }
    }
}

impl Read for Chain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.head.read(buffer)? {
            0 => self.rest.read(buffer),
            count => Ok(count),
        }
    }
}

impl Seek for Chain {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(ErrorKind::Unsupported.into())
    }
}

impl MediaSource for Chain {
    fn is_seekable(&self) -> bool {
        false
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}

/// Reads until the buffer is full or the source ends; gives the number of bytes.
pub(crate) fn fill(source: &mut (impl Read + ?Sized), buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < buffer.len() {
        match source.read(&mut buffer[count..]) {
            Ok(0) => break,
            // A wrong reader may claim more than the buffer holds; that must not cause a panic.
            Ok(more) => count = (count + more).min(buffer.len()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Appends at most `count` bytes of the source to a buffer; gives whether the source has ended.
pub(crate) fn append(
    source: &mut impl Read,
    buffer: &mut Vec<u8>,
    count: usize,
) -> io::Result<bool> {
    let before = buffer.len();
    buffer.resize(before + count, 0);
    let read = fill(source, &mut buffer[before..]);
    buffer.truncate(before + *read.as_ref().unwrap_or(&0));
    read.map(|read| read < count)
}
