//! The longest copies of training data in new music.

use crate::MusicError;

/// Most symbols of an index: 16 bytes are needed for each while it is made, and 8 later.
const MOST_SYMBOLS: usize = 1 << 24;

/// An index of sequences of symbols, that finds the longest part of a new sequence which is in one of them.
///
/// A symbol may stand for a character, an interval with a length, or a hash of a chord. The index is a suffix array
/// (Manber and Myers 1993), so matches are exact and of any length.
#[derive(Clone, Debug)]
pub struct CopyIndex {
    /// All sequences with a symbol of their own behind each: 0. Other symbols are one more than given.
    symbols: Vec<u64>,
    /// Places in `symbols`, ordered by the symbols from there on.
    order: Vec<u32>,
    /// First place of each sequence.
    starts: Vec<u32>,
}

/// A part of a sequence that is in the index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// First symbol in the new sequence.
    pub at: usize,
    /// Number of symbols.
    pub length: usize,
    /// The sequence of the index that holds them.
    pub source: usize,
    /// First symbol there.
    pub source_at: usize,
}

impl CopyIndex {
    /// An index of `sequences`.
    ///
    /// # Errors
    /// More than 16,777,216 symbols.
    pub fn new<S: AsRef<[u32]>>(sequences: &[S]) -> Result<Self, MusicError> {
        let count = sequences.iter().map(|s| s.as_ref().len() + 1).sum();
        MusicError::check("index of copies", count, "symbols", MOST_SYMBOLS)?;
        let mut symbols = Vec::with_capacity(count);
        let mut starts = Vec::with_capacity(sequences.len());
        for sequence in sequences {
            starts.push(symbols.len() as u32);
            symbols.extend(
                sequence
                    .as_ref()
                    .iter()
                    .map(|&symbol| u64::from(symbol) + 1),
            );
            symbols.push(0);
        }
        let order = suffixes(&symbols);
        Ok(Self {
            symbols,
            order,
            starts,
        })
    }

    /// Number of sequences.
    pub fn sequences(&self) -> usize {
        self.starts.len()
    }

    /// `[T]` lengths of the longest copies that begin at each symbol of `sequence`, with their places.
    pub fn copies(&self, sequence: &[u32]) -> Vec<Copied> {
        (0..sequence.len())
            .map(|at| self.longest_at(sequence, at))
            .collect()
    }

    /// The longest copy in `sequence`; the first of several. Its length is 0 if there is none.
    pub fn longest(&self, sequence: &[u32]) -> Copied {
        let mut best = Copied::default();
        for at in 0..sequence.len() {
            if sequence.len() - at <= best.length {
                break;
            }
            let found = self.longest_at(sequence, at);
            if found.length > best.length {
                best = found;
            }
        }
        best
    }

    fn longest_at(&self, sequence: &[u32], at: usize) -> Copied {
        let query = &sequence[at..];
        let wanted = |i: usize| query.get(i).map(|&symbol| u64::from(symbol) + 1);
        let common = |place: u32| {
            let here = &self.symbols[place as usize..];
            let same = here
                .iter()
                .enumerate()
                .take_while(|&(i, &symbol)| wanted(i) == Some(symbol));
            same.count()
        };
        // Whether the suffix at `place` comes before the query.
        let before = |place: u32| {
            let length = common(place);
            match (self.symbols.get(place as usize + length), wanted(length)) {
                (Some(&here), Some(there)) => here < there,
                (_, None) => false,
                (None, _) => true,
            }
        };
        let after = self.order.partition_point(|&place| before(place));
        let beside = [after.checked_sub(1), Some(after)];
        let places = beside
            .into_iter()
            .flatten()
            .filter_map(|i| self.order.get(i));
        let best = places
            .map(|&place| (common(place), place))
            .max_by_key(|&(length, _)| length);
        match best {
            Some((length, place)) if length > 0 => {
                let source = self.starts.partition_point(|&start| start <= place) - 1;
                Copied {
                    at,
                    length,
                    source,
                    source_at: (place - self.starts[source]) as usize,
                }
            }
            _ => Copied {
                at,
                ..Copied::default()
            },
        }
    }
}

/// Places of `symbols` in the order of their suffixes, by doubling the compared length.
fn suffixes(symbols: &[u64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..symbols.len() as u32).collect();
    let mut values = symbols.to_vec();
    values.sort_unstable();
    values.dedup();
    let mut rank: Vec<u32> = symbols
        .iter()
        .map(|symbol| values.binary_search(symbol).unwrap_or(0) as u32 + 1)
        .collect();
    drop(values);
    let mut next = vec![0u32; symbols.len()];
    let mut length = 0;
    loop {
        let key = |place: u32| {
            let second = rank.get(place as usize + length).filter(|_| length > 0);
            (rank[place as usize], second.copied().unwrap_or(0))
        };
        order.sort_unstable_by_key(|&place| key(place));
        let mut last = 0;
        for (i, &place) in order.iter().enumerate() {
            last += u32::from(i == 0 || key(order[i - 1]) != key(place));
            next[place as usize] = last;
        }
        std::mem::swap(&mut rank, &mut next);
        if last as usize == symbols.len() || length > symbols.len() {
            return order;
        }
        length = (2 * length).max(1);
    }
}
