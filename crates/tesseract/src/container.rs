//! The file as entries: a table of offsets, then the entries without gaps between them.

use crate::bytes::Bytes;
use crate::error::TesseractError;

/// Names of the entries, in the order of the table (`tessdatamanager.h`).
const NAMES: [&str; 24] = [
    "config",
    "unicharset",
    "unicharambigs",
    "inttemp",
    "pffmtable",
    "normproto",
    "punc-dawg",
    "word-dawg",
    "number-dawg",
    "freq-dawg",
    "fixed-length-dawgs",
    "cube-unicharset",
    "cube-word-dawg",
    "shapetable",
    "bigram-dawg",
    "unambig-dawg",
    "params-model",
    "lstm",
    "lstm-punc-dawg",
    "lstm-word-dawg",
    "lstm-number-dawg",
    "lstm-unicharset",
    "lstm-recoder",
    "version",
];

/// Entries of the legacy engine among [`NAMES`], which nothing here reads.
const LEGACY: std::ops::RangeInclusive<usize> = 1..=16;

/// The entries of a file.
pub(crate) struct Container<'a> {
    file: &'a [u8],
    /// Place of each entry that is there, by [`NAMES`].
    places: Vec<(&'static str, std::ops::Range<usize>)>,
}

impl<'a> Container<'a> {
    pub fn read(file: &'a [u8]) -> Result<Self, TesseractError> {
        let mut head = Bytes::new("table of entries", 0, file);
        if file.starts_with(b"PK") || file.starts_with(&[0x1f, 0x8b]) {
            let hint = "unpack it, or take the file of tessdata_fast or tessdata_best";
            return Err(head.unsupported("a model in an archive", hint));
        }
        let count = head.size(NAMES.len(), "the number of entries")?;
        let first = 4 + 8 * count;
        let mut starts = Vec::with_capacity(count);
        for &name in &NAMES[..count] {
            let offset = head.i64("an offset")?;
            if offset == -1 {
                continue;
            }
            let before = starts.last().map_or(first, |&(_, start)| start);
            let start = usize::try_from(offset).ok();
            let gap = |&start: &usize| starts.is_empty() && start != first;
            let Some(start) =
                start.filter(|start| (before..=file.len()).contains(start) && !gap(start))
            else {
                return Err(head.damaged(format!(
                    "entry {name} begins at {offset}; it must follow what is before it, at byte {before} or later, \
                     in a file of {} bytes",
                    file.len()
                )));
            };
            starts.push((name, start));
        }
        if starts.is_empty() {
            head.end()?;
        }
        let ends = starts
            .iter()
            .skip(1)
            .map(|&(_, start)| start)
            .chain([file.len()]);
        let places = starts
            .iter()
            .zip(ends)
            .map(|(&(name, start), end)| (name, start..end));
        Ok(Self {
            file,
            places: places.collect(),
        })
    }

    /// An entry, if it is there.
    pub fn entry(&self, name: &'static str) -> Option<Bytes<'a>> {
        let (_, place) = self.places.iter().find(|place| place.0 == name)?;
        Some(Bytes::new(name, place.start, &self.file[place.clone()]))
    }

    /// Names of the legacy engine's entries.
    pub fn left_out(&self) -> Vec<&'static str> {
        let names = self.places.iter().map(|place| place.0);
        names.filter(|name| NAMES[LEGACY].contains(name)).collect()
    }
}
