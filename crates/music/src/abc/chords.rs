//! Chord symbols: `G`, `Am`, `D7`, `F#dim`, `C/E`.

use super::fields::{LETTERS, SEMITONES};

/// Lowest root and lowest bass of the played chords.
const ROOT: u8 = 52;
const BASS: u8 = 40;

/// Names behind the root, the longest first where one begins with another, and their semitones.
const KINDS: [(&str, &[u8]); 14] = [
    ("maj7", &[0, 4, 7, 11]),
    ("dim7", &[0, 3, 6, 9]),
    ("min7", &[0, 3, 7, 10]),
    ("sus4", &[0, 5, 7]),
    ("m7b5", &[0, 3, 6, 10]),
    ("dim", &[0, 3, 6]),
    ("aug", &[0, 4, 8]),
    ("min", &[0, 3, 7]),
    ("maj", &[0, 4, 7]),
    ("m7", &[0, 3, 7, 10]),
    ("m6", &[0, 3, 7, 9]),
    ("m", &[0, 3, 7]),
    ("7", &[0, 4, 7, 10]),
    ("6", &[0, 4, 7, 9]),
];

/// Letter and accidental at the beginning, as semitones above C, and the rest.
fn root(text: &str) -> Option<(u8, &str)> {
    let letter = text.chars().next()?;
    let index = LETTERS.iter().position(|&l| l == letter)?;
    let rest = &text[1..];
    let (raised, rest) = match rest.chars().next() {
        Some('#') => (1, &rest[1..]),
        Some('b') => (-1, &rest[1..]),
        _ => (0, rest),
    };
    Some(((SEMITONES[index] + raised).rem_euclid(12) as u8, rest))
}

/// Pitches of a chord symbol: a bass below a chord. Nothing for other text.
pub fn chord(text: &str) -> Option<Vec<u8>> {
    let (class, rest) = root(text.trim())?;
    let (kind, bass) = match rest.split_once('/') {
        Some((kind, bass)) => (kind, root(bass).map(|found| found.0)),
        None => (rest, None),
    };
    let known = KINDS.iter().find(|(name, _)| kind.starts_with(name));
    let steps = match known {
        Some((_, steps)) => steps,
        None if kind.is_empty() || kind.starts_with(['(', ' ', '*']) => &[0, 4, 7][..],
        None if kind.starts_with('+') => &[0, 4, 8][..],
        None => return None,
    };
    let low = |class: u8, from: u8| from + (12 + class - from % 12) % 12;
    let mut pitches = vec![low(bass.unwrap_or(class), BASS)];
    pitches.extend(steps.iter().map(|step| low(class, ROOT) + step));
    pitches.dedup();
    Some(pitches)
}
