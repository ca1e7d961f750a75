//! `refrain run`: text, sound and numbers.

use crate::tools::{err, fails, model, models, ok, out, path, refrain, strs, train_adding};
use serde_json::Value;
use std::io::Write;
use std::process::{Output, Stdio};

/// Runs with this on standard input.
fn fed(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = refrain(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_language_model_goes_on_with_a_text() {
    let model = path(&model());
    let generated = ok(&[
        "generate", &model, "--prime", "Once a", "-n", "30", "-t", "0",
    ]);
    let settings = ["--set", "temperature=0", "--set", "length=30"];
    let arguments = [&["run", &model][..], &settings].concat();
    // The line end of `echo` is no part of the text.
    let output = fed(&arguments, b"Once a\n");
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(format!("Once a{}", out(&output)), generated);

    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder.path().join("prime.txt"));
    std::fs::write(&file, "Once a").unwrap();
    let json = ok(&[&arguments[..], &[&file, "--json"]].concat());
    let pieces = json_lines(&json);
    let text: String = pieces
        .iter()
        .map(|piece| piece["text"].as_str().unwrap())
        .collect();
    assert_eq!(format!("Once a{text}\n"), generated);

    std::fs::write(&file, b"Once \xff").unwrap();
    let output = refrain(&["run", &model, &file]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("UTF-8"), "{}", err(&output));
    let unknown = fails(&["run", &model, "--set", "temprature=1", &file]);
    assert!(unknown.contains("temperature"), "{unknown}");
}

#[test]
fn a_speech_model_writes_down_a_sound() {
    let models = models();
    let (english, sample) = (
        path(&models.join("english")),
        path(&models.join("sample.wav")),
    );
    let said = "the young captain is waiting behind the station";
    assert_eq!(ok(&["run", &english, &sample]).trim(), said);
    let json = json_lines(&ok(&["run", &english, &sample, "--json"]));
    assert_eq!(json[0]["text"].as_str().unwrap().trim(), said);
    assert_eq!(json[0]["detail"]["words"].as_array().unwrap().len(), 8);

    let sound = refrain_sound::load(&sample).unwrap();
    let samples = sound.samples.iter().map(|x| (x * 32_767.0) as i16);
    let bytes: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let rate = sound.rate.to_string();
    let output = fed(&["run", &english, "--rate", &rate, "-"], &bytes);
    assert_eq!(out(&output).trim(), said, "{}", err(&output));

    let folder = tempfile::tempdir().unwrap();
    let text = path(&folder.path().join("text.wav"));
    std::fs::write(&text, "no sound").unwrap();
    let output = refrain(&["run", &english, &text, &sample])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(out(&output).trim(), said);
    let first = err(&output).lines().next().unwrap().to_string();
    assert_eq!(first.matches("text.wav").count(), 1, "{first}");
}

#[test]
fn a_model_of_numbers_answers_rows() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    ok(&strs(&train_adding("adding-gru", &model, &[])));
    let model = path(&model);
    let csv = path(&folder.path().join("rows.csv"));
    std::fs::write(&csv, "0.5,1\n0.25,0\n0.125,1\n\n\n0.5 1\n0.25\t0\n0.125;1").unwrap();
    let text = ok(&["run", &model, &csv]);
    let answers: Vec<f32> = text.lines().map(|line| line.parse().unwrap()).collect();
    // Both sequences are the same, so are the answers.
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0], answers[1]);
    let json = json_lines(&ok(&["run", &model, &csv, "--json"]));
    assert_eq!(json[1]["rows"][0][0].as_f64().unwrap() as f32, answers[0]);

    for (rows, expected) in [
        ("0.5,1\n0.5,x\n", "line 2 is not a row of numbers"),
        ("0.5,1\n0.5,1,2\n", "line 2: a row of 3 numbers"),
        ("0.5,1\n0.5,nan\n", "line 2: number 2 of the row is NaN"),
        ("inf,1\n", "line 1: number 1 of the row is inf"),
    ] {
        std::fs::write(&csv, rows).unwrap();
        let output = refrain(&["run", &model, &csv]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(err(&output).contains(expected), "{}", err(&output));
    }
}
