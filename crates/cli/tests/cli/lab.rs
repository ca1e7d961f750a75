//! `refrain lab`, and training of a task without text.

use crate::tools::{fails, ok, path, run};
use tempfile::tempdir;

#[test]
fn gradients_of_a_recipe_and_a_model_are_drawn() {
    let folder = tempdir().unwrap();
    let model = path(&folder.path().join("model"));
    let small = [
        "data.length=12",
        "data.examples=200",
        "model.hidden=8",
        "train.epochs=2",
    ];
    let mut arguments = vec!["train", "adding-gru", "--out", &model];
    small
        .iter()
        .for_each(|setting| arguments.extend(["--set", setting]));
    let report = ok(&arguments);
    assert!(
        report.contains("mean squared error") && !report.contains("generate"),
        "{report}"
    );
    let info = ok(&["info", &model]);
    assert!(
        info.contains("GRU, 1 layer of 8 units") && !info.contains("vocabulary"),
        "{info}"
    );
    let refused = fails(&["generate", &model]);
    assert!(refused.contains("\"adding\""), "{refused}");

    let out = path(&folder.path().join("drawn"));
    let text = ok(&[
        "lab",
        "gradients",
        &model,
        "adding-rnn",
        "--out",
        &out,
        "--sequences",
        "2",
    ]);
    for line in [
        "adding-gru, at the start",
        "adding-gru, trained",
        "adding-rnn, at the start",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let csv = std::fs::read_to_string(format!("{out}.csv")).unwrap();
    // A head, and a row for each lag of the longest: that of the recipe.
    assert_eq!(csv.lines().count(), 201);
    assert!(
        csv.lines()
            .nth(1)
            .unwrap()
            .split(',')
            .skip(1)
            .all(|norm| norm.parse::<f64>().unwrap() > 0.0)
    );
    let svg = std::fs::read_to_string(format!("{out}.svg")).unwrap();
    assert!(svg.contains("adding-rnn, at the start"));
    let png = std::fs::read(format!("{out}.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG") && png.len() > 5_000);

    let wrong = fails(&["lab", "gradients", "stories"]);
    assert!(
        wrong.contains("\"language\"") && wrong.contains("adding, copy, mnist"),
        "{wrong}"
    );
    assert_eq!(run(&["lab", "gradients"]).status.code(), Some(2));
}
