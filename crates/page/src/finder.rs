//! Text lines by connected components: no model, no assumption about sizes.

use refrain_image::{Gray, Point, Quad, Rect};

use crate::{
    Component, Found, Ink, Limits, PageError, Threshold, components, deskew,
    fit::{Fit, fit, settle},
    group::{self, Group, Part, Rules},
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

fn get(name: &str, default: f32) -> f32 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

/// Text lines of a page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lines {
    /// From the top to the bottom by their baselines; [`order`](crate::order) gives the reading order.
    pub lines: Vec<Found>,
    /// Degrees, see [`skew`](crate::skew).
    pub skew: f32,
    /// The page has more components than [`Limits`] allow, so it is noise or a picture; lines may be missing.
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
        let offset = get("OFFSET", 15.0) as u8;
        let mut ink = Ink::of(&page, Threshold::Mean { window: WINDOW, offset });
        let mut noisy = false;
        let found = components(&ink, limits.components).or_else(|| {
            ink = ink.despeckled();
            noisy = true;
            components(&ink, limits.components)
        });
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
        let long = 8.0 * self.median;
        let frame = |c: &Component| {
            let (width, height) = (c.bounds.width as f32, c.bounds.height as f32);
            width.max(height) > long && (c.area as f32) < 0.35 * width * height && height > 0.6 * self.median
        };
        if self.components.iter().any(frame) {
            let thickness = (0.3 * self.median).max(3.0) as usize;
            remove_rules(&mut self.ink, (4.0 * self.median) as usize, thickness);
            if let Some(found) = components(&self.ink, limits.components) {
                self.components = found;
            }
        }
    }

    /// Groups of components that may be lines.
    fn groups(&self, rules: &Rules, keep: impl Fn(&Part) -> bool) -> Vec<Group> {
        let strong = 0.35 * strong_level(&self.components, self.median);
        let seen = |c: &&Component| c.area > 1 && f32::from(c.level) >= strong;
        let parts: Vec<Part> = self.components.iter().filter(seen).map(Part::from).filter(keep).collect();
        let words = group::words(&parts, self.median, rules);
        if std::env::var("DUMP").is_ok() {
            println!("page {}", self.median);
            for w in &words {
                println!("word {} {} {} {} {} {}", w.bounds.left, w.bounds.right, w.bounds.top, w.bounds.bottom, w.scale, w.parts.len());
            }
        }
        let mut lines = group::lines(&words, self.median, rules);
        lines.retain(|line| self.is_line(line));
        lines
    }

    /// Large enough for a letter, and not a dash, a speck or the rest of a rule.
    fn is_line(&self, line: &Group) -> bool {
        let (width, height) = (line.bounds.width(), line.bounds.height());
        width > get("MINW", 0.35) * self.median && height > get("MINH", 0.6) * self.median
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
    let rules = Rules {
        letter_gap: get("LGAP", 0.8),
        word_gap: get("WGAP", 1.2),
        overlap: get("OVERLAP", 0.4),
    };
    search(page, limits, &rules, true)
}

/// The one line of an image of a line or a word: the widest, with gaps of any width. There is none without ink.
///
/// Errors: more pixels than the limit, or the deadline passed.
pub fn find_line(page: &Gray, limits: &Limits) -> Result<Option<Found>, PageError> {
    let rules = Rules {
        letter_gap: 0.8,
        word_gap: 1e6,
        overlap: 0.4,
    };
    let found = search(page, limits, &rules, false)?;
    let width = |line: &Found| line.baseline.length();
    Ok(found.lines.into_iter().max_by(|a, b| width(a).total_cmp(&width(b))))
}

fn search(page: &Gray, limits: &Limits, rules: &Rules, level: bool) -> Result<Lines, PageError> {
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
    let mut found = dark_lines(&view, rules);
    if let Some(light) = light_lines(&view, rules, limits, black, paper) {
        limits.check_time("searching for light lines", page)?;
        merge_polarities(&mut found, light);
    }
    let mut lines: Vec<Found> = found.into_iter().map(|(line, _)| line).collect();
    lines.sort_by(|a, b| a.baseline.start.y.total_cmp(&b.baseline.start.y));
    let place = |point: Point| {
        let point = turn.as_ref().map_or(point, |turn| turn.back(point));
        Point {
            x: point.x / scale,
            y: point.y / scale,
        }
    };
    Ok(Lines {
        lines: lines.iter().map(|line| line.map(1.0 / scale, place)).collect(),
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

/// Median height of components that may be letters, where each counts by its height; if all are higher, of those.
fn median_height(found: &[Component]) -> Option<f32> {
    let heights = |low: usize, high: usize| {
        let all = found.iter().map(|c| c.bounds.height);
        let mut heights: Vec<usize> = all.filter(|height| (low..=high).contains(height)).collect();
        heights.sort_unstable();
        heights
    };
    [(4, 70), (71, usize::MAX), (2, 3)].into_iter().find_map(|(low, high)| {
        let heights = heights(low, high);
        let half = heights.iter().sum::<usize>() / 2;
        let mut below = 0;
        let reached = |&height: &usize| {
            below += height;
            below >= half
        };
        heights.into_iter().find(reached).map(|height| height as f32)
    })
}

/// Median level of the ink of components about as high as the median.
fn strong_level(found: &[Component], median: f32) -> f32 {
    let usual = |c: &&Component| (0.6 * median..1.7 * median).contains(&(c.bounds.height as f32));
    let mut levels: Vec<u8> = found.iter().filter(usual).map(|c| c.level).collect();
    levels.sort_unstable();
    levels.get(levels.len() / 2).map_or(0.0, |&level| f32::from(level))
}

fn dark_lines(view: &View, rules: &Rules) -> Vec<(Found, f32)> {
    placed(view, &view.groups(rules, |_| true), false)
}

/// Lines of light ink on dark ground, if parts of the page are dark.
fn light_lines(view: &View, rules: &Rules, limits: &Limits, black: u8, paper: u8) -> Option<Vec<(Found, f32)>> {
    let middle = ((u16::from(black) + u16::from(paper)) / 2) as u8;
    if paper < black.saturating_add(CONTRAST) || !any_dark_block(&view.page, middle) {
        return None;
    }
    let mut light = View::new(view.page.clone().inverted(), limits)?;
    light.without_rules(limits);
    let groups = light.groups(rules, |part| on_dark(&view.page, part, middle));
    Some(placed(&light, &groups, true))
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
                && (small || [(0, 1), (1, 0), (1, 1)].iter().all(|(x, y)| column + x < columns && row + y < rows && dark(column + x, row + y)))
        })
    })
}

/// Whether most pixels of a frame around a part are darker than `middle`.
fn on_dark(page: &Gray, part: &Part, middle: u8) -> bool {
    let margin = (0.25 * part.height()).max(2.0);
    let inside = |value: f32, size: usize| (value.max(0.0) as usize).min(size - 1);
    let (left, right) = (inside(part.left - margin, page.width()), inside(part.right + margin, page.width()));
    let (top, bottom) = (inside(part.top - margin, page.height()), inside(part.bottom + margin, page.height()));
    let rows = [top, bottom].into_iter().flat_map(|y| page.row(y)[left..=right].iter().copied());
    let columns = [left, right].into_iter().flat_map(|x| (top..=bottom).map(move |y| page.get(x, y)));
    let (mut dark, mut all) = (0, 0);
    for pixel in rows.chain(columns) {
        all += 1;
        dark += usize::from(pixel < middle);
    }
    2 * dark > all
}

/// Groups as lines with baselines, in the coordinates of the view, each with its weight against other polarities.
fn placed(view: &View, groups: &[Group], light_on_dark: bool) -> Vec<(Found, f32)> {
    let mut fits: Vec<Fit> = groups.iter().map(|group| fit(&view.ink, group)).collect();
    settle(&mut fits);
    let found = groups.iter().zip(&fits).map(|(group, fit)| {
        let line = Found {
            quad: around(group, fit),
            baseline: fit.baseline,
            x_height: fit.x_height,
            light_on_dark,
        };
        (line, group.bounds.height() * group.bounds.width())
    });
    found.collect()
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
    let (px, py) = (get("PADX", 0.15) * height, get("PADY", 0.1) * height);
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

/// Adds light lines. Of two lines of opposite polarity in one place the larger is right: the other is made of the
/// holes in its letters.
fn merge_polarities(dark: &mut Vec<(Found, f32)>, light: Vec<(Found, f32)>) {
    let cover = |a: &Found, b: &Found| {
        let smaller = area(&a.quad).min(area(&b.quad));
        intersection(&a.quad, &b.quad) > 0.4 * smaller
    };
    let beaten = |line: &(Found, f32), others: &[(Found, f32)]| {
        others.iter().any(|other| other.1 > line.1 && cover(&line.0, &other.0))
    };
    let kept: Vec<_> = light.iter().filter(|line| !beaten(line, dark)).copied().collect();
    dark.retain(|line| !beaten(line, &light));
    dark.extend(kept);
}

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
        (0.5..=6.0).contains(&size) && c.bounds.width as f32 <= 25.0 * view.median && f32::from(c.level) >= strong
    });
    let boxes: Vec<Rect> = lines.iter().map(|quad| quad.bounds(page.width(), page.height())).collect();
    let (mut outside, mut all) = (0, 0);
    for letter in letters {
        let (x, y) = (letter.bounds.x + letter.bounds.width / 2, letter.bounds.y + letter.bounds.height / 2);
        let centre = Point {
            x: x as f32 + 0.5,
            y: y as f32 + 0.5,
        };
        let near = |rect: &Rect| (rect.x..=rect.right()).contains(&x) && (rect.y..=rect.bottom()).contains(&y);
        let inside = boxes.iter().zip(lines).any(|(rect, quad)| near(rect) && crate::map::contains(quad, centre));
        all += letter.area;
        outside += if inside { 0 } else { letter.area };
    }
    Ok(outside as f32 / (all as f32).max(1.0))
}
