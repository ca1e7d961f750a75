//! The IDX files of MNIST (LeCun, Cortes & Burges): big-endian sizes behind a magic number, then bytes; plain or gzip.

use crate::error::DataError;
use crate::file;
use std::path::Path;

/// Pictures in one byte a pixel, with a label each.
#[derive(Clone, Debug)]
pub(crate) struct Pictures {
    /// Pixels of a picture.
    size: usize,
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

/// Most bytes of a file; those of MNIST are smaller.
const MOST: u64 = 256 << 20;

impl Pictures {
    /// `{name}-images-idx3-ubyte` and `{name}-labels-idx1-ubyte` of a folder, with `.gz` or without, `side`×`side`
    /// pixels.
    ///
    /// # Errors
    /// Files that are missing, damaged or of other sizes.
    pub fn load(folder: &Path, name: &str, side: usize) -> Result<Self, DataError> {
        let images = format!("{name}-images-idx3-ubyte");
        let (sizes, pixels) = read(folder, &images, 3)?;
        let (count, labels) = read(folder, &format!("{name}-labels-idx1-ubyte"), 1)?;
        if sizes[1..] != [side, side] || sizes[0] != count[0] {
            return Err(DataError::Memory(format!(
                "{images} holds {sizes:?} pixels with {} labels; {side}×{side} and as many labels are needed",
                count[0]
            )));
        }
        if let Some(label) = labels.iter().find(|label| **label > 9) {
            return Err(DataError::Memory(format!(
                "{name}: a label is {label}, which is no digit"
            )));
        }
        Ok(Self {
            size: side * side,
            pixels,
            labels,
        })
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Keeps all but the last `count` pictures and gives those.
    pub fn split_off(&mut self, count: usize) -> Self {
        let rest = self.len().saturating_sub(count);
        Self {
            size: self.size,
            pixels: self.pixels.split_off(rest * self.size),
            labels: self.labels.split_off(rest),
        }
    }

    /// Of all pictures, one after the other.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Of all pictures.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// Pixels, row by row, and the digit.
    pub fn get(&self, number: usize) -> (&[u8], u8) {
        let pixels = &self.pixels[number * self.size..][..self.size];
        (pixels, self.labels[number])
    }
}

/// Sizes and bytes of a file.
fn read(folder: &Path, name: &str, dimensions: usize) -> Result<(Vec<usize>, Vec<u8>), DataError> {
    let plain = folder.join(name);
    let packed = folder.join(format!("{name}.gz"));
    let path = if plain.exists() { plain } else { packed };
    if !path.exists() {
        return Err(DataError::Missing {
            path,
            name: format!("mnist/{name}.gz"),
            folder: folder.parent().unwrap_or(folder).to_path_buf(),
            source_hint: Some("the four files of MNIST, as LeCun's page has them".into()),
        });
    }
    let bytes = file::read("mnist", &path, MOST)?;
    parse(&bytes, dimensions).ok_or_else(|| {
        let problem = format!(
            "{} is not an IDX file of bytes in {dimensions} dimensions",
            path.display()
        );
        DataError::Memory(problem)
    })
}

fn parse(bytes: &[u8], dimensions: usize) -> Option<(Vec<usize>, Vec<u8>)> {
    let (magic, rest) = bytes.split_at_checked(4)?;
    if magic != [0, 0, 8, dimensions as u8] {
        return None;
    }
    let (sizes, values) = rest.split_at_checked(4 * dimensions)?;
    let sizes: Vec<usize> = sizes
        .chunks(4)
        .map(|size| {
            size.iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        })
        .collect();
    let count = sizes
        .iter()
        .try_fold(1usize, |count, size| count.checked_mul(*size))?;
    (count == values.len()).then(|| (sizes, values.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_must_agree_with_the_bytes() {
        let file = |sizes: &[u32], values: usize| {
            let mut bytes = vec![0, 0, 8, sizes.len() as u8];
            sizes
                .iter()
                .for_each(|size| bytes.extend(size.to_be_bytes()));
            bytes.extend(vec![7; values]);
            bytes
        };
        assert_eq!(parse(&file(&[3, 2], 6), 2), Some((vec![3, 2], vec![7; 6])));
        assert_eq!(parse(&file(&[3, 2], 5), 2), None);
        assert_eq!(parse(&file(&[3, 2], 6), 1), None);
        let huge = u32::MAX;
        assert_eq!(parse(&file(&[huge, huge, huge], 6), 3), None);
        assert_eq!(parse(&file(&[3, 2], 6)[..7], 2), None);
        assert_eq!(parse(&[], 1), None);
    }
}
