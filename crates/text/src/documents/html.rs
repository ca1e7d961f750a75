//! HTML: pages and fragments.
//!
//! A block (a paragraph, an item, a cell, a heading, a title, text inside of a `div`) is one segment; other elements
//! stay in the segment as marks. Two line breaks in a row end a segment. Not translated, and kept: elements with
//! `translate="no"` or the class `notranslate`, code, preformatted text, scripts, styles, text areas, `noscript`,
//! embedded SVG and MathML, comments; `translate="yes"` switches back on, except inside of raw text such as scripts. An
//! element that is not translated is one mark in the segment around it: the model does not see its text. Texts without
//! any letter are kept.

use super::error::DocumentError;
use super::escape::{Escape, decode_html};
use super::inline::{Builder, Kind, Piece, has_letters, is_space};
use super::{Document, MAX_DEPTH, Options};
use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};
use std::convert::Infallible;
use std::ops::Range;

/// Elements that end a segment.
#[rustfmt::skip]
const BLOCKS: &[&str] = &[
    "address", "article", "aside", "audio", "blockquote", "body", "button", "canvas", "caption", "center", "col",
    "colgroup", "datalist", "dd", "details", "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure",
    "footer", "form", "frame", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hgroup", "hr", "html",
    "iframe", "legend", "li", "link", "main", "menu", "meta", "nav", "noembed", "noframes", "noscript", "object", "ol",
    "optgroup", "option", "p", "plaintext", "pre", "search", "section", "select", "style", "summary", "table", "tbody",
    "td", "template", "textarea", "tfoot", "th", "thead", "title", "tr", "ul", "video", "xmp",
];

/// Elements without content.
const VOID: &[&str] = &[
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];

/// Elements that are not translated unless they say so.
const KEPT: &[&str] = &["code", "kbd", "math", "pre", "samp", "svg", "var"];

/// Elements whose content is no markup; never translated.
const RAW: &[&str] = &[
    "iframe",
    "noembed",
    "noframes",
    "noscript",
    "plaintext",
    "script",
    "style",
    "textarea",
    "xmp",
];

/// Elements that a further one of these ends, and the elements beyond which it does not reach.
const IMPLIED: &[(&[&str], &[&str])] = &[
    (&["li"], &["ul", "ol", "menu", "dir"]),
    (&["dt", "dd"], &["dl"]),
    (&["option", "optgroup"], &["select", "datalist"]),
    (&["td", "th"], &["tr", "table"]),
    (&["tr"], &["table", "thead", "tbody", "tfoot"]),
    (&["thead", "tbody", "tfoot"], &["table"]),
];

/// A tag, a comment or a document type.
struct Token {
    range: Range<usize>,
    name: String,
    /// Its element ends a segment.
    block: bool,
    kind: TokenKind,
    /// For a start tag: the token after the element's end, and the byte where it ends.
    end: (usize, usize),
    /// For a start tag: an element inside is translated.
    switched_on: bool,
}

enum TokenKind {
    Start {
        /// It has no content.
        empty: bool,
        /// `Some(false)`: not to be translated; `Some(true)`: to be translated.
        translate: Option<bool>,
        /// Values of `alt` and `title`, decoded, with their bytes.
        attributes: Vec<(Range<usize>, String)>,
    },
    End,
    Comment,
    Doctype,
}

/// Finds the segments.
pub(super) fn parse(document: &mut Document, options: &Options) -> Result<(), DocumentError> {
    let mut tokens = tokenize(&document.source)?;
    match_elements(&mut tokens, &document.source);
    let mut walk = Walk {
        document,
        options,
        pieces: Vec::new(),
        on: Vec::new(),
    };
    walk.run(&tokens);
    Ok(())
}

/// Tags, comments and document types, in order and apart. All between them is text.
fn tokenize(source: &str) -> Result<Vec<Token>, DocumentError> {
    // Ends of lines have no meaning here, and as spaces they do not shift positions.
    let plain = source.replace(['\r', '\0'], " ");
    let mut collect = Collect::default();
    let mut emitter = CallbackEmitter::new(|event: CallbackEvent<'_>, span: Span<usize>| {
        collect.event(&event, span);
        None::<Infallible>
    });
    emitter.naively_switch_states(true);
    // Reading from a slice cannot fail.
    let _ = Tokenizer::new_with_emitter(plain.as_str(), emitter).finish();
    let mut tokens = collect.tokens;
    let mut at = 0;
    for token in &mut tokens {
        let located = source
            .get(token.range.clone())
            .is_some_and(|t| t.starts_with('<'));
        if token.range.start < at || !located {
            return Err(DocumentError::Markup { at });
        }
        at = token.range.end;
        locate(token, source);
    }
    Ok(tokens)
}

/// Tokens so far, and the start tag that is being read.
#[derive(Default)]
struct Collect {
    tokens: Vec<Token>,
    start: Option<Token>,
    /// Name of its last attribute.
    attribute: String,
}

impl Collect {
    fn event(&mut self, event: &CallbackEvent<'_>, span: Span<usize>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let token = |name: String, kind| Token {
            range: span.start..span.end,
            block: BLOCKS.contains(&name.as_str()),
            name,
            kind,
            end: (0, 0),
            switched_on: false,
        };
        match event {
            CallbackEvent::OpenStartTag { name } => {
                let name = text(name);
                let kind = TokenKind::Start {
                    empty: VOID.contains(&name.as_str()),
                    translate: None,
                    attributes: Vec::new(),
                };
                self.start = Some(token(name, kind));
            }
            CallbackEvent::AttributeName { name } => {
                self.attribute = text(name);
                if let Some(tag) = &mut self.start {
                    note(tag, &self.attribute, None);
                }
            }
            CallbackEvent::AttributeValue { value } => {
                if let Some(tag) = &mut self.start {
                    note(tag, &self.attribute, Some((span.start, &text(value))));
                }
            }
            CallbackEvent::CloseStartTag { self_closing } => {
                if let Some(mut tag) = self.start.take() {
                    tag.range.end = span.end;
                    if let TokenKind::Start { empty, .. } = &mut tag.kind {
                        *empty |= *self_closing && !RAW.contains(&tag.name.as_str());
                    }
                    self.tokens.push(tag);
                }
            }
            CallbackEvent::EndTag { name } => {
                self.start = None;
                self.tokens.push(token(text(name), TokenKind::End));
            }
            CallbackEvent::Comment { .. } => {
                self.tokens.push(token(String::new(), TokenKind::Comment));
            }
            CallbackEvent::Doctype { .. } => {
                self.tokens.push(token(String::new(), TokenKind::Doctype));
            }
            CallbackEvent::String { .. } | CallbackEvent::Error(_) => {}
        }
    }
}

/// Records an attribute. A first call has no value; a call with the value may follow.
fn note(token: &mut Token, name: &str, value: Option<(usize, &str)>) {
    let TokenKind::Start {
        translate,
        attributes,
        ..
    } = &mut token.kind
    else {
        return;
    };
    match (name, value) {
        ("translate", None) => *translate = Some(true),
        ("translate", Some((_, value))) => {
            *translate = match value.to_ascii_lowercase().as_str() {
                "no" => Some(false),
                "yes" => Some(true),
                _ => None,
            };
        }
        ("class", Some((_, value)))
            if value.split_ascii_whitespace().any(|c| c == "notranslate") =>
        {
            *translate = translate.or(Some(false));
        }
        ("alt" | "title", Some((start, value))) => {
            attributes.push((start..start, value.to_owned()))
        }
        _ => {}
    }
}

/// Finds the ends of the attributes' values, with their quotes; drops values that are not where they should be.
fn locate(token: &mut Token, source: &str) {
    let tag = token.range.clone();
    if let TokenKind::Start { attributes, .. } = &mut token.kind {
        attributes.retain_mut(|(range, _)| {
            let Some(before) = source.get(tag.start..range.start) else {
                return false;
            };
            let rest = &source[range.start..tag.end];
            let length = match before.chars().next_back() {
                Some(quote @ ('"' | '\'')) => rest.find(quote),
                Some('=' | ' ' | '\t' | '\n' | '\r' | '\u{c}') => {
                    rest.find(|c: char| is_space(c) || c == '>')
                }
                _ => None,
            };
            range.end = range.start + length.unwrap_or(0);
            length.is_some()
        });
    }
}

/// Finds where elements end, with the ends that HTML implies, and which hold an element that is translated.
fn match_elements(tokens: &mut [Token], source: &str) {
    let mut open: Vec<usize> = Vec::new();
    for k in 0..tokens.len() {
        let name = tokens[k].name.clone();
        let name = name.as_str();
        match tokens[k].kind {
            TokenKind::Start {
                empty, translate, ..
            } => {
                if let Some(at) = implied_end(tokens, &open, k) {
                    let end = (k, tokens[k].range.start);
                    close(tokens, &mut open, at, end);
                }
                if translate == Some(true) {
                    for &outer in &open {
                        tokens[outer].switched_on = true;
                    }
                }
                tokens[k].end = (k + 1, tokens[k].range.end);
                if !empty && open.len() < MAX_DEPTH {
                    open.push(k);
                }
            }
            TokenKind::End => {
                let inline = !tokens[k].block;
                let found = open
                    .iter()
                    .rposition(|&o| tokens[o].name == name || (inline && tokens[o].block));
                if let Some(at) = found.filter(|&at| tokens[open[at]].name == name) {
                    let Range { start, end } = tokens[k].range;
                    close(tokens, &mut open, at + 1, (k, start));
                    close(tokens, &mut open, at, (k + 1, end));
                }
            }
            _ => {}
        }
    }
    let end = (tokens.len(), source.len());
    close(tokens, &mut open, 0, end);
}

/// Ends the open elements from `at` on.
fn close(tokens: &mut [Token], open: &mut Vec<usize>, at: usize, end: (usize, usize)) {
    for outer in open.drain(at.min(open.len())..) {
        tokens[outer].end = end;
    }
}

/// The open element that the start tag `k` ends.
fn implied_end(tokens: &[Token], open: &[usize], k: usize) -> Option<usize> {
    let name = tokens[k].name.as_str();
    let name_at = |at: usize| tokens[open[at]].name.as_str();
    let implied = IMPLIED.iter().find(|(names, _)| names.contains(&name));
    let by_rule = implied.and_then(|(names, limits)| {
        let at = (0..open.len())
            .rev()
            .find(|&at| names.contains(&name_at(at)) || limits.contains(&name_at(at)))?;
        names.contains(&name_at(at)).then_some(at)
    });
    by_rule.or_else(|| {
        if !tokens[k].block {
            return None;
        }
        let at = (0..open.len()).rev().find(|&at| tokens[open[at]].block)?;
        (name_at(at) == "p").then_some(at)
    })
}

/// One pass over tokens and the text between them.
struct Walk<'a> {
    document: &'a mut Document,
    options: &'a Options,
    pieces: Vec<Piece>,
    /// For elements that switch translation on or off: the byte where they end, and whether it is on.
    on: Vec<(usize, bool)>,
}

impl Walk<'_> {
    fn run(&mut self, tokens: &[Token]) {
        let mut at = 0;
        let mut k = 0;
        while let Some(token) = tokens.get(k) {
            self.leave(at);
            self.text(at..token.range.start, false);
            self.leave(token.range.start);
            (k, at) = match &token.kind {
                TokenKind::Start { .. } => self.start(token, k),
                _ => {
                    self.other(token);
                    (k + 1, token.range.end)
                }
            };
        }
        self.leave(at);
        self.text(at..self.document.source.len(), true);
        self.flush();
    }

    /// Translation is switched on here.
    fn is_on(&self) -> bool {
        self.on.last().is_none_or(|&(_, on)| on)
    }

    /// Leaves the elements that end at or before `at`.
    fn leave(&mut self, at: usize) {
        while self.on.last().is_some_and(|&(end, _)| end <= at) {
            self.flush();
            self.on.pop();
        }
    }

    /// A start tag; gives the next token and the place of the text before it.
    fn start(&mut self, token: &Token, k: usize) -> (usize, usize) {
        let TokenKind::Start {
            empty,
            translate,
            attributes,
        } = &token.kind
        else {
            return (k + 1, token.range.end);
        };
        let name = token.name.as_str();
        let raw = RAW.contains(&name);
        let kept = (KEPT.contains(&name) && !empty).then_some(false);
        let switch = if raw { Some(false) } else { translate.or(kept) };
        let block = token.block;
        let next = (k + 1, token.range.end);
        match (switch, self.is_on()) {
            (Some(false), true) if raw || !token.switched_on => {
                let range = token.range.start..token.end.1;
                if block {
                    self.flush();
                } else {
                    self.pieces.push(Piece {
                        range,
                        kind: Kind::Single,
                    });
                }
                return token.end;
            }
            (Some(on), was) if on != was => {
                self.flush();
                self.on.push((token.end.1, on));
            }
            _ => {}
        }
        if !self.is_on() {
            return next;
        }
        if self.options.attributes {
            self.attributes(attributes);
        }
        if block {
            self.flush();
        } else if name == "br" {
            self.line_break(token.range.clone());
        } else {
            let kind = if *empty {
                Kind::Single
            } else {
                Kind::Open(name.to_owned())
            };
            self.pieces.push(Piece {
                range: token.range.clone(),
                kind,
            });
        }
        next
    }

    fn other(&mut self, token: &Token) {
        let kind = match token.kind {
            TokenKind::End if !token.block => Kind::Close(token.name.clone()),
            TokenKind::Comment => Kind::Single,
            _ => return self.flush(),
        };
        if self.is_on() {
            self.pieces.push(Piece {
                range: token.range.clone(),
                kind,
            });
        }
    }

    /// A line break; a second one in a row ends the segment.
    fn line_break(&mut self, range: Range<usize>) {
        let blank = |p: &&Piece| !matches!(&p.kind, Kind::Text(t) if t.chars().all(is_space));
        if self
            .pieces
            .iter()
            .rfind(blank)
            .is_some_and(|p| p.kind == Kind::Break)
        {
            self.flush();
        } else {
            self.pieces.push(Piece {
                range,
                kind: Kind::Break,
            });
        }
    }

    fn attributes(&mut self, attributes: &[(Range<usize>, String)]) {
        for (range, value) in attributes {
            let source = &self.document.source;
            let quote = source[..range.start]
                .chars()
                .next_back()
                .filter(|q| matches!(q, '"' | '\''));
            let pieces = vec![Piece {
                range: range.clone(),
                kind: Kind::Text(value.clone()),
            }];
            let mut builder = Builder::default();
            if has_letters(&pieces)
                && let Some(slot) = builder.part(source, pieces)
            {
                self.document
                    .push(builder, vec![slot], Escape::Attribute(quote));
            }
        }
    }

    /// Text, which may hold markup that the tokenizer drops: `</>`, and a tag that the end of the file cuts.
    fn text(&mut self, range: Range<usize>, last: bool) {
        if range.is_empty() || !self.is_on() {
            return;
        }
        let source = &self.document.source;
        let text = &source[range.clone()];
        let cut = if last { unfinished(text) } else { text.len() };
        let mut at = 0;
        let mut pieces = Vec::new();
        let mut push = |part: Range<usize>, single: bool| {
            if !part.is_empty() {
                let kind = if single {
                    Kind::Single
                } else {
                    Kind::Text(decode_html(&text[part.clone()]))
                };
                let range = range.start + part.start..range.start + part.end;
                pieces.push(Piece { range, kind });
            }
        };
        for (dropped, tag) in text[..cut].match_indices("</>") {
            push(at..dropped, false);
            at = dropped + tag.len();
            push(dropped..at, true);
        }
        push(at..cut, false);
        push(cut..text.len(), true);
        self.pieces.append(&mut pieces);
    }

    /// Ends the segment.
    fn flush(&mut self) {
        let pieces = std::mem::take(&mut self.pieces);
        if !has_letters(&pieces) {
            return;
        }
        let mut builder = Builder::default();
        if let Some(slot) = builder.part(&self.document.source, pieces) {
            let escape = Escape::html(&self.document.source[slot.raw.clone()]);
            self.document.push(builder, vec![slot], escape);
        }
    }
}

/// Where a tag begins that the end of the file cuts; else the length.
fn unfinished(text: &str) -> usize {
    let begins = |&(at, _): &(usize, &str)| {
        let rest = text[at + 1..].trim_start_matches('/');
        rest.starts_with(|c: char| c.is_ascii_alphabetic())
    };
    text.match_indices('<')
        .find(begins)
        .map_or(text.len(), |(at, _)| at)
}
