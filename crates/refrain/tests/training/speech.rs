//! The speech task from sound files to text, in process: letters are tones.

use crate::support;
use crate::tones::{RATE, RECIPE, data, part, sing, text, train, write_part};
use refrain::tasks::Split;
use refrain::train::{Control, Stopped};
use refrain_sound::{wav_bytes, write_wav};
use std::fs;
use tempfile::tempdir;

#[test]
fn tones_are_written_down_and_a_run_goes_on_to_the_same_bits() {
    let folder = tempdir().unwrap();
    data(folder.path());
    let whole = train(folder.path(), "whole", u64::MAX).unwrap();
    let rate = whole.test.as_ref().unwrap()["cer"];
    assert!(rate < 8.0, "{rate}% of the characters are wrong");

    let model = folder.path().join("whole");
    let again = support::evaluate(&model, Split::Test).unwrap();
    assert_eq!(again.metrics, whole.test.unwrap());

    let begun = train(folder.path(), "parts", 30).unwrap();
    assert_eq!(begun.stopped, Stopped::Asked);
    let parts = folder.path().join("parts");
    support::resume(&parts, &mut |_| Control::Continue).unwrap();
    let [one, other] =
        [&model, &parts].map(|path| fs::read(path.join("model.safetensors")).unwrap());
    assert_eq!(one, other);

    // A file of another rate, with the times of its words.
    let loaded = support::speech(&model).unwrap();
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
    let loaded = match support::speech(&folder.path().join("run")) {
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
fn wrong_settings_are_refused_before_a_folder_is_made() {
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
        let recipe = support::recipe(RECIPE, &[setting]).unwrap();
        let out = folder.path().join("out");
        let error = support::train(&recipe, &out, folder.path(), &mut |_| Control::Continue)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{setting}: {error}");
        assert!(!out.exists(), "{setting}");
    }
}

#[test]
fn a_run_is_not_resumed_on_other_sounds() {
    let folder = tempdir().unwrap();
    data(folder.path());
    train(folder.path(), "run", 30).unwrap();
    let run = folder.path().join("run");
    // The same names and transcripts with other sounds.
    let quiet = (0..96).map(|number| {
        let samples: Vec<f32> = sing(&text(number)).iter().map(|x| x * 0.9).collect();
        let bytes = wav_bytes(&samples, RATE).unwrap();
        (format!("{number}.wav"), text(number), bytes)
    });
    write_part(folder.path(), "train", quiet);
    let resumed = support::resume(&run, &mut |_| Control::Continue);
    let error = resumed.unwrap_err().to_string();
    assert!(error.contains("data"), "{error}");
    // With the sounds of the beginning it goes on.
    part(folder.path(), "train", 0..96);
    let resumed = support::resume(&run, &mut |_| Control::Stop);
    assert_eq!(resumed.unwrap().stopped, Stopped::Asked);
}

#[test]
fn a_bad_sound_in_an_archive_is_named() {
    let folder = tempdir().unwrap();
    data(folder.path());
    let good = wav_bytes(&sing("abc cab"), RATE).unwrap();
    let cut = good[..good.len() / 2].to_vec();
    let mut nan = Vec::from(*b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x03\0\x01\0");
    nan.extend(RATE.to_le_bytes());
    nan.extend((4 * RATE).to_le_bytes());
    nan.extend(*b"\x04\0\x20\0data\x40\x1f\0\0");
    nan.extend([f32::NAN.to_le_bytes(); 2000].concat());
    let cases = [
        (Vec::new(), "empty"),
        (cut, "cut off"),
        (b"no sound at all".to_vec(), "is not a WAV"),
        (nan, "not numbers"),
    ];
    for (bytes, expected) in cases {
        let file = |n: usize| match n {
            7 => ("bad.wav".to_string(), "abc cab".to_string(), bytes.clone()),
            n => (format!("{n}.wav"), "abc cab".to_string(), good.clone()),
        };
        write_part(folder.path(), "train", (0..20).map(file));
        let error = train(folder.path(), "out", 1).unwrap_err().to_string();
        let named = error.contains("bad.wav") && error.contains("train.tar");
        assert!(named && error.contains(expected), "{error}");
        assert!(!folder.path().join("out").exists());
    }
}
