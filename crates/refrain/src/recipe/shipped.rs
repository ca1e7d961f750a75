//! The recipes that ship inside the binary.

use super::Header;
use serde::Deserialize;

/// A recipe that ships with the project.
#[derive(Debug)]
pub struct Shipped {
    /// What to call it on the command line.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
}

impl Shipped {
    /// What the reader wants to know, and the task; the files are tested to hold it.
    pub fn header(&self) -> (String, Header) {
        #[derive(Deserialize)]
        struct Top {
            task: String,
            recipe: Header,
        }
        toml::from_str::<Top>(self.text).map_or_else(
            |_| (String::new(), Header::default()),
            |top| (top.task, top.recipe),
        )
    }
}

macro_rules! shipped {
    ($($task:literal / $name:literal),* $(,)?) => {
        &[$(Shipped {
            name: $name,
            text: include_str!(concat!("../../../../recipes/", $task, "/", $name, ".toml")),
        }),*]
    };
}

/// All of them; the first is the default.
pub fn recipes() -> &'static [Shipped] {
    shipped![
        "language" / "stories",
        "language" / "tiny-shakespeare",
        "language" / "ptb-small",
        "language" / "ptb-medium",
        "language" / "ptb-characters",
        "language" / "ptb-modern",
        "adding" / "adding-rnn",
        "adding" / "adding-lstm",
        "adding" / "adding-gru",
        "copy" / "copy-rnn",
        "copy" / "copy-lstm",
        "copy" / "copy-gru",
        "speech" / "fsdd",
        "speech" / "fsdd-connected",
        "speech" / "fsdd-chunks",
        "speech" / "an4",
        "speech" / "kerstin-de",
        "speech" / "english",
        "speech" / "english-stream",
        "speech" / "english-chunks",
        "mnist" / "mnist-rnn",
        "mnist" / "mnist-lstm",
        "mnist" / "mnist-gru",
        "mnist" / "mnist-permuted-rnn",
        "mnist" / "mnist-permuted-lstm",
        "mnist" / "mnist-permuted-gru",
    ]
}
