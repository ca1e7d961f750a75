//! The key of music without a key signature, and names of pitches in a key.

use crate::{KeySignature, Score};

/// Profiles of Krumhansl and Kessler (1982): how well each semitone above the tonic fits a major and a minor key.
const MAJOR: [f64; 12] = [
    6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88,
];
const MINOR: [f64; 12] = [
    6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17,
];

/// Letters in the order of fifths from F on.
const FIFTHS: [char; 7] = ['F', 'C', 'G', 'D', 'A', 'E', 'B'];

impl Score {
    /// The key in which the notes fit best, by the correlation of their lengths with the profiles of Krumhansl and
    /// Kessler. A score without notes is in C major.
    pub fn guessed_key(&self) -> KeySignature {
        let mut weights = [0.0; 12];
        for note in self.notes() {
            weights[usize::from(note.pitch % 12)] +=
                f64::from(note.length) / f64::from(self.division());
        }
        let mut best = (f64::NEG_INFINITY, 0, false);
        for tonic in 0..12usize {
            for (minor, profile) in [(false, &MAJOR), (true, &MINOR)] {
                let fit = correlation(&weights, profile, tonic);
                if fit > best.0 {
                    best = (fit, tonic, minor);
                }
            }
        }
        let (_, tonic, minor) = best;
        // Fifths of the major key with this tonic, from -5 (D flat) to 6 (F sharp).
        let major = (7 * (tonic as i8 + if minor { 3 } else { 0 })).rem_euclid(12);
        KeySignature {
            tick: 0,
            fifths: if major > 6 { major - 12 } else { major },
            minor,
        }
    }
}

fn correlation(weights: &[f64; 12], profile: &[f64; 12], tonic: usize) -> f64 {
    let mean = |values: &[f64; 12]| values.iter().sum::<f64>() / 12.0;
    let (a, b) = (mean(weights), mean(profile));
    let (mut both, mut one) = (0.0, 0.0);
    for (class, weight) in weights.iter().enumerate() {
        let fit = profile[(class + 12 - tonic) % 12] - b;
        both += (weight - a) * fit;
        one += (weight - a) * (weight - a);
    }
    // The profile's own length is the same for all tonics of a mode, but not for both modes.
    let two = profile
        .iter()
        .map(|value| (value - b) * (value - b))
        .sum::<f64>();
    both / (one * two).sqrt().max(1e-12)
}

/// Letter, semitones that it is raised, and octave of a pitch in a key: in D major 66 is F sharp.
pub(crate) fn spelled(pitch: u8, key: &KeySignature) -> (char, i8, i8) {
    // Twelve places on the line of fifths (C is 0) around the key; minor keys raise their sixth and seventh.
    let first = i16::from(key.fifths.clamp(-7, 7)) - if key.minor { 3 } else { 5 };
    let class = 7 * i16::from(pitch % 12);
    let place = first + (class - first).rem_euclid(12);
    let letter = FIFTHS[(place + 1).rem_euclid(7) as usize];
    let raised = (place + 1).div_euclid(7) as i8;
    let octave = (i16::from(pitch) - i16::from(raised)).div_euclid(12) - 1;
    (letter, raised, octave as i8)
}
