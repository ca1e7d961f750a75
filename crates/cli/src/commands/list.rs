//! `refrain list`

use crate::Ending;
use crate::terminal;
use anyhow::Result;
use refrain::store;
use refrain::tasks::{Profile, Tasks};
use serde_json::json;

/// List the tasks, their recipes and the models that ship
#[derive(Debug, clap::Parser)]
#[command(after_help = "\
Examples:
  refrain list
  refrain list speech        everything about one task")]
pub struct Args {
    /// Show one task in detail
    #[arg(value_name = "TASK")]
    task: Option<String>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// An unknown task, or standard output that cannot be written.
pub fn run(args: &Args, tasks: Tasks) -> Result<Ending> {
    let chosen: Vec<&Profile> = match &args.task {
        Some(name) => vec![tasks.find(name)?.profile()],
        None => tasks.iter().map(|task| task.profile()).collect(),
    };
    let text = match (args.json, &args.task) {
        (true, _) => as_json(&chosen),
        (false, None) => table(&chosen),
        (false, Some(_)) => chosen.into_iter().map(details).collect(),
    };
    terminal::print(&text)?;
    Ok(Ending::Done)
}

fn as_json(profiles: &[&Profile]) -> String {
    let found = store::models();
    let tasks = profiles.iter().map(|own| {
        let recipes: Vec<_> = own.recipes.iter().map(|shipped| shipped.header()).collect();
        let models = own.models.iter().map(|name| {
            let folder = found.iter().find(|(other, _)| other == name);
            json!({ "name": name, "folder": folder.map(|(_, folder)| folder) })
        });
        json!({
            "name": own.name, "summary": own.summary, "metrics": own.metrics, "recipes": recipes,
            "models": models.collect::<Vec<_>>(),
        })
    });
    format!("{}\n", json!({ "tasks": tasks.collect::<Vec<_>>() }))
}

/// A few lines for each task.
fn table(profiles: &[&Profile]) -> String {
    let mut text = String::new();
    for own in profiles {
        text += &format!("{:10} {}\n", own.name, own.summary);
        let recipes = own.recipes.iter().map(|shipped| {
            let tried = !shipped.header().expected.is_empty();
            format!("{}{}", shipped.name, if tried { "" } else { "*" })
        });
        text += &wrapped("recipes", &recipes.collect::<Vec<_>>());
        let models = own.models.iter().map(|name| {
            let there = store::shipped(name).is_some();
            format!("{name}{}", if there { "" } else { " (not installed)" })
        });
        text += &wrapped("models", &models.collect::<Vec<_>>());
    }
    if text.contains('*') {
        text += "\n* untried: never run to its end\n";
    }
    text += "\nDetails: refrain list TASK. Train with: refrain train RECIPE [--data DIR], \
             or a text file: refrain train book.txt\n";
    text
}

/// Names after a title, in lines of 100 columns.
fn wrapped(title: &str, names: &[String]) -> String {
    const WIDTH: usize = 100;
    let (mut text, mut line) = (String::new(), String::new());
    for (number, name) in names.iter().enumerate() {
        let comma = if number + 1 < names.len() { "," } else { "" };
        if !line.is_empty() && 20 + line.len() + name.len() > WIDTH {
            text += &format!(
                "{:10} {:8} {}\n",
                "",
                if text.is_empty() { title } else { "" },
                line.trim_end()
            );
            line.clear();
        }
        line += &format!("{name}{comma} ");
    }
    if !line.is_empty() {
        text += &format!(
            "{:10} {:8} {}\n",
            "",
            if text.is_empty() { title } else { "" },
            line.trim_end()
        );
    }
    text
}

fn details(own: &Profile) -> String {
    let mut text = format!("{}: {}\n\nfigures\n", own.name, own.summary);
    for metric in own.metrics {
        text += &format!("  {:26} {}\n", metric.name, metric.meaning);
    }
    text += "\nrecipes\n";
    for shipped in own.recipes {
        let header = shipped.header();
        text += &format!("  {}: {}\n", shipped.name, header.description);
        let expected = match header.expected.is_empty() {
            true => "untried: never run to its end",
            false => &header.expected,
        };
        let rows = [
            ("data", header.data.as_str()),
            ("expected", expected),
            ("time", &header.time),
            ("command", &header.command),
        ];
        for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
            text += &format!("    {name:9} {value}\n");
        }
    }
    if !own.models.is_empty() {
        text += "\nmodels\n";
    }
    for name in own.models {
        let folder = store::shipped(name);
        let place = folder.map_or("not installed".into(), |folder| terminal::typed(&folder));
        text += &format!("  {name:18} {place}\n");
    }
    text
}
