//! Lines of text from outside, each of a bounded length.

use crate::terminal::typed;
use anyhow::{Context, Result, anyhow, bail};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Longest line, bytes.
const LONGEST: u64 = 1 << 20;

/// Whether a file's name stands for standard input.
pub fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

/// A file, or standard input for `-`.
///
/// # Errors
/// A file that cannot be opened.
pub fn open(path: &Path) -> Result<Box<dyn Read + Send>> {
    if is_standard_input(path) {
        return Ok(Box::new(std::io::stdin()));
    }
    if path.is_dir() {
        bail!("{} is a folder; give a file", typed(path));
    }
    let file = File::open(path).with_context(|| format!("cannot read {}", typed(path)))?;
    Ok(Box::new(file))
}

/// The lines of a file or of standard input, one after the other.
pub struct Lines {
    reader: BufReader<Box<dyn Read + Send>>,
    name: String,
    number: u64,
    ended: bool,
}

impl Lines {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            reader: BufReader::new(open(path)?),
            name: typed(path),
            number: 0,
            ended: true,
        })
    }

    /// The number of the line that was read last, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether the line that was read last has an end: a line that is being written has none yet.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The next line without its end; `None` after the last.
    ///
    /// # Errors
    /// A file that cannot be read, or a line that is not UTF-8 or too long.
    pub fn read(&mut self) -> Result<Option<String>> {
        let mut bytes = Vec::new();
        let mut part = self.reader.by_ref().take(LONGEST + 1);
        let read = part.read_until(b'\n', &mut bytes);
        read.with_context(|| format!("cannot read {}", self.name))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        let (name, number) = (&self.name, self.number);
        if bytes.len() as u64 > LONGEST {
            bail!("{name}: line {number} is longer than {LONGEST} bytes; break it in shorter ones");
        }
        self.ended = bytes.ends_with(b"\n");
        if self.ended {
            bytes.pop();
        }
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
        let line = String::from_utf8(bytes).map_err(|error| {
            let place = error.utf8_error().valid_up_to() + 1;
            anyhow!(
                "{name}: line {number} is not UTF-8 text (byte {place} of the line); convert the file to UTF-8"
            )
        })?;
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> (tempfile::TempDir, Lines) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        std::fs::write(&path, bytes).unwrap();
        let lines = Lines::open(&path).unwrap();
        (folder, lines)
    }

    #[test]
    fn lines_have_numbers_and_ends() {
        let (_keep, mut lines) = lines(b"a\r\n\nlast");
        let mut all = Vec::new();
        while let Some(line) = lines.read().unwrap() {
            all.push((lines.number(), line, lines.ended()));
        }
        let expected = [(1, "a", true), (2, "", true), (3, "last", false)];
        assert_eq!(
            all,
            expected.map(|(n, line, end)| (n, line.to_string(), end))
        );
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        let (_keep, mut own) = lines(b"a\nb\xff\n");
        own.read().unwrap();
        let error = own.read().unwrap_err().to_string();
        assert!(
            error.contains("line 2") && error.contains("byte 2"),
            "{error}"
        );
        let (_keep, mut own) = lines(&vec![b'x'; LONGEST as usize + 9]);
        let error = own.read().unwrap_err().to_string();
        assert!(error.contains("longer than 1048576 bytes"), "{error}");
    }
}
