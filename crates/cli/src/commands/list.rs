//! `refrain list`

use crate::Ending;
use crate::terminal;
use anyhow::Result;
use refrain::tasks::TASKS;
use serde_json::json;

/// List the tasks and their recipes
#[derive(Debug, clap::Parser)]
pub struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Standard output that cannot be written.
pub fn run(args: &Args) -> Result<Ending> {
    if args.json {
        let tasks: Vec<_> = TASKS
            .iter()
            .map(|task| {
                let recipes: Vec<_> = task.recipes().iter().map(|shipped| shipped.header().1).collect();
                json!({ "name": task.name, "summary": task.summary, "metrics": task.metrics, "recipes": recipes })
            })
            .collect();
        terminal::print(&format!("{}\n", json!({ "tasks": tasks })))?;
        return Ok(Ending::Done);
    }
    let mut text = String::new();
    for task in TASKS {
        text += &format!("{}: {}\n\n", task.name, task.summary);
        for shipped in task.recipes() {
            let (_, header) = shipped.header();
            text += &format!("  {:18} {}\n", shipped.name, header.description);
            for (name, value) in [
                ("data", &header.data),
                ("expected", &header.expected),
                ("time", &header.time),
            ] {
                text += &format!("  {:18}   {name}: {value}\n", "");
            }
        }
    }
    text += "\nTrain one with: refrain train RECIPE [--data DIR]\n";
    terminal::print(&text)?;
    Ok(Ending::Done)
}
