//! Readers of ground truth, and their errors.

use refrain_image::{Point, Quad};
use refrain_page::formats::FormatError;
use refrain_page::formats::truth::{
    Sample, Samples, Source, alto, archive, hocr, page_xml, pairs, sroie, tesseract,
};
use std::path::{Path, PathBuf};

type Read = fn(&Path) -> Result<Samples, FormatError>;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn tar(&self, name: &str, files: &[(&str, &[u8])]) -> PathBuf {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, name, *bytes).unwrap();
        }
        self.file(name, builder.into_inner().unwrap())
    }
}

fn all(samples: Result<Samples, FormatError>) -> Vec<Sample> {
    samples.unwrap().map(Result::unwrap).collect()
}

/// Line and message of the first fault.
fn fault(samples: Result<Samples, FormatError>) -> (usize, String) {
    let error = match samples {
        Ok(samples) => samples.filter_map(Result::err).next().expect("a fault"),
        Err(error) => error,
    };
    match &error {
        FormatError::Syntax { line, .. } | FormatError::Missing { line, .. } => {
            (*line, error.to_string())
        }
        _ => (0, error.to_string()),
    }
}

fn corners(quad: Option<Quad>) -> [(f32, f32); 4] {
    quad.unwrap().0.map(|p: Point| (p.x.round(), p.y.round()))
}

#[test]
fn pairs_of_image_and_text() {
    let folder = Folder::new();
    for (name, content) in [
        ("b.v2.gt.txt", "\u{feff}second, with a dot\r\n"),
        ("b.v2.tif", ""),
        ("a.gt.txt", "first"),
        ("a.png", ""),
        ("empty.gt.txt", "\n"),
        ("empty.jpg", ""),
        ("other.txt", "no pair"),
    ] {
        folder.file(name, content);
    }
    let found = all(pairs(folder.0.path()));
    let texts: Vec<&str> = found.iter().map(|sample| sample.text.as_str()).collect();
    assert_eq!(texts, ["first", "second, with a dot"]);
    assert_eq!(
        found[1].image,
        Source::File(folder.0.path().join("b.v2.tif"))
    );
    assert_eq!((found[0].page, found[0].quad), (1, None));

    folder.file("c.gt.txt", "two\nlines");
    folder.file("c.png", "");
    assert!(fault(pairs(folder.0.path())).1.contains("several lines"));
    folder.file("c.gt.txt", b"\xff");
    assert!(fault(pairs(folder.0.path())).1.contains("UTF-8"));
    folder.file("c.gt.txt", "no image");
    std::fs::remove_file(folder.0.path().join("c.png")).unwrap();
    assert!(fault(pairs(folder.0.path())).1.contains("c.png"));
    // A fault does not end the others.
    assert_eq!(
        pairs(folder.0.path())
            .unwrap()
            .filter(Result::is_ok)
            .count(),
        2
    );
    assert!(pairs(&folder.0.path().join("none")).is_err());
}

#[test]
fn an_archive_with_its_table() {
    let folder = Folder::new();
    let tar = folder.tar(
        "lines.tar",
        &[
            ("./one.png", b"1"),
            ("two.png", b"22"),
            ("extra.png", b"3"),
            ("none.png", b"4"),
        ],
    );
    let table = folder.file(
        "lines.tsv",
        "two.png\ttext\twith a tab\n\none.png\tfirst\nnone.png\t\n",
    );
    let found = all(archive(&tar, &table));
    assert_eq!(found.len(), 2);
    let bytes = |sample: &Sample| match &sample.image {
        Source::Bytes { bytes, .. } => bytes.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (bytes(&found[0]), found[0].text.as_str()),
        (b"1".to_vec(), "first")
    );
    assert_eq!(
        (bytes(&found[1]), found[1].text.as_str()),
        (b"22".to_vec(), "text\twith a tab")
    );

    let table = folder.file("lines.tsv", "one.png\ta\nlost.png\tb\n");
    let (line, message) = fault(archive(&tar, &table));
    assert!(line == 2 && message.contains("lost.png"), "{message}");
    let table = folder.file("lines.tsv", "one.png\ta\none.png\tb\n");
    assert_eq!(fault(archive(&tar, &table)).0, 2);
    let table = folder.file("lines.tsv", "one.png a\n");
    assert_eq!(fault(archive(&tar, &table)).0, 1);
    let table = folder.file("lines.tsv", "one.png\ta\n");
    let whole = std::fs::read(&tar).unwrap();
    let short = folder.file("short.tar", &whole[..512]);
    fault(archive(&short, &table));
    let damaged = folder.file("damaged.tar", [b'x'; 2_000]);
    fault(archive(&damaged, &table));
}

#[test]
fn receipts() {
    let folder = Folder::new();
    let table = folder.file(
        "1.csv",
        "1,2,30,2,30,12,1,12,TOTAL, RM 5,00\n\n1,2,3,4,5,6,7,8,\n0,0,9,0,9,9,0,9,A\n",
    );
    let found = all(sroie(Path::new("1.jpg"), &table));
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].text, "TOTAL, RM 5,00");
    assert_eq!(
        corners(found[0].quad),
        [(1.0, 2.0), (30.0, 2.0), (30.0, 12.0), (1.0, 12.0)]
    );
    for (table, line) in [
        ("0,0,9,0,9,9,0,9,A\n1,2,3\n", 2),
        ("1,2,3,4,5,6,7,x,A\n", 1),
        ("1,2,3,4,5,6,7,inf,A\n", 1),
    ] {
        let table = folder.file("2.csv", table);
        assert_eq!(fault(sroie(Path::new("2.jpg"), &table)).0, line);
    }
}

#[test]
fn page_xml_of_others() {
    let folder = Folder::new();
    folder.file("0001.png", "");
    let path = folder.file(
        "page.xml",
        "<?xml version='1.0'?>\n<pc:PcGts xmlns:pc='http://schema.primaresearch.org/PAGE/gts/pagecontent/2013-07-15'>
<pc:Page imageFilename='OCR-D-IMG/0001.png' imageWidth='100' imageHeight='100'>
 <pc:TextRegion id='r'><pc:Coords points='0,0 99,0 99,99 0,99'/>
  <pc:TextLine id='a'><pc:Coords points='10,10 50,10 50,20 10,20'/>
   <pc:Word id='w'><pc:Coords points='0,0 1,1'/><pc:Glyph id='g'><pc:Coords points='0,0 1,1'/>
     <pc:TextEquiv><pc:Unicode>G</pc:Unicode></pc:TextEquiv></pc:Glyph>
     <pc:TextEquiv><pc:Unicode>word</pc:Unicode></pc:TextEquiv></pc:Word>
   <pc:TextEquiv index='1'><pc:Unicode>second &#x26; worse</pc:Unicode></pc:TextEquiv>
   <pc:TextEquiv index='0'><pc:Unicode><![CDATA[first <best>]]> &amp; &#8364;</pc:Unicode></pc:TextEquiv>
  </pc:TextLine>
  <pc:TextLine id='b'><pc:Coords><pc:Point x='10' y='40'/><pc:Point x='20' y='40'/><pc:Point x='20' y='80'/><pc:Point
    x='10' y='80'/></pc:Coords><pc:Baseline points='20,80 20,40'/>
   <pc:Word id='v'><pc:TextEquiv><pc:Unicode>joined</pc:Unicode></pc:TextEquiv></pc:Word>
   <pc:Word id='u'><pc:TextEquiv><pc:Unicode>words</pc:Unicode></pc:TextEquiv></pc:Word>
  </pc:TextLine>
  <pc:TextLine id='c'><pc:Coords points='1,1 2,2'/><pc:TextEquiv><pc:Unicode/></pc:TextEquiv></pc:TextLine>
  <pc:TextEquiv><pc:Unicode>of the region</pc:Unicode></pc:TextEquiv>
 </pc:TextRegion></pc:Page></pc:PcGts>",
    );
    let found = all(page_xml(&path));
    let texts: Vec<&str> = found.iter().map(|sample| sample.text.as_str()).collect();
    assert_eq!(texts, ["first <best> & €", "joined words"]);
    assert_eq!(
        found[0].image,
        Source::File(folder.0.path().join("0001.png"))
    );
    assert_eq!(
        corners(found[0].quad),
        [(10.0, 10.0), (50.0, 10.0), (50.0, 20.0), (10.0, 20.0)]
    );
    assert_eq!(
        corners(found[1].quad),
        [(10.0, 80.0), (10.0, 40.0), (20.0, 40.0), (20.0, 80.0)]
    );
}

#[test]
fn alto_of_others() {
    let folder = Folder::new();
    let write = |unit: &str, line: &str| {
        let text = format!(
            "<alto xmlns='http://www.loc.gov/standards/alto/ns-v3#'><Description><MeasurementUnit>{unit}</MeasurementUnit>
<sourceImageInformation><fileName>a.tif</fileName></sourceImageInformation></Description><Layout>
<Page ID='p1' PHYSICAL_IMG_NR='7'><PrintSpace/></Page><Page ID='p2' PHYSICAL_IMG_NR='8'><PrintSpace><TextBlock ID='b'>
{line}</TextBlock></PrintSpace></Page></Layout></alto>"
        );
        folder.file("a.xml", text)
    };
    let path = write(
        "pixel",
        "<TextLine HPOS='10' VPOS='20' WIDTH='30' HEIGHT='8' BASELINE='27.5'><String CONTENT='two'/>\
         <String CONTENT='words'><ALTERNATIVE>x</ALTERNATIVE></String></TextLine>",
    );
    let found = all(alto(&path));
    assert_eq!((found[0].text.as_str(), found[0].page), ("two words", 2));
    assert_eq!(
        corners(found[0].quad),
        [(10.0, 20.0), (40.0, 20.0), (40.0, 28.0), (10.0, 28.0)]
    );
    assert_eq!(found[0].image, Source::File(folder.0.path().join("a.tif")));

    let path = write(
        "pixel",
        "<TextLine BASELINE='0 10 20 10'><Shape><Polygon POINTS='0 0 20 0 20 12 0 12'/></Shape><String CONTENT='hy'/><SP/>\
         <String CONTENT='phen'/><HYP CONTENT='-'/></TextLine>",
    );
    let found = all(alto(&path));
    assert_eq!(found[0].text, "hy phen-");
    assert_eq!(
        corners(found[0].quad),
        [(0.0, 0.0), (20.0, 0.0), (20.0, 12.0), (0.0, 12.0)]
    );

    assert!(fault(alto(&write("mm10", ""))).1.contains("mm10"));
    let (line, message) = fault(alto(&write("pixel", "<TextLine HPOS='x'/>")));
    assert!(line == 4 && message.contains("HPOS"), "{message}");
    let (line, message) = fault(alto(&write("pixel", "<TextLine BASELINE='1,2 3'/>")));
    assert!(line == 4 && message.contains("single"), "{message}");
}

#[test]
fn hocr_of_others() {
    let folder = Folder::new();
    let path = folder.file(
        "a.hocr",
        "<html><body><div class='ocr_page' title='image \"a;b.png\"; bbox 0 0 99 99; ppageno 0'>
<span class='ocr_line' title=\"bbox 1 2 30 12; baseline 0 -2\">\n <span class='ocrx_word' title='bbox 1 2 9 12'>one</span>
 <span class='ocrx_word'><strong>two</strong></span>\n</span>
<span class='ocr_header' title='bbox 1 20 5 60; textangle 90'>up</span></div>
<div class='ocr_page' title='image \"a;b.png\"'><span class='ocr_line'>three</span></div></body></html>",
    );
    let found = all(hocr(&path));
    let texts: Vec<(&str, u32)> = found.iter().map(|s| (s.text.as_str(), s.page)).collect();
    assert_eq!(texts, [("one two", 1), ("up", 1), ("three", 2)]);
    assert_eq!(
        found[0].image,
        Source::File(folder.0.path().join("a;b.png"))
    );
    assert_eq!(
        corners(found[1].quad),
        [(1.0, 60.0), (1.0, 20.0), (5.0, 20.0), (5.0, 60.0)]
    );
    assert_eq!(found[2].quad, None);
}

#[test]
fn files_of_another_kind() {
    let folder = Folder::new();
    let readers: [Read; 3] = [page_xml, alto, hocr];
    for (text, line) in [
        ("<a>\n<b>\n</a>", 3),
        ("<a>\n\n<b>", 3),
        ("<a>\n&unknown;</a>", 2),
        ("<a/>\n", 2),
        ("", 1),
    ] {
        let path = folder.file("a.xml", text);
        for reader in readers {
            assert_eq!(fault(reader(&path)).0, line, "{text:?}");
        }
    }
    let deep = folder.file("deep.xml", "<a>".repeat(100_000));
    let bad = folder.file("bad.xml", b"<a>\n\xff</a>");
    for reader in readers {
        assert!(fault(reader(&deep)).1.contains("nested"));
        assert_eq!(fault(reader(&bad)).0, 2);
        assert!(matches!(
            reader(Path::new("/none.xml")),
            Err(FormatError::Read { .. })
        ));
    }
    let header = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n";
    for (table, line) in [
        ("a\tb\n".to_string(), 1),
        (format!("{header}1\t2\n"), 2),
        (format!("{header}1\t1\t0\t0\t0\t0\t-5\t0\t9\t9\t-1\t\n"), 2),
    ] {
        let table = folder.file("a.tsv", table);
        assert_eq!(fault(tesseract(Path::new("a.png"), &table)).0, line);
    }
}
