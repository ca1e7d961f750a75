//! Lines as PNG files with their texts beside them, for other programs:
//! `cargo run --release -p refrain-render --example dump_lines -- FOLDER COUNT SEVERITY [FONT FOLDER] [WORDS]...`

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use refrain_render::{FontOptions, Fonts, Part, RenderConfig, Renderer, TextSource};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = PathBuf::from(arguments.next().ok_or("name a folder")?);
    let count: u64 = arguments.next().ok_or("give a count")?.parse()?;
    let mut config = RenderConfig::default();
    config.degrade.severity = arguments.next().map_or(Ok(1.0), |value| value.parse())?;
    let folder = arguments.next().unwrap_or("/usr/share/fonts".into());
    let words: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    let fonts = Arc::new(Fonts::load(&[folder], &FontOptions::default())?);
    let source = TextSource::new(config.text.clone(), &words)?;
    let renderer = Renderer::new(&fonts, Part::All, source, config)?;
    std::fs::create_dir_all(&out)?;
    for index in 0..count {
        let line = renderer.line(11, index);
        let (width, height) = (line.image.width() as u32, line.image.height() as u32);
        let image = image::GrayImage::from_raw(width, height, line.image.into_pixels())
            .ok_or("no image")?;
        image.save(out.join(format!("{index:05}.png")))?;
        std::fs::write(out.join(format!("{index:05}.gt.txt")), line.text)?;
    }
    Ok(())
}
