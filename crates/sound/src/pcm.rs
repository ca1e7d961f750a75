//! Raw samples as they come from a microphone or a pipe: signed 16 bits, little-endian, mono, without a header.

use crate::error::SoundError;
use std::io::{ErrorKind, Read};

/// Most bytes of one read.
const BUFFER: usize = 8192;

/// Reads raw samples of a stated rate.
#[derive(Debug)]
pub struct Pcm<R> {
    source: R,
    rate: u32,
    buffer: Vec<u8>,
    /// The first half of a sample whose second half has not come yet.
    half: Option<u8>,
    truncated: bool,
}

impl<R: Read> Pcm<R> {
    /// Samples from `source` at `rate` Hz.
    pub fn new(source: R, rate: u32) -> Self {
        Self {
            source,
            rate,
            buffer: vec![0; BUFFER],
            half: None,
            truncated: false,
        }
    }

    /// Samples per second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Whether the source ended in the middle of a sample.
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// The samples that have come, at least one and at most a few thousand, in ±1; `None` at the end. Returns as soon
    /// as there are some.
    ///
    /// # Errors
    /// A source that cannot be read.
    pub fn next_chunk(&mut self) -> Result<Option<Vec<f32>>, SoundError> {
        loop {
            let start = usize::from(self.half.is_some());
            if let Some(half) = self.half.take() {
                self.buffer[0] = half;
            }
            let count = match self.source.read(&mut self.buffer[start..]) {
                // A wrong reader may claim more than the buffer holds; that must not cause a panic.
                Ok(count) => count.min(BUFFER - start),
                Err(error) => {
                    self.half = (start == 1).then_some(self.buffer[0]);
                    if error.kind() == ErrorKind::Interrupted {
                        continue;
                    }
                    return Err(SoundError::Read {
                        name: "raw samples".into(),
                        error,
                    });
                }
            };
            if count == 0 {
                self.truncated |= start == 1;
                return Ok(None);
            }
            let (pairs, rest) = self.buffer[..start + count].as_chunks::<2>();
            self.half = rest.first().copied();
            if !pairs.is_empty() {
                let sample = |&pair: &[u8; 2]| f32::from(i16::from_le_bytes(pair)) / 32_768.0;
                return Ok(Some(pairs.iter().map(sample).collect()));
            }
        }
    }
}
