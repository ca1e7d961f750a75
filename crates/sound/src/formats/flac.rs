//! FLAC files that were joined, or end in a tag: symphonia would take what follows for a part of the last frame.

use super::source::append;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};
use symphonia::core::io::MediaSource;

/// The beginning of a file: a mark and the header of the first block, which has 34 bytes and may be the last block.
const MARKS: [[u8; 8]; 2] = [*b"fLaC\x00\x00\x00\x22", *b"fLaC\x80\x00\x00\x22"];
/// Bytes of an ID3v1 tag, which may stand at the end.
const TAG: usize = 128;
/// Bytes of one read.
const READ: usize = 16_384;

/// The files of a source, one after the other: each ends as a source does.
#[derive(Clone)]
pub(crate) struct Parts(Arc<Mutex<State>>);

struct State {
    source: Box<dyn MediaSource>,
    /// Bytes that were read and not given.
    buffer: Vec<u8>,
    /// Whether the source has ended.
    ended: bool,
    /// Whether nothing of the current file was given.
    new: bool,
}

impl Parts {
    pub fn new(source: Box<dyn MediaSource>) -> Self {
        Self(Arc::new(Mutex::new(State {
            source,
            buffer: Vec::new(),
            ended: false,
            new: true,
        })))
    }

    /// Goes to the next file, if there is one.
    ///
    /// # Errors
    /// Bytes that cannot be read.
    pub fn next(&self) -> io::Result<bool> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.new = false;
        // The reader of frames may have stopped before the end of the current file.
        while let Some(count) = state.ahead()?.filter(|&count| count > 0) {
            state.buffer.drain(..count);
        }
        state.new = MARKS.iter().any(|mark| state.buffer.starts_with(mark));
        Ok(state.new)
    }
}

impl State {
    /// Bytes of the buffer that belong to the current file; `None` at the end of the source.
    fn ahead(&mut self) -> io::Result<Option<usize>> {
        if !self.ended && self.buffer.len() < 2 * TAG {
            self.ended = append(&mut self.source, &mut self.buffer, READ)?;
        }
        let marks = self.buffer.windows(MARKS[0].len()).enumerate();
        let mut marks = marks.skip(usize::from(self.new));
        if let Some((at, _)) = marks.find(|(_, own)| MARKS.iter().any(|mark| own == mark)) {
            return Ok(Some(at));
        }
        let rest = self.buffer.len().saturating_sub(TAG);
        let keep = !self.ended || self.buffer[rest..].starts_with(b"TAG");
        Ok(match (keep, self.buffer.is_empty()) {
            (_, true) => None,
            (true, _) => Some(rest),
            (false, _) => Some(self.buffer.len()),
        })
    }
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = state.ahead()?.unwrap_or(0).min(buffer.len());
        buffer[..count].copy_from_slice(&state.buffer[..count]);
        state.buffer.drain(..count);
        state.new &= count == 0;
        Ok(count)
    }
}

impl Seek for Parts {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(ErrorKind::Unsupported.into())
    }
}

impl MediaSource for Parts {
    fn is_seekable(&self) -> bool {
        false
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}
