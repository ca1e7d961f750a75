//! Model folders: locked, copied, resumed, damaged and forged.

use crate::support;
use refrain::Error;
use refrain::files::tensors::{self, Storage};
use refrain::store::{Existing, Lock, ModelFolder, Room};
use refrain::tasks::{Out, Site, Split, TASKS};
use refrain::train::{Checkpoint, Control, Event, Stopped};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

const ADDING: &str = r#"
task = "adding"
[data]
kind = "adding"
length = 10
examples = 200
[model]
hidden = 8
[train]
batch = 25
epochs = 2
optimizer = { kind = "adamw", lr = 0.01 }
"#;

fn train(out: &Path, overrides: &[&str]) -> Result<Stopped, Error> {
    let recipe = support::recipe(ADDING, overrides)?;
    let summary = support::train(&recipe, out, Path::new("."), &mut |_| Control::Continue);
    summary.map(|summary| summary.stopped)
}

fn trained() -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    train(&run, &[]).unwrap();
    (folder, run)
}

fn no_files(_: &Path) -> Vec<PathBuf> {
    Vec::new()
}

#[test]
fn one_process_trains_in_a_folder() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let room = Room::make(&run, Existing::Refuse, &no_files).unwrap();
    assert!(matches!(train(&run, &[]), Err(Error::InUse { .. })));
    for existing in [Existing::Refuse, Existing::Replace] {
        let second = Room::make(&run, existing, &no_files);
        assert!(matches!(second, Err(Error::InUse { .. })));
    }
    let beside = Room::make(&run, Existing::Beside, &no_files).unwrap();
    assert_eq!(beside.path, folder.path().join("run-2"));
    drop(room);
    train(&run, &[]).unwrap();
    // A resumed run locks the folder, too.
    let lock = Lock::take(&run).unwrap();
    let resumed = support::resume(&run, &mut |_| Control::Continue);
    assert!(matches!(resumed, Err(Error::InUse { .. })));
    drop(lock);
    support::resume(&run, &mut |_| Control::Continue).unwrap();
}

#[test]
fn a_run_is_replaced_only_when_asked_and_then_alone() {
    let (_keep, run) = trained();
    fs::write(run.join("notes.txt"), "mine").unwrap();
    assert!(matches!(train(&run, &[]), Err(Error::Occupied { .. })));
    let recipe = support::recipe(ADDING, &["model.hidden=5"]).unwrap();
    let out = Out {
        folder: run.clone(),
        existing: Existing::Replace,
    };
    let mut observe = |_: &Event| Control::Continue;
    TASKS
        .train(&recipe, &out, &Site::default(), &mut observe)
        .unwrap();
    let opened = ModelFolder::open(&run).unwrap();
    assert_eq!(
        opened.recipe().body["model"]["hidden"].as_integer(),
        Some(5)
    );
    assert_eq!(fs::read_to_string(run.join("notes.txt")).unwrap(), "mine");
}

#[test]
fn a_finished_run_can_be_trained_on() {
    let (_keep, run) = trained();
    let on = |epochs| {
        let mut steps = 0;
        let summary = TASKS.resume(&run, None, &Site::default(), Some(epochs), &mut |event| {
            steps += u32::from(matches!(event, Event::Step { .. }));
            Control::Continue
        });
        summary.map(|summary| (summary.epochs, steps))
    };
    assert_eq!(on(2).unwrap(), (2, 0), "there is nothing left to do");
    assert_eq!(on(4).unwrap(), (4, 16));
    assert!(on(3).unwrap_err().to_string().contains("4 epochs"));
    let opened = ModelFolder::open(&run).unwrap();
    assert_eq!(opened.recipe().train.epochs, 4);
    assert!(opened.about().figures.finished);
}

#[test]
fn a_run_that_is_trained_on_can_be_killed_and_resumed() {
    let folder = tempdir().unwrap();
    let stopping = ["train.early_stopping={ patience = 4 }", "train.epochs=3"];
    let [calm, rough] = ["calm", "rough"].map(|name| folder.path().join(name));
    let on = |run: &Path, stop_at: u32| {
        let mut steps = 0;
        TASKS.resume(run, None, &Site::default(), Some(9), &mut |event| {
            steps += u32::from(matches!(event, Event::Step { .. }));
            let about = fs::read_to_string(run.join("model.toml")).unwrap();
            let ended = matches!(event, Event::Finished { .. } | Event::Tested { .. });
            assert!(ended || about.contains("finished = false"), "{event:?}");
            match steps >= stop_at {
                true => Control::Stop,
                false => Control::Continue,
            }
        })
    };
    for run in [&calm, &rough] {
        train(run, &stopping).unwrap();
    }
    let whole = on(&calm, u32::MAX).unwrap();
    // The same command again, as after a kill, and then without the number of epochs.
    assert_eq!(on(&rough, 11).unwrap().stopped, Stopped::Asked);
    assert_eq!(on(&rough, 9).unwrap().stopped, Stopped::Asked);
    let parts = support::resume(&rough, &mut |_| Control::Continue).unwrap();
    assert_eq!((parts.epochs, parts.steps), (whole.epochs, whole.steps));
    let model = |run: &Path| fs::read(run.join("model.safetensors")).unwrap();
    assert_eq!(model(&calm), model(&rough));
}

#[test]
fn a_model_without_a_checkpoint_is_not_trained_over() {
    let (keep, run) = trained();
    let copy = keep.path().join("copy");
    support::pack(&run, &copy).unwrap();
    let before = fs::read(copy.join("model.safetensors")).unwrap();
    let mut observe = |_: &Event| Control::Continue;
    let on = TASKS.resume(&copy, None, &Site::default(), Some(20), &mut observe);
    let error = on.unwrap_err().to_string();
    assert!(error.contains("no checkpoint"), "{error}");
    assert_eq!(before, fs::read(copy.join("model.safetensors")).unwrap());
}

#[test]
fn a_folder_cannot_have_other_files_removed() {
    let (keep, run) = trained();
    let victim = keep.path().join("victim.txt");
    fs::write(&victim, "mine").unwrap();
    fs::write(run.join("words.txt"), "own").unwrap();
    let forged = |_: &Path| {
        let names = [Path::new("../victim.txt"), &victim, Path::new("words.txt")];
        names.map(PathBuf::from).to_vec()
    };
    Room::make(&run, Existing::Replace, &forged).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
    assert!(!run.join("words.txt").exists() && !run.join("model.toml").exists());
}

#[test]
fn names_stay_inside_the_folder() {
    let (keep, run) = trained();
    let opened = ModelFolder::open(&run).unwrap();
    fs::write(run.join("words.arpa"), "").unwrap();
    assert_eq!(
        opened.inside(Path::new("words.arpa")).unwrap(),
        run.join("words.arpa")
    );
    assert!(opened.inside(Path::new("not/yet/there.txt")).is_ok());
    let outside = keep.path().join("secret.txt");
    fs::write(&outside, "secret").unwrap();
    for name in [
        Path::new("../secret.txt"),
        Path::new("a/../../secret.txt"),
        &outside,
    ] {
        let error = opened.inside(name).unwrap_err().to_string();
        assert!(error.contains("outside"), "{error}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&outside, run.join("link.txt")).unwrap();
        assert!(opened.inside(Path::new("link.txt")).is_err());
    }
}

#[test]
fn a_copy_has_the_files_of_the_model_and_costs_little() {
    let (keep, run) = trained();
    fs::write(run.join("private.txt"), "mine").unwrap();
    fs::write(run.join("words.txt"), "one two").unwrap();
    let opened = ModelFolder::open(&run).unwrap();
    let own = [PathBuf::from("words.txt"), PathBuf::from("missing.txt")];
    let whole = support::evaluate(&run, Split::Test).unwrap().metrics["mse"];
    for (storage, name) in [(Storage::F16, "half"), (Storage::Int8, "bytes")] {
        let copy = keep.path().join(name);
        opened.pack(&copy, &own, storage).unwrap();
        let mut names: Vec<_> = fs::read_dir(&copy)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["model.safetensors", "model.toml", "words.txt"]);
        let packed = support::evaluate(&copy, Split::Test).unwrap().metrics["mse"];
        assert!((packed - whole).abs() < 0.02 * whole, "{packed} {whole}");
        assert!(opened.pack(&copy, &own, storage).is_err(), "it is there");
    }
    let bad = keep.path().join("bad");
    let foreign = [PathBuf::from("../private.txt")];
    assert!(opened.pack(&bad, &foreign, Storage::F16).is_err());
}

#[test]
fn bytes_with_scales_come_back_within_half_a_step() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("x.safetensors");
    let tensor = |name: &str, shape: &[usize], data: Vec<f32>| refrain::params::NamedTensor {
        name: name.into(),
        shape: shape.to_vec(),
        data,
    };
    let all = vec![
        tensor("w", &[2, 3], vec![1.0, -0.5, 0.25, 0.0, 0.0, 0.0]),
        tensor("b", &[2], vec![0.1, 100.0]),
    ];
    tensors::save_as(&file, all.clone(), Storage::Int8, ("key", "text".into())).unwrap();
    let (read, _) = tensors::load(&file).unwrap();
    assert_eq!(read.len(), 2, "the scales are no tensors of their own");
    for tensor in &all {
        for (got, expected) in read[&tensor.name].data.iter().zip(&tensor.data) {
            let step = if tensor.name == "w" {
                1.0 / 254.0
            } else {
                0.05
            };
            assert!((got - expected).abs() <= step + 1e-6, "{got} {expected}");
        }
    }
    // A file without the scales of its bytes is invalid.
    let bytes = fs::read(&file).unwrap();
    let text = String::from_utf8_lossy(&bytes).replace("w.row_scales", "v.row_scales");
    assert!(text.contains("v.row_scales"));
    let position = bytes.windows(12).position(|own| own == b"w.row_scales");
    let mut forged = bytes.clone();
    forged[position.unwrap()] = b'v';
    fs::write(&file, forged).unwrap();
    let error = tensors::load(&file).unwrap_err().to_string();
    assert!(error.contains("scale"), "{error}");
}

#[test]
fn a_checkpoint_with_a_changed_byte_is_damaged() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let recipe = support::recipe(ADDING, &[]).unwrap();
    let mut steps = 0;
    support::train(&recipe, &run, Path::new("."), &mut |event| {
        steps += u32::from(matches!(event, Event::Step { .. }));
        match steps {
            5 => Control::Stop,
            _ => Control::Continue,
        }
    })
    .unwrap();
    let file = run.join("checkpoint.safetensors");
    let whole = fs::read(&file).unwrap();
    for place in [whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        fs::write(&file, bytes).unwrap();
        let error = support::resume(&run, &mut |_| Control::Continue);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("damaged"), "{error}");
    }
    // The same for the state of the run, which is text before the tensors.
    let header = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for place in (8..8 + header).step_by(7) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        fs::write(&file, &bytes).unwrap();
        let loaded = Checkpoint::load(&file);
        let around = String::from_utf8_lossy(&whole[place.saturating_sub(20)..place + 20]);
        // Spaces that fill the header up to a multiple of 8 mean nothing.
        assert!(loaded.is_err() || whole[place] == b' ', "{place}: {around}");
    }
    fs::write(&file, whole).unwrap();
    support::resume(&run, &mut |_| Control::Continue).unwrap();
}

#[test]
fn a_model_of_values_that_are_no_numbers_is_refused_everywhere() {
    let (keep, run) = trained();
    let file = run.join("model.safetensors");
    let (mut all, _) = tensors::load(&file).unwrap();
    all.values_mut().next().unwrap().data[0] = f32::NAN;
    let all: Vec<_> = all.into_values().collect();
    tensors::save(&file, all, ("format", "pt".into())).unwrap();
    let opened = ModelFolder::open(&run).unwrap();
    let load = TASKS.load(&run, toml::Table::new(), &Site::default());
    let errors = [
        opened.tensors().unwrap_err(),
        support::evaluate(&run, Split::Test).unwrap_err(),
        support::pack(&run, &keep.path().join("copy")).unwrap_err(),
        load.map(|_| ()).unwrap_err(),
        train(&keep.path().join("next"), &[&format!("train.init={run:?}")]).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains("not numbers"), "{error}");
    }
    assert!(!keep.path().join("copy").join("model.toml").exists());
}

#[test]
fn a_model_that_no_memory_holds_is_refused_before_it_is_made() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    for setting in [
        "model.hidden=1000000",
        "model.layers=1000000000",
        "model.hidden=4000000000",
        "train.batch=100000000000",
    ] {
        let error = train(&out, &[setting]).unwrap_err();
        assert!(
            matches!(error, Error::TooLarge { .. }),
            "{setting}: {error}"
        );
        assert!(error.to_string().contains("model.hidden"), "{error}");
        assert!(!out.exists(), "{setting}");
    }
    // The same for sizes in the `model.toml` of a folder.
    train(&out, &["train.epochs=1"]).unwrap();
    let about = fs::read_to_string(out.join("model.toml")).unwrap();
    let forged = about
        .replace("hidden = 8", "hidden = 4000000000")
        .replace("finished = true", "finished = false");
    fs::write(out.join("model.toml"), forged).unwrap();
    let error = support::resume(&out, &mut |_| Control::Continue).unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn a_device_in_the_place_of_a_file_is_refused() {
    let (_keep, run) = trained();
    for name in ["model.safetensors", "model.toml"] {
        let file = run.join(name);
        let whole = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
        let error = support::evaluate(&run, Split::Test).unwrap_err();
        assert!(error.to_string().contains("ordinary file"), "{error}");
        fs::remove_file(&file).unwrap();
        fs::write(&file, whole).unwrap();
    }
    support::evaluate(&run, Split::Test).unwrap();
}
