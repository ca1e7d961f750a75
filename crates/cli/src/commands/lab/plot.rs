//! Draws lines over the lag as pictures, and writes them as a table.

use anyhow::{Context, Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Width and height in pixels.
const SIZE: (u32, u32) = (1000, 600);
/// Smaller norms are drawn at this value.
const LEAST: f64 = 1e-12;
/// Colours that people with colour blindness can tell apart (Okabe & Ito 2008).
pub const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
    RGBColor(240, 228, 66),
];

/// The norm of a gradient at every lag.
pub struct Line {
    pub name: String,
    pub norms: Vec<f64>,
}

/// Writes `out.csv`, `out.svg` and `out.png`.
///
/// # Errors
/// A file that cannot be written.
pub fn write(out: &Path, lines: &[Line]) -> Result<()> {
    let file = |ending: &str| -> PathBuf {
        let mut name = out.as_os_str().to_owned();
        name.push(format!(".{ending}"));
        name.into()
    };
    let csv = file("csv");
    std::fs::write(&csv, table(lines))
        .with_context(|| format!("cannot write {}", csv.display()))?;
    font()?;
    for path in [file("svg"), file("png")] {
        let drawn = match path.extension().is_some_and(|ending| ending == "svg") {
            true => draw(&SVGBackend::new(&path, SIZE).into_drawing_area(), lines),
            false => draw(&BitMapBackend::new(&path, SIZE).into_drawing_area(), lines),
        };
        drawn.map_err(|problem| anyhow!("cannot draw {}: {problem}", path.display()))?;
    }
    Ok(())
}

/// Registers the font of the program.
///
/// # Errors
/// None, unless the program file is damaged.
pub fn font() -> Result<()> {
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| anyhow!("the font that comes with the program cannot be read"))
}

/// One column per line, one row per lag.
fn table(lines: &[Line]) -> String {
    let mut text = String::from("lag");
    for line in lines {
        let _ = write!(text, ",\"{}\"", line.name.replace('"', "\"\""));
    }
    text.push('\n');
    let longest = lines.iter().map(|line| line.norms.len()).max().unwrap_or(0);
    for lag in 0..longest {
        let _ = write!(text, "{lag}");
        for line in lines {
            let norm = line.norms.get(lag);
            let _ = write!(
                text,
                ",{}",
                norm.map_or(String::new(), |norm| format!("{norm:e}"))
            );
        }
        text.push('\n');
    }
    text
}

fn draw<B: DrawingBackend>(area: &DrawingArea<B, Shift>, lines: &[Line]) -> Result<(), String> {
    let drawn = || -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        area.fill(&WHITE)?;
        let all = || {
            lines
                .iter()
                .flat_map(|line| &line.norms)
                .map(|norm| norm.max(LEAST))
        };
        let (least, most) =
            all().fold((f64::MAX, LEAST), |(a, b), norm| (a.min(norm), b.max(norm)));
        let longest = lines.iter().map(|line| line.norms.len()).max().unwrap_or(1);
        let mut chart = ChartBuilder::on(area)
            .caption(
                "How much of the loss reaches the state, k steps before",
                ("sans-serif", 20),
            )
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d(
                0..longest.max(2),
                (least.min(most / 2.0) / 2.0..most * 2.0).log_scale(),
            )?;
        chart
            .configure_mesh()
            .x_desc("lag k, steps")
            .y_desc("norm of the gradient")
            .y_label_formatter(&|y| format!("{y:.0e}"))
            .draw()?;
        for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
            let points = line
                .norms
                .iter()
                .enumerate()
                .map(|(lag, norm)| (lag, norm.max(LEAST)));
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
                .label(&line.name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2))
                });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .draw()?;
        area.present()
    };
    drawn().map_err(|problem| problem.to_string())
}
