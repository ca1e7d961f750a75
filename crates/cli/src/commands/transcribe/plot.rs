//! What a model heard of a sound, and the spikes of what it says.

use crate::drawing::{COLOURS, font};
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use refrain::tasks::speech::{Loaded, Posteriors};
use refrain_sound::Reader;
use std::path::Path;

/// Pixels.
const SIZE: (u32, u32) = (1600, 800);
/// Most of a sound that is drawn, seconds.
const LONGEST: f64 = 30.0;
/// A character is named where its probability is above this.
const SPIKE: f64 = 0.3;

/// Draws the first seconds of a sound file.
///
/// # Errors
/// A sound that cannot be read, or a file that cannot be written.
pub fn write(loaded: &Loaded, file: &Path, out: &Path) -> Result<()> {
    let mut reader = Reader::open(file)?;
    let (rate, mut samples) = (reader.rate(), Vec::new());
    let most = (LONGEST * f64::from(rate)) as usize;
    while samples.len() < most
        && let Some(more) = reader.next_chunk()?
    {
        samples.extend(more);
    }
    samples.truncate(most);
    let posteriors = loaded.posteriors(&samples, rate)?;
    if posteriors.frames.is_empty() || posteriors.log_probabilities.is_empty() {
        return Err(anyhow!("the sound is too short to be drawn"));
    }
    font()?;
    draw(&posteriors, out).map_err(|problem| anyhow!("cannot draw {}: {problem}", out.display()))
}

fn draw(own: &Posteriors, out: &Path) -> Result<(), String> {
    let drawn = || -> Result<(), Box<dyn std::error::Error>> {
        let area = BitMapBackend::new(out, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let (upper, lower) = area.split_vertically(SIZE.1 / 2);
        let time = own.frames.len() / own.features;
        let seconds = time as f64 * own.frame_seconds;
        let mut chart = ChartBuilder::on(&upper)
            .caption("Features, as the model hears them", ("sans-serif", 20))
            .margin(10)
            .x_label_area_size(30)
            .y_label_area_size(50)
            .build_cartesian_2d(0.0..seconds, 0..own.features)?;
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
        let classes = own.classes.len();
        let rows: Vec<&[f32]> = own.log_probabilities.chunks_exact(classes).collect();
        let mut chart = ChartBuilder::on(&lower)
            .caption(
                "Probability of each character; grey: of none (blank)",
                ("sans-serif", 20),
            )
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(50)
            .build_cartesian_2d(0.0..seconds, 0.0..1.1)?;
        chart
            .configure_mesh()
            .x_desc("seconds")
            .y_desc("probability")
            .draw()?;
        for class in 0..classes {
            let p: Vec<f64> = rows.iter().map(|row| f64::from(row[class]).exp()).collect();
            if p.iter().all(|p| *p < SPIKE) {
                continue;
            }
            let at = |step: usize| (step as f64 + 0.5) * own.step_seconds;
            let points = p.iter().enumerate().map(|(step, &p)| (at(step), p));
            let colour = match own.classes[class].is_empty() {
                true => RGBColor(190, 190, 190),
                false => COLOURS[class % COLOURS.len()],
            };
            chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
            if own.classes[class].is_empty() {
                continue;
            }
            let top = |step: usize| {
                let beside = |other: Option<&f64>| other.is_none_or(|other| *other <= p[step]);
                let before = step.checked_sub(1).and_then(|before| p.get(before));
                p[step] >= SPIKE && beside(before) && beside(p.get(step + 1))
            };
            let name = own.classes[class].as_str();
            let named = (0..p.len()).filter(|&step| top(step)).map(|step| {
                Text::new(
                    name.to_string(),
                    (at(step), p[step] + 0.07),
                    ("sans-serif", 18).into_font().color(&colour),
                )
            });
            chart.draw_series(named)?;
        }
        area.present()?;
        Ok(())
    };
    drawn().map_err(|problem| problem.to_string())
}
