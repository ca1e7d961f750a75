//! N-gram models in ARPA's text format, as SRILM and KenLM write it.
//!
//! ```text
//! \data\
//! ngram 1=3
//! ngram 2=2
//!
//! \1-grams:
//! -1.2  <s>   -0.3     log10 p, words, log10 of the back-off weight (0 if left out)
//! …
//! \end\
//! ```

use super::build::{BuildError, Builder};
use super::model::{MAX_ORDER, Ngram};
use std::io::{BufRead, Error as IoError, Write};
use thiserror::Error;

/// log10 of a probability of 0, by convention.
const ZERO: f32 = -99.0;

/// An invalid ARPA file. Lines count from 1.
#[derive(Debug, Error)]
pub enum ArpaError {
    /// The file cannot be read.
    #[error("arpa, line {line}: {source}")]
    Read {
        /// The line.
        line: usize,
        /// The reader's error.
        source: IoError,
    },
    /// A line is not UTF-8.
    #[error("arpa, line {line}: not UTF-8")]
    Utf8 {
        /// The line.
        line: usize,
    },
    /// Something else is expected here.
    #[error("arpa, line {line}: expected {expected}, found {found:?}")]
    Expected {
        /// The line; of the end of the file the one behind the last.
        line: usize,
        /// The expected text.
        expected: String,
        /// The text that was found, shortened.
        found: String,
    },
    /// A number that is none, or none that may stand here.
    #[error("arpa, line {line}: {found:?} is not {what}")]
    Number {
        /// The line.
        line: usize,
        /// The expected number.
        what: &'static str,
        /// The number that was found.
        found: String,
    },
    /// Not as many n-grams as the header says.
    #[error(
        "arpa, line {line}: {found} n-grams of order {order}, but the header promises {promised}"
    )]
    Count {
        /// The line behind the section.
        line: usize,
        /// The order.
        order: usize,
        /// In the section.
        found: u64,
        /// In the header.
        promised: u64,
    },
    /// A word of a longer n-gram is not among those of order 1.
    #[error("arpa, line {line}: {word:?} is not among the 1-grams")]
    Word {
        /// The line.
        line: usize,
        /// The word.
        word: String,
    },
    /// An n-gram whose words but the last have no entry.
    #[error("arpa, line {line}: the words before the last of this n-gram are no n-gram themselves")]
    Context {
        /// The line.
        line: usize,
    },
    /// An n-gram that was there before.
    #[error("arpa, line {line}: the same n-gram as in line {first}")]
    Twice {
        /// The line.
        line: usize,
        /// The line of the first.
        first: usize,
    },
    /// More n-grams, or longer ones, than this reader holds.
    #[error(
        "arpa, line {line}: n-grams longer than {MAX_ORDER} words, or more of them than 32 bits can count"
    )]
    TooLarge {
        /// The line.
        line: usize,
    },
}

/// Reads a model. Memory grows with the lines that were read, never with the counts of the header; a log-probability of
/// −∞ is read as −99.
///
/// # Errors
/// See [`ArpaError`]. Lines before `\data\` are skipped, lines behind `\end\` are not read.
pub fn read(reader: impl BufRead) -> Result<Ngram, ArpaError> {
    let mut lines = Lines {
        reader,
        number: 0,
        bytes: Vec::new(),
        text: String::new(),
    };
    while lines.next("\\data\\")? != "\\data\\" {}
    let promised = header(&mut lines)?;
    let mut builder = Builder::new();
    for (order, &promised) in (1..).zip(&promised) {
        section(&mut lines, &mut builder, order, promised)?;
    }
    if lines.text != "\\end\\" {
        return Err(lines.expected("\\end\\"));
    }
    Ok(builder.finish())
}

/// The counts of the orders; ends on the line of the first section.
fn header<R: BufRead>(lines: &mut Lines<R>) -> Result<Vec<u64>, ArpaError> {
    let mut promised = Vec::new();
    loop {
        let line = lines.next("ngram 1=<count>")?;
        let Some(rest) = line.strip_prefix("ngram ") else {
            break;
        };
        let order = promised.len() + 1;
        let parts = rest.split_once('=');
        let parts = parts.map(|(n, count)| (n.trim().parse::<usize>(), count.trim().parse()));
        match parts {
            Some((Ok(n), Ok(count))) if n == order => promised.push(count),
            _ => return Err(lines.expected(&format!("ngram {order}=<count>"))),
        }
        if order > MAX_ORDER {
            let line = lines.number;
            return Err(ArpaError::TooLarge { line });
        }
    }
    match promised.is_empty() {
        true => Err(lines.expected("ngram 1=<count>")),
        false => Ok(promised),
    }
}

/// One section; ends on the line behind it.
fn section<R: BufRead>(
    lines: &mut Lines<R>,
    builder: &mut Builder,
    order: usize,
    promised: u64,
) -> Result<(), ArpaError> {
    let title = format!("\\{order}-grams:");
    if lines.text != title {
        return Err(lines.expected(&title));
    }
    let mut found = 0;
    let mut words = Vec::with_capacity(order);
    while !lines.next("\\end\\")?.starts_with('\\') {
        entry(lines, builder, order, &mut words)?;
        found += 1;
    }
    let line = lines.number;
    if found != promised {
        return Err(ArpaError::Count {
            line,
            order,
            found,
            promised,
        });
    }
    builder.close().map_err(|e| typed(e, line))
}

fn entry<R: BufRead>(
    lines: &Lines<R>,
    builder: &mut Builder,
    order: usize,
    words: &mut Vec<u32>,
) -> Result<(), ArpaError> {
    let line = lines.number;
    let mut fields = lines.text.split_ascii_whitespace();
    let log_p = number(fields.next(), line, "the logarithm of a probability")?;
    if log_p > 0.0 {
        return Err(ArpaError::Number {
            line,
            what: "the logarithm of a probability (0 or less)",
            found: log_p.to_string(),
        });
    }
    words.clear();
    for _ in 0..order {
        let expected = || lines.expected(&format!("{order} words"));
        let word = fields.next().ok_or_else(expected)?;
        words.push(match order {
            1 => builder.word(word).map_err(|e| typed(e, line))?,
            _ => builder.id(word).ok_or_else(|| ArpaError::Word {
                line,
                word: word.to_owned(),
            })?,
        });
    }
    let backoff = match fields.next() {
        Some(text) => number(Some(text), line, "the logarithm of a back-off weight")?,
        None => 0.0,
    };
    if fields.next().is_some() {
        return Err(lines.expected(&format!("{order} words and two numbers")));
    }
    builder
        .add(words, log_p, backoff, line)
        .map_err(|e| typed(e, line))
}

/// A finite number; −∞ becomes −99.
fn number(text: Option<&str>, line: usize, what: &'static str) -> Result<f32, ArpaError> {
    let text = text.unwrap_or("");
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(f32::NEG_INFINITY) => Ok(ZERO),
        _ => Err(ArpaError::Number {
            line,
            what,
            found: short(text),
        }),
    }
}

fn typed(error: BuildError, line: usize) -> ArpaError {
    match error {
        BuildError::NoContext => ArpaError::Context { line },
        BuildError::Twice { first, second } => ArpaError::Twice {
            line: second,
            first,
        },
        BuildError::TooMany => ArpaError::TooLarge { line },
    }
}

/// At most 40 characters, for messages.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

struct Lines<R> {
    reader: R,
    number: usize,
    bytes: Vec<u8>,
    text: String,
}

impl<R: BufRead> Lines<R> {
    /// The next line that is not empty, without white space around it.
    fn next(&mut self, expected: &str) -> Result<&str, ArpaError> {
        loop {
            self.number += 1;
            let line = self.number;
            self.bytes.clear();
            let read = self.reader.read_until(b'\n', &mut self.bytes);
            if read.map_err(|source| ArpaError::Read { line, source })? == 0 {
                return Err(ArpaError::Expected {
                    line,
                    expected: expected.to_owned(),
                    found: "the end of the file".to_owned(),
                });
            }
            let text = std::str::from_utf8(&self.bytes).map_err(|_| ArpaError::Utf8 { line })?;
            // ASCII only: other spaces may be words.
            let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
            if !text.is_empty() {
                self.text.clear();
                self.text.push_str(text);
                return Ok(&self.text);
            }
        }
    }

    fn expected(&self, expected: &str) -> ArpaError {
        ArpaError::Expected {
            line: self.number,
            expected: expected.to_owned(),
            found: short(&self.text),
        }
    }
}

/// Writes a model so that [`read`] gives the same one.
///
/// # Errors
/// The writer's error.
pub fn write(model: &Ngram, mut writer: impl Write) -> Result<(), IoError> {
    writeln!(writer, "\\data\\")?;
    let counts = model.counts();
    for (order, count) in (1..).zip(&counts) {
        writeln!(writer, "ngram {order}={count}")?;
    }
    for (order, _) in (1..).zip(&counts) {
        writeln!(writer, "\n\\{order}-grams:")?;
        spell(
            model,
            super::model::ROOT,
            order,
            &mut Vec::new(),
            &mut writer,
        )?;
    }
    writeln!(writer, "\n\\end\\")
}

/// All n-grams that go on from `node` by `left` words; no deeper than [`MAX_ORDER`].
fn spell(
    model: &Ngram,
    node: u32,
    left: usize,
    words: &mut Vec<u32>,
    writer: &mut impl Write,
) -> Result<(), IoError> {
    let from = model.nodes[node as usize];
    for child in from.first..from.end {
        let entry = model.nodes[child as usize];
        words.push(entry.word);
        if left > 1 {
            spell(model, child, left - 1, words, writer)?;
        } else {
            write!(writer, "{}\t", entry.log_p)?;
            for (n, &word) in words.iter().enumerate() {
                let gap = if n > 0 { " " } else { "" };
                write!(writer, "{gap}{}", model.words[word as usize])?;
            }
            match entry.backoff == 0.0 {
                true => writeln!(writer)?,
                false => writeln!(writer, "\t{}", entry.backoff)?,
            }
        }
        words.pop();
    }
    Ok(())
}
