//! Results in the formats of others, and ground truth out of them.
//!
//! A [`Writer`] takes a document page by page and holds one page at a time, so memory does not grow with the number of
//! pages. A file without pages, and a page without text, are valid in every format. The same pages give the same bytes:
//! a date is written only if [`Options`] have one.
//!
//! | format | what is written |
//! | --- | --- |
//! | text | lines in reading order, a blank line between blocks, a form feed between pages |
//! | JSON | everything, see [`read_json`] |
//! | TSV | the 12 columns of Tesseract, levels 1 to 5 |
//! | hOCR | version 1.2: `ocr_page`, `ocr_carea`, `ocr_par`, `ocr_line`, `ocrx_word` |
//! | ALTO | version 4.3, in pixels; one image file |
//! | PAGE | version 2019-07-15; one page |
//! | PDF | the page image, and over it the words as invisible text |
//!
//! [`truth`] reads lines with their text for training and for scores.

mod alto;
mod date;
mod error;
mod font;
mod hocr;
mod json;
mod page_xml;
mod pdf;
mod picture;
mod place;
mod text;
pub mod truth;
mod tsv;
mod xml;

pub use error::FormatError;
pub use json::read_json;
pub use picture::PageImage;

use crate::result::Page;
use std::io::Write;
use std::str::FromStr;

/// An output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Plain text.
    Text,
    /// Our own JSON.
    Json,
    /// The table of Tesseract.
    Tsv,
    /// HTML with places.
    Hocr,
    /// ALTO XML of libraries.
    Alto,
    /// PAGE XML of document analysis.
    Page,
    /// PDF that can be searched.
    Pdf,
}

/// The pages that one file of a format can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Pages of any image files.
    AllPages,
    /// Pages of one image file.
    OneImage,
    /// One page.
    OnePage,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 7] = [
        Self::Text,
        Self::Json,
        Self::Tsv,
        Self::Hocr,
        Self::Alto,
        Self::Page,
        Self::Pdf,
    ];

    /// Its name, as [`Format::from_str`] reads it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Tsv => "tsv",
            Self::Hocr => "hocr",
            Self::Alto => "alto",
            Self::Page => "page",
            Self::Pdf => "pdf",
        }
    }

    /// Ending of its files, without a dot before it.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Alto => "alto.xml",
            Self::Page => "page.xml",
            other => other.name(),
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/json",
            Self::Tsv => "text/tab-separated-values; charset=utf-8",
            Self::Hocr => "application/xhtml+xml",
            Self::Alto | Self::Page => "application/xml",
            Self::Pdf => "application/pdf",
        }
    }

    /// The pages that one file can hold.
    pub fn holds(self) -> Holds {
        match self {
            Self::Page => Holds::OnePage,
            Self::Alto => Holds::OneImage,
            _ => Holds::AllPages,
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("`{name}` is no output format; give one of {names}")
        })
    }
}

/// Settings of a [`Writer`].
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Name and version of the program that recognised the text.
    pub program: String,
    /// Date of the file, in seconds after 1970 began in UTC. Formats that demand a date get that of 1970 without it.
    pub date: Option<u64>,
    /// Pixels in an inch of a page that does not state it, for the size of a PDF page.
    pub dpi: f32,
    /// Quality 1 to 100 of the JPEG compression of grey and colour images in a PDF; none keeps every pixel.
    pub jpeg: Option<u8>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            program: concat!("refrain ", env!("CARGO_PKG_VERSION")).into(),
            date: None,
            dpi: 300.0,
            jpeg: Some(75),
        }
    }
}

/// One format on the way: the head, pages, the foot.
trait Emit {
    fn begin(&mut self, out: &mut dyn Write) -> Result<(), FormatError>;
    fn page(
        &mut self,
        out: &mut dyn Write,
        page: &Page,
        image: Option<&PageImage<'_>>,
    ) -> Result<(), FormatError>;
    fn end(&mut self, out: &mut dyn Write) -> Result<(), FormatError>;
}

/// Writes a document page by page. Give it a buffered output.
///
/// ```
/// use refrain_page::formats::{Format, Options, Writer};
/// use refrain_page::{Block, Line, Page};
///
/// let line = Line { text: "Hello".into(), ..Line::default() };
/// let block = Block { lines: vec![line], ..Block::default() };
/// let page = Page { number: 1, blocks: vec![block], ..Page::default() };
/// let mut writer = Writer::new(Format::Text, Vec::new(), &Options::default())?;
/// writer.page(&page, None)?;
/// assert_eq!(writer.finish()?, b"Hello\n");
/// # Ok::<(), refrain_page::formats::FormatError>(())
/// ```
pub struct Writer<W: Write> {
    out: W,
    format: Format,
    emit: Box<dyn Emit + Send>,
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`FormatError::Write`].
    pub fn new(format: Format, mut out: W, options: &Options) -> Result<Self, FormatError> {
        let options = options.clone();
        let mut emit: Box<dyn Emit + Send> = match format {
            Format::Text => Box::new(text::Text::default()),
            Format::Json => Box::new(json::Json::new(options)),
            Format::Tsv => Box::new(tsv::Tsv::default()),
            Format::Hocr => Box::new(hocr::Hocr::new(options)),
            Format::Alto => Box::new(alto::Alto::new(options)),
            Format::Page => Box::new(page_xml::PageXml::new(options)),
            Format::Pdf => Box::new(pdf::Pdf::new(options)),
        };
        emit.begin(&mut out)?;
        Ok(Self { out, format, emit })
    }

    /// The format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Writes a page. Only a PDF uses the image: the displayed page, in its full size. A PDF page without an image has
    /// invisible text only.
    ///
    /// # Errors
    /// [`FormatError::Write`]; a page that does not belong into the file ([`Format::holds`]); for a PDF also an image
    /// of another size than the page, and an image that it cannot hold.
    pub fn page(&mut self, page: &Page, image: Option<&PageImage<'_>>) -> Result<(), FormatError> {
        self.emit.page(&mut self.out, page, image)
    }

    /// Ends the file and returns the output, flushed.
    ///
    /// # Errors
    /// [`FormatError::Write`].
    pub fn finish(mut self) -> Result<W, FormatError> {
        self.emit.end(&mut self.out)?;
        let format = self.format.name();
        self.out
            .flush()
            .map_err(|error| FormatError::Write { format, error })?;
        Ok(self.out)
    }
}

/// For `map_err` of an output.
fn failed(format: Format) -> impl Fn(std::io::Error) -> FormatError {
    move |error| FormatError::Write {
        format: format.name(),
        error,
    }
}
