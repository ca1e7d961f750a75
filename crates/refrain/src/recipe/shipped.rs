//! Recipes that ship inside the binary.

use super::{Header, Recipe};

/// A recipe that ships with the project.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// Its name on the command line.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
}

impl Shipped {
    /// Facts for the reader. Tests check that every shipped file has them.
    pub fn header(&self) -> Header {
        Recipe::parse(self.text, &[], self.name)
            .map_or_else(|_| Header::default(), |own| own.recipe)
    }
}

/// `recipes!["FOLDER": "NAME", …]`: files of `recipes/FOLDER`, as a slice of [`Shipped`].
macro_rules! recipes {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$($crate::recipe::Shipped {
            name: $name,
            text: include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"), "/../../recipes/", $folder, "/", $name, ".toml"
            )),
        }),*]
    };
}
pub(crate) use recipes;
