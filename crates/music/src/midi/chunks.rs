//! The header and the tracks of a MIDI file, found in damaged files, too.

use crate::MusicError;
use crate::warning::{Warning, Warnings};

/// Bytes of the name and the length of a chunk.
const CHUNK_HEAD: usize = 8;

/// Order of the tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Single,
    Parallel,
    Sequence,
}

/// Length of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// Ticks of a quarter note.
    Quarter(u16),
    /// Ticks a second are `ticks / (1 + late / 1000)`: `late` is 1 for 29.97 frames a second.
    Second { ticks: u16, late: u32 },
}

/// The header, and the bytes of each track with their offset in the file.
pub struct Chunks<'a> {
    pub format: Format,
    pub timing: Timing,
    pub tracks: Vec<(usize, &'a [u8])>,
}

fn refused(at: usize, problem: impl Into<String>, hint: &'static str) -> MusicError {
    MusicError::Midi {
        at,
        problem: problem.into(),
        hint,
    }
}

fn big_endian(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |value, &byte| value << 8 | usize::from(byte))
}

/// The MIDI file within a RIFF file of kind RMID, or the bytes themselves; with the offset.
fn unwrapped(bytes: &[u8]) -> Result<usize, MusicError> {
    if bytes.starts_with(b"MThd") {
        return Ok(0);
    }
    let riff = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"RMID");
    let inside = riff.then(|| bytes.windows(4).position(|four| four == b"MThd"));
    inside.flatten().ok_or_else(|| match bytes.is_empty() {
        true => refused(0, "the file is empty", "was it copied to its end?"),
        false => refused(
            0,
            "this is not a Standard MIDI File",
            "such a file begins with MThd; convert other formats to .mid first",
        ),
    })
}

fn timing(division: usize, at: usize) -> Result<Timing, MusicError> {
    let (high, low) = (division >> 8, division & 0xFF);
    if high < 128 {
        return match division {
            0 => Err(refused(
                at,
                "a quarter note of 0 ticks",
                "the header is damaged",
            )),
            ticks => Ok(Timing::Quarter(ticks as u16)),
        };
    }
    // The high byte is the negative number of frames a second.
    let frames = 256 - high;
    if !matches!(frames, 24 | 25 | 29 | 30) || low == 0 {
        return Err(refused(
            at,
            format!("time code of {frames} frames a second and {low} ticks a frame"),
            "24, 25, 29 and 30 frames of at least one tick are known",
        ));
    }
    let nominal = if frames == 29 { 30 } else { frames };
    Ok(Timing::Second {
        ticks: (nominal * low) as u16,
        late: u32::from(frames == 29),
    })
}

/// Finds the tracks of `bytes`.
pub fn chunks<'a>(bytes: &'a [u8], warnings: &mut Warnings) -> Result<Chunks<'a>, MusicError> {
    let start = unwrapped(bytes)?;
    let head = start + CHUNK_HEAD;
    let Some(header) = bytes.get(head..head + 6) else {
        return Err(refused(
            start,
            "the header is cut off",
            "was it copied to its end?",
        ));
    };
    let format = match big_endian(&header[..2]) {
        0 => Format::Single,
        1 => Format::Parallel,
        2 => Format::Sequence,
        other => {
            return Err(refused(
                head,
                format!("format {other}"),
                "formats 0, 1 and 2 are known",
            ));
        }
    };
    let promised = big_endian(&header[2..4]);
    let timing = timing(big_endian(&header[4..6]), head + 4)?;
    // A header may be longer than six bytes, but not so long that it hides the first track.
    let stated = head.saturating_add(big_endian(&bytes[start + 4..head]).max(6));
    let first = if chunk_name(bytes, stated) {
        stated
    } else {
        head + 6
    };
    let tracks = tracks(bytes, first, warnings);
    if tracks.is_empty() {
        return Err(refused(
            first.min(bytes.len()),
            "there is no track",
            "the file holds no music",
        ));
    }
    if promised != tracks.len() {
        warnings.add(Warning::Tracks {
            promised,
            found: tracks.len(),
        });
    }
    Ok(Chunks {
        format,
        timing,
        tracks,
    })
}

/// Whether a chunk, or the end of the file, is at `at`: names are four letters or digits.
fn chunk_name(bytes: &[u8], at: usize) -> bool {
    match bytes.get(at..at.saturating_add(4)) {
        Some(name) => name.iter().all(|byte| byte.is_ascii_alphanumeric()),
        None => at == bytes.len(),
    }
}

fn tracks<'a>(bytes: &'a [u8], mut at: usize, warnings: &mut Warnings) -> Vec<(usize, &'a [u8])> {
    let mut tracks = Vec::new();
    let mut aliens = 0;
    while at + CHUNK_HEAD <= bytes.len() {
        let body = at + CHUNK_HEAD;
        let track = &bytes[at..at + 4] == b"MTrk";
        if !track && !chunk_name(bytes, at) {
            // Neither a chunk nor the end: the next track is the next thing that can be read.
            let next = next_track(bytes, at);
            warnings.add(Warning::Damaged {
                at,
                bytes: next - at,
                cause: "there is no chunk".to_owned(),
            });
            at = next;
            continue;
        }
        let stated = body.saturating_add(big_endian(&bytes[at + 4..body]));
        let end = match stated <= bytes.len() && chunk_name(bytes, stated) {
            true => stated,
            false => next_track(bytes, body),
        };
        match track {
            true => {
                tracks.push((body, &bytes[body..end]));
                // A file that is cut off is told by its missing end-of-track event.
                if end != stated && !(stated > bytes.len() && end == bytes.len()) {
                    warnings.add(Warning::TrackLength {
                        track: tracks.len(),
                    });
                }
            }
            false => aliens += 1,
        }
        at = end;
    }
    warnings.some(aliens, |chunks| Warning::AlienChunks { chunks });
    tracks
}

/// The next place after `from` where a track begins, or the end of the file.
fn next_track(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let found = rest.windows(4).position(|four| four == b"MTrk");
    found.map_or(bytes.len(), |offset| from + offset)
}
