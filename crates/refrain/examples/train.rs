//! Trains a recipe through the library: `cargo run --release -p refrain --example train -- stories OUT train.epochs=1`.
//! The data folder, where the recipe needs one, is taken from `REFRAIN_DATA`.

use refrain::Error;
use refrain::recipe::Recipe;
use refrain::tasks::language::load_language_model;
use refrain::tasks::{self, TrainOptions};
use refrain::train::{Control, Event};
use std::path::PathBuf;

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "stories".into());
    let out = arguments.next().unwrap_or_else(|| format!("runs/{name}"));
    let recipe = Recipe::find(&name, &arguments.collect::<Vec<_>>())?;
    let options = TrainOptions {
        out: PathBuf::from(out),
        data: std::env::var_os("REFRAIN_DATA").map(PathBuf::from),
    };
    let summary = tasks::train(&recipe, &options, &mut |event| {
        if !matches!(event, Event::Step { step, .. } if !step.is_multiple_of(100)) {
            println!("{event:?}");
        }
        Control::Continue
    })?;
    println!("{summary:#?}");
    let model = load_language_model(&summary.folder)?;
    model.generate(&recipe.language()?.generate, &mut |piece| {
        print!("{piece}");
        Control::Continue
    })?;
    println!();
    Ok(())
}
