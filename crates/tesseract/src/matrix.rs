//! Matrices of weights (`weightmatrix.cpp`, `matrix.h`).

use crate::bytes::Bytes;
use crate::error::TesseractError;

const INT8: u8 = 1;
const ADAM: u8 = 4;
const DOUBLE: u8 = 128;

/// Most rows or columns: far more than any model has.
pub(crate) const MOST: usize = 1 << 16;

/// A matrix `[rows,columns]`; its last column is the bias.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f32>,
}

impl Matrix {
    /// Reads a matrix of bytes with a scale for each row, or one of `f64`.
    pub fn read(bytes: &mut Bytes) -> Result<Self, TesseractError> {
        let mode = bytes.u8("the kind of a matrix")?;
        if mode & !(INT8 | ADAM | DOUBLE) != 0 {
            return Err(bytes.damaged(format!("a matrix of kind {mode} is unknown")));
        }
        if mode & DOUBLE == 0 {
            let hint =
                "it is of a version before 4.00: take the file of tessdata_fast or tessdata_best";
            return Err(bytes.unsupported("a matrix in the old format", hint));
        }
        let rows = bytes.size(MOST, "the rows of a matrix")?;
        let columns = bytes.size(MOST, "the columns of a matrix")?;
        // At most 2³², far below the limit of usize; `take` compares with the bytes that are there.
        let count = rows * columns;
        if count == 0 {
            return Err(bytes.damaged(format!("a matrix of {rows} by {columns} has no weights")));
        }
        let values = match mode & INT8 != 0 {
            true => Self::int8(bytes, rows, columns)?,
            false => Self::doubles(bytes, count)?,
        };
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(Self {
                rows,
                columns,
                values,
            }),
            false => Err(bytes.damaged("a weight is infinite or not a number")),
        }
    }

    fn int8(bytes: &mut Bytes, rows: usize, columns: usize) -> Result<Vec<f32>, TesseractError> {
        bytes.take(1, 1, "the empty element of a matrix")?;
        let weights = bytes.take(rows * columns, 1, "a matrix of bytes")?;
        // A file written by a machine with vectors may have scales for rows up to a whole vector.
        let scales = bytes.size(rows.next_multiple_of(64), "the number of scales")?;
        if scales < rows {
            return Err(bytes.damaged(format!("{scales} scales for {rows} rows")));
        }
        let scales = bytes.take(scales, 8, "scales")?;
        let scales = scales
            .as_chunks::<8>()
            .0
            .iter()
            .map(|&scale| f64::from_le_bytes(scale));
        let rows = weights.chunks_exact(columns).zip(scales);
        let value = |weight: u8, scale: f64| (f64::from(weight as i8) * scale) as f32;
        Ok(rows
            .flat_map(|(row, scale)| row.iter().map(move |&weight| value(weight, scale)))
            .collect())
    }

    fn doubles(bytes: &mut Bytes, count: usize) -> Result<Vec<f32>, TesseractError> {
        bytes.take(1, 8, "the empty element of a matrix")?;
        let values = bytes
            .take(count, 8, "a matrix of doubles")?
            .as_chunks::<8>()
            .0;
        Ok(values
            .iter()
            .map(|&value| f64::from_le_bytes(value) as f32)
            .collect())
    }

    /// Columns `first..first + count` of all rows.
    pub fn part(&self, first: usize, count: usize) -> impl Iterator<Item = f32> {
        let rows = self.values.chunks_exact(self.columns);
        rows.flat_map(move |row| row[first..first + count].iter().copied())
    }

    /// `[rows]`
    pub fn bias(&self) -> impl Iterator<Item = f32> {
        self.part(self.columns - 1, 1)
    }
}
