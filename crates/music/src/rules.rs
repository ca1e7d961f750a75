//! Rules of four-part writing, counted.

use crate::line::VOICE_RANGES;
use crate::{Chorale, VOICE_NAMES};
use std::fmt::{self, Display, Formatter};
use std::ops::AddAssign;

/// Semitones of an octave.
const OCTAVE: u8 = 12;

/// Counts of one chorale, or sums over several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VoiceLeading {
    /// Chorales.
    pub chorales: usize,
    /// Steps.
    pub steps: usize,
    /// Parallel fifths: two voices move in one direction from a fifth to a fifth (or one of octaves more).
    pub fifths: usize,
    /// Parallel octaves and unisons: two voices move in one direction from an octave (or unison) to another.
    pub octaves: usize,
    /// Steps in which a voice is below the next lower one.
    pub crossed: usize,
    /// Notes outside of [`VOICE_RANGES`], by voice.
    pub out_of_range: [usize; 4],
    /// Notes, by voice.
    pub notes: [usize; 4],
    /// Steps from one note of a voice to the next of more than an octave, by voice.
    pub leaps: [usize; 4],
    /// Chorales whose last chord is a major or minor triad over its bass.
    pub final_triads: usize,
}

impl VoiceLeading {
    /// The counts of a chorale.
    ///
    /// Parallels are looked for between neighbouring steps, in all six pairs of voices; both voices must change their
    /// pitch. Steps of a sixteenth note are meant.
    pub fn of(chorale: &Chorale) -> Self {
        let mut counts = Self {
            chorales: 1,
            steps: chorale.len(),
            ..Self::default()
        };
        for t in 0..chorale.len() {
            let now = chorale.step(t);
            let pairs = now.windows(2);
            let crossed = pairs
                .into_iter()
                .any(|pair| matches!(pair, [Some(upper), Some(lower)] if lower > upper));
            counts.crossed += usize::from(crossed);
            if t > 0 {
                let [fifths, octaves] = parallels(chorale.step(t - 1), now);
                counts.fifths += fifths;
                counts.octaves += octaves;
            }
        }
        for (voice, line) in chorale.voices().iter().enumerate() {
            let notes = line.notes();
            let (low, high) = VOICE_RANGES[voice];
            counts.notes[voice] = notes.len();
            counts.out_of_range[voice] = notes
                .iter()
                .filter(|note| !(low..=high).contains(*note))
                .count();
            counts.leaps[voice] = notes
                .windows(2)
                .filter(|pair| pair[0].abs_diff(pair[1]) > OCTAVE)
                .count();
        }
        let last = (0..chorale.len()).rev().map(|t| chorale.step(t));
        let last = last
            .into_iter()
            .find(|step| step.iter().any(Option::is_some));
        counts.final_triads = usize::from(last.is_some_and(triad));
        counts
    }

    /// Parallel fifths and octaves a chorale.
    pub fn parallels_each(&self) -> f64 {
        (self.fifths + self.octaves) as f64 / self.chorales.max(1) as f64
    }

    /// Share of steps with crossed voices.
    pub fn crossed_share(&self) -> f64 {
        self.crossed as f64 / self.steps.max(1) as f64
    }

    /// Share of steps in which a note of `voice` (0 to 3) begins.
    pub fn new_notes(&self, voice: usize) -> f64 {
        self.notes
            .get(voice)
            .map_or(0.0, |&notes| notes as f64 / self.steps.max(1) as f64)
    }
}

impl AddAssign for VoiceLeading {
    fn add_assign(&mut self, other: Self) {
        self.chorales += other.chorales;
        self.steps += other.steps;
        self.fifths += other.fifths;
        self.octaves += other.octaves;
        self.crossed += other.crossed;
        self.final_triads += other.final_triads;
        for voice in 0..4 {
            self.out_of_range[voice] += other.out_of_range[voice];
            self.notes[voice] += other.notes[voice];
            self.leaps[voice] += other.leaps[voice];
        }
    }
}

impl std::iter::Sum for VoiceLeading {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |mut sum, counts| {
            sum += counts;
            sum
        })
    }
}

/// Parallel fifths and octaves between two steps.
fn parallels(before: [Option<u8>; 4], now: [Option<u8>; 4]) -> [usize; 2] {
    let mut counts = [0; 2];
    for upper in 0..4 {
        for lower in upper + 1..4 {
            let (Some(a), Some(b)) = (before[upper], before[lower]) else {
                continue;
            };
            let (Some(c), Some(d)) = (now[upper], now[lower]) else {
                continue;
            };
            let same_way = (c > a && d > b) || (c < a && d < b);
            let intervals = (a.abs_diff(b) % OCTAVE, c.abs_diff(d) % OCTAVE);
            match (same_way, intervals) {
                (true, (7, 7)) => counts[0] += 1,
                (true, (0, 0)) => counts[1] += 1,
                _ => {}
            }
        }
    }
    counts
}

/// Whether the pitches are a root in the bass with a third, perhaps a fifth, and nothing else.
fn triad(step: [Option<u8>; 4]) -> bool {
    let Some(bass) = step.iter().rev().copied().flatten().next() else {
        return false;
    };
    let above = step
        .iter()
        .flatten()
        .map(|&pitch| (i16::from(pitch) - i16::from(bass)).rem_euclid(12));
    let classes = above.fold(0u16, |set, class| set | 1 << class);
    let [root, minor, major, fifth] = [1, 1 << 3, 1 << 4, 1 << 7];
    let third = classes & (minor | major);
    classes & !(root | minor | major | fifth) == 0 && (third == minor || third == major)
}

/// A note that a voice cannot sing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    /// Voice, 0 (soprano) to 3 (bass).
    pub voice: usize,
    /// Step of its beginning.
    pub step: usize,
    /// Its pitch.
    pub pitch: u8,
}

impl Display for OutOfRange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (low, high) = VOICE_RANGES[self.voice.min(3)];
        write!(
            f,
            "{} of the {} at step {} is outside of {} to {}",
            pitch_name(self.pitch),
            VOICE_NAMES[self.voice.min(3)].to_lowercase(),
            self.step,
            pitch_name(low),
            pitch_name(high)
        )
    }
}

/// The notes of a chorale outside of [`VOICE_RANGES`].
pub fn out_of_range(chorale: &Chorale) -> Vec<OutOfRange> {
    let mut list = Vec::new();
    for (voice, line) in chorale.voices().iter().enumerate() {
        let (low, high) = VOICE_RANGES[voice];
        let notes = (0..line.len()).filter(|&t| line.begins(t));
        let found = notes.filter_map(|step| Some((step, line.pitches[step]?)));
        list.extend(
            found
                .filter(|(_, pitch)| !(low..=high).contains(pitch))
                .map(|(step, pitch)| OutOfRange { voice, step, pitch }),
        );
    }
    list
}

/// Name of a pitch with sharps and its octave: 60 is `C4`.
pub fn pitch_name(pitch: u8) -> String {
    let names = [
        "C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B",
    ];
    format!(
        "{}{}",
        names[usize::from(pitch % 12)],
        i16::from(pitch / 12) - 1
    )
}
