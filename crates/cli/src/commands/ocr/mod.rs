//! `refrain ocr`: pages to text.

mod calibrate;
mod plot;
mod render;

use super::search::Search;
use super::{Compute, Precision, outputs, positive};
use crate::Ending;
use crate::bar::Bar;
use crate::interrupt::Interrupt;
use crate::terminal::{self, say, typed};
use anyhow::{Context, Result, bail};
use refrain::store;
use refrain::tasks::lines::{Components, FindLines};
use refrain::tasks::ocr::{Layout, Loaded, PageOptions, open};
use refrain::tasks::{Site, detection};
use refrain_image::{Limits, Pages};
use refrain_page::Page;
use refrain_page::formats::{Format, Holds, Options, PageImage, Writer};
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Model that reads pages if none is named.
const SHIPPED: &str = "latin";

/// Read the text of pages: photographs, scans, screenshots, PDF pages that are images
#[derive(Debug, clap::Parser)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(after_help = "\
Reads PNG, JPEG, TIFF (all pages), PDF, BMP, PNM, GIF and WebP. Pages may be turned
by quarters and skewed; light text on dark is read, too. Text comes in reading
order; - is a file on standard input. A page that cannot be read is reported and
the others are still read; the exit code then is 1.

Examples:
  refrain ocr scan.png
  refrain ocr --format pdf --out searchable scans/*.tif
  refrain ocr --format json receipt.jpg | jq -r '.pages[].blocks[].lines[].text'
  refrain ocr --layout line --allow 0123456789. meter.png
  refrain ocr --plot lines.png page.jpg
  refrain ocr render --count 60 --sheet lines.png")]
pub struct Args {
    #[command(subcommand)]
    action: Option<Action>,

    /// Files of pages; - is a file on standard input
    #[arg(value_name = "PAGE", required = true)]
    files: Vec<PathBuf>,

    /// Model folder, name of a shipped model, or a .traineddata file of Tesseract [default: latin]
    #[arg(long, short, value_name = "MODEL")]
    model: Option<PathBuf>,

    /// Model folder of a detector, which finds the lines [default: none; lines are found by their letters]
    #[arg(long, value_name = "MODEL")]
    detector: Option<PathBuf>,

    /// How to write: text, json, tsv (the table of Tesseract), hocr, alto, page (PAGE XML) or pdf (searchable)
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,

    /// Write a file for each input into this folder instead of standard output
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Replace output files that exist already
    #[arg(long)]
    force: bool,

    /// The kind of page: auto, page (columns of text), receipt (lines side by side are a row), line, word
    #[arg(long, value_name = "LAYOUT", default_value = "auto", value_parser = layout)]
    layout: Layout,

    /// Readings of each line, in JSON only; more than 1 needs a search
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    best: u16,

    /// Take the page as it is: do not try whether it is turned by quarters
    #[arg(long)]
    upright: bool,

    /// Longest time for a page
    #[arg(long, value_name = "SECONDS", value_parser = positive, default_value = "60")]
    seconds: f64,

    /// Largest page, in millions of pixels
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    megapixels: u32,

    /// Say how long each step of a page took, on standard error and in JSON
    #[arg(long)]
    times: bool,

    /// Draw lines, their order and their confidence on the page, as PNG
    #[arg(long, value_name = "OUT.png")]
    plot: Option<PathBuf>,

    #[command(flatten)]
    search: Search,

    #[command(flatten)]
    compute: Compute,

    #[command(flatten)]
    precision: Precision,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Render(render::Args),
    Calibrate(calibrate::Args),
}

/// Runs the command.
///
/// # Errors
/// A model that cannot be read, or a page that could not be read.
pub fn run(args: &Args) -> Result<Ending> {
    match &args.action {
        Some(Action::Render(args)) => return render::run(args),
        Some(Action::Calibrate(args)) => return calibrate::run(args),
        None => {}
    }
    let site = Site {
        precision: args.precision.get(),
        ..args.compute.site()?
    };
    site.compute(|| read(args, &site))
}

fn layout(name: &str) -> Result<Layout, String> {
    match name {
        "auto" => Ok(Layout::Auto),
        "page" => Ok(Layout::Page),
        "receipt" => Ok(Layout::Receipt),
        "line" => Ok(Layout::Line),
        "word" => Ok(Layout::Word),
        _ => Err("the layouts are auto, page, receipt, line and word".into()),
    }
}

impl Args {
    fn format(&self) -> Format {
        match self.json {
            true => Format::Json,
            false => self.format,
        }
    }
}

/// Refuses arguments that do not go together.
fn check(args: &Args) -> Result<()> {
    if args.best > 1 && args.format() != Format::Json {
        bail!("--best gives further readings in JSON only; add --json");
    }
    if let Some(plot) = &args.plot {
        let ending = plot.extension().map(|own| own.to_ascii_lowercase());
        if ending != Some("png".into()) {
            bail!("--plot writes PNG; {} does not end in .png", typed(plot));
        }
        if args.files.len() > 1 {
            bail!("--plot draws one file; give one");
        }
        outputs::check_output(plot, &args.files, args.force)?;
    }
    let together = args.out.is_none() && args.files.len() > 1;
    if together && args.format().holds() != Holds::AllPages {
        bail!(
            "a file of the format {} holds one image; give a folder with --out",
            args.format().name()
        );
    }
    let inputs = args.files.iter();
    if inputs.filter(|own| outputs::is_standard_input(own)).count() > 1 {
        bail!("standard input can be read once; give - once");
    }
    Ok(())
}

/// The model of this name or folder.
fn load(args: &Args, site: &Site) -> Result<Arc<Loaded>> {
    let folder = match &args.model {
        Some(file) if file.is_file() => file.clone(),
        Some(folder) => store::find(folder)?,
        None => store::shipped(SHIPPED).map_or_else(|| store::find(Path::new(SHIPPED)), Ok)?,
    };
    Ok(open(&folder, args.search.options()?, site)?)
}

/// The search for lines.
fn finder(args: &Args, site: &Site) -> Result<Arc<dyn FindLines>> {
    Ok(match &args.detector {
        Some(folder) => detection::open(&store::find(folder)?, site)?,
        None => Arc::new(Components),
    })
}

type Output = Writer<BufWriter<Box<dyn Write>>>;

/// What all files have in common.
struct Work<'a> {
    args: &'a Args,
    loaded: Arc<Loaded>,
    options: PageOptions,
    limits: Limits,
    interrupt: Interrupt,
}

fn read(args: &Args, site: &Site) -> Result<Ending> {
    check(args)?;
    let format = args.format();
    let planned = outputs::plan(
        &args.files,
        args.out.as_deref(),
        format.extension(),
        args.force,
    )?;
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", typed(folder)))?;
    }
    let work = Work {
        args,
        loaded: load(args, site)?,
        options: PageOptions {
            finder: finder(args, site)?,
            layout: args.layout,
            n_best: usize::from(args.best),
            turn: !args.upright,
            seconds: Some(args.seconds),
            times: args.times,
        },
        limits: Limits {
            pixels: args.megapixels as usize * 1_000_000,
            ..Limits::default()
        },
        interrupt: Interrupt::listen().context("waiting for Ctrl-C")?,
    };
    let mut shared: Option<Output> = match args.out {
        Some(_) => None,
        None => Some(writer(format, Box::new(std::io::stdout()))?),
    };
    let bar = Bar::new(args.files.len(), "files");
    let mut failed = 0;
    for (number, (file, out)) in args.files.iter().zip(&planned).enumerate() {
        let result = match (&mut shared, out) {
            (Some(shared), _) => work.file(file, shared, &bar),
            (None, Some(out)) => work.write_file(file, out, &bar),
            (None, None) => Ok(0),
        };
        match result {
            Ok(bad) => failed += usize::from(bad > 0),
            Err(error) => {
                if terminal::is_broken_pipe(&error) {
                    return Err(error);
                }
                bar.aside(|| say(&outputs::about(file, &error)));
                failed += 1;
            }
        }
        if let Some(signal) = work.interrupt.signal() {
            break_off(shared)?;
            return Ok(Ending::Interrupted(signal));
        }
        bar.set(number + 1);
    }
    drop(bar);
    break_off(shared)?;
    match failed {
        0 => Ok(Ending::Done),
        _ => bail!(
            "{failed} of {} could not be read whole",
            terminal::counted(args.files.len() as u64, "file")
        ),
    }
}

/// Ends the file on standard output.
fn break_off(shared: Option<Output>) -> Result<()> {
    if let Some(shared) = shared {
        shared.finish()?;
    }
    Ok(())
}

fn writer(format: Format, out: Box<dyn Write>) -> Result<Output> {
    Ok(Writer::new(
        format,
        BufWriter::new(out),
        &Options::default(),
    )?)
}

impl Work<'_> {
    /// Reads a file into a file of its own; gives the number of its pages that could not be read.
    fn write_file(&self, file: &Path, out: &Path, bar: &Bar) -> Result<usize> {
        let pages = self.pages(file)?;
        let to: File = outputs::create(out, self.args.force)?;
        let mut writer = writer(self.args.format(), Box::new(to))?;
        let bad = self.all(file, pages, &mut writer, bar)?;
        writer.finish()?;
        Ok(bad)
    }

    /// Reads a file into a file that others share.
    fn file(&self, file: &Path, writer: &mut Output, bar: &Bar) -> Result<usize> {
        self.all(file, self.pages(file)?, writer, bar)
    }

    fn pages(&self, file: &Path) -> Result<Pages> {
        if !outputs::is_standard_input(file) {
            return Ok(Pages::open(file, &self.limits)?);
        }
        let mut bytes = Vec::new();
        let most = self.limits.bytes as u64 + 1;
        let input = std::io::stdin().lock();
        input
            .take(most)
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
        Ok(Pages::of(bytes, &self.limits)?)
    }

    fn all(&self, file: &Path, mut pages: Pages, writer: &mut Output, bar: &Bar) -> Result<usize> {
        let mut bad = 0;
        loop {
            let begin = Instant::now();
            let Some(page) = pages.next() else { break };
            let decoding = begin.elapsed().as_secs_f32();
            if self.interrupt.asked() {
                break;
            }
            match page
                .map_err(anyhow::Error::from)
                .and_then(|page| self.page(file, &page))
            {
                Ok((mut text, image)) => {
                    self.warn(file, &text, bar);
                    if self.args.times {
                        text.seconds.insert("decoding".into(), decoding);
                        self.tell_times(file, &text, bar);
                    }
                    if let (Some(plot), 1) = (&self.args.plot, text.number) {
                        plot::draw(&text, &image, plot, self.args.force)?;
                    }
                    writer.page(&text, Some(&PageImage::Gray(&image)))?;
                }
                Err(error) => {
                    bar.aside(|| say(&outputs::about(file, &error)));
                    bad += 1;
                }
            }
        }
        Ok(bad)
    }

    /// The text of a page, and the page as it is displayed.
    fn page(&self, file: &Path, page: &refrain_image::Page) -> Result<(Page, refrain_image::Gray)> {
        let mut text = self.loaded.read_page(page, &self.options)?;
        text.file = match outputs::is_standard_input(file) {
            true => "-".into(),
            false => file.to_string_lossy().into_owned(),
        };
        let turned = i32::from(text.turned) - page.turned;
        let image = match turned.rem_euclid(4) {
            0 => page.image.clone(),
            quarters => page.image.turned(quarters),
        };
        Ok((text, image))
    }

    fn tell_times(&self, file: &Path, page: &Page, bar: &Bar) {
        let (file, number) = (outputs::shown(file), page.number);
        let steps = page.seconds.iter();
        let steps: Vec<String> = steps
            .map(|(name, own)| format!("{name} {own:.3}"))
            .collect();
        let all: f32 = page.seconds.values().sum();
        let steps = steps.join(", ");
        bar.aside(|| say(&format!("{file}, page {number}: {all:.3} s: {steps}")));
    }

    fn warn(&self, file: &Path, page: &Page, bar: &Bar) {
        for warning in &page.warnings {
            let (file, number) = (outputs::shown(file), page.number);
            bar.aside(|| say(&format!("{file}, page {number}: {warning}")));
        }
    }
}
