//! Lines and pages on PNG files, to look at, and the speed of rendering: OUT-lines.png, OUT-page-0.png and so on.
//! `cargo run --release -p refrain-render --example contact_sheet -- OUT SEVERITY [FONT FOLDER] [WORDS]...`

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use refrain_image::{Gray, Quad};
use refrain_render::{FontOptions, Fonts, Part, RenderConfig, Renderer, TextSource};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().ok_or("name the files to write")?;
    let mut config = RenderConfig::default();
    config.degrade.severity = arguments.next().map_or(Ok(1.0), |value| value.parse())?;
    let folder = arguments.next().unwrap_or("/usr/share/fonts".into());
    let words: Vec<PathBuf> = arguments.map(PathBuf::from).collect();

    let started = seconds();
    let fonts = Arc::new(Fonts::load(&[folder], &FontOptions::default())?);
    println!(
        "{} faces of {} families, {} skipped, in {:.2} s",
        fonts.faces().len(),
        fonts.families(Part::All).count(),
        fonts.skipped().len(),
        seconds() - started
    );
    for skipped in fonts.skipped() {
        println!(
            "  {} {}: {}",
            skipped.path.display(),
            skipped.face,
            skipped.reason
        );
    }
    let capitals = fonts.faces().iter().filter(|face| !face.covers("aeg"));
    let capitals: Vec<String> = capitals
        .map(|face| format!("{} {}", face.family(), face.style()))
        .collect();
    println!("without lower case: {}", capitals.join(", "));
    let held_out: Vec<&str> = fonts.families(Part::HeldOut).collect();
    println!("held out: {}", held_out.join(", "));
    let source = TextSource::new(config.text.clone(), &words)?;
    let renderer = Renderer::new(&fonts, Part::Training, source, config)?;

    let started = seconds();
    let count = 3000;
    let (mut pixels, mut characters, mut height) = (0, 0, 0);
    for index in 0..count {
        let line = renderer.line(1, index);
        pixels += line.image.pixels().len();
        characters += line.text.chars().count();
        height += line.image.height();
    }
    let used = seconds() - started;
    println!(
        "{:.0} lines a second of one core; on average {} characters, {} pixels high, {} pixels",
        count as f64 / used,
        characters / count as usize,
        height / count as usize,
        pixels / count as usize
    );

    let mut sheet = Gray::filled(1500, 1700, 160);
    let (mut x, mut y, mut tallest) = (6, 6, 0);
    for index in 0.. {
        let line = renderer.line(7, index);
        let image = match line.image.width() > 1400 || line.image.height() > 90 {
            true => {
                let factor =
                    (1400.0 / line.image.width() as f64).min(90.0 / line.image.height() as f64);
                let size = |value: usize| ((value as f64 * factor) as usize).max(1);
                line.image
                    .resize(size(line.image.width()), size(line.image.height()))
            }
            false => line.image,
        };
        if x + image.width() + 6 > sheet.width() {
            (x, y, tallest) = (6, y + tallest + 6, 0);
        }
        if y + image.height() + 6 > sheet.height() {
            break;
        }
        let width = sheet.width();
        for row in 0..image.height() {
            let at = (y + row) * width + x;
            sheet.pixels_mut()[at..at + image.width()].copy_from_slice(image.row(row));
        }
        println!("{index}: {}", line.text);
        x += image.width() + 10;
        tallest = tallest.max(image.height());
    }
    save(sheet, &format!("{out}-lines.png"))?;

    let started = seconds();
    for index in 0..4 {
        let page = renderer.page(3, index);
        println!(
            "page {index}: {} by {}, {} lines",
            page.image.width(),
            page.image.height(),
            page.lines.len()
        );
        let mut image = page.image;
        for line in &page.lines {
            outline(&mut image, &line.quad);
        }
        save(image, &format!("{out}-page-{index}.png"))?;
    }
    println!("{:.3} s a page", (seconds() - started) / 4.0);
    Ok(())
}

/// Seconds that this thread has had a core, where the system tells (Linux), else the time of the day.
fn seconds() -> f64 {
    let used = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let used = used.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0.0, |time| time.as_secs_f64())
    };
    used.map_or_else(now, |nanoseconds| nanoseconds * 1e-9)
}

/// Marks the corners of a line and its edges.
fn outline(image: &mut Gray, quad: &Quad) {
    let (width, height) = (image.width(), image.height());
    for side in 0..4 {
        let (from, to) = (quad.0[side], quad.0[(side + 1) % 4]);
        let steps = (to.x - from.x).abs().max((to.y - from.y).abs()).ceil() as usize;
        for step in (0..=steps).step_by(3) {
            let t = step as f32 / steps.max(1) as f32;
            let x = (from.x + t * (to.x - from.x)) as usize;
            let y = (from.y + t * (to.y - from.y)) as usize;
            if x < width && y < height {
                image.pixels_mut()[y * width + x] ^= 0x80;
            }
        }
    }
}

fn save(image: Gray, path: &str) -> Result<(), Box<dyn Error>> {
    let (width, height) = (image.width() as u32, image.height() as u32);
    let image = image::GrayImage::from_raw(width, height, image.into_pixels()).ok_or("no image")?;
    Ok(image.save(path)?)
}
