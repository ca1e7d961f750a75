//! Trains a recipe through the library: `cargo run --release -p refrain --example train -- stories OUT train.epochs=1`.
//! The data folder, where the recipe needs one, is taken from `REFRAIN_DATA`.

use refrain::Error;
use refrain::tasks::language::{GenerateOptions, Language};
use refrain::tasks::{Out, Site, TASKS, open};
use refrain::train::{Control, Event};
use std::sync::Arc;

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "stories".into());
    let out = arguments.next().unwrap_or_else(|| format!("runs/{name}"));
    let recipe = TASKS.recipe(&name, &arguments.collect::<Vec<_>>())?;
    let data = std::env::var_os("REFRAIN_DATA").unwrap_or_else(|| ".".into());
    let site = Site::default().with_data(data);
    let summary = TASKS.train(&recipe, &Out::new(out), &site, &mut |event| {
        if !matches!(event, Event::Step { step, .. } if !step.is_multiple_of(100)) {
            println!("{event:?}");
        }
        Control::Continue
    })?;
    println!("{summary:#?}");
    let model = Arc::new(open::<Language>(
        &summary.folder,
        GenerateOptions::default(),
        &site,
    )?);
    model.generate(&model.generate, &mut |piece| {
        print!("{piece}");
        Control::Continue
    })?;
    println!();
    Ok(())
}
