//! The reader of one tune.

use super::fields::{self, SEMITONES};
use super::lexer::{Lexer, Strokes, Token, Written};
use super::text::field;
use super::{Key, Pace, Ratio, TimeSignature};
use crate::warning::Warnings;
use crate::{Limits, MusicError, Warning};
use std::collections::HashMap;

/// MIDI number of `C`.
const MIDDLE_C: i16 = 60;

/// Most voices of a tune.
const MOST_PARTS: usize = 64;

/// Most bars of one multiple rest.
const MOST_RESTS: u32 = 500;

/// A bar line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BarLine {
    /// The music before it is played again (`:|`).
    pub ends_repeat: bool,
    /// The music after it is played again (`|:`).
    pub begins_repeat: bool,
    /// A section ends here: a double or thick line, or a part (`P:`).
    pub double: bool,
    /// Numbers of the ending that begins here (`[1`); empty for none.
    pub endings: Vec<u8>,
    /// Line of the tune, from 1.
    pub line: usize,
}

impl BarLine {
    /// Whether a section begins or ends here, so that the bars beside it may be pick-ups or their complements.
    pub fn divides(&self) -> bool {
        self.ends_repeat || self.begins_repeat || self.double || !self.endings.is_empty()
    }
}

/// A part of the music of a tune.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A note, or several at once.
    Notes {
        /// MIDI numbers of the pitches.
        pitches: Vec<u8>,
        /// Length in whole notes, with tuplets and broken rhythm.
        length: Ratio,
        /// Whether it goes on as the next note of the same pitch.
        tie: bool,
    },
    /// Silence.
    Rest {
        /// Length in whole notes.
        length: Ratio,
    },
    /// Bars of silence.
    Bars(u32),
    /// A bar line.
    Bar(BarLine),
    /// A time signature from here on; `None` is free meter.
    Meter(Option<TimeSignature>),
    /// A key from here on.
    Key(Key),
    /// A tempo from here on.
    Pace(Pace),
    /// A chord symbol, or other quoted text.
    Chord(String),
}

/// The music of one voice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Name of the voice; empty for the only one.
    pub name: String,
    /// Its music.
    pub items: Vec<Item>,
}

/// A tune.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tune {
    /// Number of the tune (`X:`); 0 without one.
    pub number: u32,
    /// Titles (`T:`).
    pub titles: Vec<String>,
    /// Other fields of the header with their letters, in order.
    pub fields: Vec<(char, String)>,
    /// Time signature at the beginning; `None` is free meter.
    pub meter: Option<TimeSignature>,
    /// Unit of length in whole notes (`L:`).
    pub unit: Ratio,
    /// Key at the beginning.
    pub key: Key,
    /// Tempo at the beginning.
    pub pace: Option<Pace>,
    /// Voices.
    pub parts: Vec<Part>,
    /// Odd places of the text.
    pub warnings: Vec<Warning>,
}

/// Reads a tune. The header may be in any order; `K:` ends it. Lines of other fields, comments and words are passed
/// over. Everything that cannot be read is left out with a warning, and reading goes on.
///
/// # Errors
/// A text above the limits of bytes or notes, or one without a `K:` field.
pub fn read_tune(text: &str, limits: &Limits) -> Result<Tune, MusicError> {
    MusicError::check("reading ABC", text.len(), "bytes", limits.bytes)?;
    let mut reader = Reader::new(limits);
    for (i, line) in text.lines().enumerate() {
        reader.line(i + 1, without_comment(line))?;
    }
    reader.finish(text)
}

/// The line before a `%` that no backslash protects.
fn without_comment(line: &str) -> &str {
    let mut escaped = false;
    for (at, letter) in line.char_indices() {
        if letter == '%' && !escaped {
            return line[..at].trim_end();
        }
        escaped = letter == '\\';
    }
    line.trim_end()
}

/// A tuplet that goes on.
#[derive(Clone, Copy)]
struct Group {
    factor: Ratio,
    left: u32,
}

/// State of one voice.
struct Voice {
    part: Part,
    unit: Ratio,
    meter: Option<TimeSignature>,
    key: Key,
    /// Accidentals of the bar, by letter and octave.
    accidentals: HashMap<(u8, i8), i8>,
    group: Option<Group>,
    /// Factor of the next note by broken rhythm.
    broken: Option<Ratio>,
    /// Index of the last note or rest, while broken rhythm may follow it.
    last: Option<usize>,
    /// Whether an overlay is passed over.
    overlay: bool,
}

struct Reader<'l> {
    limits: &'l Limits,
    header: bool,
    tune: Tune,
    unit: Option<Ratio>,
    pace: Option<String>,
    voices: Vec<Voice>,
    /// Index of the voice that is read.
    voice: usize,
    notes: usize,
    line: usize,
    warnings: Warnings,
    overlays: u64,
}

impl<'l> Reader<'l> {
    fn new(limits: &'l Limits) -> Self {
        Self {
            limits,
            header: true,
            tune: Tune {
                number: 0,
                titles: Vec::new(),
                fields: Vec::new(),
                meter: None,
                unit: fields::unit(8),
                key: Key::C,
                pace: None,
                parts: Vec::new(),
                warnings: Vec::new(),
            },
            unit: None,
            pace: None,
            voices: Vec::new(),
            voice: 0,
            notes: 0,
            line: 0,
            warnings: Warnings::default(),
            overlays: 0,
        }
    }

    fn odd(&mut self, column: usize, remark: impl Into<String>) {
        self.warnings.place(self.line, column, remark);
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), MusicError> {
        self.line = number;
        match field(line) {
            Some((letter, value)) if self.header => self.header_field(letter, value),
            Some((letter, value)) if "IKLMmNPQRrSTUVWwXsHZ".contains(letter) => {
                self.body_field(letter, value)
            }
            _ if line.trim().is_empty() => {}
            _ if self.header => self.odd(
                0,
                "the line is no field, and the header has not ended; it is left out",
            ),
            _ => self.music(line)?,
        }
        Ok(())
    }

    fn header_field(&mut self, letter: char, value: &str) {
        match letter {
            'X' => self.tune.number = value.trim().parse().unwrap_or(0),
            'T' => self.tune.titles.push(value.to_owned()),
            'M' => match TimeSignature::parse(value) {
                Some(meter) => self.tune.meter = meter,
                None => self.odd(0, format!("the meter {value:?} is not known")),
            },
            'L' => match fields::length(value) {
                Some(unit) => self.unit = Some(unit),
                None => self.odd(0, format!("the unit of length {value:?} is not known")),
            },
            'Q' => self.pace = Some(value.to_owned()),
            'K' => {
                match Key::parse(value) {
                    Some(key) => self.tune.key = key,
                    None => self.odd(
                        0,
                        format!("the key {value:?} is not known; C major is assumed"),
                    ),
                }
                self.begin();
            }
            _ => self.tune.fields.push((letter, value.to_owned())),
        }
    }

    /// Ends the header.
    fn begin(&mut self) {
        self.header = false;
        let default = self
            .tune
            .meter
            .map_or(fields::unit(8), TimeSignature::default_unit);
        self.tune.unit = self.unit.unwrap_or(default);
        if let Some(value) = self.pace.take() {
            self.tune.pace = Pace::parse(&value, self.tune.unit);
            if self.tune.pace.is_none() && value.contains(|c: char| c.is_ascii_digit()) {
                self.odd(0, format!("the tempo {value:?} is not known"));
            }
        }
        self.select("");
    }

    /// Goes on with the voice of `name`.
    fn select(&mut self, name: &str) {
        if let Some(known) = self.voices.iter().position(|voice| voice.part.name == name) {
            self.voice = known;
            return;
        }
        // The first voice that is named is the one that has begun, if it has no notes yet.
        if let [only] = self.voices.as_mut_slice()
            && only.part.name.is_empty()
            && only.part.items.is_empty()
        {
            name.clone_into(&mut only.part.name);
            self.voice = 0;
            return;
        }
        if self.voices.len() >= MOST_PARTS {
            self.odd(
                0,
                "there are too many voices; this one goes on with the last",
            );
            return;
        }
        self.voice = self.voices.len();
        self.voices.push(Voice {
            part: Part {
                name: name.to_owned(),
                items: Vec::new(),
            },
            unit: self.tune.unit,
            meter: self.tune.meter,
            key: self.tune.key,
            accidentals: HashMap::new(),
            group: None,
            broken: None,
            last: None,
            overlay: false,
        });
    }

    fn body_field(&mut self, letter: char, value: &str) {
        let untouched = self.notes == 0;
        match letter {
            'V' => {
                let name = value.split_whitespace().next().unwrap_or_default();
                self.select(name);
            }
            'M' => match TimeSignature::parse(value) {
                Some(meter) => {
                    if untouched {
                        self.tune.meter = meter;
                    }
                    let voice = &mut self.voices[self.voice];
                    voice.meter = meter;
                    voice.part.items.push(Item::Meter(meter));
                }
                None => self.odd(0, format!("the meter {value:?} is not known")),
            },
            'L' => match fields::length(value) {
                Some(unit) => {
                    if untouched {
                        self.tune.unit = unit;
                    }
                    self.voices[self.voice].unit = unit;
                }
                None => self.odd(0, format!("the unit of length {value:?} is not known")),
            },
            'K' => match Key::parse(value) {
                Some(key) => {
                    if untouched {
                        self.tune.key = key;
                    }
                    let voice = &mut self.voices[self.voice];
                    voice.key = key;
                    voice.accidentals.clear();
                    voice.part.items.push(Item::Key(key));
                }
                None => self.odd(0, format!("the key {value:?} is not known")),
            },
            'Q' => {
                if let Some(pace) = Pace::parse(value, self.voices[self.voice].unit) {
                    self.voices[self.voice].part.items.push(Item::Pace(pace));
                }
            }
            'P' => {
                let line = self.line;
                self.voices[self.voice].part.items.push(Item::Bar(BarLine {
                    double: true,
                    line,
                    ..BarLine::default()
                }));
            }
            'T' => self.tune.titles.push(value.to_owned()),
            'X' => self.odd(0, "another tune begins without a blank line before it"),
            _ => {}
        }
    }

    fn music(&mut self, line: &str) -> Result<(), MusicError> {
        for (column, token) in Lexer::new(line) {
            if self.voices[self.voice].overlay && !matches!(token, Token::Bar(_)) {
                continue;
            }
            match token {
                Token::Notes(written, length) => self.notes(column, &written, length)?,
                Token::Rest(length) => {
                    let length = self.timed(column, length);
                    self.push(Item::Rest { length })?;
                }
                Token::Bars(count) => {
                    if count > MOST_RESTS {
                        self.odd(column, "a rest of so many bars is shortened");
                    }
                    self.push(Item::Bars(count.min(MOST_RESTS)))?;
                    self.voices[self.voice].last = None;
                }
                Token::Bar(strokes) => self.bar(column, strokes)?,
                Token::Tuplet(p, q, r) => self.tuplet(column, p, q, r),
                Token::Broken(count) => self.broken(column, count),
                Token::Tie => self.tie(column),
                Token::Quoted(text) => {
                    let text = text.chars().take(60).collect();
                    let items = &mut self.voices[self.voice].part.items;
                    items.push(Item::Chord(text));
                }
                Token::Field(letter, value) => self.body_field(letter, value),
                Token::Overlay => {
                    self.overlays += 1;
                    self.voices[self.voice].overlay = true;
                }
                Token::Odd(remark) => self.odd(column, remark),
            }
        }
        Ok(())
    }

    fn push(&mut self, item: Item) -> Result<(), MusicError> {
        self.notes += 1;
        MusicError::check(
            "reading ABC",
            self.notes,
            "notes, rests and bars",
            self.limits.notes,
        )?;
        self.voices[self.voice].part.items.push(item);
        Ok(())
    }

    /// Length in whole notes of a written length, with the tuplet and the broken rhythm that hold.
    fn timed(&mut self, column: usize, length: Ratio) -> Ratio {
        let voice = &mut self.voices[self.voice];
        let mut timed = length.times(voice.unit);
        if let Some(factor) = voice.broken.take() {
            timed = timed.and_then(|timed| timed.times(factor));
        }
        if let Some(group) = &mut voice.group {
            timed = timed.and_then(|timed| timed.times(group.factor));
            group.left -= 1;
            if group.left == 0 {
                voice.group = None;
            }
        }
        voice.last = Some(voice.part.items.len());
        match timed {
            Some(timed) if !timed.is_zero() => timed,
            _ => {
                self.odd(column, "a length without meaning is read as one unit");
                self.voices[self.voice].unit
            }
        }
    }

    fn notes(
        &mut self,
        column: usize,
        written: &[Written],
        length: Ratio,
    ) -> Result<(), MusicError> {
        let length = self.timed(column, length);
        let mut pitches = Vec::with_capacity(written.len());
        for note in written {
            match self.pitch(note) {
                Some(pitch) if !pitches.contains(&pitch) => pitches.push(pitch),
                Some(_) => {}
                None => self.odd(column, "a note is too high or too low and left out"),
            }
        }
        self.push(match pitches.is_empty() {
            true => Item::Rest { length },
            false => Item::Notes {
                pitches,
                length,
                tie: false,
            },
        })
    }

    /// MIDI number of a note, with the accidentals of the key and the bar.
    fn pitch(&mut self, note: &Written) -> Option<u8> {
        let voice = &mut self.voices[self.voice];
        let letter = usize::from(note.letter);
        let place = (note.letter, note.octave);
        if let Some(accidental) = note.accidental {
            voice.accidentals.insert(place, accidental);
        }
        let raised = voice
            .accidentals
            .get(&place)
            .copied()
            .unwrap_or(voice.key.accidentals[letter]);
        let octaves = 12 * i16::from(note.octave);
        let pitch = MIDDLE_C + octaves + i16::from(SEMITONES[letter]) + i16::from(raised);
        u8::try_from(pitch).ok().filter(|&pitch| pitch <= 127)
    }

    fn bar(&mut self, column: usize, strokes: Strokes) -> Result<(), MusicError> {
        let voice = &mut self.voices[self.voice];
        voice.overlay = false;
        // An ending inside of a bar leaves its accidentals.
        voice.accidentals.clear();
        voice.last = None;
        let (group, broken) = (voice.group.take(), voice.broken.take());
        if group.is_some() {
            self.odd(column, "a tuplet lacks notes at the bar line");
        }
        if broken.is_some() {
            self.odd(column, "broken rhythm lacks its second note");
        }
        let line = self.line;
        self.push(Item::Bar(BarLine {
            ends_repeat: strokes.ends_repeat,
            begins_repeat: strokes.begins_repeat,
            double: strokes.double,
            endings: strokes.endings,
            line,
        }))
    }

    fn tuplet(&mut self, column: usize, p: u32, q: u32, r: u32) {
        let compound = self.voices[self.voice]
            .meter
            .is_some_and(TimeSignature::compound);
        let q = match (q, p) {
            (1.., _) => q,
            (_, 2 | 4 | 8) => 3,
            (_, 3 | 6) => 2,
            _ if compound => 3,
            _ => 2,
        };
        let r = if r == 0 { p } else { r };
        match Ratio::new(u64::from(q), u64::from(p)) {
            Some(factor) if p > 0 && r > 0 => {
                self.voices[self.voice].group = Some(Group { factor, left: r });
            }
            _ => self.odd(column, "a tuplet without notes is ignored"),
        }
    }

    fn broken(&mut self, column: usize, count: i8) {
        let part = 1u64 << count.unsigned_abs();
        let (long, short) = (Ratio::new(2 * part - 1, part), Ratio::new(1, part));
        let (first, second) = if count > 0 {
            (long, short)
        } else {
            (short, long)
        };
        let voice = &mut self.voices[self.voice];
        let item = voice.last.and_then(|at| voice.part.items.get_mut(at));
        let length = match item {
            Some(Item::Notes { length, .. } | Item::Rest { length }) => length,
            _ => return self.odd(column, "broken rhythm without a note before it is ignored"),
        };
        if let Some(changed) = first.and_then(|first| length.times(first)) {
            *length = changed;
            voice.broken = second;
        }
        voice.last = None;
    }

    fn tie(&mut self, column: usize) {
        let items = &mut self.voices[self.voice].part.items;
        let last = items
            .iter_mut()
            .rev()
            .find(|item| !matches!(item, Item::Chord(_)));
        match last {
            Some(Item::Notes { tie, .. }) => *tie = true,
            _ => self.odd(column, "a tie without a note before it is ignored"),
        }
    }

    fn finish(mut self, text: &str) -> Result<Tune, MusicError> {
        if self.header {
            return Err(MusicError::Abc {
                line: text.lines().count().max(1),
                problem: "the header has no key".to_owned(),
                hint: "end it with a line such as K:G",
            });
        }
        for voice in &mut self.voices {
            if voice.group.is_some() {
                self.warnings
                    .place(self.line, 0, "a tuplet lacks notes at the end");
            }
        }
        self.warnings.some(self.overlays, |_| {
            Warning::Remark("voices written over others (`&`) are left out")
        });
        self.tune.parts = self.voices.into_iter().map(|voice| voice.part).collect();
        self.tune.warnings = self.warnings.into_list();
        Ok(self.tune)
    }
}
