//! Settings of a loaded model of text lines.

use super::rates::Compare;
use super::recipe::OcrData;
use crate::tasks::ctc::SearchOptions;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Settings of a loaded model: those of the search, and how texts are compared in its figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OcrOptions {
    /// As [`OcrData::fold_case`]; absent: that of the recipe.
    pub fold_case: Option<bool>,
    /// As [`OcrData::plain_marks`]; absent: that of the recipe.
    pub plain_marks: Option<bool>,
    /// The search.
    #[serde(flatten)]
    pub search: SearchOptions,
}

impl<'de> Deserialize<'de> for OcrOptions {
    /// The keys of the search are checked by the search.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(from)?;
        let mut flag = |name: &str| match table.remove(name) {
            None => Ok(None),
            Some(toml::Value::Boolean(flag)) => Ok(Some(flag)),
            Some(other) => Err(D::Error::custom(format!(
                "{name} is {other}; it is true or false"
            ))),
        };
        let (fold_case, plain_marks) = (flag("fold_case")?, flag("plain_marks")?);
        let search = table
            .try_into()
            .map_err(|e: toml::de::Error| D::Error::custom(e.message()))?;
        Ok(Self {
            fold_case,
            plain_marks,
            search,
        })
    }
}

impl From<SearchOptions> for OcrOptions {
    fn from(search: SearchOptions) -> Self {
        Self {
            search,
            ..Self::default()
        }
    }
}

impl OcrOptions {
    /// How texts are compared.
    pub(super) fn compare(&self, data: &OcrData) -> Compare {
        Compare {
            fold: self.fold_case.unwrap_or(data.fold_case),
            plain: self.plain_marks.unwrap_or(data.plain_marks),
        }
    }
}
