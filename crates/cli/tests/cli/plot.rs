//! `refrain plot`

use crate::tools::{copy_of_model, fails, model, ok, path, strs, train};
use serde_json::Value;

#[test]
fn runs_are_drawn_in_one_picture_and_compared_in_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    let longer = [
        "--quiet",
        "--set",
        "train.epochs=3",
        "--set",
        "train.log_every=1",
    ];
    ok(&strs(&train(&other, &longer)));
    let (first, second) = (path(&model()), path(&other));
    let out = path(&folder.path().join("drawn"));
    let text = ok(&["plot", &first, &second, "--out", &out]);
    for part in [
        "bits per character",
        "parameters",
        "the best possible: ",
        &format!("best on validation data: {second}"),
        "drawn.svg",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let svg = std::fs::read_to_string(format!("{out}.svg")).unwrap();
    for part in [
        &first,
        &second,
        "Training loss",
        "Validation: bits per character",
        "the best possible",
    ] {
        assert!(svg.contains(part), "{part}");
    }
    let png = std::fs::read(format!("{out}.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000);

    // A row a logged step, and one an epoch.
    let csv = std::fs::read_to_string(format!("{out}.csv")).unwrap();
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert!(rows.iter().all(|row| row.len() == 5));
    let of_second = |row: &&Vec<&str>| row[0] == format!("\"{second}\"");
    assert_eq!(
        rows.iter()
            .filter(of_second)
            .filter(|row| !row[4].is_empty())
            .count(),
        3
    );
    assert!(
        rows.iter()
            .filter(of_second)
            .filter(|row| !row[3].is_empty())
            .count()
            > 30
    );

    let json = ok(&["plot", &first, &second, "--out", &out, "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["figure"]["name"], "bits_per_character");
    assert_eq!(json["best"], second);
    let run = &json["runs"][1];
    assert_eq!(
        (&run["epochs"], &run["finished"]),
        (&3.into(), &true.into())
    );
    assert!(run["bound"].as_f64().unwrap() < run["validation"].as_f64().unwrap());
    let info: Value = serde_json::from_str(&ok(&["info", &second, "--json"])).unwrap();
    assert_eq!(run["test"], info["figures"]["test"]["bits_per_character"]);
    assert_eq!(
        run["validation"],
        info["figures"]["validation"]["bits_per_character"]
    );
    assert_eq!(run["parameters"], info["figures"]["parameters"]);

    let arguments = [
        "plot",
        &first,
        "--out",
        &out,
        "--figure",
        "perplexity",
        "--over",
        "steps",
    ];
    assert!(ok(&arguments).contains("perplexity"));
    assert!(
        std::fs::read_to_string(format!("{out}.svg"))
            .unwrap()
            .contains("steps")
    );
}

#[test]
fn runs_that_cannot_be_compared_are_refused() {
    let (_keep, copy) = copy_of_model();
    let (model, copy) = (path(&model()), path(&copy));
    let out = format!("{copy}/drawn");
    let error = fails(&["plot", &model, "--figure", "wer", "--out", &out]);
    assert!(
        error.contains("\"wer\"") && error.contains("perplexity"),
        "{error}"
    );
    assert!(fails(&["plot", &model, "nosuch", "--out", &out]).contains("nosuch"));
    let nowhere = fails(&["plot", &model, "--out", &format!("{copy}/no/where")]);
    assert!(nowhere.contains("No such file"), "{nowhere}");
    let log = format!("{copy}/train.jsonl");
    let whole = std::fs::read_to_string(&log).unwrap();

    let damaged = whole.replacen("\"step\"", "\"st", 1);
    std::fs::write(&log, damaged).unwrap();
    let error = fails(&["plot", &copy, "--out", &out]);
    assert!(
        error.contains("damaged") && error.contains("line "),
        "{error}"
    );
    std::fs::remove_file(&log).unwrap();
    let error = fails(&["plot", &copy, "--out", &out]);
    assert!(error.contains("train.jsonl"), "{error}");

    // A run that has only begun: nothing to draw, and no failure.
    let first = whole.lines().next().unwrap();
    std::fs::write(&log, format!("{first}\n")).unwrap();
    let text = ok(&["plot", &copy, "--out", &out]);
    assert!(text.contains("nothing is drawn"), "{text}");
}
