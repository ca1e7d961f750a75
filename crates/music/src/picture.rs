//! Piano rolls as pictures.

use crate::{Limits, MusicError, Score, pitch_name};
use refrain_image::{Canvas, Gray, Point, Quad};
use std::fmt::Write;

/// Colours of the voices, again and again: red, green, blue.
pub(crate) const VOICE_COLOURS: [[u8; 3]; 6] = [
    [0xC8, 0x3A, 0x3A],
    [0xD8, 0x8A, 0x1C],
    [0x2F, 0x8F, 0x57],
    [0x2F, 0x6F, 0xB5],
    [0x7A, 0x4F, 0xA8],
    [0x5A, 0x5A, 0x5A],
];

/// Width in pixels of the scale on the left.
const SCALE: f64 = 40.0;

/// Widest picture that is drawn by default; longer music is compressed.
const WIDEST: f64 = 6000.0;

/// Choices of [`roll_png`] and [`roll_svg`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PictureConfig {
    /// Pixels of a quarter note; nothing for 24, or less where the picture would be wider than 6000 pixels.
    pub quarter: Option<f64>,
    /// Pixels of a semitone; nothing for 8.
    pub semitone: Option<f64>,
    /// The music until this tick was given (a primer): its background is shaded.
    pub given: Option<u32>,
    /// Opacity of each note of [`Score::notes`], 0 to 1, for example how certain a model was; missing ones are 1.
    pub opacity: Vec<f32>,
    /// Limits on sizes.
    pub limits: Limits,
}

/// Places of notes in a picture.
struct Layout<'a> {
    score: &'a Score,
    config: &'a PictureConfig,
    /// Pixels of a tick and of a semitone.
    tick: f64,
    semitone: f64,
    low: u8,
    high: u8,
    width: usize,
    height: usize,
}

/// Something to draw: left, top, right and bottom edge, colour and opacity.
struct Block([f64; 4], [u8; 3], f32);

impl<'a> Layout<'a> {
    fn new(score: &'a Score, config: &'a PictureConfig) -> Result<Self, MusicError> {
        score.check("drawing a piano roll", &config.limits)?;
        let Some((low, high)) = score.range() else {
            return Err(MusicError::Empty {
                operation: "drawing a piano roll",
                hint: "there is nothing to draw",
            });
        };
        let (low, high) = (low.saturating_sub(2), high.saturating_add(2).min(127));
        let quarters = f64::from(score.end()) / f64::from(score.division());
        let quarter = config
            .quarter
            .unwrap_or_else(|| (WIDEST / quarters).min(24.0));
        let semitone = config.semitone.unwrap_or(8.0);
        let size = (
            SCALE + quarters * quarter + 8.0,
            f64::from(high - low + 1) * semitone,
        );
        let most = config.limits.pixels as f64;
        // A comparison with NaN is false.
        let fits = size.0 >= 1.0 && size.1 >= 1.0 && size.0 * size.1 <= most;
        if !fits {
            return Err(MusicError::Large {
                operation: "drawing a piano roll",
                size: (size.0 * size.1) as u64,
                unit: "pixels",
                limit: config.limits.pixels as u64,
            });
        }
        Ok(Self {
            score,
            config,
            tick: quarter / f64::from(score.division()),
            semitone,
            low,
            high,
            width: size.0.ceil() as usize,
            height: size.1.ceil() as usize,
        })
    }

    fn x(&self, tick: u32) -> f64 {
        SCALE + f64::from(tick) * self.tick
    }

    fn y(&self, pitch: u8) -> f64 {
        f64::from(self.high - pitch) * self.semitone
    }

    /// Rows of black keys, shading, bar lines and notes, in the order of drawing.
    fn blocks(&self) -> Vec<Block> {
        let (width, height) = (self.width as f64, self.height as f64);
        let mut blocks = Vec::new();
        for pitch in (self.low..=self.high).filter(|pitch| matches!(pitch % 12, 1 | 3 | 6 | 8 | 10))
        {
            let top = self.y(pitch);
            blocks.push(Block(
                [SCALE, top, width, top + self.semitone],
                [0xF0, 0xF0, 0xF4],
                1.0,
            ));
        }
        if let Some(given) = self.config.given {
            blocks.push(Block(
                [SCALE, 0.0, self.x(given).min(width), height],
                [0xFF, 0xE9, 0xA8],
                0.55,
            ));
        }
        // At most one line in four pixels.
        let mut last = f64::NEG_INFINITY;
        for tick in self.score.bars(self.score.end().saturating_add(1)) {
            let x = self.x(tick);
            if x - last >= 4.0 {
                blocks.push(Block([x, 0.0, x + 1.0, height], [0xC4, 0xC4, 0xCC], 1.0));
                last = x;
            }
        }
        for (i, note) in self.score.notes().iter().enumerate() {
            let (left, top) = (self.x(note.start), self.y(note.pitch));
            // A gap tells repeated notes from long ones.
            let right = (self.x(note.end()) - 1.0).max(left + 1.0);
            let colour = VOICE_COLOURS[usize::from(note.voice) % VOICE_COLOURS.len()];
            let opacity = self.config.opacity.get(i).copied().unwrap_or(1.0);
            let opacity = if opacity.is_nan() {
                1.0
            } else {
                opacity.clamp(0.0, 1.0)
            };
            blocks.push(Block(
                [left, top + 0.5, right, top + self.semitone - 0.5],
                colour,
                opacity,
            ));
        }
        blocks
    }

    /// Names of the octaves with the tops of their rows.
    fn names(&self) -> impl Iterator<Item = (f64, String)> {
        let octaves = (self.low..=self.high).filter(|pitch| pitch % 12 == 0);
        octaves.map(|pitch| (self.y(pitch), pitch_name(pitch)))
    }
}

/// A piano roll as a PNG file: time from left to right, pitches from low to high, a colour for each voice, and bar
/// lines.
///
/// # Errors
/// A score without notes, or above the limits of notes or pixels.
pub fn roll_png(score: &Score, config: &PictureConfig) -> Result<Vec<u8>, MusicError> {
    let layout = Layout::new(score, config)?;
    let mut canvas = Canvas::from(&Gray::filled(layout.width, layout.height, 255));
    for Block([left, top, right, bottom], [red, green, blue], opacity) in layout.blocks() {
        // Thin blocks cover at least one centre of a pixel.
        let (left, right) = (left.floor(), right.ceil().max(left.floor() + 1.0));
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
        let quad = Quad(corners.map(|(x, y)| Point {
            x: x as f32,
            y: y as f32,
        }));
        canvas.fill(&quad, [red, green, blue, (255.0 * opacity).round() as u8]);
    }
    for (top, name) in layout.names() {
        let size = layout.semitone.clamp(9.0, 14.0) as f32;
        let middle = (top + layout.semitone / 2.0) as f32 - size / 2.0;
        canvas.text(Point { x: 4.0, y: middle }, size, &name, [60, 60, 60, 255]);
    }
    Ok(canvas.to_png()?)
}

/// The picture of [`roll_png`] as SVG.
///
/// # Errors
/// A score without notes, or above the limits of notes or pixels.
pub fn roll_svg(score: &Score, config: &PictureConfig) -> Result<String, MusicError> {
    let layout = Layout::new(score, config)?;
    let (width, height) = (layout.width, layout.height);
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\"><title>{}</title><rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>",
        escaped(&score.title)
    );
    for Block([left, top, right, bottom], [red, green, blue], opacity) in layout.blocks() {
        let _ = write!(
            svg,
            "<rect x=\"{left:.2}\" y=\"{top:.2}\" width=\"{:.2}\" height=\"{:.2}\" \
             fill=\"#{red:02x}{green:02x}{blue:02x}\"",
            right - left,
            bottom - top
        );
        if opacity < 1.0 {
            let _ = write!(svg, " fill-opacity=\"{opacity:.2}\"");
        }
        svg.push_str("/>");
    }
    for (top, name) in layout.names() {
        let bottom = top + layout.semitone;
        let _ = write!(
            svg,
            "<text x=\"4\" y=\"{bottom:.2}\" font-family=\"sans-serif\" font-size=\"10\" fill=\"#3c3c3c\">{name}</text>"
        );
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// Text for XML and HTML: the five special characters are escaped, control characters left out.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | ' ' => out.push(letter),
            '\u{FFFE}' | '\u{FFFF}' => {}
            _ if letter.is_control() => {}
            _ => out.push(letter),
        }
    }
    out
}
