//! Reads the lines of a folder that `scripts/peers/tesseract_lines.py` has made, and compares with its texts.
//!
//! ```text
//! cargo run --release -p refrain-tesseract --example lines -- MODEL.traineddata FOLDER [--threads N] [--beam] [--show]
//! ```
//!
//! It prints the character error rates of Refrain and of Tesseract, the share of exact lines, and the time of reading
//! (without the time of starting and of opening files). `--show` prints the lines that are not right.

use refrain_decode::ctc::beam::{BeamConfig, BeamDecoder, BeamModels};
use refrain_decode::metrics::edit::ErrorRate;
use refrain_image::Gray;
use refrain_kernels::Threads;
use refrain_tesseract::{Recogniser, parse};
use std::path::Path;
use std::time::Instant;

#[global_allocator]
static MEMORY: refrain_kernels::allocator::Recycler = refrain_kernels::allocator::Recycler;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, folder, ..] = &args[..] else {
        return Err("two arguments are needed: MODEL.traineddata FOLDER".into());
    };
    let flag = |name: &str| args.iter().any(|arg| arg == name);
    let threads = args.iter().skip_while(|arg| *arg != "--threads").nth(1);
    let threads = threads.map_or(Ok(1), |threads| threads.parse())?;
    Threads::new(threads).install(|| {
        run(
            Path::new(model),
            Path::new(folder),
            flag("--beam"),
            flag("--show"),
        )
    })
}

/// A line with its text and the answer of Tesseract.
struct Known {
    image: Gray,
    text: String,
    other: String,
}

fn run(model: &Path, folder: &Path, beam: bool, show: bool) -> Result<(), Failure> {
    let start = Instant::now();
    let model = parse(&std::fs::read(model)?)?;
    let sizes = (model.network.parameters(), model.words.len());
    println!("{}: {} weights, {} words", model.spec, sizes.0, sizes.1);
    let recogniser = Recogniser::new(model.network, model.charset)?;
    println!("model in {:.1} ms", 1e3 * start.elapsed().as_secs_f64());
    let lines = lines(folder)?;
    let images: Vec<Gray> = lines.iter().map(|line| line.image.clone()).collect();
    let start = Instant::now();
    let sights = recogniser.see(&images)?;
    let network = start.elapsed().as_secs_f64();
    let labels = recogniser.charset().search_labels()?;
    let decoder = BeamDecoder::new(labels, BeamConfig::default(), BeamModels::default())?;
    let mut answers = Vec::new();
    for sight in &sights {
        answers.push(match beam {
            false => recogniser.text(&sight.scores)?.text,
            true => {
                let best = decoder.decode(&sight.scores.log_probs, 1)?;
                let labels: Vec<u32> = best[0].labels.iter().map(|span| span.label).collect();
                recogniser.charset().text(&labels).trim().to_owned()
            }
        });
    }
    let seconds = start.elapsed().as_secs_f64();
    report(&lines, &answers, show);
    let count = images.len() as f64;
    let inverted = sights.iter().filter(|sight| sight.inverted).count();
    let each = 1e3 * seconds / count;
    println!(
        "{count} lines in {seconds:.3} s (network {network:.3} s): {each:.2} ms a line; {inverted} inverted"
    );
    Ok(())
}

fn lines(folder: &Path) -> Result<Vec<Known>, Failure> {
    let table = std::fs::read_to_string(folder.join("lines.tsv"))?;
    let line = |row: &str| {
        let fields: Vec<&str> = row.split('\t').collect();
        let [file, text, other] = fields[..] else {
            return Err(format!("lines.tsv: {row:?} has no three fields").into());
        };
        Ok(Known {
            image: pgm(&std::fs::read(folder.join(file))?)?,
            text: plain(text),
            other: plain(other),
        })
    };
    table.lines().map(line).collect()
}

fn report(lines: &[Known], answers: &[String], show: bool) {
    let (mut ours, mut theirs) = (ErrorRate::new(), ErrorRate::new());
    for (Known { text, other, .. }, own) in lines.iter().zip(answers) {
        let wrong = ours.add_characters(text, &plain(own)).edits();
        let other_wrong = theirs.add_characters(text, other).edits();
        if show && wrong + other_wrong > 0 {
            println!("{wrong} {other_wrong}\n  {text}\n  {own}\n  {other}");
        }
    }
    for (name, rate) in [("refrain", ours), ("tesseract", theirs)] {
        let errors = 100.0 * rate.rate().unwrap_or(0.0);
        let exact = 100.0 * (1.0 - rate.sentence_rate().unwrap_or(0.0));
        println!("{name}: CER {errors:.2} %, {exact:.1} % of lines exact");
    }
}

/// Typographic quotes and dashes as the plain ones, one space between words: references differ in them.
fn plain(text: &str) -> String {
    let plain = text
        .replace(['‘', '’', '`'], "'")
        .replace(['“', '”', '„'], "\"")
        .replace(['–', '—'], "-");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A binary PGM file with values up to 255, as Pillow writes it.
fn pgm(bytes: &[u8]) -> Result<Gray, Failure> {
    let mut fields = bytes.splitn(4, |byte| byte.is_ascii_whitespace());
    let mut field = || {
        fields
            .next()
            .ok_or("the head of a PGM file is not complete")
    };
    let head = [field()?, field()?, field()?];
    let rest = field()?;
    let number =
        |field: &[u8]| -> Result<usize, Failure> { Ok(std::str::from_utf8(field)?.parse()?) };
    let pixels = rest
        .strip_prefix(b"255\n")
        .ok_or("a PGM file with values up to 255 is needed")?;
    match head[0] {
        b"P5" => Ok(Gray::new(
            number(head[1])?,
            number(head[2])?,
            pixels.to_vec(),
        )?),
        _ => Err("this is no binary PGM file".into()),
    }
}
