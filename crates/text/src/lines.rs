//! Lines for tools that write one line for each line they read.

use std::borrow::Cow;
use std::io::{self, BufRead};
use std::string::FromUtf8Error;
use thiserror::Error;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// One line without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The text. It may hold any character but `\n`, and ends in no `\r` that stood before the `\n`.
    pub text: String,
    /// The end as it was: `"\n"`, `"\r\n"`, or `""` for a last line without an end.
    pub end: &'static str,
    /// Number of the line, from 1.
    pub number: u64,
}

/// Error of [`Lines`].
#[derive(Debug, Error)]
pub enum LineError {
    /// The input could not be read; no line follows.
    #[error("reading line {line}: {error}; check the input and start again from that line")]
    Io {
        /// Number of the line, from 1.
        line: u64,
        /// The system's answer.
        #[source]
        error: io::Error,
    },
    /// The input begins with a byte order mark of UTF-16; no line follows.
    #[error(
        "line {line}: the text is UTF-16; convert the input to UTF-8, for example with `iconv -f UTF-16 -t UTF-8`"
    )]
    Utf16 {
        /// Number of the line: 1.
        line: u64,
    },
    /// A line is not UTF-8; reading goes on with the next line.
    #[error(
        "line {line} is not UTF-8: invalid byte at offset {offset} of the line; convert the input to UTF-8"
    )]
    NotUtf8 {
        /// Number of the line, from 1.
        line: u64,
        /// Offset of the first invalid byte, from the start of the line.
        offset: usize,
        /// End of the line, as in [`Line::end`].
        end: &'static str,
    },
    /// A line is longer than the limit; reading goes on with the next line.
    #[error(
        "line {line} has {bytes} bytes, more than the limit of {limit}; split it, or raise the limit"
    )]
    TooLong {
        /// Number of the line, from 1.
        line: u64,
        /// Bytes in the line, without its end.
        bytes: u64,
        /// The limit, in bytes.
        limit: usize,
        /// End of the line, as in [`Line::end`].
        end: &'static str,
    },
}

/// Lines of an input, one by one, in bounded memory.
///
/// `\n` is the only end of a line: U+0085, U+2028, U+2029, form feeds and a `\r` that is not followed by `\n` are
/// characters of the text. One `\r` before the `\n` belongs to the end. A byte order mark is left out at the start of
/// the input, and nowhere else. A line that is too long or not UTF-8 is an error in its place, so that the output keeps
/// its line numbers. Only an error of the input and a byte order mark of UTF-16 end the iteration.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    limit: usize,
    number: u64,
    ended: bool,
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// True if a text begins with a byte order mark of UTF-16, which no UTF-8 text does.
pub fn is_utf16(head: &[u8]) -> bool {
    head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF")
}

impl<R: BufRead> Lines<R> {
    /// Lines of `input` with at most `limit` bytes each, without their ends.
    pub fn new(input: R, limit: usize) -> Self {
        Self {
            input,
            limit,
            number: 0,
            ended: false,
        }
    }

    /// The next line's bytes, at most `limit` and the room for a mark and an end, and the number of all its bytes.
    fn read(&mut self) -> io::Result<(Vec<u8>, u64)> {
        let most = self
            .limit
            .saturating_add(BYTE_ORDER_MARK.len() + b"\r\n".len());
        let mut kept = Vec::new();
        let mut all = 0_u64;
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let newline = buffer.iter().position(|&b| b == b'\n');
            let piece = &buffer[..newline.map_or(buffer.len(), |at| at + 1)];
            let room = most - kept.len();
            kept.extend_from_slice(&piece[..piece.len().min(room)]);
            // The end decides how many bytes are text, so the last two bytes are always known.
            if piece.len() > room {
                keep_last(&mut kept, piece, room);
            }
            all += piece.len() as u64;
            let done = newline.is_some() || piece.is_empty();
            let used = piece.len();
            self.input.consume(used);
            if done {
                return Ok((kept, all));
            }
        }
    }
}

/// Puts the last two bytes of a line that is too long in the place of the last two kept ones.
fn keep_last(kept: &mut [u8], piece: &[u8], room: usize) {
    let dropped = &piece[room..];
    let end = kept.len();
    if let [.., a, b] = *dropped {
        kept[end - 2..].copy_from_slice(&[a, b]);
    } else if let [b] = *dropped {
        kept[end - 2] = kept[end - 1];
        kept[end - 1] = b;
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Line, LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let line = self.number + 1;
        let (mut bytes, all) = match self.read() {
            Ok((_, 0)) => {
                self.ended = true;
                return None;
            }
            Ok(read) => read,
            Err(error) => {
                self.ended = true;
                return Some(Err(LineError::Io { line, error }));
            }
        };
        self.number = line;
        if line == 1 && is_utf16(&bytes) {
            self.ended = true;
            return Some(Err(LineError::Utf16 { line }));
        }
        let end = match bytes.as_slice() {
            [.., b'\r', b'\n'] => "\r\n",
            [.., b'\n'] => "\n",
            _ => "",
        };
        let mark = if line == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len()
        } else {
            0
        };
        let text = all - (end.len() + mark) as u64;
        let limit = self.limit;
        if text > limit as u64 {
            return Some(Err(LineError::TooLong {
                line,
                bytes: text,
                limit,
                end,
            }));
        }
        bytes.truncate(bytes.len() - end.len());
        bytes.drain(..mark);
        Some(match String::from_utf8(bytes) {
            Ok(text) => Ok(Line {
                text,
                end,
                number: line,
            }),
            Err(error) => Err(not_utf8(&error, line, end)),
        })
    }
}

fn not_utf8(error: &FromUtf8Error, line: u64, end: &'static str) -> LineError {
    LineError::NotUtf8 {
        line,
        offset: error.utf8_error().valid_up_to(),
        end,
    }
}

/// True if nothing is to be seen in `text`: white space of any kind (no-break and ideographic spaces too), zero-width
/// spaces and joiners, byte order marks and control characters.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| {
        c.is_whitespace()
            || c.is_control()
            || matches!(
                c,
                '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{AD}'
            )
    })
}

/// The text with composed characters (Unicode normalisation form C): `e` and U+0301 become `é`.
///
/// Compatibility forms stay as they are: `１` is not `1` here, and `㎏` is not `kg`.
pub fn nfc(text: &str) -> Cow<'_, str> {
    if is_nfc(text) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}
