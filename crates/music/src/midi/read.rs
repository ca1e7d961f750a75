//! MIDI files to scores.

use super::DRUMS;
use super::chunks::{Format, Timing, chunks};
use super::track::{Oddities, events};
use crate::warning::{Imported, Warning, Warnings};
use crate::{KeySignature, LAST_TICK, Limits, Meter, MusicError, Note, Score, Tempo, Voice};
use midly::{MetaMessage, MidiMessage, TrackEventKind};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Controller of the sustain pedal.
const PEDAL: u8 = 64;

/// Controllers that end all notes of a channel: all sound off, and all notes off.
const SILENCE: [u8; 2] = [120, 123];

/// Most bytes of a name that are kept.
const LONGEST_NAME: usize = 200;

/// Choices of [`read_midi`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MidiOptions {
    /// Whether the sustain pedal prolongs notes: until it is released, or until their pitch is struck again.
    pub pedal: bool,
    /// Whether notes of the drum channel (10) are kept.
    pub drums: bool,
    /// Limits on sizes.
    pub limits: Limits,
}

/// Reads a Standard MIDI File of format 0, 1 or 2, also inside of a RIFF file.
///
/// Each pair of a track and a channel with notes becomes a voice. Notes of one pitch that overlap in a voice end in the
/// order of their beginnings. Damaged files are read as far as possible, and the warnings say what is lost. Time codes
/// (SMPTE) have no quarter notes: one of half a second is assumed, or of a second if ticks do not divide evenly.
///
/// # Errors
/// Bytes that are no MIDI file, a header without meaning, a file without a track, or one above the limits. A file
/// without notes is no error.
pub fn read_midi(bytes: &[u8], options: &MidiOptions) -> Result<Imported, MusicError> {
    MusicError::check("reading MIDI", bytes.len(), "bytes", options.limits.bytes)?;
    let mut warnings = Warnings::default();
    let chunks = chunks(bytes, &mut warnings)?;
    let (division, tempo) = match chunks.timing {
        Timing::Quarter(ticks) => (ticks, None),
        Timing::Second { ticks, late } if ticks % 2 == 0 => (ticks / 2, Some(500 * (1000 + late))),
        Timing::Second { ticks, late } => (ticks, Some(1000 * (1000 + late))),
    };
    let mut file = File::new(options, division);
    let count = chunks.tracks.len();
    match chunks.format {
        Format::Sequence if count > 1 => warnings.add(Warning::Sequence { tracks: count }),
        Format::Single if count > 1 => warnings.add(Warning::ManyTracksInFormat0 { tracks: count }),
        _ => {}
    }
    let mut odd = Oddities::default();
    for (track, &chunk) in chunks.tracks.iter().enumerate() {
        if chunks.format == Format::Sequence {
            // The next piece begins with a quarter note.
            file.base = file.end.div_ceil(u32::from(division)) * u32::from(division);
        }
        file.begin_track();
        let last = events(chunk, &mut odd, &mut warnings, |tick, kind| {
            file.event(track, tick, kind);
        });
        MusicError::check("reading MIDI", file.opened, "notes", options.limits.notes)?;
        file.end_track(track, last);
    }
    warnings.some(odd.old_status, |events| Warning::OldStatus { events });
    warnings.some(odd.illegal, |events| Warning::Illegal { events });
    warnings.some(odd.no_end, |tracks| Warning::NoEnd { tracks });
    let score = file.finish(tempo, &mut warnings)?;
    Ok(Imported {
        score,
        warnings: warnings.into_list(),
    })
}

/// A note that sounds.
struct Open {
    start: u32,
    velocity: u8,
}

/// The file as it is read.
struct File<'o> {
    options: &'o MidiOptions,
    division: u16,
    /// First tick of the track; not zero in format 2.
    base: u32,
    /// Last tick so far.
    end: u32,
    notes: Vec<Note>,
    /// Channels of the notes, for the pedal.
    channels: Vec<u8>,
    voices: Vec<Voice>,
    /// Voices by track and channel.
    known: HashMap<(usize, u8), u16>,
    tempos: Vec<Tempo>,
    meters: Vec<Meter>,
    keys: Vec<KeySignature>,
    title: String,
    /// Ticks at which the pedal of a channel goes down or up, in the order of the file.
    pedals: BTreeMap<u8, Vec<(u32, bool)>>,
    name: String,
    programs: [u8; 16],
    open: HashMap<(u8, u8), VecDeque<Open>>,
    /// Beginnings of notes so far.
    opened: usize,
    drums: u64,
    stray: u64,
    unended: u64,
    short: u64,
    bends: u64,
    controllers: u64,
    pressures: u64,
    exclusive: u64,
}

impl<'o> File<'o> {
    fn new(options: &'o MidiOptions, division: u16) -> Self {
        Self {
            options,
            division,
            base: 0,
            end: 0,
            notes: Vec::new(),
            channels: Vec::new(),
            voices: Vec::new(),
            known: HashMap::new(),
            tempos: Vec::new(),
            meters: Vec::new(),
            keys: Vec::new(),
            title: String::new(),
            pedals: BTreeMap::new(),
            name: String::new(),
            programs: [0; 16],
            open: HashMap::new(),
            opened: 0,
            drums: 0,
            stray: 0,
            unended: 0,
            short: 0,
            bends: 0,
            controllers: 0,
            pressures: 0,
            exclusive: 0,
        }
    }

    fn begin_track(&mut self) {
        self.name.clear();
        self.programs = [0; 16];
    }

    fn event(&mut self, track: usize, tick: u32, kind: TrackEventKind<'_>) {
        let tick = self.base.saturating_add(tick).min(LAST_TICK - 1);
        match kind {
            TrackEventKind::Midi { channel, message } => {
                self.message(track, tick, channel.as_int(), message)
            }
            TrackEventKind::Meta(meta) => self.meta(track, tick, meta),
            TrackEventKind::SysEx(_) | TrackEventKind::Escape(_) => self.exclusive += 1,
        }
    }

    fn message(&mut self, track: usize, tick: u32, channel: u8, message: MidiMessage) {
        match message {
            MidiMessage::NoteOn { key, vel } if vel.as_int() > 0 => {
                self.on(track, tick, (channel, key.as_int()), vel.as_int());
            }
            MidiMessage::NoteOn { key, .. } | MidiMessage::NoteOff { key, .. } => {
                self.off(track, tick, (channel, key.as_int()));
            }
            MidiMessage::Controller { controller, .. }
                if SILENCE.contains(&controller.as_int()) =>
            {
                let mut keys: Vec<_> = self
                    .open
                    .keys()
                    .filter(|key| key.0 == channel)
                    .copied()
                    .collect();
                keys.sort_unstable();
                for key in keys {
                    for open in self.open.remove(&key).unwrap_or_default() {
                        self.close(track, tick, key, &open);
                    }
                }
            }
            MidiMessage::Controller { controller, value } => {
                match controller.as_int() == PEDAL && self.options.pedal {
                    true => {
                        let down = value.as_int() >= 64;
                        self.pedals.entry(channel).or_default().push((tick, down));
                    }
                    false => self.controllers += 1,
                }
            }
            MidiMessage::ProgramChange { program } => {
                self.programs[usize::from(channel)] = program.as_int();
            }
            MidiMessage::PitchBend { .. } => self.bends += 1,
            MidiMessage::Aftertouch { .. } | MidiMessage::ChannelAftertouch { .. } => {
                self.pressures += 1
            }
        }
    }

    fn meta(&mut self, track: usize, tick: u32, meta: MetaMessage<'_>) {
        match meta {
            MetaMessage::Tempo(micros) => self.tempos.push(Tempo {
                tick,
                micros: micros.as_int(),
            }),
            MetaMessage::TimeSignature(beats, power, ..) if power < 8 => self.meters.push(Meter {
                tick,
                beats,
                unit: 1 << power,
            }),
            MetaMessage::KeySignature(fifths, minor) => self.keys.push(KeySignature {
                tick,
                fifths,
                minor,
            }),
            MetaMessage::TrackName(name) => {
                self.name = text(name);
                if track == 0 {
                    self.title.clone_from(&self.name);
                }
            }
            _ => {}
        }
    }

    fn on(&mut self, track: usize, tick: u32, key: (u8, u8), velocity: u8) {
        if key.0 == DRUMS && !self.options.drums {
            self.drums += 1;
            return;
        }
        self.opened += 1;
        if self.opened > self.options.limits.notes {
            return;
        }
        let next = self.voices.len() as u16;
        let voice = *self.known.entry((track, key.0)).or_insert(next);
        if voice == next && self.voices.len() < usize::from(u16::MAX) {
            self.voices.push(Voice {
                name: self.name.clone(),
                program: self.programs[usize::from(key.0)],
            });
        }
        self.open.entry(key).or_default().push_back(Open {
            start: tick,
            velocity,
        });
    }

    fn off(&mut self, track: usize, tick: u32, key: (u8, u8)) {
        if key.0 == DRUMS && !self.options.drums {
            return;
        }
        match self.open.get_mut(&key).and_then(VecDeque::pop_front) {
            Some(open) => self.close(track, tick, key, &open),
            None => self.stray += 1,
        }
    }

    fn close(&mut self, track: usize, tick: u32, (channel, pitch): (u8, u8), open: &Open) {
        self.short += u64::from(tick == open.start);
        self.notes.push(Note {
            start: open.start,
            length: (tick - open.start).max(1),
            pitch,
            velocity: open.velocity,
            voice: self.known.get(&(track, channel)).copied().unwrap_or(0),
        });
        self.channels.push(channel);
        self.end = self.end.max(tick);
    }

    /// Ends the notes of `track` that still sound; `last` is the tick of its last event.
    fn end_track(&mut self, track: usize, last: u32) {
        let tick = self.base.saturating_add(last).min(LAST_TICK - 1);
        let mut left: Vec<_> = std::mem::take(&mut self.open).into_iter().collect();
        left.sort_by_key(|&(key, _)| key);
        for (key, opens) in left {
            for open in opens {
                self.unended += 1;
                self.close(track, tick, key, &open);
            }
        }
        self.end = self.end.max(tick);
    }

    /// Prolongs notes that end while the pedal of their channel is down.
    fn hold(&mut self) {
        for (channel, changes) in &mut self.pedals {
            changes.sort_by_key(|&(tick, _)| tick);
            changes.dedup_by_key(|change| change.1);
            let mut strikes: BTreeMap<u8, Vec<u32>> = BTreeMap::new();
            for (note, _) in self
                .notes
                .iter()
                .zip(&self.channels)
                .filter(|(_, c)| *c == channel)
            {
                strikes.entry(note.pitch).or_default().push(note.start);
            }
            strikes
                .values_mut()
                .for_each(|starts| starts.sort_unstable());
            for (note, _) in self
                .notes
                .iter_mut()
                .zip(&self.channels)
                .filter(|(_, c)| *c == channel)
            {
                let end = note.end();
                let before = changes.partition_point(|&(tick, _)| tick <= end);
                if before == 0 || !changes[before - 1].1 {
                    continue;
                }
                let release = changes[before..].iter().find(|change| !change.1);
                let release = release.map_or(self.end, |change| change.0);
                let starts = &strikes[&note.pitch];
                let again = starts
                    .get(starts.partition_point(|&start| start < end))
                    .copied();
                let until = again.map_or(release, |again| release.min(again));
                note.length = note.length.max(until.saturating_sub(note.start));
            }
        }
    }

    fn finish(mut self, code: Option<u32>, warnings: &mut Warnings) -> Result<Score, MusicError> {
        self.hold();
        warnings.some(self.drums, |notes| Warning::Drums { notes });
        warnings.some(self.stray, |events| Warning::StrayEnds { events });
        warnings.some(self.unended, |notes| Warning::Unended { notes });
        warnings.some(self.short, |notes| Warning::NoLength { notes });
        if self.bends + self.controllers + self.pressures + self.exclusive > 0 {
            warnings.add(Warning::Dropped {
                bends: self.bends,
                controllers: self.controllers,
                pressures: self.pressures,
                exclusive: self.exclusive,
            });
        }
        let mut score = Score::new(self.division, self.notes)?;
        let length = score.length();
        let tempos = self.tempos.len();
        self.tempos.retain(|tempo| tempo.tick <= length);
        warnings.some((tempos - self.tempos.len()) as u64, |events| {
            Warning::LateTempos { events }
        });
        if let Some(micros) = code {
            // Ticks of a time code have a fixed length, whatever the tempos say.
            self.tempos = vec![Tempo { tick: 0, micros }];
        }
        score.name_voices(self.voices);
        score.set_tempos(self.tempos);
        score.set_meters(self.meters);
        score.set_keys(self.keys);
        score.set_end(self.end);
        score.title = self.title;
        Ok(score)
    }
}

/// A name as text: UTF-8, or else Latin-1, without control characters.
fn text(bytes: &[u8]) -> String {
    let cut = bytes.len() > LONGEST_NAME;
    let bytes = &bytes[..bytes.len().min(LONGEST_NAME)];
    let decoded = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        // The limit has cut a character in two.
        Err(error) if cut && error.error_len().is_none() => {
            String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned()
        }
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    };
    decoded
        .chars()
        .filter(|c| !c.is_control())
        .collect::<String>()
        .trim()
        .to_owned()
}
