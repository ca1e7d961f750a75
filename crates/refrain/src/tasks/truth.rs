//! Pages and lines with their texts from files, for all tasks that learn from them.

use crate::error::Error;
use refrain_image::Gray;
use refrain_page::formats::truth::{self, Sample, Samples, Source};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What `load` makes of the files and folders of these names in the data folder; `hint` says where missing ones can be
/// had.
///
/// # Errors
/// Files that are missing or damaged.
pub(super) fn load_all<T>(
    data: &Path,
    names: &[String],
    hint: Option<&str>,
    load: impl Fn(&Path) -> Result<Vec<T>, Error>,
) -> Result<Vec<T>, Error> {
    let mut all = Vec::new();
    for name in names {
        all.extend(
            load(&data.join(name)).map_err(|error| match (&error, hint) {
                (Error::Io { source, .. }, Some(from)) if source.kind() == ErrorKind::NotFound => {
                    Error::Config(format!(
                        "{error}; the data is at {from}, and --data DIR names its folder"
                    ))
                }
                _ => error,
            })?,
        );
    }
    Ok(all)
}

/// The lines of each image, in groups of one page.
pub(super) type Pages = Vec<Result<Vec<Sample>, Error>>;

fn grouped(samples: Samples) -> Pages {
    let mut pages: Pages = Vec::new();
    for sample in samples {
        match (sample, pages.last_mut()) {
            (Ok(sample), Some(Ok(page)))
                if sample.quad.is_some()
                    && page[0].image == sample.image
                    && page[0].page == sample.page =>
            {
                page.push(sample);
            }
            (Ok(sample), _) => pages.push(Ok(vec![sample])),
            (Err(error), _) => pages.push(Err(error.into())),
        }
    }
    pages
}

/// Lines with their texts of `NAME.tsv` and `NAME.tar`, of a PAGE, ALTO or hOCR file, or of a folder: of pairs of an
/// image and NAME.gt.txt, of such files of pages, or of images with tables of corners and texts (`NAME.csv`).
pub(super) fn samples(path: &Path) -> Result<Pages, Error> {
    let with = |ending: &str| {
        let mut name = path.as_os_str().to_os_string();
        name.push(ending);
        PathBuf::from(name)
    };
    if path.is_dir() {
        return folder(path);
    }
    if path.is_file() {
        return Ok(grouped(page(path)?));
    }
    let (table, archive) = (with(".tsv"), with(".tar"));
    match table.exists() || archive.exists() {
        true => Ok(grouped(truth::archive(&archive, &table)?)),
        false => Err(Error::io("read", path)(ErrorKind::NotFound.into())),
    }
}

fn folder(path: &Path) -> Result<Pages, Error> {
    let entries = std::fs::read_dir(path).map_err(Error::io("read", path))?;
    let files = entries.map(|entry| Ok(entry.map_err(Error::io("read", path))?.path()));
    let files: BTreeSet<PathBuf> = files.collect::<Result<_, Error>>()?;
    let named = |file: &Path, ending: &str| file.to_string_lossy().ends_with(ending);
    if files.iter().any(|file| named(file, ".gt.txt")) {
        return Ok(grouped(truth::pairs(path)?));
    }
    let mut pages = Vec::new();
    for file in &files {
        if named(file, ".csv") {
            let images = ["jpg", "png", "jpeg", "tif", "tiff"].map(|own| file.with_extension(own));
            if let Some(image) = images.iter().find(|image| files.contains(*image)) {
                pages.extend(grouped(truth::sroie(image, file)?));
            }
        } else if [".xml", ".hocr"].iter().any(|own| named(file, own)) {
            pages.extend(grouped(page(file)?));
        }
    }
    Ok(pages)
}

/// A file of a page.
fn page(path: &Path) -> Result<Samples, Error> {
    let start = crate::files::read(path)?;
    let start = String::from_utf8_lossy(&start[..start.len().min(4096)]).into_owned();
    Ok(if start.contains("<PcGts") {
        truth::page_xml(path)?
    } else if start.contains("<alto") {
        truth::alto(path)?
    } else {
        truth::hocr(path)?
    })
}

/// The image of a line or page.
///
/// # Errors
/// An image that is missing or damaged.
pub(super) fn decode(sample: &Sample) -> Result<Gray, Error> {
    let limits = refrain_image::Limits::default();
    let mut pages = match &sample.image {
        Source::File(path) => refrain_image::Pages::open(path, &limits)?,
        Source::Bytes { bytes, .. } => refrain_image::Pages::of(bytes.clone(), &limits)?,
    };
    let page = pages.nth(sample.page.max(1) as usize - 1);
    match page {
        Some(page) => Ok(page?.image),
        None => Err(Error::Config(format!(
            "an image has no page {}",
            sample.page
        ))),
    }
}
