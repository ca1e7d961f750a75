//! A cursor over an entry of a file: every read checks first that the bytes are there.

use crate::error::TesseractError;

/// The rest of an entry.
pub(crate) struct Bytes<'a> {
    pub entry: &'static str,
    /// Position of the entry in the file.
    start: usize,
    data: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    pub fn new(entry: &'static str, start: usize, data: &'a [u8]) -> Self {
        Self {
            entry,
            start,
            data,
            at: 0,
        }
    }

    /// Position in the file.
    pub fn offset(&self) -> usize {
        self.start + self.at
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.data.len() - self.at
    }

    pub fn damaged(&self, problem: impl Into<String>) -> TesseractError {
        TesseractError::Damaged {
            entry: self.entry,
            offset: self.offset(),
            problem: problem.into(),
        }
    }

    pub fn unsupported(&self, what: impl Into<String>, hint: &'static str) -> TesseractError {
        TesseractError::Unsupported {
            entry: self.entry,
            offset: self.offset(),
            what: what.into(),
            hint,
        }
    }

    /// The next `count` elements of `size` bytes each.
    pub fn take(
        &mut self,
        count: usize,
        size: usize,
        what: &str,
    ) -> Result<&'a [u8], TesseractError> {
        match count.checked_mul(size).filter(|&bytes| bytes <= self.left()) {
            Some(bytes) => {
                let part = &self.data[self.at..][..bytes];
                self.at += bytes;
                Ok(part)
            }
            None => Err(self.damaged(format!(
                "{what}: {count} elements of {size} bytes do not fit into the {} bytes that are left",
                self.left()
            ))),
        }
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], TesseractError> {
        let part = self.take(N, 1, what)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(part);
        Ok(bytes)
    }

    pub fn u8(&mut self, what: &str) -> Result<u8, TesseractError> {
        self.array::<1>(what).map(|[byte]| byte)
    }

    pub fn i16(&mut self, what: &str) -> Result<i16, TesseractError> {
        self.array(what).map(i16::from_le_bytes)
    }

    pub fn i32(&mut self, what: &str) -> Result<i32, TesseractError> {
        self.array(what).map(i32::from_le_bytes)
    }

    pub fn i64(&mut self, what: &str) -> Result<i64, TesseractError> {
        self.array(what).map(i64::from_le_bytes)
    }

    pub fn f32(&mut self, what: &str) -> Result<f32, TesseractError> {
        self.array(what).map(f32::from_le_bytes)
    }

    /// A count or size, from 0 to `most`.
    pub fn size(&mut self, most: usize, what: &str) -> Result<usize, TesseractError> {
        let value = u32::from_le_bytes(self.array(what)?);
        self.bounded(i64::from(value), 0, most, what)
    }

    /// A size that is written as a signed number, from `least` to `most`.
    pub fn signed_size(
        &mut self,
        least: usize,
        most: usize,
        what: &str,
    ) -> Result<usize, TesseractError> {
        let value = self.i32(what)?;
        self.bounded(i64::from(value), least, most, what)
    }

    fn bounded(
        &self,
        value: i64,
        least: usize,
        most: usize,
        what: &str,
    ) -> Result<usize, TesseractError> {
        let size = usize::try_from(value).ok();
        match size.filter(|size| (least..=most).contains(size)) {
            Some(size) => Ok(size),
            None => Err(self.damaged(format!(
                "{what} is {value} where {least} to {most} is possible"
            ))),
        }
    }

    /// A string with its length before it.
    pub fn string(&mut self, most: usize, what: &str) -> Result<String, TesseractError> {
        let length = self.size(most, what)?;
        let bytes = self.take(length, 1, what)?;
        self.text(bytes, what).map(str::to_owned)
    }

    /// Bytes that are text.
    pub fn text<'b>(&self, bytes: &'b [u8], what: &str) -> Result<&'b str, TesseractError> {
        std::str::from_utf8(bytes).map_err(|_| self.damaged(format!("{what} is not UTF-8")))
    }

    /// A line of text, without its end.
    pub fn line(&mut self, what: &str) -> Result<&'a str, TesseractError> {
        let rest = &self.data[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n');
        let Some(end) = end else {
            return Err(self.damaged(format!("{what}: the line has no end")));
        };
        let line = self.take(end, 1, what)?;
        let text = self.text(line, what)?;
        self.at += 1;
        Ok(text)
    }

    /// All that is left, as text.
    pub fn rest(&mut self, what: &str) -> Result<&'a str, TesseractError> {
        let bytes = self.take(self.left(), 1, what)?;
        self.text(bytes, what)
    }

    /// Checks that nothing is left.
    pub fn end(&self) -> Result<(), TesseractError> {
        match self.left() {
            0 => Ok(()),
            left => Err(self.damaged(format!("{left} bytes follow the end of the entry"))),
        }
    }
}
