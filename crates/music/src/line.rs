//! One voice on a grid, and four of them: chorales.

use crate::roll::step_of;
use crate::{Limits, Meter, MusicError, Note, Pitches, Roll, Score, Tempo, Voice};

/// Names of the voices of a [`Chorale`].
pub const VOICE_NAMES: [&str; 4] = ["Soprano", "Alto", "Tenor", "Bass"];

/// Lowest and highest pitches of Bach's chorales, by voice.
pub const VOICE_RANGES: [(u8, u8); 4] = [(60, 81), (52, 74), (46, 69), (36, 66)];

/// Instrument of General MIDI for voices: choir.
const CHOIR: u8 = 52;

/// One voice in steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// `[T]` pitches; `None` is silence.
    pub pitches: Vec<Option<u8>>,
    /// `[T]`: whether a note begins here. A pitch after silence or another pitch always begins.
    pub struck: Vec<bool>,
}

impl Line {
    /// A line whose equal neighbours are one long note.
    pub fn tied(pitches: Vec<Option<u8>>) -> Self {
        let struck = (0..pitches.len()).map(|t| begins(&pitches, t)).collect();
        Self { pitches, struck }
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.pitches.len()
    }

    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.pitches.is_empty()
    }

    /// Whether a note begins at step `t`.
    pub fn begins(&self, t: usize) -> bool {
        begins(&self.pitches, t)
            || (self.pitches.get(t).is_some_and(Option::is_some)
                && self.struck.get(t) == Some(&true))
    }

    /// Pitches of the notes in turn.
    pub fn notes(&self) -> Vec<u8> {
        let struck = (0..self.len()).filter(|&t| self.begins(t));
        struck.filter_map(|t| self.pitches[t]).collect()
    }

    /// The melody of a score on a grid of `per_quarter` steps a quarter note: `voice`, or the highest notes of all
    /// voices. The line begins with the score, so a rest at the beginning is kept.
    ///
    /// # Errors
    /// A grid outside of 1 to 480 steps, a line above the limit, or no note.
    pub fn of_score(
        score: &Score,
        voice: Option<u16>,
        per_quarter: u16,
        limits: &Limits,
    ) -> Result<Self, MusicError> {
        let notes = match voice {
            Some(voice) => score.voice(voice).top_line(),
            None => score.top_line(),
        };
        if notes.is_empty() {
            return Err(MusicError::Empty {
                operation: "melody of a score",
                hint: "choose another voice, or check the file",
            });
        }
        if !(1..=480).contains(&per_quarter) {
            return Err(MusicError::value(
                format!("a grid of {per_quarter} steps a quarter note"),
                "choose 1 to 480 steps",
            ));
        }
        let step = |tick| step_of(tick, per_quarter, score.division());
        let end = notes
            .iter()
            .map(|note| step(note.end()).max(step(note.start) + 1))
            .max()
            .unwrap_or(0);
        MusicError::check("melody of a score", end as usize, "steps", limits.steps)?;
        let mut line = Self {
            pitches: vec![None; end as usize],
            struck: vec![false; end as usize],
        };
        for note in notes {
            let first = step(note.start) as usize;
            let end = (step(note.end()) as usize).max(first + 1);
            line.pitches[first..end].fill(Some(note.pitch));
            line.struck[first] = true;
            line.struck[first + 1..end].fill(false);
        }
        Ok(line)
    }
}

fn begins(pitches: &[Option<u8>], t: usize) -> bool {
    let now = pitches.get(t).copied().flatten();
    now.is_some() && (t == 0 || pitches[t - 1] != now)
}

/// Four voices in steps: soprano, alto, tenor and bass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chorale {
    per_quarter: u16,
    voices: [Line; 4],
}

impl Chorale {
    /// A chorale of lines of one length, with `per_quarter` steps a quarter note.
    ///
    /// # Errors
    /// `per_quarter` outside of 1 to 480, lines of different lengths, or a pitch above 127.
    pub fn new(per_quarter: u16, voices: [Line; 4]) -> Result<Self, MusicError> {
        if !(1..=480).contains(&per_quarter) {
            return Err(MusicError::value(
                format!("a chorale of {per_quarter} steps a quarter note"),
                "choose 1 to 480 steps",
            ));
        }
        let steps = voices[0].len();
        for (line, name) in voices.iter().zip(VOICE_NAMES) {
            if line.len() != steps || line.struck.len() != steps {
                return Err(MusicError::value(
                    format!(
                        "{name} has {} steps and the soprano has {steps}",
                        line.len()
                    ),
                    "give four lines of one length",
                ));
            }
            if let Some(t) = line.pitches.iter().position(|p| p.is_some_and(|p| p > 127)) {
                return Err(MusicError::value(
                    format!("step {t} of {name} is no pitch"),
                    "pitches are 0 to 127",
                ));
            }
        }
        Ok(Self {
            per_quarter,
            voices,
        })
    }

    /// Steps a quarter note.
    pub fn per_quarter(&self) -> u16 {
        self.per_quarter
    }

    /// Soprano, alto, tenor and bass.
    pub fn voices(&self) -> &[Line; 4] {
        &self.voices
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.voices[0].len()
    }

    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pitches of step `t`, from soprano to bass.
    pub fn step(&self, t: usize) -> [Option<u8>; 4] {
        [0, 1, 2, 3].map(|voice| self.voices[voice].pitches.get(t).copied().flatten())
    }

    /// The sets of pitches, without voices.
    ///
    /// # Errors
    /// None for a chorale of this type; the signature is that of [`Roll::with_strikes`].
    pub fn to_roll(&self) -> Result<Roll, MusicError> {
        let set = |t: usize, struck: bool| {
            let lines = self.voices.iter().filter(|line| !struck || line.begins(t));
            lines
                .filter_map(|line| line.pitches[t])
                .collect::<Pitches>()
        };
        let sounding = (0..self.len()).map(|t| set(t, false)).collect();
        let struck = (0..self.len()).map(|t| set(t, true)).collect();
        Roll::with_strikes(self.per_quarter, sounding, struck)
    }

    /// The notes in four named voices, with `tempo` quarter notes a minute and `meter`.
    ///
    /// # Errors
    /// A chorale too long for a score.
    pub fn to_score(&self, tempo: f64, meter: Meter) -> Result<Score, MusicError> {
        let ticks = u32::from((480 / self.per_quarter).max(1));
        let end = self.len() as u64 * u64::from(ticks);
        if end > u64::from(crate::LAST_TICK) {
            return Err(MusicError::Large {
                operation: "chorale to score",
                size: end,
                unit: "ticks",
                limit: u64::from(crate::LAST_TICK),
            });
        }
        let mut notes: Vec<Note> = Vec::new();
        for (voice, line) in self.voices.iter().enumerate() {
            for (t, pitch) in line.pitches.iter().enumerate() {
                let Some(pitch) = *pitch else { continue };
                match notes.last_mut() {
                    Some(note) if !line.begins(t) && usize::from(note.voice) == voice => {
                        note.length += ticks
                    }
                    _ => notes.push(Note {
                        start: t as u32 * ticks,
                        length: ticks,
                        pitch,
                        velocity: 80,
                        voice: voice as u16,
                    }),
                }
            }
        }
        let mut score = Score::new(ticks as u16 * self.per_quarter, notes)?;
        score.name_voices(VOICE_NAMES.map(|name| Voice {
            name: name.to_owned(),
            program: CHOIR,
        }));
        score.set_tempos(vec![Tempo::of(0, tempo)]);
        score.set_meters(vec![meter]);
        score.set_end(end as u32);
        Ok(score)
    }
}
