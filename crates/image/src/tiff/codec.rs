//! Compressions of TIFF, one strip or tile at a time.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::ZlibDecoder;
use hayro_ccitt::{DecodeSettings, DecoderContext, EncodingMode};
use weezl::{BitOrder, LzwStatus};

/// How the bytes of a page were compressed; JPEG is not in here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    None,
    Lzw,
    Deflate,
    PackBits,
    Fax {
        mode: EncodingMode,
        /// Rows begin at bytes and no mark ends them (modified Huffman of TIFF).
        aligned: bool,
    },
}

/// The `rows` rows of `row` bytes that `bytes` holds; `columns` pixels are in a row.
pub(super) fn decode(
    codec: Codec,
    bytes: &[u8],
    row: usize,
    rows: usize,
    columns: usize,
) -> Result<Vec<u8>, String> {
    let size = row * rows;
    let mut out = Vec::new();
    match codec {
        Codec::None => out.extend_from_slice(&bytes[..bytes.len().min(size)]),
        Codec::Deflate => {
            let read = ZlibDecoder::new(bytes)
                .take(size as u64)
                .read_to_end(&mut out);
            // Some writers leave out the checksum: only missing data count.
            if let Err(error) = read
                && out.len() < size
            {
                return Err(error.to_string());
            }
        }
        Codec::Lzw => lzw(bytes, size, &mut out)?,
        Codec::PackBits => pack_bits(bytes, size, &mut out),
        Codec::Fax { mode, aligned } => {
            let mut sink = Rows {
                out,
                row,
                columns,
                size,
            };
            let mut context = DecoderContext::new(DecodeSettings {
                columns: columns as u32,
                rows: rows as u32,
                end_of_block: !aligned,
                end_of_line: !aligned && mode != EncodingMode::Group4,
                rows_are_byte_aligned: aligned,
                encoding: mode,
                strict: false,
            });
            let result = hayro_ccitt::decode(bytes, &mut sink, &mut context);
            out = sink.out;
            if let Err(error) = result
                && out.len() < size
            {
                return Err(format!("{error:?} in row {}", out.len() / row.max(1)));
            }
        }
    }
    match out.len() == size {
        true => Ok(out),
        false => Err(format!("{} of {size} bytes came out", out.len())),
    }
}

fn lzw(bytes: &[u8], size: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8);
    out.resize(size, 0);
    let (mut read, mut written) = (0, 0);
    while written < size {
        let step = decoder.decode_bytes(&bytes[read..], &mut out[written..]);
        read += step.consumed_in;
        written += step.consumed_out;
        match step.status {
            Ok(LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
            Ok(_) => break,
            Err(error) => return Err(error.to_string()),
        }
    }
    out.truncate(written);
    Ok(())
}

/// TIFF 6.0, section 9.
fn pack_bits(mut bytes: &[u8], size: usize, out: &mut Vec<u8>) {
    while out.len() < size
        && let [head, rest @ ..] = bytes
    {
        let room = size - out.len();
        bytes = rest;
        match *head {
            128 => {}
            count @ 0..128 => {
                let (literal, tail) = rest.split_at(rest.len().min(usize::from(count) + 1));
                out.extend_from_slice(&literal[..literal.len().min(room)]);
                bytes = tail;
            }
            count => {
                let Some((&value, tail)) = rest.split_first() else {
                    return;
                };
                out.extend(std::iter::repeat_n(
                    value,
                    (257 - usize::from(count)).min(room),
                ));
                bytes = tail;
            }
        }
    }
}

/// Rows of fax as bits, black 1.
struct Rows {
    out: Vec<u8>,
    row: usize,
    columns: usize,
    /// Bytes, at most.
    size: usize,
}

impl hayro_ccitt::Decoder for Rows {
    fn push_row(&mut self, changes: &[u32]) {
        // A decoder that gives more rows than asked for takes no memory.
        if self.out.len() + self.row > self.size {
            return;
        }
        let start = self.out.len();
        self.out.resize(start + self.row, 0);
        let row = &mut self.out[start..];
        for black in changes.chunks(2) {
            let end = black.get(1).map_or(self.columns, |&end| end as usize);
            for x in black[0] as usize..end.min(self.columns) {
                row[x / 8] |= 0x80 >> (x % 8);
            }
        }
    }
}

/// Bytes whose lowest bit comes first, turned round.
pub(super) fn reversed(bytes: &[u8], reverse: bool) -> Cow<'_, [u8]> {
    match reverse {
        true => bytes.iter().map(|byte| byte.reverse_bits()).collect(),
        false => bytes.into(),
    }
}

/// Undoes differences between neighbours of one row (TIFF 6.0, section 14), for samples of 8 or 16 bits.
pub(super) fn add_up(row: &mut [u8], step: usize, bits: usize, big_endian: bool) {
    if bits == 8 {
        for i in step..row.len() {
            row[i] = row[i].wrapping_add(row[i - step]);
        }
        return;
    }
    let (from, to) = match big_endian {
        true => (
            u16::from_be_bytes as fn([u8; 2]) -> u16,
            u16::to_be_bytes as fn(u16) -> [u8; 2],
        ),
        false => (
            u16::from_le_bytes as fn([u8; 2]) -> u16,
            u16::to_le_bytes as fn(u16) -> [u8; 2],
        ),
    };
    let (pairs, _) = row.as_chunks_mut::<2>();
    for i in step..pairs.len() {
        pairs[i] = to(from(pairs[i]).wrapping_add(from(pairs[i - step])));
    }
}
