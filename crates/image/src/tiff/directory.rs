//! Directories of a TIFF file: TIFF 6.0, section 2, and BigTIFF.
//!
//! Own code, as the crate `tiff` refuses a whole file whose first directory it does not know, and neither palettes nor
//! fax of group 3 are within its reach.

use std::collections::HashSet;

/// Tags that are used here.
#[allow(missing_docs)]
pub(super) mod tag {
    pub const SUBFILE: u16 = 254;
    pub const WIDTH: u16 = 256;
    pub const HEIGHT: u16 = 257;
    pub const BITS: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const FILL_ORDER: u16 = 266;
    pub const STRIP_OFFSETS: u16 = 273;
    pub const ORIENTATION: u16 = 274;
    pub const SAMPLES: u16 = 277;
    pub const ROWS_PER_STRIP: u16 = 278;
    pub const STRIP_BYTES: u16 = 279;
    pub const X_RESOLUTION: u16 = 282;
    pub const Y_RESOLUTION: u16 = 283;
    pub const PLANAR: u16 = 284;
    pub const T4_OPTIONS: u16 = 292;
    pub const RESOLUTION_UNIT: u16 = 296;
    pub const PREDICTOR: u16 = 317;
    pub const COLOR_MAP: u16 = 320;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_HEIGHT: u16 = 323;
    pub const TILE_OFFSETS: u16 = 324;
    pub const TILE_BYTES: u16 = 325;
    pub const EXTRA_SAMPLES: u16 = 338;
    pub const SAMPLE_FORMAT: u16 = 339;
    pub const JPEG_TABLES: u16 = 347;
    pub const SUBSAMPLING: u16 = 530;
}

/// Values of a tag, at most: more strips than any page has.
const MOST_VALUES: usize = 1 << 22;

/// Numbers of the file, in its byte order.
pub(super) struct Numbers<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) big_endian: bool,
    /// BigTIFF: offsets of 8 bytes.
    wide: bool,
}

impl<'a> Numbers<'a> {
    /// Byte order and width by the first bytes.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let big_endian = bytes.starts_with(b"MM");
        Self {
            bytes,
            big_endian,
            wide: bytes.get(if big_endian { 3 } else { 2 }) == Some(&43),
        }
    }

    /// A number of 1 to 8 bytes.
    fn at(&self, offset: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(offset..offset.checked_add(size)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(match self.big_endian {
            true => bytes.iter().fold(0, add),
            false => bytes.iter().rev().fold(0, add),
        })
    }

    fn offset_size(&self) -> usize {
        if self.wide { 8 } else { 4 }
    }

    /// Where the first directory begins.
    pub(super) fn first(&self) -> Option<u64> {
        let at = if self.wide { 8 } else { 4 };
        self.at(at, self.offset_size())
    }

    /// The directory at `offset`, and where the next one begins, 0 for none.
    pub(super) fn directory(&self, offset: u64) -> Option<(Directory, u64)> {
        let offset = usize::try_from(offset).ok()?;
        let (count_size, entry_size) = if self.wide { (8, 20) } else { (2, 12) };
        let count = usize::try_from(self.at(offset, count_size)?).ok()?;
        let first = offset + count_size;
        let end = first.checked_add(count.checked_mul(entry_size)?)?;
        // The offset of the next directory lies behind the entries, so all of them are in the file.
        let next = self.at(end, self.offset_size())?;
        let size = self.offset_size();
        let entries = (0..count)
            .filter_map(|i| {
                let at = first + i * entry_size;
                let kind = self.at(at + 2, 2)?;
                let count = usize::try_from(self.at(at + 4, size)?).ok()?;
                let unit = match kind {
                    1 | 2 | 6 | 7 => 1,
                    3 | 8 => 2,
                    4 | 9 | 11 | 13 => 4,
                    5 | 10 | 12 | 16..=18 => 8,
                    _ => return None,
                };
                let value = at + 4 + size;
                let value = match count.checked_mul(unit)? <= size {
                    true => value,
                    false => usize::try_from(self.at(value, size)?).ok()?,
                };
                Some(Entry {
                    tag: self.at(at, 2)? as u16,
                    rational: kind == 5,
                    unit,
                    count,
                    value,
                })
            })
            .collect();
        Some((Directory(entries), next))
    }

    /// All values of a tag; none if it is missing, outside of the file, or too long.
    pub(super) fn all(&self, directory: &Directory, tag: u16) -> Option<Vec<u64>> {
        let entry = directory.0.iter().find(|entry| entry.tag == tag)?;
        let end = entry
            .value
            .checked_add(entry.count.checked_mul(entry.unit)?)?;
        if end > self.bytes.len() || entry.count > MOST_VALUES {
            return None;
        }
        (0..entry.count)
            .map(|i| self.at(entry.value + i * entry.unit, entry.unit))
            .collect()
    }

    /// The bytes of a tag.
    pub(super) fn content(&self, directory: &Directory, tag: u16) -> Option<&'a [u8]> {
        let entry = directory.0.iter().find(|entry| entry.tag == tag)?;
        let length = entry.count.checked_mul(entry.unit)?;
        self.bytes
            .get(entry.value..entry.value.checked_add(length)?)
    }

    /// The first value of a tag.
    pub(super) fn one(&self, directory: &Directory, tag: u16) -> Option<u64> {
        let entry = directory.0.iter().find(|entry| entry.tag == tag)?;
        (entry.count > 0).then(|| self.at(entry.value, entry.unit))?
    }

    /// A value of two parts.
    pub(super) fn ratio(&self, directory: &Directory, tag: u16) -> Option<f32> {
        let entry = directory.0.iter().find(|entry| entry.tag == tag)?;
        let over = self.at(entry.value, 4)? as f32;
        let under = self.at(entry.value.checked_add(4)?, 4)? as f32;
        (entry.rational && under > 0.0).then_some(over / under)
    }
}

/// The entries of one page.
pub(super) struct Directory(Vec<Entry>);

struct Entry {
    tag: u16,
    rational: bool,
    /// Bytes of a value.
    unit: usize,
    count: usize,
    /// Where the first value is.
    value: usize,
}

/// The directories of a file, one after another, none twice.
pub(super) struct Chain {
    next: u64,
    seen: HashSet<u64>,
}

impl Chain {
    pub(super) fn new(first: u64) -> Self {
        Self {
            next: first,
            seen: HashSet::new(),
        }
    }

    /// The next directory; an error is a directory that is not in the file, the last one then.
    pub(super) fn next(&mut self, numbers: &Numbers) -> Option<Result<Directory, String>> {
        let at = std::mem::take(&mut self.next);
        if at == 0 {
            return None;
        }
        if !self.seen.insert(at) {
            return Some(Err(format!(
                "its directory at byte {at} is that of a page before it"
            )));
        }
        Some(match numbers.directory(at) {
            Some((directory, next)) => {
                self.next = next;
                Ok(directory)
            }
            None => Err(format!("its directory at byte {at} is not in the file")),
        })
    }
}
