//! Scores to MusicXML.

use crate::key::spelled;
use crate::picture::escaped;
use crate::roll::step_of;
use crate::{KeySignature, Limits, Meter, MusicError, Note, Score};
use std::fmt::Write;

/// Names of the note values from the longest on, with their parts of a whole note.
const VALUES: [(&str, u32); 8] = [
    ("whole", 1),
    ("half", 2),
    ("quarter", 4),
    ("eighth", 8),
    ("16th", 16),
    ("32nd", 32),
    ("64th", 64),
    ("128th", 128),
];

/// Choices of [`musicxml`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct XmlConfig {
    /// Steps of a quarter note to which notes are moved: 1, 2, 4, 8 or 16. 4 is a sixteenth note.
    pub per_quarter: u16,
    /// Limits on sizes.
    pub limits: Limits,
}

impl Default for XmlConfig {
    /// Sixteenth notes.
    fn default() -> Self {
        Self {
            per_quarter: 4,
            limits: Limits::default(),
        }
    }
}

/// Notes that begin together, in steps.
#[derive(Clone, Debug)]
struct Chord {
    start: u32,
    end: u32,
    /// From low to high.
    pitches: Vec<u8>,
}

/// A bar, in steps.
#[derive(Clone, Copy)]
struct Measure {
    start: u32,
    end: u32,
    number: u32,
    /// Shorter than its meter: a pick-up.
    pickup: bool,
    meter: Option<Meter>,
    key: Option<KeySignature>,
}

/// A score as an uncompressed MusicXML document (`.musicxml`), version 4.0, with a part for each voice.
///
/// Notes move to the nearest step of the grid. Of notes in one voice that overlap, the earlier one ends where the later
/// one begins; notes that begin together are a chord. A first bar is a pick-up if a time signature follows before it is
/// full. Without a key signature, the key is [guessed](Score::guessed_key).
///
/// # Errors
/// A grid that is no power of two up to 16, a time signature that does not fit it, a score without notes, or one above
/// the limits.
pub fn musicxml(score: &Score, config: &XmlConfig) -> Result<String, MusicError> {
    score.check("writing MusicXML", &config.limits)?;
    if score.notes().is_empty() {
        return Err(MusicError::Empty {
            operation: "writing MusicXML",
            hint: "there is nothing to write",
        });
    }
    if !config.per_quarter.is_power_of_two() || config.per_quarter > 16 {
        return Err(MusicError::value(
            format!("a grid of {} steps a quarter note", config.per_quarter),
            "MusicXML is written in 1, 2, 4, 8 or 16 steps",
        ));
    }
    let writer = Writer::new(score, config)?;
    writer.document()
}

struct Writer<'a> {
    score: &'a Score,
    per_quarter: u16,
    /// The notes of each voice.
    voices: Vec<Vec<Note>>,
    measures: Vec<Measure>,
    out: String,
    /// Most bytes of the document.
    limit: usize,
}

impl<'a> Writer<'a> {
    fn new(score: &'a Score, config: &XmlConfig) -> Result<Self, MusicError> {
        let steps = step_of(score.length(), config.per_quarter, score.division());
        let parts = score.voices().len().max(1);
        MusicError::check(
            "writing MusicXML",
            (steps as usize).saturating_mul(parts),
            "steps of all voices",
            config.limits.steps,
        )?;
        let mut voices = vec![Vec::new(); score.voices().len()];
        for &note in score.notes() {
            voices[usize::from(note.voice)].push(note);
        }
        Ok(Self {
            score,
            per_quarter: config.per_quarter,
            voices,
            measures: measures(score, config.per_quarter)?,
            out: String::new(),
            limit: config.limits.bytes,
        })
    }

    /// Appends text; writing to a string cannot fail.
    fn add(&mut self, text: std::fmt::Arguments) {
        let _ = self.out.write_fmt(text);
    }

    fn document(mut self) -> Result<String, MusicError> {
        self.out.push_str(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n<!DOCTYPE score-partwise \
             PUBLIC \"-//Recordare//DTD MusicXML 4.0 Partwise//EN\" \
             \"http://www.musicxml.org/dtds/partwise.dtd\">\n<score-partwise version=\"4.0\">\n",
        );
        let title = escaped(&self.score.title);
        if !title.trim().is_empty() {
            self.add(format_args!(
                "<work><work-title>{title}</work-title></work>\n"
            ));
        }
        self.out.push_str(
            "<identification><encoding><software>Refrain</software></encoding></identification>\n",
        );
        self.out.push_str("<part-list>\n");
        let parts: Vec<usize> = (0..self.voices.len())
            .filter(|&part| !self.voices[part].is_empty())
            .collect();
        for &part in &parts {
            let voice = &self.score.voices()[part];
            let name = match voice.name.trim().is_empty() {
                true => format!("Voice {}", part + 1),
                false => escaped(&voice.name),
            };
            self.add(format_args!(
                "<score-part id=\"P{}\"><part-name>{name}</part-name></score-part>\n",
                part + 1
            ));
        }
        self.out.push_str("</part-list>\n");
        for (i, &part) in parts.iter().enumerate() {
            self.part(part, i == 0)?;
        }
        self.out.push_str("</score-partwise>\n");
        Ok(self.out)
    }

    fn part(&mut self, part: usize, first: bool) -> Result<(), MusicError> {
        let chords = self.chords(part);
        let clef = clef(&chords);
        self.add(format_args!("<part id=\"P{}\">\n", part + 1));
        let mut next = chords.iter().peekable();
        // The chord that goes on over a bar line.
        let mut held: Option<&Chord> = None;
        let mut key = self
            .score
            .keys()
            .first()
            .copied()
            .unwrap_or_else(|| self.score.guessed_key());
        for (i, measure) in self.measures.clone().into_iter().enumerate() {
            key = measure.key.unwrap_or(key);
            let implicit = if measure.pickup {
                " implicit=\"yes\""
            } else {
                ""
            };
            self.add(format_args!(
                "<measure number=\"{}\"{implicit}>\n",
                measure.number
            ));
            self.attributes(&measure, (i == 0).then_some(clef), &key, i == 0);
            if first && i == 0 {
                self.tempo();
            }
            let mut now = measure.start;
            while now < measure.end {
                let chord = held
                    .take()
                    .or_else(|| next.next_if(|chord| chord.start <= now));
                let begin = next
                    .peek()
                    .map_or(measure.end, |chord| chord.start.min(measure.end));
                match chord {
                    Some(chord) => {
                        let end = chord.end.min(measure.end);
                        self.notes(chord, (now, end), &key);
                        held = (chord.end > end).then_some(chord);
                        now = end;
                    }
                    None => {
                        let whole = now == measure.start && begin == measure.end;
                        self.rests(begin - now, whole);
                        now = begin;
                    }
                }
            }
            if i + 1 == self.measures.len() {
                self.out.push_str(
                    "<barline location=\"right\"><bar-style>light-heavy</bar-style></barline>\n",
                );
            }
            self.out.push_str("</measure>\n");
            MusicError::check("writing MusicXML", self.out.len(), "bytes", self.limit)?;
        }
        self.out.push_str("</part>\n");
        Ok(())
    }

    /// The notes of a voice in steps, one after the other.
    fn chords(&self, part: usize) -> Vec<Chord> {
        let step = |tick| step_of(tick, self.per_quarter, self.score.division()) as u32;
        let mut chords: Vec<Chord> = Vec::new();
        let placed = |note: &Note| (step(note.start), step(note.end()).max(step(note.start) + 1));
        for note in &self.voices[part] {
            let (start, end) = placed(note);
            match chords.last_mut() {
                Some(last) if last.start == start => {
                    last.end = last.end.max(end);
                    if !last.pitches.contains(&note.pitch) {
                        last.pitches.push(note.pitch);
                    }
                }
                last => {
                    if let Some(last) = last {
                        last.end = last.end.min(start);
                    }
                    chords.push(Chord {
                        start,
                        end,
                        pitches: vec![note.pitch],
                    });
                }
            }
        }
        chords
            .iter_mut()
            .for_each(|chord| chord.pitches.sort_unstable());
        chords
    }

    fn attributes(
        &mut self,
        measure: &Measure,
        clef: Option<Clef>,
        key: &KeySignature,
        first: bool,
    ) {
        if !first && measure.meter.is_none() && measure.key.is_none() {
            return;
        }
        self.out.push_str("<attributes>");
        if first {
            let per_quarter = self.per_quarter;
            self.add(format_args!("<divisions>{per_quarter}</divisions>"));
        }
        if first || measure.key.is_some() {
            let mode = if key.minor { "minor" } else { "major" };
            self.add(format_args!(
                "<key><fifths>{}</fifths><mode>{mode}</mode></key>",
                key.fifths
            ));
        }
        if let Some(meter) = measure.meter {
            self.add(format_args!(
                "<time><beats>{}</beats><beat-type>{}</beat-type></time>",
                meter.beats, meter.unit
            ));
        }
        if let Some(Clef { sign, line, lower }) = clef {
            self.add(format_args!("<clef><sign>{sign}</sign><line>{line}</line>"));
            if lower {
                self.out
                    .push_str("<clef-octave-change>-1</clef-octave-change>");
            }
            self.out.push_str("</clef>");
        }
        self.out.push_str("</attributes>\n");
    }

    fn tempo(&mut self) {
        let Some(tempo) = self.score.tempos().first() else {
            return;
        };
        let quarters = (6e7 / f64::from(tempo.micros)).round().clamp(1.0, 999.0);
        self.add(format_args!(
            "<direction placement=\"above\"><direction-type><metronome>\
             <beat-unit>quarter</beat-unit><per-minute>{quarters}</per-minute></metronome></direction-type><sound tempo=\"{quarters}\"/></direction>\n"
        ));
    }

    /// The part of a chord from `from` to `to`, in note values tied to each other.
    fn notes(&mut self, chord: &Chord, (from, to): (u32, u32), key: &KeySignature) {
        let mut now = from;
        for (steps, value, dots) in values(to - from, self.per_quarter) {
            let (stop, start) = (now > chord.start, now + steps < chord.end);
            now += steps;
            for (i, &pitch) in chord.pitches.iter().enumerate() {
                let (letter, raised, octave) = spelled(pitch, key);
                self.out.push_str("<note>");
                if i > 0 {
                    self.out.push_str("<chord/>");
                }
                self.add(format_args!("<pitch><step>{letter}</step>"));
                if raised != 0 {
                    self.add(format_args!("<alter>{raised}</alter>"));
                }
                self.add(format_args!(
                    "<octave>{octave}</octave></pitch><duration>{steps}</duration>"
                ));
                for (is, kind) in [(stop, "stop"), (start, "start")] {
                    if is {
                        self.add(format_args!("<tie type=\"{kind}\"/>"));
                    }
                }
                self.value(value, dots);
                if stop || start {
                    self.out.push_str("<notations>");
                    for (is, kind) in [(stop, "stop"), (start, "start")] {
                        if is {
                            self.add(format_args!("<tied type=\"{kind}\"/>"));
                        }
                    }
                    self.out.push_str("</notations>");
                }
                self.out.push_str("</note>\n");
            }
        }
    }

    fn rests(&mut self, steps: u32, whole: bool) {
        if whole {
            self.add(format_args!(
                "<note><rest measure=\"yes\"/><duration>{steps}</duration><voice>1</voice></note>\n"
            ));
            return;
        }
        for (steps, value, dots) in values(steps, self.per_quarter) {
            self.add(format_args!("<note><rest/><duration>{steps}</duration>"));
            self.value(value, dots);
            self.out.push_str("</note>\n");
        }
    }

    fn value(&mut self, value: &str, dots: u32) {
        self.add(format_args!("<voice>1</voice><type>{value}</type>"));
        for _ in 0..dots {
            self.out.push_str("<dot/>");
        }
    }
}

/// A clef: sign, line, and whether it sounds an octave lower.
#[derive(Clone, Copy)]
struct Clef {
    sign: char,
    line: u8,
    lower: bool,
}

/// The clef for the middle one of the pitches.
fn clef(chords: &[Chord]) -> Clef {
    let mut pitches: Vec<u8> = chords
        .iter()
        .flat_map(|chord| chord.pitches.iter().copied())
        .collect();
    pitches.sort_unstable();
    let (sign, line, lower) = match pitches.get(pitches.len() / 2).copied().unwrap_or(60) {
        60.. => ('G', 2, false),
        52.. => ('G', 2, true),
        _ => ('F', 4, false),
    };
    Clef { sign, line, lower }
}

/// Note values with at most one dot that sum to `steps`: steps, name and dots, the longest first.
fn values(steps: u32, per_quarter: u16) -> Vec<(u32, &'static str, u32)> {
    let whole = 4 * u32::from(per_quarter);
    let mut left = steps;
    let mut list = Vec::new();
    while left > 0 {
        let best = VALUES
            .iter()
            .filter(|value| value.1 <= whole)
            .find_map(|&(name, part)| {
                let plain = whole / part;
                let dotted = plain + plain / 2;
                match () {
                    () if plain % 2 == 0 && dotted <= left => Some((dotted, name, 1)),
                    () if plain <= left => Some((plain, name, 0)),
                    () => None,
                }
            });
        // The shortest value is one step, so there is always one.
        let (steps, name, dots) = best.unwrap_or((left, "whole", 0));
        list.push((steps, name, dots));
        left -= steps;
    }
    list
}

/// The bars of a score in steps, the last one filled up.
fn measures(score: &Score, per_quarter: u16) -> Result<Vec<Measure>, MusicError> {
    let unfit = |tick: u32| {
        MusicError::value(
            format!(
                "bar {} does not begin on a step of 1/{per_quarter} of a quarter note",
                score.bar(tick)
            ),
            "write it on a finer grid",
        )
    };
    let step = |tick: u32| -> Result<u32, MusicError> {
        let scaled = u64::from(tick) * u64::from(per_quarter);
        let exact = scaled % u64::from(score.division()) == 0;
        exact
            .then_some((scaled / u64::from(score.division())) as u32)
            .ok_or_else(|| unfit(tick))
    };
    let end = score.length();
    let mut measures: Vec<Measure> = Vec::new();
    let mut meter = Meter {
        tick: 0,
        beats: 4,
        unit: 4,
    };
    let mut meters = score.meters().iter().peekable();
    let mut keys = score.keys().iter().peekable();
    for (number, tick) in (1..).zip(score.bars(end)) {
        let mut new = None;
        while let Some(next) = meters.next_if(|next| next.tick <= tick) {
            meter = *next;
            new = Some(meter);
        }
        let key = std::iter::from_fn(|| keys.next_if(|key| key.tick <= tick))
            .last()
            .copied();
        let start = step(tick)?;
        let full = 4 * u32::from(per_quarter) * u32::from(meter.beats) / u32::from(meter.unit);
        if full == 0
            || 4 * u32::from(per_quarter) * u32::from(meter.beats) % u32::from(meter.unit) != 0
        {
            return Err(unfit(tick));
        }
        if let Some(last) = measures.last_mut() {
            last.end = start;
        }
        measures.push(Measure {
            start,
            end: start + full,
            number,
            pickup: false,
            meter: if measures.is_empty() {
                Some(meter)
            } else {
                new
            },
            key,
        });
    }
    pickup(&mut measures, per_quarter);
    Ok(measures)
}

/// Makes the first measure a pick-up if it is shorter than the second and has another meter: its number is then 0, and
/// its meter that of the second.
fn pickup(measures: &mut [Measure], per_quarter: u16) {
    let [first, second, ..] = measures else {
        return;
    };
    let Some(meter) = second.meter else { return };
    let full = 4 * u32::from(per_quarter) * u32::from(meter.beats) / u32::from(meter.unit);
    if first.end - first.start < full {
        first.pickup = true;
        first.meter = Some(meter);
        second.meter = None;
        for (number, measure) in measures.iter_mut().enumerate() {
            measure.number = number as u32;
        }
    }
}
