//! `refrain translate`: every kind of input comes back whole.

use crate::tools::{fails, ok, out, path, refrain};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::LazyLock;
use tempfile::{TempDir, tempdir};

/// A model that has learned little: these tests are about all that is not the model.
static MODEL: LazyLock<(TempDir, String)> = LazyLock::new(|| {
    let keep = tempdir().unwrap();
    let folder = path(&keep.path().join("run"));
    let settings = [
        "data.pairs.below=2000",
        "data.pairs.write=digits",
        "data.pairs.train=1500",
        "data.pairs.valid=20",
        "data.pairs.test=20",
        "data.vocabulary=300",
        "model.embedding=16",
        "model.encoder=16",
        "model.decoder=24",
        "data.batch_tokens=150",
        "train.epochs=12",
    ];
    let mut arguments = vec!["train", "numbers-en-ko", "--out", &folder];
    for setting in &settings {
        arguments.extend(["--set", setting]);
    }
    ok(&arguments);
    (keep, folder)
});

fn translate(arguments: &[&str], input: &[u8]) -> Output {
    let all = [&["translate", "--model", &MODEL.1], arguments].concat();
    let mut child = refrain(&all)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A command that refuses its input closes the pipe.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn translated(arguments: &[&str], input: &str) -> String {
    let output = translate(arguments, input.as_bytes());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    out(&output)
}

fn file(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, content).unwrap();
    file
}

#[test]
fn one_line_in_is_one_line_out() {
    let blank = ["", " ", "\t", "\u{a0}"];
    let input = format!("one\n{}\ntwo\n", blank.join("\n"));
    let text = translated(&[], &input);
    let lines: Vec<&str> = text.split('\n').collect();
    assert_eq!(lines.len(), 7);
    assert_eq!(&lines[1..5], blank);
    // Line ends stay; only \n ends a line; a mark at the start is no text.
    let text = translated(&[], "\u{feff}one\r\ntwo\u{2028}three\u{85}four\nfive");
    assert_eq!(text.matches("\r\n").count(), 1);
    assert_eq!(text.matches('\n').count(), 2);
    assert!(!text.ends_with('\n') && !text.starts_with('\u{feff}'));
    assert_eq!(translated(&[], ""), "");
}

#[test]
fn a_long_file_with_a_long_line_loses_no_line_and_does_not_depend_on_the_batch() {
    let folder = tempdir().unwrap();
    let mut lines: Vec<String> = (0..300)
        .map(|n| {
            [
                "one",
                "forty two",
                "",
                "six hundred and one",
                "https://a.example/b?c=1",
            ][n % 5]
                .into()
        })
        .collect();
    lines[180] = "seven hundred and twelve. ".repeat(60);
    lines[181] = "x".repeat(20_000);
    let input = file(
        folder.path(),
        "lines.txt",
        (lines.join("\n") + "\n").as_bytes(),
    );
    let run = |arguments: &[&str], input: &Path| {
        let input = path(input);
        let all = [&["translate", "--model", &MODEL.1, &input], arguments].concat();
        ok(&all)
    };
    let expected = run(&["--batch", "64"], &input);
    assert_eq!(expected.lines().count(), 300);
    assert_eq!(expected.lines().nth(4), Some("https://a.example/b?c=1"));
    assert_eq!(run(&["--batch", "1", "--threads", "1"], &input), expected);
    let mut turned = lines.clone();
    turned.reverse();
    let turned = file(
        folder.path(),
        "turned.txt",
        (turned.join("\n") + "\n").as_bytes(),
    );
    let mut got: Vec<String> = run(&["--batch", "5"], &turned)
        .lines()
        .map(String::from)
        .collect();
    got.reverse();
    assert_eq!(got, expected.lines().collect::<Vec<_>>());
}

#[test]
fn composed_and_decomposed_characters_are_the_same_text() {
    let text = translated(
        &[],
        "Be\u{30c}hem nas\u{30c}ich\nB\u{11b}hem na\u{161}ich\n",
    );
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], lines[1]);
}

#[test]
fn lines_that_cannot_be_read_come_out_blank_and_are_named() {
    let output = translate(&[], b"one\nb\xff\ntwo\n");
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("line 2") && error.contains("UTF-8"),
        "{error}"
    );
    let text = out(&output);
    assert_eq!((text.lines().count(), text.lines().nth(1)), (3, Some("")));
    let mut long = b"one\n".to_vec();
    long.extend(std::iter::repeat_n(b'x', (1 << 20) + 9));
    long.extend(b"\ntwo\n");
    let output = translate(&[], &long);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("line 2") && error.contains("limit"),
        "{error}"
    );
    assert_eq!(out(&output).lines().count(), 3);
}

#[test]
fn a_line_is_answered_before_the_next_one_comes() {
    let mut child = refrain(&["translate", "--model", &MODEL.1])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in ["forty two", "", "seven"] {
        writeln!(stdin, "{line}").unwrap();
        // Would wait for ever if the answer waited for more lines.
        let answer = answers.next().unwrap().unwrap();
        assert_eq!(answer.is_empty(), line.is_empty());
    }
    drop(stdin);
    assert!(answers.next().is_none());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_file_with_bad_lines_is_written_and_the_command_fails() {
    let folder = tempdir().unwrap();
    let input = path(&file(folder.path(), "in.txt", b"one\nb\xff\ntwo\n"));
    let made = folder.path().join("made.txt");
    let all = [
        "translate",
        "--model",
        &MODEL.1,
        &input,
        "--out",
        &path(&made),
    ];
    let output = crate::tools::run(&all);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&made).unwrap().lines().count(), 3);
    let table = path(&file(folder.path(), "in.tsv", b"1\tone\n\n2\ttwo\n3\n"));
    let output = crate::tools::run(&["translate", "--model", &MODEL.1, &table, "--column", "2"]);
    assert_eq!(output.status.code(), Some(1));
    let text = out(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[1], lines[3]), (4, "", "3"));
    assert!(lines[0].starts_with("1\t") && lines[0] != "1\tone");
}

#[test]
fn items_of_any_length_and_lines_of_any_length_come_through() {
    let address = format!("https://example.org/{}", "path/".repeat(80));
    let text = translated(&["--beam", "1"], &format!("see {address} now\n"));
    assert!(text.contains(&address), "{text}");
    let words = translated(&["--beam", "1"], &("ab ".repeat(20_000) + "\n"));
    assert_eq!(words.lines().count(), 1);
}

#[test]
fn json_has_scores_alternatives_and_alignment() {
    let text = translated(&["--json", "--n-best", "3"], "forty two\n\n");
    let rows: Vec<Value> = text
        .lines()
        .map(|own| serde_json::from_str(own).unwrap())
        .collect();
    assert_eq!(rows.len(), 2);
    let first = &rows[0];
    assert_eq!(
        (&first["line"], &first["source"]),
        (&1.into(), &"forty two".into())
    );
    assert_eq!(first["alternatives"].as_array().unwrap().len(), 2);
    let [best, next] =
        [&first["score"], &first["alternatives"][0]["score"]].map(|x| x.as_f64().unwrap());
    assert!(best >= next && first["log_prob"].as_f64().unwrap() < 0.0);
    assert!(first["alignment"].is_array());
    assert_eq!(rows[1]["text"], "");
    let aligned = translated(&["--align"], "forty two\n");
    assert!(aligned.trim_end().contains('\t'), "{aligned}");
}

#[test]
fn attention_is_drawn_and_given_pairs_are_scored() {
    let folder = tempdir().unwrap();
    for name in ["heat.svg", "heat.png"] {
        let picture = folder.path().join(name);
        translated(&["--heat", &path(&picture)], "forty two\nseven\n");
        assert!(std::fs::metadata(&picture).unwrap().len() > 500);
        let second = folder.path().join(name.replace("heat", "heat-2"));
        assert!(second.exists());
    }
    let text = translated(&["--heat", "-"], "forty two\n");
    assert!(text.contains("┌ forty") && text.contains("┌ two"), "{text}");
    let output = translate(&["--heat", "heat.jpg"], b"one\n");
    assert_eq!(output.status.code(), Some(2));

    let own = translated(&["--json"], "forty two\n");
    let own: Value = serde_json::from_str(&own).unwrap();
    let lines = format!(
        "forty two\t{}\nforty two\tx\n",
        own["text"].as_str().unwrap()
    );
    let pairs = path(&file(folder.path(), "pairs.tsv", lines.as_bytes()));
    let scores = ok(&["run", &MODEL.1, &pairs, "--score"]);
    let scores: Vec<f64> = scores.lines().map(|own| own.parse().unwrap()).collect();
    assert!(
        scores.len() == 2 && scores[0] != scores[1] && scores.iter().all(|own| *own < 0.0),
        "{scores:?}"
    );
    let pairs = path(&file(folder.path(), "no-tab.tsv", b"forty two\n"));
    let output = crate::tools::run(&["run", &MODEL.1, &pairs, "--score"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && error.contains("line 1 has no tab"),
        "{error}"
    );
}

#[test]
fn tags_attributes_and_kept_parts_of_a_page_come_back() {
    let folder = tempdir().unwrap();
    let page = "<p class=\"a&amp;b\">forty <em>two</em></p>\n<script>if (a < b) {}</script>\n\
                <p translate=\"no\">seven eight</p><p>\n\t\tone\n\t\ttwo</p><!-- three --><code>four five</code>";
    let input = file(folder.path(), "page.html", page.as_bytes());
    let text = ok(&["translate", "--model", &MODEL.1, &path(&input)]);
    for kept in [
        "<p class=\"a&amp;b\">",
        "<em>",
        "</em>",
        "<script>if (a < b) {}</script>",
        "<p translate=\"no\">seven eight</p>",
        "<!-- three -->",
        "<code>four five</code>",
    ] {
        assert!(text.contains(kept), "{kept}: {text}");
    }
    assert_eq!(text.matches("<p").count(), text.matches("</p>").count());
    assert!(!text.contains("forty"), "{text}");
}

#[test]
fn subtitles_keep_their_times_and_tables_their_other_columns() {
    let folder = tempdir().unwrap();
    let subtitles = "1\r\n00:00:01,000 --> 00:00:02,500\r\nforty two.\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nsix.\r\n";
    let input = file(folder.path(), "film.srt", subtitles.as_bytes());
    let made = folder.path().join("made.srt");
    ok(&[
        "translate",
        "--model",
        &MODEL.1,
        &path(&input),
        "--out",
        &path(&made),
    ]);
    let text = std::fs::read_to_string(&made).unwrap();
    for (kept, lost) in [
        ("00:00:01,000 --> 00:00:02,500\r\n", "forty"),
        ("\r\n2\r\n00:00:03,000", "six."),
    ] {
        assert!(text.contains(kept) && !text.contains(lost), "{text}");
    }
    let input = file(folder.path(), "table.tsv", b"id\tforty two\tx\n7\tone\ty\n");
    let text = ok(&[
        "translate",
        "--model",
        &MODEL.1,
        &path(&input),
        "--column",
        "2",
    ]);
    let fields: Vec<Vec<&str>> = text.lines().map(|own| own.split('\t').collect()).collect();
    assert_eq!(fields.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3]);
    assert_eq!((fields[0][0], fields[0][2], fields[1][0]), ("id", "x", "7"));
    assert_ne!(fields[0][1], "forty two");
    let input = path(&input);
    let output = crate::tools::run(&["translate", "--model", &MODEL.1, &input, "--column", "9"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && error.contains("line 1"),
        "{error}"
    );
}

#[test]
fn a_shipped_model_is_chosen_by_its_direction_and_the_language_of_the_text() {
    let models = tempdir().unwrap();
    for (name, from, to) in [("en-ko", "en", "ko"), ("ja-ko", "ja", "ko")] {
        let folder = path(&models.path().join(name));
        ok(&["pack", &MODEL.1, &folder]);
        let about = models.path().join(name).join("model.toml");
        let text = std::fs::read_to_string(&about).unwrap();
        let text = text.replacen("from = \"en\"", &format!("from = \"{from}\""), 1);
        std::fs::write(
            &about,
            text.replacen("to = \"ko\"", &format!("to = \"{to}\""), 1),
        )
        .unwrap();
    }
    let run = |arguments: &[&str], input: &str| {
        let mut child = refrain(&[&["translate"], arguments].concat())
            .env("REFRAIN_MODELS", models.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), out(&output), error)
    };
    let english = "The old man lived in a small house by the sea.\nseven\n";
    let expected = translated(&[], english);
    for arguments in [&["--to", "ko"][..], &["--from", "en-US", "--to", "KO"]] {
        let (done, text, error) = run(arguments, english);
        assert!(done && text == expected, "{error}");
        assert_eq!(error, "");
    }
    // A model of the wrong direction for a text is told, and used all the same.
    let (done, _, error) = run(&["--from", "ja", "--to", "ko"], english);
    assert!(
        done && error.contains("seems to be en") && error.contains("reads ja"),
        "{error}"
    );
    let (done, _, error) = run(&["--to", "fr"], english);
    assert!(!done && error.contains("en-ko (en to ko)"), "{error}");
    let (done, _, error) = run(&["--to", "ko"], "12 34\n");
    assert!(!done && error.contains("several models"), "{error}");
}

#[test]
fn languages_are_recognised_and_a_recogniser_is_learned() {
    let folder = tempdir().unwrap();
    let lines = "The weather is fine today.\nDas Wetter ist heute sehr schön.\n今日はいい天気です。\n\
                 오늘은 날씨가 좋네요.\n123\n";
    let text = path(&file(folder.path(), "text.txt", lines.as_bytes()));
    let got = ok(&["translation", "detect", &text]);
    let codes: Vec<&str> = got
        .lines()
        .filter_map(|line| line.split('\t').next())
        .collect();
    assert_eq!(codes, ["en", "de", "ja", "ko", "-"]);
    let english = path(&file(
        folder.path(),
        "en",
        b"a dog and a cat\nthe dog runs\n",
    ));
    let french = path(&file(
        folder.path(),
        "fr",
        "le chien et le chat\nun chien court\n".as_bytes(),
    ));
    let (learned, all) = (
        path(&folder.path().join("own.bin")),
        path(&folder.path().join("all")),
    );
    let pairs = [format!("en={english}"), format!("fr={french}")];
    ok(&[
        "translation",
        "languages",
        &pairs[0],
        &pairs[1],
        "--out",
        &learned,
    ]);
    std::fs::write(&all, "le chat court\n").unwrap();
    let got = ok(&[
        "translation",
        "detect",
        &all,
        "--recognizer",
        &learned,
        "--json",
    ]);
    let got: Value = serde_json::from_str(&got).unwrap();
    assert_eq!(got["language"], "fr");
    assert!(got["probabilities"]["en"].as_f64().unwrap() < 0.5);
    let broken = path(&file(folder.path(), "broken", b"no recogniser"));
    let error = fails(&["translation", "detect", &all, "--recognizer", &broken]);
    assert!(error.contains("train it again"), "{error}");
}

#[test]
fn what_cannot_be_translated_is_refused_in_a_sentence() {
    let folder = tempdir().unwrap();
    let input = path(&file(folder.path(), "lines.txt", b"one\n"));
    let model = MODEL.1.as_str();
    for (arguments, named) in [
        (
            vec!["translate", "--model", model, &input, "--to", "de"],
            "from en to ko",
        ),
        (
            vec!["translate", "--model", model, &input, "--column", "1"],
            "--format tsv",
        ),
        (
            vec!["translate", "--model", model, &input, "--out", &input],
            "is the input",
        ),
        (
            vec![
                "translate",
                "--model",
                model,
                &input,
                "--format",
                "html",
                "--heat",
                "-",
            ],
            "for lines and tables",
        ),
        (
            vec!["translate", "--model", model, "nothing.txt"],
            "nothing.txt",
        ),
        (
            vec!["translate", "--model", "digits", &input],
            "not for translation",
        ),
    ] {
        let error = fails(&arguments);
        assert!(error.contains(named), "{arguments:?}: {error}");
    }
    let memory = "<?xml version=\"1.0\"?><tmx version=\"1.4\"><header/><body/></tmx>";
    let memory = path(&file(folder.path(), "memory.tmx", memory.as_bytes()));
    let error = fails(&["translate", "--model", model, &memory]);
    assert!(error.contains("translation memory"), "{error}");
}

#[test]
fn the_other_commands_know_translation_models() {
    let model = MODEL.1.as_str();
    let info = ok(&["info", model]);
    assert!(
        info.contains("en to ko") && info.contains("additive attention"),
        "{info}"
    );
    let eval = ok(&["eval", model, "--json"]);
    let eval: Value = serde_json::from_str(&eval).unwrap();
    assert!(
        eval["metrics"]["perplexity"].as_f64().unwrap() > 1.0,
        "{eval}"
    );
    let output = refrain(&["run", model])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success() && output.stdout.is_empty());
    let both = tempdir().unwrap();
    let both = path(&file(both.path(), "both.txt", b"one\ntwo\n"));
    assert_eq!(ok(&["run", model, &both]).matches('\n').count(), 2);
    let list = ok(&["list", "translation"]);
    assert!(
        list.contains("numbers-en-ko") && list.contains("chrf"),
        "{list}"
    );
    let folder = tempdir().unwrap();
    let packed = path(&folder.path().join("packed"));
    ok(&["pack", model, &packed]);
    let translate = |model: &str| {
        let input = path(&file(folder.path(), "one.txt", b"forty two\n"));
        ok(&["translate", "--model", model, &input])
    };
    assert!(!translate(&packed).is_empty());
}

#[test]
fn draws_depend_on_the_seed_and_the_sentence_alone() {
    let draw =
        |more: &[&str], input: &str| translated(&[&["--temperature", "1.5"], more].concat(), input);
    let (one, two) = ("one hundred and twelve\n", "nine hundred and five\n");
    let both = draw(&[], &format!("{one}{two}"));
    assert_eq!(both, format!("{}{}", draw(&[], one), draw(&[], two)));
    assert_eq!(
        both,
        draw(&["--batch", "1", "--threads", "1"], &format!("{one}{two}"))
    );
    assert_eq!(both, draw(&["--seed", "1"], &format!("{one}{two}")));
    let seeds: Vec<String> = (1..9)
        .map(|seed| draw(&["--seed", &seed.to_string()], one))
        .collect();
    assert!(seeds.iter().any(|text| *text != seeds[0]), "{seeds:?}");
    // Temperature 0 and one token to choose from are the greedy translation.
    let greedy = translated(&["--beam", "1"], one);
    assert_eq!(translated(&["--temperature", "0"], one), greedy);
    assert_eq!(translated(&["--top-k", "1", "--seed", "7"], one), greedy);
    let json = draw(&["--n-best", "3", "--json"], one);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["alternatives"].as_array().unwrap().len(), 2);
    for refused in [
        &["--temperature", "1", "--beam", "4"][..],
        &["--top-p", "0.9", "--word", "x"],
        &["--top-p", "1.5"],
        &["--seed", "4"],
    ] {
        let output = translate(refused, b"one\n");
        assert!(!output.status.success(), "{refused:?}");
    }
}
