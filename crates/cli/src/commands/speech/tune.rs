//! `refrain speech tune`

use crate::Ending;
use crate::bar::Bar;
use crate::commands::search::Search;
use crate::commands::{Compute, Data, Model, whole};
use crate::terminal::{self, say};
use anyhow::Result;
use refrain::metrics;
use refrain::tasks::Spec;
use refrain::tasks::speech::{DECODER, Speech, Trial, TuneOptions, tune};

/// Find the weights of a language model on the validation data of a model of speech
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Tries settings of the search and writes the best into the model folder, where
`eval` and `transcribe` find it. A file that lies elsewhere is copied into it.

Examples:
  refrain speech ngram runs/kerstin-de && refrain speech tune runs/kerstin-de --words runs/kerstin-de/words.arpa
  refrain speech tune runs/kerstin-de --words words.arpa --beam 100 --trials 200 --figure cer")]
pub struct Args {
    #[command(flatten)]
    model: Model,

    /// How many settings to try
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..))]
    trials: u16,

    /// The figure to bring down
    #[arg(long, value_enum, default_value_t = Figure::Wer)]
    figure: Figure,

    /// Another seed tries other settings
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = whole)]
    seed: u64,

    /// Print the best setting and its figures as one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    search: Search,

    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    compute: Compute,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Figure {
    /// Words that are wrong
    Wer,
    /// Characters that are wrong
    Cer,
}

/// Runs the command.
///
/// # Errors
/// A model, data or a language model that cannot be used.
pub fn run(args: &Args) -> Result<Ending> {
    let (site, model) = (args.compute.site()?, &args.model.folder()?);
    let options = TuneOptions {
        search: args.search.options()?,
        trials: usize::from(args.trials),
        figure: match args.figure {
            Figure::Wer => "wer".into(),
            Figure::Cer => "cer".into(),
        },
        seed: args.seed,
    };
    let bar = Bar::new(options.trials, "settings");
    let mut least = f64::INFINITY;
    let data = args.data.folder()?;
    let mut observe = |number: usize, trial: &Trial| {
        bar.set(number);
        let figure = trial.metrics.get(&options.figure).copied();
        let Some(figure) = figure.filter(|figure| *figure < least) else {
            return;
        };
        least = figure;
        let line = format!(
            "{number:4}  {}  word weight {:.2}, word bonus {:.2}, unknown bonus {:.2}",
            metrics::show(Speech::PROFILE.metrics, &trial.metrics),
            trial.decoder.word_weight,
            trial.decoder.word_bonus,
            trial.decoder.unknown_bonus
        );
        bar.aside(|| say(&line));
    };
    let best = site.compute(|| tune(model, &options, data.as_deref(), &site, &mut observe))?;
    drop(bar);
    let text = match args.json {
        true => serde_json::to_string(&best)?,
        false => format!(
            "{}; written to {}",
            metrics::show(Speech::PROFILE.metrics, &best.metrics),
            terminal::typed(&model.join(DECODER))
        ),
    };
    terminal::print(&format!("{text}\n"))?;
    Ok(Ending::Done)
}
