//! `refrain translate`: text, tables, pages and subtitles into another language.

use super::{Compute, Precision, positive};
use crate::Ending;
use crate::bar::Bar;
use crate::drawing::HeatMap;
use crate::interrupt::Interrupt;
use crate::lines::open;
use crate::terminal::{self, say, typed};
use anyhow::{Context, Result, bail};
use refrain::store;
use refrain::tasks::translation::{
    AttentionMap, Loaded, TranslateOptions, Translation, TranslationTask,
};
use refrain::tasks::{Site, open as open_model};
use refrain_text::documents::{
    self, Document, Format, Options, Translated, table_bodies, with_table_bodies,
};
use refrain_text::lines::{Line, LineError, Lines};
use std::io::{IsTerminal, Read, stdin};
use std::path::{Path, PathBuf};

/// Longest line, bytes.
const LONGEST: usize = 1 << 20;
/// Longest document that is read whole, bytes.
const LARGEST: u64 = 1 << 26;
/// Lines that are read before they are translated, where nobody waits for each.
const TOGETHER: usize = 256;

/// Translate text: one line in, one line out; also tables, HTML, subtitles and XLIFF
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
The kind of a document follows from its name or its first bytes; --format names
it. Tags, times, addresses and line ends come back as they were. Lines that are
blank stay blank. Numbers, money, times, addresses and names of files on the
internet are copied, and it is told where one got lost.

Examples:
  echo \"three hundred and forty-two\" | refrain translate --model runs/numbers-en-ko
  refrain translate --model runs/multi30k-en-de page.html > seite.html
  refrain translate --model runs/multi30k-en-de film.srt --out film.de.srt
  refrain translate --model runs/multi30k-en-de pairs.tsv --column 2
  refrain translate --model runs/multi30k-en-de lines.txt --json --n-best 3
  echo \"A dog runs.\" | refrain translate --model runs/multi30k-en-de --heat dog.svg")]
pub struct Args {
    /// File to translate; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    /// Model folder, or the name of a model that ships with the program; more than one are an ensemble
    #[arg(long, short, value_name = "MODEL", required = true)]
    model: Vec<PathBuf>,

    /// Source language that the model must have
    #[arg(long, value_name = "CODE")]
    from: Option<String>,

    /// Target language that the model must have
    #[arg(long, value_name = "CODE")]
    to: Option<String>,

    /// Kind of the document [default: by its name or its first bytes]
    #[arg(long, value_enum)]
    format: Option<Kind>,

    /// Column of a table to translate, from 1; may be given more than once [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    column: Vec<u32>,

    /// File to write [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Print a JSON object for each line: text, score, alternatives, alignment, warnings
    #[arg(long)]
    json: bool,

    /// Hypotheses side by side; 1 is greedy [default: that of the recipe]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u16).range(1..=1000))]
    beam: Option<u16>,

    /// Translations of each line, for --json
    #[arg(long, value_name = "N", requires = "json", value_parser = clap::value_parser!(u16).range(1..=1000))]
    n_best: Option<u16>,

    /// Print word pairs i-j behind each line, from 0: source, target
    #[arg(long)]
    align: bool,

    /// Draw the attention between the words of each line: FILE.svg or FILE.png (FILE-2.svg for the second line), or - for
    /// the terminal
    #[arg(long, value_name = "FILE", value_parser = picture)]
    heat: Option<PathBuf>,

    /// Exponent of the length in the score; 0 favours short translations
    #[arg(long, value_name = "X", value_parser = positive)]
    length_penalty: Option<f64>,

    /// No run of N tokens comes twice
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    no_repeat: Option<u16>,

    /// Lines that are translated side by side; results do not depend on it
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch: u16,

    #[command(flatten)]
    compute: Compute,

    #[command(flatten)]
    precision: Precision,
}

/// The name of a picture, or - for the terminal.
fn picture(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let known = path
        .extension()
        .is_some_and(|ending| ending == "svg" || ending == "png");
    match text == "-" || known {
        true => Ok(path),
        false => Err("a name that ends in .svg or .png is needed, or - for the terminal".into()),
    }
}

/// Draws the attention of a line, the `number`th of the input.
fn draw(to: &Path, number: u64, map: &AttentionMap) -> Result<()> {
    let map = HeatMap {
        rows: &map.target,
        columns: &map.source,
        weights: &map.weights,
    };
    if to == Path::new("-") {
        return terminal::print(&map.text());
    }
    let file = match number {
        1 => to.to_path_buf(),
        _ => {
            let stem = to.file_stem().unwrap_or_default().to_string_lossy();
            let ending = to.extension().unwrap_or_default().to_string_lossy();
            to.with_file_name(format!("{stem}-{number}.{ending}"))
        }
    };
    map.write(&file)
}

/// Kinds of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// One text a line
    Text,
    /// Fields with tabs between
    Tsv,
    /// A page or a part of one
    Html,
    /// SubRip subtitles
    Srt,
    /// WebVTT subtitles
    Vtt,
    /// XLIFF 1.2 or 2
    Xliff,
}

impl Kind {
    fn format(self) -> Format {
        match self {
            Self::Text => Format::Lines,
            Self::Tsv => Format::Table,
            Self::Html => Format::Html,
            Self::Srt => Format::Srt,
            Self::Vtt => Format::Vtt,
            Self::Xliff => Format::Xliff,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// A model or a file that cannot be used.
pub fn run(args: &Args) -> Result<Ending> {
    let site = Site {
        precision: args.precision.get(),
        ..args.compute.site()?
    };
    let interrupt = Interrupt::listen().context("waiting for Ctrl-C")?;
    let mut folders = args.model.iter().map(|model| store::find(model));
    let first = folders.next().context("no model was given")??;
    let options = TranslateOptions {
        beam: args.beam.map(usize::from),
        n_best: args.n_best.map(usize::from),
        length_penalty: args.length_penalty,
        no_repeat: args.no_repeat.map(usize::from),
        align: args.align || args.json,
        attention: args.heat.is_some(),
        batch: Some(usize::from(args.batch)),
        ensemble: folders.collect::<Result<_, _>>()?,
        ..TranslateOptions::default()
    };
    let model = site.compute(|| open_model::<TranslationTask>(&first, options, &site))?;
    check_direction(args, &model)?;
    let mut output = Output::new(args)?;
    site.compute(|| translate(args, &model, &mut output, &interrupt))?;
    output.close()?;
    Ok(match interrupt.signal() {
        Some(signal) => Ending::Interrupted(signal),
        None => Ending::Done,
    })
}

/// # Errors
/// A model of another direction than asked for.
fn check_direction(args: &Args, model: &Loaded) -> Result<()> {
    let [from, to] = model.direction();
    let other = |asked: &Option<String>, own: &str| asked.as_ref().is_some_and(|own_| own_ != own);
    if other(&args.from, from) || other(&args.to, to) {
        bail!(
            "the model translates from {from} to {to}; leave out --from and --to, or choose another model"
        );
    }
    Ok(())
}

/// The output: a file that is written whole, or standard output.
struct Output {
    file: Option<(PathBuf, Vec<u8>)>,
}

impl Output {
    fn new(args: &Args) -> Result<Self> {
        let file = args.out.clone();
        if let Some(file) = &file
            && file == &args.file
        {
            bail!(
                "{} is the input; choose another file with --out",
                typed(file)
            );
        }
        Ok(Self {
            file: file.map(|file| (file, Vec::new())),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.file {
            Some((_, all)) => {
                all.extend_from_slice(bytes);
                Ok(())
            }
            None => terminal::print_bytes(bytes),
        }
    }

    fn close(self) -> Result<()> {
        match self.file {
            Some((file, bytes)) => Ok(refrain::files::atomic::write(&file, &bytes)?),
            None => Ok(()),
        }
    }
}

fn translate(
    args: &Args,
    model: &Loaded,
    output: &mut Output,
    interrupt: &Interrupt,
) -> Result<()> {
    let mut input = open(&args.file)?;
    let mut head = Vec::new();
    let interactive = args.file == Path::new("-") && stdin().is_terminal();
    let format = match args.format {
        Some(kind) => kind.format(),
        // Standard input may be slow: its first line must not wait for more.
        None if args.file == Path::new("-") => Format::Lines,
        None => {
            input.by_ref().take(4096).read_to_end(&mut head)?;
            documents::detect_format(&args.file, &head)
        }
    };
    let input = std::io::Cursor::new(head).chain(input);
    match format {
        Format::Lines | Format::Table => {
            let columns: Vec<usize> = match (format, args.column.as_slice()) {
                (Format::Lines, []) => Vec::new(),
                (Format::Lines, _) => bail!("--column is for tables; add --format tsv"),
                (_, []) => vec![0],
                (_, columns) => columns.iter().map(|n| *n as usize - 1).collect(),
            };
            let together = match args.file == Path::new("-") {
                true if interactive => 1,
                true => usize::from(args.batch),
                false => TOGETHER,
            };
            let mut work = LineWork {
                args,
                model,
                output,
                columns,
                number: 0,
            };
            work.run(input, together, interrupt)
        }
        Format::Tmx => bail!(
            "{} is a translation memory, which has its translations already; \
             give it to `refrain eval`, or a document of another kind",
            typed(&args.file)
        ),
        _ => whole(args, model, output, format, input),
    }
}

/// Lines and tables, some at a time.
struct LineWork<'a> {
    args: &'a Args,
    model: &'a Loaded,
    output: &'a mut Output,
    /// Columns of a table, from 0; none: whole lines.
    columns: Vec<usize>,
    number: u64,
}

impl LineWork<'_> {
    fn run(&mut self, input: impl Read, together: usize, interrupt: &Interrupt) -> Result<()> {
        let name = typed(&self.args.file);
        let mut bar = (self.args.file != Path::new("-")).then(|| Bar::new(0, "lines"));
        let mut lines = Lines::new(std::io::BufReader::new(input), LONGEST);
        let (mut batch, mut unread): (Vec<Line>, u64) = (Vec::new(), 0);
        loop {
            let next = lines.next();
            let ended = next.is_none();
            match next {
                Some(Ok(line)) => batch.push(line),
                Some(Err(LineError::Io { error, .. })) => {
                    self.flush(&mut batch)?;
                    return Err(error).with_context(|| format!("cannot read {name}"));
                }
                Some(Err(
                    ref error @ (LineError::TooLong { end, .. } | LineError::NotUtf8 { end, .. }),
                )) => {
                    // A blank line stands for it, so that lines stay side by side.
                    say(&format!("{name}: {error}"));
                    unread += 1;
                    batch.push(Line {
                        text: String::new(),
                        end,
                        number: 0,
                    });
                }
                None => {}
            }
            if batch.len() >= together || ended {
                self.flush(&mut batch)?;
                if let Some(bar) = &mut bar {
                    bar.set(self.number as usize);
                }
            }
            if interrupt.asked() {
                return Ok(());
            }
            if ended {
                break;
            }
        }
        match unread {
            0 => Ok(()),
            _ => bail!(
                "{name}: {} could not be read; blank lines stand for them",
                terminal::counted(unread, "line")
            ),
        }
    }

    /// Translates and prints the lines so far.
    fn flush(&mut self, batch: &mut Vec<Line>) -> Result<()> {
        let texts = match self.columns.is_empty() {
            true => batch.iter().map(|line| vec![line.text.clone()]).collect(),
            false => batch
                .iter()
                .enumerate()
                .map(|(k, line)| {
                    let number = self.number as usize + k + 1;
                    let bodies = table_bodies(&line.text, &self.columns, number)?;
                    Ok(bodies
                        .into_iter()
                        .map(|own| line.text[own].to_string())
                        .collect())
                })
                .collect::<Result<Vec<Vec<String>>, documents::DocumentError>>()?,
        };
        let counts: Vec<usize> = texts.iter().map(Vec::len).collect();
        let all: Vec<String> = texts.into_iter().flatten().collect();
        let mut translations = self.model.translate_all(&all)?.into_iter();
        for (line, count) in batch.drain(..).zip(counts) {
            self.number += 1;
            let own: Vec<Translation> = translations.by_ref().take(count).collect();
            self.show(&line, &own)?;
        }
        Ok(())
    }

    fn show(&mut self, line: &Line, own: &[Translation]) -> Result<()> {
        if let (Some(to), Some(map)) = (
            &self.args.heat,
            own.first().and_then(|own| own.attention.as_ref()),
        ) {
            draw(to, self.number, map)?;
        }
        for warning in own
            .iter()
            .flat_map(|own| &own.warnings)
            .filter(|_| !self.args.json)
        {
            say(&format!(
                "{}: line {}: {warning}",
                typed(&self.args.file),
                self.number
            ));
        }
        if self.args.json {
            for translation in own {
                let mut object = serde_json::json!({ "line": self.number, "source": line.text });
                let detail = serde_json::to_value(translation)?;
                if let (Some(object), Some(detail)) = (object.as_object_mut(), detail.as_object()) {
                    object.extend(detail.clone());
                }
                self.output.write(format!("{object}\n").as_bytes())?;
            }
            return Ok(());
        }
        let mut text = match self.columns.is_empty() {
            true => own.iter().map(|own| own.text.as_str()).collect(),
            false => {
                let texts: Vec<&str> = own.iter().map(|own| own.text.as_str()).collect();
                with_table_bodies(&line.text, &self.columns, &texts, self.number as usize)?
            }
        };
        if self.args.align {
            let pairs = own.iter().filter_map(Translation::pharaoh);
            text = format!("{text}\t{}", pairs.collect::<Vec<_>>().join("\t"));
        }
        self.output.write(format!("{text}{}", line.end).as_bytes())
    }
}

/// A document that is read whole.
fn whole(
    args: &Args,
    model: &Loaded,
    output: &mut Output,
    format: Format,
    input: impl Read,
) -> Result<()> {
    let name = typed(&args.file);
    let mut bytes = Vec::new();
    input
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {name}"))?;
    if bytes.len() as u64 > LARGEST {
        bail!("{name} has more than {LARGEST} bytes; split it");
    }
    let document = Document::parse(format, &bytes, &Options::default())
        .with_context(|| format!("cannot read {name}"))?;
    for warning in document.warnings() {
        say(&format!(
            "{name}: line {}: {}",
            warning.line, warning.reason
        ));
    }
    let texts: Vec<&str> = document
        .segments()
        .iter()
        .map(|own| own.text.as_str())
        .collect();
    let bar = Bar::new(texts.len(), "texts");
    let mut translations = Vec::new();
    for part in texts.chunks(usize::from(args.batch)) {
        translations.extend(model.translate_all(part)?);
        bar.set(translations.len());
    }
    drop(bar);
    for (number, translation) in translations.iter().enumerate() {
        for warning in &translation.warnings {
            say(&format!("{name}: text {}: {warning}", number + 1));
        }
    }
    if args.json {
        for (source, translation) in texts.iter().zip(&translations) {
            let mut object = serde_json::json!({ "source": source });
            let detail = serde_json::to_value(translation)?;
            if let (Some(object), Some(detail)) = (object.as_object_mut(), detail.as_object()) {
                object.extend(detail.clone());
            }
            output.write(format!("{object}\n").as_bytes())?;
        }
        return Ok(());
    }
    let put = |own: Translation| Translated {
        text: own.text,
        alignment: own
            .alignment
            .map(|pairs| pairs.into_iter().map(|[i, j]| (i, j)).collect()),
    };
    let translated: Vec<Translated> = translations.into_iter().map(put).collect();
    output.write(&document.write(&translated)?)
}
