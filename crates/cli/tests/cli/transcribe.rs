//! Outputs that overwrite nothing, sound that is lost, words that are doubted, and inputs of every kind.

use crate::tools::{err, fails, models, ok, out, path, refrain, run};
use refrain_sound::{load, resample, wav_bytes, write_wav};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::{TempDir, tempdir};

const SAID: &str = "the young captain is waiting behind the station";

fn sample() -> PathBuf {
    models().join("sample.wav")
}

fn samples() -> Vec<f32> {
    let sound = load(sample()).unwrap();
    resample(&sound.samples, sound.rate, 16_000).unwrap()
}

fn folder() -> (TempDir, impl Fn(&str) -> String) {
    let folder = tempdir().unwrap();
    let root = folder.path().to_path_buf();
    (folder, move |name: &str| path(&root.join(name)))
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// A WAV file of 16 bits with these sizes of its parts in the header.
fn wav(channels: u16, samples: &[i16], [riff, data]: [u32; 2]) -> Vec<u8> {
    let rate = 16_000u32;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend(riff.to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * u32::from(channels) * 2).to_le_bytes());
    bytes.extend((channels * 2).to_le_bytes());
    bytes.extend(b"\x10\0data");
    bytes.extend(data.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|x| x.to_le_bytes()));
    bytes
}

fn whole_numbers() -> Vec<i16> {
    let whole = |x: &f32| (x.clamp(-1.0, 1.0) * 32_767.0) as i16;
    samples().iter().map(whole).collect()
}

#[test]
fn outputs_overwrite_neither_each_other_nor_an_input_nor_other_files() {
    let (_folder, path) = folder();
    for name in ["x", "y"] {
        fs::create_dir(path(name)).unwrap();
        fs::copy(sample(), path(&format!("{name}/a.wav"))).unwrap();
    }
    fs::copy(sample(), path("x/a.mp3")).unwrap();
    let (one, into) = (path("x/a.wav"), path("out"));
    for other in [path("y/a.wav"), path("x/a.mp3"), one.clone()] {
        let error = fails(&["transcribe", "--out", &into, &one, &other]);
        assert!(error.contains("would both be written"), "{error}");
        assert!(!Path::new(&into).exists());
    }
    // A file of the user beside the sound.
    fs::write(path("x/a.txt"), "mine").unwrap();
    let error = fails(&["transcribe", "--out", &path("x"), &one]);
    assert!(error.contains("--force"), "{error}");
    assert_eq!(fs::read_to_string(path("x/a.txt")).unwrap(), "mine");
    ok(&["transcribe", "--force", "--out", &path("x"), &one]);
    let written = fs::read_to_string(path("x/a.txt")).unwrap();
    assert_eq!(written.trim(), SAID);
    // A sound that has the name of its own transcript.
    fs::copy(sample(), path("x/b.txt")).unwrap();
    let error = fails(&[
        "transcribe",
        "--force",
        "--out",
        &path("x"),
        &path("x/b.txt"),
    ]);
    assert!(error.contains("input"), "{error}");
    assert_eq!(
        fs::read(path("x/b.txt")).unwrap(),
        fs::read(sample()).unwrap()
    );
    // Plots and n-grams, too.
    for arguments in [
        vec!["transcribe", "--plot", &one, &one],
        vec!["speech", "ngram", "english", "--out", &one],
    ] {
        fails(&arguments);
        assert_eq!(fs::read(&one).unwrap(), fs::read(sample()).unwrap());
    }
}

#[test]
fn lost_sound_is_reported_with_the_name_of_its_file() {
    let (_folder, path) = folder();
    let bytes = wav_bytes(&samples(), 16_000).unwrap();
    let cut = path("cut.wav");
    fs::write(&cut, &bytes[..bytes.len() * 3 / 4]).unwrap();
    let output = run(&["transcribe", "--json", &cut]);
    assert!(output.status.success());
    let told = |output: &Output, words: &str| {
        let (said, expected) = (err(output), format!("cut.wav: the file is cut off {words}"));
        assert_eq!(said.matches(&expected).count(), 1, "{said}");
    };
    told(&output, "after");
    let object = json(&out(&output));
    assert_eq!(object["warnings"][0]["kind"], "cut_off");
    assert_eq!(object["truncated"], true);
    let aligned = run(&["speech", "align", "--json", "--text", "the young", &cut]);
    told(&aligned, "after");
    assert_eq!(json(&out(&aligned))["warnings"][0]["kind"], "cut_off");
    told(&run(&["run", "english", &cut]), "after");
    // Channels that cancel each other.
    let both: Vec<i16> = whole_numbers().iter().flat_map(|&x| [x, -x]).collect();
    let size = both.len() as u32 * 2;
    fs::write(path("phase.wav"), wav(2, &both, [size + 36, size])).unwrap();
    let output = run(&["transcribe", &path("phase.wav")]);
    assert!(
        err(&output).contains("cancel each other"),
        "{}",
        err(&output)
    );
    let right = out(&output)
        .split_whitespace()
        .filter(|own| SAID.contains(own))
        .count();
    assert!(right >= 5, "{}", out(&output));
    // Recorders that did not know the length: nothing is lost.
    for sizes in [[u32::MAX; 2], [0, 0]] {
        fs::write(path("pipe.wav"), wav(1, &whole_numbers(), sizes)).unwrap();
        let output = run(&["transcribe", &path("pipe.wav")]);
        assert_eq!(out(&output).trim(), SAID);
        assert_eq!(err(&output), "");
    }
}

#[test]
fn doubtful_words_are_reported() {
    let (_folder, path) = folder();
    let mut backwards = samples();
    backwards.reverse();
    write_wav(Path::new(&path("backwards.wav")), &backwards, 16_000).unwrap();
    let output = run(&["transcribe", &path("backwards.wav")]);
    assert!(output.status.success());
    let said = err(&output);
    assert!(said.contains("backwards.wav: low confidence (0."), "{said}");
    assert_eq!(err(&run(&["transcribe", &path_of(&sample())])), "");
}

fn path_of(own: &Path) -> String {
    path(own)
}

#[test]
fn a_plot_of_another_format_is_refused_before_anything_is_heard() {
    let (_keep, path) = folder();
    let (sample, plot) = (self::path(&sample()), path("spikes.txt"));
    let output = run(&["transcribe", "--plot", &plot, &sample]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains(".png"), "{}", err(&output));
    assert_eq!(out(&output), "");
    assert!(!Path::new(&plot).exists());
}

#[test]
fn a_plot_that_cannot_be_written_is_a_plain_error_behind_the_transcript() {
    let (_folder, path) = folder();
    let output = run(&[
        "transcribe",
        "--plot",
        &path("none/x.png"),
        &path_of(&sample()),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(out(&output).trim(), SAID);
    let said = err(&output);
    assert!(
        said.contains("cannot write") && said.contains("No such file"),
        "{said}"
    );
    assert!(!said.contains("Os {"), "{said}");
}

#[test]
fn arguments_that_do_not_go_together_are_refused() {
    let sample = path(&sample());
    let best = fails(&["transcribe", "--best", "5", &sample]);
    assert!(best.contains("--json"), "{best}");
    let rate = run(&["transcribe", "--rate", "8000", &sample]);
    assert_eq!(rate.status.code(), Some(2));
    assert!(err(&rate).contains("cannot be used with"), "{}", err(&rate));
    let empty = fails(&["speech", "align", "--text", " ", &sample]);
    assert!(empty.contains("empty"), "{empty}");
    for (old, new) in [("align", "speech align"), ("tune", "speech tune")] {
        let moved = run(&[old, &sample]);
        assert_eq!(moved.status.code(), Some(2));
        assert!(err(&moved).contains(new), "{}", err(&moved));
    }
    let unknown = fails(&["eval", "english", "--set", "beem=4"]);
    assert!(unknown.contains("beam"), "{unknown}");
}

/// `transcribe` with standard input.
fn piped(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = refrain(arguments);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

#[test]
fn inputs_of_every_kind_are_read_or_told_what_they_are() {
    let (folder, path) = folder();
    let bytes = fs::read(sample()).unwrap();
    let output = piped(&["transcribe", "-"], &bytes);
    assert_eq!(out(&output).trim(), SAID, "{}", err(&output));
    let raw = piped(&["transcribe", "-"], &bytes[44..4000]);
    assert_eq!(raw.status.code(), Some(1));
    assert!(err(&raw).contains("--stream"), "{}", err(&raw));
    let none = piped(&["transcribe", "-"], &[]);
    assert!(
        err(&none).contains("standard input is empty"),
        "{}",
        err(&none)
    );
    let expect = |input: &str, words: &str| {
        let output = run(&["transcribe", input]);
        let said = err(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let first = said.lines().next().unwrap();
        assert!(first.contains(words), "{said}");
        first.to_string()
    };
    expect(&path_of(folder.path()), "is a folder");
    expect("https://example.org/a.wav", "web address");
    fs::write(path("a.aac"), "no sound").unwrap();
    let named = expect(&path("a.aac"), "is not a WAV");
    assert_eq!(named.matches("a.aac").count(), 1, "{named}");
}

/// Messages of a run in which a file fails.
fn fails_with(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(1));
    err(&output)
}

/// The sample again and again.
fn long(times: usize) -> Vec<f32> {
    let mut once = samples();
    once.resize(once.len() + 8000, 0.0);
    once.repeat(times)
}

#[test]
fn text_is_written_as_it_is_found() {
    let (_folder, path) = folder();
    write_wav(Path::new(&path("long.wav")), &long(16), 16_000).unwrap();
    let text = ok(&["transcribe", &path("long.wav")]);
    assert!(text.lines().count() >= 2, "{text}");
    let two = ok(&["transcribe", &path("long.wav"), &path_of(&sample())]);
    let named = |line: &str| line.starts_with(&path("long.wav")) || line.contains("sample.wav: ");
    assert!(two.lines().all(named), "{two}");
    // A part of the file, with the times of the whole.
    let part = ok(&[
        "transcribe",
        "--json",
        "--offset",
        "10",
        "--duration",
        "7.5",
        &path("long.wav"),
    ]);
    let behind = fails_with(&["transcribe", "--offset", "1000", &path("long.wav")]);
    assert!(behind.contains("--offset"), "{behind}");
    let object = json(&part);
    assert!((object["seconds"].as_f64().unwrap() - 7.5).abs() < 1e-6);
    let words = object["words"].as_array().unwrap();
    assert!(words.len() > 5);
    for word in words {
        let time = word["begin"].as_f64().unwrap();
        assert!((10.0..17.6).contains(&time), "{time}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_a_long_file_with_the_text_so_far() {
    let (_folder, path) = folder();
    write_wav(Path::new(&path("long.wav")), &long(300), 16_000).unwrap();
    let mut command = refrain(&["transcribe", &path("long.wav")]);
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains("captain"), "{first}");
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let rest = lines.count();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", err(&output));
    assert!(
        rest < 30 && err(&output).contains("stopped after"),
        "{}",
        err(&output)
    );
}
