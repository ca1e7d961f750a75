//! Words, punctuation and characters of unspaced scripts: the units between which markup is placed.

use std::ops::Range;

/// A unit of a text. White space lies between units only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Atom {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// Position of its word, where words are separated by white space.
    word: usize,
    /// Its place in the word; they ascend within a word.
    place: Place,
    /// It is a character of an unspaced script.
    wide: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Punctuation before the word.
    Before,
    /// A run of the word itself.
    Core,
    /// Punctuation after the word.
    After,
}

/// Whether words of the character's script are written without spaces: Chinese, Japanese, Thai, Lao, Khmer, Burmese.
pub(super) fn unspaced(c: char) -> bool {
    matches!(c as u32,
        0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3000..=0x30FF | 0x31F0..=0x31FF
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0xFF00..=0xFFEF | 0x20000..=0x3FFFF)
}

/// The units of `text`.
pub(super) fn atoms(text: &str) -> Vec<Atom> {
    let mut atoms = Vec::new();
    let base = text.as_ptr() as usize;
    for (word, part) in text.split_whitespace().enumerate() {
        let start = part.as_ptr() as usize - base;
        let core = part.trim_matches(|c: char| !c.is_alphanumeric());
        let (before, after) = if core.is_empty() {
            let middle = opening(part);
            (middle, middle)
        } else {
            let before = core.as_ptr() as usize - part.as_ptr() as usize;
            (before, before + core.len())
        };
        let mut push = |range: Range<usize>, place| {
            if !range.is_empty() {
                let range = start + range.start..start + range.end;
                let wide = text[range.clone()].starts_with(unspaced);
                atoms.push(Atom {
                    range,
                    word,
                    place,
                    wide,
                });
            }
        };
        push(0..before, Place::Before);
        let mut open = before;
        let mut last = None;
        for (at, c) in part[before..after].char_indices() {
            // Runs of letters and digits, and of other characters; in unspaced scripts each character.
            let kind = if unspaced(c) {
                None
            } else {
                Some(c.is_alphanumeric())
            };
            if kind.is_none() || kind != last {
                push(open..before + at, Place::Core);
                open = before + at;
            }
            last = kind;
        }
        push(open..after, Place::Core);
        push(after..part.len(), Place::After);
    }
    atoms
}

/// Bytes of the punctuation that opens at the start of `part`, which has no word in it: `(` of `()`, a quote of two.
fn opening(part: &str) -> usize {
    let opens = |c: char| {
        matches!(
            c,
            '(' | '[' | '{' | '"' | '\'' | '«' | '“' | '„' | '‘' | '‚' | '「' | '（'
        )
    };
    let most = part.chars().count() / 2;
    let run = part.chars().take(most).take_while(|&c| opens(c));
    run.map(char::len_utf8).sum()
}

/// Whether a word, or a character of an unspaced script that may begin a line, begins with unit `k`.
pub(super) fn starts_word(atoms: &[Atom], k: usize) -> bool {
    let Some(last) = k.checked_sub(1).and_then(|last| atoms.get(last)) else {
        return true;
    };
    atoms.get(k).is_none_or(|atom| {
        let joined = atom.place == Place::After || last.place == Place::Before;
        atom.word != last.word || (atom.wide && last.wide && !joined)
    })
}

/// For each unit of one text the linked units of another, ascending.
pub(super) type Links = Vec<Vec<usize>>;

/// Links of `source` to `target`, and of `target` to `source`: from pairs of words, else in proportion. Words of a pair
/// are linked by their units, and the punctuation around one with that around the other.
pub(super) fn links(
    source: &[Atom],
    target: &[Atom],
    alignment: Option<&[(usize, usize)]>,
) -> (Links, Links) {
    let mut to_target = vec![Vec::new(); source.len()];
    let mut to_source = vec![Vec::new(); target.len()];
    let mut link = |s: usize, t: usize| {
        to_target[s].push(t);
        to_source[t].push(s);
    };
    let wide = source.iter().chain(target).any(|a| a.wide);
    let mut pairs = Vec::new();
    match alignment {
        Some(given) => pairs.extend_from_slice(given),
        None if wide => spread(0..source.len(), 0..target.len(), &mut link),
        None => spread(0..words(source), 0..words(target), &mut |s, t| {
            pairs.push((s, t))
        }),
    }
    pairs.sort_unstable();
    pairs.dedup();
    for (s, t) in pairs {
        let (s, t) = (word(source, s), word(target, t));
        for place in [Place::Before, Place::Core, Place::After] {
            spread(
                placed(source, &s, place),
                placed(target, &t, place),
                &mut link,
            );
        }
    }
    for linked in to_target.iter_mut().chain(&mut to_source) {
        linked.sort_unstable();
        linked.dedup();
    }
    (to_target, to_source)
}

/// Links two ranges in proportion, so that every unit of both is linked.
fn spread(source: Range<usize>, target: Range<usize>, link: &mut impl FnMut(usize, usize)) {
    if source.is_empty() || target.is_empty() {
        return;
    }
    let middle = |k: usize, from: usize, to: usize| (2 * k + 1) * to / (2 * from);
    for k in 0..source.len() {
        link(
            source.start + k,
            target.start + middle(k, source.len(), target.len()),
        );
    }
    for k in 0..target.len() {
        link(
            source.start + middle(k, target.len(), source.len()),
            target.start + k,
        );
    }
}

fn words(atoms: &[Atom]) -> usize {
    atoms.last().map_or(0, |a| a.word + 1)
}

/// Units of a word; none if there is no such word.
fn word(atoms: &[Atom], word: usize) -> Range<usize> {
    atoms.partition_point(|a| a.word < word)..atoms.partition_point(|a| a.word <= word)
}

/// Units of a word that have this place.
fn placed(atoms: &[Atom], word: &Range<usize>, place: Place) -> Range<usize> {
    let inside = &atoms[word.clone()];
    let start = inside.partition_point(|a| a.place < place);
    let end = inside.partition_point(|a| a.place <= place);
    word.start + start..word.start + end
}

/// Cuts a text of units into `shares.len()` runs whose lengths are in proportion to `shares`, at places where a break
/// is allowed, after punctuation where that is close. Gives the first unit of every run but the first. It is the number
/// of units for runs that stay empty, as the text has too few places to break.
pub(super) fn divide(text: &str, atoms: &[Atom], shares: &[usize]) -> Vec<usize> {
    let whole: usize = shares.iter().sum::<usize>().max(1);
    // Characters before each unit, and in all.
    let mut lengths = vec![0];
    for atom in atoms {
        lengths.push(lengths[lengths.len() - 1] + text[atom.range.clone()].chars().count());
    }
    let total = lengths[atoms.len()];
    let mut cuts: Vec<usize> = Vec::new();
    let mut share = 0;
    for k in 1..shares.len() {
        share += shares[k - 1];
        let wanted = share as f64 / whole as f64 * total as f64;
        let start = cuts.last().copied().unwrap_or(0) + 1;
        let mut best: Option<(f64, usize)> = None;
        for cut in start..atoms.len() {
            let left = &text[atoms[cut - 1].range.clone()];
            let length = lengths[cut] as f64;
            if breaks(text, atoms, cut) {
                let bonus = if left.ends_with(|c: char| !c.is_alphanumeric()) {
                    4.0
                } else {
                    0.0
                };
                let cost = (length - wanted).abs() - bonus;
                // Every later run keeps a unit, where there are enough.
                let enough = atoms.len() - cut >= shares.len() - k;
                if best.is_none_or(|(least, _)| enough && cost < least) {
                    best = Some((cost, cut));
                }
            }
            if length > wanted + 8.0 && best.is_some() {
                break;
            }
        }
        cuts.push(best.map_or(atoms.len(), |(_, cut)| cut));
    }
    cuts
}

/// Whether a line may end before the unit `cut`.
fn breaks(text: &str, atoms: &[Atom], cut: usize) -> bool {
    let (left, right) = (&atoms[cut - 1], &atoms[cut]);
    left.range.end < right.range.start
        || (right.place != Place::After
            && left.place != Place::Before
            && text[..left.range.end].ends_with(unspaced)
            && text[right.range.start..].starts_with(unspaced))
}
