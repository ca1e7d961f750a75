//! Lines drawn as SVG and PNG, with their numbers beside them as CSV.

use anyhow::{Context, Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use std::path::{Path, PathBuf};

/// Width and height of a panel in pixels.
const SIZE: (u32, u32) = (1000, 600);
/// Smaller values are drawn at this value on a logarithmic axis.
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

/// Points with a name, joined by a line.
pub struct Line {
    /// Its name in the legend.
    pub name: String,
    /// Points in the order in which they are joined; those that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

/// Lines with axes.
pub struct Panel {
    /// Its title.
    pub caption: String,
    /// Names of both axes.
    pub axes: [String; 2],
    /// Whether the upright axis is logarithmic.
    pub logarithmic: bool,
    /// Where the legend stands.
    pub legend: SeriesLabelPosition,
    /// Its lines, each in the next colour.
    pub lines: Vec<Line>,
    /// Values that are drawn as level grey lines, with their names.
    pub levels: Vec<(String, f64)>,
}

impl Panel {
    /// Whether there is anything to draw.
    pub fn is_empty(&self) -> bool {
        self.values().next().is_none()
    }

    /// A value as it is drawn.
    fn drawn(&self, value: f64) -> f64 {
        if self.logarithmic {
            value.max(LEAST)
        } else {
            value
        }
    }

    /// A line's points as they are drawn.
    fn points<'a>(&'a self, line: &'a Line) -> impl Iterator<Item = (f64, f64)> + 'a {
        let finite = |(x, y): &&(f64, f64)| x.is_finite() && y.is_finite();
        let points = line.points.iter().filter(finite);
        points.map(|(x, y)| (*x, self.drawn(*y)))
    }

    fn values(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.lines.iter().flat_map(|line| self.points(line))
    }

    /// The stretch of the upright axis, with some room.
    fn height(&self) -> (f64, f64) {
        let levels = self.levels.iter().map(|(_, value)| self.drawn(*value));
        let all = self.values().map(|(_, y)| y).chain(levels);
        let (least, most) = all.fold((f64::MAX, f64::MIN), |(a, b), y| (a.min(y), b.max(y)));
        match self.logarithmic {
            true => (least.min(most / 2.0) / 2.0, most * 2.0),
            false => {
                let room = (0.05 * (most - least)).max(1e-6 * most.abs()).max(1e-9);
                (least - room, most + room)
            }
        }
    }

    /// The stretch of the level axis, from 0 on.
    fn width(&self) -> (f64, f64) {
        let all = self.values().map(|(x, _)| x);
        all.fold((0.0, 1.0), |(a, b): (f64, f64), x| (a.min(x), b.max(x)))
    }
}

/// Writes `out.csv` with the text of `table`, and `out.svg` and `out.png` with the panels below each other.
///
/// # Errors
/// A file that cannot be written.
pub fn write(out: &Path, panels: &[Panel], table: &str) -> Result<()> {
    let file = |ending: &str| -> PathBuf {
        let mut name = out.as_os_str().to_owned();
        name.push(format!(".{ending}"));
        name.into()
    };
    let csv = file("csv");
    std::fs::write(&csv, table).with_context(|| format!("cannot write {}", csv.display()))?;
    font()?;
    let size = (SIZE.0, SIZE.1 * u32::try_from(panels.len().max(1))?);
    for path in [file("svg"), file("png")] {
        // The drawing library would hide the reason.
        std::fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let drawn = match path.extension().is_some_and(|ending| ending == "svg") {
            true => draw(&SVGBackend::new(&path, size).into_drawing_area(), panels),
            false => draw(&BitMapBackend::new(&path, size).into_drawing_area(), panels),
        };
        drawn.map_err(|problem| anyhow!("cannot draw {}: {problem}", path.display()))?;
    }
    Ok(())
}

/// Weights in 0 to 1 as a picture: a row for each of `rows`, a column for each of `columns`.
pub struct HeatMap<'a> {
    /// Names on the left.
    pub rows: &'a [String],
    /// Names at the top.
    pub columns: &'a [String],
    /// Row by row.
    pub weights: &'a [Vec<f32>],
}

impl HeatMap<'_> {
    /// The weights as shades of a character each, for a terminal.
    pub fn text(&self) -> String {
        const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
        let shade = |weight: &f32| {
            let level = (weight.clamp(0.0, 1.0) * SHADES.len() as f32) as usize;
            SHADES[level.min(SHADES.len() - 1)]
        };
        let mut out = String::new();
        for (number, column) in self.columns.iter().enumerate() {
            out += &format!("{}┌ {column}\n", "│ ".repeat(number));
        }
        for (row, weights) in self.rows.iter().zip(self.weights) {
            for weight in weights {
                let shade = shade(weight);
                out.extend([shade, shade]);
            }
            out += &format!(" {row}\n");
        }
        out
    }

    /// Writes an SVG or a PNG, by the ending of the name.
    ///
    /// # Errors
    /// Another ending, or a file that cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let ending = path
            .extension()
            .and_then(|own| own.to_str())
            .unwrap_or_default();
        font()?;
        let longest = |names: &[String]| {
            let most = names.iter().map(|own| own.chars().count()).max();
            12 * most.unwrap_or(0).clamp(2, 40) as i32 + 16
        };
        let (left, top) = (longest(self.rows), longest(self.columns));
        let size = (
            left as u32 + CELL as u32 * self.columns.len().clamp(1, 400) as u32 + 16,
            top as u32 + CELL as u32 * self.rows.len().clamp(1, 400) as u32 + 16,
        );
        // The drawing library would hide the reason.
        std::fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let drawn = match ending {
            "svg" => self.draw(
                &SVGBackend::new(path, size).into_drawing_area(),
                [left, top],
            ),
            "png" => self.draw(
                &BitMapBackend::new(path, size).into_drawing_area(),
                [left, top],
            ),
            _ => return Err(anyhow!("a picture ends in .svg or .png, not .{ending}")),
        };
        drawn.map_err(|problem| anyhow!("cannot draw {}: {problem}", path.display()))
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        [left, top]: [i32; 2],
    ) -> Result<(), String> {
        let drawn = || -> Drawn<B> {
            area.fill(&WHITE)?;
            let style = ("sans-serif", 16).into_font();
            for (i, row) in self.rows.iter().enumerate() {
                let at = (8, top + i as i32 * CELL + 6);
                area.draw(&Text::new(row.clone(), at, style.clone()))?;
            }
            let turned = style.transform(FontTransform::Rotate270);
            for (j, column) in self.columns.iter().enumerate() {
                let at = (left + j as i32 * CELL + 6, top - 8);
                area.draw(&Text::new(column.clone(), at, turned.clone()))?;
            }
            for (i, weights) in self.weights.iter().enumerate() {
                for (j, weight) in weights.iter().enumerate() {
                    let (x, y) = (left + j as i32 * CELL, top + i as i32 * CELL);
                    let shade = (255.0 * (1.0 - weight.clamp(0.0, 1.0))) as u8;
                    let colour = RGBColor(shade, shade, 255 - (255 - shade) / 4);
                    let corners = [(x, y), (x + CELL - 1, y + CELL - 1)];
                    area.draw(&Rectangle::new(corners, colour.filled()))?;
                }
            }
            area.present()
        };
        drawn().map_err(|problem| problem.to_string())
    }
}

/// Width and height of a cell of a heat map, in pixels.
const CELL: i32 = 28;

/// Registers the font of the program.
///
/// # Errors
/// None, unless the program file is damaged.
pub fn font() -> Result<()> {
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| anyhow!("the font that comes with the program cannot be read"))
}

/// A cell of a CSV file that holds any text.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

fn draw<B: DrawingBackend>(area: &DrawingArea<B, Shift>, panels: &[Panel]) -> Result<(), String> {
    let drawn = || -> Drawn<B> {
        area.fill(&WHITE)?;
        let parts = area.split_evenly((panels.len().max(1), 1));
        let panels = panels.iter().filter(|panel| !panel.is_empty());
        for (part, panel) in parts.iter().zip(panels) {
            let (least, most) = panel.height();
            match panel.logarithmic {
                true => chart(part, panel, (least..most).log_scale(), &|y| {
                    format!("{y:.0e}")
                })?,
                false => chart(part, panel, least..most, &short)?,
            }
        }
        area.present()
    };
    drawn().map_err(|problem| problem.to_string())
}

fn chart<B: DrawingBackend, Y>(
    area: &DrawingArea<B, Shift>,
    panel: &Panel,
    height: Y,
    label: &dyn Fn(&f64) -> String,
) -> Drawn<B>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let (begin, end) = panel.width();
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.caption, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(begin..end, height)?;
    chart
        .configure_mesh()
        .max_light_lines(2)
        .x_desc(&panel.axes[0])
        .y_desc(&panel.axes[1])
        .x_label_formatter(&short)
        .y_label_formatter(label)
        .draw()?;
    for (name, value) in &panel.levels {
        let (y, style) = (panel.drawn(*value), BLACK.mix(0.7).stroke_width(2));
        chart
            .draw_series(LineSeries::new([(begin, y), (end, y)], style))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
    }
    for (line, colour) in panel.lines.iter().zip(COLOURS.iter().cycle()) {
        chart
            .draw_series(LineSeries::new(panel.points(line), colour.stroke_width(2)))?
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(panel.legend.clone())
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()
}

/// A number without the noise of its last digits.
fn short(value: &f64) -> String {
    let rounded = (value * 1e6).round() / 1e6;
    format!("{}", rounded + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_holds_all_that_is_drawn() {
        let mut panel = Panel {
            caption: String::new(),
            axes: [const { String::new() }; 2],
            logarithmic: false,
            legend: SeriesLabelPosition::UpperRight,
            lines: vec![Line {
                name: String::new(),
                points: vec![(1.0, 2.0), (2.0, f64::NAN), (3.0, 4.0)],
            }],
            levels: vec![(String::new(), 1.0)],
        };
        let (least, most) = panel.height();
        assert!(least < 1.0 && most > 4.0);
        assert_eq!(panel.width(), (0.0, 3.0));
        panel.logarithmic = true;
        assert_eq!(panel.height(), (0.5, 8.0));
        panel.lines[0].points.truncate(1);
        assert_eq!(panel.width(), (0.0, 1.0));
        panel.lines.clear();
        assert!(panel.is_empty());
    }

    #[test]
    fn labels_have_no_noise() {
        assert_eq!(
            [0.1 + 0.2, -0.0, 20.0].map(|x| short(&x)),
            ["0.3", "0", "20"]
        );
    }
}
