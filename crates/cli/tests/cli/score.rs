//! `refrain score`

use crate::tools::{fails, ok, out, path, refrain, refused};
use serde_json::Value;
use std::io::Write;
use std::process::Stdio;

#[test]
fn two_texts_are_compared_by_every_metric_or_by_those_that_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        path(&file)
    };
    let hypothesis = file("hyp", "the young captain\nis writing\r\n\n");
    let reference = file("ref", "the young captain\nis waiting there\n\n");
    let text = ok(&["score", &hypothesis, &reference]);
    for row in [
        "wer",
        " 33.33%  share of words",
        "cer",
        "ser",
        "33.33%",
        "accuracy",
        "66.67%",
    ] {
        assert!(text.contains(row), "{text}");
    }
    let arguments = ["score", "--metric", "wer", "--metric", "accuracy", "--json"];
    let json = ok(&[&arguments[..], &[&hypothesis, &reference]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    let metrics = json["metrics"].as_object().unwrap();
    assert_eq!(metrics.len(), 2);
    assert_eq!(metrics["wer"]["value"], 1.0 / 3.0);
    assert_eq!(metrics["wer"]["counts"]["deletions"], 1);
    assert_eq!(metrics["wer"]["counts"]["substitutions"], 1);
    assert!((metrics["accuracy"]["value"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-12);

    let mut child = refrain(&["score", "-", &reference, "--metric", "ser"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let spoken = std::fs::read(&reference).unwrap();
    child.stdin.take().unwrap().write_all(&spoken).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(out(&output).contains("0.00%"), "{}", out(&output));
}

#[test]
fn texts_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8]| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        path(&file)
    };
    let (two, five) = (file("two", b"a\nb\n"), file("five", b"a\nb\nc\nd\ne"));
    let error = fails(&["score", &two, &five]);
    assert!(
        error.contains("has 2 lines") && error.contains("has 5"),
        "{error}"
    );
    let error = fails(&["score", &five, &two]);
    assert!(
        error.contains("has 5 lines") && error.contains("has 2"),
        "{error}"
    );
    let latin = file("latin", b"a\nb\xe9\nc\nd\ne\n");
    for arguments in [["score", &latin, &five], ["score", &five, &latin]] {
        let error = fails(&arguments);
        assert!(
            error.contains("latin: line 2") && error.contains("UTF-8"),
            "{error}"
        );
    }
    assert!(fails(&["score", &two, "nosuch"]).contains("nosuch"));
    assert!(fails(&["score", "-", "-"]).contains("standard input"));
    let unknown = refused(&["score", "--metric", "bleurt", &two, &two]);
    assert!(unknown.contains("wer, cer, ser, accuracy"), "{unknown}");
    let error = fails(&["score", &five, &five, "--against", &two]);
    assert!(
        error.contains("other hypothesis has 2 lines") && error.contains("has 5"),
        "{error}"
    );
    let error = fails(&["score", &five, &five, "--against", &latin]);
    assert!(error.contains("latin: line 2"), "{error}");
    assert!(fails(&["score", "-", &two, "--against", "-"]).contains("standard input"));
    let distinct = [
        "score",
        "--metric",
        "distinct-1",
        &two,
        &two,
        "--against",
        &two,
    ];
    assert!(fails(&distinct).contains("distinct-1"));
    refused(&["score", &two, &two, "--seed", "1"]);
    assert!(ok(&["score", &file("none", b""), &file("none", b"")]).contains("wer"));
}

#[test]
fn a_figure_stands_with_its_signature_and_two_systems_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        path(&file)
    };
    let lines = |word: &str| {
        (0..40)
            .map(|n| format!("The {n} old {word} is closed.\n"))
            .collect()
    };
    let reference = file("ref", lines("bridge"));
    let worse = file("worse", lines("road"));
    let text = ok(&["score", "--metric", "bleu", &reference, &reference]);
    assert!(
        text.contains("100.00  points of 100 (280 hypothesis, 280 reference"),
        "{text}"
    );
    let signature = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:refrain-";
    assert!(text.contains(signature), "{text}");

    let arguments = [
        "score",
        "--metric",
        "bleu",
        &reference,
        &reference,
        "--against",
        &worse,
    ];
    let text = ok(&arguments);
    assert!(
        text.contains("p = 0.0010") && text.contains("1000 resamples"),
        "{text}"
    );
    assert!(
        text.contains("nrefs:1|bs:1000|seed:12345|case:mixed"),
        "{text}"
    );
    let json = ok(&[&arguments[..], &["--json", "--resamples", "99"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    let difference = &json["comparisons"]["bleu"]["difference"];
    assert!(difference["value"].as_f64().unwrap() > 10.0, "{json}");
    assert_eq!(difference["p"], 0.01);
    assert_eq!(difference["resamples"], 99);
}
