//! From raw pieces of a segment to plain text with marks.

use super::atoms::unspaced;
use super::{MAX_DEPTH, Mark, Role, Slot};
use std::ops::Range;

/// A piece of a segment's source.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// Bytes of the source.
    pub range: Range<usize>,
    /// Kind.
    pub kind: Kind,
}

/// Kinds of pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, decoded.
    Text(String),
    /// A tag that begins an element of this name.
    Open(String),
    /// A tag that ends an element of this name.
    Close(String),
    /// Markup that stands alone.
    Single,
    /// Markup that stands alone and separates words: a line break.
    Break,
}

/// Markup of a part: a tree whose leaves are tags that stand alone.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Bytes of the source: the tag, or the opening tag.
    pub tag: Range<usize>,
    /// Bytes of the source: the closing tag of a pair.
    pub close: Option<Range<usize>>,
    /// Bytes of the segment's text that a pair surrounds; empty, and its place, for a leaf.
    pub text: Range<usize>,
    /// White space before and after a leaf; and on which side of a space a leaf without any belongs.
    pub lean: Lean,
    /// Markup inside of a pair.
    pub children: Vec<Node>,
}

/// How a leaf stands between words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lean {
    /// With the word after it, as an opening tag.
    Right,
    /// With the word before it, as a closing tag.
    Left,
    /// Between words.
    Between {
        /// White space stood before it, or before the leaves before it.
        before: bool,
        /// The text after it.
        after: After,
        /// It belongs with the word before it.
        left: bool,
        /// It separates words by itself.
        breaks: bool,
    },
}

/// The text after a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// White space.
    Space,
    /// The rest of the same word, closing punctuation, or nothing.
    Rest,
    /// A further word, or a further leaf.
    Word,
}

/// Plain text of a segment under construction.
#[derive(Clone, Debug, Default)]
pub(super) struct Builder {
    /// Plain text.
    pub text: String,
    /// White space is kept as it is.
    verbatim: bool,
}

/// White space that is due before the next character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pending {
    None,
    Space,
    /// With an end of a line: no space between characters of unspaced scripts.
    Line,
}

/// White space of markup; no-break spaces are text.
pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}

impl Builder {
    /// A builder for text whose white space counts.
    pub(super) fn verbatim() -> Self {
        Self {
            verbatim: true,
            ..Self::default()
        }
    }

    /// Appends a part, whose pieces follow one another in `source`. None, if it has no text: nothing changes then.
    pub(super) fn part(&mut self, source: &str, mut pieces: Vec<Piece>) -> Option<Slot> {
        if !self.verbatim {
            pieces = merge(pieces);
            trim(source, &mut pieces);
        }
        let range = pieces.first()?.range.start..pieces.last()?.range.end;
        if !has_text(&pieces) {
            return None;
        }
        if needs_space(&self.text, &pieces) {
            self.text.push(' ');
        }
        let start = self.text.len();
        let placed = self.append(pieces);
        let text = start..self.text.len();
        Some(Slot {
            raw: range.clone(),
            range,
            nodes: tree(placed, &text),
            text,
            around: None,
            lines: 1,
            segment: 0,
        })
    }

    /// Appends the text of the pieces and gives a leaf for each piece of markup, with its role.
    fn append(&mut self, pieces: Vec<Piece>) -> Vec<(Node, Kind)> {
        let start = self.text.len();
        let mut placed: Vec<(Node, Kind)> = Vec::new();
        let mut pending = Pending::None;
        // Marks since the last character, whose place is not known before the next one.
        let mut loose = 0;
        let mut last_leaf: Option<usize> = None;
        for piece in pieces {
            let Kind::Text(text) = &piece.kind else {
                let blank = pending != Pending::None || self.text.len() == start;
                placed.push(leaf(piece, self.text.len(), blank));
                if placed.last().is_some_and(|(node, _)| is_leaf(node)) {
                    last_leaf = Some(placed.len() - 1);
                }
                if matches!(placed.last(), Some((_, Kind::Break))) && pending == Pending::None {
                    pending = Pending::Space;
                }
                continue;
            };
            if self.verbatim {
                self.text.push_str(text);
                continue;
            }
            for c in text.chars() {
                if is_space(c) {
                    pending = match (pending, c) {
                        (Pending::Line, _) | (_, '\n') => Pending::Line,
                        _ => Pending::Space,
                    };
                    // Tags may stand between a leaf and the space after it.
                    if let Some((node, _)) = last_leaf.and_then(|at| placed.get_mut(at))
                        && let Lean::Between { after, .. } = &mut node.lean
                    {
                        *after = After::Space;
                    }
                    continue;
                }
                let goes_on = pending == Pending::None && self.goes_on(c);
                let place = self.settle(pending, c, &placed[loose..], start);
                for (node, kind) in &mut placed[loose..] {
                    if !matches!(kind, Kind::Close(_)) {
                        node.text = place..place;
                    }
                }
                attach(&mut placed[loose..], goes_on || is_closing(c));
                loose = placed.len();
                last_leaf = None;
                pending = Pending::None;
                self.text.push(c);
            }
        }
        attach(&mut placed[loose..], true);
        placed
    }

    /// Writes the space that is due before `next`, and gives the place of the marks before it.
    fn settle(
        &mut self,
        pending: Pending,
        next: char,
        loose: &[(Node, Kind)],
        start: usize,
    ) -> usize {
        let broken = loose.iter().any(|(_, kind)| *kind == Kind::Break);
        let last_leaf = loose.iter().rfind(|(node, _)| is_leaf(node));
        let hanging = !broken
            && last_leaf.is_some_and(|(node, _)| {
                !matches!(
                    node.lean,
                    Lean::Between {
                        after: After::Space,
                        ..
                    }
                )
            })
            && is_closing(next);
        let wide = pending == Pending::Line && unspaced(next) && self.text.ends_with(unspaced);
        if pending != Pending::None && self.text.len() > start && !hanging && !wide {
            self.text.push(' ');
        }
        self.text.len()
    }

    /// Whether `next` belongs to the word at the end of the text.
    fn goes_on(&self, next: char) -> bool {
        let inner = |c: char| c.is_alphanumeric() && !unspaced(c);
        inner(next) && self.text.ends_with(inner)
    }

    /// The marks of all slots.
    pub(super) fn marks(&self, slots: &[Slot], source: &str) -> Vec<Mark> {
        let mut marks = Vec::new();
        for slot in slots {
            list(&slot.nodes, source, &mut marks);
        }
        marks
    }
}

fn list(nodes: &[Node], source: &str, marks: &mut Vec<Mark>) {
    for node in nodes {
        let mut push = |at, role, range: &Range<usize>| {
            marks.push(Mark {
                at,
                role,
                source: source[range.clone()].to_owned(),
            });
        };
        match &node.close {
            None => push(node.text.start, Role::Single, &node.tag),
            Some(close) => {
                push(node.text.start, Role::Open, &node.tag);
                list(&node.children, source, marks);
                marks.push(Mark {
                    at: node.text.end,
                    role: Role::Close,
                    source: source[close.clone()].to_owned(),
                });
            }
        }
    }
}

/// A space is due before a further part, except between characters of unspaced scripts.
fn needs_space(text: &str, pieces: &[Piece]) -> bool {
    let next = pieces.iter().find_map(|p| match &p.kind {
        Kind::Text(text) => text.chars().find(|&c| !is_space(c)),
        _ => None,
    });
    let joined = text.ends_with(unspaced) && next.is_some_and(unspaced);
    !text.is_empty() && !joined
}

pub(super) fn has_text(pieces: &[Piece]) -> bool {
    pieces
        .iter()
        .any(|p| matches!(&p.kind, Kind::Text(text) if text.chars().any(|c| !is_space(c))))
}

fn leaf(piece: Piece, at: usize, before: bool) -> (Node, Kind) {
    let breaks = piece.kind == Kind::Break;
    let lean = match &piece.kind {
        Kind::Open(_) => Lean::Right,
        Kind::Close(_) => Lean::Left,
        _ => Lean::Between {
            before,
            after: After::Word,
            left: false,
            breaks,
        },
    };
    let node = Node {
        tag: piece.range,
        close: None,
        text: at..at,
        lean,
        children: Vec::new(),
    };
    (node, piece.kind)
}

/// An element that is open, and the markup inside of it so far.
#[derive(Default)]
struct Level {
    nodes: Vec<Node>,
    /// Its opening tag and name; none for the outermost level.
    open: Option<(Node, String)>,
}

/// Matches opening with closing tags. Tags without a partner stay leaves, as do pairs below [`MAX_DEPTH`].
fn tree(placed: Vec<(Node, Kind)>, text: &Range<usize>) -> Vec<Node> {
    let mut outer: Vec<Level> = Vec::new();
    let mut level = Level::default();
    for (mut node, kind) in placed {
        // Marks after the last character may lie behind a space that was never written.
        node.text.start = node.text.start.clamp(text.start, text.end);
        node.text.end = node.text.start;
        match kind {
            Kind::Open(name) if outer.len() < MAX_DEPTH => {
                let open = Some((node, name));
                let nodes = Vec::new();
                outer.push(std::mem::replace(&mut level, Level { nodes, open }));
            }
            Kind::Close(name) => {
                let is_open = |l: &Level| l.open.as_ref().is_some_and(|(_, n)| *n == name);
                let depth = if is_open(&level) {
                    Some(outer.len())
                } else {
                    outer.iter().rposition(is_open)
                };
                if let Some(depth) = depth {
                    flatten(&mut outer, &mut level, depth);
                    let inside = std::mem::replace(&mut level, outer.pop().unwrap_or_default());
                    if let Some((mut pair, _)) = inside.open {
                        pair.text.end = node.text.end.max(pair.text.start);
                        pair.close = Some(node.tag);
                        pair.children = inside.nodes;
                        node = pair;
                    }
                }
                level.nodes.push(node);
            }
            _ => level.nodes.push(node),
        }
    }
    flatten(&mut outer, &mut level, 0);
    level.nodes
}

/// Makes leaves of the opening tags of `level` and of those around it, down to `depth` levels around it.
fn flatten(outer: &mut Vec<Level>, level: &mut Level, depth: usize) {
    while outer.len() > depth
        && let Some(around) = outer.pop()
    {
        let inside = std::mem::replace(level, around);
        level.nodes.extend(inside.open.map(|(node, _)| node));
        level.nodes.extend(inside.nodes);
    }
}

/// Says of the leaves between two characters what follows the last one, and to which side they belong: leaves without
/// white space before them belong with the word before, unless a further word follows directly.
fn attach(loose: &mut [(Node, Kind)], rest: bool) {
    let mut leaves: Vec<_> = loose
        .iter_mut()
        .filter_map(|(node, _)| match &mut node.lean {
            Lean::Between {
                before,
                after,
                left,
                ..
            } => Some((*before, after, left)),
            _ => None,
        })
        .collect();
    let before = leaves.first().is_some_and(|&(before, ..)| before);
    let Some((_, after, _)) = leaves.last_mut() else {
        return;
    };
    if rest && **after == After::Word {
        **after = After::Rest;
    }
    let belongs = !before && **after != After::Word;
    for (_, _, left) in leaves {
        *left = belongs;
    }
}

/// Punctuation that belongs to the word before it.
pub(super) fn is_closing(c: char) -> bool {
    matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | ')' | ']')
}

fn is_leaf(node: &Node) -> bool {
    matches!(node.lean, Lean::Between { .. })
}

/// Makes one mark of an element that has no text, with the markup inside of it: an icon, a link around a picture.
fn merge(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut merged: Vec<Piece> = Vec::with_capacity(pieces.len());
    // Positions of the opening tags with markup only behind them.
    let mut open: Vec<usize> = Vec::new();
    for piece in pieces {
        match &piece.kind {
            Kind::Open(_) => open.push(merged.len()),
            Kind::Single => {}
            Kind::Close(name) => {
                let same = |&at: &usize| matches!(&merged[at].kind, Kind::Open(n) if n == name);
                if let Some(at) = open.pop().filter(same) {
                    let range = merged[at].range.start..piece.range.end;
                    merged.truncate(at);
                    merged.push(Piece {
                        range,
                        kind: Kind::Single,
                    });
                    continue;
                }
                open.clear();
            }
            Kind::Text(_) | Kind::Break => open.clear(),
        }
        merged.push(piece);
    }
    merged
}

/// Removes markup and white space around the whole text: leading and trailing spaces and single tags, and pairs that
/// surround all of it.
fn trim(source: &str, pieces: &mut Vec<Piece>) {
    let partners = partners(pieces);
    let (mut start, mut end) = (0, pieces.len());
    loop {
        let before = (start, end);
        while start < end && outer(&pieces[start]) {
            start += 1;
        }
        while start < end && outer(&pieces[end - 1]) {
            end -= 1;
        }
        if end - start > 1 && partners[start] == Some(end - 1) {
            (start, end) = (start + 1, end - 1);
        }
        if (start, end) == before {
            break;
        }
    }
    pieces.truncate(end);
    pieces.drain(..start);
    if let Some(Piece {
        range,
        kind: Kind::Text(text),
    }) = pieces.first_mut()
    {
        let raw = &source[range.clone()];
        range.start += raw.len() - raw.trim_start_matches(is_space).len();
        *text = text.trim_start_matches(is_space).to_owned();
    }
    if let Some(Piece {
        range,
        kind: Kind::Text(text),
    }) = pieces.last_mut()
    {
        range.end = range.start + source[range.clone()].trim_end_matches(is_space).len();
        *text = text.trim_end_matches(is_space).to_owned();
    }
}

fn outer(piece: &Piece) -> bool {
    match &piece.kind {
        Kind::Text(text) => text.chars().all(is_space),
        Kind::Single | Kind::Break => true,
        _ => false,
    }
}

/// For each opening tag the position of its closing tag.
fn partners(pieces: &[Piece]) -> Vec<Option<usize>> {
    let mut partners = vec![None; pieces.len()];
    let mut open: Vec<(usize, &str)> = Vec::new();
    for (k, piece) in pieces.iter().enumerate() {
        match &piece.kind {
            Kind::Open(name) if open.len() < MAX_DEPTH => open.push((k, name)),
            Kind::Close(name) => {
                if let Some(at) = open.iter().rposition(|(_, n)| n == name) {
                    partners[open[at].0] = Some(k);
                    open.truncate(at);
                }
            }
            _ => {}
        }
    }
    partners
}

/// Whether `pieces` hold something that a model can translate: a letter.
pub(super) fn has_letters(pieces: &[Piece]) -> bool {
    pieces
        .iter()
        .any(|p| matches!(&p.kind, Kind::Text(t) if t.chars().any(char::is_alphabetic)))
}
