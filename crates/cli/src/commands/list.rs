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
        text += &block(&[own.name], own.summary);
        let recipes = own.recipes.iter().map(|shipped| {
            let tried = !shipped.header().expected.is_empty();
            format!("{}{}", shipped.name, if tried { "" } else { "*" })
        });
        text += &block(&["", "recipes"], &recipes.collect::<Vec<_>>().join(", "));
        let models = own.models.iter().map(|name| match store::shipped(name) {
            Some(_) => name.to_string(),
            None => format!("({name})"),
        });
        text += &block(&["", "models"], &models.collect::<Vec<_>>().join(", "));
    }
    let untried = text.contains('*');
    let mut models = profiles.iter().flat_map(|own| own.models);
    let absent = models.any(|name| store::shipped(name).is_none());
    if untried || absent {
        text.push('\n');
    }
    if untried {
        text += "NAME* is untried: never run to its end\n";
    }
    if absent {
        text += "(NAME) is not installed: `refrain info NAME` says where it belongs\n";
    }
    text += "\nDetails: refrain list TASK. Train with: refrain train RECIPE [--data DIR],\n";
    text + "or on a text file: refrain train book.txt\n"
}

/// Text behind titles, below itself where it is long; nothing without text.
fn block(titles: &[&str], text: &str) -> String {
    const TITLE: usize = 11;
    if text.is_empty() {
        return String::new();
    }
    let titles: String = titles
        .iter()
        .map(|title| format!("{title:TITLE$}"))
        .collect();
    let indent = titles.len();
    format!("{titles}{}\n", terminal::fold(text, indent, indent))
}

fn details(own: &Profile) -> String {
    let mut text = format!(
        "{}: {}\n\nfigures\n",
        own.name,
        terminal::fold(own.summary, own.name.len() + 2, 2)
    );
    for metric in own.metrics {
        text += &format!(
            "  {:26} {}\n",
            metric.name,
            terminal::fold(metric.meaning, 29, 29)
        );
    }
    text += "\nrecipes\n";
    for shipped in own.recipes {
        let header = shipped.header();
        let title = format!("  {}: ", shipped.name);
        text += &format!(
            "{title}{}\n",
            terminal::fold(&header.description, title.len(), 4)
        );
        let expected = match header.expected.is_empty() {
            true => "untried: never run to its end",
            false => &header.expected,
        };
        let rows = [
            ("data", header.data.as_str()),
            ("expected", expected),
            ("time", &header.time),
        ];
        for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
            text += &format!("    {name:9} {}\n", terminal::fold(value, 14, 14));
        }
        // A command stays whole, to be copied.
        if !header.command.is_empty() {
            text += &format!("    command   {}\n", header.command);
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
