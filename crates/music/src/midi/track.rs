//! The events of one track, read as far as they can be.

use crate::warning::{Warning, Warnings};
use midly::{EventIter, TrackEventKind};

/// Counts of odd events over all tracks.
#[derive(Default)]
pub struct Oddities {
    pub old_status: u64,
    pub illegal: u64,
    pub no_end: u64,
}

/// Calls `each` with the tick and the kind of every event. Returns the tick of the last event.
///
/// `midly` reads the events. Around it, a running status outlives meta and exclusive events, events that a file must
/// not hold are skipped, and the first unreadable byte ends the track with a warning.
pub fn events<'a>(
    (offset, bytes): (usize, &'a [u8]),
    odd: &mut Oddities,
    warnings: &mut Warnings,
    mut each: impl FnMut(u32, TrackEventKind<'a>),
) -> u32 {
    let mut events = EventIter::new(bytes);
    let mut tick = 0u64;
    let mut status = None;
    let mut ended = false;
    while !ended && !events.unread().is_empty() {
        let before = events.unread();
        let place = offset + (bytes.len() - before.len());
        let old = events.running_status().is_none() && status.is_some();
        if old {
            *events.running_status_mut() = status;
            let (_, after) = variable(before);
            odd.old_status += u64::from(after.first().is_some_and(|&byte| byte < 0x80));
        }
        let (delta, kind) = match events.next() {
            Some(Ok(event)) => (u64::from(event.delta.as_int()), Some(event.kind)),
            _ => match skipped(before) {
                Some((delta, rest)) => {
                    odd.illegal += 1;
                    events = EventIter::new(rest);
                    (delta, None)
                }
                None => {
                    warnings.add(damage(place, before.len()));
                    ended = true;
                    continue;
                }
            },
        };
        status = events.running_status().or(status);
        tick += delta;
        if tick > u64::from(crate::LAST_TICK) {
            warnings.add(Warning::Damaged {
                at: place,
                bytes: before.len(),
                cause: format!("tick {tick} is beyond the last possible one"),
            });
            return (tick - delta) as u32;
        }
        if let Some(kind) = kind {
            ended = kind == TrackEventKind::Meta(midly::MetaMessage::EndOfTrack);
            each(tick as u32, kind);
        }
    }
    odd.no_end += u64::from(!ended);
    tick as u32
}

fn damage(at: usize, bytes: usize) -> Warning {
    Warning::Damaged {
        at,
        bytes,
        cause: "no event can be read here, and the rest of the track with it".to_owned(),
    }
}

/// A number of variable length, at most four bytes, and the bytes after it.
fn variable(bytes: &[u8]) -> (u64, &[u8]) {
    let mut value = 0;
    for (i, &byte) in bytes.iter().take(4).enumerate() {
        value = value << 7 | u64::from(byte & 0x7F);
        if byte < 0x80 {
            return (value, &bytes[i + 1..]);
        }
    }
    (value, bytes.get(4..).unwrap_or_default())
}

/// Delta time and rest after an event that `midly` refuses but whose length is known: system messages, and meta events
/// with impossible values.
fn skipped(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (delta, event) = variable(bytes);
    let length = match *event.first()? {
        0xF1 | 0xF3 => 2,
        0xF2 => 3,
        0xF4..=0xF6 | 0xF8..=0xFE => 1,
        0xFF => {
            let (length, body) = variable(event.get(2..)?);
            event.len() - body.len() + usize::try_from(length).ok()?
        }
        _ => return None,
    };
    Some((delta, event.get(length..)?))
}
