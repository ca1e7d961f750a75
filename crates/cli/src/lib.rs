//! The command line of `refrain`, for the tasks of the library or for a list with tasks of your own:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     refrain_cli::run(refrain::tasks::TASKS)
//! }
//! ```

mod bar;
mod commands;
mod drawing;
mod interrupt;
mod lines;
mod progress;
mod terminal;

use clap::{CommandFactory, Parser, Subcommand};
use refrain::tasks::Tasks;
use std::process::ExitCode;

/// Recurrent sequence models: train, evaluate, use
#[derive(Debug, Parser)]
#[command(
    name = "refrain",
    version,
    about,
    after_help = "\
Examples:
  refrain train                                  learn to write small stories
  refrain generate runs/stories --prime \"Once\"   let the model write
  refrain train book.txt                         a model of your own text
  refrain transcribe models/sample.wav           speech to text
  refrain list                                   the tasks, recipes and models

Exit codes: 0 done, 1 failed, 2 wrong arguments, 130 stopped by Ctrl-C, 143 by
SIGTERM, 129 by a closed terminal (a training run is saved before)."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(commands::train::Args),
    New(commands::new::Args),
    Eval(commands::eval::Args),
    Run(commands::run::Args),
    Generate(commands::generate::Args),
    Transcribe(commands::transcribe::Args),
    Ocr(commands::ocr::Args),
    Translate(commands::translate::Args),
    Info(commands::info::Args),
    List(commands::list::Args),
    Pack(commands::pack::Args),
    Export(commands::export::Args),
    Import(commands::import::Args),
    Score(commands::score::Args),
    Plot(commands::plot::Args),
    Lab(commands::lab::Args),
    Onnx(commands::onnx::Args),
    Speech(commands::speech::Args),
    Translation(commands::translation::Args),
    Bench(commands::bench::Args),
    /// Write a completion script for a shell to standard output
    #[command(
        after_help = "Example:\n  refrain completions bash > ~/.local/share/bash-completion/completions/refrain"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Commands that have moved: the old name and the new one.
const MOVED: [(&str, &str); 3] = [
    ("align", "speech align"),
    ("tune", "speech tune"),
    ("ngram", "speech ngram"),
];

/// Options of `eval` that are settings of a task now.
const SETTINGS: [&str; 10] = [
    "beam",
    "characters",
    "character-bonus",
    "character-weight",
    "greedy",
    "hot-word",
    "lexicon",
    "lm",
    "word-weight",
    "words",
];

/// A sentence for a spelling of an earlier version.
fn moved(arguments: &[String]) -> Option<String> {
    let command = arguments.get(1)?;
    if let Some((old, new)) = MOVED.iter().find(|(old, _)| old == command) {
        return Some(format!(
            "`refrain {old}` is now `refrain {new}`, with the same arguments"
        ));
    }
    let options = arguments.iter().filter_map(|own| own.strip_prefix("--"));
    let mut names = options.map(|own| own.split('=').next().unwrap_or(own));
    let old = names.find(|name| SETTINGS.contains(name));
    let old = old.filter(|_| command == "eval")?;
    let key = match old {
        "lm" => "words".to_string(),
        "hot-word" => "hot_words".to_string(),
        other => other.replace('-', "_"),
    };
    Some(format!(
        "`--{old}` of `refrain eval` is now a setting: --set {key}=VALUE"
    ))
}

/// How a command ended, if not with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Done.
    Done,
    /// Stopped by this signal, with everything saved.
    Interrupted(u8),
}

fn run_command(command: Command, tasks: Tasks) -> anyhow::Result<Ending> {
    // The kernels would take the fastest level where the variable has a typing error.
    refrain_kernels::Level::from_env()?;
    match command {
        Command::Train(args) => commands::train::run(&args, tasks),
        Command::New(args) => commands::new::run(&args, tasks),
        Command::Eval(args) => commands::eval::run(&args, tasks),
        Command::Run(args) => commands::run::run(&args, tasks),
        Command::Generate(args) => commands::generate::run(&args),
        Command::Transcribe(args) => commands::transcribe::run(&args),
        Command::Ocr(args) => commands::ocr::run(&args),
        Command::Translate(args) => commands::translate::run(&args),
        Command::Info(args) => commands::info::run(&args, tasks),
        Command::List(args) => commands::list::run(&args, tasks),
        Command::Pack(args) => commands::pack::run(&args, tasks),
        Command::Export(args) => commands::export::run(&args, tasks),
        Command::Import(args) => commands::import::run(&args),
        Command::Score(args) => commands::score::run(&args),
        Command::Plot(args) => commands::plot::run(&args, tasks),
        Command::Lab(args) => commands::lab::run(&args, tasks),
        Command::Onnx(args) => commands::onnx::run(&args),
        Command::Speech(args) => commands::speech::run(&args),
        Command::Translation(args) => commands::translation::run(&args),
        Command::Bench(args) => commands::bench::run(args).map(|()| Ending::Done),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "refrain", &mut script);
            terminal::print(&String::from_utf8_lossy(&script))?;
            Ok(Ending::Done)
        }
    }
}

/// Runs the command of the process's arguments with these tasks.
pub fn run(tasks: Tasks) -> ExitCode {
    terminal::report_panics();
    let arguments: Vec<String> = std::env::args_os()
        .map(|own| own.to_string_lossy().into_owned())
        .collect();
    if let Some(hint) = moved(&arguments) {
        terminal::say(&format!("error: {hint}"));
        return ExitCode::from(2);
    }
    match run_command(Arguments::parse().command, tasks) {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Interrupted(signal)) => ExitCode::from(interrupt::exit_code(signal)),
        // The reader of our output has gone: nobody is left to tell.
        Err(error) if terminal::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::say(&format!("error: {}", terminal::one_line(&error)));
            ExitCode::FAILURE
        }
    }
}
