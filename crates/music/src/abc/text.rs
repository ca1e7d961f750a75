//! Files of tunes: bytes to text, text to tunes.

use crate::Warning;

/// The text of an ABC file. A `%%abc-charset` line decides between UTF-8 and Latin-1; without one, bytes that are not
/// UTF-8 are Latin-1. A byte-order mark is left out, and all line ends become `\n`.
pub fn decode_abc(bytes: &[u8]) -> (String, Vec<Warning>) {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut warnings = Vec::new();
    let latin = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|&byte| char::from(byte))
            .collect::<String>()
    };
    let text = match (charset(bytes), std::str::from_utf8(bytes)) {
        (Some(false), _) => latin(bytes),
        (_, Ok(text)) => text.to_owned(),
        (_, Err(_)) => {
            warnings.push(Warning::Latin1);
            latin(bytes)
        }
    };
    (text.replace("\r\n", "\n").replace('\r', "\n"), warnings)
}

/// Whether a charset line names UTF-8 (true) or Latin-1 (false).
fn charset(bytes: &[u8]) -> Option<bool> {
    let head = &bytes[..bytes.len().min(1 << 16)];
    let name = b"%%abc-charset";
    let at = head.windows(name.len()).position(|window| window == name)?;
    let line = head[at + name.len()..]
        .split(|&byte| byte == b'\n' || byte == b'\r')
        .next()?;
    let value = String::from_utf8_lossy(line).trim().to_ascii_lowercase();
    match value.as_str() {
        "utf-8" | "utf8" => Some(true),
        "iso-8859-1" | "latin-1" | "latin1" | "us-ascii" => Some(false),
        _ => None,
    }
}

/// A tune of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TuneText<'a> {
    /// The tune, from its `X:` line to the blank line behind it.
    pub text: &'a str,
    /// Line of its first character in the file, from 1.
    pub line: usize,
}

/// The tunes of a text: each begins with a line `X:` and ends before a blank line or the next `X:`. Text between tunes
/// is left out.
pub fn split_tunes(text: &str) -> Vec<TuneText<'_>> {
    let mut tunes: Vec<TuneText> = Vec::new();
    let mut start: Option<(usize, usize)> = None;
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let begins = line.starts_with("X:");
        let blank = line.trim().is_empty();
        if (begins || blank)
            && let Some((from, line)) = start.take()
        {
            tunes.push(TuneText {
                text: &text[from..at],
                line,
            });
        }
        if begins {
            start = Some((at, number + 1));
        }
        at += line.len();
    }
    if let Some((from, line)) = start {
        tunes.push(TuneText {
            text: &text[from..],
            line,
        });
    }
    tunes
}

/// Fields of the normal form, in its order; K closes the header.
const NORMAL: [char; 5] = ['M', 'L', 'Q', 'R', 'K'];

/// A tune as a training document: the header is `M`, `L`, `Q`, `R` and `K` in this order, one line each with no space
/// behind the colon, then the music without comments, directives, lyrics and spaces around lines. The first lines are
/// then the controls of a model: `M:6/8`, `K:G`.
///
/// The last value of a field before the first note counts. `titles` keeps the `T:` lines before the others. Lines that
/// end in `\` are joined with the next, and the `!` of old line ends is left out.
pub fn normal_form(tune: &str, titles: bool) -> String {
    let mut values: [Option<&str>; 5] = [None; 5];
    let mut names = Vec::new();
    let mut body = String::new();
    let mut header = true;
    for line in tune.lines() {
        let line = line.split('%').next().unwrap_or_default().trim();
        let field = field(line);
        match field {
            _ if line.is_empty() => {}
            Some(('T', name)) => names.push(name),
            Some((letter, value)) if NORMAL.contains(&letter) && (header || body.is_empty()) => {
                let slot = NORMAL.iter().position(|&l| l == letter).unwrap_or(0);
                values[slot] = Some(value);
                header &= letter != 'K';
            }
            Some((letter @ ('M' | 'L' | 'K' | 'Q' | 'P' | 'V'), value)) if !header => {
                if letter != 'P' || !body.is_empty() {
                    body.extend([letter, ':']);
                    body.push_str(value);
                    body.push('\n');
                }
            }
            Some(_) => {}
            None if header => {}
            None => match line.strip_suffix('\\') {
                Some(open) => body.push_str(open),
                None => {
                    body.push_str(
                        line.strip_suffix('!')
                            .filter(|l| !l.contains('!'))
                            .unwrap_or(line),
                    );
                    body.push('\n');
                }
            },
        }
    }
    let mut out = String::new();
    let lines = names.into_iter().filter(|_| titles).map(|name| ('T', name));
    let fields = NORMAL
        .iter()
        .zip(values)
        .filter_map(|(&letter, value)| Some((letter, value?)));
    for (letter, value) in lines.chain(fields) {
        out.extend([letter, ':']);
        out.push_str(value);
        out.push('\n');
    }
    out + &body
}

/// Letter and value of a field line.
pub(crate) fn field(line: &str) -> Option<(char, &str)> {
    let mut letters = line.chars();
    let letter = letters.next().filter(char::is_ascii_alphabetic)?;
    let value = letters.as_str().strip_prefix(':')?;
    // A letter of a note and `:|` are music.
    let music = "ABCDEFGabcdefgz".contains(letter) && value.starts_with(['|', ':']);
    (!music).then_some((letter, value.trim()))
}
