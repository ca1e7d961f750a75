//! The frames of a sound, and the scores of its characters.

use crate::commands::outputs;
use crate::drawing::{COLOURS, font};
use crate::terminal::typed;
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use refrain::tasks::speech::{Loaded, Posteriors};
use std::path::Path;

/// Pixels.
const SIZE: (u32, u32) = (1600, 800);
/// Most of a sound that is drawn, seconds.
const LONGEST: f64 = 30.0;
/// A character is named where its probability is above this.
const SPIKE: f64 = 0.3;

/// Adds the samples that are drawn.
pub fn gather(drawn: &mut Vec<f32>, samples: &[f32], rate: u32) {
    let most = (LONGEST * f64::from(rate)) as usize;
    let room = most.saturating_sub(drawn.len()).min(samples.len());
    drawn.extend(&samples[..room]);
}

/// Draws these samples into a new file, or with `force` into one that is there.
///
/// # Errors
/// A sound that is too short, or a file that cannot be written.
pub fn write(loaded: &Loaded, samples: &[f32], rate: u32, out: &Path, force: bool) -> Result<()> {
    let posteriors = loaded.posteriors(samples, rate)?;
    if posteriors.frames.is_empty() || posteriors.log_probabilities.is_empty() {
        return Err(anyhow!("the sound is too short to be drawn"));
    }
    font()?;
    // Before the drawing, for a plain error.
    outputs::create(out, force)?;
    draw(&posteriors, out).map_err(|problem| anyhow!("cannot draw {}: {problem}", typed(out)))
}

type Drawn = Result<(), Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

fn draw(own: &Posteriors, out: &Path) -> Result<(), String> {
    let drawn = || -> Drawn {
        let area = BitMapBackend::new(out, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let (upper, lower) = area.split_vertically(SIZE.1 / 2);
        features(own, &upper)?;
        characters(own, &lower)?;
        area.present()?;
        Ok(())
    };
    drawn().map_err(|problem| problem.to_string())
}

/// Length of the drawn sound.
fn seconds(own: &Posteriors) -> f64 {
    (own.frames.len() / own.features) as f64 * own.frame_seconds
}

fn features(own: &Posteriors, area: &Area) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .caption("Features, as the model reads them", ("sans-serif", 20))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..seconds(own), 0..own.features)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .y_desc("filter")
        .draw()?;
    // From very quiet to very loud, for features of mean 0 and variance 1.
    let shade = |x: f32| {
        let grey = 255.0 - 255.0 * ((x + 2.0) / 4.5).clamp(0.0, 1.0);
        RGBColor(grey as u8, grey as u8, grey as u8).filled()
    };
    let cells = own.frames.iter().enumerate().map(|(index, &x)| {
        let (t, feature) = (index / own.features, index % own.features);
        let (left, right) = (t as f64, (t + 1) as f64);
        let corner = (left * own.frame_seconds, feature);
        let other = (right * own.frame_seconds, feature + 1);
        Rectangle::new([corner, other], shade(x))
    });
    chart.draw_series(cells)?;
    Ok(())
}

fn characters(own: &Posteriors, area: &Area) -> Drawn {
    let classes = own.classes.len();
    let rows: Vec<&[f32]> = own.log_probabilities.chunks_exact(classes).collect();
    let mut chart = ChartBuilder::on(area)
        .caption(
            "Probability of each character; grey: of none (blank)",
            ("sans-serif", 20),
        )
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..seconds(own), 0.0..1.1)?;
    chart
        .configure_mesh()
        .x_desc("seconds")
        .y_desc("probability")
        .draw()?;
    for (class, name) in own.classes.iter().enumerate() {
        let p: Vec<f64> = rows.iter().map(|row| f64::from(row[class]).exp()).collect();
        if p.iter().all(|p| *p < SPIKE) {
            continue;
        }
        let at = |step: usize| (step as f64 + 0.5) * own.step_seconds;
        let points = p.iter().enumerate().map(|(step, &p)| (at(step), p));
        let colour = match name.is_empty() {
            true => RGBColor(190, 190, 190),
            false => COLOURS[class % COLOURS.len()],
        };
        chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
        if name.is_empty() {
            continue;
        }
        let named = (0..p.len()).filter(|&step| is_spike(&p, step)).map(|step| {
            Text::new(
                name.to_string(),
                (at(step), p[step] + 0.07),
                ("sans-serif", 18).into_font().color(&colour),
            )
        });
        chart.draw_series(named)?;
    }
    Ok(())
}

/// Whether a probability is high, and no lower than the ones beside it.
fn is_spike(p: &[f64], step: usize) -> bool {
    let beside = |other: Option<&f64>| other.is_none_or(|other| *other <= p[step]);
    let before = step.checked_sub(1).and_then(|before| p.get(before));
    p[step] >= SPIKE && beside(before) && beside(p.get(step + 1))
}
