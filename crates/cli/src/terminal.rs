//! How text, figures and errors are written for people.

use std::io::{IsTerminal, Write};
use std::path::Path;

/// Columns of a line for people.
pub const WIDTH: usize = 80;

/// Writes to standard output at once.
pub fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

/// [`print`] for bytes that need not be UTF-8.
pub fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(())
}

/// Writes a line to standard error. A failed write is ignored: a terminal or disk that has gone must not end the work.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Whether an error comes from a reader that went away.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

/// An error and its causes as one sentence, without saying anything twice.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(|cause| cause.to_string()) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    plain(&line.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A panic is a mistake of ours: one sentence that says so, and the end, whichever thread it happened in. Only
/// `println!` panics for another reason: its reader has gone.
pub fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let message = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        if message.starts_with("failed printing to stdout") {
            std::process::exit(0);
        }
        let place = panic.location().map_or(String::new(), |location| {
            format!(" ({}:{})", location.file(), location.line())
        });
        say(&format!(
            "error: this is a bug in refrain, please report it: {message}{place}"
        ));
        std::process::exit(1);
    }));
}

/// Text from elsewhere without the codes that terminals obey.
pub fn plain(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c.to_string(),
        c if c.is_control() => c.escape_unicode().to_string(),
        c => c.to_string(),
    };
    text.chars().map(shown).collect()
}

/// Text of a model for people. A terminal gets it without the codes that it would obey, a file or pipe as it is.
pub fn foreign(text: &str) -> String {
    match std::io::stdout().is_terminal() {
        true => plain(text),
        false => text.to_string(),
    }
}

/// Text in lines of at most [`WIDTH`] columns, broken at spaces. Lines after the first begin with `indent` spaces; the
/// first one has `used` columns in front of it.
pub fn fold(text: &str, used: usize, indent: usize) -> String {
    let (mut folded, mut column) = (String::new(), used);
    for (number, word) in text.split_whitespace().enumerate() {
        let length = word.chars().count();
        if number > 0 && column + 1 + length > WIDTH {
            folded += &format!("\n{:indent$}", "");
            column = indent;
        } else if number > 0 {
            folded.push(' ');
            column += 1;
        }
        folded += word;
        column += length;
    }
    folded
}

/// Rows below each other: the first column to the left, the others to the right.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let length = |cell: &String| cell.chars().count();
    let widths: Vec<usize> = (0..N)
        .map(|column| {
            rows.iter()
                .map(|row| length(&row[column]))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            line += &match column {
                0 => format!("{cell:width$}"),
                _ => format!("  {cell:>width$}"),
            };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// `1 h 02 min`, `3 min 04 s`, `12 s`
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {seconds:02} s"),
        _ => format!("{hours} h {minutes:02} min"),
    }
}

/// `850`, `21.3k`, `4.7M`
pub fn short(x: f64) -> String {
    match x {
        x if x < 999.5 => format!("{x:.0}"),
        x if x < 999_950.0 => format!("{:.1}k", x / 1e3),
        x => format!("{:.1}M", x / 1e6),
    }
}

/// `4 661 234`
pub fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `1 epoch`, `4 epochs`
pub fn counted(n: u64, thing: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {thing}{s}")
}

/// A path as it has to be typed in a shell.
pub fn typed(path: &Path) -> String {
    let text = path.display().to_string();
    let bare = |c: char| c.is_alphanumeric() || "/._-+=:,@".contains(c);
    if !text.is_empty() && text.chars().all(bare) {
        return text;
    }
    if !text.chars().any(char::is_control) {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let escaped = |c: char| match c {
        '\'' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    format!("$'{}'", text.chars().map(escaped).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_at_a_glance() {
        assert_eq!(duration(0.2), "0 s");
        assert_eq!(duration(59.7), "1 min 00 s");
        assert_eq!(duration(3725.0), "1 h 02 min");
    }

    #[test]
    fn large_numbers_are_short_or_grouped() {
        assert_eq!(
            [0.4, 999.4, 999.5, 21_340.0, 999_949.0, 4.66e6].map(short),
            ["0", "999", "1.0k", "21.3k", "999.9k", "4.7M"]
        );
        assert_eq!(
            [0, 999, 1000, 4_661_234].map(grouped),
            ["0", "999", "1 000", "4 661 234"]
        );
        assert_eq!(
            [0, 1, 2].map(|n| counted(n, "step")),
            ["0 steps", "1 step", "2 steps"]
        );
    }

    #[test]
    fn codes_that_terminals_obey_are_spelled_out() {
        assert_eq!(plain("a\u{1b}[31m\tb\n"), "a\\u{1b}[31m\tb\n");
        assert_eq!(plain("\u{9b}2J\r"), "\\u{9b}2J\\u{d}");
    }

    #[test]
    fn long_text_is_folded_at_spaces() {
        let text = "word ".repeat(40);
        let folded = fold(&text, 11, 4);
        let lines: Vec<_> = folded.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(11 + lines[0].len() <= WIDTH && lines[1].len() <= WIDTH);
        assert!(lines[1].starts_with("    word"));
        assert_eq!(folded.split_whitespace().count(), 40);
        let long = "x".repeat(100);
        assert_eq!(fold(&long, 0, 2), long);
    }

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [["run", "time"], ["runs/a", "3 s"]].map(|row| row.map(String::from));
        assert_eq!(columns(&rows), "run     time\nruns/a   3 s\n");
    }

    #[test]
    fn paths_can_be_pasted_into_a_shell() {
        assert_eq!(typed(Path::new("runs/a-1")), "runs/a-1");
        assert_eq!(typed(Path::new("my runs/it's")), r"'my runs/it'\''s'");
        assert_eq!(typed(Path::new("\u{1b}[2J\\'")), r"$'\u001b[2J\\\''");
    }

    #[test]
    fn an_error_says_nothing_twice() {
        let error = anyhow::anyhow!("no such file")
            .context("reading x: no such file")
            .context("loading");
        assert_eq!(one_line(&error), "loading: reading x: no such file");
    }
}
