//! `refrain`: recurrent sequence models from the command line.

mod bar;
mod commands;
mod interrupt;
mod progress;
mod terminal;

use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// Training allocates the same large buffers step after step.
#[global_allocator]
static MEMORY: refrain_kernels::allocator::Recycler = refrain_kernels::allocator::Recycler;

/// Recurrent sequence models: train, evaluate, generate
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "\
Examples:
  refrain train                                    learn to write small stories, in about a minute
  refrain generate runs/stories --prime \"Once a\"   let the model write
  refrain train tiny-shakespeare --data DIR        a recipe that needs a data set
  refrain list                                     what can be trained

Exit codes: 0 done, 1 failed, 2 wrong arguments, 130 stopped by Ctrl-C (a training run is saved before)."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(commands::train::Args),
    Eval(commands::eval::Args),
    Generate(commands::generate::Args),
    Info(commands::info::Args),
    List(commands::list::Args),
    Transcribe(commands::transcribe::Args),
    Align(commands::align::Args),
    Ngram(commands::ngram::Args),
    Tune(commands::tune::Args),
    Lab(commands::lab::Args),
    Export(commands::export::Args),
    Pack(commands::pack::Args),
    Onnx(commands::onnx::Args),
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

/// How a command ended, if not with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Done.
    Done,
    /// Stopped by Ctrl-C, with everything saved.
    Interrupted,
}

fn run(command: Command) -> anyhow::Result<Ending> {
    // The kernels would take the fastest level where the variable has a typing error.
    refrain_kernels::Level::from_env()?;
    match command {
        Command::Train(args) => commands::train::run(&args),
        Command::Eval(args) => commands::eval::run(&args),
        Command::Generate(args) => commands::generate::run(&args),
        Command::Info(args) => commands::info::run(&args),
        Command::List(args) => commands::list::run(&args),
        Command::Transcribe(args) => commands::transcribe::run(&args),
        Command::Align(args) => commands::align::run(&args),
        Command::Ngram(args) => commands::ngram::run(&args),
        Command::Tune(args) => commands::tune::run(&args),
        Command::Lab(args) => commands::lab::run(&args),
        Command::Export(args) => commands::export::run(&args),
        Command::Pack(args) => commands::pack::run(&args),
        Command::Onnx(args) => commands::onnx::run(&args),
        Command::Bench(args) => commands::bench::run(args).map(|()| Ending::Done),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "refrain", &mut script);
            terminal::print(&String::from_utf8_lossy(&script))?;
            Ok(Ending::Done)
        }
    }
}

fn main() -> ExitCode {
    terminal::report_panics();
    match run(Arguments::parse().command) {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Interrupted) => ExitCode::from(interrupt::EXIT_CODE),
        // Whoever read our output has gone: nothing to say, and nobody to say it to.
        Err(error) if terminal::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", terminal::one_line(&error));
            ExitCode::FAILURE
        }
    }
}
