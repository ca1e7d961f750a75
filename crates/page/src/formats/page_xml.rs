//! PAGE XML 2019-07-15.

use super::date::Date;
use super::place::{confidence, list};
use super::xml::Xml;
use super::{Emit, Format, FormatError, Options, PageImage, failed};
use crate::result::{BlockKind, Line, Page};
use refrain_image::{Point, Quad};
use std::fmt::Display;
use std::io::Write;

/// One page: text regions in reading order, lines with baseline, words, and other readings as further `TextEquiv`s. A
/// table is a text region with `custom="structure {type:table;}"`; light text on a dark ground has `reverseVideo`.
pub(super) struct PageXml {
    options: Options,
    pages: u64,
}

impl PageXml {
    pub(super) fn new(options: Options) -> Self {
        Self { options, pages: 0 }
    }

    fn head(&self) -> Xml {
        let mut xml = Xml::default();
        let namespace = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15";
        let location = format!("{namespace} {namespace}/pagecontent.xsd");
        xml.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
            .open(
                "PcGts",
                &[
                    ("xmlns", &namespace),
                    ("xmlns:xsi", &"http://www.w3.org/2001/XMLSchema-instance"),
                    ("xsi:schemaLocation", &location),
                ],
            );
        let date = Date::of_unix(self.options.date.unwrap_or(0)).iso();
        xml.raw("\n<Metadata>")
            .leaf("Creator", &[], &self.options.program);
        xml.leaf("Created", &[], &date)
            .leaf("LastChange", &[], &date);
        xml.raw("</Metadata>\n");
        xml
    }
}

impl Emit for PageXml {
    fn begin(&mut self, _: &mut dyn Write) -> Result<(), FormatError> {
        Ok(())
    }

    fn page(
        &mut self,
        out: &mut dyn Write,
        page: &Page,
        _: Option<&PageImage<'_>>,
    ) -> Result<(), FormatError> {
        if self.pages > 0 {
            return Err(FormatError::OnePage);
        }
        self.pages = 1;
        let mut xml = self.head();
        let mut attributes: Vec<(&str, &dyn Display)> = vec![
            ("imageFilename", &page.file),
            ("imageWidth", &page.width),
            ("imageHeight", &page.height),
        ];
        let dpi = page.dpi.filter(|dpi| dpi.is_finite());
        if let Some(dpi) = &dpi {
            attributes.push(("imageXResolution", dpi));
            attributes.push(("imageYResolution", dpi));
            attributes.push(("imageResolutionUnit", &"PPI"));
        }
        xml.open("Page", &attributes).line();
        if !page.blocks.is_empty() {
            xml.raw("<ReadingOrder><OrderedGroup id=\"order\">");
            for b in 0..page.blocks.len() {
                let id = format!("block_{}", b + 1);
                xml.empty("RegionRefIndexed", &[("index", &b), ("regionRef", &id)]);
            }
            xml.raw("</OrderedGroup></ReadingOrder>\n");
        }
        for (b, block) in page.blocks.iter().enumerate() {
            let id = format!("block_{}", b + 1);
            let mut attributes: Vec<(&str, &dyn Display)> = vec![("id", &id)];
            if block.kind == BlockKind::Table {
                attributes.push(("custom", &"structure {type:table;}"));
            }
            xml.open("TextRegion", &attributes);
            coords(&mut xml, &block.quad, page);
            xml.line();
            for (l, line) in block.lines.iter().enumerate() {
                let id = format!("line_{}_{}", b + 1, l + 1);
                text_line(&mut xml, page, line, &id);
            }
            let lines: Vec<&str> = block.lines.iter().map(|line| line.text.as_str()).collect();
            xml.raw("<TextEquiv>")
                .leaf("Unicode", &[], &lines.join("\n"));
            xml.raw("</TextEquiv></TextRegion>\n");
        }
        xml.raw("</Page>\n");
        out.write_all(xml.as_bytes()).map_err(failed(Format::Page))
    }

    fn end(&mut self, out: &mut dyn Write) -> Result<(), FormatError> {
        let mut xml = Xml::default();
        if self.pages == 0 {
            // The schema demands a page.
            xml = self.head();
            xml.raw("<Page imageFilename=\"\" imageWidth=\"0\" imageHeight=\"0\"/>\n");
        }
        xml.raw("</PcGts>\n");
        out.write_all(xml.as_bytes()).map_err(failed(Format::Page))
    }
}

fn coords(xml: &mut Xml, quad: &Quad, page: &Page) {
    xml.empty("Coords", &[("points", &list(&quad.0, page))]);
}

fn text_line(xml: &mut Xml, page: &Page, line: &Line, id: &str) {
    xml.open("TextLine", &[("id", &id)]);
    coords(xml, &line.quad, page);
    let baseline: &[Point] = &line.baseline;
    if baseline.len() >= 2 {
        xml.empty("Baseline", &[("points", &list(baseline, page))]);
    }
    for (w, part) in line.parts().iter().enumerate() {
        xml.open("Word", &[("id", &format!("word_{id}_{}", w + 1))]);
        coords(xml, &part.word.quad, page);
        let conf = format!("{:.4}", confidence(part.word.confidence));
        xml.open("TextEquiv", &[("conf", &conf)]);
        xml.leaf("Unicode", &[], &part.word.text);
        xml.raw("</TextEquiv></Word>");
    }
    let conf = format!("{:.4}", confidence(line.confidence));
    xml.open("TextEquiv", &[("index", &0), ("conf", &conf)]);
    xml.leaf("Unicode", &[], &line.text).raw("</TextEquiv>");
    for (i, other) in line.alternatives.iter().enumerate() {
        let score = format!("score {:.4}", other.score);
        xml.open("TextEquiv", &[("index", &(i + 1)), ("comments", &score)]);
        xml.leaf("Unicode", &[], &other.text).raw("</TextEquiv>");
    }
    if line.light_on_dark {
        xml.raw("<TextStyle reverseVideo=\"true\"/>");
    }
    xml.raw("</TextLine>\n");
}
