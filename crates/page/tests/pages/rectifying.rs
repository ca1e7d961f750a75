//! Rectified lines and the places of their words.

use refrain_image::{Gray, Point, Quad};
use refrain_page::{
    Baseline, Found, Frame, Limits, find_line, find_lines, iou, rectify, word_quads,
};

use crate::draw::{PROSE, draw, paragraph};

/// Dark pixels of each row.
fn dark_rows(image: &Gray) -> Vec<usize> {
    (0..image.height())
        .map(|y| image.row(y).iter().filter(|&&pixel| pixel < 128).count())
        .collect()
}

#[test]
fn the_x_height_and_the_baseline_sit_in_the_frame() {
    for x_height in [6.0, 11.0, 30.0] {
        let mut page = Gray::filled((32.0 * x_height) as usize, (8.0 * x_height) as usize, 255);
        let text = "measure xenon anemone vex";
        draw(&mut page, text, 2.0 * x_height, 4.0 * x_height, x_height, 0);
        let lines = find_lines(&page, &Limits::default()).unwrap().lines;
        assert_eq!(lines.len(), 1);
        let frame = Frame::of(36);
        // All letters are even: the height is that of small letters once another line of the page says so.
        let line = Found {
            x_height,
            ..lines[0]
        };
        let image = rectify(&page, &line, frame).image;
        let rows = dark_rows(&image);
        let most = *rows.iter().max().unwrap();
        let first = rows.iter().position(|&count| 4 * count > most).unwrap() as f32;
        let last = rows.iter().rposition(|&count| 4 * count > most).unwrap() as f32 + 1.0;
        assert!(
            (last - frame.baseline).abs() < 1.7,
            "{last} {frame:?} {rows:?}"
        );
        assert!(
            (last - first - frame.x_height).abs() < 2.6,
            "{first} {last} {frame:?}"
        );
        assert!(image.row(0).iter().all(|&pixel| pixel > 200));
    }
}

#[test]
fn a_light_line_is_inverted_and_a_tight_crop_padded() {
    let mut page = Gray::filled(240, 60, 20);
    let drawn = draw(&mut page, "Harbour", 30.0, 40.0, 12.0, 240);
    let crop = page.crop(drawn.ink.bounds(240, 60));
    let line = find_line(&crop, &Limits::default()).unwrap().unwrap();
    assert!(line.light_on_dark);
    let image = rectify(&crop, &line, Frame::of(36)).image;
    for y in 0..36 {
        assert!(image.get(0, y) > 200 && image.get(image.width() - 1, y) > 200);
    }
    assert!(image.pixels().iter().any(|&pixel| pixel < 60));
}

#[test]
fn a_frame_around_a_word_and_the_lines_beside_it_are_painted_over() {
    let mut page = Gray::filled(240, 80, 255);
    draw(&mut page, "Harbour", 40.0, 50.0, 12.0, 0);
    let clean = find_line(&page, &Limits::default()).unwrap().unwrap();
    let framed = Gray::from_fn(240, 80, |x, y| {
        let inside = (30..160).contains(&x) && (28..60).contains(&y);
        let inner = (32..158).contains(&x) && (30..58).contains(&y);
        if inside && !inner { 0 } else { page.get(x, y) }
    });
    let line = find_line(&framed, &Limits::default()).unwrap().unwrap();
    assert!(iou(&line.quad, &clean.quad) > 0.8, "{line:?} {clean:?}");
    let image = rectify(&framed, &line, Frame::of(36)).image;
    assert!(
        dark_rows(&image)[0] + dark_rows(&image)[35] < 4,
        "{:?}",
        dark_rows(&image)
    );
}

#[test]
fn a_bent_line_becomes_level() {
    let mut page = Gray::filled(900, 120, 255);
    draw(&mut page, &PROSE[..2].join(" "), 20.0, 60.0, 11.0, 0);
    let bent = page.warp(900, 120, 255, |x, y| {
        let t = (x - 450.0) / 450.0;
        (x, y + 14.0 * (1.0 - t * t) - 7.0)
    });
    let line = find_line(&bent, &Limits::default()).unwrap().unwrap();
    assert!(
        (line.baseline.sag + 14.0).abs() < 4.0,
        "{:?}",
        line.baseline
    );
    let frame = Frame::of(36);
    let rows = dark_rows(&rectify(&bent, &line, frame).image);
    let below = rows[frame.baseline as usize + 2..].iter().sum::<usize>();
    let above = rows[..frame.baseline as usize + 2].iter().sum::<usize>();
    assert!(below * 12 < above, "{rows:?}");
}

#[test]
fn long_lines_have_no_cap_and_impossible_ones_no_pixels() {
    let page = Gray::filled(3000, 20, 255);
    let at = |x: f32, y: f32| Point { x, y };
    let line = Found {
        quad: Quad([
            at(0.0, 2.0),
            at(3000.0, 2.0),
            at(3000.0, 18.0),
            at(0.0, 18.0),
        ]),
        baseline: Baseline {
            start: at(0.0, 14.0),
            end: at(3000.0, 14.0),
            sag: 0.0,
        },
        x_height: 7.0,
        light_on_dark: false,
    };
    let width = rectify(&page, &line, Frame::of(36)).image.width() as f32;
    assert!((width - 3000.0 * 0.42 * 36.0 / 7.0).abs() < 30.0);
    for x_height in [0.0, -1.0, f32::NAN, f32::INFINITY, 1e-30] {
        let broken = Found { x_height, ..line };
        assert_eq!(rectify(&page, &broken, Frame::of(36)).image.width(), 0);
    }
}

#[test]
fn words_have_the_places_of_their_ink() {
    let mut page = Gray::filled(900, 400, 255);
    let drawn = paragraph(&mut page, &PROSE, 40.0, 60.0, 12.0, 0);
    for degrees in [0.0f32, 3.0] {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let turned = page.warp(900, 400, 255, |x, y| {
            let (x, y) = (x - 450.0, y - 200.0);
            (450.0 + cos * x + sin * y, 200.0 - sin * x + cos * y)
        });
        let place = |point: Point| {
            let (x, y) = (point.x - 450.0, point.y - 200.0);
            Point {
                x: 450.0 + cos * x - sin * y,
                y: 200.0 + sin * x + cos * y,
            }
        };
        let lines = find_lines(&turned, &Limits::default()).unwrap().lines;
        let mut overlaps = Vec::new();
        for line in &drawn {
            let ink = Quad(line.ink.0.map(place));
            let found = lines
                .iter()
                .max_by(|a, b| iou(&a.quad, &ink).total_cmp(&iou(&b.quad, &ink)))
                .unwrap();
            let rectified = rectify(&turned, found, Frame::of(36));
            // Spans as an alignment gives them: inside of the first and last letters, and a little late.
            let spans: Vec<(f32, f32)> = line
                .words
                .iter()
                .map(|word| {
                    let [a, b, ..] = word.0.map(|p| rectified.from_page(place(p)).x);
                    (a + 6.0, (b - 2.0).max(a + 7.0))
                })
                .collect();
            let words = word_quads(&rectified, &spans);
            assert_eq!(words.len(), line.words.len());
            for (word, truth) in words.iter().zip(&line.words) {
                overlaps.push(iou(word, &Quad(truth.0.map(place))));
            }
        }
        let mean = overlaps.iter().sum::<f64>() / overlaps.len() as f64;
        let least = overlaps.iter().copied().fold(1.0, f64::min);
        assert!(
            mean > 0.8 && least > 0.5,
            "{degrees} {mean} {least} {overlaps:?}"
        );
    }
}

#[test]
fn spans_that_make_no_sense_give_boxes_all_the_same() {
    let mut page = Gray::filled(300, 60, 255);
    draw(&mut page, "two words", 20.0, 40.0, 12.0, 0);
    let line = find_line(&page, &Limits::default()).unwrap().unwrap();
    let rectified = rectify(&page, &line, Frame::of(36));
    let spans = [(f32::NAN, 3.0), (1e9, -1e9), (5.0, 2.0), (50.0, 50.0)];
    assert_eq!(word_quads(&rectified, &spans).len(), 4);
    assert_eq!(word_quads(&rectified, &[]), []);
    let empty = rectify(&Gray::filled(0, 0, 255), &line, Frame::of(36));
    assert_eq!(word_quads(&empty, &spans).len(), 4);
}

#[test]
fn a_turned_page_is_found_upright_and_placed_back() {
    let mut page = Gray::filled(620, 300, 255);
    let drawn = paragraph(&mut page, &PROSE, 20.0, 40.0, 12.0, 10);
    for quarters in [1, 2, 3] {
        let turned = page.turned(quarters);
        let upright = turned.turned(-quarters);
        let lines = find_lines(&upright, &Limits::default()).unwrap().lines;
        for (line, drawn) in lines.iter().zip(&drawn) {
            let there = line.turned(quarters, upright.width(), upright.height());
            assert!(iou(&there.quad, &drawn.ink.turned(quarters, 620, 300)) > 0.6);
            // The image is the same from the turned page.
            let (a, b) = (
                rectify(&turned, &there, Frame::of(36)),
                rectify(&upright, line, Frame::of(36)),
            );
            assert_eq!(
                (a.image.width(), a.image.height()),
                (b.image.width(), b.image.height())
            );
            let differs = a
                .image
                .pixels()
                .iter()
                .zip(b.image.pixels())
                .filter(|(a, b)| a.abs_diff(**b) > 8)
                .count();
            assert!(differs * 200 < a.image.pixels().len(), "{differs}");
        }
    }
}
