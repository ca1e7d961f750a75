//! Ground truth in descriptions of pages.

use super::{Sample, Samples, Source, beside, text};
use crate::formats::FormatError;
use crate::formats::place::{extent, rectangle};
use crate::formats::xml::{Item, Items};
use quick_xml::events::BytesStart;
use refrain_image::{Point, Quad};
use std::path::Path;

/// Most points of a polygon.
const MOST_POINTS: usize = 1 << 12;

/// The lines of a PAGE XML file, in its order. Of several texts the one with the lowest index counts; a line without a
/// text has the texts of its words, joined by blanks. The quad is the rectangle around `Coords` along the baseline; a
/// line without a baseline has the rectangle of least area.
///
/// # Errors
/// A file that cannot be read, is no XML, or has no `PcGts`; points that are none.
pub fn page_xml(path: &Path) -> Result<Samples, FormatError> {
    let text = text(path)?;
    let mut items = Items::new(path, &text);
    let mut reader = PageReader::default();
    while let Some(item) = items.next()? {
        match item {
            Item::Start(tag) => reader.start(&items, &tag, path)?,
            Item::Text(text) if reader.stack.last().is_some_and(|e| e == "Unicode") => {
                reader.unicode.push_str(&text);
            }
            Item::Text(_) => {}
            Item::End(name) => reader.end(&name),
        }
    }
    known(&items, reader.known, "PcGts")?;
    Ok(Samples::all(reader.lines))
}

/// One of the root elements has been seen.
fn known(items: &Items<'_>, known: bool, root: &str) -> Result<(), FormatError> {
    match known {
        true => Ok(()),
        false => Err(items.fault(format!(
            "the file has no element `{root}`; is it of this format?"
        ))),
    }
}

#[derive(Default)]
struct PageReader {
    known: bool,
    stack: Vec<String>,
    image: Option<Source>,
    polygon: Vec<Point>,
    baseline: Vec<Point>,
    unicode: String,
    /// Index of the open text.
    index: f32,
    /// The best text so far of the line, and of the word.
    of_line: Option<(f32, String)>,
    of_word: Option<(f32, String)>,
    words: Vec<String>,
    lines: Vec<Sample>,
}

impl PageReader {
    fn start(
        &mut self,
        items: &Items<'_>,
        tag: &BytesStart<'_>,
        path: &Path,
    ) -> Result<(), FormatError> {
        let name = tag.local_name().as_ref().to_string();
        let parent = self.stack.last().map(String::as_str);
        match (name.as_str(), parent) {
            ("PcGts", _) => self.known = true,
            ("Page", _) => {
                let name = items.attribute(tag, "imageFilename")?.unwrap_or_default();
                self.image = Some(Source::File(beside(path, &name)));
            }
            ("TextLine", _) => {
                self.polygon.clear();
                self.baseline.clear();
                self.words.clear();
                self.of_line = None;
            }
            ("Coords", Some("TextLine")) => {
                if let Some(value) = items.attribute(tag, "points")? {
                    self.polygon = points(items, &value)?;
                }
            }
            // Versions up to 2010.
            ("Point", Some("Coords"))
                if self
                    .stack
                    .iter()
                    .rev()
                    .nth(1)
                    .is_some_and(|e| e == "TextLine") =>
            {
                if let (Some(x), Some(y)) = (items.number(tag, "x")?, items.number(tag, "y")?) {
                    if self.polygon.len() >= MOST_POINTS {
                        return Err(items.fault(format!(
                            "a polygon has more than {MOST_POINTS} points; simplify it"
                        )));
                    }
                    self.polygon.push(Point { x, y });
                }
            }
            ("Baseline", Some("TextLine")) => {
                if let Some(value) = items.attribute(tag, "points")? {
                    self.baseline = points(items, &value)?;
                }
            }
            ("Word", _) => self.of_word = None,
            ("TextEquiv", _) => self.index = items.number(tag, "index")?.unwrap_or(0.0),
            ("Unicode", _) => self.unicode.clear(),
            _ => {}
        }
        self.stack.push(name);
        Ok(())
    }

    fn end(&mut self, name: &str) {
        self.stack.pop();
        let owner = self.stack.iter().rev().nth(1).map(String::as_str);
        match (name, owner) {
            // The parent is a `TextEquiv`, and its parent owns the text.
            ("Unicode", Some("TextLine")) => better(&mut self.of_line, self.index, &self.unicode),
            ("Unicode", Some("Word")) => better(&mut self.of_word, self.index, &self.unicode),
            ("Word", _) => self.words.extend(self.of_word.take().map(|(_, text)| text)),
            ("TextLine", _) => {
                let joined = || self.words.join(" ");
                let text = self.of_line.take().map_or_else(joined, |(_, text)| text);
                if let (Some(image), false) = (&self.image, text.is_empty()) {
                    self.lines.push(Sample {
                        image: image.clone(),
                        page: 1,
                        quad: rectangle(&self.polygon, &self.baseline),
                        text,
                    });
                }
            }
            _ => {}
        }
    }
}

/// Keeps the text with the lower index.
fn better(best: &mut Option<(f32, String)>, index: f32, text: &str) {
    if best.as_ref().is_none_or(|(before, _)| index < *before) {
        *best = Some((index, text.to_string()));
    }
}

/// Numbers in pairs, parted by blanks and commas.
fn points(items: &Items<'_>, list: &str) -> Result<Vec<Point>, FormatError> {
    let fields = list
        .split([' ', ',', '\n', '\t', '\r'])
        .filter(|field| !field.is_empty());
    let mut numbers = Vec::new();
    for field in fields.take(2 * MOST_POINTS + 1) {
        let number = field
            .parse::<f32>()
            .ok()
            .filter(|number| number.is_finite());
        numbers.push(number.ok_or_else(|| {
            items.fault(format!("`{field}` is no number; points are `x,y x,y …`"))
        })?);
    }
    if numbers.len() % 2 != 0 {
        let reason = format!(
            "points need pairs of numbers, at most {MOST_POINTS} pairs; the last one is single"
        );
        return Err(items.fault(reason));
    }
    Ok(numbers
        .chunks_exact(2)
        .map(|pair| Point {
            x: pair[0],
            y: pair[1],
        })
        .collect())
}

/// The lines of an ALTO file, versions 2 to 4, in pixels. Strings are joined as the `SP` elements say; in a file
/// without any `SP`, by blanks. The quad is the rectangle around the shape along the baseline, or the box of the line.
///
/// # Errors
/// A file that cannot be read, is no XML, or has no `alto`; another unit than pixels; numbers and points that are none.
pub fn alto(path: &Path) -> Result<Samples, FormatError> {
    let text = text(path)?;
    let mut items = Items::new(path, &text);
    let mut reader = AltoReader::default();
    while let Some(item) = items.next()? {
        match item {
            Item::Start(tag) => reader.start(&items, &tag)?,
            Item::Text(text) => match reader.stack.last().map(String::as_str) {
                Some("fileName") => reader.file.push_str(&text),
                Some("MeasurementUnit") if !matches!(text.trim(), "pixel" | "") => {
                    let unit = text.trim();
                    return Err(
                        items.fault(format!("the unit is `{unit}`; convert the file to pixels"))
                    );
                }
                _ => {}
            },
            Item::End(name) => {
                reader.stack.pop();
                if name == "TextLine" {
                    reader.finish_line();
                }
            }
        }
    }
    known(&items, reader.known, "alto")?;
    let image = Source::File(beside(path, reader.file.trim()));
    let blank = if reader.spaced { "" } else { " " };
    let lines = reader
        .lines
        .into_iter()
        .map(|(page, quad, strings)| Sample {
            image: image.clone(),
            page,
            quad,
            text: strings.join(blank),
        });
    Ok(Samples::all(
        lines.filter(|line| !line.text.is_empty()).collect(),
    ))
}

#[derive(Default)]
struct AltoReader {
    known: bool,
    stack: Vec<String>,
    file: String,
    page: u32,
    /// The file has an `SP`.
    spaced: bool,
    place: Option<Quad>,
    polygon: Vec<Point>,
    baseline: Vec<Point>,
    strings: Vec<String>,
    lines: Vec<(u32, Option<Quad>, Vec<String>)>,
}

impl AltoReader {
    fn start(&mut self, items: &Items<'_>, tag: &BytesStart<'_>) -> Result<(), FormatError> {
        let name = tag.local_name().as_ref().to_string();
        let owner = self.stack.iter().rev().nth(1).map(String::as_str);
        match (name.as_str(), owner) {
            ("alto", _) => self.known = true,
            ("Page", _) => self.page = self.page.saturating_add(1),
            ("TextLine", _) => {
                self.strings.clear();
                self.polygon.clear();
                let baseline = items.attribute(tag, "BASELINE")?.unwrap_or_default();
                // Up to version 4.1 a baseline may be a height only.
                self.baseline = match baseline.trim().parse::<f32>() {
                    Ok(_) => Vec::new(),
                    Err(_) => points(items, &baseline)?,
                };
                let number = |name| items.number(tag, name);
                let (x, y) = (number("HPOS")?, number("VPOS")?);
                let (width, height) = (number("WIDTH")?, number("HEIGHT")?);
                self.place = match (x, y, width, height) {
                    (Some(x), Some(y), Some(width), Some(height)) => {
                        Some(upright(x, y, x + width, y + height))
                    }
                    _ => None,
                };
            }
            ("Polygon", Some("TextLine")) => {
                if let Some(value) = items.attribute(tag, "POINTS")? {
                    self.polygon = points(items, &value)?;
                }
            }
            ("String" | "HYP", _) => {
                self.strings.extend(items.attribute(tag, "CONTENT")?);
            }
            ("SP", _) => {
                self.spaced = true;
                self.strings.push(" ".into());
            }
            _ => {}
        }
        self.stack.push(name);
        Ok(())
    }

    fn finish_line(&mut self) {
        let quad = rectangle(&self.polygon, &self.baseline).or(self.place);
        self.lines
            .push((self.page, quad, std::mem::take(&mut self.strings)));
    }
}

fn upright(left: f32, top: f32, right: f32, bottom: f32) -> Quad {
    let corner = |x, y| Point { x, y };
    Quad([
        corner(left, top),
        corner(right, top),
        corner(right, bottom),
        corner(left, bottom),
    ])
}

/// Classes of lines: those of hOCR 1.2 and of Tesseract.
const LINES: [&str; 5] = [
    "ocr_line",
    "ocr_header",
    "ocr_caption",
    "ocr_textfloat",
    "ocrx_line",
];

/// The lines of an hOCR file. White space in a line counts as one blank. The quad is the box, its first corner as
/// `textangle` says.
///
/// # Errors
/// A file that cannot be read, or is no well-formed XHTML with an `ocr_page`; boxes that are none.
pub fn hocr(path: &Path) -> Result<Samples, FormatError> {
    let text = text(path)?;
    let mut items = Items::new(path, &text);
    let mut depth = 0_usize;
    let mut image: Option<(String, u32)> = None;
    // Depth and corners of the open line, and its text.
    let mut open: Option<(usize, Option<Quad>)> = None;
    let mut content = String::new();
    let mut lines = Vec::new();
    while let Some(item) = items.next()? {
        match item {
            Item::Start(tag) => {
                depth += 1;
                let class = items.attribute(&tag, "class")?.unwrap_or_default();
                let is =
                    |names: &[&str]| class.split_ascii_whitespace().any(|c| names.contains(&c));
                let title = items.attribute(&tag, "title")?.unwrap_or_default();
                if is(&["ocr_page"]) {
                    let name = property(&title, "image").unwrap_or_default();
                    let name = name.trim_matches('"').replace("%22", "\"");
                    let number = match image.take() {
                        Some((before, number)) if before == name => number.saturating_add(1),
                        _ => 1,
                    };
                    image = Some((name, number));
                } else if open.is_none() && is(&LINES) {
                    open = Some((depth, corners(&items, &title)?));
                    content.clear();
                }
            }
            Item::Text(text) if open.is_some() => content.push_str(&text),
            Item::Text(_) => {}
            Item::End(_) => {
                if let (Some((_, quad)), Some((name, page))) =
                    (open.take_if(|(at, _)| *at == depth), &image)
                {
                    let words: Vec<&str> = content.split_ascii_whitespace().collect();
                    lines.push(Sample {
                        image: Source::File(beside(path, name)),
                        page: *page,
                        quad,
                        text: words.join(" "),
                    });
                }
                depth = depth.saturating_sub(1);
            }
        }
    }
    known(&items, image.is_some(), "ocr_page")?;
    lines.retain(|line| !line.text.is_empty());
    Ok(Samples::all(lines))
}

/// The value of a property in a title; parts end at semicolons outside of double quotes.
fn property<'a>(title: &'a str, name: &str) -> Option<&'a str> {
    let mut quoted = false;
    let mut parts = title.split(|c| {
        quoted ^= c == '"';
        c == ';' && !quoted
    });
    parts.find_map(|part| {
        let value = part.trim().strip_prefix(name)?;
        value.starts_with(char::is_whitespace).then(|| value.trim())
    })
}

/// The box of a title, from its corner at the top left of the text.
fn corners(items: &Items<'_>, title: &str) -> Result<Option<Quad>, FormatError> {
    let Some(value) = property(title, "bbox") else {
        return Ok(None);
    };
    let ends = points(items, value)?;
    let (2, Some((low, high))) = (ends.len(), extent(ends.iter().copied())) else {
        return Err(items.fault(format!("`bbox {value}` needs four numbers")));
    };
    let mut quad = upright(low.x, low.y, high.x, high.y);
    let angle = property(title, "textangle").and_then(|angle| angle.parse::<f32>().ok());
    let quarters = (angle.unwrap_or(0.0) / 90.0).round().rem_euclid(4.0) as usize;
    quad.0.rotate_right(quarters);
    Ok(Some(quad))
}
