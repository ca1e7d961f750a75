//! Tunes as sequences for the search of copies.

use super::read::Item;
use super::{Ratio, Tune};
use crate::copies::{Copied, CopyIndex};

/// The music of a tune without its key: for each note but the first of a voice the interval from the note before, with
/// the length of the note. Rests count to the note before; ties, repeats and bar lines do not matter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Symbols {
    /// `[T]` symbols for [`CopyIndex`]; symbol t leads from note t to note t + 1.
    pub symbols: Vec<u32>,
    /// `[T+1]` beginnings and ends of the notes, counted in bars of the time signature. Empty without a note.
    pub spans: Vec<(f64, f64)>,
}

/// Intervals are held by numbers from 0 to 254.
const LARGEST_INTERVAL: i16 = 127;

/// The symbols of the first voice of a tune, as written (without repeats). Of notes that sound together the highest
/// counts. Bars of free meter are whole notes.
pub fn tune_symbols(tune: &Tune) -> Symbols {
    let mut bar = tune.meter.map_or(1.0, |meter| meter.bar().value());
    // Pitches, lengths, beginnings and ends.
    let mut notes: Vec<(u8, Ratio, f64, f64)> = Vec::new();
    let mut tied = false;
    let mut now = 0.0;
    for item in tune.parts.first().map_or(&[][..], |part| &part.items) {
        let (top, length) = match item {
            Item::Notes {
                pitches, length, ..
            } => (pitches.iter().copied().max(), *length),
            Item::Rest { length } => (None, *length),
            Item::Bars(count) => {
                now += f64::from(*count);
                continue;
            }
            Item::Meter(meter) => {
                bar = meter.map_or(1.0, |meter| meter.bar().value());
                continue;
            }
            _ => continue,
        };
        let end = now + length.value() / bar;
        match (top, notes.last_mut()) {
            (Some(top), last) if !tied || last.as_ref().is_none_or(|last| last.0 != top) => {
                notes.push((top, length, now, end));
            }
            (_, Some(last)) => (last.1, last.3) = (last.1.plus(length).unwrap_or(last.1), end),
            (_, None) => {}
        }
        tied = matches!(item, Item::Notes { tie: true, .. });
        now = end;
    }
    Symbols {
        symbols: notes
            .windows(2)
            .map(|pair| symbol(pair[0].0, pair[1].0, pair[1].1))
            .collect(),
        spans: notes.iter().map(|note| (note.2, note.3)).collect(),
    }
}

/// One number for an interval and a length in 960ths of a whole note.
fn symbol(from: u8, to: u8, held: Ratio) -> u32 {
    let interval = (i16::from(to) - i16::from(from)).clamp(-LARGEST_INTERVAL, LARGEST_INTERVAL);
    let length = (held.value() * 960.0).round().min(8e6) as u32;
    length << 8 | (interval + LARGEST_INTERVAL) as u32
}

impl Symbols {
    /// The longest part that is in `index`, and its length in bars, from the beginning of its first note (whose own
    /// length is not compared) to the end of its last.
    pub fn longest_copy(&self, index: &CopyIndex) -> (Copied, f64) {
        let mut best = (Copied::default(), 0.0);
        for copied in index.copies(&self.symbols) {
            if copied.length > 0 {
                let bars = self.spans[copied.at + copied.length].1 - self.spans[copied.at].0;
                if bars > best.1 {
                    best = (copied, bars);
                }
            }
        }
        best
    }
}
