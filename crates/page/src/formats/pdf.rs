//! PDF that can be searched: the page image, and over it the words in a font without ink.

use super::date::Date;
use super::font::{ADVANCE, ASCENT, DESCENT, font};
use super::picture::{Picture, deflate};
use super::place::level;
use super::xml::forbidden;
use super::{Emit, Format, FormatError, Options, PageImage, failed};
use crate::is_right_to_left;
use crate::result::Page;
use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, TextRenderingMode, UnicodeCmap};
use pdf_writer::{Chunk, Content, Filter, Finish, Name, Rect, Ref, Str, TextStr};
use refrain_image::{Point, Quad};
use std::collections::HashMap;
use std::io::Write;

/// Longest side of a page, in points, by Annex C.2 of ISO 32000-1.
const LONGEST: f32 = 14_400.0;
/// Most objects of a file, by the same annex.
const MOST_OBJECTS: usize = 8_388_607;
/// Largest offset that a table of references can hold.
const LAST_OFFSET: u64 = 9_999_999_999;
/// Codes of a font: two bytes, without 0.
const CODES: usize = 0xffff;
const CATALOG: usize = 1;
const PAGES: usize = 2;
const INFO: usize = 3;
const FONT_NAME: Name<'static> = Name(b"NoInk");
const SYSTEM: SystemInfo<'static> = SystemInfo {
    registry: Str(b"Adobe"),
    ordering: Str(b"Identity"),
    supplement: 0,
};

/// Each character gets a code when it first occurs; all codes show the one empty glyph. `ToUnicode` at the end of the
/// file says which characters they are, so that any Unicode text can be copied, without a font for it.
///
/// A word covers its quad. Where the words of a line have different heights, all get that of the line.
pub(super) struct Pdf {
    options: Options,
    /// Bytes written.
    position: u64,
    /// Where each object begins, from object 1; 0 for those that are not written yet.
    offsets: Vec<u64>,
    pages: Vec<Ref>,
    /// Font and code of a character.
    codes: HashMap<char, (usize, u16)>,
    /// Of each font: its object, and the characters of its codes from 1.
    fonts: Vec<(Ref, Vec<char>)>,
}

impl Pdf {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            position: 0,
            offsets: vec![0; INFO],
            pages: Vec::new(),
            codes: HashMap::new(),
            fonts: Vec::new(),
        }
    }

    /// A number for a further object.
    fn object(&mut self) -> Result<Ref, FormatError> {
        if self.offsets.len() >= MOST_OBJECTS {
            return Err(FormatError::PdfLimit {
                what: "the number of objects",
            });
        }
        self.offsets.push(0);
        Ok(reference(self.offsets.len()))
    }

    fn write(&mut self, out: &mut dyn Write, bytes: &[u8]) -> Result<(), FormatError> {
        out.write_all(bytes).map_err(failed(Format::Pdf))?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Writes a chunk of one object.
    fn chunk(&mut self, out: &mut dyn Write, chunk: &Chunk) -> Result<(), FormatError> {
        if self.position > LAST_OFFSET {
            return Err(FormatError::PdfLimit {
                what: "the size of the file",
            });
        }
        for id in chunk.refs() {
            self.offsets[id.get() as usize - 1] = self.position;
        }
        self.write(out, chunk.as_bytes())
    }

    fn image(
        &mut self,
        out: &mut dyn Write,
        page: &Page,
        picture: &Picture,
    ) -> Result<Ref, FormatError> {
        let size = (picture.width, picture.height);
        if size != (page.width as usize, page.height as usize) {
            return Err(FormatError::ImageSize {
                image: size,
                page: (page.width, page.height),
            });
        }
        let limit = |what| FormatError::PdfLimit { what };
        let (Ok(width), Ok(height), Ok(_)) = (
            i32::try_from(size.0),
            i32::try_from(size.1),
            i32::try_from(picture.bytes.len()),
        ) else {
            return Err(limit("the size of an image"));
        };
        let id = self.object()?;
        let mut chunk = Chunk::new();
        let mut image = chunk.image_xobject(id, &picture.bytes);
        image.width(width).height(height);
        image.bits_per_component(picture.bits.into());
        match picture.colours {
            1 => image.color_space().device_gray(),
            3 => image.color_space().device_rgb(),
            _ => image.color_space().device_cmyk(),
        };
        if picture.inverted {
            image.decode([1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
        }
        image.filter(match picture.jpeg {
            true => Filter::DctDecode,
            false => Filter::FlateDecode,
        });
        if picture.predicted {
            let mut parameters = image.decode_parms();
            parameters.predictor(pdf_writer::types::Predictor::PngUp);
            parameters.colors(picture.colours.into());
            parameters.bits_per_component(8).columns(width);
        }
        image.finish();
        self.chunk(out, &chunk)?;
        Ok(id)
    }

    /// Font and code of a character, given when it first occurs.
    fn code(&mut self, c: char) -> Result<(usize, u16), FormatError> {
        if let Some(code) = self.codes.get(&c) {
            return Ok(*code);
        }
        if self
            .fonts
            .last()
            .is_none_or(|(_, used)| used.len() >= CODES)
        {
            let font = self.object()?;
            self.fonts.push((font, Vec::new()));
        }
        let number = self.fonts.len() - 1;
        let used = &mut self.fonts[number].1;
        used.push(c);
        let code = (number, used.len() as u16);
        self.codes.insert(c, code);
        Ok(code)
    }

    /// The words of a page as invisible text. `scale` is points in a pixel.
    fn text(
        &mut self,
        content: &mut Content,
        page: &Page,
        scale: f32,
        used: &mut Vec<usize>,
    ) -> Result<(), FormatError> {
        content.begin_text();
        content.set_text_rendering_mode(TextRenderingMode::Invisible);
        for line in page.blocks.iter().flat_map(|block| &block.lines) {
            let parts = line.parts();
            let quads: Vec<Quad> = parts.iter().map(|part| part.word.quad).collect();
            // Programs take words of different sizes for different lines.
            for (i, quad) in level(&quads, &line.quad).iter().enumerate() {
                let text = visual(&parts[i].word.text);
                let Some(place) = Place::of(quad, page, scale, text.len()) else {
                    continue;
                };
                // The blank after a word parts it from the next one, however narrow the gap is.
                let spaced = parts.get(i + 1).is_some_and(|next| next.spaced);
                let blank = spaced.then_some(' ');
                let mut runs: Vec<(usize, Vec<u8>)> = Vec::new();
                for c in text.into_iter().chain(blank) {
                    let (font, code) = self.code(c)?;
                    match runs.last_mut() {
                        Some((last, run)) if *last == font => run.extend(code.to_be_bytes()),
                        _ => runs.push((font, code.to_be_bytes().to_vec())),
                    }
                }
                content.set_horizontal_scaling(place.stretch);
                content.set_text_matrix(place.matrix);
                for (font, run) in runs {
                    if !used.contains(&font) {
                        used.push(font);
                    }
                    content.set_font(Name(font_name(font).as_bytes()), place.size);
                    content.show(Str(&run));
                }
            }
        }
        content.end_text();
        Ok(())
    }

    /// The fonts: shared parts once, then a font with its characters for every 65,535 of them.
    fn write_fonts(&mut self, out: &mut dyn Write) -> Result<(), FormatError> {
        if self.fonts.is_empty() {
            return Ok(());
        }
        let [file, map, descriptor, cid] = [
            self.object()?,
            self.object()?,
            self.object()?,
            self.object()?,
        ];
        let mut chunk = Chunk::new();
        let bytes = font();
        let packed = deflate(&bytes);
        let mut stream = chunk.stream(file, &packed);
        stream.filter(Filter::FlateDecode);
        stream.pair(Name(b"Length1"), bytes.len() as i32);
        stream.finish();
        self.chunk(out, &chunk)?;

        let mut chunk = Chunk::new();
        // Every code shows glyph 1.
        let glyphs = deflate(&[0, 1].repeat(CODES + 1));
        chunk.stream(map, &glyphs).filter(Filter::FlateDecode);
        self.chunk(out, &chunk)?;

        let mut chunk = Chunk::new();
        let (top, bottom) = (f32::from(ASCENT), f32::from(DESCENT));
        chunk
            .font_descriptor(descriptor)
            .name(FONT_NAME)
            .flags(FontFlags::SYMBOLIC | FontFlags::FIXED_PITCH)
            .bbox(Rect::new(0.0, bottom, ADVANCE.into(), top))
            .italic_angle(0.0)
            .ascent(top)
            .descent(bottom)
            .cap_height(top)
            .stem_v(80.0)
            .font_file2(file);
        self.chunk(out, &chunk)?;

        let mut chunk = Chunk::new();
        chunk
            .cid_font(cid)
            .subtype(CidFontType::Type2)
            .base_font(FONT_NAME)
            .system_info(SYSTEM)
            .font_descriptor(descriptor)
            .default_width(ADVANCE.into())
            .cid_to_gid_map_stream(map);
        self.chunk(out, &chunk)?;

        for (id, characters) in std::mem::take(&mut self.fonts) {
            let unicode = self.object()?;
            let mut cmap: UnicodeCmap<u16> = UnicodeCmap::new(Name(b"ToUnicode"), SYSTEM);
            for (code, c) in (1..=u16::MAX).zip(characters) {
                cmap.pair(code, c);
            }
            let packed = deflate(cmap.finish().as_slice());
            let mut chunk = Chunk::new();
            chunk.stream(unicode, &packed).filter(Filter::FlateDecode);
            self.chunk(out, &chunk)?;
            let mut chunk = Chunk::new();
            chunk
                .type0_font(id)
                .base_font(FONT_NAME)
                .encoding_predefined(Name(b"Identity-H"))
                .descendant_font(cid)
                .to_unicode(unicode);
            self.chunk(out, &chunk)?;
        }
        Ok(())
    }

    /// The table of references and the trailer.
    fn write_table(&mut self, out: &mut dyn Write) -> Result<(), FormatError> {
        let start = self.position;
        let size = self.offsets.len() + 1;
        self.write(
            out,
            format!("xref\n0 {size}\n0000000000 65535 f \n").as_bytes(),
        )?;
        for offset in std::mem::take(&mut self.offsets) {
            self.write(out, format!("{offset:010} 00000 n \n").as_bytes())?;
        }
        let trailer = format!(
            "trailer\n<< /Size {size} /Root {CATALOG} 0 R /Info {INFO} 0 R >>\nstartxref\n{start}\n%%EOF\n"
        );
        self.write(out, trailer.as_bytes())
    }
}

impl Emit for Pdf {
    fn begin(&mut self, out: &mut dyn Write) -> Result<(), FormatError> {
        // Four bytes above 127 tell programs that the file is no text.
        self.write(out, b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n")
    }

    fn page(
        &mut self,
        out: &mut dyn Write,
        page: &Page,
        image: Option<&PageImage<'_>>,
    ) -> Result<(), FormatError> {
        let scale = scale(page, self.options.dpi);
        let width = page.width.max(1) as f32 * scale;
        let height = page.height.max(1) as f32 * scale;
        let image = match image {
            Some(image) => {
                let picture = image.compress(self.options.jpeg)?;
                Some(self.image(out, page, &picture)?)
            }
            None => None,
        };
        let mut content = Content::new();
        if image.is_some() {
            content.save_state();
            content.transform([width, 0.0, 0.0, height, 0.0, 0.0]);
            content.x_object(Name(b"Page"));
            content.restore_state();
        }
        let mut used = Vec::new();
        self.text(&mut content, page, scale, &mut used)?;
        let packed = deflate(content.finish().as_slice());
        let [stream, id] = [self.object()?, self.object()?];
        let mut chunk = Chunk::new();
        chunk.stream(stream, &packed).filter(Filter::FlateDecode);
        self.chunk(out, &chunk)?;

        let mut chunk = Chunk::new();
        let mut entry = chunk.page(id);
        entry.parent(reference(PAGES));
        entry.media_box(Rect::new(0.0, 0.0, width, height));
        entry.contents(stream);
        let mut resources = entry.resources();
        if let Some(image) = image {
            resources.x_objects().pair(Name(b"Page"), image);
        }
        let mut fonts = resources.fonts();
        for font in used {
            fonts.pair(Name(font_name(font).as_bytes()), self.fonts[font].0);
        }
        fonts.finish();
        resources.finish();
        entry.finish();
        self.chunk(out, &chunk)?;
        self.pages.push(id);
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> Result<(), FormatError> {
        self.write_fonts(out)?;
        let mut chunk = Chunk::new();
        let pages = std::mem::take(&mut self.pages);
        let count = pages.len() as i32;
        chunk.pages(reference(PAGES)).kids(pages).count(count);
        self.chunk(out, &chunk)?;
        let mut chunk = Chunk::new();
        chunk
            .indirect(reference(CATALOG))
            .start::<pdf_writer::writers::Catalog<'_>>()
            .pages(reference(PAGES));
        self.chunk(out, &chunk)?;
        let mut chunk = Chunk::new();
        let mut info = chunk
            .indirect(reference(INFO))
            .start::<pdf_writer::writers::DocumentInfo<'_>>();
        info.producer(TextStr(&self.options.program));
        if let Some(seconds) = self.options.date {
            let date = Date::of_unix(seconds);
            let written = pdf_writer::Date::new(date.year)
                .month(date.month)
                .day(date.day)
                .hour(date.hour)
                .minute(date.minute)
                .second(date.second)
                .utc_offset_hour(0)
                .utc_offset_minute(0);
            info.creation_date(written);
        }
        info.finish();
        self.chunk(out, &chunk)?;
        self.write_table(out)
    }
}

/// The object of this number, which is at most [`MOST_OBJECTS`].
fn reference(number: usize) -> Ref {
    Ref::new(number as i32)
}

fn font_name(number: usize) -> String {
    format!("F{number}")
}

/// Points in a pixel: by the page's resolution, or the given one, so that no side is too long.
fn scale(page: &Page, dpi: f32) -> f32 {
    let valid = |dpi: &f32| dpi.is_finite() && *dpi >= 1.0;
    let dpi = page.dpi.filter(valid).or(Some(dpi).filter(valid));
    let longest = page.width.max(page.height).max(1) as f32;
    (72.0 / dpi.unwrap_or(300.0)).min(LONGEST / longest)
}

/// The characters of a word from left to right. Programs turn letters of Hebrew, Arabic and their relatives around when
/// they copy text, because these stand from right to left on a page.
fn visual(text: &str) -> Vec<char> {
    let mut characters: Vec<char> = text.chars().filter(|c| !unmapped(*c)).collect();
    if characters.iter().any(|c| is_right_to_left(*c)) {
        characters.reverse();
    }
    characters
}

/// The character has no use in text that is copied, or `ToUnicode` must not name it.
fn unmapped(c: char) -> bool {
    forbidden(c) || c.is_control() || c == '\u{feff}'
}

/// Where and how a word is shown.
struct Place {
    /// Size of the font, points: the height of the word.
    size: f32,
    /// Width of the characters, per cent.
    stretch: f32,
    matrix: [f32; 6],
}

impl Place {
    /// None for a word without characters or without a place.
    fn of(quad: &Quad, page: &Page, scale: f32, characters: usize) -> Option<Self> {
        let [a, b, c, d] = quad.0;
        let half = |from: Point, to: Point| Point {
            x: (to.x - from.x) / 2.0,
            y: (to.y - from.y) / 2.0,
        };
        // Means of the two long and of the two short edges.
        let (top, bottom, left, right) = (half(a, b), half(d, c), half(a, d), half(b, c));
        let (along_x, along_y) = (top.x + bottom.x, top.y + bottom.y);
        let (down_x, down_y) = (left.x + right.x, left.y + right.y);
        let width = along_x.hypot(along_y);
        let height = down_x.hypot(down_y);
        if characters == 0 || !(width + height).is_finite() {
            return None;
        }
        let (cos, sin) = match width > 1e-3 {
            true => (along_x / width, -along_y / width),
            false => (1.0, 0.0),
        };
        let middle = |values: [f32; 4]| values.into_iter().sum::<f32>() / 4.0;
        let (x, y) = (middle(quad.0.map(|p| p.x)), middle(quad.0.map(|p| p.y)));
        // From the middle to the left end of the font's baseline.
        let below = 0.5 + f32::from(DESCENT) / f32::from(ASCENT - DESCENT);
        let x = x - along_x / 2.0 + below * down_x;
        let y = y - along_y / 2.0 + below * down_y;
        let size = (height * scale).max(0.01);
        let natural = size * characters as f32 * f32::from(ADVANCE) / 1000.0;
        let place = Self {
            size,
            stretch: (100.0 * width * scale / natural).max(0.01),
            matrix: [
                cos,
                sin,
                -sin,
                cos,
                x * scale,
                (page.height as f32 - y) * scale,
            ],
        };
        place.matrix.iter().all(|v| v.is_finite()).then_some(place)
    }
}
