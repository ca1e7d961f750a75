//! SubRip and WebVTT subtitles.
//!
//! Times, numbers, settings, identifiers, notes, styles and blank lines stay byte for byte. The lines of a cue are one
//! text, except that lines which all begin with a dash are one text each. A text that ends no sentence is joined with
//! the next cue ([`Options::join_cues`]), up to [`MOST_JOINED`] cues and over gaps of at most [`LONGEST_GAP`]; the
//! translation is divided over the cues in proportion to the lengths of their texts. A cue keeps its number of lines,
//! which are filled evenly.

use super::error::Warning;
use super::escape::{Escape, decode_html};
use super::inline::{Builder, Kind, Piece, has_letters};
use super::lines::ranges;
use super::{Document, Options};
use std::ops::Range;

/// Most cues of one sentence.
const MOST_JOINED: usize = 4;

/// Longest time between two cues of one sentence, in milliseconds.
const LONGEST_GAP: u64 = 2000;

/// Longest tag in bytes; longer ones are text.
const LONGEST_TAG: usize = 1024;

/// A line without its end.
struct Line {
    range: Range<usize>,
    /// From 1.
    number: usize,
}

/// Lines of a cue that are one text.
struct Unit {
    pieces: Vec<Piece>,
    /// Text without markup.
    text: String,
    /// The next text may go on with its sentence.
    open: bool,
    /// Milliseconds.
    from: u64,
    to: u64,
}

/// Whether text in lower case begins as SubRip does.
pub(super) fn looks_like_srt(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).skip_while(|l| l.is_empty());
    let number = lines.next().is_some_and(is_number);
    number && lines.next().and_then(timing).is_some()
}

/// Finds the texts of cues.
pub(super) fn parse(document: &mut Document, options: &Options, vtt: bool) {
    let source = document.source.clone();
    let mut group: Vec<Unit> = Vec::new();
    for (k, block) in blocks(&source).iter().enumerate() {
        let head = &source[block[0].range.clone()];
        if vtt && (k == 0 && head.starts_with("WEBVTT") || is_note(head)) {
            continue;
        }
        for unit in units(document, &source, block, vtt) {
            let joins = options.join_cues
                && group.len() < MOST_JOINED
                && group.last().is_some_and(|last| {
                    last.open && unit.from.saturating_sub(last.to) <= LONGEST_GAP
                })
                && !unit
                    .text
                    .trim_start()
                    .starts_with(['-', '–', '—', '[', '(', '♪', '♫']);
            if !joins {
                push(document, std::mem::take(&mut group), vtt);
            }
            group.push(unit);
        }
    }
    push(document, group, vtt);
}

fn is_note(head: &str) -> bool {
    ["NOTE", "STYLE", "REGION"].iter().any(|name| {
        head.strip_prefix(name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
    }) && !head.contains("-->")
}

fn is_number(line: &str) -> bool {
    !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit())
}

/// Runs of lines that are not blank.
fn blocks(source: &str) -> Vec<Vec<Line>> {
    let mut blocks: Vec<Vec<Line>> = Vec::new();
    let mut inside = false;
    for (k, range) in ranges(source).enumerate() {
        let content = source[range.clone()].trim_end_matches(['\n', '\r']);
        let line = Line {
            range: range.start..range.start + content.len(),
            number: k + 1,
        };
        if content.trim().is_empty() {
            inside = false;
        } else if let (true, Some(block)) = (inside, blocks.last_mut()) {
            block.push(line);
        } else {
            blocks.push(vec![line]);
            inside = true;
        }
    }
    blocks
}

/// The texts of a block, which has one cue, or several if blank lines between them are missing.
fn units(document: &mut Document, source: &str, block: &[Line], vtt: bool) -> Vec<Unit> {
    let text = |line: &Line| source[line.range.clone()].trim();
    let mut warn = |line: &Line, reason: &str| {
        document.warnings.push(Warning {
            line: line.number,
            reason: reason.to_owned(),
        });
    };
    let times: Vec<_> = block.iter().map(|l| timing(text(l))).collect();
    let mut starts: Vec<usize> = (0..block.len()).filter(|&k| times[k].is_some()).collect();
    // One line before the times may name the cue.
    let named = |k: usize| k == 1 && (vtt || is_number(text(&block[0])));
    match starts.first() {
        Some(0) => {}
        Some(&k) if named(k) => {}
        _ => {
            warn(
                &block[0],
                "these lines are no cue and are kept as they are: no line of times begins them",
            );
            return Vec::new();
        }
    }
    if let Some(line) = block
        .iter()
        .zip(&times)
        .find(|(l, t)| t.is_none() && text(l).contains("-->"))
        .map(|(l, _)| l)
    {
        warn(
            line,
            "the cue is kept as it is: its line of times cannot be read",
        );
        return Vec::new();
    }
    starts.push(block.len());
    let mut units = Vec::new();
    for pair in starts.windows(2) {
        let (from, to) = times[pair[0]].unwrap_or_default();
        let mut end = pair[1];
        if end < block.len() {
            warn(&block[end], "a blank line is missing before this cue");
            if end > pair[0] + 1 && is_number(text(&block[end - 1])) {
                end -= 1;
            }
        }
        let lines = &block[pair[0] + 1..end];
        let dialogue =
            lines.len() > 1 && lines.iter().all(|l| text(l).starts_with(['-', '–', '—']));
        if dialogue {
            units.extend(
                lines
                    .chunks(1)
                    .map(|l| unit(source, l, (from, to), vtt, false)),
            );
        } else if !lines.is_empty() {
            units.push(unit(source, lines, (from, to), vtt, true));
        }
    }
    units
}

fn unit(source: &str, lines: &[Line], (from, to): (u64, u64), vtt: bool, joins: bool) -> Unit {
    let mut pieces = Vec::new();
    for (k, line) in lines.iter().enumerate() {
        if k > 0 {
            pieces.push(Piece {
                range: lines[k - 1].range.end..line.range.start,
                kind: Kind::Text("\n".to_owned()),
            });
        }
        scan(source, line.range.clone(), vtt, &mut pieces);
    }
    let text: String = pieces
        .iter()
        .filter_map(|p| match &p.kind {
            Kind::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let open = joins && has_letters(&pieces) && !ends_sentence(&text);
    Unit {
        pieces,
        text,
        open,
        from,
        to,
    }
}

/// Whether a text ends a sentence; quotes after its last mark do not count.
fn ends_sentence(text: &str) -> bool {
    let text = text.trim_end_matches(|c: char| c.is_whitespace() || "\"'”’»«“」』".contains(c));
    text.ends_with([
        '.', '!', '?', '…', '。', '！', '？', '♪', '♫', ']', ')', '؟', '।', ':',
    ])
}

/// Text and tags of a line: `<i>`, `{\an8}`, and for WebVTT times inside of a cue.
fn scan(source: &str, line: Range<usize>, vtt: bool, pieces: &mut Vec<Piece>) {
    let text = &source[line.clone()];
    let mut push = |range: Range<usize>, kind: Option<Kind>| {
        if range.is_empty() {
            return;
        }
        let raw = &text[range.clone()];
        let kind = kind.unwrap_or_else(|| {
            Kind::Text(if vtt {
                decode_html(raw)
            } else {
                raw.to_owned()
            })
        });
        let range = line.start + range.start..line.start + range.end;
        pieces.push(Piece { range, kind });
    };
    let (mut at, mut from) = (0, 0);
    while let Some(next) = text[at..].find(['<', '{']).map(|k| at + k) {
        let rest = &text[next..];
        let angle = rest.starts_with('<');
        let last = if angle { b'>' } else { b'}' };
        let end = rest.bytes().take(LONGEST_TAG).position(|b| b == last);
        let tag = end.and_then(|end| Some((&rest[..=end], tag(&rest[1..end], angle, vtt)?)));
        at = next + 1;
        if let Some((raw, kind)) = tag {
            push(from..next, None);
            at = next + raw.len();
            push(next..at, Some(kind));
            from = at;
        }
    }
    push(from..text.len(), None);
}

/// The kind of a tag with this content; none if it is text.
fn tag(content: &str, angle: bool, vtt: bool) -> Option<Kind> {
    if !angle {
        return content.starts_with('\\').then_some(Kind::Single);
    }
    let (name, close) = match content.strip_prefix('/') {
        Some(name) => (name, true),
        None => (content, false),
    };
    let end = name
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(name.len());
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic());
    match name[..end].to_ascii_lowercase() {
        name if named && close => Some(Kind::Close(name)),
        name if named => Some(Kind::Open(name)),
        // A time inside of a cue, or an end without a name.
        _ if vtt && (close || name.starts_with(|c: char| c.is_ascii_digit())) => Some(Kind::Single),
        _ => None,
    }
}

/// Start and end of a line of times, in milliseconds.
fn timing(line: &str) -> Option<(u64, u64)> {
    let (from, to) = line.split_once("-->")?;
    let to = to.split_whitespace().next()?;
    Some((time(from.trim())?, time(to)?))
}

/// Milliseconds of `hours:minutes:seconds,thousandths`; the hours may be absent.
fn time(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once([',', '.'])?;
    let number = |t: &str| (is_number(t) && t.len() <= 9).then(|| t.parse::<u64>().ok())?;
    let mut seconds = 0;
    let fields: Vec<&str> = whole.split(':').collect();
    if !(2..=3).contains(&fields.len()) {
        return None;
    }
    for field in fields {
        seconds = seconds * 60 + number(field)?;
    }
    Some(seconds * 1000 + number(part)?)
}

/// Makes a segment of texts that belong together.
fn push(document: &mut Document, group: Vec<Unit>, vtt: bool) {
    if !group.iter().any(|u| has_letters(&u.pieces)) {
        return;
    }
    let mut builder = Builder::default();
    let mut slots = Vec::new();
    for unit in group {
        if let Some(mut slot) = builder.part(&document.source, unit.pieces) {
            slot.lines = 1 + document.source[slot.raw.clone()].matches('\n').count();
            slots.push(slot);
        }
    }
    let escape = if vtt {
        Escape::Html {
            greater: true,
            spaces: slots
                .iter()
                .any(|s| document.source[s.raw.clone()].contains("&nbsp;")),
        }
    } else {
        Escape::Plain
    };
    document.push(builder, slots, escape);
}
