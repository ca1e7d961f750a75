//! Sets of pitches in steps of one length.

use crate::{Limits, MusicError, Note, Score, Tempo};

/// A set of MIDI pitches, 0 to 127.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pitches(u128);

impl Pitches {
    /// No pitch.
    pub const NONE: Self = Self(0);

    /// The set with bit p for pitch p.
    pub fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// Bit p for pitch p.
    pub fn bits(self) -> u128 {
        self.0
    }

    /// Whether `pitch` is in the set.
    pub fn contains(self, pitch: u8) -> bool {
        pitch < 128 && self.0 >> pitch & 1 == 1
    }

    /// Adds `pitch`; above 127 it is ignored. Says whether the set grew.
    pub fn insert(&mut self, pitch: u8) -> bool {
        let before = self.0;
        if pitch < 128 {
            self.0 |= 1 << pitch;
        }
        self.0 != before
    }

    /// Takes `pitch` out. Says whether it was in the set.
    pub fn remove(&mut self, pitch: u8) -> bool {
        let had = self.contains(pitch);
        if had {
            self.0 &= !(1 << pitch);
        }
        had
    }

    /// Number of pitches.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is no pitch.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Lowest pitch.
    pub fn lowest(self) -> Option<u8> {
        (self.0 != 0).then(|| self.0.trailing_zeros() as u8)
    }

    /// Highest pitch.
    pub fn highest(self) -> Option<u8> {
        (self.0 != 0).then(|| 127 - self.0.leading_zeros() as u8)
    }

    /// The pitches from low to high; reversed from high to low.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = u8> {
        (0..128u8).filter(move |&pitch| self.contains(pitch))
    }

    /// All pitches `semitones` higher, or nothing if one would leave 0 to 127.
    pub fn transposed(self, semitones: i8) -> Option<Self> {
        let by = u32::from(semitones.unsigned_abs());
        match semitones {
            0 => Some(self),
            1.. => {
                (by <= self.0.leading_zeros()).then(|| Self(self.0.checked_shl(by).unwrap_or(0)))
            }
            _ => (by <= self.0.trailing_zeros()).then(|| Self(self.0.checked_shr(by).unwrap_or(0))),
        }
    }

    /// Pitches that are in both sets.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Pitches of this set that are not in `other`.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl FromIterator<u8> for Pitches {
    fn from_iter<I: IntoIterator<Item = u8>>(pitches: I) -> Self {
        let mut set = Self::NONE;
        for pitch in pitches {
            set.insert(pitch);
        }
        set
    }
}

/// Pitches that sound in each step of one length, and those of them that are struck there.
///
/// A pitch that sounds and is not struck goes on from the step before. A pitch that did not sound there is always
/// struck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roll {
    per_quarter: u16,
    sounding: Vec<Pitches>,
    struck: Vec<Pitches>,
}

/// How well notes fitted a grid. Shifts are in steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GridFit {
    /// Notes of the score.
    pub notes: usize,
    /// Share of notes that begin exactly on a step.
    pub on_grid: f64,
    /// Mean distance of the beginnings from their steps, at most one half.
    pub mean_shift: f64,
    /// Largest distance of a beginning from its step, at most one half.
    pub worst_shift: f64,
    /// Mean change of a note's length.
    pub mean_length_change: f64,
    /// Notes shorter than half a step, which now last one step.
    pub lengthened: usize,
    /// Notes that fell on a note of the same pitch and step.
    pub merged: usize,
}

impl Roll {
    /// A roll of `[T]` sets, with `per_quarter` steps a quarter note. A pitch that sounds in neighbouring steps is one
    /// long note, because such data do not tell held notes from repeated ones; see [`restruck`](Self::restruck).
    ///
    /// # Errors
    /// `per_quarter` of 0 or above 480.
    pub fn new(per_quarter: u16, sounding: Vec<Pitches>) -> Result<Self, MusicError> {
        let struck = vec![Pitches::NONE; sounding.len()];
        Self::with_strikes(per_quarter, sounding, struck)
    }

    /// A roll of `[T]` sets of sounding pitches and `[T]` sets of those that are struck.
    ///
    /// # Errors
    /// `per_quarter` of 0 or above 480, different lengths, or a struck pitch that does not sound.
    pub fn with_strikes(
        per_quarter: u16,
        sounding: Vec<Pitches>,
        mut struck: Vec<Pitches>,
    ) -> Result<Self, MusicError> {
        check_grid(per_quarter)?;
        if sounding.len() != struck.len() {
            return Err(MusicError::value(
                format!(
                    "{} steps of pitches and {} steps of strikes",
                    sounding.len(),
                    struck.len()
                ),
                "give one set of each for every step",
            ));
        }
        let mut before = Pitches::NONE;
        for (t, (&now, struck)) in sounding.iter().zip(&mut struck).enumerate() {
            if !struck.without(now).is_empty() {
                return Err(MusicError::value(
                    format!("step {t} strikes pitches that do not sound"),
                    "strike sounding pitches only",
                ));
            }
            struck.0 |= now.without(before).0;
            before = now;
        }
        Ok(Self {
            per_quarter,
            sounding,
            struck,
        })
    }

    /// Steps a quarter note.
    pub fn per_quarter(&self) -> u16 {
        self.per_quarter
    }

    /// `[T]` sets of the pitches that sound.
    pub fn steps(&self) -> &[Pitches] {
        &self.sounding
    }

    /// `[T]` sets of the pitches that are struck.
    pub fn struck(&self) -> &[Pitches] {
        &self.struck
    }

    /// Number of steps, `T`.
    pub fn len(&self) -> usize {
        self.sounding.len()
    }

    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.sounding.is_empty()
    }

    /// Number of pitches over all steps.
    pub fn frames(&self) -> usize {
        self.sounding.iter().map(|step| step.len()).sum()
    }

    /// Largest number of pitches in a step.
    pub fn most_voices(&self) -> usize {
        self.sounding
            .iter()
            .map(|step| step.len())
            .max()
            .unwrap_or(0)
    }

    /// Lowest and highest pitch.
    pub fn range(&self) -> Option<(u8, u8)> {
        let all = self
            .sounding
            .iter()
            .fold(Pitches::NONE, |all, step| Pitches(all.0 | step.0));
        Some((all.lowest()?, all.highest()?))
    }

    /// All pitches `semitones` higher, or nothing if one would leave 0 to 127.
    pub fn transposed(&self, semitones: i8) -> Option<Self> {
        let moved = |sets: &[Pitches]| -> Option<Vec<Pitches>> {
            sets.iter().map(|set| set.transposed(semitones)).collect()
        };
        Some(Self {
            per_quarter: self.per_quarter,
            sounding: moved(&self.sounding)?,
            struck: moved(&self.struck)?,
        })
    }

    /// The same pitches, each struck in every step.
    pub fn restruck(&self) -> Self {
        Self {
            struck: self.sounding.clone(),
            ..self.clone()
        }
    }

    /// Steps `from` to `to` (exclusive), cut off at the end. Notes that sound at `from` are struck there.
    pub fn part(&self, from: usize, to: usize) -> Self {
        let to = to.min(self.len());
        let from = from.min(to);
        let sounding = self.sounding[from..to].to_vec();
        let mut struck = self.struck[from..to].to_vec();
        if let (Some(struck), Some(&sounding)) = (struck.first_mut(), sounding.first()) {
            *struck = sounding;
        }
        Self {
            per_quarter: self.per_quarter,
            sounding,
            struck,
        }
    }

    /// Appends a step; `struck` is cut to the pitches of `sounding`, and new pitches are struck in any case.
    pub fn push(&mut self, sounding: Pitches, struck: Pitches) {
        let before = self.sounding.last().copied().unwrap_or_default();
        let new = sounding.without(before);
        self.sounding.push(sounding);
        self.struck.push(Pitches(struck.and(sounding).0 | new.0));
    }

    /// The notes of the roll in one voice, with `tempo` quarter notes a minute. [`Score::to_roll`] of the result with
    /// the same grid is this roll again, if the rest at the end is kept.
    ///
    /// # Errors
    /// A roll too long for a score.
    pub fn to_score(&self, tempo: f64) -> Result<Score, MusicError> {
        let ticks = (480 / self.per_quarter).max(1);
        let end = self.len() as u64 * u64::from(ticks);
        if end > u64::from(crate::LAST_TICK) {
            return Err(MusicError::Large {
                operation: "roll to score",
                size: end,
                unit: "ticks",
                limit: u64::from(crate::LAST_TICK),
            });
        }
        let mut notes: Vec<Note> = Vec::new();
        let mut open = [None::<usize>; 128];
        for (t, (&sounding, &struck)) in self.sounding.iter().zip(&self.struck).enumerate() {
            for pitch in sounding.iter() {
                let slot = &mut open[usize::from(pitch)];
                match *slot {
                    Some(at)
                        if !struck.contains(pitch)
                            && notes[at].end() == t as u32 * u32::from(ticks) =>
                    {
                        notes[at].length += u32::from(ticks);
                    }
                    _ => {
                        *slot = Some(notes.len());
                        notes.push(Note {
                            start: t as u32 * u32::from(ticks),
                            length: u32::from(ticks),
                            pitch,
                            velocity: 80,
                            voice: 0,
                        });
                    }
                }
            }
        }
        let mut score = Score::new(ticks * self.per_quarter, notes)?;
        score.set_tempos(vec![Tempo::of(0, tempo)]);
        score.set_end(end as u32);
        Ok(score)
    }
}

fn check_grid(per_quarter: u16) -> Result<(), MusicError> {
    match (1..=480).contains(&per_quarter) {
        true => Ok(()),
        false => Err(MusicError::value(
            format!("a grid of {per_quarter} steps a quarter note"),
            "choose 1 to 480 steps",
        )),
    }
}

/// Nearest step of a tick; a tick in the middle goes up.
pub(crate) fn step_of(tick: u32, per_quarter: u16, division: u16) -> u64 {
    let doubled = 2 * u64::from(tick) * u64::from(per_quarter) + u64::from(division);
    doubled / (2 * u64::from(division))
}

impl Score {
    /// The score on a grid of `per_quarter` steps a quarter note: each note begins and ends at the nearest step, and
    /// lasts at least one. `rest` keeps the rest between the last note and [`Score::end`].
    ///
    /// # Errors
    /// A grid of 0 or more than 480 steps, or more steps than the limit.
    pub fn to_roll(
        &self,
        per_quarter: u16,
        rest: bool,
        limits: &Limits,
    ) -> Result<(Roll, GridFit), MusicError> {
        check_grid(per_quarter)?;
        let step = |tick| step_of(tick, per_quarter, self.division());
        let last = self
            .notes()
            .iter()
            .map(|note| step(note.end()).max(step(note.start) + 1));
        let end = last
            .chain(rest.then(|| step(self.end())))
            .max()
            .unwrap_or(0);
        if end > limits.steps as u64 {
            return Err(MusicError::Large {
                operation: "score to roll",
                size: end,
                unit: "steps",
                limit: limits.steps as u64,
            });
        }
        let mut sounding = vec![Pitches::NONE; end as usize];
        let mut struck = sounding.clone();
        let mut fit = GridFit {
            notes: self.notes().len(),
            ..GridFit::default()
        };
        let exact =
            |ticks: u32| f64::from(ticks) * f64::from(per_quarter) / f64::from(self.division());
        // The end of the newest note of each pitch: a note inside of it adds no steps.
        let mut filled = [0u64; 128];
        for note in self.notes() {
            let (first, end) = (step(note.start), step(note.end()));
            let shift = (exact(note.start) - first as f64).abs();
            fit.on_grid += f64::from(u8::from(shift == 0.0));
            fit.mean_shift += shift;
            fit.worst_shift = fit.worst_shift.max(shift);
            fit.lengthened += usize::from(exact(note.length) < 0.5);
            let end = end.max(first + 1);
            fit.mean_length_change += (exact(note.length) - (end - first) as f64).abs();
            fit.merged += usize::from(!struck[first as usize].insert(note.pitch));
            let filled = &mut filled[usize::from(note.pitch)];
            for t in first.max(*filled)..end {
                sounding[t as usize].insert(note.pitch);
            }
            *filled = (*filled).max(end);
        }
        let count = fit.notes.max(1) as f64;
        fit.on_grid /= count;
        fit.mean_shift /= count;
        fit.mean_length_change /= count;
        let roll = Roll::with_strikes(per_quarter, sounding, struck)?;
        Ok((roll, fit))
    }

    /// The coarsest grid of 1, 2, 3, 4, 6, 8, 12, 16 or 24 steps a quarter note in which the mean distance of the
    /// beginnings is at most `tolerance` quarter notes; 24 if none is.
    pub fn suggested_grid(&self, tolerance: f64) -> u16 {
        let mean = |per_quarter: u16| {
            let shifts = self.notes().iter().map(|note| {
                let place = f64::from(note.start) / f64::from(self.division());
                let step = step_of(note.start, per_quarter, self.division()) as f64;
                (place - step / f64::from(per_quarter)).abs()
            });
            shifts.sum::<f64>() / self.notes().len().max(1) as f64
        };
        let grids = [1, 2, 3, 4, 6, 8, 12, 16, 24];
        let fits = grids.into_iter().find(|&grid| mean(grid) <= tolerance);
        fits.unwrap_or(24)
    }
}
