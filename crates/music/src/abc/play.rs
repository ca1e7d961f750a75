//! Tunes to scores.

use super::chords::chord;
use super::read::{Item, Part};
use super::{BarKind, Ratio, TimeSignature, Tune};
use crate::{
    KeySignature, LAST_TICK, Limits, Meter, MusicError, Note, Score, TEXT_DIVISION, Tempo, Voice,
};

/// Ticks of a whole note.
const WHOLE: u64 = 4 * TEXT_DIVISION as u64;

/// Quarter notes a minute of a tune without a tempo.
const USUAL_TEMPO: f64 = 120.0;

/// Velocities of notes and of accompanying chords.
const LOUD: u8 = 88;
const SOFT: u8 = 52;

/// Choices of [`Tune::to_score`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlayOptions {
    /// Whether repeats and endings are played; else the music is read once, in the order of the text.
    pub repeats: bool,
    /// Whether chord symbols are played, in a voice of their own.
    pub chords: bool,
    /// Limits on sizes.
    pub limits: Limits,
}

impl Default for PlayOptions {
    /// With repeats and chords.
    fn default() -> Self {
        Self {
            repeats: true,
            chords: true,
            limits: Limits::default(),
        }
    }
}

impl Tune {
    /// The notes of the tune. Tied notes become one. Lengths are exact with up to 32nd notes in triplets, quintuplets
    /// or septuplets, and else rounded to a tick of 1/40320 of a whole note.
    ///
    /// # Errors
    /// More notes than the limit, or music longer than a score.
    pub fn to_score(&self, options: &PlayOptions) -> Result<Score, MusicError> {
        let mut player = Player::new(options);
        for (voice, part) in self.parts.iter().enumerate() {
            player.part(part, voice as u16, self.parts.len() as u16)?;
        }
        let mut voices: Vec<Voice> = self
            .parts
            .iter()
            .map(|part| Voice {
                name: part.name.clone(),
                program: 0,
            })
            .collect();
        if player.chords {
            voices.push(Voice {
                name: "Chords".to_owned(),
                program: 0,
            });
        }
        let end = player.end;
        let mut score = Score::new(TEXT_DIVISION, player.notes)?;
        score.name_voices(voices);
        let first = self.pace.map_or(USUAL_TEMPO, |pace| pace.quarters());
        let mut tempos = vec![Tempo::of(0, first)];
        tempos.append(&mut player.tempos);
        score.set_tempos(tempos);
        score.set_meters(
            self.first_meters()
                .into_iter()
                .chain(player.meters)
                .collect(),
        );
        let key = KeySignature {
            tick: 0,
            fifths: self.key.fifths.clamp(-7, 7),
            minor: self.key.minor,
        };
        let mut keys = vec![key];
        keys.append(&mut player.keys);
        score.set_keys(keys);
        score.set_end(end);
        score.title = self.titles.first().cloned().unwrap_or_default();
        Ok(score)
    }

    /// The first time signature, after one for the pick-up if there is one.
    fn first_meters(&self) -> Vec<Meter> {
        let Some(meter) = self.meter else {
            return Vec::new();
        };
        let at = |tick: u32, meter: TimeSignature| Meter {
            tick,
            beats: meter.beats,
            unit: meter.unit,
        };
        let first = self
            .parts
            .first()
            .and_then(|part| self.bars(part).into_iter().next());
        let pickup = first
            .filter(|bar| bar.kind == BarKind::Partial)
            .and_then(|bar| {
                let (beats, unit) = (bar.length.numerator(), bar.length.denominator());
                let possible = unit.is_power_of_two() && unit <= 128 && beats <= 64;
                possible.then(|| {
                    let short = Meter {
                        tick: 0,
                        beats: beats as u8,
                        unit: unit as u8,
                    };
                    [short, at(ticks(bar.length), meter)]
                })
            });
        pickup.map_or_else(|| vec![at(0, meter)], |both| both.to_vec())
    }
}

/// Ticks of a length in whole notes; at least one for a note.
fn ticks(length: Ratio) -> u32 {
    let doubled = 2 * WHOLE * u64::from(length.numerator()) / u64::from(length.denominator());
    (doubled.div_ceil(2)).clamp(1, u64::from(LAST_TICK)) as u32
}

struct Player<'o> {
    options: &'o PlayOptions,
    notes: Vec<Note>,
    tempos: Vec<Tempo>,
    meters: Vec<Meter>,
    keys: Vec<KeySignature>,
    chords: bool,
    end: u32,
}

impl<'o> Player<'o> {
    fn new(options: &'o PlayOptions) -> Self {
        Self {
            options,
            notes: Vec::new(),
            tempos: Vec::new(),
            meters: Vec::new(),
            keys: Vec::new(),
            chords: false,
            end: 0,
        }
    }

    fn part(&mut self, part: &Part, voice: u16, chord_voice: u16) -> Result<(), MusicError> {
        let order = match self.options.repeats {
            true => played(&part.items, self.options.limits.notes)?,
            false => (0..part.items.len()).collect(),
        };
        let mut now = 0u32;
        let mut bar = WHOLE as u32;
        // The last note of each pitch that is tied to the next.
        let mut tied: Vec<(u8, usize)> = Vec::new();
        let mut sounding: Option<(u32, Vec<u8>)> = None;
        for at in order {
            match &part.items[at] {
                Item::Notes {
                    pitches,
                    length,
                    tie,
                } => {
                    let length = ticks(*length);
                    self.add(pitches, now, length, voice, &mut tied, *tie)?;
                    now = advanced(now, length)?;
                }
                Item::Rest { length } => {
                    tied.clear();
                    now = advanced(now, ticks(*length))?;
                }
                Item::Bars(count) => {
                    tied.clear();
                    now = advanced(now, bar.saturating_mul(*count))?;
                }
                Item::Meter(meter) => {
                    bar = meter.map_or(WHOLE as u32, |meter| ticks(meter.bar()));
                    if let (Some(meter), true) = (meter, now > 0) {
                        self.meters.push(Meter {
                            tick: now,
                            beats: meter.beats,
                            unit: meter.unit,
                        });
                    }
                }
                Item::Key(key) => self.keys.push(KeySignature {
                    tick: now,
                    fifths: key.fifths.clamp(-7, 7),
                    minor: key.minor,
                }),
                Item::Pace(pace) => self.tempos.push(Tempo::of(now, pace.quarters())),
                Item::Chord(name) if self.options.chords => {
                    if let Some(pitches) = chord(name) {
                        self.end_chord(sounding.replace((now, pitches)), now, chord_voice)?;
                    }
                }
                Item::Bar(_) | Item::Chord(_) => {}
            }
        }
        self.end_chord(sounding, now, chord_voice)?;
        self.end = self.end.max(now);
        Ok(())
    }

    fn add(
        &mut self,
        pitches: &[u8],
        start: u32,
        length: u32,
        voice: u16,
        tied: &mut Vec<(u8, usize)>,
        tie: bool,
    ) -> Result<(), MusicError> {
        let before = std::mem::take(tied);
        for &pitch in pitches {
            let from = before
                .iter()
                .find(|known| known.0 == pitch && self.notes[known.1].end() == start);
            let at = match from {
                Some(&(_, at)) => {
                    self.notes[at].length += length;
                    at
                }
                None => {
                    self.notes.push(Note {
                        start,
                        length,
                        pitch,
                        velocity: LOUD,
                        voice,
                    });
                    self.notes.len() - 1
                }
            };
            if tie {
                tied.push((pitch, at));
            }
        }
        MusicError::check(
            "playing ABC",
            self.notes.len(),
            "notes",
            self.options.limits.notes,
        )
    }

    /// Adds the chord that has sounded until `end`.
    fn end_chord(
        &mut self,
        chord: Option<(u32, Vec<u8>)>,
        end: u32,
        voice: u16,
    ) -> Result<(), MusicError> {
        if let Some((start, pitches)) = chord.filter(|chord| chord.0 < end) {
            self.chords = true;
            self.add(&pitches, start, end - start, voice, &mut Vec::new(), false)?;
            for note in self.notes.iter_mut().rev().take(pitches.len()) {
                note.velocity = SOFT;
            }
        }
        Ok(())
    }
}

fn advanced(now: u32, by: u32) -> Result<u32, MusicError> {
    let end = u64::from(now) + u64::from(by);
    match end <= u64::from(LAST_TICK) {
        true => Ok(end as u32),
        false => Err(MusicError::Large {
            operation: "playing ABC",
            size: end,
            unit: "ticks",
            limit: u64::from(LAST_TICK),
        }),
    }
}

/// Indices of the items in the order of playing, at most `most`.
fn played(items: &[Item], most: usize) -> Result<Vec<usize>, MusicError> {
    let mut order = Vec::new();
    let (mut start, mut pass, mut ending) = (0, 1u8, 0u8);
    let mut at = 0;
    while at < items.len() {
        order.push(at);
        MusicError::check(
            "playing ABC",
            order.len(),
            "notes, rests and bars with repeats",
            most,
        )?;
        let Item::Bar(line) = &items[at] else {
            at += 1;
            continue;
        };
        if line.ends_repeat {
            // Endings beyond this one ask for another pass.
            let further =
                ending > 0 && ending_of(items, at.saturating_sub(1), ending + 1).is_some();
            if pass < (ending + u8::from(further)).max(2) {
                pass += 1;
                ending = 0;
                at = start;
                continue;
            }
            (start, pass, ending) = (at + 1, 1, 0);
        }
        if line.begins_repeat && start <= at {
            (start, pass, ending) = (at + 1, 1, 0);
        }
        match (line.endings.is_empty(), line.endings.contains(&pass)) {
            (true, _) => at += 1,
            (false, true) => {
                ending = line.endings.iter().copied().max().unwrap_or(0);
                at += 1;
            }
            (false, false) => at = ending_of(items, at, pass).unwrap_or(at + 1),
        }
    }
    Ok(order)
}

/// The item behind the bar line where the ending of `pass` begins, searched from the bar line `from` on.
fn ending_of(items: &[Item], from: usize, pass: u8) -> Option<usize> {
    for (at, item) in items.iter().enumerate().skip(from + 1) {
        if let Item::Bar(line) = item {
            if line.endings.contains(&pass) {
                return Some(at + 1);
            }
            if line.begins_repeat {
                return None;
            }
        }
    }
    None
}
