//! `refrain ocr`: pages in, text and files out; `refrain import`.

use crate::tools::{fails, ok, path, refrain, refused};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;
use tempfile::{TempDir, tempdir};

const DIGITS: &str = r#"
task = "ocr"
[recipe]
name = "digits"
[data.render]
lines = 320
valid = 20
fonts = ["fonts"]
severity = 0.0
text = { alphabet = "0123456789", characters = [3, 4], mix = { sentence = 0, word = 0, pseudo = 0, receipt = 0, number = 0, random = 1, upper = 0, short = 0 } }
style = { x_height = [12.0, 12.0], spaced = 0.0 }
degrade = { severity = 0.0 }
[model]
height = 20
hidden = 16
layers = 1
columns = 16
stages = [{ channels = 6, pool = [2, 2] }, { channels = 8, pool = [2, 1] }]
[train]
batch = 16
epochs = 25
optimizer = { kind = "adamw", lr = 2e-2, weight_decay = 0.01 }
"#;

/// Fonts, a recipe, rendered lines, and a model that has learned little: these tests are about all that is not the
/// model.
pub struct Kit {
    folder: TempDir,
    pub model: String,
}

impl Kit {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

pub static KIT: LazyLock<Kit> = LazyLock::new(|| {
    let folder = tempdir().unwrap();
    let fonts = folder.path().join("fonts");
    fs::create_dir(&fonts).unwrap();
    fs::write(fonts.join("sans.ttf"), dejavu::sans::regular()).unwrap();
    let recipe = folder.path().join("digits.toml");
    fs::write(&recipe, DIGITS).unwrap();
    let model = path(&folder.path().join("run"));
    let data = path(folder.path());
    ok(&["train", &path(&recipe), "--data", &data, "--out", &model]);
    let lines = path(&folder.path().join("lines"));
    let (recipe, sheet) = (path(&recipe), path(&folder.path().join("sheet.png")));
    ok(&[
        "ocr", "render", "--recipe", &recipe, "--data", &data, "--count", "4", "--out", &lines,
        "--sheet", &sheet,
    ]);
    Kit { folder, model }
});

/// The images of the rendered lines one below the other, as a page.
fn page() -> PathBuf {
    let out = KIT.at("page.png");
    if !out.exists() {
        let mut page = refrain_image::Gray::filled(300, 60 + 70 * 3, 255);
        for number in 0..3 {
            let file = KIT.at("lines").join(format!("{number:06}.png"));
            let limits = refrain_image::Limits::default();
            let line = refrain_image::Pages::open(&file, &limits).unwrap().next();
            let image = line.unwrap().unwrap().image;
            for y in 0..image.height() {
                let at = (30 + 70 * number + y) * 300 + 40;
                let row = image.row(y).to_vec();
                page.pixels_mut()[at..at + row.len()].copy_from_slice(&row);
            }
        }
        fs::write(&out, page.to_png().unwrap()).unwrap();
    }
    out
}

fn ocr(arguments: &[&str]) -> String {
    let all = [&["ocr", "--model", &KIT.model], arguments].concat();
    ok(&all)
}

#[test]
fn rendered_lines_are_pairs_of_files_and_a_picture() {
    let lines = KIT.at("lines");
    let text = fs::read_to_string(lines.join("000003.gt.txt")).unwrap();
    assert!(text.ends_with('\n') && text.trim().len() >= 3);
    assert!(
        fs::read(KIT.at("sheet.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
    let recipe = path(&KIT.at("digits.toml"));
    let (data, sheet) = (path(KIT.folder.path()), path(&KIT.at("sheet.png")));
    let again = [
        "ocr", "render", "--recipe", &recipe, "--data", &data, "--sheet", &sheet,
    ];
    assert!(fails(&again).contains("--force"));
    ok(&[&again[..], &["--force", "--severity", "0.5"]].concat());
    assert!(refused(&["ocr", "render"]).contains("--sheet"));
    assert!(
        fails(&["ocr", "render", "--recipe", "stories", "--sheet", "x.png"]).contains("stories")
    );
}

#[test]
fn a_page_is_read_in_every_format() {
    let page = path(&page());
    let text = ocr(&[&page]);
    assert_eq!(
        text.lines().filter(|line| !line.is_empty()).count(),
        3,
        "{text}"
    );
    let json: Value = serde_json::from_str(&ocr(&[&page, "--json"])).unwrap();
    let lines = json["pages"][0]["blocks"].as_array().unwrap().iter();
    let lines: Vec<&Value> = lines
        .flat_map(|block| block["lines"].as_array().unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines
            .iter()
            .all(|line| line["words"][0]["confidence"].as_f64().unwrap() <= 1.0)
    );
    let files = tempdir().unwrap();
    for (format, ending, begin) in [
        ("text", "txt", ""),
        ("json", "json", "{"),
        ("tsv", "tsv", "level\t"),
        ("hocr", "hocr", "<?xml"),
        ("alto", "alto.xml", "<?xml"),
        ("page", "page.xml", "<?xml"),
        ("pdf", "pdf", "%PDF-"),
    ] {
        let folder = path(files.path());
        ocr(&[&page, "--format", format, "--out", &folder]);
        let file = files.path().join(format!("page.{ending}"));
        let bytes = fs::read(&file).unwrap();
        assert!(bytes.starts_with(begin.as_bytes()), "{format}");
        let all = [
            "ocr", "--model", &KIT.model, &page, "--format", format, "--out", &folder,
        ];
        assert!(fails(&all).contains("--force"), "{format}");
    }
    let plot = path(&files.path().join("plot.png"));
    ocr(&[&page, "--plot", &plot]);
    assert!(fs::read(&plot).unwrap().starts_with(b"\x89PNG"));
    let allowed = ocr(&[&page, "--allow", "07"]);
    assert!(allowed.chars().all(|c| "07 \n".contains(c)), "{allowed}");
}

#[test]
fn a_bad_file_does_not_stop_the_others_and_standard_input_is_a_file() {
    let folder = tempdir().unwrap();
    let bad = folder.path().join("bad.png");
    fs::write(&bad, b"\x89PNG\r\n\x1a\nnothing").unwrap();
    let (good, bad) = (path(&page()), path(&bad));
    let output = refrain(&["ocr", "--model", &KIT.model, &bad, &good])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).lines().count() >= 3);
    assert!(String::from_utf8_lossy(&output.stderr).contains("bad.png"));
    let mut child = refrain(&["ocr", "--model", &KIT.model, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let bytes = fs::read(page()).unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), ocr(&[&good]));
    // The same model reads lines through the command for all tasks.
    let line = path(&KIT.at("lines").join("000000.png"));
    let by_run = ok(&["run", &KIT.model, &line, "--json"]);
    let object: Value = serde_json::from_str(by_run.trim()).unwrap();
    assert!(!object["text"].as_str().unwrap().trim().is_empty());
    assert!(object["detail"]["words"][0]["right"].as_f64().unwrap() > 0.0);
}

#[test]
fn arguments_that_do_not_fit_are_refused_in_one_sentence() {
    let page = path(&page());
    let model = ["ocr", "--model", &KIT.model];
    let failed = |more: &[&str]| fails(&[&model[..], more].concat());
    let parsed = |more: &[&str]| refused(&[&model[..], more].concat());
    assert!(
        parsed(&[&page, "--format", "word"]).contains("text, json, tsv, hocr, alto, page, pdf")
    );
    assert!(parsed(&[&page, "--layout", "sheet"]).contains("receipt"));
    assert!(parsed(&[&page, "--seconds", "0"]).contains("--seconds"));
    assert!(failed(&[&page, &page, "--format", "alto"]).contains("--out"));
    assert!(failed(&[&page, "--best", "3"]).contains("--json"));
    assert!(failed(&[&page, "--plot", "x.svg"]).contains(".png"));
    let output = refrain(&["ocr", "--model", &KIT.model, "absent.png"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("absent.png: "));
    assert!(failed(&[&page, "--allow", "xyz"]).contains("xyz"));
    assert!(fails(&["ocr", "--model", "english", &page]).contains("speech"));
    let file = path(&KIT.at("digits.toml"));
    assert!(fails(&["import", &file, "x"]).contains(".traineddata"));
    let damaged = KIT.at("damaged.traineddata");
    fs::write(&damaged, [1; 100]).unwrap();
    let folder = path(&KIT.at("imported"));
    assert!(fails(&["import", &path(&damaged), &folder]).contains("damaged.traineddata"));
    assert!(!Path::new(&folder).exists());
}

#[test]
fn confidence_is_learned_from_lines_and_confusions_are_counted() {
    let folder = tempdir().unwrap();
    let model = path(&folder.path().join("model"));
    ok(&["pack", &KIT.model, &model]);
    let lines = path(&folder.path().join("lines"));
    let recipe = path(&KIT.at("digits.toml"));
    let data = path(KIT.folder.path());
    ok(&[
        "ocr",
        "render",
        "--recipe",
        &recipe,
        "--data",
        &data,
        "--count",
        "200",
        "--severity",
        "1",
        "--out",
        &lines,
    ]);
    let before: Value =
        serde_json::from_str(&ok(&["eval", &model, "--text", &lines, "--json"])).unwrap();
    let json: Value = serde_json::from_str(&ok(&[
        "ocr",
        "calibrate",
        &model,
        "--text",
        &lines,
        "--json",
    ]))
    .unwrap();
    assert!(json["words"].as_u64().unwrap() >= 200);
    let file = fs::read_to_string(Path::new(&model).join("confidence.toml")).unwrap();
    assert!(file.contains("slope") && file.contains("offset"));
    let arguments = [
        "eval",
        &model,
        "--text",
        &lines,
        "--confusions",
        "3",
        "--json",
    ];
    let after: Value = serde_json::from_str(&ok(&arguments)).unwrap();
    assert_eq!(before["metrics"]["cer"], after["metrics"]["cer"]);
    let close =
        |own: &Value, to: &Value| (own.as_f64().unwrap() - to.as_f64().unwrap()).abs() < 1e-6;
    assert!(close(&after["metrics"]["ece"], &json["error_after"]));
    assert!(close(&before["metrics"]["ece"], &json["error_before"]));
    let wrong = 100.0 - after["metrics"]["exact"].as_f64().unwrap();
    assert_eq!(
        after["confusions"]
            .as_array()
            .is_some_and(|own| !own.is_empty()),
        wrong > 0.0
    );
    let text = ok(&["eval", &KIT.model, "--text", &lines]);
    assert!(
        text.contains("green_right") || text.contains("ece"),
        "{text}"
    );
    // A packed copy keeps it, and a damaged one is refused.
    let copy = path(&folder.path().join("copy"));
    ok(&["pack", &model, &copy]);
    let kept = Path::new(&copy).join("confidence.toml");
    assert_eq!(fs::read_to_string(&kept).unwrap(), file);
    fs::write(&kept, "slope = -1.0\noffset = 0.0\n").unwrap();
    assert!(fails(&["eval", &copy, "--text", &lines]).contains("confidence.toml"));
}

#[test]
fn the_shipped_model_reads_the_sample_page() {
    let page = crate::tools::models().join("sample-page.png");
    let right = fs::read_to_string(page.with_extension("txt")).unwrap();
    let read = ok(&["ocr", &path(&page)]);
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_string)
            .collect::<Vec<String>>()
    };
    let (right, read) = (words(&right), words(&read));
    let wrong = refrain_decode::metrics::edit::distance(&right, &read);
    // Letters with a dot more or less are all that it may miss; columns and rows come in their order.
    assert!(
        wrong <= 2,
        "{wrong} of {} words are wrong: {read:?}",
        right.len()
    );
    let info = ok(&["info", "latin"]);
    assert!(info.contains("ocr-receipts"), "{info}");
}
