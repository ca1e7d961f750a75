//! Text lines by connected components: no model, no assumption about sizes.
//!
//! F1 at an intersection over union of 0.5 on the receipts of SROIE (149 of `train`, 30 of `val`), 2026-11-27, by
//! `cargo run --release -p refrain-page --example line_score -- FOLDER/train FOLDER/val`. The 50 of `test`, of which
//! no number was chosen: 0.867, and 0.798 at 0.7. The rows are the search as it grew; the last one is as it is.
//!
//! | step | train | val |
//! | --- | ---: | ---: |
//! | components with one gap | 0.756 | 0.759 |
//! | words, then lines, each by its own heights; weak components left out | 0.859 | 0.866 |
//! | gaps of 1.2 heights, smaller margins, no smoothing | 0.883 | |
//! | skewed pages levelled, rules removed, light lines | 0.878 | 0.863 |
//! | frames left out, remains of rules and weak ink left out, lines of few letters at least 0.85 high | 0.900 | 0.907 |

use std::collections::HashSet;

use refrain_image::{Gray, Point, Quad, Rect};

use crate::{
    Component, Found, Ink, Limits, PageError, Threshold, components, deskew,
    fit::{Fit, fit, settle},
    group::{self, Gaps, Group, Part},
    metrics::{area, intersection},
    remove_rules,
    skew::{quantile, skew_of_ink},
};

/// Side of the window of the threshold in pixels.
const WINDOW: usize = 41;
/// Median height of components above which the page is reduced, and the height that it gets then.
const HIGH: f32 = 30.0;
const REDUCED: f32 = 18.0;
/// Skew in degrees from which the page is turned before the search.
const SKEWED: f32 = 0.4;
/// Grey levels between paper and ink of a page that has any.
const CONTRAST: u8 = 24;

/// Most hollow components of a page that are looked into.
const FRAMES: usize = 1000;

/// Most components of the image of one line: each is compared with all others of its rows.
const LINE_COMPONENTS: usize = 20_000;
/// Grey levels between the mean of a window and ink.
const OFFSET: u8 = 15;
/// Least level of ink, in median levels of ink of the page.
const STRONG: f32 = 0.45;
/// Margins of a line, in heights of its ink: before and after it, above and below it.
const MARGINS: (f32, f32) = (0.15, 0.12);
/// The grouping that did best on receipts.
const GAPS: Gaps = Gaps {
    letter_gap: 1.0,
    word_gap: 1.2,
    overlap: 0.4,
};

/// Text lines of a page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lines {
    /// From the top to the bottom by their baselines; [`order`](crate::order) gives the reading order.
    pub lines: Vec<Found>,
    /// Degrees, see [`skew`](crate::skew).
    pub skew: f32,
    /// The page has more runs of ink than text has, or more components than [`Limits`] allow: it is noise or a picture,
    /// and lines may be missing or wrong.
    pub noisy: bool,
}

/// A page as the search sees it: reduced, level, of one polarity.
struct View {
    page: Gray,
    ink: Ink,
    components: Vec<Component>,
    /// Median height of components that may be letters.
    median: f32,
    noisy: bool,
}

impl View {
    /// Nothing if there is no component that may be a letter.
    fn new(page: Gray, limits: &Limits) -> Option<Self> {
        let threshold = Threshold::Mean {
            window: WINDOW,
            offset: OFFSET,
        };
        let mut ink = Ink::of(&page, threshold);
        let mut noisy = is_noise(&ink);
        let mut found = None;
        if !noisy {
            found = components(&ink, limits.components);
        }
        if found.is_none() {
            noisy = true;
            ink = ink.despeckled();
            found = components(&ink, limits.components);
        }
        let components = found.unwrap_or_default();
        let median = median_height(&components);
        (median.is_some() || noisy).then(|| Self {
            page,
            ink,
            components,
            median: median.unwrap_or(0.0),
            noisy,
        })
    }

    /// Removes rules where ink hangs together over many letters, as in tables and frames.
    fn without_rules(&mut self, limits: &Limits) {
        self.drop_frames(5.0 * self.median);
        let long = 8.0 * self.median;
        let frame = |c: &Component| {
            let (width, height) = (c.bounds.width as f32, c.bounds.height as f32);
            width.max(height) > long
                && (c.area as f32) < 0.35 * width * height
                && height > 0.6 * self.median
        };
        if self.components.iter().any(frame) {
            let thickness = (0.3 * self.median).max(3.0) as usize;
            remove_rules(&mut self.ink, (4.0 * self.median) as usize, thickness);
            if let Some(found) = components(&self.ink, limits.components) {
                let before: HashSet<_> = self.components.iter().map(|c| key(&c.bounds)).collect();
                self.components = found;
                let median = self.median;
                self.components
                    .retain(|c| before.contains(&key(&c.bounds)) || is_letter(c, median));
            }
        }
        self.drop_frames(f32::INFINITY);
    }

    /// Drops hollow components of at most `most` rows around others.
    fn drop_frames(&mut self, most: f32) {
        let hollow = |c: &Component| {
            let (width, height) = (c.bounds.width as f32, c.bounds.height as f32);
            width > 2.5 * self.median
                && (1.3 * self.median..most).contains(&height)
                && (c.area as f32) < 0.3 * width * height
        };
        let holds = |frame: &Rect, c: &Component| {
            c.bounds.x > frame.x
                && c.bounds.right() < frame.right()
                && c.bounds.y > frame.y
                && c.bounds.bottom() < frame.bottom()
        };
        let letter = |c: &&Component| c.bounds.height as f32 > 0.5 * self.median;
        let letters: Vec<Component> = self.components.iter().filter(letter).copied().collect();
        let mut budget = FRAMES;
        self.components.retain(|c| {
            let tried = hollow(c) && budget > 0;
            budget -= usize::from(tried);
            !(tried && letters.iter().any(|letter| holds(&c.bounds, letter)))
        });
    }

    /// Groups of components that may be lines.
    fn groups(&self, gaps: &Gaps, keep: impl Fn(&Part) -> bool) -> Vec<Group> {
        let strong = STRONG * strong_level(&self.components, self.median);
        let seen = |c: &&Component| c.area > 1 && f32::from(c.level) >= strong;
        let parts: Vec<Part> = self
            .components
            .iter()
            .filter(seen)
            .map(Part::from)
            .filter(keep)
            .collect();
        let words = group::words(&parts, self.median, gaps);
        let mut lines = group::lines(&words, self.median, gaps);
        lines.retain(|line| self.is_line(line));
        lines
    }

    /// Large enough for a letter, and not a dash, a speck or the rest of a rule.
    fn is_line(&self, line: &Group) -> bool {
        let (width, height) = (line.bounds.width(), line.bounds.height());
        let least = if line.parts.len() < 3 { 0.85 } else { 0.6 };
        width > 0.35 * self.median && height > least * self.median
    }
}

/// Text lines of a page of any size, dark on light or light on dark, skewed by up to 15 degrees.
///
/// Ink is what is darker than the mean around it. Its components become words, and words lines, by their distances in
/// units of their own heights. Where large parts of the page are dark, the same is done on the inverted page. Positions
/// are those of `page`.
///
/// Errors: more pixels than the limit, or the deadline passed.
pub fn find_lines(page: &Gray, limits: &Limits) -> Result<Lines, PageError> {
    search(page, limits, &GAPS, true)
}

/// The one line of an image of a line or a word: the widest, with gaps of any width. There is none without ink.
///
/// Errors: more pixels than the limit, or the deadline passed.
pub fn find_line(page: &Gray, limits: &Limits) -> Result<Option<Found>, PageError> {
    let gaps = Gaps {
        word_gap: 1e6,
        ..GAPS
    };
    let limits = Limits {
        components: limits.components.min(LINE_COMPONENTS),
        ..*limits
    };
    let found = search(page, &limits, &gaps, false)?;
    let width = |line: &Found| line.baseline.length();
    Ok(found
        .lines
        .into_iter()
        .max_by(|a, b| width(a).total_cmp(&width(b))))
}

fn search(page: &Gray, limits: &Limits, gaps: &Gaps, level: bool) -> Result<Lines, PageError> {
    limits.check_size(page)?;
    let (black, paper) = (quantile(page, 0.01), quantile(page, 0.99));
    limits.check_time("searching for components", page)?;
    let Some(mut view) = reduced(page, limits)? else {
        return Ok(Lines::default());
    };
    let noisy = view.noisy;
    if view.components.is_empty() {
        return Ok(Lines {
            noisy,
            ..Lines::default()
        });
    }
    let scale = match page.width() >= page.height() {
        true => view.page.width() as f32 / page.width() as f32,
        false => view.page.height() as f32 / page.height() as f32,
    };
    limits.check_time("measuring the skew", page)?;
    let skew = match level {
        true => skew_of_ink(&view.ink, view.median / 6.0),
        false => 0.0,
    };
    let mut turn = None;
    if skew.abs() >= SKEWED {
        let (level, back) = deskew(&view.page, skew);
        turn = Some(back);
        match View::new(level, limits) {
            Some(level) => view = level,
            None => return Ok(Lines::default()),
        }
    }
    limits.check_time("searching for lines", page)?;
    view.without_rules(limits);
    let groups = view.groups(gaps, |_| true);
    let mut lines = placed(&view, &groups, false);
    let middle = ((u16::from(black) + u16::from(paper)) / 2) as u8;
    if paper >= black.saturating_add(CONTRAST) && any_dark_block(&view.page, middle) {
        limits.check_time("searching for light lines", page)?;
        let dark = weighed(lines, &groups, |part| !on_dark(&view.page, part, 255));
        let light = light_lines(&view, gaps, limits, middle);
        lines = merge_polarities(dark, light);
    }
    lines.sort_by(|a, b| a.baseline.start.y.total_cmp(&b.baseline.start.y));
    let place = |point: Point| {
        let point = turn.as_ref().map_or(point, |turn| turn.back(point));
        Point {
            x: point.x / scale,
            y: point.y / scale,
        }
    };
    Ok(Lines {
        lines: lines
            .iter()
            .map(|line| line.map(1.0 / scale, place))
            .collect(),
        skew,
        noisy,
    })
}

/// The page in a size in which letters are not above `HIGH` pixels.
fn reduced(page: &Gray, limits: &Limits) -> Result<Option<View>, PageError> {
    let mut view = View::new(page.clone(), limits);
    for _ in 0..3 {
        match &view {
            Some(large) if large.median > HIGH => {
                limits.check_time("reducing", page)?;
                let factor = REDUCED / large.median;
                let size = |length: usize| ((length as f32 * factor).round() as usize).max(1);
                let (width, height) = (size(large.page.width()), size(large.page.height()));
                view = View::new(large.page.resize(width, height), limits);
            }
            _ => break,
        }
    }
    Ok(view)
}

/// Whether ink begins in more than one of six pixels of a page: text has less than one in ten.
fn is_noise(ink: &Ink) -> bool {
    const LEAST: usize = 250_000;
    let pixels = ink.width() * ink.height();
    if pixels < LEAST {
        return false;
    }
    let begins = |row: &[u8]| {
        let pairs = row.iter().zip(row.iter().skip(1));
        pairs
            .filter(|(before, here)| **before == 0 && **here != 0)
            .count()
    };
    let runs: usize = (0..ink.height()).map(|y| begins(ink.row(y))).sum();
    6 * runs > pixels
}

/// What tells components apart.
fn key(bounds: &Rect) -> [usize; 4] {
    [bounds.x, bounds.y, bounds.width, bounds.height]
}

/// Whether a part of a component from which rules were removed may be a letter.
fn is_letter(c: &Component, median: f32) -> bool {
    let (width, height) = (c.bounds.width as f32, c.bounds.height as f32);
    (0.5 * median..1.9 * median).contains(&height)
        && (0.2 * height..3.0 * median).contains(&width)
        && c.area as f32 >= 0.15 * width * height
}

/// Median height of components that may be letters, where each counts by its height; if all are higher, of those.
fn median_height(found: &[Component]) -> Option<f32> {
    let heights = |low: usize, high: usize| {
        let all = found.iter().map(|c| c.bounds.height);
        let mut heights: Vec<usize> = all.filter(|height| (low..=high).contains(height)).collect();
        heights.sort_unstable();
        heights
    };
    [(4, 70), (71, usize::MAX), (2, 3)]
        .into_iter()
        .find_map(|(low, high)| {
            let heights = heights(low, high);
            let half = heights.iter().sum::<usize>() / 2;
            let mut below = 0;
            let reached = |&height: &usize| {
                below += height;
                below >= half
            };
            heights
                .into_iter()
                .find(reached)
                .map(|height| height as f32)
        })
}

/// Median level of the ink of components about as high as the median.
fn strong_level(found: &[Component], median: f32) -> f32 {
    let usual = |c: &&Component| (0.6 * median..1.7 * median).contains(&(c.bounds.height as f32));
    let mut levels: Vec<u8> = found.iter().filter(usual).map(|c| c.level).collect();
    levels.sort_unstable();
    levels
        .get(levels.len() / 2)
        .map_or(0.0, |&level| f32::from(level))
}

/// A line with its weight against lines of the other polarity: its letters, then its height.
type Weighed = (Found, (f32, f32));

/// Lines with the number of their letters that count; a wide part is several.
fn weighed(lines: Vec<Found>, groups: &[Group], counts: impl Fn(&Part) -> bool) -> Vec<Weighed> {
    let letters = |group: &Group| {
        let parts = group.parts.iter().filter(|part| counts(part));
        parts
            .map(|part| (part.width() / part.height()).max(1.0))
            .sum()
    };
    let weights = groups
        .iter()
        .map(|group| (letters(group), group.bounds.height()));
    lines.into_iter().zip(weights).collect()
}

/// Lines of light ink on dark ground.
fn light_lines(view: &View, gaps: &Gaps, limits: &Limits, middle: u8) -> Vec<Weighed> {
    let Some(mut light) = View::new(view.page.clone().inverted(), limits) else {
        return Vec::new();
    };
    light.without_rules(limits);
    let groups = light.groups(gaps, |part| on_dark(&view.page, part, middle));
    weighed(placed(&light, &groups, true), &groups, |_| true)
}

/// Whether four blocks of 8 by 8 pixels in a square have means below `middle`, or one block of an image with few.
fn any_dark_block(page: &Gray, middle: u8) -> bool {
    const SIDE: usize = 8;
    let (columns, rows) = (page.width() / SIDE, page.height() / SIDE);
    let dark = |column: usize, row: usize| {
        let sum: u32 = (row * SIDE..(row + 1) * SIDE)
            .flat_map(|y| &page.row(y)[column * SIDE..(column + 1) * SIDE])
            .map(|&pixel| u32::from(pixel))
            .sum();
        sum < u32::from(middle) * (SIDE * SIDE) as u32
    };
    // A dark square of 3 by 3 blocks holds one of 2 by 2 that begins at even places.
    let small = columns < 3 || rows < 3;
    let step = if small { 1 } else { 2 };
    (0..rows).step_by(step).any(|row| {
        (0..columns).step_by(step).any(|column| {
            dark(column, row)
                && (small
                    || [(0, 1), (1, 0), (1, 1)].iter().all(|(x, y)| {
                        column + x < columns && row + y < rows && dark(column + x, row + y)
                    }))
        })
    })
}

/// Whether most pixels of a frame around a part are darker than the middle of the grey levels inside the frame, and
/// than `most`.
fn on_dark(page: &Gray, part: &Part, most: u8) -> bool {
    let margin = (0.25 * part.height()).max(2.0);
    let inside = |value: f32, size: usize| (value.max(0.0) as usize).min(size - 1);
    let (left, right) = (
        inside(part.left - margin, page.width()),
        inside(part.right + margin, page.width()),
    );
    let (top, bottom) = (
        inside(part.top - margin, page.height()),
        inside(part.bottom + margin, page.height()),
    );
    let inner = (top..=bottom).flat_map(|y| &page.row(y)[left..=right]);
    let (black, white) = inner.fold((255, 0), |(low, high): (u8, u8), &pixel| {
        (low.min(pixel), high.max(pixel))
    });
    let middle = ((u16::from(black) + u16::from(white)) / 2).min(u16::from(most)) as u8;
    let rows = [top, bottom]
        .into_iter()
        .flat_map(|y| page.row(y)[left..=right].iter().copied());
    let columns = [left, right]
        .into_iter()
        .flat_map(|x| (top..=bottom).map(move |y| page.get(x, y)));
    let (mut dark, mut all) = (0, 0);
    for pixel in rows.chain(columns) {
        all += 1;
        dark += usize::from(pixel < middle);
    }
    2 * dark > all
}

/// Groups as lines with baselines, in the coordinates of the view.
fn placed(view: &View, groups: &[Group], light_on_dark: bool) -> Vec<Found> {
    let mut fits: Vec<Fit> = groups.iter().map(|group| fit(&view.ink, group)).collect();
    settle(&mut fits);
    let line = |(group, fit): (&Group, &Fit)| Found {
        quad: around(group, fit),
        baseline: fit.baseline,
        x_height: fit.x_height,
        light_on_dark,
    };
    groups.iter().zip(&fits).map(line).collect()
}

/// The rectangle along the baseline around all parts, with a margin.
fn around(group: &Group, fit: &Fit) -> Quad {
    let unit = fit.baseline.along();
    let start = fit.baseline.start;
    let (mut left, mut right, mut top, mut bottom) = (f32::MAX, f32::MIN, f32::MAX, f32::MIN);
    for part in &group.parts {
        let x = (part.left + part.right) / 2.0;
        for y in [part.top, part.bottom] {
            let below = (y - start.y) * unit.x - (x - start.x) * unit.y;
            (top, bottom) = (top.min(below), bottom.max(below));
        }
        let y = part.middle();
        for x in [part.left, part.right] {
            let along = (x - start.x) * unit.x + (y - start.y) * unit.y;
            (left, right) = (left.min(along), right.max(along));
        }
    }
    let height = bottom - top;
    let (px, py) = (MARGINS.0 * height, MARGINS.1 * height);
    let corners = [
        (left - px, top - py),
        (right + px, top - py),
        (right + px, bottom + py),
        (left - px, bottom + py),
    ];
    Quad(corners.map(|(along, below)| Point {
        x: start.x + along * unit.x - below * unit.y,
        y: start.y + along * unit.y + below * unit.x,
    }))
}

/// Lines of both polarities. Of two in one place the one with more letters is right, then the higher: the other is made
/// of holes in letters, or of the edge of a dark area.
fn merge_polarities(dark: Vec<Weighed>, light: Vec<Weighed>) -> Vec<Found> {
    let cover = |a: &Found, b: &Found| {
        let smaller = area(&a.quad).min(area(&b.quad));
        intersection(&a.quad, &b.quad) > 0.4 * smaller
    };
    let stays = |line: &&Weighed, others: &[Weighed]| {
        !others
            .iter()
            .any(|other| other.1 > line.1 && cover(&line.0, &other.0))
    };
    let dark_stays = dark.iter().filter(|line| stays(line, &light));
    let light_stays = light.iter().filter(|line| stays(line, &dark));
    dark_stays.chain(light_stays).map(|line| line.0).collect()
}

/// Rows of a band of a page.
const BAND: usize = 64;

/// Share of the text-like ink of a page outside of all `lines`, 0 to 1: ink that a reader of the lines misses.
/// Text-like are components of the size of letters and with the contrast of most of them.
///
/// Errors: more pixels than the limit, or the deadline passed.
pub fn uncovered_ink(page: &Gray, lines: &[Quad], limits: &Limits) -> Result<f32, PageError> {
    limits.check_size(page)?;
    limits.check_time("measuring ink outside of lines", page)?;
    let Some(view) = View::new(page.clone(), limits) else {
        return Ok(0.0);
    };
    let strong = 0.5 * strong_level(&view.components, view.median);
    let letters = view.components.iter().filter(|c| {
        let size = c.bounds.height as f32 / view.median;
        (0.5..=6.0).contains(&size)
            && c.bounds.width as f32 <= 25.0 * view.median
            && f32::from(c.level) >= strong
    });
    // Lines by the bands of rows that they touch: a page of noise has many lines and many letters.
    let mut bands: Vec<Vec<(Rect, &Quad)>> = vec![Vec::new(); page.height() / BAND + 1];
    for quad in lines {
        let rect = quad.bounds(page.width(), page.height());
        for band in &mut bands[rect.y / BAND..=rect.bottom() / BAND] {
            band.push((rect, quad));
        }
    }
    let (mut outside, mut all) = (0, 0);
    for letter in letters {
        let (x, y) = (
            letter.bounds.x + letter.bounds.width / 2,
            letter.bounds.y + letter.bounds.height / 2,
        );
        let centre = Point {
            x: x as f32 + 0.5,
            y: y as f32 + 0.5,
        };
        let near = |rect: &Rect| {
            (rect.x..=rect.right()).contains(&x) && (rect.y..=rect.bottom()).contains(&y)
        };
        let inside = bands[y / BAND]
            .iter()
            .any(|(rect, quad)| near(rect) && crate::map::contains(quad, centre));
        all += letter.area;
        outside += if inside { 0 } else { letter.area };
    }
    Ok(outside as f32 / (all as f32).max(1.0))
}
