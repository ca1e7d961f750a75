//! Pages to write.

use refrain_image::{Gray, Point, Quad};
use refrain_page::formats::{Format, FormatError, Options, PageImage, Writer};
use refrain_page::{Alternative, Band, Block, BlockKind, Line, Page, Word};

/// A quad of a box that is turned by `degrees` clockwise around its top left corner.
pub fn turned(x: f32, y: f32, width: f32, height: f32, degrees: f32) -> Quad {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let corner = |a: f32, b: f32| Point {
        x: x + a * cos - b * sin,
        y: y + a * sin + b * cos,
    };
    Quad([
        corner(0.0, 0.0),
        corner(width, 0.0),
        corner(width, height),
        corner(0.0, height),
    ])
}

/// A line of words of 12 pixels a character, 10 pixels apart, 32 pixels high.
pub fn line(x: f32, y: f32, degrees: f32, words: &[&str]) -> Line {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let at =
        |along: f32, below: f32| (x + along * cos - below * sin, y + along * sin + below * cos);
    let mut along = 0.0;
    let mut all = Vec::new();
    for (i, text) in words.iter().enumerate() {
        let width = 12.0 * text.chars().count().max(1) as f32;
        let (left, upper) = at(along, 0.0);
        all.push(Word {
            quad: turned(left, upper, width, 32.0, degrees),
            text: (*text).into(),
            confidence: 0.99 - 0.17 * i as f32,
            band: [Band::Green, Band::Amber, Band::Red][i.min(2)],
        });
        along += width + 10.0;
    }
    let width = along - 10.0;
    let ends = [at(0.0, 25.0), at(width, 25.0)];
    Line {
        quad: turned(x, y, width, 32.0, degrees),
        baseline: ends.map(|(x, y)| Point { x, y }).to_vec(),
        text: words.join(" "),
        confidence: 0.9,
        words: all,
        alternatives: Vec::new(),
        light_on_dark: false,
    }
}

/// The same line, upright, with boxes that end where the letters do.
pub fn tight(mut line: Line) -> Line {
    for word in &mut line.words {
        if word.text.chars().all(|c| "aceimnorsuvwxz".contains(c)) {
            word.quad.0[0].y += 9.0;
            word.quad.0[1].y += 9.0;
        }
        if !word.text.chars().any(|c| "gjpqy,".contains(c)) {
            word.quad.0[2].y -= 7.0;
            word.quad.0[3].y -= 7.0;
        }
    }
    line
}

pub fn block(x: f32, y: f32, lines: &[&[&str]]) -> Block {
    let rows = lines.iter().enumerate();
    let lines: Vec<Line> = rows
        .map(|(i, words)| line(x, y + 48.0 * i as f32, 0.0, words))
        .collect();
    let right = lines.iter().map(|line| line.quad.0[2].x).fold(x, f32::max);
    Block {
        kind: BlockKind::Text,
        quad: turned(x, y, right - x, 48.0 * lines.len() as f32, 0.0),
        lines,
    }
}

/// A page in which every feature occurs.
pub fn page() -> Page {
    let mut first = block(
        60.0,
        50.0,
        &[
            &["Fish", "&", "<Chips>,", "\"fresh\""],
            &["on", "sale", "now"],
        ],
    );
    first.lines[0].alternatives = vec![Alternative {
        text: "Fish & <Ships>, \"fresh\"".into(),
        score: -3.5,
    }];
    first.lines[1].light_on_dark = true;
    let mut table = block(60.0, 210.0, &[&["Tea", "1.50"], &["Total:", "€3"]]);
    table.kind = BlockKind::Table;
    let mut other = block(
        60.0,
        360.0,
        &[&["한국어", "문장"], &["naïve", "œuvre"], &["smile", "😀"]],
    );
    other
        .lines
        .push(line(60.0, 520.0, 6.0, &["a", "leaning", "line"]));
    let mut whole = line(60.0, 640.0, 0.0, &["no words"]);
    whole.words.clear();
    other.lines.push(whole);
    let upwards = Block {
        lines: vec![line(700.0, 500.0, -90.0, &["upwards", "text"])],
        quad: turned(700.0, 500.0, 160.0, 32.0, -90.0),
        kind: BlockKind::Text,
    };
    Page {
        file: "scan \"1\"; a&b.png".into(),
        number: 1,
        width: 800,
        height: 720,
        dpi: Some(150.0),
        turned: 1,
        skew: -0.5,
        warnings: vec!["The page was turned.".into()],
        uncovered_ink: 0.125,
        seconds: [("lines".to_string(), 0.25)].into(),
        blocks: vec![first, table, other, upwards],
    }
}

pub fn empty_page() -> Page {
    Page {
        file: "white.png".into(),
        number: 1,
        width: 20,
        height: 30,
        ..Page::default()
    }
}

/// Black boxes where the words are.
pub fn image(page: &Page, black: u8) -> Gray {
    let mut gray = Gray::filled(page.width as usize, page.height as usize, 255);
    let width = gray.width();
    let lines = page.blocks.iter().flat_map(|block| &block.lines);
    for word in lines.flat_map(|line| &line.words) {
        let place = word.quad.bounds(width, gray.height());
        for y in place.y..place.bottom() {
            gray.pixels_mut()[y * width..][place.x..place.right()].fill(black);
        }
    }
    gray
}

pub fn written(format: Format, pages: &[Page]) -> Result<Vec<u8>, FormatError> {
    let mut writer = Writer::new(format, Vec::new(), &Options::default())?;
    for page in pages {
        let image = image(page, 0);
        writer.page(page, Some(&PageImage::Gray(&image)))?;
    }
    writer.finish()
}

/// The text of a line as its words give it.
pub fn spoken(line: &Line) -> String {
    match line.words.is_empty() {
        true => line.text.clone(),
        false => {
            let words: Vec<&str> = line.words.iter().map(|word| word.text.as_str()).collect();
            words.join(" ")
        }
    }
}
