//! A page that shows a piano roll and plays its sound, in one file.

use crate::picture::{VOICE_COLOURS, escaped};
use crate::{Limits, MusicError, Score};
use refrain_sound::wav_bytes;
use std::fmt::Write;

/// The page, with marks in double braces for its parts.
const PAGE: &str = include_str!("page.html");

/// Most bar lines that a page holds.
const MOST_BARS: usize = 100_000;

/// Choices of [`roll_html`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HtmlConfig {
    /// The music until this tick was given (a primer): its background is shaded.
    pub given: Option<u32>,
    /// Lines of text under the title, for example the model and the seed.
    pub remarks: Vec<String>,
    /// Limits on sizes.
    pub limits: Limits,
}

/// A page of HTML with a piano roll, a playing cursor and the sound of `samples` at `rate` Hz (from
/// [`render`](crate::render()) or a [`SoundFont`](crate::SoundFont)), that needs no other file and no network.
///
/// A click or a finger on the roll moves the cursor, and so do the arrow keys, Home and End; the space bar starts and
/// stops. The file holds the sound as 16-bit WAV: 3.5 MB a minute at 22,050 Hz.
///
/// # Errors
/// A score without notes, or above the limit of notes; more than 4 GiB of samples.
pub fn roll_html(
    score: &Score,
    samples: &[f32],
    rate: u32,
    config: &HtmlConfig,
) -> Result<String, MusicError> {
    score.check("writing a page", &config.limits)?;
    if score.notes().is_empty() {
        return Err(MusicError::Empty {
            operation: "writing a page",
            hint: "there is nothing to show",
        });
    }
    let clock = score.clock();
    let mut notes = String::new();
    for note in score.notes() {
        // Writing to a string cannot fail.
        let _ = write!(
            notes,
            "[{:.3},{:.3},{},{}],",
            clock.seconds(note.start),
            clock.seconds(note.end()),
            note.pitch,
            note.voice
        );
    }
    let mut bars = String::new();
    for tick in score.bars(score.end().saturating_add(1)).take(MOST_BARS) {
        let _ = write!(bars, "{:.3},", clock.seconds(tick));
    }
    let mut colours = String::new();
    for [red, green, blue] in VOICE_COLOURS {
        let _ = write!(colours, "\"#{red:02x}{green:02x}{blue:02x}\",");
    }
    let mut legend = String::new();
    for (i, voice) in score
        .voices()
        .iter()
        .enumerate()
        .filter(|(_, voice)| !voice.name.is_empty())
        .take(16)
    {
        let [red, green, blue] = VOICE_COLOURS[i % VOICE_COLOURS.len()];
        let _ = write!(
            legend,
            "<li><span style=\"background:#{red:02x}{green:02x}{blue:02x}\"></span>{}</li>",
            escaped(&voice.name)
        );
    }
    let remarks: String = config
        .remarks
        .iter()
        .map(|remark| format!("<p>{}</p>", escaped(remark)))
        .collect();
    let title = if score.title.trim().is_empty() {
        "Piano roll"
    } else {
        &score.title
    };
    let given = config.given.map_or(0.0, |tick| clock.seconds(tick));
    let sound = base64(&wav_bytes(samples, rate)?);
    let parts: [(&str, &str); 8] = [
        ("title", &escaped(title)),
        ("remarks", &remarks),
        ("legend", &legend),
        ("notes", notes.trim_end_matches(',')),
        ("bars", bars.trim_end_matches(',')),
        ("colours", colours.trim_end_matches(',')),
        ("given", &format!("{given:.3}")),
        ("sound", &sound),
    ];
    Ok(filled(PAGE, &parts))
}

/// The template with the parts in place of their marks, in one pass.
fn filled(mut template: &str, parts: &[(&str, &str)]) -> String {
    let mut page = String::with_capacity(
        template.len() + parts.iter().map(|part| part.1.len()).sum::<usize>(),
    );
    while let Some((before, rest)) = template.split_once("{{") {
        page.push_str(before);
        let (name, after) = rest.split_once("}}").unwrap_or((rest, ""));
        let part = parts.iter().find(|part| part.0 == name);
        page.push_str(part.map_or("", |part| part.1));
        template = after;
    }
    page.push_str(template);
    page
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let value = three
            .iter()
            .fold(0u32, |value, &byte| value << 8 | u32::from(byte))
            << (8 * (3 - three.len()));
        for i in 0..4 {
            text.push(match i <= three.len() {
                true => char::from(LETTERS[(value >> (18 - 6 * i) & 63) as usize]),
                false => '=',
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_agrees_with_the_examples_of_rfc_4648() {
        let examples = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in examples {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn parts_are_not_read_as_marks() {
        let parts = [("a", "{{b}}"), ("b", "x")];
        assert_eq!(filled("<{{a}}|{{b}}|{{c}}>", &parts), "<{{b}}|x|>");
    }
}
