//! `train.jsonl`: one event per line. A resumed run truncates it to the length stored in its checkpoint.

use super::events::Event;
use crate::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

pub(crate) struct Log {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl Log {
    /// Opens the log and drops everything after its first `bytes`.
    pub(crate) fn open(path: &Path, bytes: u64) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        let mut file = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(Error::io("open", path))?;
        let length = file.metadata().map_err(Error::io("read", path))?.len();
        let bytes = bytes.min(length);
        file.set_len(bytes).map_err(Error::io("shorten", path))?;
        file.seek(SeekFrom::Start(bytes))
            .map_err(Error::io("read", path))?;
        Ok(Self {
            file,
            path: path.to_path_buf(),
            bytes,
        })
    }

    pub(crate) fn write(&mut self, event: &Event) -> Result<(), Error> {
        let mut line = serde_json::to_string(event)
            .map_err(|e| Error::Config(format!("cannot log an event: {e}")))?;
        line.push('\n');
        self.file
            .write_all(line.as_bytes())
            .map_err(Error::io("write", &self.path))?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Length so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Appends an event after training.
pub(crate) fn append(path: &Path, event: &Event) -> Result<(), Error> {
    Log::open(path, u64::MAX)?.write(event)
}
