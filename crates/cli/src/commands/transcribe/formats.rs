//! Transcripts as text, JSON and subtitles.

use anyhow::Result;
use refrain::tasks::speech::{Transcript, Word};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// Most characters of a subtitle.
const LONGEST_CUE: usize = 80;
/// Longest time that a subtitle stands, seconds.
const SLOWEST_CUE: f64 = 6.0;
/// Pause that ends a subtitle, seconds.
const PAUSE: f64 = 0.8;

/// How transcripts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The words, a line for each utterance or segment
    Text,
    /// An object a file, with times and confidences of words and characters
    Json,
    /// SubRip subtitles
    Srt,
    /// WebVTT subtitles
    Vtt,
}

impl Format {
    /// Of a file's name.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Json => "json",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
        }
    }

    /// A transcript as it is written.
    ///
    /// # Errors
    /// None that is known.
    pub fn write(
        self,
        file: &Path,
        transcript: &Transcript,
        factor: Option<f64>,
    ) -> Result<String> {
        Ok(match self {
            Self::Text => format!("{}\n", transcript.text),
            Self::Json => {
                let mut object = json!({ "file": file.to_string_lossy() });
                let own = serde_json::to_value(transcript)?;
                if let (Value::Object(all), Value::Object(own)) = (&mut object, own) {
                    all.extend(own);
                }
                if let Some(factor) = factor {
                    object["real_time_factor"] = factor.into();
                }
                format!("{object}\n")
            }
            Self::Srt => subtitles(&transcript.words, ","),
            Self::Vtt => format!("WEBVTT\n\n{}", subtitles(&transcript.words, ".")),
        })
    }
}

fn subtitles(words: &[Word], point: &str) -> String {
    let mut text = String::new();
    for (number, cue) in cues(words).into_iter().enumerate() {
        let (Some(first), Some(last)) = (cue.first(), cue.last()) else {
            continue;
        };
        let said: Vec<&str> = cue.iter().map(|word| word.word.as_str()).collect();
        let (begin, end) = (clock(first.begin, point), clock(last.end, point));
        // Writing into a string cannot fail.
        let _ = write!(
            text,
            "{}\n{begin} --> {end}\n{}\n\n",
            number + 1,
            said.join(" ")
        );
    }
    text
}

/// Words that stand together on a screen.
fn cues(words: &[Word]) -> Vec<&[Word]> {
    let (mut cues, mut first, mut length) = (Vec::new(), 0, 0);
    for (number, word) in words.iter().enumerate() {
        length += word.word.chars().count() + 1;
        let begun = &words[first];
        let pause = number > first && word.begin - words[number - 1].end > PAUSE;
        if number > first && (pause || length > LONGEST_CUE || word.end - begun.begin > SLOWEST_CUE)
        {
            cues.push(&words[first..number]);
            (first, length) = (number, word.word.chars().count() + 1);
        }
    }
    if first < words.len() {
        cues.push(&words[first..]);
    }
    cues
}

/// `00:01:02,345`
fn clock(seconds: f64, point: &str) -> String {
    let all = (seconds.max(0.0) * 1000.0).round() as u64;
    let (hours, minutes) = (all / 3_600_000, all / 60_000 % 60);
    let (seconds, parts) = (all / 1000 % 60, all % 1000);
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{parts:03}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(word: &str, begin: f64, end: f64) -> Word {
        Word {
            word: word.into(),
            begin,
            end,
            confidence: 1.0,
            characters: Vec::new(),
        }
    }

    #[test]
    fn subtitles_end_at_pauses_and_when_they_are_long() {
        let mut words = vec![word("good", 0.5, 0.8), word("day", 0.9, 1.25)];
        words.push(word("sir", 3661.0, 3661.5));
        assert_eq!(
            subtitles(&words, ","),
            "1\n00:00:00,500 --> 00:00:01,250\ngood day\n\n2\n01:01:01,000 --> 01:01:01,500\nsir\n\n"
        );
        let many: Vec<Word> = (0..40)
            .map(|n| word("seven", f64::from(n) * 0.3, f64::from(n) * 0.3 + 0.25))
            .collect();
        let cues = cues(&many);
        assert_eq!(cues.iter().map(|cue| cue.len()).sum::<usize>(), 40);
        for cue in cues {
            assert!(cue.len() * 6 <= LONGEST_CUE + 1);
            assert!(cue[cue.len() - 1].end - cue[0].begin <= SLOWEST_CUE);
        }
        assert_eq!(subtitles(&[], "."), "");
    }

    #[test]
    fn times_are_clocks() {
        assert_eq!(clock(0.0, ","), "00:00:00,000");
        assert_eq!(clock(59.9996, "."), "00:01:00.000");
        assert_eq!(clock(-1.0, "."), "00:00:00.000");
    }
}
