//! Draws the page that ships beside the models, and writes its text:
//! `cargo run --release -p refrain-render --example sample_page -- models/sample-page`.

use std::error::Error;
use std::fs;

use refrain_image::{Canvas, Colour, Gray, Point, Quad};

const SIZE: [usize; 2] = [1240, 1000];
const INK: Colour = [25, 25, 30, 255];
const PAPER: Colour = [240, 238, 232, 255];
const LETTERS: f32 = 23.0;

const TITLE: &str = "Reading lines with a recurrent network";
const COLUMNS: [&[&str]; 2] = [
    &[
        "A page is a list of lines, and a line is a",
        "sequence of columns of pixels. Layers of",
        "convolutions turn each column into some",
        "numbers. A recurrent layer then reads",
        "them from left to right, and a second one",
        "from right to left, so that every column",
        "knows its neighbours on both sides.",
    ],
    &[
        "The last layer gives a probability for each",
        "letter, and for “no letter here”. Connectionist",
        "temporal classification adds up all ways in",
        "which a text fits the columns; nobody has",
        "to mark where a letter begins. The model",
        "that ships has 1.2 million parameters and",
        "learned from 512,000 drawn lines.",
    ],
];
const TABLE: [[&str; 3]; 4] = [
    ["Article", "Pieces", "Price"],
    ["Notebook, A5, 96 pages", "3", "11.70"],
    ["Pencil HB", "12", "7.08"],
    ["Total", "15", "€18.78"],
];
const BOX: &str = "Light letters on dark ground are read, too.";
const FOOT: &str = "Straße, naïve, façade, Málaga, 21 °C & 50%";

fn main() -> Result<(), Box<dyn Error>> {
    let out = std::env::args().nth(1).ok_or("name the files to write")?;
    let mut page = Canvas::from(&Gray::filled(SIZE[0], SIZE[1], 255));
    page.fill(&rectangle(0.0, 0.0, SIZE[0] as f32, SIZE[1] as f32), PAPER);
    let mut text = vec![TITLE.to_string(), String::new()];
    page.text(Point { x: 90.0, y: 70.0 }, 44.0, TITLE, INK);
    for (number, column) in COLUMNS.iter().enumerate() {
        for (row, line) in column.iter().enumerate() {
            let at = Point {
                x: 90.0 + 570.0 * number as f32,
                y: 170.0 + 36.0 * row as f32,
            };
            page.text(at, LETTERS, line, INK);
            text.push(line.to_string());
        }
        text.push(String::new());
    }
    for (row, cells) in TABLE.iter().enumerate() {
        let y = 490.0 + 42.0 * row as f32;
        for (cell, x) in cells.iter().zip([90.0, 640.0, 980.0]) {
            page.text(Point { x, y }, LETTERS, cell, INK);
        }
        let below = y + 34.0;
        page.line(
            Point { x: 80.0, y: below },
            Point {
                x: 1120.0,
                y: below,
            },
            1.5,
            [120, 120, 120, 255],
        );
        text.push(cells.join(" "));
    }
    text.push(String::new());
    page.fill(&rectangle(80.0, 720.0, 1120.0, 790.0), [30, 60, 90, 255]);
    page.text(
        Point { x: 110.0, y: 740.0 },
        28.0,
        BOX,
        [245, 245, 245, 255],
    );
    page.text(Point { x: 90.0, y: 860.0 }, LETTERS, FOOT, INK);
    text.extend([BOX.to_string(), String::new(), FOOT.to_string()]);

    fs::write(format!("{out}.png"), scanned(&page)?.to_png()?)?;
    fs::write(format!("{out}.txt"), format!("{}\n", text.join("\n")))?;
    Ok(())
}

fn rectangle(left: f32, top: f32, right: f32, bottom: f32) -> Quad {
    let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
    Quad(corners.map(|(x, y)| Point { x, y }))
}

/// As a scanner sees it: in grey, a little askew and out of focus.
fn scanned(page: &Canvas) -> Result<Gray, Box<dyn Error>> {
    let grey = page.pixels().chunks(3).map(|pixel| {
        let [r, g, b] = [0, 1, 2].map(|part| f32::from(pixel[part]));
        (0.299 * r + 0.587 * g + 0.114 * b) as u8
    });
    let flat = Gray::new(page.width(), page.height(), grey.collect())?;
    let [width, height] = SIZE.map(|size| size as f32);
    let tilt = 14.0;
    let corners = [
        (0.0, tilt),
        (width, -tilt),
        (width + tilt, height - tilt),
        (tilt, height + tilt),
    ];
    let seen = flat.cut(
        &Quad(corners.map(|(x, y)| Point { x, y })),
        SIZE[0],
        SIZE[1],
        PAPER[0],
    );
    Ok(seen.blur(0.7))
}
