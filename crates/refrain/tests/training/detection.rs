//! Models that find text lines.

use crate::support::{recipe, train};
use refrain::tasks::lines::{Components, FindLines};
use refrain::tasks::{EvaluateData, EvaluateOn, Medium, Piece, Site, Split, TASKS, detection};
use refrain::train::Control;
use refrain_image::Gray;
use refrain_page::Limits;
use std::fs;
use std::path::Path;
use tempfile::tempdir;

const PAGES: &str = r#"
task = "detection"
[data]
cuts = 240
side = 128
scales = [0.8, 1.2]
[data.render]
pages = 8
valid = 4
fonts = ["fonts"]
degrade = { severity = 0.2 }
page = { width = [300, 400] }
[model]
channels = [6, 8, 12]
blocks = 1
[train]
batch = 8
epochs = 16
optimizer = { kind = "adamw", lr = 1e-2, weight_decay = 0.01 }
schedule = { kind = "cosine", warmup = 0.05, last = 0.1 }
"#;

fn fonts(data: &Path) {
    let fonts = data.join("fonts");
    fs::create_dir(&fonts).unwrap();
    fs::write(fonts.join("sans.ttf"), dejavu::sans::regular()).unwrap();
}

#[test]
fn lines_are_learned_from_rendered_pages() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    fonts(data);
    let run = data.join("run");
    let own = recipe(PAGES, &[]).unwrap();
    let summary = train(&own, &run, data, &mut |_| Control::Continue).unwrap();
    let best = summary.validation.unwrap();
    assert!(best["f1"] > 35.0, "{best:?}");
    assert!(best["f1_70"] <= best["f1"]);

    // A page of bars as high as lines: the model and the classical search find about the same.
    let page = Gray::from_fn(300, 200, |x, y| {
        let row = y % 40;
        let letter = x % 9 < 6 && (20..280).contains(&x);
        if letter && (12..26).contains(&row) {
            30
        } else {
            245
        }
    });
    let detector = detection::open(&run, &Site::default()).unwrap();
    let lines = |finder: &dyn FindLines| finder.find(&page, &Limits::default()).unwrap().lines;
    assert_eq!(lines(&Components).len(), 5);
    assert!(!lines(&*detector).is_empty());
    let blank = Gray::filled(200, 100, 255);
    assert!(
        detector
            .find(&blank, &Limits::default())
            .unwrap()
            .lines
            .is_empty()
    );
    assert!(
        detector
            .find(&Gray::filled(0, 0, 0), &Limits::default())
            .unwrap()
            .lines
            .is_empty()
    );

    // Every line is a row of eight numbers.
    let used = TASKS
        .load(&run, toml::Table::new(), &Site::default())
        .unwrap();
    assert_eq!(used.ports().takes, Medium::Image);
    let mut session = used.begin().unwrap();
    let mut rows = Vec::new();
    let mut give = |piece: Piece| {
        if let Piece::Text(own) = piece {
            rows.push(own.text);
        }
        Control::Continue
    };
    session.push(Piece::Image(page.clone()), &mut give).unwrap();
    assert_eq!(rows.len(), lines(&*detector).len());
    assert!(rows.iter().all(|row| row.trim().split(',').count() == 8));
}

#[test]
fn pages_of_files_train_and_are_measured() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let pages = data.join("pages");
    fs::create_dir(&pages).unwrap();
    for number in 0..3 {
        let page = Gray::from_fn(160, 120, |x, y| {
            let ink = (20..140).contains(&x) && x % 8 < 5 && (10..28).contains(&(y % 40));
            if ink { 20 } else { 250 }
        });
        page.write_png(&pages.join(format!("{number}.png")))
            .unwrap();
        let rows = (0..3).map(|k| {
            let (top, bottom) = (40 * k + 8, 40 * k + 30);
            format!("18,{top},142,{top},142,{bottom},18,{bottom},bars, and bars\n")
        });
        fs::write(
            pages.join(format!("{number}.csv")),
            rows.collect::<String>(),
        )
        .unwrap();
    }
    let text = r#"
task = "detection"
[data]
train = ["pages"]
valid = ["pages"]
test = ["pages"]
cuts = 64
side = 64
[model]
channels = [4, 6]
blocks = 1
[train]
batch = 8
epochs = 6
optimizer = { kind = "adamw", lr = 1e-2, weight_decay = 0.01 }
"#;
    let run = data.join("run");
    let summary = train(&recipe(text, &[]).unwrap(), &run, data, &mut |_| {
        Control::Continue
    });
    let test = summary.unwrap().test.unwrap();
    let measured = |on: EvaluateOn| {
        let site = Site::default().with_data(data);
        TASKS
            .evaluate(&run, toml::Table::new(), &on, None, &site)
            .unwrap()
            .metrics
    };
    assert_eq!(measured(Split::Test.into()), test);
    let file = EvaluateOn {
        data: EvaluateData::File(pages),
        worst: 0,
        confusions: 0,
    };
    assert_eq!(measured(file), test);
    let refused = |change: &str, named: &str| {
        let error = recipe(text, &[change]).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    };
    refused("data.side=8", "data.side");
    refused("data.level=1.5", "data.level");
    refused("data.scales=[2.0,1.0]", "data.scales");
    refused("model.channels=[]", "model.channels");
    refused("data.train=[]", "data.train");
}
