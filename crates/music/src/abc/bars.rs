//! Lengths of bars, and whether they are right.

use super::read::{BarLine, Item, Part};
use super::{Ratio, TimeSignature, Tune};
use std::collections::HashMap;

/// How the length of a bar fits its time signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarKind {
    /// As long as it should be.
    Full,
    /// Shorter, at the beginning or end of a section, where another such bar at an end or beginning completes it. The
    /// first bar of the voice, a pick-up, may lack its complement.
    Partial,
    /// Shorter otherwise.
    Short,
    /// Longer.
    Long,
    /// There is no time signature.
    Free,
}

/// A bar with notes or rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Length in whole notes.
    pub length: Ratio,
    /// The length that the time signature asks for; nothing for free meter.
    pub full: Option<Ratio>,
    /// How both fit.
    pub kind: BarKind,
    /// Line of its end in the tune, from 1.
    pub line: usize,
    /// Index of its first item in the part, and the one behind its last.
    pub items: (usize, usize),
}

/// Numbers of bars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BarCounts {
    /// [`BarKind::Full`].
    pub full: usize,
    /// [`BarKind::Partial`].
    pub partial: usize,
    /// [`BarKind::Short`].
    pub short: usize,
    /// [`BarKind::Long`].
    pub long: usize,
    /// [`BarKind::Free`].
    pub free: usize,
}

impl BarCounts {
    /// All bars.
    pub fn bars(&self) -> usize {
        self.full + self.partial + self.short + self.long + self.free
    }

    /// Bars that are full or may be partial, or have no time signature.
    pub fn regular(&self) -> usize {
        self.full + self.partial + self.free
    }
}

impl Tune {
    /// Counts of the bars of all voices.
    pub fn bar_counts(&self) -> BarCounts {
        let mut counts = BarCounts::default();
        for bar in self.parts.iter().flat_map(|part| self.bars(part)) {
            match bar.kind {
                BarKind::Full => counts.full += 1,
                BarKind::Partial => counts.partial += 1,
                BarKind::Short => counts.short += 1,
                BarKind::Long => counts.long += 1,
                BarKind::Free => counts.free += 1,
            }
        }
        counts
    }

    /// Whether there are bars, and each is regular.
    pub fn regular(&self) -> bool {
        let counts = self.bar_counts();
        counts.bars() > 0 && counts.regular() == counts.bars()
    }

    /// The bars of a part of this tune. Bar lines without music between them count as one.
    pub fn bars(&self, part: &Part) -> Vec<Bar> {
        let mut meter = self.meter;
        let mut bars: Vec<Open> = Vec::new();
        let mut open = Open::at(0, meter, true);
        for (i, item) in part.items.iter().enumerate() {
            match item {
                Item::Notes { length, .. } | Item::Rest { length } => open.add(*length),
                Item::Bars(count) => {
                    let full = meter.map_or(Ratio::ONE, TimeSignature::bar);
                    for n in 0..*count {
                        if n > 0 {
                            bars.push(open.close(i + 1, false, 0));
                            open = Open::at(i, meter, false);
                        }
                        open.add(full);
                    }
                }
                Item::Meter(new) => {
                    meter = *new;
                    if open.empty {
                        open.meter = meter;
                    }
                }
                Item::Bar(line) => {
                    if open.empty {
                        // One bar line with the one before.
                        open.first |= line.divides();
                        if let Some(last) = bars.last_mut() {
                            last.last |= line.divides();
                        }
                        open.from = i + 1;
                        continue;
                    }
                    bars.push(open.close(i, line.divides(), line.line));
                    open = Open::at(i + 1, meter, line.divides());
                }
                Item::Key(_) | Item::Pace(_) | Item::Chord(_) => {}
            }
        }
        if !open.empty {
            let line = part.items.iter().rev().find_map(|item| match item {
                Item::Bar(BarLine { line, .. }) => Some(*line),
                _ => None,
            });
            bars.push(open.close(part.items.len(), true, line.unwrap_or(0)));
        }
        if let Some(last) = bars.last_mut() {
            last.last = true;
        }
        judged(bars)
    }
}

/// A bar while it is read.
struct Open {
    from: usize,
    to: usize,
    meter: Option<TimeSignature>,
    /// Nothing if the sum cannot be held.
    length: Option<Ratio>,
    empty: bool,
    /// Whether a section begins or ends with it.
    first: bool,
    last: bool,
    line: usize,
}

impl Open {
    fn at(from: usize, meter: Option<TimeSignature>, first: bool) -> Self {
        Self {
            from,
            to: from,
            meter,
            length: Some(Ratio::ZERO),
            empty: true,
            first,
            last: false,
            line: 0,
        }
    }

    fn add(&mut self, length: Ratio) {
        self.empty = false;
        self.length = self.length.and_then(|sum| sum.plus(length));
    }

    fn close(mut self, to: usize, last: bool, line: usize) -> Self {
        (self.to, self.last, self.line) = (to, last, line);
        self
    }

    /// How much a bar at the beginning or end of a section is shorter than it should be.
    fn lacking(&self) -> Option<Ratio> {
        let full = self.meter.map(TimeSignature::bar)?;
        let lacking = full.minus(self.length?)?;
        ((self.first || self.last) && !lacking.is_zero()).then_some(lacking)
    }
}

/// The bars with their kinds.
fn judged(bars: Vec<Open>) -> Vec<Bar> {
    // Lengths of the short bars at beginnings and at ends, with their numbers.
    let mut lengths: [HashMap<Ratio, usize>; 2] = Default::default();
    for bar in bars.iter().filter(|bar| bar.lacking().is_some()) {
        let ends = [bar.first, bar.last];
        for (lengths, _) in lengths.iter_mut().zip(ends).filter(|both| both.1) {
            *lengths
                .entry(bar.length.unwrap_or(Ratio::ZERO))
                .or_default() += 1;
        }
    }
    let completed = |bar: &Open| {
        let Some(lacking) = bar.lacking() else {
            return false;
        };
        let itself = usize::from(bar.first && bar.last && bar.length == Some(lacking));
        let others = |end: usize| {
            lengths[end]
                .get(&lacking)
                .is_some_and(|&count| count > itself)
        };
        (bar.first && others(1)) || (bar.last && others(0))
    };
    let kinds = bars.iter().enumerate().map(|(i, bar)| {
        match (bar.length, bar.meter.map(TimeSignature::bar)) {
            (_, None) => BarKind::Free,
            (Some(length), Some(full)) if length == full => BarKind::Full,
            (Some(length), Some(full)) if length < full => match i == 0 || completed(bar) {
                true => BarKind::Partial,
                false => BarKind::Short,
            },
            _ => BarKind::Long,
        }
    });
    let kinds: Vec<_> = kinds.collect();
    let judged = bars.into_iter().zip(kinds).map(|(bar, kind)| Bar {
        length: bar.length.unwrap_or(Ratio::ZERO),
        full: bar.meter.map(TimeSignature::bar),
        kind,
        line: bar.line,
        items: (bar.from, bar.to),
    });
    judged.collect()
}
