//! XLIFF 1.2 and 2.x: `<source>` is translated into `<target>`.
//!
//! A unit without a target, or with an empty one, gets a target; a target with text stays unless
//! [`Options::replace_targets`]. A unit with `translate="no"` (its own or an outer one's) stays as it is, as does one
//! whose source has no text. The inline elements of the source come back in the target, each once: `g`, `pc` and `mrk`
//! around their words; `x`, `bx`, `ex`, `ph`, `bpt`, `ept`, `it`, `sc`, `ec`, `sm`, `em`, `cp`, and protected marks at
//! their places. An empty element with `ctype="lb"` (1.2) or `subType="xlf:lb"` (2.x) is a line break between words.

use super::error::DocumentError;
use super::escape::Escape;
use super::inline::{Builder, Kind, Piece, is_space};
use super::xml::{Events, attribute, entity, local};
use super::{Around, Document, Options};
use quick_xml::events::{BytesStart, Event};
use std::ops::Range;

/// Inline elements whose content is code of the original format.
const CODE: &[&str] = &["bpt", "ept", "it", "ph", "sub"];

/// A unit, or a segment of one.
#[derive(Default)]
struct Unit {
    /// Bytes of the source's content.
    source: Option<Range<usize>>,
    pieces: Vec<Piece>,
    /// Prefix of the source's name, with its colon.
    prefix: String,
    /// Byte where the source element begins.
    start: usize,
    /// Byte where a target may be inserted.
    end: usize,
    /// The target element and its content; none if it is an empty tag.
    target: Option<(Range<usize>, Option<Range<usize>>)>,
}

/// What is being read.
struct State<'a> {
    document: &'a mut Document,
    options: &'a Options,
    /// The first `<file>` has begun.
    in_file: bool,
    /// Of each open element: whether it is translated.
    translate: Vec<bool>,
    /// Open alternatives and other parts that hold sources of no interest.
    skipped: usize,
    unit: Option<Unit>,
    /// Byte where the content of the open source begins.
    content: Option<usize>,
    /// The open target: its start and that of its content.
    target: Option<(usize, usize)>,
    /// Inside of a source: start of an element that is kept whole, and its open elements.
    kept: Option<(usize, usize)>,
}

/// Finds the units to be translated.
pub(super) fn parse(document: &mut Document, options: &Options) -> Result<(), DocumentError> {
    let source = document.source.clone();
    let mut events = Events::new(&source);
    let mut state = State {
        document,
        options,
        in_file: false,
        translate: Vec::new(),
        skipped: 0,
        unit: None,
        content: None,
        target: None,
        kept: None,
    };
    loop {
        let (event, range) = events.next()?;
        match event {
            Event::Start(tag) => state.start(&tag, range),
            Event::Empty(tag) => state.empty(&tag, range),
            Event::End(tag) => state.end(&local(tag.name().as_ref().as_bytes()), range),
            Event::Text(text) => state.text(range, text.to_string()),
            Event::CData(text) => state.text(range, text.to_string()),
            Event::GeneralRef(name) => match entity(&name) {
                Some(c) => state.text(range, c.to_string()),
                None => state.piece(range, Kind::Single),
            },
            Event::Comment(_) | Event::PI(_) => state.piece(range, Kind::Single),
            Event::Eof => return Ok(()),
            Event::Decl(_) | Event::DocType(_) => {}
        }
    }
}

impl State<'_> {
    /// Keeps the languages of `<xliff>` and of the first `<file>` in it.
    fn languages(&mut self, tag: &BytesStart<'_>, name: &str) {
        let names = match (name, self.translate.len()) {
            ("xliff", 0) => ["srcLang", "trgLang"],
            ("file", 1) if !self.in_file => ["source-language", "target-language"],
            _ => return,
        };
        self.in_file = name == "file";
        for (language, name) in self.document.languages.iter_mut().zip(names) {
            let stated = || attribute(tag, name).map(|value| value.trim().to_owned());
            *language = language.take().or_else(stated).filter(|l| !l.is_empty());
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>, range: Range<usize>) {
        let name = local(tag.name().as_ref().as_bytes());
        self.languages(tag, &name);
        let outer = self.translate.last().copied().unwrap_or(true);
        let own = attribute(tag, "translate");
        self.translate.push(match own.as_deref() {
            Some("no") => false,
            Some("yes") => true,
            _ => outer,
        });
        if self.content.is_some() {
            self.inline(tag, &name, range);
        } else if self.target.is_some() {
        } else if self.skipped > 0 || matches!(name.as_str(), "alt-trans" | "matches" | "ignorable")
        {
            self.skipped += 1;
        } else {
            match (name.as_str(), &mut self.unit) {
                ("trans-unit" | "segment", _) => self.unit = Some(Unit::default()),
                ("source", Some(unit)) => {
                    unit.start = range.start;
                    unit.prefix = prefix(tag);
                    self.content = Some(range.end);
                }
                ("target", Some(_)) => self.target = Some((range.start, range.end)),
                _ => {}
            }
        }
    }

    /// A start tag inside of a source.
    fn inline(&mut self, tag: &BytesStart<'_>, name: &str, range: Range<usize>) {
        if let Some((_, open)) = &mut self.kept {
            *open += 1;
            return;
        }
        let protected = attribute(tag, "mtype").as_deref() == Some("protected")
            || attribute(tag, "translate").as_deref() == Some("no");
        if CODE.contains(&name) || protected {
            self.kept = Some((range.start, 1));
        } else {
            self.piece(range, Kind::Open(name.to_owned()));
        }
    }

    fn empty(&mut self, tag: &BytesStart<'_>, range: Range<usize>) {
        let name = local(tag.name().as_ref().as_bytes());
        self.languages(tag, &name);
        if self.content.is_some() {
            let is = |name, value| attribute(tag, name).as_deref() == Some(value);
            let kind = match is("ctype", "lb") || is("subType", "xlf:lb") {
                true => Kind::Break,
                false => Kind::Single,
            };
            self.piece(range, kind);
        } else if let (0, None, Some(unit), "target") =
            (self.skipped, self.target, &mut self.unit, name.as_str())
        {
            unit.target = Some((range, None));
        }
    }

    fn end(&mut self, name: &str, range: Range<usize>) {
        let translate = self.translate.pop().unwrap_or(true);
        if let Some(start) = self.content {
            match (&mut self.kept, name) {
                (Some((from, 1)), _) => {
                    let whole = *from..range.end;
                    self.kept = None;
                    self.piece(whole, Kind::Single);
                }
                (Some((_, open)), _) => *open -= 1,
                (None, "source") => {
                    self.content = None;
                    if let Some(unit) = &mut self.unit {
                        unit.source = Some(start..range.start);
                        unit.end = range.end;
                    }
                }
                (None, name) => self.piece(range, Kind::Close(name.to_owned())),
            }
        } else if let Some((start, content)) = self.target {
            if name == "target" {
                self.target = None;
                if let Some(unit) = &mut self.unit {
                    unit.target = Some((start..range.end, Some(content..range.start)));
                }
            }
        } else if self.skipped > 0 {
            self.skipped -= 1;
        } else if name == "seg-source" {
            if let Some(unit) = &mut self.unit {
                unit.end = range.end;
            }
        } else if matches!(name, "trans-unit" | "segment")
            && let Some(unit) = self.unit.take()
            && translate
        {
            self.finish(unit);
        }
    }

    fn text(&mut self, range: Range<usize>, text: String) {
        self.piece(range, Kind::Text(text));
    }

    fn piece(&mut self, range: Range<usize>, kind: Kind) {
        if let (Some(unit), Some(_), None) = (&mut self.unit, self.content, self.kept) {
            unit.pieces.push(Piece { range, kind });
        }
    }

    /// Makes a segment of a unit that needs a target.
    fn finish(&mut self, unit: Unit) {
        let Some(content) = unit.source else { return };
        let source = &self.document.source;
        let text_of = |range: &Range<usize>| &source[range.clone()];
        let filled = |c: &Range<usize>| text_of(c).contains(|c| !is_space(c));
        let existing = unit.target.as_ref().and_then(|(_, c)| c.clone());
        if existing.as_ref().is_some_and(filled) && !self.options.replace_targets {
            return;
        }
        let mut builder = Builder::default();
        let Some(mut slot) = builder.part(source, unit.pieces) else {
            return;
        };
        let mut around = Around {
            open: String::new(),
            lead: content.start..slot.raw.start,
            tail: slot.raw.end..content.end,
            close: String::new(),
        };
        slot.range = match (unit.target, existing) {
            (_, Some(inside)) => inside,
            (Some((element, None)), None) => {
                let tag = text_of(&element)
                    .trim_end_matches('>')
                    .trim_end_matches('/')
                    .trim_end();
                around.open = format!("{tag}>");
                around.close = format!("</{}target>", unit.prefix);
                element
            }
            _ => {
                let before = &source[..unit.start];
                let indent = &before[before.trim_end_matches(is_space).len()..];
                around.open = format!("{indent}<{}target>", unit.prefix);
                around.close = format!("</{}target>", unit.prefix);
                unit.end..unit.end
            }
        };
        slot.around = Some(Box::new(around));
        let escape = Escape::xml(text_of(&content));
        self.document.push(builder, vec![slot], escape);
    }
}

/// The prefix of an element's name with its colon; empty if it has none.
fn prefix(tag: &BytesStart<'_>) -> String {
    let name = tag.name();
    let name = String::from_utf8_lossy(name.as_ref().as_bytes()).into_owned();
    name.rfind(':')
        .map(|at| name[..=at].to_owned())
        .unwrap_or_default()
}
