//! Scores the line finder on folders of receipts: `NNN.jpg` with `NNN.csv` (eight coordinates and the text a line).
//!
//! `cargo run --release -p refrain-page --example line_score -- FOLDER... [--pictures FOLDER]`

use std::{error::Error, fs, path::Path, time::Instant};

use refrain_image::{Gray, Point, Quad};
use refrain_page::{DetEval, Limits, Matches, det_eval, find_lines, matches};

fn truth(path: &Path) -> Result<Vec<Quad>, Box<dyn Error>> {
    let text = String::from_utf8_lossy(&fs::read(path)?).into_owned();
    let mut quads = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let numbers: Vec<f32> = line
            .split(',')
            .take(8)
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        let corner = |k: usize| Point {
            x: numbers[2 * k],
            y: numbers[2 * k + 1],
        };
        quads.push(Quad([corner(0), corner(1), corner(2), corner(3)]));
    }
    Ok(quads)
}

/// The outline of a quadrilateral in one grey level.
fn outline(image: &mut Gray, quad: &Quad, level: u8) {
    for k in 0..4 {
        let (a, b) = (quad.0[k], quad.0[(k + 1) % 4]);
        let steps = (b.x - a.x).abs().max((b.y - a.y).abs()).max(1.0);
        for step in 0..=steps as usize {
            let t = step as f32 / steps;
            let (x, y) = (a.x + t * (b.x - a.x), a.y + t * (b.y - a.y));
            if x >= 0.0 && y >= 0.0 && (x as usize) < image.width() && (y as usize) < image.height()
            {
                let at = y as usize * image.width() + x as usize;
                image.pixels_mut()[at] = level;
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let pictures = arguments
        .iter()
        .position(|a| a == "--pictures")
        .map(|at| arguments[at + 1].clone());
    for folder in arguments.iter().take_while(|a| *a != "--pictures") {
        let mut images: Vec<_> = fs::read_dir(folder)?
            .map(|entry| entry.map(|e| e.path()))
            .collect::<Result<_, _>>()?;
        images.retain(|path| path.extension().is_some_and(|e| e == "jpg"));
        images.sort();
        let (mut half, mut strict, mut deteval) =
            (Matches::default(), Matches::default(), DetEval::default());
        let mut seconds = 0.0;
        for path in &images {
            let page = Gray::from_jpeg(&fs::read(path)?)?;
            let truth = truth(&path.with_extension("csv"))?;
            let start = Instant::now();
            let lines = find_lines(&page, &Limits::default())?;
            seconds += start.elapsed().as_secs_f64();
            let found: Vec<Quad> = lines.lines.iter().map(|line| line.quad).collect();
            let here = matches(&found, &truth, 0.5);
            half += here;
            strict += matches(&found, &truth, 0.7);
            deteval += det_eval(&found, &truth);
            if let Some(out) = &pictures {
                let name = path.file_stem().unwrap_or_default().to_string_lossy();
                println!(
                    "{name} f1 {:.3} p {:.3} r {:.3}",
                    here.f1(),
                    here.precision(),
                    here.recall()
                );
                let mut picture = page.clone();
                truth
                    .iter()
                    .for_each(|quad| outline(&mut picture, quad, 160));
                found.iter().for_each(|quad| outline(&mut picture, quad, 0));
                fs::create_dir_all(out)?;
                fs::write(
                    Path::new(out).join(format!("{name}.jpg")),
                    picture.to_jpeg(85)?,
                )?;
            }
        }
        println!(
            "{folder}: IoU 0.5 P {:.3} R {:.3} F1 {:.3}; IoU 0.7 F1 {:.3}; DetEval P {:.3} R {:.3} F1 {:.3}; \
             {:.1} ms a page ({} pages)",
            half.precision(),
            half.recall(),
            half.f1(),
            strict.f1(),
            deteval.precision(),
            deteval.recall(),
            deteval.f1(),
            1000.0 * seconds / images.len().max(1) as f64,
            images.len()
        );
    }
    Ok(())
}
