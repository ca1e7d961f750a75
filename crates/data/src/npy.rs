//! One array as `numpy.save` writes it: a line of Python that says type, order and shape, then the numbers.
//!
//! The parser is our own because that line is so simple: the crates that read it bring a recursive parser for
//! all of Python's literals, built with a C compiler.

use crate::array::{Array, Data, Dtype};
use half::f16;

const MAGIC: &[u8] = b"\x93NUMPY";
/// The numbers begin at a multiple of this.
const ALIGNMENT: usize = 64;
/// Most bytes before the numbers that are read.
pub(crate) const MAX_HEADER: usize = 1 << 16;
const DAMAGED: &str = "it is damaged, or no .npy array; numpy.savez writes them";

/// The line before the numbers.
struct Header<'a> {
    descr: &'a str,
    fortran: bool,
    shape: Vec<usize>,
}

/// An array before its numbers are read.
pub(crate) struct Npy<'a> {
    /// Half precision is for storing only: it becomes float32 in memory.
    half: bool,
    dtype: Dtype,
    fortran: bool,
    shape: Vec<usize>,
    numbers: &'a [u8],
}

impl<'a> Npy<'a> {
    /// Reads the header.
    pub fn read(npy: &'a [u8]) -> Result<Self, String> {
        let (text, numbers) = parts(npy).ok_or(DAMAGED)?;
        let Header {
            descr,
            fortran,
            shape,
        } = parse(text)?;
        let half = descr == "<f2";
        let dtype = if half { Dtype::F32 } else { dtype(descr)? };
        Ok(Self {
            half,
            dtype,
            fortran,
            shape,
            numbers,
        })
    }

    /// Bytes that the elements take in memory, if that can be counted.
    pub fn bytes(&self) -> Option<usize> {
        match self.half {
            true => self.numbers.len().checked_mul(2),
            false => Some(self.numbers.len()),
        }
    }

    /// Reads the numbers.
    pub fn array(self) -> Result<Array, String> {
        let (parts, rest) = self.numbers.as_chunks::<2>();
        let data = match self.half {
            true if !rest.is_empty() => return Err(DAMAGED.into()),
            true => Data::F32(
                parts
                    .iter()
                    .map(|&part| f16::from_le_bytes(part).to_f32())
                    .collect(),
            ),
            false => Data::from_le_bytes(self.dtype, self.numbers).map_err(damaged)?,
        };
        match self.fortran {
            false => Array::new(self.shape, data).map_err(damaged),
            true => from_fortran(self.shape, data),
        }
    }
}

fn damaged(why: impl std::fmt::Display) -> String {
    format!("{DAMAGED} ({why})")
}

/// The line and the numbers.
fn parts(npy: &[u8]) -> Option<(&str, &[u8])> {
    let rest = npy.strip_prefix(MAGIC)?;
    let (&[major, _], rest) = rest.split_first_chunk()?;
    let (size, rest) = match major {
        1 => {
            let (&size, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_le_bytes(size)), rest)
        }
        2 | 3 => {
            let (&size, rest) = rest.split_first_chunk()?;
            (usize::try_from(u32::from_le_bytes(size)).ok()?, rest)
        }
        _ => return None,
    };
    let (text, numbers) = rest.split_at_checked(size).filter(|_| size <= MAX_HEADER)?;
    Some((std::str::from_utf8(text).ok()?, numbers))
}

/// `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`, keys in any order.
fn parse(text: &str) -> Result<Header<'_>, String> {
    let mut line = Line(text);
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    line.expect("{")?;
    while !line.next_is("}") {
        let key = line.quoted()?;
        line.expect(":")?;
        match key {
            "descr" if line.next_is("[") => {
                return Err("it has records; save each field as an array of its own".into());
            }
            "descr" => descr = Some(line.quoted()?),
            "fortran_order" => fortran = Some(line.truth()?),
            "shape" => shape = Some(line.tuple()?),
            _ => return Err(DAMAGED.into()),
        }
        if !line.next_is(",") {
            line.expect("}")?;
            break;
        }
    }
    match (descr, fortran, shape) {
        (Some(descr), Some(fortran), Some(shape)) if line.0.trim().is_empty() => Ok(Header {
            descr,
            fortran,
            shape,
        }),
        _ => Err(DAMAGED.into()),
    }
}

/// The rest of the line.
struct Line<'a>(&'a str);

impl<'a> Line<'a> {
    /// Takes a mark, if it comes next.
    fn next_is(&mut self, mark: &str) -> bool {
        let rest = self.0.trim_start().strip_prefix(mark);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, mark: &str) -> Result<(), String> {
        self.next_is(mark)
            .then_some(())
            .ok_or_else(|| DAMAGED.into())
    }

    fn quoted(&mut self) -> Result<&'a str, String> {
        let quote = ["'", "\""].into_iter().find(|quote| self.next_is(quote));
        let (text, rest) = quote
            .and_then(|quote| self.0.split_once(quote))
            .ok_or(DAMAGED)?;
        self.0 = rest;
        Ok(text)
    }

    fn truth(&mut self) -> Result<bool, String> {
        let truth = self.next_is("True");
        if !truth {
            self.expect("False")?;
        }
        Ok(truth)
    }

    /// Sizes between brackets.
    fn tuple(&mut self) -> Result<Vec<usize>, String> {
        self.expect("(")?;
        let (inside, rest) = self.0.split_once(')').ok_or(DAMAGED)?;
        self.0 = rest;
        let inside = inside.trim();
        let sizes = inside.strip_suffix(',').unwrap_or(inside);
        if sizes.is_empty() {
            return Ok(Vec::new());
        }
        let size = |text: &str| text.trim().parse().map_err(|_| DAMAGED.to_string());
        sizes.split(',').map(size).collect()
    }
}

/// Names of the types, as the line has them.
const NAMES: [(&str, Dtype); 12] = [
    ("<f4", Dtype::F32),
    ("<f8", Dtype::F64),
    ("<f2", Dtype::F16),
    ("<i8", Dtype::I64),
    ("<i4", Dtype::I32),
    ("<i2", Dtype::I16),
    ("|i1", Dtype::I8),
    ("<u8", Dtype::U64),
    ("<u4", Dtype::U32),
    ("<u2", Dtype::U16),
    ("|u1", Dtype::U8),
    ("|b1", Dtype::Bool),
];

fn dtype(descr: &str) -> Result<Dtype, String> {
    let known = NAMES.iter().find(|(name, _)| *name == descr);
    known.map(|(_, dtype)| *dtype).ok_or_else(|| {
        format!(
            "its type {descr} is not supported; convert it to a float, an integer or bool in little-endian order \
             with .astype"
        )
    })
}

/// Turns an array whose first index changes fastest.
fn from_fortran(shape: Vec<usize>, data: Data) -> Result<Array, String> {
    let reversed: Vec<usize> = shape.iter().rev().copied().collect();
    let stored = Array::new(reversed, data).map_err(damaged)?;
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for &size in &shape {
        strides.push(stride);
        stride *= size.max(1);
    }
    let mut index = vec![0; shape.len()];
    let offsets = (0..stored.len()).map(|_| {
        let at = index
            .iter()
            .zip(&strides)
            .map(|(i, stride)| i * stride)
            .sum();
        for d in (0..index.len()).rev() {
            index[d] += 1;
            if index[d] < shape[d] {
                break;
            }
            index[d] = 0;
        }
        at
    });
    stored.taken(shape.clone(), offsets).map_err(damaged)
}

/// The bytes of an array.
pub(crate) fn write(array: &Array) -> Vec<u8> {
    let own = NAMES.iter().find(|(_, dtype)| *dtype == array.dtype());
    let descr = own.map_or("|V", |(name, _)| name);
    let sizes: String = array
        .shape()
        .iter()
        .map(|size| format!("{size},"))
        .collect();
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // Magic, version and length before it, a line end after it.
    let before = MAGIC.len() + 4;
    let total = (before + text.len() + 1).next_multiple_of(ALIGNMENT);
    text.extend(std::iter::repeat_n(' ', total - before - text.len() - 1));
    text.push('\n');
    let size = (text.len() as u16).to_le_bytes();
    [
        MAGIC,
        &[1, 0],
        &size,
        text.as_bytes(),
        &array.data().to_le_bytes(),
    ]
    .concat()
}
