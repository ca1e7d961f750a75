//! `refrain ocr render`: the lines that a training sees.

use crate::Ending;
use crate::commands::{Data, outputs};
use crate::terminal::{say, typed};
use anyhow::{Context, Result, bail};
use refrain::tasks::ocr::{Line, rendered};
use refrain::tasks::{Site, TASKS};
use refrain_image::{Canvas, Gray, Point, Rect};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Show or write the lines that a recipe renders: images and their texts
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Examples:
  refrain ocr render --count 60 --sheet lines.png
  refrain ocr render --fonts /usr/share/fonts --count 1000 --out lines
  refrain ocr render --recipe my-lines.toml --severity 0 --sheet clean.png")]
pub struct Args {
    /// Recipe whose lines are rendered, by name or file
    #[arg(long, value_name = "RECIPE", default_value = "ocr-latin")]
    recipe: String,

    /// Folder of fonts instead of those of the recipe; may be given again
    #[arg(long, value_name = "DIR")]
    fonts: Vec<PathBuf>,

    /// Lines
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,

    /// Strength of all changes of the image, 0 to 1
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = share)]
    severity: f32,

    /// Seed of all random numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Draw all lines on one PNG
    #[arg(long, value_name = "OUT.png", required_unless_present = "out")]
    sheet: Option<PathBuf>,

    /// Write NAME.png and NAME.gt.txt for each line into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Replace output files that exist already
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    data: Data,
}

fn share(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(share @ 0.0..=1.0) => Ok(share),
        _ => Err("a number from 0 to 1 is needed".into()),
    }
}

/// Most lines of a sheet.
const SHEET: u32 = 1000;

/// Runs the command.
///
/// # Errors
/// A recipe that renders nothing, fonts that are missing, or files that cannot be written.
pub fn run(args: &Args) -> Result<Ending> {
    if args.sheet.is_some() && args.count > SHEET {
        bail!("a sheet has room for {SHEET} lines; give a smaller --count");
    }
    let mut settings = Vec::new();
    if !args.fonts.is_empty() {
        let folders = args.fonts.iter().map(std::path::absolute);
        let folders: Vec<PathBuf> = folders.collect::<Result<_, _>>()?;
        let list: Vec<String> = folders.iter().map(|own| toml_string(own)).collect();
        settings.push(format!("data.render.fonts=[{}]", list.join(",")));
    }
    let recipe = TASKS.choose(&args.recipe, &settings)?.recipe;
    let site = Site {
        seed: args.seed,
        ..Site::default()
    };
    let site = match args.data.folder()? {
        Some(folder) => site.with_data(folder),
        None => site,
    };
    let lines = rendered(&recipe, &site, args.count as usize, args.severity)?;
    if let Some(sheet) = &args.sheet {
        outputs::check_output(sheet, &[], args.force)?;
        write(sheet, &draw(&lines)?, args.force)?;
    }
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", typed(folder)))?;
        for (number, line) in lines.iter().enumerate() {
            let name = folder.join(format!("{number:06}"));
            write(
                &name.with_extension("png"),
                &line.image.to_png()?,
                args.force,
            )?;
            let text = format!("{}\n", line.text);
            write(&name.with_extension("gt.txt"), text.as_bytes(), args.force)?;
        }
        say(&format!("{} lines are in {}", lines.len(), typed(folder)));
    }
    Ok(Ending::Done)
}

/// A path as a string of a recipe.
fn toml_string(path: &Path) -> String {
    format!("{:?}", path.to_string_lossy())
}

fn write(out: &Path, bytes: &[u8], force: bool) -> Result<()> {
    let mut file = outputs::create(out, force)?;
    file.write_all(bytes)
        .with_context(|| format!("cannot write {}", typed(out)))
}

/// Every line with its text below it, in two columns.
fn draw(lines: &[Line]) -> Result<Vec<u8>> {
    const WIDTH: usize = 620;
    const HEIGHT: usize = 48;
    const ROW: usize = HEIGHT + 22;
    let rows = lines.len().div_ceil(2);
    let mut sheet = Gray::filled(2 * WIDTH + 30, rows * ROW + 10, 255);
    let place = |number: usize| (10 + number % 2 * (WIDTH + 10), 6 + number / 2 * ROW);
    for (number, line) in lines.iter().enumerate() {
        let image = fitted(&line.image, WIDTH, HEIGHT);
        let (left, top) = place(number);
        let across = sheet.width();
        for y in 0..image.height() {
            let at = (top + y) * across + left;
            sheet.pixels_mut()[at..at + image.width()].copy_from_slice(image.row(y));
        }
    }
    let mut canvas = Canvas::from(&sheet);
    for (number, line) in lines.iter().enumerate() {
        let (left, top) = place(number);
        let image = fitted(&line.image, WIDTH, HEIGHT);
        let frame = Rect {
            x: left,
            y: top,
            width: image.width(),
            height: image.height(),
        };
        canvas.outline(&frame.quad(), 1.0, [180, 190, 210, 255]);
        let at = Point {
            x: left as f32,
            y: (top + HEIGHT) as f32,
        };
        canvas.text(at, 15.0, &line.text, [20, 60, 160, 255]);
    }
    Ok(canvas.to_png()?)
}

/// An image within this size, never enlarged.
fn fitted(image: &Gray, width: usize, height: usize) -> Gray {
    let wide = image.width() as f32 / width as f32;
    let high = image.height() as f32 / height as f32;
    let factor = wide.max(high).max(1.0);
    let size = |pixels: usize| ((pixels as f32 / factor) as usize).max(1);
    image.resize(size(image.width()), size(image.height()))
}
