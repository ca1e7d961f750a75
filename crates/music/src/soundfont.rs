//! Scores to sound, with the instruments of a SoundFont.

use crate::midi::channel;
use crate::synth::soften;
use crate::{Limits, MusicError, Score};
use rustysynth::{Synthesizer, SynthesizerSettings};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Largest SoundFont: 512 MiB.
const MOST_BYTES: usize = 512 << 20;

/// Seconds that follow the last note.
const TAIL: f64 = 1.0;

/// Status of a program change.
const PROGRAM: i32 = 0xC0;

/// A SoundFont 2 file (`.sf2`): recorded instruments.
#[derive(Clone)]
pub struct SoundFont {
    font: Arc<rustysynth::SoundFont>,
}

impl SoundFont {
    /// Reads the bytes of a `.sf2` file.
    ///
    /// # Errors
    /// Another format (SF3 too), a damaged file, or more than 512 MiB.
    pub fn read(bytes: &[u8]) -> Result<Self, MusicError> {
        let refused = |problem: String| MusicError::SoundFont { problem };
        MusicError::check("reading a SoundFont", bytes.len(), "bytes", MOST_BYTES)?;
        check_chunks(bytes)?;
        // The reader indexes into the tables of a file, which may be damaged.
        let read = catch_unwind(AssertUnwindSafe(|| {
            rustysynth::SoundFont::new(&mut &bytes[..])
        }));
        match read {
            Ok(Ok(font)) => Ok(Self {
                font: Arc::new(font),
            }),
            Ok(Err(error)) => Err(refused(error.to_string())),
            Err(_) => Err(refused("its tables are damaged".to_owned())),
        }
    }

    /// Name of the SoundFont, as it says itself.
    pub fn name(&self) -> &str {
        self.font.get_info().get_bank_name()
    }

    /// Renders a score as mono samples in ±1 at `rate` Hz, 16,000 to 96,000, with one second behind the last note.
    /// Each voice plays its [`program`](crate::Voice::program), at most 15 different ones.
    ///
    /// # Errors
    /// A rate out of range, a score above the limits of notes or seconds, or a damaged SoundFont.
    pub fn render(
        &self,
        score: &Score,
        rate: u32,
        limits: &Limits,
    ) -> Result<Vec<f32>, MusicError> {
        if !(16_000..=96_000).contains(&rate) {
            return Err(MusicError::value(
                format!("a sound of {rate} samples a second"),
                "a SoundFont is rendered at 16000 to 96000, for example 44100",
            ));
        }
        score.check("rendering sound", limits)?;
        let seconds = score.clock().seconds(score.length());
        if seconds > limits.seconds {
            return Err(MusicError::Large {
                operation: "rendering sound",
                size: seconds as u64,
                unit: "seconds",
                limit: limits.seconds as u64,
            });
        }
        let rendered = catch_unwind(AssertUnwindSafe(|| self.play(score, rate)));
        let mut samples = rendered.unwrap_or_else(|_| {
            Err(MusicError::SoundFont {
                problem: "an instrument is damaged".to_owned(),
            })
        })?;
        soften(&mut samples);
        Ok(samples)
    }

    fn play(&self, score: &Score, rate: u32) -> Result<Vec<f32>, MusicError> {
        let failed = |error: rustysynth::SynthesizerError| MusicError::SoundFont {
            problem: error.to_string(),
        };
        let settings = SynthesizerSettings::new(rate as i32);
        let mut synthesizer = Synthesizer::new(&self.font, &settings).map_err(failed)?;
        let programs = score.voices().iter().map(|voice| i32::from(voice.program));
        let channels = |voice: usize| i32::from(channel(voice));
        for (voice, program) in programs.enumerate() {
            synthesizer.process_midi_message(channels(voice), PROGRAM, program, 0);
        }
        let clock = score.clock();
        // Ends come before beginnings of the same tick.
        let mut events: Vec<(u32, bool, usize)> = Vec::with_capacity(2 * score.notes().len());
        for (i, note) in score.notes().iter().enumerate() {
            events.push((note.start, true, i));
            events.push((note.end(), false, i));
        }
        events.sort_unstable();
        let count = ((clock.seconds(score.length()) + TAIL) * f64::from(rate)) as usize;
        let (mut left, mut right) = (vec![0f32; count], vec![0f32; count]);
        let mut at = 0;
        for (tick, begins, i) in events {
            let note = &score.notes()[i];
            let next = ((clock.seconds(tick) * f64::from(rate)) as usize).clamp(at, count);
            synthesizer.render(&mut left[at..next], &mut right[at..next]);
            at = next;
            let (channel, key) = (channels(usize::from(note.voice)), i32::from(note.pitch));
            match begins {
                true => synthesizer.note_on(channel, key, i32::from(note.velocity)),
                false => synthesizer.note_off(channel, key),
            }
        }
        synthesizer.render(&mut left[at..], &mut right[at..]);
        let mono = left
            .iter()
            .zip(&right)
            .map(|(a, b)| match (0.5 * (a + b)).is_finite() {
                true => 0.5 * (a + b),
                false => 0.0,
            });
        Ok(mono.collect())
    }
}

/// Refuses a file whose chunks are longer than it, before the reader takes memory for them.
fn check_chunks(bytes: &[u8]) -> Result<(), MusicError> {
    let refused = |problem: &str| {
        Err(MusicError::SoundFont {
            problem: problem.to_owned(),
        })
    };
    if !bytes.starts_with(b"RIFF") || bytes.get(8..12) != Some(b"sfbk") {
        return refused("the file does not begin as a SoundFont does");
    }
    let mut lists = vec![(12, bytes.len())];
    while let Some((mut at, end)) = lists.pop() {
        while let Some(head) = bytes[..end].get(at..at + 8) {
            let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let body = at + 8;
            let Some(next) = body.checked_add(size).filter(|&next| next <= end) else {
                return refused("a part of the file is longer than the file; it may be cut off");
            };
            if head.starts_with(b"LIST") && size >= 4 {
                lists.push((body + 4, next));
            }
            at = next + size % 2;
        }
    }
    Ok(())
}
