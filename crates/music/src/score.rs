//! Notes in time, with tempo, meter, key and voices.

use crate::{Limits, MusicError};

/// Last tick of a score: the largest delta time of a MIDI file, 2^28 - 1.
pub const LAST_TICK: u32 = (1 << 28) - 1;

/// Ticks of a quarter note for music read from text: 2^5 * 3^2 * 5 * 7, so that triplets, quintuplets and septuplets of
/// 32nd notes are exact.
pub const TEXT_DIVISION: u16 = 10_080;

/// Largest number of ticks of a quarter note in a MIDI file.
const LARGEST_DIVISION: u16 = 0x7FFF;

/// A note. Notes are ordered by start, then pitch, then the other fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Note {
    /// First tick.
    pub start: u32,
    /// MIDI number of the pitch, 0 to 127; 60 is middle C.
    pub pitch: u8,
    /// Ticks from start to end, at least 1.
    pub length: u32,
    /// Strength of the stroke, 1 to 127.
    pub velocity: u8,
    /// Index into [`Score::voices`].
    pub voice: u16,
}

impl Note {
    /// The tick after the last one of the note.
    pub fn end(&self) -> u32 {
        self.start.saturating_add(self.length)
    }
}

/// A voice, part or track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Voice {
    /// Its name; may be empty.
    pub name: String,
    /// Instrument of General MIDI, 0 to 127; 0 is a grand piano.
    pub program: u8,
}

/// A tempo from a tick on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tempo {
    /// First tick.
    pub tick: u32,
    /// Microseconds of a quarter note, 1 to 2^24 - 1.
    pub micros: u32,
}

impl Tempo {
    /// A tempo of `quarters` quarter notes a minute from `tick` on; clamped to tempos that MIDI can hold.
    pub fn of(tick: u32, quarters: f64) -> Self {
        let micros = (6e7 / quarters).round();
        Self {
            tick,
            micros: (micros as u32).clamp(1, (1 << 24) - 1),
        }
    }
}

/// A time signature from a tick on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    /// First tick.
    pub tick: u32,
    /// Upper number, at least 1.
    pub beats: u8,
    /// Lower number, a power of two from 1 to 128.
    pub unit: u8,
}

/// A key signature from a tick on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySignature {
    /// First tick.
    pub tick: u32,
    /// Sharps, or flats as a negative number: -7 to 7.
    pub fifths: i8,
    /// Whether the key is minor.
    pub minor: bool,
}

/// Notes in time. Times are ticks; a quarter note has [`division`](Self::division) ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score {
    division: u16,
    notes: Vec<Note>,
    voices: Vec<Voice>,
    tempos: Vec<Tempo>,
    meters: Vec<Meter>,
    keys: Vec<KeySignature>,
    end: u32,
    /// Title; may be empty.
    pub title: String,
}

impl Score {
    /// A score of `notes` in any order, where a quarter note has `division` ticks.
    ///
    /// # Errors
    /// A division outside of 1 to 32767; a pitch above 127, a velocity outside of 1 to 127, a length of 0, or an end
    /// after [`LAST_TICK`].
    pub fn new(division: u16, mut notes: Vec<Note>) -> Result<Self, MusicError> {
        if division == 0 || division > LARGEST_DIVISION {
            return Err(MusicError::value(
                format!("a quarter note of {division} ticks"),
                "choose 1 to 32767 ticks",
            ));
        }
        if let Some((i, note)) = notes.iter().enumerate().find(|(_, n)| !valid(n)) {
            return Err(MusicError::value(
                format!("note {i} is not one of a score: {note:?}"),
                "pitches are 0 to 127, velocities 1 to 127, lengths at least 1 tick, ends at most 2^28 - 1",
            ));
        }
        notes.sort_unstable();
        let voices = notes.iter().map(|note| usize::from(note.voice) + 1).max();
        let end = notes.iter().map(Note::end).max().unwrap_or(0);
        Ok(Self {
            division,
            notes,
            voices: vec![Voice::default(); voices.unwrap_or(0)],
            tempos: Vec::new(),
            meters: Vec::new(),
            keys: Vec::new(),
            end,
            title: String::new(),
        })
    }

    /// Ticks of a quarter note, 1 to 32767.
    pub fn division(&self) -> u16 {
        self.division
    }

    /// The notes, ordered.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The voices that notes name.
    pub fn voices(&self) -> &[Voice] {
        &self.voices
    }

    /// Names and instruments of the voices; more than the score has are added, missing ones keep theirs.
    pub fn name_voices(&mut self, voices: impl IntoIterator<Item = Voice>) {
        for (i, mut voice) in voices.into_iter().enumerate().take(1 << 16) {
            voice.program &= 127;
            match self.voices.get_mut(i) {
                Some(old) => *old = voice,
                None => self.voices.push(voice),
            }
        }
    }

    /// Tempos, ordered by tick, one a tick; 120 quarter notes a minute hold before the first.
    pub fn tempos(&self) -> &[Tempo] {
        &self.tempos
    }

    /// Sets the tempos. The last of several at one tick holds; those that MIDI cannot hold are clamped.
    pub fn set_tempos(&mut self, mut tempos: Vec<Tempo>) {
        for tempo in &mut tempos {
            tempo.micros = tempo.micros.clamp(1, (1 << 24) - 1);
        }
        self.tempos = last_of_each(tempos, |tempo| tempo.tick);
    }

    /// Time signatures, ordered by tick, one a tick; 4/4 holds before the first.
    pub fn meters(&self) -> &[Meter] {
        &self.meters
    }

    /// Sets the time signatures. The last of several at one tick holds; impossible ones are left out.
    pub fn set_meters(&mut self, mut meters: Vec<Meter>) {
        meters.retain(|m| m.beats > 0 && m.unit.is_power_of_two());
        self.meters = last_of_each(meters, |meter| meter.tick);
    }

    /// Key signatures, ordered by tick, one a tick.
    pub fn keys(&self) -> &[KeySignature] {
        &self.keys
    }

    /// Sets the key signatures. The last of several at one tick holds; impossible ones are left out.
    pub fn set_keys(&mut self, mut keys: Vec<KeySignature>) {
        keys.retain(|key| (-7..=7).contains(&key.fifths));
        self.keys = last_of_each(keys, |key| key.tick);
    }

    /// The tick at which the last note ends; 0 without notes.
    pub fn length(&self) -> u32 {
        self.notes.iter().map(Note::end).max().unwrap_or(0)
    }

    /// The tick at which the music is said to end: a rest may follow the last note.
    pub fn end(&self) -> u32 {
        self.end
    }

    /// Sets [`end`](Self::end); at least [`length`](Self::length), at most [`LAST_TICK`].
    pub fn set_end(&mut self, end: u32) {
        self.end = end.clamp(self.length(), LAST_TICK);
    }

    /// Lowest and highest pitch.
    pub fn range(&self) -> Option<(u8, u8)> {
        let pitches = self.notes.iter().map(|note| note.pitch);
        Some((pitches.clone().min()?, pitches.max()?))
    }

    /// The times of ticks in seconds.
    pub fn clock(&self) -> Clock {
        Clock::new(self.division, &self.tempos)
    }

    /// Seconds until [`end`](Self::end).
    pub fn seconds(&self) -> f64 {
        self.clock().seconds(self.end)
    }

    /// All notes `semitones` higher.
    ///
    /// # Errors
    /// A note that would leave the pitches 0 to 127; the message names it and its bar.
    pub fn transposed(&self, semitones: i8) -> Result<Self, MusicError> {
        let mut score = self.clone();
        for note in &mut score.notes {
            let pitch = i16::from(note.pitch) + i16::from(semitones);
            note.pitch = u8::try_from(pitch)
                .ok()
                .filter(|&pitch| pitch <= 127)
                .ok_or_else(|| {
                    MusicError::value(
                        format!(
                            "pitch {} in bar {} cannot be moved by {semitones} semitones",
                            note.pitch,
                            self.bar(note.start)
                        ),
                        "transpose by less",
                    )
                })?;
        }
        score.notes.sort_unstable();
        for key in &mut score.keys {
            key.fifths = transposed_key(key.fifths, semitones);
        }
        Ok(score)
    }

    /// Number of the bar that holds `tick`, from 1. Bars begin at the time signatures, so a first bar is a pick-up if
    /// a time signature follows before it is full.
    pub fn bar(&self, tick: u32) -> u64 {
        let until = u64::from(tick) + 1;
        let parts = self
            .bar_parts(until)
            .map(|(start, end, length)| (end - start).div_ceil(length));
        parts.sum::<u64>().max(1)
    }

    /// First ticks of the bars before `until`.
    pub fn bars(&self, until: u32) -> impl Iterator<Item = u32> {
        self.bar_parts(u64::from(until))
            .flat_map(|(start, end, length)| (start..end).step_by(length as usize))
            .map(|tick| tick as u32)
    }

    /// First tick, end and ticks of a bar of each part with one time signature.
    fn bar_parts(&self, until: u64) -> impl Iterator<Item = (u64, u64, u64)> {
        let whole = 4 * u64::from(self.division);
        let common = Meter {
            tick: 0,
            beats: 4,
            unit: 4,
        };
        let next = self
            .meters
            .iter()
            .map(|meter| u64::from(meter.tick))
            .chain([until]);
        std::iter::once(common)
            .chain(self.meters.iter().copied())
            .zip(next)
            .map(move |(meter, next)| {
                let start = u64::from(meter.tick).min(until);
                let length = whole * u64::from(meter.beats) / u64::from(meter.unit);
                (start, next.clamp(start, until), length.max(1))
            })
    }

    /// The notes of one voice, as a score of that voice alone.
    pub fn voice(&self, voice: u16) -> Self {
        let mut score = self.clone();
        score.notes.retain(|note| note.voice == voice);
        for note in &mut score.notes {
            note.voice = 0;
        }
        score.voices = self
            .voices
            .get(usize::from(voice))
            .cloned()
            .into_iter()
            .collect();
        score
    }

    /// The highest notes, one at a time: a note ends where a later one begins, and a lower note that begins while a
    /// higher one sounds is left out.
    pub fn top_line(&self) -> Vec<Note> {
        let mut line: Vec<Note> = Vec::new();
        for &note in &self.notes {
            if let Some(last) = line.last_mut() {
                if last.start == note.start {
                    // Notes of one start come in the order of their pitches.
                    *last = note;
                    continue;
                }
                if last.end() > note.start {
                    if last.pitch > note.pitch {
                        continue;
                    }
                    last.length = note.start - last.start;
                }
            }
            line.push(note);
        }
        line
    }

    /// Checks the number of notes.
    pub(crate) fn check(&self, operation: &'static str, limits: &Limits) -> Result<(), MusicError> {
        MusicError::check(operation, self.notes.len(), "notes", limits.notes)
    }
}

fn valid(note: &Note) -> bool {
    note.pitch <= 127
        && (1..=127).contains(&note.velocity)
        && note.length >= 1
        && note
            .start
            .checked_add(note.length)
            .is_some_and(|end| end <= LAST_TICK)
}

/// Ordered by tick, with the last one of each tick alone.
fn last_of_each<T: Copy>(mut list: Vec<T>, tick: impl Fn(&T) -> u32) -> Vec<T> {
    list.sort_by_key(&tick);
    let mut kept: Vec<T> = Vec::new();
    for item in list {
        match kept.last_mut() {
            Some(last) if tick(last) == tick(&item) => *last = item,
            _ => kept.push(item),
        }
    }
    kept
}

/// The signature of a key `semitones` higher, with at most six flats or six sharps (seven are kept if nothing moves).
pub(crate) fn transposed_key(fifths: i8, semitones: i8) -> i8 {
    let moved = (i16::from(fifths) + 7 * i16::from(semitones)).rem_euclid(12) as i8;
    match (semitones.rem_euclid(12), moved) {
        (0, _) => fifths,
        (_, 0..=6) => moved,
        _ => moved - 12,
    }
}

/// Times of ticks: the sum over all tempos.
#[derive(Clone, Debug)]
pub struct Clock {
    /// First tick, its time in seconds, and seconds a tick from there on.
    parts: Vec<(u32, f64, f64)>,
}

impl Clock {
    fn new(division: u16, tempos: &[Tempo]) -> Self {
        let per_tick = |micros: u32| f64::from(micros) / 1e6 / f64::from(division);
        let mut parts = vec![(0, 0.0, per_tick(500_000))];
        for tempo in tempos {
            let (tick, time, rate) = parts[parts.len() - 1];
            let start = time + f64::from(tempo.tick - tick) * rate;
            parts.push((tempo.tick, start, per_tick(tempo.micros)));
        }
        Self { parts }
    }

    /// Seconds from the beginning to `tick`.
    pub fn seconds(&self, tick: u32) -> f64 {
        let after = self.parts.partition_point(|part| part.0 <= tick);
        let (start, time, rate) = self.parts[after - 1];
        time + f64::from(tick - start) * rate
    }
}
