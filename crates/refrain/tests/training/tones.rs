//! Speech made of tones: a letter is a tone, a space is silence.

use crate::support;
use refrain::Error;
use refrain::tasks::Summary;
use refrain::train::{Control, Event};
use refrain_kernels::random::Key;
use refrain_sound::wav_bytes;
use std::fs::{self, File};
use std::path::Path;

pub const RATE: u32 = 8000;
pub const RECIPE: &str = r#"
task = "speech"
[data]
train = ["tones/train"]
test = ["tones/test"]
keep_back = 0.1
features = { log_mel = { rate = 8000, mels = 20 } }
[data.augment]
speed = [0.98, 1.02]
tempo = [0.9, 1.1]
warp = [0.98, 1.02]
noise = { share = 0.5, snr_db = [25, 40] }
room = { share = 0.3, seconds = [0.01, 0.05], direct_db = [10, 20] }
masks = { time_masks = 1, time_width = 2, feature_masks = 0 }
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
pub fn sing(text: &str) -> Vec<f32> {
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
pub fn text(number: u64) -> String {
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

pub fn part(folder: &Path, name: &str, numbers: std::ops::Range<u64>) {
    let all = numbers.map(|number| {
        let text = text(number);
        let bytes = wav_bytes(&sing(&text), RATE).unwrap();
        (format!("{number}.wav"), text, bytes)
    });
    write_part(folder, name, all);
}

/// A part of files with their texts and bytes.
pub fn write_part(
    folder: &Path,
    name: &str,
    files: impl Iterator<Item = (String, String, Vec<u8>)>,
) {
    fs::create_dir_all(folder.join("tones")).unwrap();
    let archive = File::create(folder.join(format!("tones/{name}.tar"))).unwrap();
    let mut archive = tar::Builder::new(archive);
    let mut table = String::new();
    for (file, text, bytes) in files {
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

pub fn data(folder: &Path) {
    part(folder, "train", 0..96);
    part(folder, "test", 1000..1020);
}

pub fn train(folder: &Path, out: &str, stop_at: u64) -> Result<Summary, Error> {
    train_with(folder, out, &[], stop_at)
}

/// As the recipe says, with these settings over it.
pub fn train_with(
    folder: &Path,
    out: &str,
    settings: &[&str],
    stop_at: u64,
) -> Result<Summary, Error> {
    let recipe = support::recipe(RECIPE, settings)?;
    support::train(&recipe, &folder.join(out), folder, &mut stop(stop_at))
}

pub fn stop(at: u64) -> impl FnMut(&Event) -> Control {
    move |event| match event {
        Event::Step { step, .. } if *step >= at => Control::Stop,
        _ => Control::Continue,
    }
}
