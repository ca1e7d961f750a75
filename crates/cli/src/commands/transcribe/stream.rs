//! A stream from standard input, written down while it is spoken.

use super::file::doubt;
use super::formats::Format;
use super::{Args, Totals};
use crate::Ending;
use crate::interrupt::Interrupt;
use crate::terminal::{self, say};
use anyhow::{Result, bail};
use refrain::tasks::speech::{Heard, Loaded, Transcript};
use refrain_sound::{Pcm, SoundError};
use serde_json::json;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// How long a silent input may keep Ctrl-C waiting.
const PATIENCE: Duration = Duration::from_millis(100);
/// Chunks that are read before they are needed.
const CHUNKS: usize = 16;

/// Hears standard input to its end, or to Ctrl-C.
///
/// # Errors
/// A model that needs whole utterances, or subtitles.
pub fn run(args: &Args, loaded: &Arc<Loaded>) -> Result<Ending> {
    let Some(latency) = loaded.latency_seconds() else {
        bail!(
            "this model needs whole utterances; take one for streams, such as --model english-stream, \
             or train with model.bidirectional = false"
        );
    };
    let json = match args.format() {
        Format::Json => true,
        Format::Text => false,
        Format::Srt | Format::Vtt => bail!("a stream is written as text or JSON"),
    };
    let interrupt = Interrupt::listen()?;
    let chunks = read(args.rate);
    let mut listener = loaded
        .listen(args.rate)?
        .with_alternatives(usize::from(args.best));
    let mut page = Page::new(json);
    let mut stats = Stats::default();
    while !interrupt.asked() {
        let samples = match chunks.recv_timeout(PATIENCE) {
            Ok(samples) => samples?,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let began = Instant::now();
        let heard = listener.push(&samples)?;
        stats.add(began, &heard);
        page.show(heard)?;
    }
    let began = Instant::now();
    let heard = listener.finish()?;
    stats.add(began, &heard);
    page.show(heard)?;
    doubt(Path::new("-"), page.confidence());
    if args.stats {
        stats.say(listener.seconds(), latency);
    }
    Ok(interrupt.signal().map_or(Ending::Done, Ending::Interrupted))
}

/// Reads standard input to its end in a thread of its own: waiting for sound must not delay Ctrl-C.
fn read(rate: u32) -> Receiver<Result<Vec<f32>, SoundError>> {
    let (sender, chunks) = sync_channel(CHUNKS);
    std::thread::spawn(move || {
        let mut source = Pcm::new(std::io::stdin(), rate);
        while let Some(chunk) = source.next_chunk().transpose() {
            let failed = chunk.is_err();
            if sender.send(chunk).is_err() || failed {
                break;
            }
        }
    });
    chunks
}

#[derive(Default)]
struct Stats {
    took: f64,
    longest: f64,
    pieces: u32,
    /// How much had been heard when words were first shown, seconds.
    first: Option<f64>,
    /// Begin of the first word, seconds.
    said: Option<f64>,
}

impl Stats {
    fn add(&mut self, began: Instant, heard: &[Heard]) {
        let took = began.elapsed().as_secs_f64();
        self.took += took;
        self.longest = self.longest.max(took);
        self.pieces += 1;
        for heard in heard {
            match heard {
                Heard::Partial { seconds, .. } if self.first.is_none() => {
                    self.first = Some(*seconds);
                }
                Heard::Final(transcript) if self.said.is_none() => {
                    self.said = transcript.words.first().map(|word| word.begin);
                }
                _ => {}
            }
        }
    }

    /// Says how long it took, of so many seconds of sound, with a model that waits for `latency` seconds.
    fn say(&self, seconds: f64, latency: f64) {
        let totals = Totals {
            sound: seconds,
            took: self.took,
        };
        say(&totals.say());
        say(&format!(
            "the model waits for {latency:.2} s of sound; \
             computing a piece took {:.2} ms on average and {:.2} ms at most",
            1000.0 * self.took / f64::from(self.pieces.max(1)),
            1000.0 * self.longest
        ));
        if let Some((shown, said)) = self.first.zip(self.said) {
            let late = shown - said;
            say(&format!(
                "the first words were shown after {shown:.2} s of sound, {late:.2} s after they began"
            ));
        }
    }
}

/// The output of a stream.
struct Page {
    json: bool,
    /// Whether it is a screen, where text that is not final can be taken back.
    screen: bool,
    /// The written part of the utterance that is being spoken.
    written: String,
    /// Words so far, and the sum of their confidences.
    words: usize,
    confidence: f64,
}

impl Page {
    fn new(json: bool) -> Self {
        Self {
            json,
            screen: std::io::stdout().is_terminal(),
            written: String::new(),
            words: 0,
            confidence: 0.0,
        }
    }

    /// The mean confidence of the words; `None` without words.
    fn confidence(&self) -> Option<f64> {
        (self.words > 0).then(|| self.confidence / self.words as f64)
    }

    fn show(&mut self, heard: Vec<Heard>) -> Result<()> {
        for heard in heard {
            match heard {
                Heard::Partial {
                    stable,
                    text,
                    seconds,
                } => self.partial(&stable, &text, seconds)?,
                Heard::Final(transcript) => self.last(&transcript)?,
            }
        }
        Ok(())
    }

    fn partial(&mut self, stable: &str, text: &str, seconds: f64) -> Result<()> {
        if self.json {
            let object =
                json!({ "final": false, "seconds": seconds, "stable": stable, "text": text });
            return terminal::print(&format!("{object}\n"));
        }
        if self.screen {
            return terminal::print(&format!("\r\x1b[K{text}"));
        }
        // Only whole words that will stay.
        let words = stable.rfind(' ').map_or("", |end| &stable[..=end]);
        if let Some(more) = words.strip_prefix(self.written.as_str()) {
            terminal::print(more)?;
            self.written.push_str(more);
        }
        Ok(())
    }

    fn last(&mut self, transcript: &Transcript) -> Result<()> {
        self.words += transcript.words.len();
        self.confidence += transcript
            .words
            .iter()
            .map(|own| own.confidence)
            .sum::<f64>();
        if self.json {
            let mut object = serde_json::to_value(transcript)?;
            object["final"] = true.into();
            // The length of the whole stream is not known yet.
            if let Some(own) = object.as_object_mut() {
                own.remove("seconds");
            }
            return terminal::print(&format!("{object}\n"));
        }
        let text = &transcript.text;
        let written = std::mem::take(&mut self.written);
        match text.strip_prefix(written.as_str()) {
            _ if self.screen => terminal::print(&format!("\r\x1b[K{text}\n")),
            Some(rest) => terminal::print(&format!("{rest}\n")),
            None => terminal::print(&format!("\n{text}\n")),
        }
    }
}
