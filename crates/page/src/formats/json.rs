//! Our own JSON.

use super::date::Date;
use super::{Emit, Format, FormatError, Options, PageImage, failed};
use crate::result::{Document, Page};
use serde::Deserialize;
use std::io::Write;

/// Name of the format.
const NAME: &str = "refrain-page";
/// The version that is written, and the newest that is read.
const VERSION: u32 = 1;

pub(super) struct Json {
    options: Options,
    begun: bool,
}

impl Json {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            begun: false,
        }
    }
}

impl Emit for Json {
    fn begin(&mut self, out: &mut dyn Write) -> Result<(), FormatError> {
        let mut head = serde_json::Map::new();
        head.insert("format".into(), NAME.into());
        head.insert("version".into(), VERSION.into());
        head.insert("program".into(), self.options.program.as_str().into());
        if let Some(date) = self.options.date {
            head.insert("date".into(), Date::of_unix(date).iso().into());
        }
        let head = serde_json::Value::Object(head).to_string();
        write!(out, "{},\"pages\":[", head.trim_end_matches('}')).map_err(failed(Format::Json))
    }

    fn page(
        &mut self,
        out: &mut dyn Write,
        page: &Page,
        _: Option<&PageImage<'_>>,
    ) -> Result<(), FormatError> {
        let comma = if self.begun { ",\n" } else { "\n" };
        self.begun = true;
        out.write_all(comma.as_bytes())
            .map_err(failed(Format::Json))?;
        serde_json::to_writer(&mut *out, &finite(page))
            .map_err(|error| failed(Format::Json)(error.into()))
    }

    fn end(&mut self, out: &mut dyn Write) -> Result<(), FormatError> {
        out.write_all(b"\n]}\n").map_err(failed(Format::Json))
    }
}

/// The page with 0 for numbers that are none: JSON has no word for them. Positions see to it themselves.
fn finite(page: &Page) -> Page {
    let mut page = page.clone();
    let number = |value: &mut f32| {
        if !value.is_finite() {
            *value = 0.0;
        }
    };
    page.dpi = page.dpi.filter(|dpi| dpi.is_finite());
    number(&mut page.skew);
    number(&mut page.uncovered_ink);
    page.seconds.values_mut().for_each(number);
    for line in page.blocks.iter_mut().flat_map(|block| &mut block.lines) {
        number(&mut line.confidence);
        line.words
            .iter_mut()
            .for_each(|word| number(&mut word.confidence));
        line.alternatives
            .iter_mut()
            .for_each(|other| number(&mut other.score));
    }
    page
}

/// Reads the JSON that [`Format::Json`] writes.
///
/// The file is one object: `format` is `refrain-page`; `version` is 1, and grows when a field changes its meaning;
/// `program` names the program; `date` is ISO 8601, if it was asked for; `pages` is a list of [`Page`]s. Objects have
/// the fields of [`Page`], [`Block`](crate::Block), [`Line`](crate::Line), [`Word`](crate::Word) and
/// [`Alternative`](crate::Alternative) by their names. A quad is four pairs `[x, y]`, clockwise from the top left
/// corner of the text; a baseline is a list of pairs. `kind` is `text` or `table`, `band` is `green`, `amber` or `red`.
/// Unknown fields are ignored; each page stands on a line of its own.
///
/// # Errors
/// [`FormatError::Json`] with the line; [`FormatError::Version`].
pub fn read_json(text: &str) -> Result<Document, FormatError> {
    #[derive(Deserialize)]
    struct Head {
        format: String,
        version: u32,
    }
    let fault = |error: serde_json::Error| FormatError::Json {
        line: error.line(),
        reason: error.to_string(),
    };
    let head: Head = serde_json::from_str(text).map_err(fault)?;
    match (head.format.as_str(), head.version) {
        (NAME, ..=VERSION) => serde_json::from_str(text).map_err(fault),
        (NAME, found) => Err(FormatError::Version {
            found,
            known: VERSION,
        }),
        (other, _) => Err(FormatError::Json {
            line: 1,
            reason: format!("the format is `{other}`; `{NAME}` is needed"),
        }),
    }
}
