//! Translation memories (TMX 1.4): pairs for training and evaluation.

use super::encoding::{decode, line_of};
use super::error::DocumentError;
use super::xml::{Events, attribute, entity, local};
use quick_xml::events::Event;

/// A text and its translation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TmxPair {
    /// Text in the source language, without markup; runs of white space are one space.
    pub source: String,
    /// Its translation, likewise.
    pub target: String,
}

/// Gives `take` each pair of a TMX file in two languages, in order. A language code without a region matches all
/// regions: `en` matches `en-US`; case does not count, and `_` is as good as `-`. The first text that matches counts.
/// Units that lack one of the languages, or have an empty text, are passed over.
///
/// # Errors
/// Bytes in no supported encoding, XML that is broken or too deeply nested, or an entity of the file's own; these are
/// never expanded.
pub fn tmx_pairs(
    bytes: &[u8],
    source: &str,
    target: &str,
    mut take: impl FnMut(TmxPair),
) -> Result<(), DocumentError> {
    let (_, text) = decode(bytes)?;
    let mut events = Events::new(&text);
    let (mut left, mut right): (Option<String>, Option<String>) = (None, None);
    let mut language = String::new();
    let mut segment: Option<String> = None;
    // Elements with code of the original format, inside of a segment.
    let mut hidden = 0_usize;
    loop {
        let (event, range) = events.next()?;
        match event {
            Event::Start(tag) => match local(tag.name().as_ref().as_bytes()).as_str() {
                "tu" => (left, right) = (None, None),
                "tuv" => {
                    language = attribute(&tag, "xml:lang")
                        .or_else(|| attribute(&tag, "lang"))
                        .unwrap_or_default();
                }
                "seg" => segment = Some(String::new()),
                "bpt" | "ept" | "it" | "ph" | "ut" => hidden += 1,
                _ if hidden > 0 => hidden += 1,
                _ => {}
            },
            Event::End(tag) => match local(tag.name().as_ref().as_bytes()).as_str() {
                "tu" => {
                    if let (Some(source), Some(target)) = (left.take(), right.take()) {
                        take(TmxPair { source, target });
                    }
                }
                "seg" => {
                    let text = segment.take().unwrap_or_default();
                    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                    if text.is_empty() {
                        continue;
                    }
                    if left.is_none() && matches(&language, source) {
                        left = Some(text);
                    } else if right.is_none() && matches(&language, target) {
                        right = Some(text);
                    }
                }
                _ => hidden = hidden.saturating_sub(1),
            },
            Event::Text(part) => push(&mut segment, hidden, &part),
            Event::CData(part) => push(&mut segment, hidden, &part),
            Event::GeneralRef(name) => {
                if let (Some(segment), 0) = (&mut segment, hidden) {
                    segment.push(entity(&name).ok_or_else(|| DocumentError::Entity {
                        line: line_of(&text, range.start),
                        name: name.to_string(),
                    })?);
                }
            }
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

fn push(segment: &mut Option<String>, hidden: usize, text: &str) {
    if let (Some(segment), 0) = (segment, hidden) {
        segment.push_str(text);
    }
}

/// Whether a language code is the wanted one or has it as its beginning.
fn matches(code: &str, wanted: &str) -> bool {
    let normal = |c: &str| c.replace('_', "-").to_ascii_lowercase();
    let (code, wanted) = (normal(code), normal(wanted));
    code.strip_prefix(&wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}
