//! Tunes as sequences for the search of copies.

use super::read::Item;
use super::{Ratio, Tune};
use crate::copies::{Copied, CopyIndex};

/// The music of a tune without its key: for each note but the first of a voice the interval from the note before, with
/// the length of that note. Rests count to the note before; ties, repeats and bar lines do not matter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Symbols {
    /// `[T]` symbols for [`CopyIndex`].
    pub symbols: Vec<u32>,
    /// `[T]`: the bar of each symbol's second note, counted in bars of the time signature from the beginning (with a
    /// fraction).
    pub bars: Vec<f64>,
}

/// Intervals are held by numbers from 0 to 254.
const LARGEST_INTERVAL: i16 = 127;

/// The symbols of the first voice of a tune, as written (without repeats). Bars of free meter are whole notes.
pub fn tune_symbols(tune: &Tune) -> Symbols {
    let mut symbols = Symbols::default();
    let mut bar = tune.meter.map_or(1.0, |meter| meter.bar().value());
    let mut before: Option<(u8, Ratio)> = None;
    let mut tied = false;
    let mut now = 0.0;
    for item in tune.parts.first().map_or(&[][..], |part| &part.items) {
        match item {
            Item::Notes { pitches, length, tie } => {
                let top = pitches.iter().copied().max().unwrap_or(0);
                let longer = before.filter(|last| tied && last.0 == top);
                match longer.and_then(|last| last.1.plus(*length)) {
                    Some(sum) => before = Some((top, sum)),
                    None => {
                        if let Some((pitch, held)) = before {
                            symbols.symbols.push(symbol(pitch, top, held));
                            symbols.bars.push(now);
                        }
                        before = Some((top, *length));
                    }
                }
                tied = *tie;
                now += length.value() / bar;
            }
            Item::Rest { length } => {
                if let Some(last) = &mut before {
                    last.1 = last.1.plus(*length).unwrap_or(last.1);
                }
                tied = false;
                now += length.value() / bar;
            }
            Item::Bars(count) => now += f64::from(*count),
            Item::Meter(meter) => bar = meter.map_or(1.0, |meter| meter.bar().value()),
            _ => {}
        }
    }
    symbols
}

/// One number for an interval and a length in 960ths of a whole note.
fn symbol(from: u8, to: u8, held: Ratio) -> u32 {
    let interval = (i16::from(to) - i16::from(from)).clamp(-LARGEST_INTERVAL, LARGEST_INTERVAL);
    let length = (held.value() * 960.0).round().min(8e6) as u32;
    length << 8 | (interval + LARGEST_INTERVAL) as u32
}

impl Symbols {
    /// The longest part that is in `index`, and its length in bars.
    pub fn longest_copy(&self, index: &CopyIndex) -> (Copied, f64) {
        let mut best = (Copied::default(), 0.0);
        for copied in index.copies(&self.symbols) {
            if copied.length == 0 {
                continue;
            }
            // A symbol needs the note before it, whose length is a part of the copy.
            let start = match copied.at {
                0 => 0.0,
                at => self.bars[at - 1],
            };
            let bars = self.bars[copied.at + copied.length - 1] - start;
            if bars > best.1 {
                best = (copied, bars);
            }
        }
        best
    }
}
