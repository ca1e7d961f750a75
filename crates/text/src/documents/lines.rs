//! Plain lines and tab-separated tables, whole or line by line.

use super::error::{DocumentError, Warning};
use super::escape::Escape;
use super::inline::{Builder, Kind, Piece};
use super::{Document, Options};
use std::ops::Range;

/// The part of a line that is translated: without the spaces around it and without the end of the line.
pub fn line_body(line: &str) -> Range<usize> {
    let start = line.len() - line.trim_start().len();
    start..start + line[start..].trim_end().len()
}

/// A line with another body; what is around the body stays. Line ends in `text` become spaces.
pub fn with_line_body(line: &str, text: &str) -> String {
    let body = line_body(line);
    [&line[..body.start], &one_line(text), &line[body.end..]].concat()
}

/// The parts of columns `columns` (from 0) of a tab-separated line that are translated, as byte ranges in the order of
/// `columns`. An empty column gives an empty range.
///
/// # Errors
/// Fewer columns than asked for; `number` is the line's number for the message, from 1.
pub fn table_bodies(
    line: &str,
    columns: &[usize],
    number: usize,
) -> Result<Vec<Range<usize>>, DocumentError> {
    let content = line.trim_end_matches(['\r', '\n']);
    let mut fields = Vec::new();
    let mut start = 0;
    for field in content.split('\t') {
        let body = line_body(field);
        fields.push(start + body.start..start + body.end);
        start += field.len() + 1;
    }
    let find = |&column: &usize| {
        fields.get(column).cloned().ok_or(DocumentError::Columns {
            line: number,
            found: fields.len(),
            wanted: column.saturating_add(1),
        })
    };
    columns.iter().map(find).collect()
}

/// A tab-separated line with other texts in `columns` (from 0); all else stays. Tabs and line ends in `texts` become
/// spaces. Columns that are named twice take the last text.
///
/// # Errors
/// As [`table_bodies`].
pub fn with_table_bodies(
    line: &str,
    columns: &[usize],
    texts: &[&str],
    number: usize,
) -> Result<String, DocumentError> {
    if columns.len() != texts.len() {
        return Err(DocumentError::Count {
            wanted: columns.len(),
            found: texts.len(),
        });
    }
    let bodies = table_bodies(line, columns, number)?;
    let mut by_column: Vec<_> = columns.iter().zip(bodies).zip(texts).collect();
    by_column.sort_by_key(|&((column, _), _)| *column);
    let mut out = String::new();
    let mut at = 0;
    for (k, ((column, body), text)) in by_column.iter().enumerate() {
        if by_column
            .get(k + 1)
            .is_some_and(|((next, _), _)| next == column)
        {
            continue;
        }
        out.push_str(&line[at..body.start]);
        out.push_str(&one_line(text));
        at = body.end;
    }
    out.push_str(&line[at..]);
    Ok(out)
}

/// `text` with a space in place of every tab and end of a line.
pub(super) fn one_line(text: &str) -> String {
    text.replace(
        [
            '\t', '\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}',
        ],
        " ",
    )
}

/// Lines of `source` with their ends, as ranges.
pub(super) fn ranges(source: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    source.split_inclusive('\n').map(move |line| {
        let range = start..start + line.len();
        start = range.end;
        range
    })
}

/// Finds the segments of plain lines.
pub(super) fn parse(document: &mut Document) {
    for line in ranges(&document.source).collect::<Vec<_>>() {
        let body = line_body(&document.source[line.clone()]);
        push(document, line.start + body.start..line.start + body.end);
    }
}

/// Finds the segments of a table. Lines with too few columns are kept, with a warning; lines without any text too,
/// without one.
pub(super) fn parse_table(document: &mut Document, options: &Options) {
    let mut columns = options.columns.clone();
    columns.sort_unstable();
    columns.dedup();
    for (number, line) in ranges(&document.source)
        .collect::<Vec<_>>()
        .into_iter()
        .enumerate()
    {
        let text = &document.source[line.clone()];
        if text.trim().is_empty() {
            continue;
        }
        match table_bodies(text, &columns, number + 1) {
            Ok(bodies) => {
                for body in bodies {
                    push(document, line.start + body.start..line.start + body.end);
                }
            }
            Err(error) => document.warnings.push(Warning {
                line: number + 1,
                reason: format!("the line is kept as it is: {error}"),
            }),
        }
    }
}

fn push(document: &mut Document, range: Range<usize>) {
    if range.is_empty() {
        return;
    }
    let mut builder = Builder::verbatim();
    let text = document.source[range.clone()].to_owned();
    let kind = Kind::Text(text);
    if let Some(slot) = builder.part(&document.source, vec![Piece { range, kind }]) {
        document.push(builder, vec![slot], Escape::Plain);
    }
}
