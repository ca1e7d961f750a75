//! Reading order of drawn pages.

use refrain_image::Gray;
use refrain_page::{Found, Layout, Limits, cells, find_lines, order, tsv};

use crate::draw::{Drawn, PROSE, draw, paragraph};

fn found(page: &Gray) -> Vec<Found> {
    find_lines(page, &Limits::default()).unwrap().lines
}

/// Which drawn line a found one is.
fn which(line: &Found, drawn: &[Drawn]) -> usize {
    let overlaps = drawn
        .iter()
        .map(|d| refrain_page::iou(&d.ink, &line.quad))
        .enumerate();
    overlaps.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0
}

fn sequence(lines: &[Found], drawn: &[Drawn], layout: Layout) -> Vec<usize> {
    let regions = order(lines, layout);
    let indices = regions
        .iter()
        .flat_map(|region| region.rows.iter().flatten());
    indices.map(|&i| which(&lines[i], drawn)).collect()
}

#[test]
fn two_columns_below_a_title_are_read_one_after_the_other() {
    let mut page = Gray::filled(1180, 460, 255);
    let mut drawn = vec![draw(
        &mut page,
        "A title that stands over both of the columns here",
        150.0,
        60.0,
        16.0,
        0,
    )];
    drawn.extend(paragraph(&mut page, &PROSE, 40.0, 150.0, 12.0, 0));
    drawn.extend(paragraph(&mut page, &PROSE, 620.0, 150.0, 12.0, 0));
    let lines = found(&page);
    for layout in [Layout::Auto, Layout::Page] {
        assert_eq!(
            sequence(&lines, &drawn, layout),
            (0..13).collect::<Vec<_>>()
        );
    }
    let rows = order(&lines, Layout::Receipt);
    let most = rows
        .iter()
        .flat_map(|region| &region.rows)
        .map(Vec::len)
        .max();
    assert_eq!(most, Some(2));
}

#[test]
fn columns_between_a_title_and_a_table_are_read_one_after_the_other() {
    let mut page = Gray::filled(1180, 760, 255);
    let title = "A title that stands over both of the columns here";
    let mut drawn = vec![draw(&mut page, title, 150.0, 60.0, 16.0, 0)];
    drawn.extend(paragraph(&mut page, &PROSE, 40.0, 150.0, 12.0, 0));
    drawn.extend(paragraph(&mut page, &PROSE, 620.0, 150.0, 12.0, 0));
    let columns = drawn.len();
    for (row, cells) in [["Rope", "2", "9.00"], ["Nails", "40", "3.10"]]
        .iter()
        .enumerate()
    {
        for (cell, x) in cells.iter().zip([40.0, 640.0, 1000.0]) {
            drawn.push(draw(&mut page, cell, x, 520.0 + 50.0 * row as f32, 12.0, 0));
        }
    }
    drawn.push(draw(
        &mut page,
        "A foot below the table",
        40.0,
        680.0,
        12.0,
        0,
    ));
    let lines = found(&page);
    let all: Vec<usize> = (0..drawn.len()).collect();
    assert!(columns > 10);
    assert_eq!(sequence(&lines, &drawn, Layout::Auto), all);
}

#[test]
fn a_receipt_is_read_row_by_row_and_is_a_table() {
    let texts = ["Bread", "2.50", "Milk", "11.20", "Total", "13.70"];
    let mut page = Gray::filled(500, 260, 255);
    let mut drawn = Vec::new();
    for (k, text) in texts.iter().enumerate() {
        let (x, y) = (
            if k % 2 == 0 { 30.0 } else { 360.0 },
            60.0 + 50.0 * (k / 2) as f32,
        );
        drawn.push(draw(&mut page, text, x, y, 12.0, 0));
    }
    let lines = found(&page);
    for layout in [Layout::Auto, Layout::Receipt] {
        assert_eq!(sequence(&lines, &drawn, layout), [0, 1, 2, 3, 4, 5]);
    }
    assert_eq!(sequence(&lines, &drawn, Layout::Page), [0, 2, 4, 1, 3, 5]);
    let regions = order(&lines, Layout::Receipt);
    assert_eq!(regions.len(), 1);
    let read: Vec<String> = lines
        .iter()
        .map(|line| texts[which(line, &drawn)].to_owned())
        .collect();
    let table = tsv(&cells(&regions[0], &lines), &read);
    assert_eq!(table, "Bread\t2.50\nMilk\t11.20\nTotal\t13.70\n");
    assert_eq!(tsv(&cells(&regions[0], &lines), &[]).lines().count(), 3);
}

#[test]
fn missing_cells_stay_empty() {
    let mut page = Gray::filled(640, 220, 255);
    let places = [
        ("Item", 30.0, 50.0),
        ("Count", 260.0, 50.0),
        ("Price", 500.0, 50.0),
        ("Rope", 30.0, 100.0),
    ];
    let more = [
        ("9.00", 500.0, 100.0),
        ("Nails", 30.0, 150.0),
        ("40", 260.0, 150.0),
        ("3.10", 500.0, 150.0),
    ];
    let places: Vec<_> = places.into_iter().chain(more).collect();
    let drawn: Vec<Drawn> = places
        .iter()
        .map(|(text, x, y)| draw(&mut page, text, *x, *y, 12.0, 0))
        .collect();
    let lines = found(&page);
    let regions = order(&lines, Layout::Auto);
    assert_eq!(regions.len(), 1);
    let read: Vec<String> = lines
        .iter()
        .map(|line| places[which(line, &drawn)].0.to_owned())
        .collect();
    let table = tsv(&cells(&regions[0], &lines), &read);
    assert_eq!(table, "Item\tCount\tPrice\nRope\t\t9.00\nNails\t40\t3.10\n");
}

#[test]
fn skewed_columns_and_rows_keep_their_order() {
    let mut page = Gray::filled(1180, 520, 250);
    let mut drawn = paragraph(&mut page, &PROSE, 60.0, 120.0, 12.0, 0);
    drawn.extend(paragraph(&mut page, &PROSE, 620.0, 120.0, 12.0, 0));
    let (sin, cos) = 3f32.to_radians().sin_cos();
    let turned = page.warp(1180, 520, 250, |x, y| {
        let (x, y) = (x - 590.0, y - 260.0);
        (590.0 + cos * x + sin * y, 260.0 - sin * x + cos * y)
    });
    let lines = found(&turned);
    assert_eq!(lines.len(), 12);
    let upright = |line: &Found| {
        let map = |p: refrain_image::Point| {
            let (x, y) = (p.x - 590.0, p.y - 260.0);
            refrain_image::Point {
                x: 590.0 + cos * x + sin * y,
                y: 260.0 - sin * x + cos * y,
            }
        };
        Found {
            quad: refrain_image::Quad(line.quad.0.map(map)),
            ..*line
        }
    };
    let places: Vec<usize> = lines
        .iter()
        .map(|line| which(&upright(line), &drawn))
        .collect();
    let regions = order(&lines, Layout::Page);
    let read: Vec<usize> = regions
        .iter()
        .flat_map(|r| r.rows.iter().flatten())
        .map(|&i| places[i])
        .collect();
    assert_eq!(read, (0..12).collect::<Vec<_>>());
}

/// Paragraphs are apart by less than a line, in print of all sizes, and also where the page is skewed.
#[test]
fn white_of_a_part_of_a_line_parts_paragraphs() {
    for (x_height, degrees) in [(7.0, 0.0f32), (12.0, 0.0), (12.0, 1.5), (25.0, 0.0)] {
        for (extra, expected) in [(0.0, vec![6]), (0.5, vec![3, 3]), (1.0, vec![3, 3])] {
            let step = 3.2 * x_height;
            let size = [46.0 * x_height, 26.0 * x_height].map(|size| size as usize);
            let mut page = Gray::filled(size[0], size[1], 255);
            let (x, y) = (2.0 * x_height, 3.0 * x_height);
            paragraph(&mut page, &PROSE[..3], x, y, x_height, 0);
            let below = y + (3.0 + extra) * step;
            paragraph(&mut page, &PROSE[3..], x, below, x_height, 0);
            let (sin, cos) = degrees.to_radians().sin_cos();
            let page = match degrees {
                0.0 => page,
                _ => page.warp(size[0], size[1], 255, |x, y| {
                    (cos * x + sin * y, cos * y - sin * x)
                }),
            };
            for layout in [Layout::Auto, Layout::Page] {
                let regions = order(&found(&page), layout);
                let sizes: Vec<usize> = regions.iter().map(|own| own.rows.len()).collect();
                assert_eq!(sizes, expected, "{x_height} {degrees} {extra}");
            }
        }
    }
}

#[test]
fn wide_white_between_rows_parts_regions() {
    let mut page = Gray::filled(620, 600, 255);
    let mut drawn = paragraph(&mut page, &PROSE[..3], 20.0, 60.0, 12.0, 0);
    drawn.extend(paragraph(&mut page, &PROSE[3..], 20.0, 300.0, 12.0, 0));
    let lines = found(&page);
    let sizes: Vec<usize> = order(&lines, Layout::Page)
        .iter()
        .map(|region| region.rows.len())
        .collect();
    assert_eq!(sizes, [3, 3]);
    let one = order(&lines, Layout::Line);
    assert_eq!(
        (one.len(), one[0].rows.len(), one[0].rows[0].len()),
        (1, 1, 6)
    );
    assert_eq!(order(&[], Layout::Auto), []);
}
