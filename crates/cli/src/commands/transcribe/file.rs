//! One sound file, written down while it is read.

use super::formats::Format;
use super::{Args, Totals, plot};
use crate::bar::Bar;
use crate::commands::outputs;
use crate::commands::speech::files;
use crate::interrupt::Interrupt;
use crate::terminal::{self, say};
use anyhow::{Context, Result, bail};
use refrain::tasks::speech::{Heard, Loaded, Transcript};
use refrain_sound::Reader;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Mean confidence of the words below which they are doubted. `english` and `english-stream` reach 0.90 and 0.89 on the
/// voices that they learned from, and 0.38 to 0.77 on 79 human sentences of five sets, of which they get nearly no
/// word.
/// `digits` reaches 0.95 (median of 24 files) on human digits.
const DOUBTFUL: f64 = 0.8;

/// Says that the words of a sound are probably wrong, if the model was not sure of them.
pub fn doubt(file: &Path, confidence: Option<f64>) {
    if let Some(confidence) = confidence.filter(|own| *own < DOUBTFUL) {
        say(&format!(
            "{}: low confidence ({confidence:.2}): many words are probably wrong; \
             the model learned from other voices or words",
            outputs::shown(file)
        ));
    }
}

/// Says that a sound has no words, and why that may be.
fn note_empty(job: &Job) {
    let reason = match job.loaded.decoder_config().lexicon {
        Some(_) => "nothing was said, or nothing that the lexicon allows",
        None => "nothing was said, or nothing that the model knows",
    };
    say(&format!(
        "{}: no words were found: {reason}",
        outputs::shown(job.file)
    ));
}

/// One input of a command.
pub struct Job<'a> {
    /// The arguments of the command.
    pub args: &'a Args,
    /// The model.
    pub loaded: &'a Arc<Loaded>,
    /// Ends the work early.
    pub interrupt: &'a Interrupt,
    /// The sound file.
    pub file: &'a Path,
    /// The file for the transcript; standard output if absent.
    pub out: Option<&'a Path>,
}

/// Samples of a file from `--offset` on, and no more than `--duration`.
struct Clip {
    skip: u64,
    left: u64,
}

impl Clip {
    fn new(args: &Args, rate: u32) -> Self {
        let samples = |seconds: f64| (seconds * f64::from(rate)) as u64;
        Self {
            skip: samples(args.offset.unwrap_or(0.0)),
            left: args.duration.map_or(u64::MAX, samples),
        }
    }

    /// The samples that are to be heard of the next ones.
    fn cut<'a>(&mut self, samples: &'a [f32]) -> &'a [f32] {
        let skipped = self.skip.min(samples.len() as u64);
        self.skip -= skipped;
        let samples = &samples[skipped as usize..];
        let taken = self.left.min(samples.len() as u64);
        self.left -= taken;
        &samples[..taken as usize]
    }
}

/// The transcript of a file so far.
struct Page<'a> {
    job: &'a Job<'a>,
    bar: Bar,
    transcript: Transcript,
    /// Its text, a line for each utterance or segment.
    lines: String,
}

impl Page<'_> {
    /// Whether lines go to standard output as they come.
    fn is_live(&self) -> bool {
        self.job.args.format() == Format::Text && self.job.out.is_none()
    }

    fn add(&mut self, heard: Vec<Heard>) -> Result<()> {
        let begin = self.job.args.offset.unwrap_or(0.0);
        for heard in heard {
            let Heard::Final(own) = heard else { continue };
            if !own.text.is_empty() {
                self.line(&own.text)?;
            }
            self.transcript.add(vec![Heard::Final(own.later(begin))]);
        }
        Ok(())
    }

    fn line(&mut self, text: &str) -> Result<()> {
        let args = self.job.args;
        let line = match args.files.len() > 1 && self.job.out.is_none() {
            true => format!("{}: {text}\n", outputs::shown(self.job.file)),
            false => format!("{text}\n"),
        };
        if self.is_live() {
            self.bar.aside(|| terminal::print(&line))?;
        }
        self.lines += &line;
        Ok(())
    }
}

/// Writes down a file. An interrupt ends it early, with the text so far.
///
/// # Errors
/// A file that cannot be read, or an output that cannot be written.
pub fn transcribe(job: &Job, totals: &mut Totals) -> Result<()> {
    let began = Instant::now();
    let args = job.args;
    let mut reader = files::open(job.file)?;
    let mut drawn = Vec::new();
    let (transcript, lines) = hear(job, &mut reader, &mut drawn)?;
    files::warn(job.file, &transcript.warnings);
    if job.interrupt.asked() {
        say(&format!(
            "{}: stopped after {:.1} s of sound; the transcript ends there",
            outputs::shown(job.file),
            transcript.seconds
        ));
    }
    doubt(job.file, transcript.confidence());
    if lines.trim().is_empty() && transcript.words.is_empty() && !job.interrupt.asked() {
        note_empty(job);
    }
    let own = Totals {
        sound: transcript.seconds,
        took: began.elapsed().as_secs_f64(),
    };
    totals.add(own);
    if args.stats && args.format() != Format::Json {
        say(&own.say());
    }
    write(job, &transcript, &lines, own)?;
    match &args.plot {
        Some(out) => plot::write(job.loaded, &drawn, reader.rate(), out, args.force),
        None => Ok(()),
    }
}

/// The transcript of a file, and its text in lines; `drawn` gets the samples for a plot.
fn hear(job: &Job, reader: &mut Reader, drawn: &mut Vec<f32>) -> Result<(Transcript, String)> {
    let (args, rate) = (job.args, reader.rate());
    let listener = job.loaded.listen(rate)?.finals_only();
    let mut listener = listener.with_alternatives(usize::from(args.best));
    let mut clip = Clip::new(args, rate);
    let promised = reader.promised().unwrap_or(0).saturating_sub(clip.skip);
    let length = promised.min(clip.left) / u64::from(rate.max(1));
    let mut page = Page {
        job,
        bar: Bar::new(length as usize, "s of sound"),
        transcript: Transcript::default(),
        lines: String::new(),
    };
    while clip.left > 0
        && !job.interrupt.asked()
        && let Some(samples) = reader.next_chunk()?
    {
        let samples = clip.cut(&samples);
        if args.plot.is_some() {
            plot::gather(drawn, samples, rate);
        }
        page.add(listener.push(samples)?)?;
        page.bar.set(listener.seconds() as usize);
    }
    if clip.skip > 0 && !job.interrupt.asked() {
        bail!(
            "the sound ends before the {} s of --offset",
            args.offset.unwrap_or(0.0)
        );
    }
    page.add(listener.finish()?)?;
    if page.lines.is_empty() && args.format() == Format::Text {
        page.line("")?;
    }
    let mut transcript = page.transcript.with_warnings(reader.warnings());
    transcript.seconds = listener.seconds();
    Ok((transcript, page.lines))
}

/// Writes a finished transcript; its lines are on standard output already if they go there.
fn write(job: &Job, transcript: &Transcript, lines: &str, own: Totals) -> Result<()> {
    let format = job.args.format();
    let factor = job.args.stats.then(|| own.factor());
    let text = match format {
        Format::Text => lines.to_string(),
        _ => format.write(job.file, transcript, factor)?,
    };
    match job.out {
        Some(out) => {
            let mut file = outputs::create(out, job.args.force)?;
            let written = file.write_all(text.as_bytes());
            written.with_context(|| format!("cannot write {}", terminal::typed(out)))
        }
        None if format == Format::Text => Ok(()),
        None => terminal::print(&text),
    }
}
