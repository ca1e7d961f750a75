//! ALTO 4.3.

use super::date::Date;
use super::place::{angle, bounds, confidence, list, upright};
use super::xml::Xml;
use super::{Emit, Format, FormatError, Options, PageImage, failed};
use crate::result::{Line, Page};
use refrain_image::{Quad, Rect};
use std::fmt::Display;
use std::io::Write;

/// Coordinates are whole pixels; shapes are written for lines, and elsewhere where they are no upright rectangles.
pub(super) struct Alto {
    options: Options,
    /// Image file of the pages so far.
    file: Option<String>,
    pages: u64,
}

impl Alto {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            file: None,
            pages: 0,
        }
    }

    fn head(&self, file: &str) -> Xml {
        let mut xml = Xml::default();
        let namespace = "http://www.loc.gov/standards/alto/ns-v4#";
        let location = format!("{namespace} http://www.loc.gov/standards/alto/v4/alto-4-3.xsd");
        xml.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
            .open(
                "alto",
                &[
                    ("xmlns", &namespace),
                    ("xmlns:xsi", &"http://www.w3.org/2001/XMLSchema-instance"),
                    ("xsi:schemaLocation", &location),
                    ("SCHEMAVERSION", &"4.3"),
                ],
            );
        xml.raw("\n<Description>\n<MeasurementUnit>pixel</MeasurementUnit>\n");
        xml.raw("<sourceImageInformation>")
            .leaf("fileName", &[], file);
        xml.raw("</sourceImageInformation>\n<Processing ID=\"ocr\">");
        xml.leaf("processingCategory", &[], "contentGeneration");
        if let Some(date) = self.options.date {
            xml.leaf("processingDateTime", &[], &Date::of_unix(date).iso());
        }
        xml.raw("<processingSoftware>");
        xml.leaf("softwareName", &[], &self.options.program);
        xml.raw("</processingSoftware></Processing>\n</Description>\n<Layout>\n");
        xml
    }
}

impl Emit for Alto {
    fn begin(&mut self, _: &mut dyn Write) -> Result<(), FormatError> {
        Ok(())
    }

    fn page(
        &mut self,
        out: &mut dyn Write,
        page: &Page,
        _: Option<&PageImage<'_>>,
    ) -> Result<(), FormatError> {
        let mut xml = match &self.file {
            None => self.head(&page.file),
            Some(first) if *first == page.file => Xml::default(),
            Some(first) => {
                return Err(FormatError::OneImage {
                    first: first.clone(),
                    other: page.file.clone(),
                });
            }
        };
        self.file = Some(page.file.clone());
        self.pages += 1;
        let p = self.pages;
        let (width, height) = (page.width, page.height);
        xml.open(
            "Page",
            &[
                ("ID", &format!("page_{p}")),
                ("PHYSICAL_IMG_NR", &page.number),
                ("WIDTH", &width),
                ("HEIGHT", &height),
            ],
        );
        let whole = Rect {
            x: 0,
            y: 0,
            width: width as usize,
            height: height as usize,
        };
        placed(&mut xml, "PrintSpace", &[], whole).raw(">\n");
        for (b, block) in page.blocks.iter().enumerate() {
            let id = format!("{p}_{}", b + 1);
            let place = bounds(&block.quad, page);
            placed(
                &mut xml,
                "TextBlock",
                &[("ID", &format!("block_{id}"))],
                place,
            )
            .raw(">");
            if !upright(&block.quad) {
                shape(&mut xml, &block.quad, page);
            }
            xml.line();
            for (l, line) in block.lines.iter().enumerate() {
                text_line(&mut xml, page, line, &format!("{id}_{}", l + 1));
            }
            xml.raw("</TextBlock>\n");
        }
        xml.raw("</PrintSpace></Page>\n");
        out.write_all(xml.as_bytes()).map_err(failed(Format::Alto))
    }

    fn end(&mut self, out: &mut dyn Write) -> Result<(), FormatError> {
        let mut xml = Xml::default();
        if self.pages == 0 {
            // The schema demands a page.
            xml = self.head("");
            xml.raw("<Page ID=\"page_0\" PHYSICAL_IMG_NR=\"0\"/>\n");
        }
        xml.raw("</Layout>\n</alto>\n");
        out.write_all(xml.as_bytes()).map_err(failed(Format::Alto))
    }
}

/// An opening tag with its box, without its end.
fn placed<'a>(
    xml: &'a mut Xml,
    name: &str,
    attributes: &[(&str, &dyn Display)],
    place: Rect,
) -> &'a mut Xml {
    let mut all = attributes.to_vec();
    let place: [(&str, &dyn Display); 4] = [
        ("HPOS", &place.x),
        ("VPOS", &place.y),
        ("WIDTH", &place.width),
        ("HEIGHT", &place.height),
    ];
    all.extend(place);
    xml.unfinished(name, &all)
}

fn shape(xml: &mut Xml, quad: &Quad, page: &Page) {
    xml.raw("<Shape>")
        .empty("Polygon", &[("POINTS", &list(&quad.0, page))])
        .raw("</Shape>");
}

fn text_line(xml: &mut Xml, page: &Page, line: &Line, id: &str) {
    let place = bounds(&line.quad, page);
    let name = format!("line_{id}");
    let baseline = list(&line.baseline, page);
    let mut attributes: Vec<(&str, &dyn Display)> = vec![("ID", &name)];
    if line.baseline.len() >= 2 {
        attributes.push(("BASELINE", &baseline));
    }
    placed(xml, "TextLine", &attributes, place).raw(">");
    shape(xml, &line.quad, page);
    let parts = line.parts();
    if parts.is_empty() {
        // The schema demands a string.
        placed(xml, "String", &[("CONTENT", &"")], place).raw("/>");
    }
    for (w, part) in parts.iter().enumerate() {
        if part.spaced {
            xml.raw("<SP/>");
        }
        let id = format!("word_{id}_{}", w + 1);
        let confidence = format!("{:.4}", confidence(part.word.confidence));
        let attributes: [(&str, &dyn Display); 3] = [
            ("ID", &id),
            ("CONTENT", &part.word.text),
            ("WC", &confidence),
        ];
        let string = placed(xml, "String", &attributes, bounds(&part.word.quad, page));
        match upright(&part.word.quad) || angle(&part.word.quad) == 0.0 {
            true => drop(string.raw("/>")),
            false => {
                string.raw(">");
                shape(xml, &part.word.quad, page);
                xml.raw("</String>");
            }
        }
    }
    xml.raw("</TextLine>\n");
}
