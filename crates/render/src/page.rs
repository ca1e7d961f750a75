//! Pages with the places of their lines: to train a finder of lines, and to test layout.

use refrain_image::{Gray, Point, Quad};

use crate::config::{Degradation, DegradeConfig};
use crate::degrade::Degrader;
use crate::dice::Dice;
use crate::outline::{Extent, Outline, Print};
use crate::text::{normal, receipt};
use crate::{Face, Renderer};

/// A page and its lines.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The image.
    pub image: Gray,
    /// The lines in reading order: down the first column, then the second; rows of receipts and tables from left to
    /// right, each cell a line of its own.
    pub lines: Vec<PageLine>,
}

/// A line of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct PageLine {
    /// The least turned rectangle around its ink, at the skew of the page.
    pub quad: Quad,
    /// Its text, as in [`crate::Line::text`].
    pub text: String,
}

/// Lines of a page.
const MOST_LINES: usize = 400;

#[derive(Clone, Copy)]
enum Align {
    Left,
    Centre,
    Right,
}

/// A page while it is filled, upright, in pixels.
struct Sheet<'a> {
    renderer: &'a Renderer,
    face: &'a Face,
    print: Print,
    /// From baseline to baseline.
    pitch: f32,
    width: f32,
    height: f32,
    ink: Outline,
    rules: Outline,
    /// Boxes whose text is light on dark.
    boxes: Vec<Extent>,
    lines: Vec<(Extent, String)>,
}

impl Renderer {
    /// Page number `index` under `seed`: a pure function as [`Self::line`] is. Degradations are those of lines, but for
    /// geometry, which is a skew.
    pub fn page(&self, seed: u64, index: u64) -> Page {
        let mut dice = Dice::new(seed, index, "page");
        let config = &self.config.page;
        let kind = dice.weighted(&[config.article, config.receipt, config.table]);
        let width =
            dice.whole(config.width[0], config.width[1]) as f32 * if kind == 1 { 0.5 } else { 1.0 };
        let height = width
            * if kind == 1 {
                dice.range(1.4, 3.2)
            } else {
                dice.range(0.7, 1.45)
            };
        let sample = self.source.sentence(60, &mut dice);
        let face = match self.chooser.covering(&sample, &mut dice) {
            Some(face) => face,
            None => self.chooser.any(&mut dice),
        };
        let (x_height, ascent, descent) = face.heights();
        let pixels = dice.log_range(config.x_height[0], config.x_height[1]);
        let em = (pixels / x_height.max(0.1)).min(6.0 * pixels);
        let mut sheet = Sheet {
            renderer: self,
            face,
            print: Print {
                em,
                stretch: if dice.chance(0.2) {
                    dice.range(0.8, 1.2)
                } else {
                    1.0
                },
                spacing: if dice.chance(0.2) {
                    dice.range(0.95, 1.15)
                } else {
                    1.0
                },
                gaps: 1.0,
                wide: None,
                ligatures: dice.chance(0.3),
            },
            pitch: (ascent + descent) * em * dice.range(1.12, 1.8),
            width,
            height,
            ink: Outline::default(),
            rules: Outline::default(),
            boxes: Vec::new(),
            lines: Vec::new(),
        };
        match kind {
            0 => sheet.article(&mut dice),
            1 => sheet.receipt(&mut dice),
            _ => sheet.table(&mut dice),
        }
        if sheet.lines.is_empty() {
            let text: String = face
                .characters()
                .filter(|c| !c.is_whitespace())
                .take(6)
                .collect();
            sheet.put(
                &text,
                sheet.print,
                (0.5 * width, 0.5 * height),
                Align::Centre,
            );
        }
        sheet.finish(seed, index, &mut dice)
    }
}

impl Sheet<'_> {
    /// Draws a text with its baseline at `place`, and gives its extent. A text without a character of the face, one
    /// that would leave the page, and any text on a full page is not drawn.
    fn put(&mut self, text: &str, print: Print, place: (f32, f32), align: Align) -> Option<Extent> {
        let text = self.known(text);
        let row = print.row(self.face, &text);
        if row.outline.is_empty() || self.lines.len() >= MOST_LINES {
            return None;
        }
        let x = match align {
            Align::Left => place.0,
            Align::Centre => place.0 - 0.5 * row.width,
            Align::Right => place.0 - row.width,
        };
        let outline = row.outline.mapped(|px, py| (px + x, py + place.1));
        let extent = outline.extent();
        let inside = extent.left >= 1.0
            && extent.top >= 1.0
            && extent.right < self.width - 1.0
            && extent.bottom < self.height - 1.0;
        if !inside {
            return None;
        }
        self.ink.append(outline);
        self.lines.push((extent, text));
        Some(extent)
    }

    /// The part of a text that the face has.
    fn known(&self, text: &str) -> String {
        normal(
            &text
                .chars()
                .filter(|&c| self.face.glyph(c).is_some())
                .collect::<String>(),
        )
    }

    /// The words of a text that fit a width, with its print; spaces fill the width if `justify`.
    fn fit(&self, text: &str, room: f32, justify: bool) -> (String, Print) {
        let mut text = self.known(text);
        let mut print = self.print;
        let mut width = print.row(self.face, &text).width;
        while width > room {
            let Some(end) = text.rfind(' ') else { break };
            text.truncate(end);
            width = print.row(self.face, &text).width;
        }
        let wider = Print { gaps: 2.0, ..print };
        let growth = wider.row(self.face, &text).width - width;
        if justify && growth > 0.0 {
            print.gaps = (1.0 + (room - width) / growth).clamp(0.8, 3.0);
        }
        (text, print)
    }

    /// A print larger by a factor.
    fn larger(&self, factor: f32) -> Print {
        Print {
            em: self.print.em * factor,
            ..self.print
        }
    }

    fn rule(&mut self, from: (f32, f32), to: (f32, f32), dashed: bool) {
        let thick = (0.06 * self.print.em).max(1.0);
        match dashed {
            false => self.rules.bar(from, to, thick, self.width),
            true => {
                let dash = 0.35 * self.print.em;
                let count = ((to.0 - from.0) / (1.6 * dash)) as usize;
                for k in 0..count.min(1000) {
                    let x = from.0 + k as f32 * 1.6 * dash;
                    self.rules
                        .bar((x, from.1), (x + dash, from.1), thick, self.width);
                }
            }
        }
    }

    /// A heading, sometimes light on dark, and the position below it.
    fn heading(&mut self, text: &str, left: f32, right: f32, y: f32, dice: &mut Dice) -> f32 {
        let factor = dice.range(1.2, 2.2);
        let align = if dice.chance(0.5) {
            Align::Centre
        } else {
            Align::Left
        };
        let dark = dice.chance(0.25);
        let mut print = self.larger(factor);
        let width = print.row(self.face, text).width;
        let room = right - left - 2.0 * print.em;
        if width > room.max(1.0) {
            print.em *= (room / width).max(0.5);
        }
        let x = match align {
            Align::Centre => 0.5 * (left + right),
            _ => left + if dark { 0.5 * print.em } else { 0.0 },
        };
        let baseline = y + 1.1 * print.em;
        let Some(extent) = self.put(text, print, (x, baseline), align) else {
            return y;
        };
        if dark {
            let pad = dice.range(0.2, 0.5) * print.em;
            self.boxes.push(Extent {
                left: extent.left.min(left) - 0.2 * pad,
                right: extent.right.max(right) + 0.2 * pad,
                top: extent.top - pad,
                bottom: extent.bottom + pad,
            });
        }
        baseline + 0.9 * print.em
    }

    fn article(&mut self, dice: &mut Dice) {
        let margin = self.width * dice.range(0.04, 0.12);
        let (left, right) = (margin, self.width - margin);
        let mut top = margin;
        if dice.chance(0.7) {
            let title = self.renderer.source.sentence(dice.whole(10, 40), dice);
            top = self.heading(&title, left, right, top, dice);
        }
        if dice.chance(0.2) {
            self.rule((left, top), (right, top), false);
            top += 0.3 * self.pitch;
        }
        let bottom = self.height - margin - self.pitch;
        let columns = if dice.chance(0.45) && right - left > 30.0 * self.print.em {
            2
        } else {
            1
        };
        let gap = dice.range(1.5, 3.0) * self.print.em;
        let each = (right - left - gap * (columns - 1) as f32) / columns as f32;
        let justify = dice.chance(0.6);
        for column in 0..columns {
            let left = left + column as f32 * (each + gap);
            self.column(left, left + each, top, bottom, justify, dice);
        }
        if dice.chance(0.6) {
            let number = dice.whole(1, 999);
            let text = if dice.chance(0.7) {
                number.to_string()
            } else {
                format!("- {number} -")
            };
            let (x, align) = match dice.below(3) {
                0 => (left, Align::Left),
                1 => (0.5 * self.width, Align::Centre),
                _ => (right, Align::Right),
            };
            self.put(&text, self.print, (x, bottom + 1.4 * self.pitch), align);
        }
    }

    /// Paragraphs with headings between them.
    fn column(
        &mut self,
        left: f32,
        right: f32,
        top: f32,
        bottom: f32,
        justify: bool,
        dice: &mut Dice,
    ) {
        let (_, ascent, _) = self.face.heights();
        let mut y = top + ascent * self.print.em;
        let letters = ((right - left) / (0.35 * self.print.em * self.print.stretch)) as usize;
        while y < bottom && self.lines.len() < MOST_LINES {
            let rows = dice.whole(1, 12);
            for row in 0..rows {
                if y >= bottom {
                    return;
                }
                let indent = if row == 0 && rows > 1 && dice.chance(0.6) {
                    1.5 * self.print.em
                } else {
                    0.0
                };
                let last = row + 1 == rows;
                let length = if last {
                    letters * dice.whole(2, 9) / 10
                } else {
                    letters
                };
                let text = self.renderer.source.sentence(length.clamp(3, 300), dice);
                let (text, print) = self.fit(&text, right - left - indent, justify && !last);
                self.put(&text, print, (left + indent, y), Align::Left);
                y += self.pitch;
            }
            y += self.pitch * [0.0, 0.3, 1.0][dice.below(3)];
            if dice.chance(0.15) && y + 5.0 * self.pitch < bottom {
                let text = self.renderer.source.sentence(dice.whole(6, 25), dice);
                let (text, _) = self.fit(&text, 0.5 * (right - left), false);
                y = self.heading(&text, left, right, y - 0.5 * self.pitch, dice)
                    + ascent * self.print.em;
            }
        }
    }

    fn receipt(&mut self, dice: &mut Dice) {
        let margin = self.width * dice.range(0.03, 0.1);
        let (left, right) = (margin, self.width - margin);
        let words = self.renderer.source.words();
        let mut y = margin;
        let name = receipt::item(dice, words);
        y = self.heading(&name, left, right, y, dice) + self.pitch;
        let dashed = dice.chance(0.6);
        for _ in 0..dice.whole(1, 5) {
            let text = if dice.chance(0.3) {
                receipt::title(dice).to_owned()
            } else {
                receipt::row(dice, words)
            };
            let (text, print) = self.fit(&text, right - left, false);
            self.put(&text, print, (0.5 * self.width, y), Align::Centre);
            y += self.pitch;
        }
        let end = self.height - margin - 4.0 * self.pitch;
        let mut quantity = dice.chance(0.4);
        while y < end && self.lines.len() < MOST_LINES {
            if dice.chance(0.12) {
                self.rule(
                    (left, y - 0.4 * self.pitch),
                    (right, y - 0.4 * self.pitch),
                    dashed,
                );
                y += 0.5 * self.pitch;
            }
            let price = receipt::price(dice);
            let room = (right - left) * 0.62;
            let item = match dice.below(5) {
                0 => receipt::row(dice, words),
                1 => receipt::total(dice).to_owned(),
                _ => receipt::item(dice, words),
            };
            let mut from = left;
            if quantity && dice.chance(0.7) {
                self.put(
                    &dice.whole(1, 20).to_string(),
                    self.print,
                    (left, y),
                    Align::Left,
                );
                from += 2.5 * self.print.em;
            }
            let (item, print) = self.fit(&item, room - (from - left), false);
            let drawn = self.put(&item, print, (from, y), Align::Left);
            let clear = drawn.map_or(left, |extent| extent.right) + self.print.em;
            let width = self.print.row(self.face, &self.known(&price)).width;
            if dice.chance(0.85) && right - width > clear {
                self.put(&price, self.print, (right, y), Align::Right);
            }
            y += self.pitch * if dice.chance(0.1) { 1.8 } else { 1.0 };
            quantity &= dice.chance(0.95);
        }
        let total = format!("{} {}", receipt::total(dice), receipt::price(dice));
        y = self.heading(&total, left, right, y, dice) + self.pitch;
        let (text, print) = self.fit(receipt::title(dice), right - left, false);
        self.put(&text, print, (0.5 * self.width, y), Align::Centre);
    }

    fn table(&mut self, dice: &mut Dice) {
        let margin = self.width * dice.range(0.04, 0.1);
        let (left, right) = (margin, self.width - margin);
        let words = self.renderer.source.words();
        let title = self.renderer.source.sentence(dice.whole(8, 30), dice);
        let top = self.heading(&title, left, right, margin, dice) + 0.5 * self.pitch;
        let columns = dice.whole(2, 6);
        let mut edges: Vec<f32> = (1..columns)
            .map(|k| k as f32 / columns as f32 + dice.range(-0.3, 0.3) / columns as f32)
            .collect();
        edges.insert(0, 0.0);
        edges.push(1.0);
        let edges: Vec<f32> = edges
            .into_iter()
            .map(|t| left + t * (right - left))
            .collect();
        let pad = 0.4 * self.print.em;
        let pitch = 1.15 * self.pitch;
        let rows = (((self.height - margin - top) / pitch) as usize).clamp(1, dice.whole(3, 30));
        let numbers: Vec<bool> = (0..columns)
            .map(|column| column > 0 && dice.chance(0.7))
            .collect();
        let dark_head = dice.chance(0.3);
        let (_, ascent, descent) = self.face.heights();
        let middle = 0.5 * (pitch + (ascent - descent) * self.print.em);
        for row in 0..rows {
            let y = top + row as f32 * pitch + middle;
            for column in 0..columns {
                let room = edges[column + 1] - edges[column] - 2.0 * pad;
                let text = match (row, numbers[column]) {
                    (0, _) => receipt::title(dice).to_owned(),
                    (_, true) => receipt::number(dice),
                    _ => receipt::item(dice, words),
                };
                let (text, print) = self.fit(&text, room, false);
                let fits = print.row(self.face, &text).width <= room;
                if !fits || dice.chance(0.05) {
                    continue;
                }
                let (x, align) = match numbers[column] {
                    true => (edges[column + 1] - pad, Align::Right),
                    false => (edges[column] + pad, Align::Left),
                };
                self.put(&text, print, (x, y), align);
            }
        }
        let bottom = top + rows as f32 * pitch;
        if dark_head {
            self.boxes.push(Extent {
                left,
                right,
                top,
                bottom: top + pitch,
            });
        }
        let ruled = dice.below(4);
        for row in 0..=rows {
            // All rules, the horizontal ones, those of the head and the foot, or none.
            if ruled <= 1 || (ruled == 2 && (row < 2 || row == rows)) {
                let y = top + row as f32 * pitch;
                self.rule((left, y), (right, y), false);
            }
        }
        if ruled == 0 {
            for &x in &edges {
                self.rule((x, top), (x, bottom), false);
            }
        }
    }

    /// Skew, ink, paper and faults.
    fn finish(self, seed: u64, index: u64, dice: &mut Dice) -> Page {
        let degrade = without_geometry(&self.renderer.config.degrade);
        let most = self.renderer.config.page.skew.to_radians() * degrade.severity;
        let angle = most * dice.range(-1.0, 1.0) * dice.uniform();
        let (sin, cos) = angle.sin_cos();
        let (cx, cy) = (0.5 * self.width, 0.5 * self.height);
        let turn = |x: f32, y: f32| {
            let (dx, dy) = (x - cx, y - cy);
            (cx + dx * cos - dy * sin, cy + dx * sin + dy * cos)
        };
        let (width, height) = (self.width as usize, self.height as usize);
        let cover = |outline: Outline| outline.mapped(turn).cover(0.0, 0.0, width, height);
        let mut pixels = cover(self.ink);
        if !self.boxes.is_empty() {
            let mut boxes = Outline::default();
            for inner in &self.boxes {
                let middle = 0.5 * (inner.top + inner.bottom);
                boxes.bar(
                    (inner.left, middle),
                    (inner.right, middle),
                    inner.height(),
                    self.width,
                );
            }
            for (pixel, dark) in pixels.iter_mut().zip(cover(boxes)) {
                let (ink, dark) = (u32::from(*pixel), u32::from(dark));
                *pixel = ((ink * (255 - dark) + (255 - ink) * dark) / 255) as u8;
            }
        }
        if !self.rules.is_empty() {
            for (pixel, rule) in pixels.iter_mut().zip(cover(self.rules)) {
                *pixel = (*pixel).max(rule);
            }
        }
        let degrader = Degrader {
            config: &degrade,
            seed,
            index,
            x_height: self.print.em * self.face.heights().0,
        };
        let ink = Gray::from_fn(width, height, |x, y| pixels[y * width + x]);
        let image = degrader.picture(ink);
        // Pictures with fewer pixels.
        let (across, down) = (
            image.width() as f32 / width as f32,
            image.height() as f32 / height as f32,
        );
        let place = |x: f32, y: f32| {
            let (x, y) = turn(x, y);
            Point {
                x: x * across,
                y: y * down,
            }
        };
        let lines = self.lines.into_iter().map(|(extent, text)| PageLine {
            quad: Quad([
                place(extent.left, extent.top),
                place(extent.right, extent.top),
                place(extent.right, extent.bottom),
                place(extent.left, extent.bottom),
            ]),
            text,
        });
        Page {
            lines: lines.collect(),
            image,
        }
    }
}

/// The degradations of a page, whose lines have no geometry and no rules of their own.
fn without_geometry(config: &DegradeConfig) -> DegradeConfig {
    use Degradation::*;
    let mut config = config.clone();
    for own in [
        Shear,
        Rotation,
        Sine,
        Perspective,
        Crop,
        Neighbours,
        Underline,
        Frame,
        Bars,
    ] {
        config.chance.insert(own, 0.0);
    }
    config
}
