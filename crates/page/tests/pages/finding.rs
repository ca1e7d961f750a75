//! Lines found on drawn pages.

use std::time::{Duration, Instant};

use refrain_image::{Gray, Point, Quad};
use refrain_page::{
    Found, Limits, Lines, PageError, draw_map, find_line, find_lines, iou, lines_from_map,
    map_size, matches, measure, skew, uncovered_ink,
};

use crate::draw::{Drawn, PROSE, draw, paragraph};

fn lines(page: &Gray) -> Lines {
    find_lines(page, &Limits::default()).unwrap()
}

/// Each drawn line is found by one line, and nothing else is: its place, baseline and x-height.
fn check(found: &[Found], drawn: &[Drawn]) {
    assert_eq!(found.len(), drawn.len());
    for line in drawn {
        let best = found
            .iter()
            .max_by(|a, b| iou(&a.quad, &line.ink).total_cmp(&iou(&b.quad, &line.ink)))
            .unwrap();
        assert!(iou(&best.quad, &line.ink) > 0.55, "{line:?} {best:?}");
        let middle = best.baseline.at(best.baseline.length() / 2.0, 0.0);
        assert!(
            (middle.y - line.baseline).abs() < 0.15 * line.x_height.max(8.0),
            "{line:?} {best:?}"
        );
        let ratio = best.x_height / line.x_height;
        assert!((0.8..1.25).contains(&ratio), "{ratio} {line:?} {best:?}");
    }
}

#[test]
fn lines_of_any_size_are_found_with_baseline_and_x_height() {
    for x_height in [6.0, 8.0, 12.0, 22.0, 45.0] {
        let mut page = Gray::filled(
            (40.0 * x_height) as usize + 20,
            (22.0 * x_height) as usize,
            250,
        );
        let drawn = paragraph(&mut page, &PROSE, 10.0, 4.0 * x_height, x_height, 10);
        let found = lines(&page);
        assert!(!found.noisy && found.skew == 0.0);
        check(&found.lines, &drawn);
        assert!(found.lines.iter().all(|line| !line.light_on_dark));
    }
}

#[test]
fn white_pages_and_empty_ones_have_no_lines() {
    for (width, height) in [(0, 0), (0, 9), (1, 1), (20, 20), (1000, 700)] {
        for level in [0, 128, 255] {
            let page = Gray::filled(width, height, level);
            assert_eq!(lines(&page), Lines::default());
            assert_eq!(find_line(&page, &Limits::default()).unwrap(), None);
            assert_eq!(uncovered_ink(&page, &[], &Limits::default()).unwrap(), 0.0);
        }
    }
}

#[test]
fn both_halves_of_a_page_of_two_polarities_are_found() {
    let mut page = Gray::from_fn(600, 500, |_, y| if y < 250 { 245 } else { 20 });
    let mut drawn = paragraph(&mut page, &PROSE[..4], 20.0, 50.0, 12.0, 10);
    drawn.extend(paragraph(&mut page, &PROSE[2..], 20.0, 300.0, 12.0, 240));
    let found = lines(&page).lines;
    check(&found, &drawn);
    let light = found.iter().map(|line| line.light_on_dark);
    assert_eq!(light.collect::<Vec<_>>(), [[false; 4], [true; 4]].concat());
}

#[test]
fn a_dark_cell_in_a_light_table_is_read_too() {
    let mut page = Gray::from_fn(500, 140, |x, y| {
        if (260..480).contains(&x) && (30..90).contains(&y) {
            30
        } else {
            250
        }
    });
    let left = draw(&mut page, "Quantity", 30.0, 66.0, 11.0, 0);
    let right = draw(&mut page, "Amount due", 290.0, 66.0, 11.0, 255);
    let found = lines(&page).lines;
    check(&found, &[left, right]);
    assert_eq!(found.iter().filter(|line| line.light_on_dark).count(), 1);
}

#[test]
fn a_dark_page_is_found_as_a_light_one() {
    let mut page = Gray::filled(620, 300, 25);
    let drawn = paragraph(&mut page, &PROSE, 20.0, 40.0, 12.0, 230);
    let found = lines(&page).lines;
    check(&found, &drawn);
    assert!(found.iter().all(|line| line.light_on_dark));
}

/// The page turned clockwise about its centre.
fn skewed(page: &Gray, degrees: f32) -> Gray {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (cx, cy) = (page.width() as f32 / 2.0, page.height() as f32 / 2.0);
    page.warp(page.width(), page.height(), 250, |x, y| {
        let (x, y) = (x - cx, y - cy);
        (cx + cos * x + sin * y, cy - sin * x + cos * y)
    })
}

fn turned_point(point: Point, page: &Gray, degrees: f32) -> Point {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (cx, cy) = (page.width() as f32 / 2.0, page.height() as f32 / 2.0);
    let (x, y) = (point.x - cx, point.y - cy);
    Point {
        x: cx + cos * x - sin * y,
        y: cy + sin * x + cos * y,
    }
}

#[test]
fn skewed_pages_are_measured_and_read_in_their_own_places() {
    let mut page = Gray::filled(760, 620, 250);
    let drawn = paragraph(&mut page, &PROSE, 100.0, 200.0, 12.0, 10);
    for degrees in [3.0, -2.0, 0.7, -9.0] {
        let turned = skewed(&page, degrees);
        assert!(
            (skew(&turned) - degrees).abs() <= 0.21,
            "{} {degrees}",
            skew(&turned)
        );
        let found = lines(&turned);
        assert!((found.skew - degrees).abs() <= 0.21);
        assert_eq!(found.lines.len(), drawn.len());
        for line in &drawn {
            let ink = Quad(line.ink.0.map(|point| turned_point(point, &page, degrees)));
            assert!(
                found.lines.iter().any(|f| iou(&f.quad, &ink) > 0.6),
                "{degrees} {line:?}"
            );
        }
        for line in &found.lines {
            let along = line.baseline.along();
            assert!((along.y.atan2(along.x).to_degrees() - degrees).abs() < 0.5);
        }
    }
}

#[test]
fn a_page_number_alone_at_the_foot_is_found() {
    let mut page = Gray::filled(700, 900, 255);
    let mut drawn = paragraph(&mut page, &PROSE, 60.0, 80.0, 13.0, 0);
    drawn.push(draw(&mut page, "3", 340.0, 860.0, 13.0, 0));
    check(&lines(&page).lines, &drawn);
}

#[test]
fn a_line_of_300_characters_is_one_line() {
    let text = PROSE.join(" ") + " " + &PROSE.join(" ");
    let mut page = Gray::filled(text.len() * 14, 60, 255);
    let drawn = draw(&mut page, &text[..300.min(text.len())], 10.0, 36.0, 12.0, 0);
    check(&lines(&page).lines, std::slice::from_ref(&drawn));
    let line = find_line(&page, &Limits::default()).unwrap().unwrap();
    check(&[line], &[drawn]);
}

#[test]
fn a_tight_crop_is_found_up_to_its_edges() {
    let mut page = Gray::filled(300, 60, 255);
    let drawn = draw(&mut page, "Harbour", 20.0, 40.0, 14.0, 0);
    let crop = page.crop(drawn.ink.bounds(300, 60));
    for line in [
        find_line(&crop, &Limits::default()).unwrap(),
        lines(&crop).lines.first().copied(),
    ] {
        let line = line.unwrap();
        assert!(
            (line.baseline.start.y - (drawn.baseline - drawn.ink.0[0].y)).abs() < 2.0,
            "{line:?}"
        );
        assert!(
            (line.baseline.length() - crop.width() as f32).abs() < 3.0,
            "{line:?}"
        );
    }
}

#[test]
fn frames_and_rules_are_no_lines_and_hide_none() {
    let mut page = Gray::filled(420, 200, 255);
    let drawn = [
        draw(&mut page, "Total", 40.0, 60.0, 12.0, 0),
        draw(&mut page, "Amount", 230.0, 60.0, 12.0, 0),
        draw(&mut page, "Tax", 40.0, 130.0, 12.0, 0),
        draw(&mut page, "Change", 230.0, 130.0, 12.0, 0),
    ];
    let ruled = Gray::from_fn(420, 200, |x, y| {
        let inside = (18..402).contains(&x) && (28..172).contains(&y);
        let rule =
            [18, 19, 210, 211, 400, 401].contains(&x) || [28, 29, 100, 101, 170, 171].contains(&y);
        if inside && rule { 0 } else { page.get(x, y) }
    });
    check(&lines(&ruled).lines, &drawn);
}

#[test]
fn salt_and_pepper_ends_flagged() {
    let mut state = 1u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    for one_in in [2, 3, 10] {
        let noise = Gray::from_fn(
            1600,
            2200,
            |_, _| if random() % one_in == 0 { 0 } else { 255 },
        );
        let limits = Limits {
            components: 20_000,
            ..Limits::default()
        };
        assert!(find_lines(&noise, &limits).unwrap().noisy);
    }
}

/// A screenshot of a whole page: 100 by 30,000, a line here and there.
#[test]
fn a_strip_of_any_length_is_searched_whole() {
    let mut page = Gray::filled(100, 30_000, 255);
    let rows = [20.0, 9_000.0, 15_000.0, 29_980.0];
    let drawn: Vec<Drawn> = rows
        .iter()
        .map(|&y| draw(&mut page, "Harbour", 10.0, y, 8.0, 0))
        .collect();
    check(&lines(&page).lines, &drawn);
}

#[test]
fn limits_are_errors_with_sizes() {
    let page = Gray::filled(300, 200, 255);
    let few = Limits {
        pixels: 59_999,
        ..Limits::default()
    };
    let error = find_lines(&page, &few).unwrap_err();
    assert_eq!(
        error,
        PageError::Pixels {
            width: 300,
            height: 200,
            limit: 59_999
        }
    );
    let late = Limits {
        deadline: Instant::now().checked_sub(Duration::from_secs(1)),
        ..Limits::default()
    };
    assert!(
        late.deadline.is_none()
            || matches!(find_lines(&page, &late), Err(PageError::Deadline { .. }))
    );
}

#[test]
fn ink_outside_of_all_lines_is_reported() {
    let mut page = Gray::filled(620, 300, 255);
    let drawn = paragraph(&mut page, &PROSE, 20.0, 40.0, 12.0, 10);
    let quads: Vec<Quad> = lines(&page).lines.iter().map(|line| line.quad).collect();
    let share = |quads: &[Quad]| uncovered_ink(&page, quads, &Limits::default()).unwrap();
    assert!(share(&quads) < 0.01);
    assert_eq!(share(&[]), 1.0);
    let without_one = share(&quads[1..]);
    assert!(
        (without_one - 1.0 / drawn.len() as f32).abs() < 0.05,
        "{without_one}"
    );
}

#[test]
fn a_map_gives_its_lines_back() {
    let line = |x: f32, y: f32, length: f32, height: f32, degrees: f32| {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let corner = |a: f32, b: f32| Point {
            x: x + a * cos - b * sin,
            y: y + a * sin + b * cos,
        };
        Quad([
            corner(0.0, 0.0),
            corner(length, 0.0),
            corner(length, height),
            corner(0.0, height),
        ])
    };
    // Lines that touch, a turned one, a short one, and two in one row.
    let quads = [
        line(20.0, 20.0, 300.0, 24.0, 0.0),
        line(20.0, 44.0, 280.0, 24.0, 0.0),
        line(40.0, 120.0, 300.0, 26.0, 6.0),
        line(400.0, 20.0, 20.0, 24.0, 0.0),
        line(20.0, 240.0, 100.0, 24.0, 0.0),
        line(140.0, 240.0, 100.0, 24.0, 0.0),
    ];
    let (width, height) = (501, 301);
    let map = draw_map(&quads, width, height);
    let (columns, rows) = (map_size(width), map_size(height));
    assert_eq!((columns, rows), (251, 151));
    let found = lines_from_map(&map, columns, rows, 0.5, &Limits::default()).unwrap();
    assert_eq!(matches(&found, &quads, 0.75).matched, 6);
    assert_eq!(found.len(), 6);
    // A thin bridge between two lines of a row is cut.
    let mut bridged = map.clone();
    (20..90).for_each(|x| bridged[126 * columns + x] = 0.9);
    let found = lines_from_map(&bridged, columns, rows, 0.5, &Limits::default()).unwrap();
    assert_eq!(matches(&found, &quads, 0.7).matched, 6);
    assert!(matches!(
        lines_from_map(&map, columns, rows + 1, 0.5, &Limits::default()),
        Err(PageError::Map { .. })
    ));
}

#[test]
fn lines_of_a_map_are_measured_on_the_page() {
    let mut page = Gray::from_fn(620, 300, |_, y| if y < 160 { 250 } else { 20 });
    let mut drawn = paragraph(&mut page, &PROSE[..3], 20.0, 40.0, 12.0, 10);
    drawn.extend(paragraph(&mut page, &PROSE[3..], 20.0, 200.0, 12.0, 240));
    let grown = |quad: &Quad| {
        let [a, b, c, d] = quad.0;
        let moved = |p: Point, x: f32, y: f32| Point {
            x: p.x + x,
            y: p.y + y,
        };
        Quad([
            moved(a, -4.0, -4.0),
            moved(b, 4.0, -4.0),
            moved(c, 4.0, 4.0),
            moved(d, -4.0, 4.0),
        ])
    };
    let quads: Vec<Quad> = drawn.iter().map(|line| grown(&line.ink)).collect();
    let found = measure(&page, &quads);
    check(&found, &drawn);
    assert_eq!(found.iter().map(|f| f.quad).collect::<Vec<_>>(), quads);
    assert_eq!(found.iter().filter(|f| f.light_on_dark).count(), 3);
}

#[test]
fn dark_letters_in_a_shadow_stay_dark() {
    let mut page = Gray::from_fn(620, 300, |x, _| 240 - (x * 150 / 620) as u8);
    let drawn = paragraph(&mut page, &PROSE, 20.0, 40.0, 12.0, 5);
    let found = lines(&page).lines;
    check(&found, &drawn);
    assert!(found.iter().all(|line| !line.light_on_dark));
}
