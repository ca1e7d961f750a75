//! Pages as PNG files with their lines of text beside them, to time a reader of pages or to look for leaks:
//! `cargo run --release -p refrain-render --example dump_pages -- FOLDER COUNT KIND SEVERITY [FONT FOLDER] [WORDS]...`
//!
//! KIND is `any` for the pages of the default settings, or `a4` for full pages of running text at 300 dots an inch,
//! 2,480 pixels wide and about 3,500 high.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use refrain_render::{FontOptions, Fonts, PageConfig, Part, RenderConfig, Renderer, TextSource};

/// Letters of 12 point type.
const A4: PageConfig = PageConfig {
    width: [2480, 2480],
    x_height: [24.0, 24.0],
    skew: 0.0,
    article: 1.0,
    receipt: 0.0,
    table: 0.0,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = PathBuf::from(arguments.next().ok_or("name a folder")?);
    let count: usize = arguments.next().ok_or("give a count")?.parse()?;
    let mut config = RenderConfig::default();
    let a4 = match arguments.next().as_deref() {
        Some("any") => false,
        Some("a4") => true,
        _ => return Err("the kind of pages is any or a4".into()),
    };
    if a4 {
        config.page = A4;
    }
    config.degrade.severity = arguments.next().map_or(Ok(1.0), |value| value.parse())?;
    let folder = arguments.next().unwrap_or("/usr/share/fonts".into());
    let words: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    let fonts = Arc::new(Fonts::load(&[folder], &FontOptions::default())?);
    let source = TextSource::new(config.text.clone(), &words)?;
    let renderer = Renderer::new(&fonts, Part::All, source, config)?;
    std::fs::create_dir_all(&out)?;
    let pages = (0..).map(|index| renderer.page(11, index));
    // Pages of settings have any proportion.
    let wanted = pages.filter(|page| !a4 || (3400..3600).contains(&page.image.height()));
    for (index, page) in wanted.take(count).enumerate() {
        page.image.write_png(&out.join(format!("{index:05}.png")))?;
        let lines: Vec<&str> = page.lines.iter().map(|line| line.text.as_str()).collect();
        std::fs::write(out.join(format!("{index:05}.txt")), lines.join("\n") + "\n")?;
    }
    Ok(())
}
