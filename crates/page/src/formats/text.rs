//! Plain text.

use super::{Emit, Format, FormatError, PageImage, failed};
use crate::result::Page;
use std::io::Write;

/// Lines in reading order, a blank line between blocks, a form feed between pages.
#[derive(Default)]
pub(super) struct Text {
    begun: bool,
}

impl Emit for Text {
    fn begin(&mut self, _: &mut dyn Write) -> Result<(), FormatError> {
        Ok(())
    }

    fn page(
        &mut self,
        out: &mut dyn Write,
        page: &Page,
        _: Option<&PageImage<'_>>,
    ) -> Result<(), FormatError> {
        let mut text = String::new();
        if self.begun {
            text.push('\x0c');
        }
        self.begun = true;
        for (i, block) in page
            .blocks
            .iter()
            .filter(|b| !b.lines.is_empty())
            .enumerate()
        {
            if i > 0 {
                text.push('\n');
            }
            for line in &block.lines {
                text.extend(line.text.chars().map(one_line));
                text.push('\n');
            }
        }
        out.write_all(text.as_bytes()).map_err(failed(Format::Text))
    }

    fn end(&mut self, _: &mut dyn Write) -> Result<(), FormatError> {
        Ok(())
    }
}

/// A character that would begin a new line or page becomes a space.
fn one_line(c: char) -> char {
    match c {
        '\n' | '\r' | '\x0b' | '\x0c' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        other => other,
    }
}
