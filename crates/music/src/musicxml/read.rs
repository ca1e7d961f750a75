//! MusicXML to scores.

use crate::warning::{Imported, Warnings};
use crate::{
    KeySignature, LAST_TICK, Limits, Meter, MusicError, Note, Score, TEXT_DIVISION, Tempo, Voice,
    Warning,
};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::collections::HashMap;
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// Deepest nesting that is read.
const MOST_DEPTH: usize = 256;

/// Most parts and voices.
const MOST_VOICES: usize = 1024;

/// Velocity of notes.
const LOUD: u8 = 88;

/// Choices of [`read_musicxml`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct XmlOptions {
    /// Limits on sizes.
    pub limits: Limits,
}

/// Reads a MusicXML document (`score-partwise`), plain or compressed (`.mxl`).
///
/// Each voice of each part becomes a voice of the score, with sounding pitches (transposing instruments are resolved)
/// and ties joined. Repeats are not played. Grace and cue notes, unpitched notes and everything else that is no note is
/// left out; warnings say so. Of a document that is damaged or cut off, the music before is read.
///
/// # Errors
/// Bytes that are no MusicXML, a document of measures with parts inside (`score-timewise`), or one above the limits.
pub fn read_musicxml(bytes: &[u8], options: &XmlOptions) -> Result<Imported, MusicError> {
    MusicError::check(
        "reading MusicXML",
        bytes.len(),
        "bytes",
        options.limits.bytes,
    )?;
    let unpacked;
    let bytes = match bytes.starts_with(b"PK") {
        true => {
            unpacked = unpack(bytes, &options.limits)?;
            &unpacked[..]
        }
        false => bytes,
    };
    let text = decoded(bytes);
    let mut document = Document::new(options);
    document.read(&text)?;
    document.finish()
}

fn refused(at: u64, problem: impl Into<String>, hint: &'static str) -> MusicError {
    MusicError::Xml {
        at,
        problem: problem.into(),
        hint,
    }
}

/// The score of a compressed file: the first file that `META-INF/container.xml` names, or else the first XML file.
fn unpack(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, MusicError> {
    let damaged = |problem: String| {
        refused(
            0,
            problem,
            "save the file again, as .musicxml without compression",
        )
    };
    let mut archive = ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| damaged(format!("the archive is damaged ({error})")))?;
    let take =
        |archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str| -> Result<Vec<u8>, MusicError> {
            let file = archive
                .by_name(name)
                .map_err(|error| damaged(format!("{name} is not in the archive ({error})")))?;
            let mut inside = Vec::new();
            file.take(limits.bytes as u64 + 1)
                .read_to_end(&mut inside)
                .map_err(|error| damaged(format!("{name} cannot be unpacked ({error})")))?;
            MusicError::check(
                "reading MusicXML",
                inside.len(),
                "unpacked bytes",
                limits.bytes,
            )?;
            Ok(inside)
        };
    let named = take(&mut archive, "META-INF/container.xml")
        .ok()
        .and_then(|container| {
            let text = String::from_utf8_lossy(&container).into_owned();
            let (_, after) = text.split_once("full-path=")?;
            let quote = after.chars().next().filter(|c| "\"'".contains(*c))?;
            after[1..].split(quote).next().map(str::to_owned)
        });
    let name = named.or_else(|| {
        let names: Vec<String> = archive
            .file_names()
            .flatten()
            .map(|name| name.into_owned())
            .collect();
        let usual = |name: &&String| name.ends_with(".xml") || name.ends_with(".musicxml");
        names
            .iter()
            .filter(usual)
            .find(|name| !name.starts_with("META-INF"))
            .cloned()
    });
    let name = name.ok_or_else(|| damaged("the archive holds no score".to_owned()))?;
    take(&mut archive, &name)
}

/// UTF-8, or UTF-16 with a byte-order mark, as text.
fn decoded(bytes: &[u8]) -> String {
    let wide = |bytes: &[u8], pair: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes
            .chunks_exact(2)
            .map(|two| pair([two[0], two[1]]))
            .collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xFE, 0xFF, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xFF, 0xFE, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// A note as its element says so far.
#[derive(Default)]
struct Pending {
    step: Option<char>,
    alter: f64,
    octave: i64,
    duration: u64,
    voice: String,
    chord: bool,
    rest: bool,
    /// A grace, cue or unpitched note.
    odd: bool,
    tie_start: bool,
    tie_stop: bool,
}

struct Document<'o> {
    options: &'o XmlOptions,
    known: bool,
    stack: Vec<String>,
    text: String,
    notes: Vec<Note>,
    voices: Vec<Voice>,
    /// Voices by part and name.
    places: HashMap<(usize, String), u16>,
    /// Names of the parts by their ids.
    names: HashMap<String, String>,
    id: String,
    part: usize,
    part_name: String,
    divisions: u64,
    /// Semitones that the part sounds higher than written.
    transpose: i64,
    change: (i64, i64),
    /// Ticks: the place of reading, the beginning of the last note, and the farthest place.
    now: u64,
    chord_start: u64,
    farthest: u64,
    pending: Pending,
    in_note: bool,
    /// Tied notes that go on, by voice and pitch.
    tied: HashMap<(u16, u8), usize>,
    meters: Vec<Meter>,
    keys: Vec<KeySignature>,
    tempos: Vec<Tempo>,
    key: (i8, bool),
    meter: (Option<u8>, Option<u8>),
    title: String,
    rounded: u64,
    odd: u64,
    repeats: bool,
    warnings: Warnings,
}

impl<'o> Document<'o> {
    fn new(options: &'o XmlOptions) -> Self {
        Self {
            options,
            known: false,
            stack: Vec::new(),
            text: String::new(),
            notes: Vec::new(),
            voices: Vec::new(),
            places: HashMap::new(),
            names: HashMap::new(),
            id: String::new(),
            part: 0,
            part_name: String::new(),
            divisions: 1,
            transpose: 0,
            change: (0, 0),
            now: 0,
            chord_start: 0,
            farthest: 0,
            pending: Pending::default(),
            in_note: false,
            tied: HashMap::new(),
            meters: Vec::new(),
            keys: Vec::new(),
            tempos: Vec::new(),
            key: (0, false),
            meter: (None, None),
            title: String::new(),
            rounded: 0,
            odd: 0,
            repeats: false,
            warnings: Warnings::default(),
        }
    }

    fn read(&mut self, text: &str) -> Result<(), MusicError> {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        loop {
            let at = reader.buffer_position();
            let event = match reader.read_event() {
                Ok(event) => event,
                // The music before the damage is kept.
                Err(error) if !self.notes.is_empty() => {
                    self.warnings.add(Warning::Damaged {
                        at: at as usize,
                        bytes: text.len().saturating_sub(at as usize),
                        cause: error.to_string(),
                    });
                    return Ok(());
                }
                Err(error) => {
                    return Err(refused(at, error.to_string(), "the document is damaged"));
                }
            };
            match event {
                Event::Start(tag) => {
                    if self.stack.len() >= MOST_DEPTH {
                        return Err(refused(
                            at,
                            "elements are nested too deeply",
                            "the document is damaged",
                        ));
                    }
                    self.start(&tag, at)?;
                    self.stack.push(tag.local_name().as_ref().to_string());
                    self.text.clear();
                }
                Event::End(_) => {
                    let name = self.stack.pop().unwrap_or_default();
                    self.end(&name, at)?;
                }
                Event::Text(part) => self.text.push_str(&part.xml10_content()),
                Event::CData(part) => self.text.push_str(&part.xml10_content()),
                Event::GeneralRef(name) => {
                    let known = [
                        ("amp", '&'),
                        ("lt", '<'),
                        ("gt", '>'),
                        ("quot", '"'),
                        ("apos", '\''),
                    ];
                    let letter = known.iter().find(|known| known.0 == &*name);
                    self.text.push(letter.map_or('?', |known| known.1));
                }
                Event::Eof => break,
                _ => {}
            }
        }
        let whole = self.stack.is_empty();
        match (self.known, whole) {
            (false, _) => Err(refused(
                0,
                "there is no score-partwise element",
                "is this MusicXML?",
            )),
            (true, true) => Ok(()),
            (true, false) => {
                self.warnings.add(Warning::Remark(
                    "the document is cut off; its beginning is read",
                ));
                Ok(())
            }
        }
    }

    fn start(&mut self, tag: &BytesStart, at: u64) -> Result<(), MusicError> {
        let attribute = |name: &str| {
            let mut all = tag.attributes();
            all.with_checks(false);
            let found = all
                .flatten()
                .find(|attribute| attribute.key.local_name().as_ref() == name)?;
            Some(
                found
                    .normalized_value(XmlVersion::Explicit1_0)
                    .ok()?
                    .into_owned(),
            )
        };
        match tag.local_name().as_ref() {
            "score-partwise" => self.known = true,
            "score-timewise" => {
                return Err(refused(
                    at,
                    "the document is score-timewise",
                    "save it as score-partwise",
                ));
            }
            "score-part" => self.id = attribute("id").unwrap_or_default(),
            "part" => {
                self.part += 1;
                let id = attribute("id").unwrap_or_default();
                self.part_name = self.names.get(&id).cloned().unwrap_or_default();
                (self.now, self.chord_start, self.farthest) = (0, 0, 0);
                (self.divisions, self.transpose) = (1, 0);
                self.tied.clear();
            }
            "note" => {
                self.pending = Pending::default();
                self.in_note = true;
            }
            "chord" => self.pending.chord = true,
            "rest" => self.pending.rest = true,
            "grace" | "cue" | "unpitched" => self.pending.odd = true,
            "tie" => match attribute("type").as_deref() {
                Some("start") => self.pending.tie_start = true,
                Some("stop") => self.pending.tie_stop = true,
                _ => {}
            },
            "transpose" => self.change = (0, 0),
            "time" => self.meter = (None, None),
            "repeat" => self.repeats = true,
            "sound" => {
                let tempo = attribute("tempo").and_then(|tempo| tempo.trim().parse::<f64>().ok());
                if let Some(tempo) = tempo.filter(|tempo| (1.0..=2000.0).contains(tempo)) {
                    self.tempos.push(Tempo::of(self.tick()?, tempo));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The place of reading as a tick.
    fn tick(&self) -> Result<u32, MusicError> {
        match u32::try_from(self.now) {
            Ok(tick) if tick < LAST_TICK => Ok(tick),
            _ => Err(MusicError::Large {
                operation: "reading MusicXML",
                size: self.now,
                unit: "ticks",
                limit: u64::from(LAST_TICK),
            }),
        }
    }

    /// Ticks of a duration in divisions.
    fn ticks(&mut self, duration: u64) -> u64 {
        let scaled = duration.min(1 << 40) * u64::from(TEXT_DIVISION);
        self.rounded += u64::from(!scaled.is_multiple_of(self.divisions));
        (scaled + self.divisions / 2) / self.divisions
    }

    fn end(&mut self, name: &str, at: u64) -> Result<(), MusicError> {
        let text = std::mem::take(&mut self.text);
        let text = text.trim();
        let number = || {
            text.parse::<f64>()
                .ok()
                .filter(|number| number.abs() < 1e12)
        };
        match name {
            "step" if self.in_note => self.pending.step = text.chars().next(),
            "alter" if self.in_note => self.pending.alter = number().unwrap_or(0.0),
            "octave" if self.in_note => self.pending.octave = text.parse().unwrap_or(4),
            "voice" if self.in_note => self.pending.voice = text.chars().take(40).collect(),
            "duration" => self.pending.duration = number().unwrap_or(0.0).max(0.0).round() as u64,
            "divisions" => match text.parse::<u64>() {
                Ok(divisions @ 1..=1_000_000) => self.divisions = divisions,
                _ => {
                    return Err(refused(
                        at,
                        format!("a quarter note of {text:?} divisions"),
                        "the document is damaged",
                    ));
                }
            },
            "fifths" => self.key.0 = text.parse().unwrap_or(0),
            "mode" => {
                self.key.1 = matches!(
                    text,
                    "minor" | "dorian" | "phrygian" | "aeolian" | "locrian"
                )
            }
            "key" => {
                let (fifths, minor) = std::mem::take(&mut self.key);
                if self.part == 1 {
                    let tick = self.tick()?;
                    self.keys.push(KeySignature {
                        tick,
                        fifths,
                        minor,
                    });
                }
            }
            "beats" => self.meter.0 = beats(text),
            "beat-type" => self.meter.1 = text.parse().ok(),
            "time" => {
                if let ((Some(beats), Some(unit)), 1) = (self.meter, self.part) {
                    let tick = self.tick()?;
                    self.meters.push(Meter { tick, beats, unit });
                }
            }
            "chromatic" => self.change.0 = number().unwrap_or(0.0).clamp(-60.0, 60.0) as i64,
            "octave-change" => self.change.1 = number().unwrap_or(0.0).clamp(-5.0, 5.0) as i64,
            "transpose" => self.transpose = self.change.0 + 12 * self.change.1,
            "part-name" if self.names.len() < MOST_VOICES => {
                let name = text.chars().take(200).collect();
                self.names.insert(self.id.clone(), name);
            }
            "work-title" | "movement-title" if self.title.is_empty() => {
                self.title = text.chars().take(500).collect()
            }
            "note" => self.note()?,
            "backup" | "forward" => {
                let by = self.ticks(self.pending.duration);
                self.now = if name == "backup" {
                    self.now.saturating_sub(by)
                } else {
                    self.now.saturating_add(by)
                };
                self.farthest = self.farthest.max(self.now);
            }
            "measure" => self.now = self.farthest,
            _ => {}
        }
        Ok(())
    }

    fn note(&mut self) -> Result<(), MusicError> {
        self.in_note = false;
        let note = std::mem::take(&mut self.pending);
        if note.odd {
            self.odd += 1;
            // A cue note takes its time.
            let length = self.ticks(note.duration);
            if !note.chord {
                self.now = self.now.saturating_add(length);
            }
            return Ok(());
        }
        let length = self.ticks(note.duration);
        if !note.chord {
            self.chord_start = self.now;
            self.now = self.now.saturating_add(length);
            self.farthest = self.farthest.max(self.now);
        }
        // The place must be one of a score, also for a rest.
        self.tick()?;
        if note.rest || length == 0 {
            return Ok(());
        }
        let Some(pitch) = self.pitch(&note) else {
            self.odd += 1;
            return Ok(());
        };
        let voice = self.voice(&note.voice);
        let (start, length) = (self.chord_start as u32, length as u32);
        let before = self.tied.remove(&(voice, pitch)).filter(|_| note.tie_stop);
        let joined = before.filter(|&at| self.notes[at].end() == start);
        let at = match joined {
            Some(at) => {
                self.notes[at].length += length;
                at
            }
            None => {
                MusicError::check(
                    "reading MusicXML",
                    self.notes.len() + 1,
                    "notes",
                    self.options.limits.notes,
                )?;
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
        if note.tie_start {
            self.tied.insert((voice, pitch), at);
        }
        Ok(())
    }

    /// The sounding pitch of a note.
    fn pitch(&self, note: &Pending) -> Option<u8> {
        let semitone = match note.step? {
            'C' => 0,
            'D' => 2,
            'E' => 4,
            'F' => 5,
            'G' => 7,
            'A' => 9,
            'B' => 11,
            _ => return None,
        };
        let octave = note.octave.clamp(-2, 12);
        let pitch = 12 * (octave + 1) + semitone + note.alter.round() as i64 + self.transpose;
        u8::try_from(pitch).ok().filter(|&pitch| pitch <= 127)
    }

    fn voice(&mut self, name: &str) -> u16 {
        let next = self.voices.len();
        if next >= MOST_VOICES {
            return self
                .places
                .get(&(self.part, name.to_owned()))
                .copied()
                .unwrap_or(0);
        }
        let place = self
            .places
            .entry((self.part, name.to_owned()))
            .or_insert(next as u16);
        if usize::from(*place) == next {
            self.voices.push(Voice {
                name: self.part_name.clone(),
                program: 0,
            });
        }
        *place
    }

    fn finish(mut self) -> Result<Imported, MusicError> {
        let (odd, rounded) = (self.odd, self.rounded);
        if odd > 0 {
            self.warnings.add(Warning::Remark(
                "grace, cue and unpitched notes, and notes out of range, are left out",
            ));
        }
        if self.repeats {
            self.warnings.add(Warning::Remark("repeats are read once"));
        }
        self.warnings
            .some(rounded, |notes| Warning::Rounded { notes });
        let mut score = Score::new(TEXT_DIVISION, self.notes)?;
        score.name_voices(self.voices);
        score.set_tempos(self.tempos);
        score.set_meters(self.meters);
        score.set_keys(self.keys);
        score.title = self.title;
        Ok(Imported {
            score,
            warnings: self.warnings.into_list(),
        })
    }
}

/// Upper number of a time signature: `4`, or a sum such as `3+2`.
fn beats(text: &str) -> Option<u8> {
    text.split('+')
        .map(|part| part.trim().parse::<u8>().ok())
        .try_fold(0u8, |sum, part| sum.checked_add(part?))
}
