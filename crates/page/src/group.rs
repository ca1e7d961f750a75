//! Components joined to words, and words to lines.

use std::collections::HashMap;

use refrain_image::Rect;

use crate::Component;

/// A component, a word or a line: its bounds, and its ink.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part {
    pub left: f32,
    pub right: f32,
    pub top: f32,
    pub bottom: f32,
    /// Highest level of ink.
    pub level: u8,
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
            level: component.level,
        }
    }
}

impl Part {
    pub fn height(&self) -> f32 {
        self.bottom - self.top
    }

    pub fn width(&self) -> f32 {
        self.right - self.left
    }

    pub fn middle(&self) -> f32 {
        (self.top + self.bottom) / 2.0
    }

    /// Rows that both cover; negative for rows between them.
    pub fn overlap(&self, other: &Self) -> f32 {
        self.bottom.min(other.bottom) - self.top.max(other.top)
    }

    /// Columns between them; negative for columns that both cover.
    pub fn gap(&self, other: &Self) -> f32 {
        self.left.max(other.left) - self.right.min(other.right)
    }

    fn join(&mut self, other: &Self) {
        self.left = self.left.min(other.left);
        self.right = self.right.max(other.right);
        self.top = self.top.min(other.top);
        self.bottom = self.bottom.max(other.bottom);
        self.level = self.level.max(other.level);
    }
}

/// Parts that belong together.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Around all parts.
    pub bounds: Part,
    /// From left to right.
    pub parts: Vec<Part>,
    /// Upper quartile of the heights of its parts: about that of a capital letter.
    pub scale: f32,
}

impl Group {
    /// A group of at least one part.
    pub fn new(mut parts: Vec<Part>) -> Self {
        parts.sort_by(|a, b| a.left.total_cmp(&b.left));
        let mut bounds = parts[0];
        parts.iter().for_each(|part| bounds.join(part));
        let mut heights: Vec<f32> = parts.iter().map(Part::height).collect();
        let upper = heights.len() * 3 / 4;
        let scale = *heights.select_nth_unstable_by(upper, f32::total_cmp).1;
        Self {
            bounds,
            parts,
            scale,
        }
    }
}

/// Numbers of the grouping, in heights of the smaller or larger partner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gaps {
    /// Most columns between letters of a word, in heights of the larger.
    pub letter_gap: f32,
    /// Most columns between words of a line, in scales of the larger.
    pub word_gap: f32,
    /// Least share of the rows of the smaller one that both cover.
    pub overlap: f32,
}

/// Sets that grow together.
struct Sets(Vec<usize>);

impl Sets {
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

    /// Members of each set.
    fn members(mut self) -> Vec<Vec<usize>> {
        let mut all = vec![Vec::new(); self.0.len()];
        for i in 0..self.0.len() {
            let root = self.root(i);
            all[root].push(i);
        }
        all.retain(|members| !members.is_empty());
        all
    }
}

/// Parts by the cells of a grid that they cover.
struct Grid {
    cell: f32,
    /// Outermost edges of all parts.
    left: f32,
    right: f32,
    cells: HashMap<(i32, i32), Vec<u32>>,
}

impl Grid {
    fn new(parts: &[Part], cell: f32) -> Self {
        let mut cells: HashMap<_, Vec<u32>> = HashMap::new();
        for (i, part) in parts.iter().enumerate() {
            for at in covered(part, cell) {
                cells.entry(at).or_default().push(i as u32);
            }
        }
        Self {
            cell,
            left: parts
                .iter()
                .map(|part| part.left)
                .fold(f32::INFINITY, f32::min),
            right: parts
                .iter()
                .map(|part| part.right)
                .fold(f32::NEG_INFINITY, f32::max),
            cells,
        }
    }

    /// Indices, ascending, of the parts that may lie within `reach` columns of `part` in its rows.
    fn near(&self, part: &Part, reach: f32) -> Vec<usize> {
        let wide = Part {
            left: (part.left - reach).max(self.left.min(part.left)),
            right: (part.right + reach).min(self.right.max(part.right)),
            ..*part
        };
        let cells = covered(&wide, self.cell).filter_map(|at| self.cells.get(&at));
        let mut all: Vec<usize> = cells.flatten().map(|&i| i as usize).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Cells of a grid that a part covers.
fn covered(part: &Part, cell: f32) -> impl Iterator<Item = (i32, i32)> {
    let at = |value: f32| (value / cell).floor() as i32;
    let columns = at(part.left)..=at(part.right);
    let rows = at(part.top)..=at(part.bottom);
    rows.flat_map(move |y| columns.clone().map(move |x| (x, y)))
}

/// Splits parts that touch in two lines: a tall part with lower parts beside its upper and its lower half.
fn split_touching(parts: Vec<Part>, median: f32) -> Vec<Part> {
    let tall = |part: &Part| part.height() > 1.7 * median && part.height() < 4.5 * median;
    let low = |part: &&Part| part.height() <= 1.5 * median && part.height() > 0.6 * median;
    let low: Vec<Part> = parts.iter().filter(low).copied().collect();
    let grid = Grid::new(&low, 4.0 * median);
    let mut out = Vec::with_capacity(parts.len());
    for part in parts {
        match tall(&part)
            .then(|| cut_between(&part, &low, &grid, median))
            .flatten()
        {
            Some(cut) => {
                out.push(Part {
                    bottom: cut,
                    ..part
                });
                out.push(Part { top: cut, ..part });
            }
            None => out.push(part),
        }
    }
    out
}

/// Row between two lines of lower parts beside `part`.
fn cut_between(part: &Part, low: &[Part], grid: &Grid, median: f32) -> Option<f32> {
    let reach = 1.5 * median;
    let beside = grid.near(part, reach).into_iter().map(|i| &low[i]);
    let beside = beside.filter(|p| p.gap(part) < reach && p.overlap(part) > 0.7 * p.height());
    let (mut above, mut below) = (f32::INFINITY, f32::NEG_INFINITY);
    for other in beside {
        above = above.min(other.bottom);
        below = below.max(other.top);
    }
    let cut = (above + below) / 2.0;
    let two_lines = above <= below + 0.1 * median;
    let parts = cut - part.top >= 0.4 * median && part.bottom - cut >= 0.4 * median;
    (two_lines && parts).then_some(cut)
}

/// Words of letters. Small parts (dots, dashes) join the words beside them.
pub(crate) fn words(parts: &[Part], median: f32, gaps: &Gaps) -> Vec<Group> {
    let small = |part: &Part| part.height() < 0.45 * median;
    let fits = |part: &Part| part.height() <= 6.0 * median && part.width() <= 25.0 * median;
    let letters = parts
        .iter()
        .filter(|p| !small(p) && fits(p))
        .copied()
        .collect();
    let letters = split_touching(letters, median);
    let grid = Grid::new(&letters, 4.0 * median);
    let mut sets = Sets((0..letters.len()).collect());
    for (i, a) in letters.iter().enumerate() {
        for j in grid.near(a, gaps.letter_gap * 2.2 * a.height()) {
            let b = &letters[j];
            let (less, more) = (a.height().min(b.height()), a.height().max(b.height()));
            let close = a.gap(b) <= gaps.letter_gap * more;
            if j > i && close && more <= 2.2 * less && a.overlap(b) >= gaps.overlap * less {
                sets.join(i, j);
            }
        }
    }
    let members = sets.members();
    let members = members
        .iter()
        .map(|members| members.iter().map(|&i| letters[i]).collect());
    let mut members: Vec<Vec<Part>> = members.collect();
    let groups: Vec<Group> = members.iter().cloned().map(Group::new).collect();
    let bounds: Vec<Part> = groups.iter().map(|group| group.bounds).collect();
    let grid = Grid::new(&bounds, 4.0 * median);
    for part in parts.iter().filter(|part| small(part) && fits(part)) {
        let beside = grid
            .near(part, gaps.letter_gap * 6.0 * median)
            .into_iter()
            .filter_map(|k| {
                let (bounds, scale) = (&bounds[k], groups[k].scale);
                let margin = 0.15 * scale;
                let inside =
                    part.middle() > bounds.top - margin && part.middle() < bounds.bottom + margin;
                let gap = part.gap(bounds);
                (inside && gap <= gaps.letter_gap * scale).then_some((gap, k))
            });
        if let Some((_, k)) = beside.min_by(|a, b| a.0.total_cmp(&b.0)) {
            members[k].push(*part);
        }
    }
    let scaled = |(parts, group): (Vec<Part>, &Group)| Group {
        scale: group.scale,
        ..Group::new(parts)
    };
    members.into_iter().zip(&groups).map(scaled).collect()
}

/// Lines of words.
pub(crate) fn lines(words: &[Group], median: f32, gaps: &Gaps) -> Vec<Group> {
    let bounds: Vec<Part> = words.iter().map(|word| word.bounds).collect();
    let grid = Grid::new(&bounds, 8.0 * median);
    let mut sets = Sets((0..words.len()).collect());
    for (i, a) in words.iter().enumerate() {
        for j in grid.near(&a.bounds, gaps.word_gap * 1.8 * a.scale) {
            let b = &words[j];
            let (less, more) = (a.scale.min(b.scale), a.scale.max(b.scale));
            let close = a.bounds.gap(&b.bounds) <= gaps.word_gap * more;
            let lower = a.bounds.height().min(b.bounds.height());
            if j > i && close && more <= 1.8 * less && a.bounds.overlap(&b.bounds) >= 0.5 * lower {
                sets.join(i, j);
            }
        }
    }
    let members = sets.members();
    let whole = |members: &Vec<usize>| {
        let mut scales: Vec<f32> = members.iter().map(|&i| words[i].scale).collect();
        let middle = scales.len() / 2;
        let scale = *scales.select_nth_unstable_by(middle, f32::total_cmp).1;
        let parts = members
            .iter()
            .flat_map(|&i| words[i].parts.clone())
            .collect();
        Group {
            scale,
            ..Group::new(parts)
        }
    };
    members.iter().map(whole).collect()
}
