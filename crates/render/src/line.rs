//! Lines of text: print, geometry, the cut from the page, and its picture.

use std::sync::Arc;

use refrain_image::Gray;

use crate::config::{Degradation, RenderConfig};
use crate::degrade::Degrader;
use crate::dice::Dice;
use crate::fonts::Chooser;
use crate::outline::{Extent, Outline, Print, Row};
use crate::text::normal;
use crate::{Face, Fonts, Part, RenderError, TextSource};

/// A text line and its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The image, of any height.
    pub image: Gray,
    /// The text in NFC, with single spaces, and none at the ends.
    pub text: String,
}

/// Characters of a line.
pub const MOST_CHARACTERS: usize = 1000;
/// Pixels of a line in one direction: as many as a JPEG has.
const MOST_PIXELS: f32 = 60_000.0;

/// Draws lines and pages.
#[derive(Clone, Debug)]
pub struct Renderer {
    pub(crate) chooser: Chooser,
    pub(crate) source: Arc<TextSource>,
    pub(crate) config: RenderConfig,
}

impl Renderer {
    /// A renderer with the fonts of one part. The settings of texts are those of `source`; `config.text` is replaced by
    /// them.
    pub fn new(
        fonts: &Arc<Fonts>,
        part: Part,
        source: TextSource,
        mut config: RenderConfig,
    ) -> Result<Self, RenderError> {
        config.text = source.config().clone();
        config.style.check()?;
        config.degrade.check()?;
        config.page.check()?;
        Ok(Self {
            chooser: fonts.chooser(part)?,
            source: Arc::new(source),
            config,
        })
    }

    /// The settings.
    pub fn config(&self) -> &RenderConfig {
        &self.config
    }

    /// The same renderer with another strength of degradations, 0 to 1.
    pub fn with_severity(&self, severity: f32) -> Result<Self, RenderError> {
        let mut other = self.clone();
        other.config.degrade.severity = severity;
        other.config.degrade.check()?;
        Ok(other)
    }

    /// Line number `index` under `seed`: a function of the fonts, the files, the settings and these two alone.
    pub fn line(&self, seed: u64, index: u64) -> Line {
        let mut dice = Dice::new(seed, index, "line");
        let (face, text) = self.text(&mut dice);
        self.render(face, text, seed, index)
    }

    /// A given text, drawn as line number `index` is.
    pub fn draw(&self, text: &str, seed: u64, index: u64) -> Result<Line, RenderError> {
        let characters = text.chars().take(4 * MOST_CHARACTERS + 1).count();
        let long = RenderError::LongText {
            characters,
            limit: MOST_CHARACTERS,
        };
        if characters > 4 * MOST_CHARACTERS {
            return Err(long);
        }
        let text = normal(text);
        if text.chars().count() > MOST_CHARACTERS {
            return Err(long);
        }
        let first = text
            .chars()
            .next()
            .ok_or(RenderError::EmptyText { characters })?;
        let mut dice = Dice::new(seed, index, "face");
        let face = self
            .chooser
            .covering(&text, &mut dice)
            .ok_or_else(|| RenderError::NoFace {
                characters,
                missing: self.chooser.missing(&text).unwrap_or(first),
            })?;
        Ok(self.render(face, text, seed, index))
    }

    /// A text of the source and a face for it. A text that no face has loses characters.
    pub(crate) fn text(&self, dice: &mut Dice) -> (&Face, String) {
        for _ in 0..4 {
            let text = self.source.draw(dice);
            if let Some(face) = self.chooser.covering(&text, dice) {
                return (face, text);
            }
            let face = self.chooser.any(dice);
            let kept = normal(
                &text
                    .chars()
                    .filter(|&c| face.glyph(c).is_some())
                    .collect::<String>(),
            );
            if !kept.is_empty() {
                return (face, kept);
            }
        }
        // A face has at least ten characters.
        let face = self.chooser.any(dice);
        let own: Vec<char> = face.characters().filter(|c| !c.is_whitespace()).collect();
        (
            face,
            (0..dice.whole(1, 8))
                .map(|_| own[dice.below(own.len())])
                .collect(),
        )
    }

    /// Measures of print for line `index`.
    pub(crate) fn print(&self, face: &Face, text: &str, dice: &mut Dice) -> Print {
        let style = &self.config.style;
        let (x_height, ..) = face.heights();
        let pixels = dice.log_range(style.x_height[0], style.x_height[1]);
        let spaced = dice.chance(style.spaced);
        let stretched = dice.chance(style.spaced);
        let [low, high] = style.letter_spacing;
        let spacing = if spaced {
            dice.range(low, high)
        } else {
            1.0f32.clamp(low, high)
        };
        let [low, high] = style.stretch;
        let stretch = if stretched {
            dice.log_range(low, high)
        } else {
            1.0f32.clamp(low, high)
        };
        let [low, high] = style.word_spacing;
        let spread = dice.log_range(low, high);
        let gaps = if dice.chance(0.5) {
            spread
        } else {
            1.0f32.clamp(low, high)
        };
        let spaces = text.matches(' ').count();
        let wide =
            (spaces > 0 && dice.chance(0.06)).then(|| (dice.below(spaces), dice.range(2.0, 7.0)));
        Print {
            em: (pixels / x_height.max(0.1)).min(6.0 * pixels),
            stretch,
            spacing,
            gaps,
            wide,
            ligatures: dice.chance(style.ligatures),
        }
    }

    fn render(&self, face: &Face, text: String, seed: u64, index: u64) -> Line {
        let mut print = self.print(face, &text, &mut Dice::new(seed, index, "style"));
        let mut row = print.row(face, &text);
        if row.width > 0.5 * MOST_PIXELS {
            print.em *= 0.5 * MOST_PIXELS / row.width;
            row = print.row(face, &text);
        }
        let degrader = Degrader {
            config: &self.config.degrade,
            seed,
            index,
            x_height: print.em * face.heights().0,
        };
        let scene = Scene::new(face, &print, row, &text, &degrader, self);
        let image = degrader.picture(scene.ink());
        Line { image, text }
    }
}

/// A line among its neighbours and rules, in pixels.
struct Scene {
    ink: Outline,
    /// Rules and frames with the strength of their ink, 0 to 1.
    rules: (Outline, f32),
    /// The cut.
    left: f32,
    top: f32,
    width: usize,
    height: usize,
}

impl Scene {
    fn new(
        face: &Face,
        print: &Print,
        row: Row,
        text: &str,
        degrader: &Degrader,
        renderer: &Renderer,
    ) -> Self {
        let (x_height, ascent, descent) = face.heights();
        let drawn = match row.outline.is_empty() {
            true => Extent::NOTHING
                .with((0.0, 0.0))
                .with((row.width, -print.em)),
            false => row.outline.extent(),
        };
        // The height that a finder of lines would see: the ink, but no less than the letter x.
        let body = Extent {
            top: drawn.top.min(-0.6 * x_height * print.em),
            bottom: drawn.bottom.max(-0.3 * x_height * print.em),
            ..drawn
        };
        let warp = Warp::new(&body, degrader);
        let map = |x: f32, y: f32| warp.apply(x, y);
        let step = 0.5 * print.em;
        let (rules, reach) = rules(&body, &row, print.em, step, degrader);
        let main = row.outline.mapped(map);
        let seen = match main.is_empty() {
            true => corners(&body, map),
            false => main.extent(),
        };
        let full = Extent {
            top: -ascent * print.em,
            bottom: descent * print.em,
            ..drawn
        };
        let boxes = Boxes {
            height: body.height().max(0.6 * full.height()),
            ends: row.ends,
            seen,
            reach: corners(&reach, map),
            font: corners(&full, map),
        };
        let cut = boxes.cut(text, degrader);
        let mut scene = Self {
            ink: main,
            rules: (rules.0.mapped(map), rules.1),
            left: cut.left,
            top: cut.top,
            width: (cut.width().ceil() as usize).clamp(2, MOST_PIXELS as usize),
            height: (cut.height().ceil() as usize).clamp(2, MOST_PIXELS as usize),
        };
        if let Some(mut dice) = degrader.dice(Degradation::Neighbours) {
            let both = dice.below(3);
            let above = (seen.top - cut.top, body.top);
            let below = (cut.bottom - seen.bottom, body.bottom);
            for (side, is_above, drawn) in [(above, true, both != 1), (below, false, both != 0)] {
                if drawn {
                    let other = neighbour(face, print, &body, side, is_above, renderer, &mut dice);
                    scene.ink.append(other.mapped(map));
                }
            }
        }
        scene
    }

    /// Coverage by ink, 255 where it is full.
    fn ink(&self) -> Gray {
        let cover = |outline: &Outline| outline.cover(self.left, self.top, self.width, self.height);
        let mut pixels = cover(&self.ink);
        let (rules, strength) = &self.rules;
        if !rules.is_empty() {
            for (pixel, rule) in pixels.iter_mut().zip(cover(rules)) {
                *pixel = (*pixel).max((f32::from(rule) * strength) as u8);
            }
        }
        Gray::from_fn(self.width, self.height, |x, y| pixels[y * self.width + x])
    }
}

/// Part of the line above or below: outlines whose edge next to the line reaches past the edge of the cut.
///
/// `(margin, edge)` are the distance from the ink to the cut, and the place of the ink on this side.
fn neighbour(
    face: &Face,
    print: &Print,
    body: &Extent,
    (margin, edge): (f32, f32),
    above: bool,
    renderer: &Renderer,
    dice: &mut Dice,
) -> Outline {
    let letters = ((body.width() / (0.5 * print.em * print.stretch)) as usize).clamp(4, 200);
    let mut text = renderer.source.sentence(letters + 8, dice);
    text.retain(|c| face.glyph(c).is_some());
    let row = print.row(face, &text);
    if row.outline.is_empty() {
        return row.outline;
    }
    let extent = row.outline.extent();
    // Letters of both lines may touch, but hardly more.
    let height = body.height();
    let gap = (margin - dice.range(0.02, 0.25) * height).max(-0.06 * height);
    let y = match above {
        true => edge - gap - extent.bottom,
        false => edge + gap - extent.top,
    };
    let x = body.left - dice.uniform() * (row.width - body.width()).max(0.0);
    row.outline.mapped(|px, py| (px + x, py + y))
}

/// The extent of the corners and the middles of edges under a map.
fn corners(extent: &Extent, map: impl Fn(f32, f32) -> (f32, f32)) -> Extent {
    let mut result = Extent::NOTHING;
    for k in 0..=8 {
        let x = extent.left + (extent.right - extent.left) * k as f32 / 8.0;
        result = result.with(map(x, extent.top)).with(map(x, extent.bottom));
    }
    result
}

/// Underline, frame and bars with the strength of their ink, and the extent of the line with them.
fn rules(
    body: &Extent,
    row: &Row,
    em: f32,
    step: f32,
    degrader: &Degrader,
) -> ((Outline, f32), Extent) {
    let mut outline = Outline::default();
    let mut strength = 1.0;
    let mut reach = *body;
    let thick = |dice: &mut Dice| (dice.range(0.02, 0.1) * em).max(0.7);
    if let Some(mut dice) = degrader.dice(Degradation::Underline) {
        let y = dice.range(0.08, 0.3) * em;
        let over = dice.range(0.0, 1.0) * em;
        let thick = thick(&mut dice);
        outline.bar((body.left - over, y), (body.right + over, y), thick, step);
        strength = dice.range(0.4, 1.0);
        reach.bottom = reach.bottom.max(y + thick);
    }
    if let Some(mut dice) = degrader.dice(Degradation::Frame) {
        let thick = thick(&mut dice);
        let mut away = || thick + dice.range(0.05, 0.35) * em;
        let (left, right) = (body.left - away(), body.right + away());
        let (top, bottom) = (body.top - away(), body.bottom + away());
        for y in [top, bottom] {
            let ends = (left - 0.5 * thick, right + 0.5 * thick);
            outline.bar((ends.0, y), (ends.1, y), thick, step);
        }
        outline.bar((left, top), (left, bottom), thick, step);
        outline.bar((right, top), (right, bottom), thick, step);
        strength = dice.range(0.4, 1.0);
        reach = reach
            .with((left - thick, top - thick))
            .with((right + thick, bottom + thick));
    }
    if let Some(mut dice) = degrader.dice(Degradation::Bars) {
        let thick = thick(&mut dice);
        let (top, bottom) = (body.top - 2.0 * em, body.bottom + 2.0 * em);
        let left = body.left - thick - dice.range(0.2, 0.9) * em;
        let right = body.right + thick + dice.range(0.2, 0.9) * em;
        let sides = dice.below(3);
        for (x, drawn) in [(left, sides != 1), (right, sides != 0)] {
            if drawn {
                outline.bar((x, top), (x, bottom), thick, step);
                let outer = x + 2.0 * thick * (x - body.left).signum();
                reach = reach.with((outer, body.top));
            }
        }
        // Only in wide spaces: elsewhere a bar looks like a letter.
        let wide = row.spaces.iter().find(|(_, width)| *width > 1.2 * em);
        if let Some(&(x, _)) = wide.filter(|_| dice.chance(0.5)) {
            outline.bar((x, top), (x, bottom), thick, step);
        }
        strength = dice.range(0.5, 1.0);
    }
    ((outline, strength), reach)
}

/// Whether the top and the bottom of the text hold marks that tell letters apart.
fn delicate(text: &str) -> (bool, bool) {
    let top = |c: char| "ij!?;:'\"`^*%°‘’“”".contains(c) || (c > '\u{BF}' && c.is_alphabetic());
    let bottom = |c: char| ",;_çÇ.!?".contains(c);
    (text.chars().any(top), text.chars().any(bottom))
}

/// Boxes from which the cut is made.
struct Boxes {
    /// Height of the straight line in pixels.
    height: f32,
    /// Widths of its first and its last letter in pixels.
    ends: (f32, f32),
    /// The ink in the picture.
    seen: Extent,
    /// The same with rules.
    reach: Extent,
    /// The box of the font.
    font: Extent,
}

impl Boxes {
    /// The cut around the line.
    fn cut(&self, text: &str, degrader: &Degrader) -> Extent {
        let height = self.height;
        let mut margins = [0.08 * height; 4];
        let mut base = self.seen;
        if let Some(mut dice) = degrader.dice(Degradation::Crop) {
            let severity = degrader.config.severity;
            if dice.chance(0.3) {
                // Cuts by the measures of the font have more room.
                base = Extent {
                    top: base.top.min(self.font.top),
                    bottom: base.bottom.max(self.font.bottom),
                    ..base
                };
            }
            let delicate = delicate(text);
            let least = |careful: bool| if careful { 0.04 } else { 0.15 };
            let limits = [
                least(delicate.0) * height,
                least(delicate.1) * height,
                // No letter may be lost.
                (0.15 * height).min(0.22 * self.ends.0),
                (0.15 * height).min(0.22 * self.ends.1),
            ];
            for (margin, limit) in margins.iter_mut().zip(limits) {
                let outwards = dice.chance(0.75);
                let amount = dice.uniform();
                *margin = match outwards {
                    true => *margin + severity * (0.25 * amount * height - *margin),
                    false => *margin + severity * (-amount * amount * limit - *margin),
                };
            }
        }
        let whole = Dice::new(degrader.seed, degrader.index, "reach").chance(0.75);
        if whole {
            base = base
                .with((self.reach.left, self.reach.top))
                .with((self.reach.right, self.reach.bottom));
        }
        Extent {
            left: base.left - margins[2],
            top: base.top - margins[0],
            right: base.right + margins[3],
            bottom: base.bottom + margins[1],
        }
    }
}

/// The map from a straight line of print to its place in the picture.
struct Warp {
    middle: (f32, f32),
    size: (f32, f32),
    shear: f32,
    turn: (f32, f32),
    /// Amplitude in pixels, waves per pixel times 2 pi, phase.
    sine: (f32, f32, f32),
    /// Growth from end to end, and from top to bottom.
    growth: (f32, f32),
}

impl Warp {
    fn new(body: &Extent, degrader: &Degrader) -> Self {
        let severity = degrader.config.severity;
        let (width, height) = (body.width().max(1.0), body.height().max(1.0));
        let mut warp = Self {
            middle: (
                0.5 * (body.left + body.right),
                0.5 * (body.top + body.bottom),
            ),
            size: (width, height),
            shear: 0.0,
            turn: (0.0, 1.0),
            sine: (0.0, 0.0, 0.0),
            growth: (0.0, 0.0),
        };
        // Small and large values both: the square of a uniform number.
        let amount = |dice: &mut Dice, most: f32| {
            dice.sign() * severity * most * (0.06 + 0.94 * dice.uniform().powf(1.5))
        };
        if let Some(mut dice) = degrader.dice(Degradation::Shear) {
            warp.shear = amount(&mut dice, 0.3);
        }
        if let Some(mut dice) = degrader.dice(Degradation::Rotation) {
            // Long lines are turned less: a finder of lines follows them.
            let most = 2.0f32.to_radians().min(0.8 * height / width);
            let angle = amount(&mut dice, most);
            warp.turn = (angle.sin(), angle.cos());
        }
        if let Some(mut dice) = degrader.dice(Degradation::Sine) {
            let wave = dice.log_range(4.0, 30.0) * height;
            let phase = dice.range(0.0, std::f32::consts::TAU);
            warp.sine = (
                amount(&mut dice, 0.08) * height,
                std::f32::consts::TAU / wave,
                phase,
            );
        }
        if let Some(mut dice) = degrader.dice(Degradation::Perspective) {
            let foot = (0.5 * height / width).min(0.25);
            warp.growth = (amount(&mut dice, 0.3), amount(&mut dice, foot));
        }
        warp
    }

    fn apply(&self, x: f32, y: f32) -> (f32, f32) {
        let y = y + self.sine.0 * (x * self.sine.1 + self.sine.2).sin();
        let (dx, dy) = (x - self.middle.0, y - self.middle.1);
        let (along, down) = (dx / self.size.0, (dy / self.size.1).clamp(-2.0, 2.0));
        let dy = dy * (1.0 + self.growth.0 * along);
        // The integral of the growth, so that widths grow as heights do.
        let dx = dx * (1.0 + 0.5 * self.growth.0 * along) * (1.0 + self.growth.1 * down);
        let dx = dx - self.shear * dy;
        let (sin, cos) = self.turn;
        (
            self.middle.0 + dx * cos - dy * sin,
            self.middle.1 + dx * sin + dy * cos,
        )
    }
}
