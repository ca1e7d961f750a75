//! One array as `numpy.save` writes it: a line of Python that says type, order and shape, then the numbers.
//!
//! Written here because that line is so plain: the crates that read it bring a parser for all of Python's literals, which recurses and is built
//! with a C compiler.

use crate::error::OpError;
use crate::tensor::{from_bytes, to_bytes};
use crate::value::{Data, Dtype, Value, elements};
use crate::walk::Walk;
use half::f16;

const MAGIC: &[u8] = b"\x93NUMPY";
/// Where the numbers begin is a multiple of this.
const ALIGNMENT: usize = 64;
const DAMAGED: &str = "it is damaged, or no .npy array; numpy.savez writes them";

/// What stands before the numbers.
struct Header<'a> {
    descr: &'a str,
    fortran: bool,
    shape: Vec<usize>,
}

/// Reads an array.
pub(crate) fn read(npy: &[u8]) -> Result<Value, String> {
    let (text, numbers) = parts(npy).ok_or(DAMAGED)?;
    let Header {
        descr,
        fortran,
        shape,
    } = parse(text)?;
    let data = match descr {
        // Half precision is for storing: it is read as float32.
        "<f2" => halves(numbers)?,
        _ => from_bytes(dtype(descr)?, numbers).map_err(|error| error.to_string())?,
    };
    if elements(&shape) != Some(data.len()) {
        return Err(format!(
            "{DAMAGED} (shape {shape:?} does not fit {} elements)",
            data.len()
        ));
    }
    let array = match fortran {
        false => Value::new(shape, data),
        true => from_fortran(shape, data),
    };
    array.map_err(|error| error.to_string())
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
    let (text, numbers) = rest.split_at_checked(size)?;
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

/// What is left of the line.
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

fn dtype(descr: &str) -> Result<Dtype, String> {
    match descr {
        "<f4" => Ok(Dtype::F32),
        "<i4" => Ok(Dtype::I32),
        "<i8" => Ok(Dtype::I64),
        "|b1" => Ok(Dtype::Bool),
        _ => Err(format!(
            "its type {descr} is not supported; convert it to float16, float32, int32, int64 or bool with .astype"
        )),
    }
}

fn halves(bytes: &[u8]) -> Result<Data, String> {
    let (parts, rest) = bytes.as_chunks::<2>();
    match rest {
        [] => Ok(Data::F32(
            parts
                .iter()
                .map(|&part| f16::from_le_bytes(part).to_f32())
                .collect(),
        )),
        _ => Err(DAMAGED.into()),
    }
}

/// The first index changes fastest.
fn from_fortran(shape: Vec<usize>, data: Data) -> Result<Value, OpError> {
    let mut steps = Vec::with_capacity(shape.len());
    let mut step = 1isize;
    for &size in &shape {
        steps.push(step);
        step = step.saturating_mul(size as isize);
    }
    let stored = Value::new(vec![data.len()], data)?;
    let walk = Walk::new(&shape, steps, 0);
    stored.taken(shape, walk)
}

/// The bytes of an array.
pub(crate) fn write(array: &Value) -> Vec<u8> {
    let descr = match array.dtype() {
        Dtype::F32 => "<f4",
        Dtype::I32 => "<i4",
        Dtype::I64 => "<i8",
        Dtype::Bool => "|b1",
    };
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
        &to_bytes(array.data()),
    ]
    .concat()
}
