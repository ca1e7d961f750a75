//! Lines with their texts: from files, and rendered.

use super::image::{Scaled, is_tall};
use super::recipe::{Folds, OcrData};
use super::spelling::Spelling;
use crate::error::Error;
use crate::tasks::Split;
use crate::tasks::run::check_sums;
use crate::tasks::truth::{decode, load_all, samples};
use rayon::prelude::*;
use refrain_image::Gray;
use refrain_page::formats::truth::{Sample, Source};
use std::collections::BTreeSet;
use std::path::Path;

/// A line and its text.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// The name of its image, and its number there.
    pub name: String,
    /// The page that it is from.
    pub page: String,
    pub image: Scaled,
    /// The image as it is in the file, if it may stand on its side.
    pub tall: Option<Gray>,
    /// As labels.
    pub text: String,
}

/// The lines of files.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub train: Vec<Item>,
    pub valid: Vec<Item>,
    pub test: Vec<Item>,
}

/// Reads lines from files.
pub(super) struct Loader<'a> {
    pub config: &'a OcrData,
    /// Height of the images.
    pub height: usize,
    pub data: &'a Path,
}

impl Loader<'_> {
    /// All parts.
    ///
    /// # Errors
    /// Files that are missing or damaged, or folds that cannot be.
    pub fn all(&self) -> Result<Parts, Error> {
        let mut parts = Parts {
            train: self.load(&self.config.train)?,
            valid: self.load(&self.config.valid)?,
            test: self.load(&self.config.test)?,
        };
        if let Some(folds) = self.config.folds {
            let [train, valid, test] = cut(std::mem::take(&mut parts.train), folds)?;
            parts.train = train;
            parts.valid.extend(valid);
            parts.test.extend(test);
        }
        // After the reading, whose errors name a missing file better.
        check_sums(&self.config.sha256, self.data)?;
        Ok(parts)
    }

    /// One part.
    ///
    /// # Errors
    /// As [`Self::all`].
    pub fn part(&self, split: Split) -> Result<Vec<Item>, Error> {
        if self.config.folds.is_some() {
            let all = self.all()?;
            return Ok(match split {
                Split::Train => all.train,
                Split::Validation => all.valid,
                Split::Test => all.test,
            });
        }
        self.load(match split {
            Split::Train => &self.config.train,
            Split::Validation => &self.config.valid,
            Split::Test => &self.config.test,
        })
    }

    fn load(&self, names: &[String]) -> Result<Vec<Item>, Error> {
        let load = |path: &Path| items_of(path, self.height, self.config.spelling);
        load_all(self.data, names, self.config.source.as_deref(), load)
    }
}

/// The lines of a file or folder: see [`samples`].
///
/// # Errors
/// Files that are missing or damaged, or without any line.
pub(super) fn items_of(path: &Path, height: usize, spelling: Spelling) -> Result<Vec<Item>, Error> {
    let all = samples(path)?;
    let pages: Vec<Vec<Item>> = all
        .into_par_iter()
        .map(|page| items_on(page?, height, spelling))
        .collect::<Result<_, Error>>()?;
    let items: Vec<Item> = pages.into_iter().flatten().collect();
    match items.is_empty() {
        true => Err(Error::Config(format!(
            "{} has no line with a text; give a folder of images with NAME.gt.txt beside each, of pages with PAGE or \
             ALTO files, or NAME where NAME.tsv and NAME.tar are",
            path.display()
        ))),
        false => Ok(items),
    }
}

/// Cuts the lines out of their page.
fn items_on(samples: Vec<Sample>, height: usize, spelling: Spelling) -> Result<Vec<Item>, Error> {
    let Some(first) = samples.first() else {
        return Ok(Vec::new());
    };
    let image = decode(first)?;
    let page = match &first.image {
        Source::File(path) => path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned(),
        Source::Bytes { name, .. } => name.clone(),
    };
    let several = samples.len() > 1;
    let items = samples.into_iter().enumerate().map(|(number, sample)| {
        let cut = sample.quad.map(|quad| crop(&image, &quad));
        let own = cut.as_ref().unwrap_or(&image);
        Item {
            name: match several {
                true => format!("{page} line {}", number + 1),
                false => page.clone(),
            },
            page: page_of(&page, sample.quad.is_none()).to_string(),
            image: Scaled::new(own, height),
            tall: is_tall(own).then(|| own.clone()),
            text: spelling.spell(&sample.text),
        }
    });
    Ok(items.filter(|item| !item.text.is_empty()).collect())
}

/// The page of an image: of a single line, the name up to the first `_`.
fn page_of(name: &str, line: bool) -> &str {
    match name.split_once('_') {
        Some((page, _)) if line => page,
        _ => name,
    }
}

/// The upright part of a page with these corners, or the part turned upright.
fn crop(image: &Gray, quad: &refrain_image::Quad) -> Gray {
    let bounds = quad.bounds(image.width(), image.height());
    let corners = bounds.quad().0;
    let mut upright = corners.iter().zip(&quad.0);
    if upright.all(|(a, b)| (a.x - b.x).abs() <= 2.0 && (a.y - b.y).abs() <= 2.0) {
        return image.crop(bounds);
    }
    let length = |a: usize, b: usize| {
        let (a, b) = (quad.0[a], quad.0[b]);
        (a.x - b.x).hypot(a.y - b.y)
    };
    let width = length(0, 1).max(length(3, 2)).round().max(1.0) as usize;
    let height = length(0, 3).max(length(1, 2)).round().max(1.0) as usize;
    match width <= 4 * image.width() && height <= 4 * image.height() {
        true => image.cut(quad, width, height, 255),
        false => image.crop(bounds),
    }
}

/// The folds of training, validation and test.
fn cut(items: Vec<Item>, folds: Folds) -> Result<[Vec<Item>; 3], Error> {
    let (count, least) = (folds.count, 2 + usize::from(folds.test.is_some()));
    if count < least || folds.test.is_some_and(|test| test >= count) {
        return Err(Error::Config(format!(
            "data.folds has {count} folds{}; at least {least} are needed, and a fold for test below their number",
            folds
                .test
                .map(|test| format!(" and number {test} for test"))
                .unwrap_or_default()
        )));
    }
    let pages: BTreeSet<String> = items.iter().map(|item| item.page.clone()).collect();
    let pages: Vec<String> = pages.into_iter().collect();
    let mut parts = [Vec::new(), Vec::new(), Vec::new()];
    // The fold for validation comes behind the one for test.
    let valid = folds.test.map_or(0, |test| (test + 1) % count);
    for item in items {
        let fold = pages.binary_search(&item.page).unwrap_or(0) % count;
        let part = match fold {
            fold if folds.test == Some(fold) => 2,
            fold if fold == valid => 1,
            _ => 0,
        };
        parts[part].push(item);
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_keep_pages_together_and_a_fold_for_test_is_optional() {
        let item = |page: usize| Item {
            name: String::new(),
            page: format!("page {page}"),
            image: Scaled::new(&Gray::filled(4, 4, 255), 4),
            tall: None,
            text: "a".into(),
        };
        let items = || {
            (0..24)
                .map(|number| item(number / 2))
                .collect::<Vec<Item>>()
        };
        let pages = |part: &[Item]| {
            part.iter()
                .map(|item| item.page.clone())
                .collect::<BTreeSet<_>>()
        };
        let folds = |count, test| cut(items(), Folds { count, test });
        let [train, valid, test] = folds(4, Some(3)).unwrap();
        assert_eq!([train.len(), valid.len(), test.len()], [12, 6, 6]);
        assert!(
            pages(&train).is_disjoint(&pages(&valid)) && pages(&valid).is_disjoint(&pages(&test))
        );
        let [train, valid, test] = folds(3, None).unwrap();
        assert_eq!([train.len(), valid.len(), test.len()], [16, 8, 0]);
        assert!(pages(&train).is_disjoint(&pages(&valid)));
        assert!(folds(2, None).is_ok() && folds(2, Some(0)).is_err() && folds(1, None).is_err());
        assert!(folds(3, Some(3)).is_err());
    }
}
