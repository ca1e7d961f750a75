//! Boxes of words.

use refrain_image::{Point, Quad};

use crate::{Ink, Rectified, Threshold};

/// The corners on the page of words of a line, from their spans `(start, end)` in columns of its image, ascending, as
/// an alignment of labels to frames gives them. Alignments are only about right. So the edges between two words move to
/// the widest gap in the ink near their common end, and the outermost edges to the outermost ink near them. The height
/// is that of the ink, and at least the x-height.
pub fn word_quads(line: &Rectified, spans: &[(f32, f32)]) -> Vec<Quad> {
    let width = line.image.width();
    let threshold = Threshold::Mean {
        window: (2 * line.image.height()).min(61),
        offset: 15,
    };
    let ink = Ink::of(&line.image, threshold);
    let mut columns = vec![false; width];
    for y in 0..ink.height() {
        columns
            .iter_mut()
            .zip(ink.row(y))
            .for_each(|(any, &pixel)| *any |= pixel != 0);
    }
    let sound = |value: f32| {
        if value.is_finite() {
            value.clamp(0.0, width as f32)
        } else {
            0.0
        }
    };
    let spans: Vec<(f32, f32)> = spans
        .iter()
        .map(|&(a, b)| (sound(a.min(b)), sound(a.max(b))))
        .collect();
    let snapped = snapped(&columns, &spans, line.frame.x_height);
    snapped
        .into_iter()
        .map(|(from, to)| corners(line, &ink, from, to))
        .collect()
}

/// First column and end of each word.
fn snapped(columns: &[bool], spans: &[(f32, f32)], x_height: f32) -> Vec<(f32, f32)> {
    let mut edges = spans.to_vec();
    for k in 1..spans.len() {
        let (before, after) = (spans[k - 1], spans[k]);
        let middle = |span: (f32, f32)| (span.0 + span.1) / 2.0;
        let common = (before.1 + after.0) / 2.0;
        let (from, to) = (
            middle(before) as usize,
            (middle(after) as usize).min(columns.len()),
        );
        if let Some((left, right)) = best_gap(columns, from, to, common) {
            (edges[k - 1].1, edges[k].0) = (left as f32, right as f32);
        }
    }
    // The outermost edges: outwards over ink up to the next gap of half an x-height, then inwards to the ink.
    let gap = (0.5 * x_height).max(2.0) as usize;
    if let Some(first) = edges.first_mut() {
        let near = ((first.0 + first.1) / 2.0) as usize;
        first.0 = outermost((0..near.min(columns.len())).rev(), columns, gap)
            .map_or(first.0, |x| x as f32);
    }
    if let Some(last) = edges.last_mut() {
        let near = ((last.0 + last.1) / 2.0) as usize;
        last.1 =
            outermost(near..columns.len(), columns, gap.max(2)).map_or(last.1, |x| x as f32 + 1.0);
    }
    edges
        .iter()
        .map(|&(from, to)| (from, to.max(from)))
        .collect()
}

/// The run of columns without ink in `from..to` that is wide and near to `common`.
fn best_gap(columns: &[bool], from: usize, to: usize, common: f32) -> Option<(usize, usize)> {
    let mut best: Option<(f32, usize, usize)> = None;
    let mut x = from;
    while x < to {
        if columns[x] {
            x += 1;
            continue;
        }
        let end = columns[x..to]
            .iter()
            .position(|&ink| ink)
            .map_or(to, |at| x + at);
        let distance = (common - common.clamp(x as f32, end as f32)).abs();
        let score = (end - x) as f32 - 0.3 * distance;
        if best.is_none_or(|(most, ..)| score > most) {
            best = Some((score, x, end));
        }
        x = end;
    }
    best.map(|(_, from, to)| (from, to))
}

/// The last column with ink of a walk that ends after twice `gap` columns without.
fn outermost(walk: impl Iterator<Item = usize>, columns: &[bool], gap: usize) -> Option<usize> {
    let (mut last, mut empty) = (None, 0);
    for x in walk {
        match columns[x] {
            true => (last, empty) = (Some(x), 0),
            false => empty += 1,
        }
        if empty > 2 * gap && last.is_some() {
            break;
        }
    }
    last
}

fn corners(line: &Rectified, ink: &Ink, from: f32, to: f32) -> Quad {
    let columns = from as usize..(to.ceil() as usize).min(ink.width());
    let inked = |&y: &usize| {
        ink.row(y)
            .get(columns.clone())
            .is_some_and(|row| row.iter().any(|&p| p != 0))
    };
    let frame = &line.frame;
    let top = (0..ink.height())
        .find(inked)
        .map_or(frame.baseline, |y| y as f32);
    let bottom = (0..ink.height())
        .rev()
        .find(inked)
        .map_or(frame.baseline, |y| y as f32 + 1.0);
    let (top, bottom) = (
        top.min(frame.baseline - frame.x_height),
        bottom.max(frame.baseline),
    );
    Quad(
        [(from, top), (to, top), (to, bottom), (from, bottom)]
            .map(|(x, y)| line.to_page(Point { x, y })),
    )
}
