//! Documents in, translated documents out: everything that is not translatable text comes back byte for byte.
//!
//! [`Document::parse`] finds the texts to be translated, [`Document::segments`] gives them as plain text, and
//! [`Document::write`] puts translations in their places. A translation that equals its segment's text gives back the
//! source of the segment, so a document of unchanged texts comes back as it was, white space and entities included.
//! The one exception is XLIFF, where units without a target get one.
//!
//! In markup, white space inside of a segment is collapsed for the model: runs of it become one space. Tags inside of a
//! segment are marks without width. They are put around the words that are aligned with those that they surrounded; a
//! tag is neither lost nor doubled, and tags that were balanced stay balanced. A tag that stands alone, and an element
//! without text, goes with the word that it touched, with its spaces; a line break stays between words.

mod atoms;
mod encoding;
mod error;
mod escape;
mod html;
mod inline;
mod lines;
mod place;
mod subtitles;
mod tmx;
mod xliff;
mod xml;

pub use error::{DocumentError, Warning};
pub use lines::{line_body, table_bodies, with_line_body, with_table_bodies};
pub use tmx::{TmxPair, tmx_pairs};

use encoding::Encoding;
use escape::Escape;
use inline::{Builder, Node};
use std::ops::Range;
use std::path::Path;

/// Most nested elements of XML. Deeper HTML is read, but elements below this depth are not matched with their ends.
pub const MAX_DEPTH: usize = 256;

/// Formats of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One text per line.
    Lines,
    /// Fields separated by tabs.
    Table,
    /// HTML: whole pages and fragments.
    Html,
    /// SubRip subtitles.
    Srt,
    /// WebVTT subtitles.
    Vtt,
    /// XLIFF 1.2 and 2.x.
    Xliff,
    /// Translation memories. They hold pairs ([`tmx_pairs`]) and nothing to translate.
    Tmx,
}

/// Settings for [`Document::parse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Columns of a table that are translated, from 0.
    pub columns: Vec<usize>,
    /// The attributes `alt` and `title` of HTML are translated.
    pub attributes: bool,
    /// Subtitles: a sentence that runs over several cues is translated as one.
    pub join_cues: bool,
    /// XLIFF: targets that hold text already are translated again.
    pub replace_targets: bool,
}

impl Default for Options {
    /// The first column, attributes too, joined cues; existing targets stay.
    fn default() -> Self {
        Self {
            columns: vec![0],
            attributes: true,
            join_cues: true,
            replace_targets: false,
        }
    }
}

/// The role of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Begins a pair, which surrounds text.
    Open,
    /// Ends a pair.
    Close,
    /// Stands alone: an empty element, a comment, an element that is not translated, or a tag without its partner.
    Single,
}

/// A piece of markup inside of a segment, without width in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Byte offset in the segment's text.
    pub at: usize,
    /// Role.
    pub role: Role,
    /// The markup as the document has it.
    pub source: String,
}

/// One text to be translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Plain text, without markup. Not empty.
    pub text: String,
    /// Markup inside of the text, in its order. Markup around the whole text is not listed.
    pub marks: Vec<Mark>,
}

/// One translation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translated {
    /// Plain text. Tabs and line ends in it become spaces; spaces around it are dropped.
    pub text: String,
    /// Pairs (word of the segment's text, word of this text), from 0; words are separated by white space. Pairs outside
    /// of the texts are ignored. Without pairs, markup is placed in proportion.
    pub alignment: Option<Vec<(usize, usize)>>,
}

/// A place of the document that takes a part of a translation.
#[derive(Clone, Debug)]
struct Slot {
    /// Bytes that are replaced.
    range: Range<usize>,
    /// Bytes of the source that the part of the text stands for: its raw form.
    raw: Range<usize>,
    /// Bytes of the segment's text.
    text: Range<usize>,
    /// Markup inside of the part.
    nodes: Vec<Node>,
    /// New text around the part, for a target that XLIFF lacks.
    around: Option<Box<Around>>,
    /// Lines of the part; more than 1 for subtitles only.
    lines: usize,
    /// The segment.
    segment: usize,
}

/// What surrounds the text of a new target.
#[derive(Clone, Debug)]
struct Around {
    open: String,
    lead: Range<usize>,
    tail: Range<usize>,
    close: String,
}

/// How the translation of a segment is put back.
#[derive(Clone, Debug)]
struct Plan {
    escape: Escape,
    /// Its slots, in the order of the segment's text.
    slots: Range<usize>,
}

/// A document that was read.
#[derive(Clone, Debug)]
pub struct Document {
    encoding: Encoding,
    source: String,
    segments: Vec<Segment>,
    plans: Vec<Plan>,
    slots: Vec<Slot>,
    /// Positions of the slots by the start of their ranges, outer ones first.
    order: Vec<usize>,
    warnings: Vec<Warning>,
    /// Languages of the source and of the target, where the document states them.
    languages: [Option<String>; 2],
    /// End of a line inside of a subtitle.
    line_end: &'static str,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// Bytes in no supported encoding (UTF-8, UTF-16 with a byte order mark), broken or too deeply nested XML, or
    /// [`Format::Tmx`]. Tables, HTML and subtitles that are broken are kept, with [`Document::warnings`] where
    /// something was not understood.
    pub fn parse(format: Format, bytes: &[u8], options: &Options) -> Result<Self, DocumentError> {
        let (encoding, source) = encoding::decode(bytes)?;
        let line_end = if source.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        let mut document = Self {
            encoding,
            source,
            segments: Vec::new(),
            plans: Vec::new(),
            slots: Vec::new(),
            order: Vec::new(),
            warnings: Vec::new(),
            languages: [None, None],
            line_end,
        };
        match format {
            Format::Lines => lines::parse(&mut document),
            Format::Table => lines::parse_table(&mut document, options),
            Format::Html => html::parse(&mut document, options)?,
            Format::Srt => subtitles::parse(&mut document, options, false),
            Format::Vtt => subtitles::parse(&mut document, options, true),
            Format::Xliff => xliff::parse(&mut document, options)?,
            Format::Tmx => return Err(DocumentError::Memory),
        }
        document.order = (0..document.slots.len()).collect();
        let slots = &document.slots;
        document
            .order
            .sort_by_key(|&k| (slots[k].range.start, std::cmp::Reverse(slots[k].range.end)));
        Ok(document)
    }

    /// The texts to be translated. Their order is that of [`Document::write`].
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Parts that were kept because they were not understood.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Languages of the source and of the target that an XLIFF file states, as it has them (`en-GB`): those of
    /// `<xliff>` (2.x) or of its first `<file>` (1.2). None where it states none, and for other formats.
    #[must_use]
    pub fn languages(&self) -> [Option<&str>; 2] {
        self.languages.each_ref().map(Option::as_deref)
    }

    /// The document with `translations`, one per segment and in their order, in the encoding that it had.
    ///
    /// # Errors
    /// Another number of translations.
    pub fn write(&self, translations: &[Translated]) -> Result<Vec<u8>, DocumentError> {
        if translations.len() != self.segments.len() {
            return Err(DocumentError::Count {
                wanted: self.segments.len(),
                found: translations.len(),
            });
        }
        let mut filled: Vec<Option<String>> = vec![None; self.slots.len()];
        // Attributes come before the texts whose tags hold them, as their ranges lie inside of those.
        let mut order: Vec<usize> = (0..self.plans.len()).collect();
        order.sort_by_key(|&k| !matches!(self.plans[k].escape, Escape::Attribute(_)));
        for k in order {
            place::fill(self, k, &translations[k], &mut filled);
        }
        let mut out = String::with_capacity(self.source.len());
        self.render(0..self.source.len(), &filled, &mut out);
        Ok(encoding::encode(self.encoding, out))
    }

    /// Appends the source in `range`, with the slots inside of it that are filled.
    fn render(&self, range: Range<usize>, filled: &[Option<String>], out: &mut String) {
        let mut at = range.start;
        let first = self
            .order
            .partition_point(|&k| self.slots[k].range.start < range.start);
        for &k in &self.order[first..] {
            let slot = &self.slots[k].range;
            if slot.start >= range.end {
                break;
            }
            // A slot inside of one that is filled is part of its text already.
            if let (Some(text), true) = (&filled[k], slot.start >= at && slot.end <= range.end) {
                out.push_str(&self.source[at..slot.start]);
                out.push_str(text);
                at = slot.end;
            }
        }
        out.push_str(&self.source[at..range.end]);
    }

    /// Adds a segment with its slots.
    fn push(&mut self, builder: Builder, mut slots: Vec<Slot>, escape: Escape) {
        let marks = builder.marks(&slots, &self.source);
        let segment = self.segments.len();
        for slot in &mut slots {
            slot.segment = segment;
        }
        let first = self.slots.len();
        self.slots.append(&mut slots);
        self.plans.push(Plan {
            escape,
            slots: first..self.slots.len(),
        });
        self.segments.push(Segment {
            text: builder.text,
            marks,
        });
    }
}

/// The format of a file by its name, else by its first bytes; lines if neither tells.
#[must_use]
pub fn detect_format(path: &Path, head: &[u8]) -> Format {
    let extension = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" | "xhtml" => return Format::Html,
        "srt" => return Format::Srt,
        "vtt" => return Format::Vtt,
        "xlf" | "xliff" => return Format::Xliff,
        "tmx" => return Format::Tmx,
        "tsv" | "tab" => return Format::Table,
        _ => {}
    }
    let head = &head[..head.len().min(4096)];
    let text: String = match head {
        // Enough to tell: the names are ASCII.
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => head[2..]
            .iter()
            .filter(|&&b| b != 0)
            .map(|&b| char::from(b))
            .collect(),
        _ => String::from_utf8_lossy(head).into_owned(),
    };
    let text = text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .to_ascii_lowercase();
    if text.starts_with("webvtt") {
        Format::Vtt
    } else if text.starts_with("<!doctype html") || text.starts_with("<html") {
        Format::Html
    } else if text.starts_with('<') && text.contains("<tmx") {
        Format::Tmx
    } else if text.starts_with('<') && text.contains("<xliff") {
        Format::Xliff
    } else if text.starts_with("<?xml") && text.contains("<html") {
        Format::Html
    } else if subtitles::looks_like_srt(&text) {
        Format::Srt
    } else {
        Format::Lines
    }
}

#[cfg(test)]
mod tests;
