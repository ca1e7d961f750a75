//! Models of text lines: rendered and real lines, resumed runs, folded case, pages.

use crate::support::{evaluate, recipe, resume, train};
use refrain::Error;
use refrain::recipe::Recipe;
use refrain::tasks::lines::{Components, FindLines};
use refrain::tasks::ocr::{self, PageOptions, rendered};
use refrain::tasks::{EvaluateData, EvaluateOn, Medium, Piece, SearchOptions, Site, Split, TASKS};
use refrain::train::{Control, Event};
use refrain_image::{Gray, Limits, Pages};
use refrain_page::{Lines, PageError};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::{TempDir, tempdir};

const DIGITS: &str = r#"
task = "ocr"
[data.render]
lines = 320
valid = 60
fonts = ["fonts"]
severity = 0.0
text = { alphabet = "0123456789", characters = [1, 3], mix = { sentence = 0, word = 0, pseudo = 0, receipt = 0, number = 0, random = 1, upper = 0, short = 0 } }
style = { x_height = [10.0, 14.0], spaced = 0.0 }
degrade = { severity = 0.0 }
[model]
height = 20
hidden = 24
layers = 1
columns = 24
dropout = 0.0
stages = [{ channels = 8, pool = [2, 2] }, { channels = 16, pool = [2, 1] }]
[train]
batch = 16
epochs = 50
checkpoint_every_seconds = 0
optimizer = { kind = "adamw", lr = 2e-2, weight_decay = 0.01 }
schedule = { kind = "cosine", warmup = 0.05, last = 0.1 }
"#;

/// A data folder with two fonts.
fn fonts() -> TempDir {
    let folder = tempdir().unwrap();
    let fonts = folder.path().join("fonts");
    fs::create_dir(&fonts).unwrap();
    for (name, bytes) in [
        ("sans.ttf", dejavu::sans::regular()),
        ("mono.ttf", dejavu::sans_mono::regular()),
    ] {
        fs::write(fonts.join(name), bytes).unwrap();
    }
    folder
}

fn digits(overrides: &[&str]) -> Recipe {
    recipe(DIGITS, overrides).unwrap()
}

fn site(data: &Path) -> Site {
    Site::default().with_data(data)
}

/// Rendered lines as files, with their texts in capitals and as they are.
fn write_lines(folder: &Path, recipe: &Recipe, data: &Path, count: usize) {
    fs::create_dir_all(folder).unwrap();
    for (number, line) in rendered(recipe, &site(data), count, 1.0)
        .unwrap()
        .iter()
        .enumerate()
    {
        // Pages of three lines.
        let name = folder.join(format!("{}_{number}", number / 3));
        line.image.write_png(&name.with_extension("png")).unwrap();
        fs::write(name.with_extension("gt.txt"), &line.text).unwrap();
    }
}

/// Black digits on a white page at these places.
fn page(data: &Path, rows: &[(usize, usize)]) -> Gray {
    let mut page = Gray::filled(400, 300, 255);
    let clean = digits(&["data.render.text.characters=[3,3]"]);
    let lines = rendered(&clean, &site(data), rows.len(), 1.0).unwrap();
    for (line, &(left, top)) in lines.iter().zip(rows) {
        let across = page.width();
        for y in 0..line.image.height() {
            let at = (top + y) * across + left;
            let row = line.image.row(y);
            page.pixels_mut()[at..at + row.len()].copy_from_slice(row);
        }
    }
    page
}

#[test]
fn digits_are_learned_from_rendered_lines_and_read_on_pages() {
    let data = fonts();
    let run = data.path().join("run");
    let summary = train(&digits(&[]), &run, data.path(), &mut |_| Control::Continue).unwrap();
    let best = summary.validation.unwrap();
    assert!(best["cer"] < 30.0 && best["exact"] > 50.0, "{best:?}");
    let loaded = ocr::open(&run, SearchOptions::default(), &Site::default()).unwrap();

    // Lines: alone, among others, and through the interface of all tasks.
    let lines = rendered(&digits(&[]), &site(data.path()), 40, 1.0).unwrap();
    let images: Vec<Gray> = lines.iter().map(|line| line.image.clone()).collect();
    let all = loaded.read(&images, 1).unwrap();
    let right = all
        .iter()
        .zip(&lines)
        .filter(|(read, line)| read.text == line.text);
    assert!(right.count() > 20);
    let used = TASKS
        .load(&run, toml::Table::new(), &Site::default())
        .unwrap();
    assert_eq!(used.ports().takes, Medium::Image);
    for (image, read) in images.iter().zip(&all).take(5) {
        assert_eq!(
            &loaded.read(std::slice::from_ref(image), 1).unwrap()[0],
            read
        );
        let mut session = used.clone().begin().unwrap();
        let mut text = String::new();
        let mut give = |piece: Piece| {
            if let Piece::Text(own) = piece {
                text.push_str(&own.text);
            }
            Control::Continue
        };
        session
            .push(Piece::Image(image.clone()), &mut give)
            .unwrap();
        session.finish(&mut give).unwrap();
        assert_eq!(text, format!("{}\n", read.text));
        for word in &read.words {
            assert!(word.left < word.right && word.left > -10.0);
            assert!(word.right < image.width() as f32 + 10.0);
        }
    }

    // Only what may be written is.
    let search = SearchOptions {
        allow: Some("13".into()),
        ..SearchOptions::default()
    };
    let strict = ocr::open(&run, search, &Site::default()).unwrap();
    for read in strict.read(&images, 1).unwrap() {
        assert!(
            read.text.chars().all(|c| "13 ".contains(c)),
            "{}",
            read.text
        );
    }

    // A page: lines in their order and at their places; nothing on a blank one.
    let rows = [(30, 20), (200, 110), (60, 200)];
    let image = page(data.path(), &rows);
    let read = |image: Gray| {
        let bytes = image.to_png().unwrap();
        let page = Pages::of(bytes, &Limits::default()).unwrap().next();
        loaded
            .read_page(&page.unwrap().unwrap(), &PageOptions::default())
            .unwrap()
    };
    let found = read(image);
    let lines: Vec<_> = found.blocks.iter().flat_map(|block| &block.lines).collect();
    assert_eq!(lines.len(), rows.len(), "{found:?}");
    for (line, (left, top)) in lines.iter().zip(rows) {
        let corner = line.quad.0[0];
        assert!((corner.x - left as f32).abs() < 15.0, "{line:?}");
        assert!((corner.y - top as f32).abs() < 15.0, "{line:?}");
        assert!(!line.words.is_empty());
    }
    assert_eq!(found.uncovered_ink, 0.0);
    assert!(found.seconds.is_empty());
    assert!(read(Gray::filled(300, 200, 255)).blocks.is_empty());

    // A page that was read is given, although the time is over before it was tried in another turn.
    let finder = Arc::new(OneTurn::default());
    let options = PageOptions {
        finder: finder.clone(),
        times: true,
        ..PageOptions::default()
    };
    let bytes = page(data.path(), &rows).turned(1).to_png().unwrap();
    let mut pages = Pages::of(bytes, &Limits::default()).unwrap();
    let late = loaded.read_page(&pages.next().unwrap().unwrap(), &options);
    let late = late.unwrap();
    assert_eq!(finder.searches.load(Ordering::Relaxed), 2);
    assert_eq!(late.turned, 0);
    assert!(!late.blocks.is_empty());
    assert!(late.warnings.iter().any(|own| own.contains("turns")));
    assert!(late.seconds.contains_key("text"), "{:?}", late.seconds);
}

/// Finds lines once, and has no time for more.
#[derive(Default)]
struct OneTurn {
    searches: AtomicUsize,
}

impl FindLines for OneTurn {
    fn find(&self, page: &Gray, limits: &refrain_page::Limits) -> Result<Lines, Error> {
        match self.searches.fetch_add(1, Ordering::Relaxed) {
            0 => Components.find(page, limits),
            _ => Err(Error::Page(PageError::Deadline {
                operation: "searching for components",
                width: page.width(),
                height: page.height(),
            })),
        }
    }
}

#[test]
fn a_run_that_was_stopped_ends_as_one_that_was_not() {
    let data = fonts();
    let short = digits(&["train.epochs=3", "data.render.degrade.severity=1.0"]);
    let whole = data.path().join("whole");
    let expected = train(&short, &whole, data.path(), &mut |_| Control::Continue).unwrap();
    let run = data.path().join("stopped");
    let mut steps = 0;
    // In the middle of an epoch, and of a group of rendered batches.
    let mut stop = |event: &Event| match event {
        Event::Step { .. } => {
            steps += 1;
            match steps >= 27 {
                true => Control::Stop,
                false => Control::Continue,
            }
        }
        _ => Control::Continue,
    };
    let stopped = train(&short, &run, data.path(), &mut stop).unwrap();
    assert!(stopped.steps < expected.steps);
    let done = resume(&run, &mut |_| Control::Continue).unwrap();
    assert_eq!(
        (done.steps, &done.validation),
        (expected.steps, &expected.validation)
    );
    let bytes = |folder: &PathBuf| fs::read(folder.join("model.safetensors")).unwrap();
    assert!(bytes(&run) == bytes(&whole), "the parameters differ");
}

#[test]
fn real_lines_train_with_folded_case_by_pages() {
    let data = fonts();
    let letters = "data.render.text.alphabet=\"abcdefghABCDEFGH\"";
    let source = digits(&[letters]);
    write_lines(&data.path().join("lines"), &source, data.path(), 60);
    let real = r#"
task = "ocr"
[data]
train = ["lines"]
folds = { count = 5, test = 1 }
times = 2
fold_case = true
augment = { severity = 0.5 }
[model]
height = 20
hidden = 12
layers = 1
columns = 12
stages = [{ channels = 4, pool = [2, 2] }]
[train]
batch = 8
epochs = 2
"#;
    let run = data.path().join("run");
    let own = recipe(real, &[]).unwrap();
    let summary = train(&own, &run, data.path(), &mut |_| Control::Continue).unwrap();
    // 20 pages of 3 lines: 12 pages train, twice, in batches of 8.
    assert_eq!(summary.steps, 2 * 2 * 36u64.div_ceil(8));
    let test = summary.test.unwrap();
    let mut again = evaluate_in(&run, data.path(), Split::Test.into());
    // Those of the confidence are figures of use, not of the training.
    assert!(again.contains_key("ece"));
    again.retain(|name, _| test.contains_key(name));
    assert_eq!(again, test);
    let worst = EvaluateOn {
        data: EvaluateData::File(data.path().join("lines")),
        worst: 3,
        confusions: 2,
    };
    let all = TASKS
        .evaluate(&run, toml::Table::new(), &worst, None, &site(data.path()))
        .unwrap();
    assert_eq!(all.worst.len(), 3);
    assert!(all.worst[0].errors >= all.worst[2].errors);
    assert_eq!(all.confusions.len(), 2);
    assert!(all.confusions[0].count >= all.confusions[1].count);
    assert!(all.metrics["space"] >= 0.0);
    // The vocabulary is that of the texts, and the space.
    let list = fs::read_to_string(run.join("vocabulary.json")).unwrap();
    assert!(list.contains('a') && list.contains('C') && !list.contains('1'));

    let refused = |change: &str, named: &str| {
        let own = recipe(real, &[change]).unwrap();
        let error = train(&own, &data.path().join("no"), data.path(), &mut |_| {
            Control::Continue
        });
        let error = error.unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    };
    refused("data.folds.test=5", "data.folds");
    refused("data.train=[\"absent\"]", "absent");
    // Texts from right to left would be learned in the wrong order.
    fs::write(data.path().join("lines/0_0.gt.txt"), "שלום 12").unwrap();
    refused("data.times=1", "right to left");
    let nothing = recipe(real, &["data.train=[]"]).unwrap_err();
    assert!(nothing.to_string().contains("data.train"));
    let flat = recipe(real, &["model.height=0"]).unwrap_err();
    assert!(flat.to_string().contains("model.height"));
}

fn evaluate_in(run: &Path, data: &Path, on: EvaluateOn) -> refrain::metrics::Metrics {
    let evaluation = TASKS.evaluate(run, toml::Table::new(), &on, None, &site(data));
    evaluation.unwrap().metrics
}

#[test]
fn a_recipe_without_fonts_says_so() {
    let data = tempdir().unwrap();
    let error = train(
        &digits(&[]),
        &data.path().join("run"),
        data.path(),
        &mut |_| Control::Continue,
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("fonts"), "{error}");
    let none = recipe("task = \"ocr\"\n[data]\ntrain = []\n", &[]);
    assert!(none.unwrap_err().to_string().contains("data.render"));
}

/// Debian's package tesseract-ocr-eng.
const ENGLISH: &str = "/usr/share/tesseract-ocr/5/tessdata/eng.traineddata";

#[test]
fn a_model_of_tesseract_reads_from_its_file_and_from_a_folder() {
    if !Path::new(ENGLISH).exists() {
        eprintln!("skipped: {ENGLISH} is missing (package tesseract-ocr-eng)");
        return;
    }
    let data = fonts();
    let out = refrain::tasks::Out::new(data.path().join("eng"));
    let (parameters, words) = ocr::import(Path::new(ENGLISH), &out).unwrap();
    assert!(parameters > 300_000 && words > 10_000);
    assert!(ocr::import(Path::new(ENGLISH), &out).is_err());
    let read = |path: &Path| {
        let loaded = ocr::open(path, SearchOptions::default(), &Site::default()).unwrap();
        let lines = rendered(&digits(&[]), &site(data.path()), 30, 1.0).unwrap();
        let images: Vec<Gray> = lines.iter().map(|line| line.image.clone()).collect();
        let read = loaded.read(&images, 1).unwrap();
        let right = read
            .iter()
            .zip(&lines)
            .filter(|(read, line)| read.text == line.text);
        assert!(right.count() > 20);
        read
    };
    assert_eq!(read(Path::new(ENGLISH)), read(&out.folder));
    // A line that stands on its side is read as the upright one, alone and from a file.
    let loaded = ocr::open(&out.folder, SearchOptions::default(), &Site::default()).unwrap();
    let long = digits(&["data.render.text.characters=[9,9]"]);
    let line = &rendered(&long, &site(data.path()), 1, 1.0).unwrap()[0];
    let sides = [0, 1, 3].map(|quarters| line.image.turned(quarters));
    let texts = loaded.read(&sides, 1).unwrap();
    for (read, turned) in texts.iter().zip([0, 3, 1]) {
        assert_eq!((&read.text, read.turned), (&line.text, turned));
    }
    let folder = data.path().join("sides");
    fs::create_dir(&folder).unwrap();
    sides[1].write_png(&folder.join("line.png")).unwrap();
    fs::write(folder.join("line.gt.txt"), &line.text).unwrap();
    let on = EvaluateOn {
        data: EvaluateData::File(folder),
        worst: 0,
        confusions: 0,
    };
    assert_eq!(evaluate_in(&out.folder, data.path(), on)["cer"], 0.0);
    // Models for lines from top to bottom are told by their name.
    let down = data.path().join("jpn_vert.traineddata");
    fs::copy(ENGLISH, &down).unwrap();
    let refused = ocr::open(&down, SearchOptions::default(), &Site::default());
    assert!(
        refused
            .err()
            .unwrap()
            .to_string()
            .contains("use jpn.traineddata")
    );
    assert!(evaluate(&out.folder, Split::Test).is_err());
    let wrong = data.path().join("wrong.traineddata");
    fs::write(&wrong, [7; 500]).unwrap();
    let error = ocr::open(&wrong, SearchOptions::default(), &Site::default());
    assert!(
        error
            .err()
            .unwrap()
            .to_string()
            .contains("wrong.traineddata")
    );
}
