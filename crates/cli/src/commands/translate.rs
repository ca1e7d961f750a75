//! `refrain translate`: text, tables, pages and subtitles into another language.

use super::{Compute, Precision, temperature, top_k, top_p, whole};
use crate::Ending;
use crate::bar::Bar;
use crate::drawing::HeatMap;
use crate::interrupt::Interrupt;
use crate::lines::{is_standard_input, open};
use crate::terminal::{self, say, typed};
use anyhow::{Context, Result, bail};
use refrain::store;
use refrain::tasks::translation::{
    self, AttentionMap, Loaded, Shipped, TranslateOptions, Translation, TranslationTask,
};
use refrain::tasks::{Site, open as open_model};
use refrain_text::documents::{
    self, Document, Format, Options, Translated, table_bodies, with_table_bodies,
};
use refrain_text::language::Recognizer;
use refrain_text::lines::{Line, LineError, Lines, is_utf16};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;
use tempfile::NamedTempFile;

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
blank stay blank. Numbers, money, times and addresses are copied; a warning
names those that got lost. Without --model, a shipped model of the direction
that --from and --to name translates; without --from, the language of the text is
recognised.

Examples:
  echo \"The dog is asleep.\" | refrain translate --to ja
  echo \"three hundred and forty-two\" | refrain translate --model runs/numbers-en-ko
  refrain translate --model runs/multi30k-en-de page.html > seite.html
  refrain translate --model runs/multi30k-en-de film.srt --out film.de.srt
  refrain translate --model runs/multi30k-en-de pairs.tsv --column 2
  refrain translate --model runs/multi30k-en-de lines.txt --json --n-best 3
  echo \"A dog runs.\" | refrain translate --model runs/multi30k-en-de --heat dog.svg
  echo \"A dog runs.\" | refrain translate --to ja --top-p 0.9 --n-best 5 --json")]
pub struct Args {
    /// File to translate; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    /// Model folder, or the name of a shipped model; given more than once, the models work together
    /// [default: a shipped one of this direction]
    #[arg(long, short, value_name = "MODEL")]
    model: Vec<PathBuf>,

    /// Source language, e.g. en [default: that of the model, or of the text]
    #[arg(long, value_name = "CODE", value_parser = language)]
    from: Option<String>,

    /// Target language [default: that of the model]
    #[arg(long, value_name = "CODE", value_parser = language)]
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

    /// Draw the attention between the words of each line: FILE.svg or FILE.png (FILE-2.svg for the second line), or -
    /// for the terminal
    #[arg(long, value_name = "FILE", value_parser = picture)]
    heat: Option<PathBuf>,

    /// Exponent of the length in the score; 0 favours short translations
    #[arg(long, value_name = "X", value_parser = at_least_zero)]
    length_penalty: Option<f64>,

    /// Weight of the coverage penalty: favours translations that look at every source word
    #[arg(long, value_name = "X", value_parser = at_least_zero)]
    coverage_penalty: Option<f64>,

    /// Beginning of each translation
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,

    /// Word that stands in each translation; may be given more than once
    #[arg(long = "word", value_name = "TEXT")]
    words: Vec<String>,

    /// No run of N tokens comes twice
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    no_repeat: Option<u16>,

    /// Draw translations at random with this temperature instead of searching; below 1: likelier ones; 0: the likeliest
    /// token each time
    #[arg(long, value_name = "X", value_parser = temperature, conflicts_with_all = ["beam", "words"])]
    temperature: Option<f64>,

    /// Draw among the K likeliest tokens
    #[arg(long, value_name = "K", value_parser = top_k, conflicts_with_all = ["beam", "words"])]
    top_k: Option<usize>,

    /// Draw among the likeliest tokens whose probabilities add up to P
    #[arg(long, value_name = "P", value_parser = top_p, conflicts_with_all = ["beam", "words"])]
    top_p: Option<f64>,

    /// Seed of the draws; the same seed and sentence give the same draws [default: 1]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole)]
    seed: Option<u64>,

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
    let (format, input, head) = find_format(args)?;
    // Before, the first line may be waited for, and Ctrl-C ends that at once.
    let interrupt = Interrupt::listen().context("waiting for Ctrl-C")?;
    let lines = by_line(format, &head);
    let mut folders = match args.model.as_slice() {
        [] => vec![choose(args, &head)?],
        models => {
            let found = models.iter().map(|model| store::find(model));
            found.collect::<Result<_, _>>()?
        }
    };
    let first = folders.remove(0);
    let options = TranslateOptions {
        beam: args.beam.map(usize::from),
        n_best: args.n_best.map(usize::from),
        length_penalty: args.length_penalty,
        coverage_penalty: args.coverage_penalty,
        no_repeat: args.no_repeat.map(usize::from),
        // The tags of a document follow the words.
        align: args.align || args.json || !lines,
        attention: args.heat.is_some(),
        batch: Some(usize::from(args.batch)),
        prefix: args.prefix.clone(),
        words: args.words.clone(),
        ensemble: folders,
        temperature: args.temperature,
        top_k: args.top_k,
        top_p: args.top_p,
        seed: args.seed,
    };
    let model = site.compute(|| open_model::<TranslationTask>(&first, options, &site))?;
    check_direction(args, &model)?;
    let mut output = Output::new(args)?;
    let unread = site.compute(|| match lines {
        true => lines_of(args, format, &model, &mut output, input, &interrupt),
        false => whole_document(args, &model, &mut output, format, input, &interrupt).map(|()| 0),
    })?;
    if let Some(signal) = interrupt.signal() {
        return Ok(Ending::Interrupted(signal));
    }
    output.close()?;
    match unread {
        0 => Ok(Ending::Done),
        _ => bail!(
            "{}: {} could not be read or translated, and stayed blank or as they were",
            typed(&args.file),
            terminal::counted(unread, "line")
        ),
    }
}

/// A number of at least 0.
fn at_least_zero(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("a number of 0 or more is needed".into()),
    }
}

/// The code of a language in lower case, without its region: `en` for `en-US`.
fn language(text: &str) -> Result<String, String> {
    let code = text.split(['-', '_']).next().unwrap_or_default();
    match !code.is_empty() && code.chars().all(char::is_alphanumeric) {
        true => Ok(code.to_lowercase()),
        false => Err("the code of a language is needed, e.g. en".into()),
    }
}

/// A model that ships, of the direction that is asked for. The language of the text, as its beginning `head` has it,
/// decides where several would do.
///
/// # Errors
/// No such model, or several.
fn choose(args: &Args, head: &[u8]) -> Result<PathBuf> {
    let all = translation::shipped();
    let list = |all: &[Shipped]| {
        let names = all
            .iter()
            .map(|own| format!("{} ({} to {})", own.name, own.from, own.to));
        names.collect::<Vec<_>>().join(", ")
    };
    let fits = |asked: &Option<String>, own: &str| asked.as_ref().is_none_or(|asked| asked == own);
    let found: Vec<Shipped> = all
        .iter()
        .filter(|own| fits(&args.from, &own.from) && fits(&args.to, &own.to))
        .cloned()
        .collect();
    let found = match (found.len(), &args.from) {
        (2.., None) => {
            let text = String::from_utf8_lossy(head);
            let detection = Recognizer::built_in().detect(&text);
            // A text without letters is in no language, so that several models stay possible.
            let reads = |own: &Shipped| detection.best().is_none_or(|best| best.code == own.from);
            found.into_iter().filter(reads).collect()
        }
        _ => found,
    };
    match (found.as_slice(), all.as_slice()) {
        ([one], _) => Ok(one.folder.clone()),
        (_, []) => bail!("no translation model was found; train one, and name it with --model"),
        ([], _) => bail!(
            "no shipped model translates in this direction; there are {}; name one of your own with --model",
            list(&all)
        ),
        (several, _) => bail!(
            "several models would do: {}; choose one with --model, or with --from and --to",
            list(several)
        ),
    }
}

type Input = Box<dyn Read + Send>;

/// Bytes of the beginning of an input by which its kind and language are found.
const HEAD: usize = 4096;

/// Whether an input is read line by line: text, but for UTF-16, which is read whole.
fn by_line(format: Format, head: &[u8]) -> bool {
    matches!(format, Format::Lines | Format::Table) && !is_utf16(head)
}

/// The kind of the document, all of its bytes, and its beginning as far as it had to be read.
///
/// # Errors
/// A file that cannot be read, or options that the kind does not have.
fn find_format(args: &Args) -> Result<(Format, Input, Vec<u8>)> {
    let mut input = open(&args.file)?;
    let mut head = Vec::new();
    // Standard input may be slow: its first line must not wait for more.
    let streamed = is_standard_input(&args.file);
    let cannot = || format!("cannot read {}", typed(&args.file));
    if !streamed {
        let read = input.by_ref().take(HEAD as u64).read_to_end(&mut head);
        read.with_context(cannot)?;
    } else if args.model.is_empty() {
        head = first_line(&mut input).with_context(cannot)?;
    }
    let format = match args.format {
        Some(kind) => kind.format(),
        None if streamed => Format::Lines,
        None => documents::detect_format(&args.file, &head),
    };
    if format == Format::Tmx {
        bail!(
            "{} is a translation memory, which has its translations already; give a document of another kind",
            typed(&args.file)
        );
    }
    let lines = by_line(format, &head);
    match (format, args) {
        (Format::Table, Args { align: true, .. }) => {
            bail!("--align is for plain text, not for tables")
        }
        (Format::Lines, Args { column, .. }) if !column.is_empty() => {
            bail!("--column is for tables; add --format tsv")
        }
        (
            _,
            Args {
                align,
                heat,
                column,
                ..
            },
        ) if !lines && (*align || heat.is_some() || !column.is_empty()) => {
            bail!("--align, --heat and --column are for lines and tables, not for {format:?}")
        }
        _ => {
            let all = std::io::Cursor::new(head.clone()).chain(input);
            Ok((format, Box::new(all), head))
        }
    }
}

/// The first line with a letter and the lines before it, at most [`HEAD`] bytes.
fn first_line(input: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while head.len() < HEAD {
        match input.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => head.push(byte[0]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        let letters = || {
            String::from_utf8_lossy(&head)
                .chars()
                .any(char::is_alphabetic)
        };
        if byte == [b'\n'] && letters() {
            break;
        }
    }
    Ok(head)
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

/// Says where a text is surely in another language than the model reads. False, if it has too few letters to tell.
fn check_language(args: &Args, model: &Loaded, text: &str) -> bool {
    /// Letters below which a guess is no more than that.
    const ENOUGH: usize = 20;
    if text.chars().filter(|c| c.is_alphabetic()).count() < ENOUGH {
        return false;
    }
    let known = Recognizer::built_in();
    let [from, _] = model.direction();
    if let Some(best) = known.detect(text).best()
        && best.probability > 0.999
        && best.code != from
        && known.codes().any(|code| code == from)
    {
        say(&format!(
            "{}: the text seems to be {}, and the model reads {from}",
            typed(&args.file),
            best.code
        ));
    }
    true
}

/// The output: standard output, or a file that takes its name when it is complete.
enum Output {
    Standard,
    File { name: PathBuf, aside: NamedTempFile },
}

impl Output {
    fn new(args: &Args) -> Result<Self> {
        let name = args.out.clone();
        let Some(name) = name.filter(|name| !is_standard_input(name)) else {
            return Ok(Self::Standard);
        };
        let same = |a: &Path, b: &Path| match (a.canonicalize(), b.canonicalize()) {
            (Ok(a), Ok(b)) => a == b,
            _ => a == b,
        };
        if same(&name, &args.file) {
            bail!(
                "{} is the input; choose another file with --out",
                typed(&name)
            );
        }
        if name.exists() && !name.is_file() {
            bail!(
                "{} is not an ordinary file; choose another one with --out",
                typed(&name)
            );
        }
        let folder = match name.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let aside = NamedTempFile::new_in(folder);
        let aside = aside.with_context(|| format!("cannot write {}", typed(&name)))?;
        Ok(Self::File { name, aside })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Standard => terminal::print_bytes(bytes),
            Self::File { name, aside } => aside
                .write_all(bytes)
                .with_context(|| format!("cannot write {}", typed(name))),
        }
    }

    /// Gives the file its name. Without this call, what was there before stays.
    fn close(self) -> Result<()> {
        let Self::File { name, aside } = self else {
            return Ok(());
        };
        let cannot = || format!("cannot write {}", typed(&name));
        aside.as_file().sync_all().with_context(cannot)?;
        // The modes of a new file, not those of a temporary one.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let modes = std::fs::Permissions::from_mode(0o644);
            aside
                .as_file()
                .set_permissions(modes)
                .with_context(cannot)?;
        }
        aside.persist(&name).map(|_| ()).with_context(cannot)
    }
}

/// Translates lines or a table; gives the number of lines that were not translated.
fn lines_of(
    args: &Args,
    format: Format,
    model: &Loaded,
    output: &mut Output,
    input: Input,
    interrupt: &Interrupt,
) -> Result<u64> {
    let columns: Vec<usize> = match (format, args.column.as_slice()) {
        (Format::Table, []) => vec![0],
        (_, columns) => columns.iter().map(|n| *n as usize - 1).collect(),
    };
    let mut work = LineWork {
        args,
        model,
        output,
        columns,
        number: 0,
        failed: 0,
        checked: false,
    };
    match is_standard_input(&args.file) {
        true => work.streamed(input, interrupt)?,
        false => work.read(input, interrupt)?,
    }
    Ok(work.failed)
}

type Read1 = Result<Line, LineError>;

/// Lines and tables, some at a time.
struct LineWork<'a> {
    args: &'a Args,
    model: &'a Loaded,
    output: &'a mut Output,
    /// Columns of a table, from 0; none: whole lines.
    columns: Vec<usize>,
    number: u64,
    /// Lines that could not be read or translated.
    failed: u64,
    /// Whether the language of the text has been compared with that of the model.
    checked: bool,
}

impl LineWork<'_> {
    /// Lines of a file, some at a time.
    fn read(&mut self, input: Input, interrupt: &Interrupt) -> Result<()> {
        let bar = Bar::new(0, "lines");
        let mut batch = Vec::new();
        for line in Lines::new(BufReader::new(input), LONGEST) {
            self.take(line, &mut batch)?;
            if batch.len() == TOGETHER {
                bar.aside(|| self.flush(&mut batch))?;
                bar.set(self.number as usize);
            }
            if interrupt.asked() {
                return Ok(());
            }
        }
        bar.aside(|| self.flush(&mut batch))
    }

    /// Lines of standard input: those that are there are translated together, and none waits for a later one.
    fn streamed(&mut self, input: Input, interrupt: &Interrupt) -> Result<()> {
        let together = usize::from(self.args.batch);
        let (send, receive) = sync_channel::<Read1>(together);
        // The thread ends with the input, or with the receiver.
        std::thread::spawn(move || {
            for line in Lines::new(BufReader::new(input), LONGEST) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let mut batch = Vec::new();
        loop {
            match receive.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => self.take(line, &mut batch)?,
                Err(RecvTimeoutError::Timeout) if interrupt.asked() => return Ok(()),
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            while batch.len() < together
                && let Ok(line) = receive.try_recv()
            {
                self.take(line, &mut batch)?;
            }
            self.flush(&mut batch)?;
            if interrupt.asked() {
                return Ok(());
            }
        }
    }

    /// Adds a line to the batch. A blank line stands for one that cannot be read, so that lines stay side by side.
    fn take(&mut self, line: Read1, batch: &mut Vec<Line>) -> Result<()> {
        let name = typed(&self.args.file);
        let line = match line {
            Ok(line) => line,
            Err(LineError::Io { error, .. }) => {
                self.flush(batch)?;
                return Err(error).with_context(|| format!("cannot read {name}"));
            }
            Err(error) => {
                say(&format!("{name}: {error}"));
                self.failed += 1;
                let (LineError::TooLong { end, line, .. } | LineError::NotUtf8 { end, line, .. }) =
                    error
                else {
                    return Ok(());
                };
                Line {
                    text: String::new(),
                    end,
                    number: line,
                }
            }
        };
        batch.push(line);
        Ok(())
    }

    /// The texts of a line to translate. A table's line of too few columns stays as it is.
    fn texts(&mut self, line: &Line) -> Vec<String> {
        if self.columns.is_empty() {
            return vec![line.text.clone()];
        }
        if line.text.trim().is_empty() {
            return Vec::new();
        }
        match table_bodies(&line.text, &self.columns, line.number as usize) {
            Ok(bodies) => bodies
                .into_iter()
                .map(|own| line.text[own].to_string())
                .collect(),
            Err(error) => {
                say(&format!("{}: {error}", typed(&self.args.file)));
                self.failed += 1;
                Vec::new()
            }
        }
    }

    /// Translates and prints the lines so far.
    fn flush(&mut self, batch: &mut Vec<Line>) -> Result<()> {
        let lines: Vec<Line> = std::mem::take(batch);
        let texts: Vec<Vec<String>> = lines.iter().map(|line| self.texts(line)).collect();
        let counts: Vec<usize> = texts.iter().map(Vec::len).collect();
        let all: Vec<String> = texts.into_iter().flatten().collect();
        if !self.checked {
            self.checked = check_language(self.args, self.model, &all.concat());
        }
        let mut translations = self.model.translate_all(&all)?.into_iter();
        for (line, count) in lines.iter().zip(counts) {
            self.number += 1;
            let own: Vec<Translation> = translations.by_ref().take(count).collect();
            self.show(line, &own)?;
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
            for (k, translation) in own.iter().enumerate() {
                let mut object = serde_json::json!({ "line": self.number, "source": line.text });
                if let Some(column) = self.columns.get(k) {
                    object["column"] = (column + 1).into();
                }
                self.output
                    .write(json_line(object, translation)?.as_bytes())?;
            }
            return Ok(());
        }
        let mut text = match self.columns.is_empty() {
            false if own.is_empty() => line.text.clone(),
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
fn whole_document(
    args: &Args,
    model: &Loaded,
    output: &mut Output,
    format: Format,
    input: Input,
    interrupt: &Interrupt,
) -> Result<()> {
    let document = read_document(args, model, format, input)?;
    let segments = document.segments().iter();
    let texts: Vec<&str> = segments.map(|own| own.text.as_str()).collect();
    let bar = Bar::new(texts.len(), "texts");
    let mut translations = Vec::new();
    for part in texts.chunks(usize::from(args.batch)) {
        translations.extend(model.translate_all(part)?);
        bar.set(translations.len());
        if interrupt.asked() {
            return Ok(());
        }
    }
    drop(bar);
    let name = typed(&args.file);
    for (number, translation) in translations.iter().enumerate() {
        for warning in &translation.warnings {
            say(&format!("{name}: text {}: {warning}", number + 1));
        }
    }
    if args.json {
        for (source, translation) in texts.iter().zip(&translations) {
            let object = json_line(serde_json::json!({ "source": source }), translation)?;
            output.write(object.as_bytes())?;
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

/// Reads a document, and says where it was not understood or is in another language than the model reads.
fn read_document(args: &Args, model: &Loaded, format: Format, input: Input) -> Result<Document> {
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
    let stated = document.languages();
    for (stated, own) in stated.iter().zip(model.direction()) {
        if let Some(stated) = stated
            && language(stated).is_ok_and(|code| code != own)
        {
            say(&format!(
                "{name}: it states the language {stated}, and the model's is {own}"
            ));
        }
    }
    if stated[0].is_none() {
        let some = document.segments().iter().take(TOGETHER);
        let some: String = some.map(|own| own.text.as_str()).collect();
        check_language(args, model, &some);
    }
    Ok(document)
}

/// A line of JSON: an object with the fields of a translation.
fn json_line(mut object: serde_json::Value, translation: &Translation) -> Result<String> {
    let detail = serde_json::to_value(translation)?;
    if let (Some(object), Some(detail)) = (object.as_object_mut(), detail.as_object()) {
        object.extend(detail.clone());
    }
    Ok(format!("{object}\n"))
}
