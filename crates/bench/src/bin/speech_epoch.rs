//! Trains a recipe of speech for an epoch, a batch for every line on standard input, and says how long each took:
//! `scripts/peers/speech_epoch.py` lets PyTorch do the same work in turn.
//!
//!     cargo run --release -p refrain-bench --bin speech_epoch -- RECIPE.toml DATA BATCHES.npz

use refrain::params;
use refrain::recipe::Recipe;
use refrain::tasks::speech::{Batch, first_epoch};
use refrain::tasks::{Site, TASKS};
use refrain::train::{Optimizer, OptimizerConfig};
use refrain_data::array::Array as Value;
use refrain_data::npz;
use refrain_kernels::random::Key;
use refrain_kernels::update::sum_of_squares;
use std::error::Error;
use std::io::Write;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [recipe, data, out] = &args[..] else {
        return Err("three arguments are needed: RECIPE.toml DATA BATCHES.npz".into());
    };
    let recipe = TASKS.read(&std::fs::read_to_string(recipe)?, &[], recipe)?;
    let threads = std::env::var("THREADS").ok();
    let site = Site {
        data: data.into(),
        seed: recipe.train.seed,
        threads: threads.map(|n| n.parse()).transpose()?,
        ..Site::default()
    };
    site.compute(|| epochs(&recipe, &site, out))
}

fn epochs(recipe: &Recipe, site: &Site, out: &str) -> Result<(), Box<dyn Error>> {
    let (mut model, batches) = first_epoch(recipe, site)?;
    let mut arrays = Vec::new();
    for (number, Batch { frames, labels }) in batches.iter().enumerate() {
        let x = refrain::ops::floats(frames.x.clone().inner());
        let ints = |all: Vec<usize>| Value::ints(all.into_iter().map(|n| n as i64).collect());
        arrays.push((
            format!("x{number}"),
            Value::floats(frames.x.dims().into(), x)?,
        ));
        arrays.push((format!("frames{number}"), ints(frames.lengths.clone())));
        let all = labels.iter().flatten().map(|&label| label as usize);
        arrays.push((format!("labels{number}"), ints(all.collect())));
        let lengths = labels.iter().map(Vec::len);
        arrays.push((format!("lengths{number}"), ints(lengths.collect())));
    }
    std::fs::write(out, npz::write(&arrays)?)?;
    println!("{}", batches.len());
    let (clip, mut optimizer) = (
        recipe.train.clip,
        Optimizer::new(OptimizerConfig::default()),
    );
    let mut lines = std::io::stdin().lines();
    for Batch { frames, labels } in batches.into_iter().cycle() {
        let Some(line) = lines.next() else { break };
        let key = Key::new(line?.trim().parse()?);
        let began = Instant::now();
        let loss = model.scores(frames, Some(key))?.loss(labels)?;
        let gradients = params::gradients(&model, &loss.loss);
        let squares: f64 = gradients.iter().map(|g| sum_of_squares(g.as_slice())).sum();
        let scale = (clip / (squares.sqrt() + 1e-6)).min(1.0);
        optimizer.begin();
        model = params::update(model, gradients, |name, p, g| {
            optimizer.update(name, p, g, 1e-3, scale)
        })?;
        println!("{:.6}", began.elapsed().as_secs_f64());
        std::io::stdout().flush()?;
    }
    Ok(())
}
