//! The speech task from sound files to text, in process: letters are tones.

use refrain::Error;
use refrain::recipe::Recipe;
use refrain::tasks::speech::load_acoustic_model;
use refrain::tasks::{self, EvaluateOn, EvaluateOptions, Split, Summary, TrainOptions};
use refrain::train::{Control, Event, Stopped};
use refrain_kernels::random::Key;
use refrain_sound::{wav_bytes, write_wav};
use std::fs::{self, File};
use std::path::Path;
use tempfile::tempdir;

const RATE: u32 = 8000;
const RECIPE: &str = r#"
task = "speech"
[data]
train = ["tones/train"]
test = ["tones/test"]
keep_back = 0.1
features = { log_mel = { rate = 8000, mels = 20 } }
augment = { speed = [0.98, 1.02], tempo = [0.9, 1.1], warp = [0.98, 1.02], noise = { share = 0.5, snr_db = [25, 40] }, room = { share = 0.3, seconds = [0.01, 0.05], direct_db = [10, 20] }, masks = { time_masks = 1, time_width = 2, feature_masks = 0 } }
[model]
convolutions = [{ channels = 16, kernel = 4, stride = 2 }]
hidden = 24
layers = 1
[train]
batch = 8
epochs = 14
checkpoint_every_seconds = 0
optimizer = { kind = "adamw", lr = 1e-2 }
"#;

/// A tone of 0.12 s for each letter, silence for a space.
fn sing(text: &str) -> Vec<f32> {
    let tone = |letter: char| match letter {
        'a' => 500.0,
        'b' => 1100.0,
        'c' => 2300.0,
        _ => 0.0,
    };
    let length = RATE as usize * 12 / 100;
    let samples = text.chars().flat_map(|letter| {
        (0..length).map(move |i| {
            let edge = (i.min(length - i) as f32 / 80.0).min(1.0);
            0.4 * edge * (i as f32 * tone(letter) * std::f32::consts::TAU / RATE as f32).sin()
        })
    });
    samples.collect()
}

/// Letters without a repeat, with a space here and there.
fn text(number: u64) -> String {
    let key = Key::new(number);
    let mut text = String::new();
    for k in 0..3 + (key.uniform_f32(0) * 5.0) as u64 {
        let last = text.chars().last();
        let all: Vec<char> = "abc "
            .chars()
            .filter(|c| Some(*c) != last && (k > 0 || *c != ' '))
            .collect();
        text.push(all[(key.uniform_f32(k + 1) * all.len() as f32) as usize]);
    }
    text.trim().to_string()
}

fn part(folder: &Path, name: &str, numbers: std::ops::Range<u64>) {
    fs::create_dir_all(folder.join("tones")).unwrap();
    let mut archive =
        tar::Builder::new(File::create(folder.join(format!("tones/{name}.tar"))).unwrap());
    let mut table = String::new();
    for number in numbers {
        let (text, file) = (text(number), format!("{number}.wav"));
        let bytes = wav_bytes(&sing(&text), RATE).unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, &file, &bytes[..]).unwrap();
        table += &format!("{file}\tsinger\t{}.\n", text.to_uppercase());
    }
    archive.finish().unwrap();
    fs::write(folder.join(format!("tones/{name}.tsv")), table).unwrap();
}

fn data(folder: &Path) {
    part(folder, "train", 0..96);
    part(folder, "test", 1000..1020);
}

fn train(folder: &Path, out: &str, stop_at: u64) -> Result<Summary, Error> {
    let options = TrainOptions {
        out: folder.join(out),
        data: Some(folder.to_path_buf()),
    };
    tasks::train(&Recipe::load(RECIPE, &[])?, &options, &mut stop(stop_at))
}

fn stop(at: u64) -> impl FnMut(&Event) -> Control {
    move |event| match event {
        Event::Step { step, .. } if *step >= at => Control::Stop,
        _ => Control::Continue,
    }
}

#[test]
fn tones_are_written_down_and_a_run_goes_on_to_the_same_bits() {
    let folder = tempdir().unwrap();
    data(folder.path());
    let whole = train(folder.path(), "whole", u64::MAX).unwrap();
    let rate = whole.test.as_ref().unwrap()["cer"];
    assert!(rate < 8.0, "{rate}% of the characters are wrong");

    let model = folder.path().join("whole");
    let again = tasks::evaluate(
        &model,
        &EvaluateOn::Split(Split::Test),
        &EvaluateOptions::default(),
    )
    .unwrap();
    assert_eq!(again.metrics, whole.test.unwrap());

    let begun = train(folder.path(), "parts", 30).unwrap();
    assert_eq!(begun.stopped, Stopped::Asked);
    let parts = folder.path().join("parts");
    tasks::resume(&parts, None, &mut |_| Control::Continue).unwrap();
    let [one, other] =
        [&model, &parts].map(|path| fs::read(path.join("model.safetensors")).unwrap());
    assert_eq!(one, other);

    // A file of another rate, with the times of its words.
    let loaded = load_acoustic_model(&model).unwrap();
    let file = folder.path().join("song.wav");
    let slow: Vec<f32> = sing("abc cab").iter().flat_map(|&x| [x, x]).collect();
    write_wav(&file, &slow, 2 * RATE).unwrap();
    let transcript = loaded.transcribe_file(&file, 1).unwrap();
    assert_eq!(transcript.text, "abc cab");
    assert!((transcript.seconds - 0.84).abs() < 1e-6);
    assert_eq!(transcript.words.len(), 2);
    let [first, second] = [&transcript.words[0], &transcript.words[1]];
    assert!(first.begin < 0.15 && first.end < second.begin && second.end > 0.6 && second.end < 0.9);
    assert!(first.confidence > 0.5 && first.confidence <= 1.0);
}

#[test]
fn sounds_that_hold_nothing_give_no_text_or_an_error() {
    let folder = tempdir().unwrap();
    data(folder.path());
    train(folder.path(), "run", 12).unwrap();
    let loaded = match load_acoustic_model(&folder.path().join("run")) {
        Ok(loaded) => loaded,
        Err(error) => panic!("{error}"),
    };
    for samples in [
        vec![],
        vec![0.0; 80],
        vec![0.0; 4000],
        vec![f32::NAN; 4000],
        vec![1.0; 4000],
    ] {
        let transcript = loaded.transcribe(&samples, RATE).unwrap();
        assert!(transcript.words.iter().all(|word| word.end >= word.begin));
    }
    assert!(loaded.transcribe(&[0.0; 100], 0).is_err());
    let file = folder.path().join("text.wav");
    fs::write(&file, "no sound at all").unwrap();
    assert!(loaded.transcribe_file(&file, 1).is_err());
    fs::write(&file, "").unwrap();
    assert!(loaded.transcribe_file(&file, 1).is_err());
    assert!(
        loaded
            .transcribe_file(&folder.path().join("nowhere.wav"), 1)
            .is_err()
    );
}

#[test]
fn what_a_recipe_cannot_have_is_said_before_a_folder_is_made() {
    let folder = tempdir().unwrap();
    data(folder.path());
    let wrong = [
        ("data.test=[\"tones/none\"]", "tones/none.tsv"),
        ("data.keep_back=0.0", "valid part"),
        ("data.features.stored=13", "either log_mel or stored"),
        ("data.features.log_mel.mels=0", "filters"),
        ("model.hidden=0", "model.hidden"),
    ];
    for (setting, expected) in wrong {
        let recipe = Recipe::load(RECIPE, &[setting.to_string()]).unwrap();
        let options = TrainOptions {
            out: folder.path().join("out"),
            data: Some(folder.path().to_path_buf()),
        };
        let error = tasks::train(&recipe, &options, &mut |_| Control::Continue)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{setting}: {error}");
        assert!(!options.out.exists(), "{setting}");
    }
}
