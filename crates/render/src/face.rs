//! One face of a font: its characters, measures, kerning and outlines.

use std::sync::Arc;

use ttf_parser::gpos::{PairAdjustment, PositioningSubtable};
use ttf_parser::{GlyphId, OutlineBuilder, Tag, name_id};

use crate::dice::hash;
use crate::fonts::SkipReason;

/// A face, ready to be drawn.
#[derive(Clone, Debug)]
pub struct Face {
    data: Arc<[u8]>,
    index: u32,
    family: String,
    style: String,
    bold: bool,
    italic: bool,
    monospaced: bool,
    held_out: bool,
    /// Characters in order, with their glyphs.
    glyphs: Vec<(char, u16)>,
    units: f32,
    /// Heights above and depth below the baseline, in em.
    x_height: f32,
    ascent: f32,
    descent: f32,
    /// Lookups of pair kerning in GPOS.
    kerning: Vec<u16>,
}

/// Glyphs that may stand for two or three letters.
const LIGATURES: [(&str, char); 5] = [
    ("ffi", '\u{FB03}'),
    ("ffl", '\u{FB04}'),
    ("ff", '\u{FB00}'),
    ("fi", '\u{FB01}'),
    ("fl", '\u{FB02}'),
];

/// Words of a family name that name a width, a weight or an optical size, not another design.
const VARIANTS: [&str; 24] = [
    "condensed",
    "semicondensed",
    "extracondensed",
    "narrow",
    "extended",
    "expanded",
    "wide",
    "thin",
    "light",
    "extralight",
    "ultralight",
    "demilight",
    "book",
    "regular",
    "medium",
    "semibold",
    "demi",
    "bold",
    "extrabold",
    "heavy",
    "black",
    "italic",
    "oblique",
    "display",
];

/// Words in the name of a family that has pictures in the place of letters.
const PICTURES: [&str; 14] = [
    "symbol", "dingbat", "wingding", "webding", "emoji", "icon", "awesome", "ornament", "barcode",
    "braille", "music", "code 39", "code 128", "keyboard",
];

/// The name of the design of a family: lower case, without widths and weights, so that a family and its condensed
/// sister are on the same side of the split.
pub(crate) fn design(family: &str) -> String {
    let lower = family.to_lowercase();
    let words: Vec<&str> = lower
        .split([' ', '-', '_'])
        .filter(|word| !word.is_empty() && !VARIANTS.contains(word))
        .collect();
    match words.is_empty() {
        true => lower,
        false => words.join(" "),
    }
}

impl Face {
    /// Reads the face `index` of a font file. Only characters of `alphabet`, which is sorted, are looked for; families
    /// whose hash is below `held_out` of the whole range are held out.
    pub(crate) fn read(
        data: Arc<[u8]>,
        index: u32,
        alphabet: &[char],
        held_out: f64,
    ) -> Result<Self, SkipReason> {
        let face = ttf_parser::Face::parse(&data, index)
            .map_err(|error| SkipReason::Broken(error.to_string()))?;
        let (family, style) = names(&face);
        let lower = family.to_lowercase();
        if PICTURES.iter().any(|word| lower.contains(word)) || is_pictorial(&face) {
            return Err(SkipReason::Pictures);
        }
        let glyphs = characters(&face, alphabet);
        let mut this = Self {
            index,
            held_out: (hash(design(&family).as_bytes()) >> 11) as f64 / ((1u64 << 53) as f64)
                < held_out,
            bold: face.is_bold(),
            italic: face.is_italic() || face.is_oblique(),
            monospaced: face.is_monospaced(),
            units: f32::from(face.units_per_em()),
            family,
            style,
            glyphs,
            x_height: 0.0,
            ascent: 0.0,
            descent: 0.0,
            kerning: kerning_lookups(&face),
            data: data.clone(),
        };
        this.check()?;
        this.measure(&face);
        Ok(this)
    }

    /// A face needs ten letters and digits.
    pub(crate) fn check(&self) -> Result<(), SkipReason> {
        let letters = self.characters().filter(|c| c.is_alphanumeric());
        match letters.count() < 10 {
            true => Err(SkipReason::Characters(self.glyphs.len())),
            false => Ok(()),
        }
    }

    fn measure(&mut self, face: &ttf_parser::Face) {
        let height = |c: char| {
            let shape = Shape::of(face, self.glyph(c)?)?;
            Some((shape.top / self.units, shape.bottom / self.units))
        };
        let top = |text: &str| {
            let tops = text.chars().filter_map(height).map(|(top, _)| top);
            tops.reduce(f32::max).filter(|&top| top > 0.05)
        };
        let ascent = top("HEbdhkl").or(top("0123456789")).unwrap_or(0.7);
        let x_height = top("xzvn").unwrap_or(0.7 * ascent);
        let bottom = "pqgy"
            .chars()
            .filter_map(height)
            .map(|(_, bottom)| -bottom)
            .reduce(f32::max);
        // Syllables and other square characters reach below the baseline, but have no descenders.
        self.descent = bottom.unwrap_or(0.25 * ascent).clamp(0.0, 1.5);
        (self.ascent, self.x_height) = (ascent.min(2.0), x_height.min(2.0));
    }

    /// The name of its family.
    pub fn family(&self) -> &str {
        &self.family
    }

    /// The name of its style in the family, such as `Bold Italic`.
    pub fn style(&self) -> &str {
        &self.style
    }

    /// Whether its family is kept out of training.
    pub fn held_out(&self) -> bool {
        self.held_out
    }

    /// Whether it is bold.
    pub fn bold(&self) -> bool {
        self.bold
    }

    /// Whether it is italic or oblique.
    pub fn italic(&self) -> bool {
        self.italic
    }

    /// Whether all its characters have one width.
    pub fn monospaced(&self) -> bool {
        self.monospaced
    }

    /// The characters of the alphabet that it has, in order.
    pub fn characters(&self) -> impl Iterator<Item = char> {
        self.glyphs
            .iter()
            .map(|&(c, _)| c)
            .filter(|c| !LIGATURES.iter().any(|(_, glyph)| glyph == c))
    }

    /// Whether it has all characters of the text.
    pub fn covers(&self, text: &str) -> bool {
        text.chars().all(|c| self.glyph(c).is_some())
    }

    /// Forgets lower case, with its ligatures.
    pub(crate) fn drop_lower_case(&mut self) {
        self.glyphs.retain(|&(c, _)| !c.is_lowercase());
    }

    /// The glyph of a character.
    pub(crate) fn glyph(&self, c: char) -> Option<GlyphId> {
        let at = self.glyphs.binary_search_by_key(&c, |&(c, _)| c).ok()?;
        Some(GlyphId(self.glyphs[at].1))
    }

    /// The ligature with which the text begins, and the number of letters in it.
    pub(crate) fn ligature(&self, text: &[char]) -> Option<(GlyphId, usize)> {
        LIGATURES.iter().find_map(|&(letters, glyph)| {
            let fits =
                letters.len() <= text.len() && letters.chars().zip(text).all(|(a, &b)| a == b);
            Some((self.glyph(glyph).filter(|_| fits)?, letters.len()))
        })
    }

    /// Heights of `x` and of the tallest letters above the baseline and depth of descenders below it, in em.
    pub(crate) fn heights(&self) -> (f32, f32, f32) {
        (self.x_height, self.ascent, self.descent)
    }

    /// Font units in one em.
    pub(crate) fn units(&self) -> f32 {
        self.units
    }

    /// The tables, to draw from. `None` cannot happen for a face that was read.
    pub(crate) fn open(&self) -> Option<Open<'_>> {
        let face = ttf_parser::Face::parse(&self.data, self.index).ok()?;
        Some(Open {
            face,
            kerning: &self.kerning,
        })
    }
}

/// The tables of a face.
pub(crate) struct Open<'a> {
    face: ttf_parser::Face<'a>,
    kerning: &'a [u16],
}

impl Open<'_> {
    /// Horizontal advance in font units.
    pub(crate) fn advance(&self, glyph: GlyphId) -> f32 {
        f32::from(self.face.glyph_hor_advance(glyph).unwrap_or(0))
    }

    /// Draws the outline of a glyph, in font units with y upwards.
    pub(crate) fn outline(&self, glyph: GlyphId, pen: &mut dyn OutlineBuilder) {
        self.face.outline_glyph(glyph, pen);
    }

    /// Change of the distance between two glyphs in font units, by GPOS or else by the table `kern`.
    pub(crate) fn kerning(&self, left: GlyphId, right: GlyphId) -> f32 {
        let by_position = || {
            let lookups = self.face.tables().gpos?.lookups;
            self.kerning.iter().find_map(|&at| {
                let subtables = lookups.get(at)?.subtables;
                (0..subtables.len()).find_map(|k| match subtables.get(k)? {
                    PositioningSubtable::Pair(pair) => pair_advance(&pair, left, right),
                    _ => None,
                })
            })
        };
        let by_kern = || {
            let tables = self.face.tables().kern?.subtables.into_iter();
            tables
                .filter(|table| table.horizontal && !table.variable)
                .find_map(|table| table.glyphs_kerning(left, right))
        };
        let value = match self.kerning.is_empty() {
            false => by_position(),
            true => by_kern(),
        };
        f32::from(value.unwrap_or(0))
    }
}

fn pair_advance(pair: &PairAdjustment, left: GlyphId, right: GlyphId) -> Option<i16> {
    let covered = pair.coverage().get(left)?;
    let (first, _) = match pair {
        PairAdjustment::Format1 { sets, .. } => sets.get(covered)?.get(right)?,
        PairAdjustment::Format2 {
            classes, matrix, ..
        } => matrix.get((classes.0.get(left), classes.1.get(right)))?,
    };
    Some(first.x_advance)
}

fn kerning_lookups(face: &ttf_parser::Face) -> Vec<u16> {
    let Some(table) = face.tables().gpos else {
        return Vec::new();
    };
    let kern = Tag::from_bytes(b"kern");
    let features = table
        .features
        .into_iter()
        .filter(|feature| feature.tag == kern);
    let mut lookups: Vec<u16> = features
        .flat_map(|feature| feature.lookup_indices)
        .collect();
    lookups.sort_unstable();
    lookups.dedup();
    // Fonts have one to three; the work per pair is bounded for a broken one.
    lookups.truncate(16);
    lookups
}

/// Family and style, by the typographic names or else by the old ones.
fn names(face: &ttf_parser::Face) -> (String, String) {
    let find = |id: u16| {
        let mut found = face.names().into_iter().filter(|name| name.name_id == id);
        found
            .find_map(|name| name.to_string())
            .filter(|name| !name.trim().is_empty())
    };
    let family = find(name_id::TYPOGRAPHIC_FAMILY).or_else(|| find(name_id::FAMILY));
    let style = find(name_id::TYPOGRAPHIC_SUBFAMILY).or_else(|| find(name_id::SUBFAMILY));
    let cut = |name: String| {
        name.chars()
            .filter(|c| !c.is_control())
            .take(100)
            .collect::<String>()
    };
    let family = family
        .or_else(|| find(name_id::POST_SCRIPT_NAME))
        .unwrap_or_else(|| "unnamed".into());
    (cut(family), cut(style.unwrap_or_default()))
}

/// Whether the font says that it holds pictures: the PANOSE kind 5, or only a symbol encoding.
fn is_pictorial(face: &ttf_parser::Face) -> bool {
    let panose = face
        .raw_face()
        .table(Tag::from_bytes(b"OS/2"))
        .and_then(|table| table.get(32).copied());
    let unicode = face.tables().cmap.is_some_and(|cmap| {
        let mut tables = cmap.subtables.into_iter();
        tables.any(|table| table.is_unicode())
    });
    panose == Some(5) || !unicode
}

/// The characters of the alphabet that the face draws, and its ligatures.
fn characters(face: &ttf_parser::Face, alphabet: &[char]) -> Vec<(char, u16)> {
    let missing = Shape::of(face, GlyphId(0)).map(|shape| shape.hash);
    let units = f32::from(face.units_per_em());
    let drawn = |c: char| {
        let glyph = face.glyph_index(c).filter(|glyph| glyph.0 != 0)?;
        let advance = f32::from(face.glyph_hor_advance(glyph)?);
        let shape = Shape::of(face, glyph);
        let usable = match &shape {
            None => c == ' ' && advance > 0.0,
            Some(shape) => {
                !c.is_whitespace()
                    && advance > 0.0
                    && advance < 4.0 * units
                    && Some(shape.hash) != missing
                    && shape.within(3.0 * units)
            }
        };
        usable.then_some((c, glyph.0))
    };
    let ligatures = LIGATURES.iter().map(|&(_, c)| c);
    let mut found: Vec<(char, u16)> = alphabet
        .iter()
        .copied()
        .chain(ligatures)
        .filter_map(drawn)
        .collect();
    found.sort_unstable_by_key(|&(c, _)| c);
    found.dedup_by_key(|&mut (c, _)| c);
    found
}

/// Extent and identity of an outline.
struct Shape {
    left: f32,
    right: f32,
    bottom: f32,
    top: f32,
    /// Of all commands with their positions.
    hash: u64,
}

impl Shape {
    /// `None` if nothing is drawn.
    fn of(face: &ttf_parser::Face, glyph: GlyphId) -> Option<Self> {
        let mut shape = Self {
            left: f32::MAX,
            right: f32::MIN,
            bottom: f32::MAX,
            top: f32::MIN,
            hash: 0,
        };
        face.outline_glyph(glyph, &mut shape)?;
        (shape.right > shape.left && shape.top > shape.bottom).then_some(shape)
    }

    fn within(&self, limit: f32) -> bool {
        self.left > -limit && self.right < 2.0 * limit && self.bottom > -limit && self.top < limit
    }

    fn add(&mut self, kind: u8, points: &[(f32, f32)]) {
        let step = |old: u64, bytes: &[u8]| {
            hash(bytes)
                .wrapping_add(old.rotate_left(7))
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        };
        self.hash = step(self.hash, &[kind]);
        for &(x, y) in points {
            self.hash = step(self.hash, &x.to_le_bytes());
            self.hash = step(self.hash, &y.to_le_bytes());
            (self.left, self.right) = (self.left.min(x), self.right.max(x));
            (self.bottom, self.top) = (self.bottom.min(y), self.top.max(y));
        }
    }
}

impl OutlineBuilder for Shape {
    fn move_to(&mut self, x: f32, y: f32) {
        self.add(0, &[(x, y)]);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.add(1, &[(x, y)]);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.add(2, &[(x1, y1), (x, y)]);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.add(3, &[(x1, y1), (x2, y2), (x, y)]);
    }

    fn close(&mut self) {
        self.add(4, &[]);
    }
}

#[cfg(test)]
mod tests {
    use super::design;

    #[test]
    fn sisters_are_one_design() {
        assert_eq!(design("DejaVu Sans Condensed"), design("DejaVu Sans"));
        assert_eq!(design("Noto Sans SemiCondensed Light"), "noto sans");
        assert_ne!(design("DejaVu Sans Mono"), design("DejaVu Sans"));
        assert_eq!(design("Black"), "black");
    }
}
