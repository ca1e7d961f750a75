//! XML: a writer into a string, and a reader that knows its line.

use super::FormatError;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::fmt::Display;
use std::path::Path;

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 256;

/// XML in the making.
#[derive(Default)]
pub(super) struct Xml {
    text: String,
}

impl Xml {
    /// An opening tag. The values are escaped here.
    pub(super) fn open(&mut self, name: &str, attributes: &[(&str, &dyn Display)]) -> &mut Self {
        self.tag(name, attributes, ">")
    }

    /// A tag without content.
    pub(super) fn empty(&mut self, name: &str, attributes: &[(&str, &dyn Display)]) -> &mut Self {
        self.tag(name, attributes, "/>")
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &dyn Display)], end: &str) -> &mut Self {
        self.unfinished(name, attributes).raw(end)
    }

    /// A tag up to its last attribute; the caller writes `>` or `/>`.
    pub(super) fn unfinished(
        &mut self,
        name: &str,
        attributes: &[(&str, &dyn Display)],
    ) -> &mut Self {
        self.raw("<").raw(name);
        for (key, value) in attributes {
            self.raw(" ").raw(key).raw("=\"");
            escape(&value.to_string(), &mut self.text);
            self.raw("\"");
        }
        self
    }

    /// A closing tag.
    pub(super) fn close(&mut self, name: &str) -> &mut Self {
        self.raw("</").raw(name).raw(">")
    }

    /// An element that holds text.
    pub(super) fn leaf(
        &mut self,
        name: &str,
        attributes: &[(&str, &dyn Display)],
        text: &str,
    ) -> &mut Self {
        self.open(name, attributes).escaped(text).close(name)
    }

    /// Text.
    pub(super) fn escaped(&mut self, text: &str) -> &mut Self {
        escape(text, &mut self.text);
        self
    }

    /// XML as it is.
    pub(super) fn raw(&mut self, xml: &str) -> &mut Self {
        self.text.push_str(xml);
        self
    }

    /// A line end.
    pub(super) fn line(&mut self) -> &mut Self {
        self.raw("\n")
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// Appends the text as content or as an attribute in double quotes. Characters that XML 1.0 forbids are dropped; white
/// space other than the blank is written by number, so that readers keep it.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            c if forbidden(c) => {}
            c => out.push(c),
        }
    }
}

/// XML 1.0 forbids the character, also by number.
pub(super) fn forbidden(c: char) -> bool {
    matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

/// A part of an XML file.
pub(super) enum Item<'a> {
    /// An element begins; one without content is followed by its end.
    Start(BytesStart<'a>),
    /// The element of this local name ends.
    End(String),
    /// Text between tags, references resolved; one run may come in pieces.
    Text(String),
}

/// Reads an XML file.
pub(super) struct Items<'a> {
    path: &'a Path,
    text: &'a str,
    reader: Reader<&'a [u8]>,
    depth: usize,
    start: usize,
}

impl<'a> Items<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        let text = text.trim_start_matches('\u{feff}');
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self {
            path,
            text,
            reader,
            depth: 0,
            start: 0,
        }
    }

    /// The next part; none at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Item<'a>>, FormatError> {
        loop {
            self.start = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
            let event = self.reader.read_event();
            let event = event.map_err(|error| self.fault(error.to_string()))?;
            match event {
                Event::Start(tag) => {
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err(self.fault(format!(
                            "elements are nested deeper than {MAX_DEPTH}; is the file damaged?"
                        )));
                    }
                    return Ok(Some(Item::Start(tag)));
                }
                Event::End(tag) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Some(Item::End(tag.local_name().as_ref().to_string())));
                }
                Event::Text(text) => {
                    return Ok(Some(Item::Text(text.xml10_content().into_owned())));
                }
                Event::CData(text) => {
                    return Ok(Some(Item::Text(text.xml10_content().into_owned())));
                }
                Event::GeneralRef(name) => {
                    let c = entity(&name).ok_or_else(|| {
                        self.fault(format!(
                            "the entity `&{};` is unknown; write the character itself",
                            &*name
                        ))
                    })?;
                    return Ok(Some(Item::Text(c.to_string())));
                }
                Event::Eof if self.depth > 0 => {
                    return Err(self.fault(format!(
                        "{} elements have no end; is the file whole?",
                        self.depth
                    )));
                }
                Event::Eof => return Ok(None),
                _ => {}
            }
        }
    }

    /// Error at the last part.
    pub(super) fn fault(&self, reason: String) -> FormatError {
        let before = self.text.as_bytes().get(..self.start);
        let line = before.map_or(1, |b| 1 + b.iter().filter(|b| **b == b'\n').count());
        FormatError::Syntax {
            path: self.path.to_path_buf(),
            line,
            reason,
        }
    }

    /// The value of an attribute, by its local name.
    pub(super) fn attribute(
        &self,
        tag: &BytesStart<'_>,
        name: &str,
    ) -> Result<Option<String>, FormatError> {
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| self.fault(error.to_string()))?;
            if attribute.key.local_name().as_ref() == name {
                let value = attribute.normalized_value(XmlVersion::Explicit1_0);
                let value = value.map_err(|error| self.fault(error.to_string()))?;
                return Ok(Some(value.into_owned()));
            }
        }
        Ok(None)
    }

    /// The number in an attribute.
    pub(super) fn number(
        &self,
        tag: &BytesStart<'_>,
        name: &str,
    ) -> Result<Option<f32>, FormatError> {
        let value = self.attribute(tag, name)?;
        let number = value.map(|value| match value.trim().parse::<f32>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(self.fault(format!("{name}=\"{value}\" is no number"))),
        });
        number.transpose()
    }
}

/// The character of a reference: one of the five of XML, a blank, or a numeric one.
fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        "shy" => Some('\u{ad}'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|&c| c != '\0')
        }
    }
}
