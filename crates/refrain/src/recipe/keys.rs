//! Keys and values of recipes and options: set from text, typed, and refused with a hint.

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Most parts of a key; deeper tables would only exhaust the stack.
const DEEPEST: usize = 16;

/// Deserializes a table. `also` lists further valid keys for the error message.
///
/// # Errors
/// A key that is unknown (with the closest known one) or missing, or a value of the wrong type, in one line.
pub fn typed<T: DeserializeOwned>(table: Table, also: &[&str]) -> Result<T, String> {
    let top: Vec<String> = table.keys().cloned().collect();
    Value::Table(table)
        .try_into()
        .map_err(|e: toml::de::Error| {
            let text = flat(&e);
            // Only the top level of the table has the keys of `also`.
            let at_top = unknown_key(&text).is_some_and(|key| top.iter().any(|own| own == key));
            match text.split_once(", expected ").filter(|_| at_top) {
                Some((problem, known)) => {
                    let known = known.split('`').skip(1).step_by(2);
                    let all = also.iter().copied().chain(known);
                    let all: Vec<String> = all.map(|key| format!("`{key}`")).collect();
                    hint(&format!("{problem}, expected one of {}", all.join(", ")))
                }
                None => hint(&text),
            }
        })
}

/// The key that a message calls unknown.
pub(crate) fn unknown_key(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("unknown field `")?;
    rest.split_once('`').map(|(key, _)| key)
}

/// A table from settings such as `beam=50` or `words="a.arpa"`.
///
/// # Errors
/// Text that is not a setting.
pub fn from_settings(settings: &[String]) -> Result<Table, String> {
    let mut table = Table::new();
    for entry in settings {
        set(&mut table, entry, "KEY=VALUE")?;
    }
    Ok(table)
}

/// A value as a table, as TOML text would hold it: an `f32` keeps its short form.
pub(crate) fn table<T: Serialize>(value: &T) -> Result<Table, String> {
    let text = toml::to_string(value).map_err(|e| e.to_string())?;
    text.parse().map_err(|e: toml::de::Error| flat(&e))
}

/// The text of an error in one line.
pub(super) fn flat(error: &toml::de::Error) -> String {
    error
        .to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The line of an error, e.g. "line 3: ".
pub(super) fn place(text: &str, error: &toml::de::Error) -> String {
    error.span().map_or_else(String::new, |span| {
        let line = text.get(..span.start).unwrap_or(text).matches('\n').count() + 1;
        format!("line {line}: ")
    })
}

/// Sets `a.b.c=value`; a value that is not TOML is a string. `example` shows the form of a setting in messages.
pub(super) fn set(tree: &mut Table, entry: &str, example: &str) -> Result<(), String> {
    let (key, value) = entry
        .split_once('=')
        .ok_or_else(|| format!("\"{entry}\" is no setting; write it as {example}"))?;
    let key = match key.trim() {
        "train.lr" => "train.optimizer.lr",
        key => key,
    };
    let value = value.trim();
    let value = format!("x = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("x").filter(|_| table.is_empty()))
        .unwrap_or_else(|| Value::String(value.to_string()));
    let mut path: Vec<&str> = key.split('.').collect();
    if path.len() > DEEPEST {
        return Err(format!(
            "a key of {} parts is set; {DEEPEST} parts are the most",
            path.len()
        ));
    }
    let last = path
        .pop()
        .filter(|last| !last.is_empty() && !path.contains(&""));
    let last =
        last.ok_or_else(|| format!("\"{key}\" is no key; write the setting as {example}"))?;
    let mut table = tree;
    for (depth, part) in path.iter().enumerate() {
        let next = table
            .entry(*part)
            .or_insert_with(|| Value::Table(Table::new()));
        table = next.as_table_mut().ok_or_else(|| {
            format!(
                "\"{}\" is a value and has no keys in it",
                path[..=depth].join(".")
            )
        })?;
    }
    // A setting for a real number may be written as a whole one.
    let value = match (table.get(last), value) {
        (Some(Value::Float(_)), Value::Integer(whole)) => Value::Float(whole as f64),
        (_, value) => value,
    };
    table.insert(last.to_string(), value);
    Ok(())
}

/// The message about an unknown key or a wrong value, with the closest known name.
pub(super) fn hint(message: &str) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let close = match quoted.split_first() {
        Some((unknown, known)) if message.starts_with("unknown") => {
            closest(unknown, known.iter().copied())
        }
        _ => None,
    };
    match close {
        Some(name) => format!("{message}; did you mean `{name}`?"),
        None => message.to_string(),
    }
}

/// The name most similar to `word`, if any is similar enough.
pub(crate) fn closest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let alike = names.map(|name| (strsim::jaro_winkler(word, name), name));
    let best = alike.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.75).then_some(best.1)
}
