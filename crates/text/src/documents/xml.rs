//! What the XML formats share: events with their bytes, a bounded depth, and no entities but the known ones.

use super::MAX_DEPTH;
use super::encoding::line_of;
use super::error::DocumentError;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::ops::Range;

/// A reader of XML.
pub(super) struct Events<'a> {
    source: &'a str,
    reader: Reader<&'a [u8]>,
    depth: usize,
}

impl<'a> Events<'a> {
    /// A reader of `source`, which has no byte order mark.
    pub(super) fn new(source: &'a str) -> Self {
        Self {
            source,
            reader: Reader::from_str(source),
            depth: 0,
        }
    }

    /// The next event with its bytes; `Eof` at the end.
    pub(super) fn next(&mut self) -> Result<(Event<'a>, Range<usize>), DocumentError> {
        let start = self.position();
        let event = self
            .reader
            .read_event()
            .map_err(|e| self.broken(start, e.to_string()))?;
        match &event {
            Event::Start(_) => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(DocumentError::Depth {
                        line: line_of(self.source, start),
                        limit: MAX_DEPTH,
                    });
                }
            }
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            Event::Eof if self.depth > 0 => {
                return Err(self.broken(start, format!("{} elements have no end", self.depth)));
            }
            Event::Decl(declaration) => {
                if let Some(name) = declaration.encoding() {
                    let name = name.map_err(|e| self.broken(start, e.to_string()))?;
                    let known = ["UTF-8", "UTF8", "UTF-16", "UTF-16LE", "UTF-16BE"];
                    if !known.iter().any(|k| name.eq_ignore_ascii_case(k)) {
                        return Err(DocumentError::Declared {
                            name: name.into_owned(),
                        });
                    }
                }
            }
            _ => {}
        }
        Ok((event, start..self.position()))
    }

    fn position(&self) -> usize {
        usize::try_from(self.reader.buffer_position())
            .unwrap_or(usize::MAX)
            .min(self.source.len())
    }

    fn broken(&self, at: usize, reason: String) -> DocumentError {
        DocumentError::Xml {
            line: line_of(self.source, at),
            at,
            reason,
        }
    }
}

/// The character of an entity: one of the five of XML, or a numeric one.
pub(super) fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|&c| c != '\0')
        }
    }
}

/// The name of an element without its prefix.
pub(super) fn local(name: &[u8]) -> String {
    let name = name.rsplit(|&b| b == b':').next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

/// The value of an attribute, found by its name with its prefix.
pub(super) fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let found = tag.try_get_attribute(name).ok().flatten()?;
    let value = found.normalized_value(XmlVersion::Explicit1_0).ok()?;
    Some(value.into_owned())
}
