//! Sounds to text with the models that ship.

use crate::tools::{err, fails, models, ok, out, refrain, run};
use refrain_sound::{load, resample, wav_bytes, write_wav};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Output, Stdio};
use tempfile::tempdir;

/// The words in the sound that ships.
const SAID: &str = "the young captain is waiting behind the station";

fn model(name: &str) -> String {
    models().join(name).display().to_string()
}

fn sample() -> String {
    models().join("sample.wav").display().to_string()
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// `transcribe --stream`, which waits for samples.
fn listening(more: &[&str]) -> Child {
    let english = model("english-stream");
    let mut command = refrain(&["transcribe", "--stream", "--model", &english]);
    command
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Samples as a stream has them.
fn pcm(samples: &[f32]) -> Vec<u8> {
    let samples = samples
        .iter()
        .map(|x| (x.clamp(-1.0, 1.0) * 32_767.0) as i16);
    samples.flat_map(i16::to_le_bytes).collect()
}

/// Answers of `transcribe --stream` to samples at 16 kHz.
fn stream(samples: &[f32], more: &[&str]) -> Output {
    let mut child = listening(more);
    let bytes = pcm(samples);
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        for piece in bytes.chunks(3001) {
            // A program that has ended reads no further.
            if input.write_all(piece).is_err() {
                break;
            }
        }
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

#[cfg(unix)]
#[test]
fn a_stream_that_falls_silent_ends_with_ctrl_c_and_what_was_heard() {
    let mut child = listening(&["--json"]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(&pcm(&samples())).unwrap();
    // The first line says that it listens; then no more sound comes, and the input stays open.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let pid = child.id().to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(killed.success());
    let last = lines.last().unwrap().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(input);
    assert!(json(&first)["final"] == false, "{first}");
    assert!(json(&last)["final"] == true, "{last}");
}

fn samples() -> Vec<f32> {
    let sound = load(models().join("sample.wav")).unwrap();
    resample(&sound.samples, sound.rate, 16_000).unwrap()
}

#[test]
fn the_sound_that_ships_is_written_down_by_itself() {
    assert_eq!(ok(&["transcribe", &sample()]).trim(), SAID);
    let named = ok(&["transcribe", "--model", "english", &sample()]);
    assert_eq!(named.trim(), SAID);
}

#[test]
fn a_transcript_has_times_and_confidences_and_other_readings() {
    let english = model("english");
    let text = ok(&[
        "transcribe",
        "--model",
        &english,
        "--json",
        "--best",
        "4",
        "--beam",
        "20",
        "--stats",
        &sample(),
    ]);
    let object = json(&text);
    assert_eq!(object["text"], SAID);
    let words = object["words"].as_array().unwrap();
    assert_eq!(words.len(), 8);
    let mut before = 0.0;
    for (word, expected) in words.iter().zip(SAID.split(' ')) {
        assert_eq!(word["word"], expected);
        let [begin, end, sure] =
            ["begin", "end", "confidence"].map(|name| word[name].as_f64().unwrap());
        assert!(begin >= before && end > begin && (0.0..=1.0).contains(&sure));
        let characters = word["characters"].as_array().unwrap();
        assert_eq!(characters.len(), expected.len());
        before = end;
    }
    assert!(before <= object["seconds"].as_f64().unwrap());
    let others = object["alternatives"].as_array().unwrap();
    assert_eq!(others.len(), 3);
    assert!(
        others
            .iter()
            .all(|own| own["text"] != SAID && own["behind"].as_f64() >= Some(0.0))
    );
    assert!(object["real_time_factor"].as_f64().unwrap() > 0.0);
}

#[test]
fn subtitles_are_written_beside_each_other_and_a_bad_file_does_not_stop_the_rest() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let english = model("english");
    fs::copy(sample(), path("a.wav")).unwrap();
    fs::write(path("b.wav"), "this is text").unwrap();
    fs::copy(sample(), path("c.wav")).unwrap();
    let files = [path("a.wav"), path("b.wav"), path("c.wav")];
    let mut arguments = vec!["transcribe", "--model", &english];
    arguments.extend(files.iter().map(String::as_str));
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<String> = [0, 2].map(|n| format!("{}: {SAID}", files[n])).into();
    assert_eq!(out(&output).lines().collect::<Vec<_>>(), lines);
    let said = err(&output);
    assert!(
        said.contains("b.wav") && said.contains("1 of 3 files"),
        "{said}"
    );

    let into = path("out");
    for (format, first) in [
        ("srt", "1\n00:00:0"),
        ("vtt", "WEBVTT\n\n1\n"),
        ("txt", "the young"),
    ] {
        let name = if format == "txt" { "text" } else { format };
        ok(&[
            "transcribe",
            "--model",
            &english,
            "--format",
            name,
            "--out",
            &into,
            &files[0],
            &files[2],
        ]);
        let written = fs::read_to_string(folder.path().join(format!("out/c.{format}"))).unwrap();
        assert!(
            written.starts_with(first) && written.contains(SAID),
            "{written}"
        );
    }
    let two = fails(&[
        "transcribe",
        "--model",
        &english,
        "--format",
        "srt",
        &files[0],
        &files[2],
    ]);
    assert!(two.contains("--out"), "{two}");
}

#[test]
fn a_stream_is_written_down_and_what_is_final_stays() {
    let mut samples = samples();
    let once = samples.clone();
    samples.resize(samples.len() + 24_000, 0.0);
    samples.extend(once);
    let plain = stream(&samples, &["--stats"]);
    assert!(plain.status.success(), "{}", err(&plain));
    let lines: Vec<String> = out(&plain).lines().map(str::to_string).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in &lines {
        let right = line.split(' ').filter(|word| SAID.contains(word)).count();
        assert!(right >= 5, "{lines:?}");
    }
    assert!(
        err(&plain).contains("the first words were shown after"),
        "{}",
        err(&plain)
    );

    let objects = stream(&samples, &["--json"]);
    let (mut finals, mut stable) = (Vec::new(), String::new());
    for line in out(&objects).lines() {
        let object = json(line);
        let text = object["text"].as_str().unwrap();
        assert!(text.starts_with(&stable), "{text}: {stable}");
        match object["final"].as_bool().unwrap() {
            true => {
                finals.push(text.to_string());
                stable.clear();
            }
            false => stable = object["stable"].as_str().unwrap().to_string(),
        }
    }
    assert_eq!(finals, lines);

    let english = model("english");
    let whole = fails(&["transcribe", "--stream", "--model", &english]);
    assert!(whole.contains("english-stream"), "{whole}");
}

#[test]
fn sounds_of_any_kind_get_an_answer_or_an_error() {
    let folder = tempdir().unwrap();
    let english = model("english");
    let path = |name: &str| folder.path().join(name);
    let hear = |name: &str| {
        let path = path(name).display().to_string();
        let output = run(&["transcribe", "--model", &english, &path]);
        assert!(!err(&output).contains("panicked"), "{}", err(&output));
        output
    };
    let samples = samples();
    // Sounds that can still be understood.
    let other = |rate: u32| resample(&samples, 16_000, rate).unwrap();
    write_wav(&path("high.wav"), &other(96_000), 96_000).unwrap();
    write_wav(&path("telephone.wav"), &other(8000), 8000).unwrap();
    let shifted: Vec<f32> = samples.iter().map(|x| x * 0.5 + 0.3).collect();
    write_wav(&path("shifted.wav"), &shifted, 16_000).unwrap();
    let clipped: Vec<f32> = samples.iter().map(|x| (x * 8.0).clamp(-1.0, 1.0)).collect();
    write_wav(&path("clipped.wav"), &clipped, 16_000).unwrap();
    let quiet: Vec<f32> = samples.iter().map(|x| x * 0.01).collect();
    write_wav(&path("quiet.wav"), &quiet, 16_000).unwrap();
    for name in ["high", "telephone", "shifted", "clipped", "quiet"] {
        let output = hear(&format!("{name}.wav"));
        assert!(output.status.success(), "{name}: {}", err(&output));
        let text = out(&output);
        let right = text
            .split_whitespace()
            .filter(|word| SAID.contains(word))
            .count();
        assert!(right >= 3, "{name}: {text}");
    }
    // Sounds without words.
    write_wav(&path("silent.wav"), &[0.0; 32_000], 16_000).unwrap();
    write_wav(&path("short.wav"), &samples[8000..8160], 16_000).unwrap();
    for name in ["silent", "short"] {
        let output = hear(&format!("{name}.wav"));
        assert!(output.status.success(), "{name}: {}", err(&output));
        assert!(out(&output).trim().len() < 4, "{name}: {}", out(&output));
        let (empty, note) = (out(&output).trim().is_empty(), err(&output));
        assert_eq!(
            empty,
            note.contains("no words were found"),
            "{name}: {note}"
        );
    }
    assert_eq!(out(&hear("silent.wav")).trim(), "");
    let words = folder.path().join("words.txt");
    fs::write(&words, "zyzzyva\n").unwrap();
    let lexicon = run(&[
        "transcribe",
        "--model",
        &model("english"),
        "--lexicon",
        words.to_str().unwrap(),
        path("silent.wav").to_str().unwrap(),
    ]);
    assert!(
        err(&lexicon).contains("that the lexicon allows"),
        "{}",
        err(&lexicon)
    );
    // A sound that is cut off.
    let bytes = wav_bytes(&samples, 16_000).unwrap();
    fs::write(path("cut.wav"), &bytes[..bytes.len() / 2]).unwrap();
    let output = hear("cut.wav");
    assert!(
        output.status.success() && out(&output).starts_with("the young"),
        "{}",
        out(&output)
    );
    assert!(err(&output).contains("cut off"), "{}", err(&output));
    // Files without sound.
    fs::write(path("empty.wav"), "").unwrap();
    fs::write(path("text.wav"), "the young captain").unwrap();
    fs::write(path("header.wav"), &bytes[..20]).unwrap();
    fs::create_dir(path("folder.wav")).unwrap();
    write_wav(&path("none.wav"), &[], 16_000).unwrap();
    for name in ["none", "empty", "text", "header", "folder", "missing"] {
        let output = hear(&format!("{name}.wav"));
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(err(&output).contains(name), "{}", err(&output));
    }
}

#[test]
fn a_known_text_is_aligned_and_spikes_are_drawn() {
    let folder = tempdir().unwrap();
    let english = model("english");
    let text = ok(&[
        "speech",
        "align",
        &sample(),
        "--model",
        &english,
        "--text",
        "The young captain!",
    ]);
    let words: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .collect();
    assert_eq!(words, ["the", "young", "captain"]);
    let object = json(&ok(&[
        "speech",
        "align",
        &sample(),
        "--model",
        &english,
        "--text",
        SAID,
        "--json",
    ]));
    assert_eq!(object["words"].as_array().unwrap().len(), 8);
    let foreign = fails(&[
        "speech",
        "align",
        &sample(),
        "--model",
        &english,
        "--text",
        "señor",
    ]);
    assert!(foreign.contains("'ñ'"), "{foreign}");

    let drawn = folder.path().join("spikes.png").display().to_string();
    ok(&[
        "transcribe",
        "--model",
        &english,
        "--plot",
        &drawn,
        &sample(),
    ]);
    let png = fs::read(&drawn).unwrap();
    assert!(png.starts_with(b"\x89PNG") && png.len() > 10_000);
}

#[test]
fn the_models_that_ship_are_small_and_say_how_good_they_are() {
    for name in ["english", "english-stream", "digits"] {
        let folder = model(name);
        let entries = fs::read_dir(&folder).unwrap();
        let bytes: u64 = entries
            .map(|own| own.unwrap().metadata().unwrap().len())
            .sum();
        assert!(bytes <= 5_000_000, "{name}: {bytes}");
        let about = ok(&["info", &folder]);
        assert!(about.contains("wrong"));
        let mut by_name = refrain(&["info", name]);
        by_name.current_dir(models().parent().unwrap());
        assert_eq!(out(&by_name.output().unwrap()), about);
    }
    // Hot words and a search need no files.
    let english = model("english");
    let hot = ok(&[
        "transcribe",
        "--model",
        &english,
        "--beam",
        "20",
        "--hot-word",
        "Captain",
        &sample(),
    ]);
    assert!(hot.contains("captain"), "{hot}");
}
