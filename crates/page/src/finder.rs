//! Text lines by connected components: no model, no assumption about sizes.

use refrain_image::{Gray, Point, Rect};

use crate::{
    Baseline, Found, Ink, Limits, PageError, Threshold,
    components::{Component, components},
};

/// Tunable numbers of the search; lengths are in median heights of components.
#[derive(Clone, Copy, Debug, PartialEq)]
#[doc(hidden)]
pub struct Tuning {
    pub window: usize,
    pub offset: u8,
    pub blur: f32,
    pub gap: f32,
    pub pad_x: f32,
    pub pad_top: f32,
    pub pad_bottom: f32,
    pub overlap: f32,
}

impl Default for Tuning {
    fn default() -> Self {
        let get = |name: &str, default: f32| {
            std::env::var(name)
                .ok()
                .and_then(|v| v.parse().ok())
                .unwrap_or(default)
        };
        Self {
            window: get("WINDOW", 41.0) as usize,
            offset: get("OFFSET", 18.0) as u8,
            blur: get("BLUR", 0.0),
            gap: get("GAP", 1.4),
            pad_x: get("PADX", 0.15),
            pad_top: get("PADT", 0.15),
            pad_bottom: get("PADB", 0.15),
            overlap: get("OVERLAP", 0.35),
        }
    }
}

/// A component in use.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub left: f32,
    pub right: f32,
    pub top: f32,
    pub bottom: f32,
    pub area: f32,
}

impl Part {
    fn height(&self) -> f32 {
        self.bottom - self.top
    }
    fn width(&self) -> f32 {
        self.right - self.left
    }
    fn centre(&self) -> f32 {
        (self.top + self.bottom) / 2.0
    }
    fn overlap(&self, other: &Self) -> f32 {
        self.bottom.min(other.bottom) - self.top.max(other.top)
    }
    fn gap(&self, other: &Self) -> f32 {
        self.left.max(other.left) - self.right.min(other.right)
    }
    fn join(&mut self, other: &Self) {
        self.left = self.left.min(other.left);
        self.right = self.right.max(other.right);
        self.top = self.top.min(other.top);
        self.bottom = self.bottom.max(other.bottom);
        self.area += other.area;
    }
}

impl From<&Component> for Part {
    fn from(component: &Component) -> Self {
        let Rect {
            x,
            y,
            width,
            height,
        } = component.bounds;
        Self {
            left: x as f32,
            right: (x + width) as f32,
            top: y as f32,
            bottom: (y + height) as f32,
            area: component.area as f32,
        }
    }
}

/// Lines of a page.
pub struct Lines {
    /// In the order of their components.
    pub lines: Vec<Found>,
    /// More components than the limit: the page is noise, or a picture.
    pub noisy: bool,
}

/// Median height of components that may be letters.
fn median_height(parts: &[Part]) -> Option<f32> {
    let mut heights: Vec<f32> = parts
        .iter()
        .filter(|p| p.height() >= 4.0 && p.height() <= 70.0)
        .map(Part::height)
        .collect();
    if heights.is_empty() {
        return None;
    }
    let middle = heights.len() / 2;
    Some(*heights.select_nth_unstable_by(middle, f32::total_cmp).1)
}

struct Groups(Vec<usize>);
impl Groups {
    fn root(&mut self, mut i: usize) -> usize {
        while self.0[i] != i {
            self.0[i] = self.0[self.0[i]];
            i = self.0[i];
        }
        i
    }
    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

/// Text lines of a page.
pub fn find_lines(page: &Gray, limits: &Limits, tuning: &Tuning) -> Result<Lines, PageError> {
    limits.check_size(page)?;
    let blurred;
    let page = if tuning.blur > 0.0 {
        blurred = page.blur(tuning.blur);
        &blurred
    } else {
        page
    };
    let ink = Ink::of(
        page,
        Threshold::Mean {
            window: tuning.window,
            offset: tuning.offset,
        },
    );
    limits.check_time("searching for components", page)?;
    let Some(found) = components(&ink, limits.components) else {
        return Ok(Lines {
            lines: Vec::new(),
            noisy: true,
        });
    };
    let parts: Vec<Part> = found.iter().map(Part::from).collect();
    let Some(median) = median_height(&parts) else {
        return Ok(Lines {
            lines: Vec::new(),
            noisy: false,
        });
    };
    let groups = group(&parts, median, tuning);
    let lines = groups
        .iter()
        .map(|line| {
            let height = line.height();
            let rect = |left: f32, right: f32, top: f32, bottom: f32| {
                refrain_image::Quad(
                    [(left, top), (right, top), (right, bottom), (left, bottom)]
                        .map(|(x, y)| Point { x, y }),
                )
            };
            Found {
                quad: rect(
                    line.left - tuning.pad_x * height,
                    line.right + tuning.pad_x * height,
                    line.top - tuning.pad_top * height,
                    line.bottom + tuning.pad_bottom * height,
                ),
                baseline: Baseline::default(),
                x_height: height,
                light_on_dark: false,
            }
        })
        .collect();
    Ok(Lines {
        lines,
        noisy: false,
    })
}

fn group(parts: &[Part], median: f32, tuning: &Tuning) -> Vec<Part> {
    let mut letters: Vec<Part> = parts
        .iter()
        .filter(|p| {
            p.height() >= 0.45 * median && p.height() <= 1.8 * median && p.width() <= 20.0 * median
        })
        .copied()
        .collect();
    letters.sort_by(|a, b| a.left.total_cmp(&b.left));
    let lines = link(&letters, median, tuning);
    if std::env::var("DUMP").is_ok() {
        for p in parts {
            println!(
                "part {} {} {} {} {}",
                p.left, p.right, p.top, p.bottom, p.area
            );
        }
        println!("median {median}");
    }
    lines
}

fn link(letters: &[Part], median: f32, tuning: &Tuning) -> Vec<Part> {
    let mut groups = Groups((0..letters.len()).collect());
    for (i, a) in letters.iter().enumerate() {
        for (j, b) in letters.iter().enumerate().skip(i + 1) {
            let reach = tuning.gap * median;
            if b.left > a.right + reach {
                break;
            }
            if a.overlap(b) >= tuning.overlap * a.height().min(b.height()) && a.gap(b) <= reach {
                groups.join(i, j);
            }
        }
    }
    let mut lines: Vec<Option<Part>> = vec![None; letters.len()];
    for (i, letter) in letters.iter().enumerate() {
        match &mut lines[groups.root(i)] {
            Some(line) => line.join(letter),
            empty => *empty = Some(*letter),
        }
    }
    lines
        .into_iter()
        .flatten()
        .filter(|l| l.width() > 0.5 * median || l.height() > 0.8 * median)
        .collect()
}
