//! Scores to MIDI files.

use super::DRUMS;
use crate::{MusicError, Score};
use midly::num::{u4, u7, u15, u24, u28};
use midly::{Format, Header, MetaMessage, MidiMessage, Smf, Timing, TrackEvent, TrackEventKind};

/// Most voices of a score that become tracks of a MIDI file.
const MOST_TRACKS: usize = 65_534;

/// The channel of a voice: 0 to 15 without that of drums, again and again.
pub(crate) fn channel(voice: usize) -> u8 {
    let channel = (voice % 15) as u8;
    channel + u8::from(channel >= DRUMS)
}

/// A score as a MIDI file of format 1: a track of title, tempos, meters and keys, and a track for each voice. Notes end
/// before others begin at the same tick.
///
/// Reading the bytes gives the same notes, if no note of a voice overlaps another one of its pitch, and the same end.
///
/// # Errors
/// More than 65,534 voices.
pub fn midi_bytes(score: &Score) -> Result<Vec<u8>, MusicError> {
    MusicError::check("writing MIDI", score.voices().len(), "voices", MOST_TRACKS)?;
    let timing = Timing::Metrical(u15::new(score.division()));
    let mut file = Smf::new(Header::new(Format::Parallel, timing));
    file.tracks.push(head(score));
    let mut parts: Vec<Vec<(u32, u8, TrackEventKind)>> = vec![Vec::new(); score.voices().len()];
    for note in score.notes() {
        let voice = usize::from(note.voice);
        let key = u7::new(note.pitch);
        let event = |message| TrackEventKind::Midi {
            channel: u4::new(channel(voice)),
            message,
        };
        let on = MidiMessage::NoteOn {
            key,
            vel: u7::new(note.velocity),
        };
        let off = MidiMessage::NoteOff {
            key,
            vel: u7::new(64),
        };
        // The second number is the order within a tick: ends first.
        parts[voice].push((note.start, 2, event(on)));
        parts[voice].push((note.end(), 1, event(off)));
    }
    for (i, (mut part, voice)) in parts.into_iter().zip(score.voices()).enumerate() {
        let program = MidiMessage::ProgramChange {
            program: u7::new(voice.program & 127),
        };
        let name = MetaMessage::TrackName(voice.name.as_bytes());
        part.push((0, 0, TrackEventKind::Meta(name)));
        let program = TrackEventKind::Midi {
            channel: u4::new(channel(i)),
            message: program,
        };
        part.push((0, 0, program));
        file.tracks.push(track(part, score.end()));
    }
    let mut bytes = Vec::new();
    file.write_std(&mut bytes).map_err(|error| {
        MusicError::value(
            format!("the MIDI file cannot be written ({error})"),
            "write a part of it",
        )
    })?;
    Ok(bytes)
}

fn head(score: &Score) -> Vec<TrackEvent<'_>> {
    let mut events = vec![(
        0,
        0,
        TrackEventKind::Meta(MetaMessage::TrackName(score.title.as_bytes())),
    )];
    let mut add = |tick, meta| events.push((tick, 1, TrackEventKind::Meta(meta)));
    for meter in score.meters() {
        let power = meter.unit.trailing_zeros() as u8;
        add(
            meter.tick,
            MetaMessage::TimeSignature(meter.beats, power, 24, 8),
        );
    }
    for key in score.keys() {
        add(key.tick, MetaMessage::KeySignature(key.fifths, key.minor));
    }
    for tempo in score.tempos() {
        add(tempo.tick, MetaMessage::Tempo(u24::new(tempo.micros)));
    }
    events.retain(|event| event.0 <= score.end());
    track(events, score.end())
}

/// Events with delta times, and the end of the track at `end`.
fn track(mut events: Vec<(u32, u8, TrackEventKind<'_>)>, end: u32) -> Vec<TrackEvent<'_>> {
    events.sort_by_key(|&(tick, order, _)| (tick, order));
    events.push((end, 3, TrackEventKind::Meta(MetaMessage::EndOfTrack)));
    let mut before = 0;
    let timed = events.into_iter().map(|(tick, _, kind)| {
        let delta = u28::new(tick.saturating_sub(before));
        before = before.max(tick);
        TrackEvent { delta, kind }
    });
    timed.collect()
}
