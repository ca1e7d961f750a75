//! Reading order: blocks, rows and cells of tables.

use refrain_image::Point;

use crate::Found;

/// A letter of the scripts that run from right to left.
pub fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// The kind of page, which decides what stands in one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Columns of long lines are read one after the other; short lines side by side are one row.
    #[default]
    Auto,
    /// Running text: columns are read one after the other.
    Page,
    /// A receipt or a table: lines side by side are one row, whatever lies between them.
    Receipt,
    /// All is one line.
    Line,
    /// All is one word.
    Word,
}

/// Lines that are read together, a paragraph or a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// From the top to the bottom: indices of the lines of a row, from left to right.
    pub rows: Vec<Vec<usize>>,
}

/// Least width of the white between columns, in x-heights.
const COLUMN_GAP: f32 = 2.0;
/// Least median width of the lines of a column of running text, in x-heights.
const RUNNING: f32 = 14.0;
/// Distance of baselines above which a region of rows ends, in usual distances of the region.
const ROWS: f32 = 1.6;
/// The same of running text. Paragraphs are often set apart by half a line, and baselines are right within a twentieth.
const PARAGRAPH: f32 = 1.25;

/// A line on the level page, without its margins.
#[derive(Clone, Copy, Debug)]
struct Level {
    index: usize,
    left: f32,
    right: f32,
    top: f32,
    bottom: f32,
    x_height: f32,
}

/// Regions in reading order, of lines read from left to right; each index appears once. The page is cut, recursively,
/// at white of at least 2 x-heights between columns, and at white between rows (Nagy and Seth, "Hierarchical
/// representation of optically scanned documents", ICPR 1984). It is levelled by the median direction of the baselines.
pub fn order(lines: &[Found], layout: Layout) -> Vec<Region> {
    let level = level(lines);
    let mut regions = Vec::new();
    match layout {
        _ if level.is_empty() => {}
        Layout::Line | Layout::Word => {
            let mut row = level;
            row.sort_by(|a, b| a.left.total_cmp(&b.left));
            regions.push(Region {
                rows: vec![row.iter().map(|line| line.index).collect()],
            });
        }
        Layout::Receipt => paragraphs(rows(level), &mut regions),
        Layout::Auto | Layout::Page => cut(level, layout, 0, &mut regions),
    }
    regions
}

/// Lines turned by the median direction of their baselines.
fn level(lines: &[Found]) -> Vec<Level> {
    let mut angles: Vec<(f32, f32)> = lines
        .iter()
        .map(|line| {
            let along = line.baseline.along();
            (along.y.atan2(along.x), line.baseline.length())
        })
        .filter(|(angle, length)| angle.is_finite() && length.is_finite())
        .collect();
    angles.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = angles.iter().map(|a| a.1).sum::<f32>() / 2.0;
    let mut before = 0.0;
    let median = angles.iter().find(|a| {
        before += a.1;
        before >= half
    });
    let (sin, cos) = median.map_or(0.0, |a| a.0).sin_cos();
    let turn = |point: Point| (point.x * cos + point.y * sin, point.y * cos - point.x * sin);
    let number = |value: f32| if value.is_finite() { value } else { 0.0 };
    let level = |(index, line): (usize, &Found)| {
        let (start, end) = (turn(line.baseline.start), turn(line.baseline.end));
        let (left, right) = (number(start.0.min(end.0)), number(start.0.max(end.0)));
        let base = number((start.1 + end.1) / 2.0);
        let x_height = number(line.x_height).max(1.0);
        Level {
            index,
            left,
            right,
            top: base - 1.4 * x_height,
            bottom: base + 0.3 * x_height,
            x_height,
        }
    };
    lines.iter().enumerate().map(level).collect()
}

fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut values: Vec<f32> = values.collect();
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Most nested cuts.
const DEPTH: usize = 64;

/// Cuts a part of the page into columns or, where that needs it, into bands; else it is rows.
fn cut(lines: Vec<Level>, layout: Layout, depth: usize, regions: &mut Vec<Region>) {
    if depth < DEPTH {
        let columns = columns(&lines, layout);
        if columns.is_some()
            && layout == Layout::Auto
            && let Some((above, below)) = table_apart(&lines)
        {
            cut(above, layout, depth + 1, regions);
            cut(below, layout, depth + 1, regions);
            return;
        }
        if let Some(columns) = columns {
            columns
                .into_iter()
                .for_each(|column| cut(column, layout, depth + 1, regions));
            return;
        }
        if let Some((above, below)) = band(&lines, layout) {
            cut(above, layout, depth + 1, regions);
            cut(below, layout, depth + 1, regions);
            return;
        }
    }
    paragraphs(rows(lines), regions);
}

/// Lines apart at the white that no line crosses, if there is such white and its sides are columns.
fn columns(lines: &[Level], layout: Layout) -> Option<Vec<Vec<Level>>> {
    let least = COLUMN_GAP * median(lines.iter().map(|line| line.x_height));
    let mut sorted = lines.to_vec();
    sorted.sort_by(|a, b| a.left.total_cmp(&b.left));
    let mut parts: Vec<Vec<Level>> = Vec::new();
    let mut right = f32::NEG_INFINITY;
    for line in sorted {
        match parts.last_mut() {
            Some(part) if line.left - right < least => part.push(line),
            _ => parts.push(vec![line]),
        }
        right = right.max(line.right);
    }
    (parts.len() > 1 && parts.iter().all(|part| is_column(part, layout))).then_some(parts)
}

/// A column has several lines; with `Auto` its lines are long, as in running text.
fn is_column(part: &[Level], layout: Layout) -> bool {
    let rows = rows(part.to_vec()).len();
    let width = median(
        part.iter()
            .map(|line| (line.right - line.left) / line.x_height),
    );
    rows >= 2 && (layout == Layout::Page || (rows >= 3 && width >= RUNNING))
}

/// Most cuts between rows that are tried: more are a long page without columns.
const TRIED: usize = 200;

/// Lines from the top to the bottom, and the white between rows that no line covers: its height and the number of lines
/// above it, the highest first.
fn cuts(lines: &[Level]) -> (Vec<Level>, Vec<(f32, usize)>) {
    let mut sorted = lines.to_vec();
    sorted.sort_by(|a, b| a.top.total_cmp(&b.top));
    let mut cuts = Vec::new();
    let mut bottom = f32::NEG_INFINITY;
    for (at, line) in sorted.iter().enumerate() {
        if at > 0 && line.top >= bottom - 0.3 * line.x_height {
            cuts.push((line.top - bottom, at));
        }
        bottom = bottom.max(line.bottom);
    }
    cuts.sort_by(|a, b| b.0.total_cmp(&a.0));
    cuts.truncate(TRIED);
    (sorted, cuts)
}

/// Lines above and below the highest white between rows from which on, or up to which, there are columns.
fn band(lines: &[Level], layout: Layout) -> Option<(Vec<Level>, Vec<Level>)> {
    let (mut sorted, cuts) = cuts(lines);
    let works = |&&(_, at): &&(f32, usize)| {
        columns(&sorted[..at], layout).is_some() || columns(&sorted[at..], layout).is_some()
    };
    let at = match cuts.iter().find(works) {
        Some(&(_, at)) => at,
        None => between(&sorted, &cuts, layout)?,
    };
    let below = sorted.split_off(at);
    Some((sorted, below))
}

/// Lines above and below the highest white between columns of running text and a table, whose cells could pass for
/// further lines of these columns.
fn table_apart(lines: &[Level]) -> Option<(Vec<Level>, Vec<Level>)> {
    let (mut sorted, cuts) = cuts(lines);
    let is_text = |part: &[Level]| columns(part, Layout::Auto).is_some();
    let apart = |&&(_, at): &&(f32, usize)| {
        let (above, below) = sorted.split_at(at);
        is_table(below) && is_text(above) || is_table(above) && is_text(below)
    };
    let &(_, at) = cuts.iter().find(apart)?;
    let below = sorted.split_off(at);
    Some((sorted, below))
}

/// Two rows or more, most of several short lines.
fn is_table(lines: &[Level]) -> bool {
    let width = median(
        lines
            .iter()
            .map(|line| (line.right - line.left) / line.x_height),
    );
    if width >= RUNNING {
        return false;
    }
    let rows = rows(lines.to_vec());
    let several = rows.iter().filter(|row| row.len() > 1).count();
    several >= 2 && 2 * several > rows.len()
}

/// The cut above the most lines that have columns between two cuts, as between a title and a table.
fn between(sorted: &[Level], cuts: &[(f32, usize)], layout: Layout) -> Option<usize> {
    /// The widest cuts that are tried in pairs.
    const TRIED: usize = 30;
    let mut places: Vec<usize> = cuts.iter().take(TRIED).map(|&(_, at)| at).collect();
    places.sort_unstable();
    let mut best: Option<(usize, usize)> = None;
    for (number, &from) in places.iter().enumerate() {
        // The longest first: a shorter one from here cannot be better.
        let mut ends = places[number + 1..].iter().rev();
        let better = |to: &&usize| best.is_none_or(|(lines, _)| *to - from > lines);
        let found = ends.find(|to| better(to) && columns(&sorted[from..**to], layout).is_some());
        if let Some(to) = found {
            best = Some((to - from, from));
        }
    }
    best.map(|(_, from)| from)
}

/// Rows from the top to the bottom: a line joins a row if both cover most of the rows of the lower one and it lies
/// beside the others.
fn rows(mut lines: Vec<Level>) -> Vec<Vec<Level>> {
    lines.sort_by(|a, b| a.bottom.total_cmp(&b.bottom));
    let mut rows: Vec<Vec<Level>> = Vec::new();
    for line in lines {
        let beside = |row: &Vec<Level>| {
            row.iter().all(|other| {
                let rows = line.bottom.min(other.bottom) - line.top.max(other.top);
                let less = (line.bottom - line.top).min(other.bottom - other.top);
                let apart = line.left.max(other.left) - line.right.min(other.right);
                rows > 0.5 * less && apart > -0.5 * line.x_height
            })
        };
        match rows.iter_mut().rev().take(6).find(|row| beside(row)) {
            Some(row) => row.push(line),
            None => rows.push(vec![line]),
        }
    }
    for row in &mut rows {
        row.sort_by(|a, b| a.left.total_cmp(&b.left));
    }
    rows
}

/// Adds rows as regions, which end at wide white: wider between rows of several lines, whose cells may be empty or of
/// several heights.
fn paragraphs(rows: Vec<Vec<Level>>, regions: &mut Vec<Region>) {
    let base = |row: &[Level]| {
        row.iter()
            .map(|line| line.bottom)
            .fold(f32::NEG_INFINITY, f32::max)
    };
    let steps = rows.windows(2).map(|pair| base(&pair[1]) - base(&pair[0]));
    let usual = median(steps.filter(|step| *step > 0.0));
    let mut before: Option<(f32, usize)> = None;
    for row in rows {
        let here = base(&row);
        let indices: Vec<usize> = row.iter().map(|line| line.index).collect();
        let ends = |(last, length): (f32, usize)| {
            let most = match length.max(row.len()) {
                1 => PARAGRAPH,
                _ => ROWS,
            };
            here - last > most * usual
        };
        match (before, regions.last_mut()) {
            (Some(last), Some(region)) if !ends(last) => region.rows.push(indices),
            _ => regions.push(Region {
                rows: vec![indices],
            }),
        }
        before = Some((here, row.len()));
    }
}

/// The cells of a region as a table, row by row: the lines of each. Columns are stretches that the lines of rows with
/// several lines cover; a line belongs to the column that it covers most.
pub fn cells(region: &Region, lines: &[Found]) -> Vec<Vec<Vec<usize>>> {
    let level = level(lines);
    let of = |&index: &usize| level.get(index);
    let several = region.rows.iter().filter(|row| row.len() > 1);
    let mut spans: Vec<(f32, f32)> = several
        .flatten()
        .filter_map(of)
        .map(|line| (line.left, line.right))
        .collect();
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut columns: Vec<(f32, f32)> = Vec::new();
    for (left, right) in spans {
        match columns.last_mut() {
            Some(column) if left < column.1 => column.1 = column.1.max(right),
            _ => columns.push((left, right)),
        }
    }
    let place = |line: &Level| {
        let cover = |column: &(f32, f32)| line.right.min(column.1) - line.left.max(column.0);
        let covers = columns.iter().map(cover).enumerate();
        covers
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
            .map_or(0, |(k, _)| k)
    };
    let row = |row: &Vec<usize>| {
        let mut cells = vec![Vec::new(); columns.len().max(1)];
        for index in row {
            if let Some(line) = of(index) {
                cells[place(line)].push(*index);
            }
        }
        cells
    };
    region.rows.iter().map(row).collect()
}

/// A table as tab-separated values, a row a line; lines in one cell are joined by spaces, and tabs and line ends in
/// `texts` become spaces. Lines without a text are empty.
pub fn tsv(cells: &[Vec<Vec<usize>>], texts: &[String]) -> String {
    let text = |index: &usize| {
        let text = texts.get(*index).map_or("", String::as_str);
        text.replace(['\t', '\n', '\r'], " ")
    };
    let mut out = String::new();
    for row in cells {
        let cells = row
            .iter()
            .map(|cell| cell.iter().map(text).collect::<Vec<_>>().join(" "));
        out.push_str(&cells.collect::<Vec<_>>().join("\t"));
        out.push('\n');
    }
    out
}
