//! Components joined to words, and words to lines.

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
    fn new(mut parts: Vec<Part>) -> Self {
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
pub(crate) struct Rules {
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

/// Calls `near(i, j)` for each pair of parts, sorted by their left edges, with at most `reach` columns between them.
/// Rows are cut into bands of `band`, so that only parts of close rows are compared.
fn pairs(parts: &[Part], reach: impl Fn(&Part) -> f32, band: f32, mut near: impl FnMut(usize, usize)) {
    let row = |y: f32| (y / band) as i64;
    let mut bands: std::collections::HashMap<i64, Vec<usize>> = std::collections::HashMap::new();
    for (j, part) in parts.iter().enumerate() {
        let mut seen = Vec::new();
        for key in row(part.top)..=row(part.bottom) {
            let others = bands.entry(key).or_default();
            others.retain(|&i| parts[i].right + reach(&parts[i]) >= part.left || parts[i].right >= part.left);
            seen.extend_from_slice(others);
            others.push(j);
        }
        seen.sort_unstable();
        seen.dedup();
        seen.into_iter().for_each(|i| near(i, j));
    }
}

/// Splits parts that touch in two lines: a tall part with lower parts beside its upper and its lower half.
fn split_touching(parts: Vec<Part>, median: f32) -> Vec<Part> {
    let tall = |part: &Part| part.height() > 1.7 * median && part.height() < 4.5 * median;
    let low: Vec<Part> = parts.iter().filter(|p| p.height() <= 1.5 * median).copied().collect();
    let mut out = Vec::with_capacity(parts.len());
    for part in parts {
        if !tall(&part) {
            out.push(part);
            continue;
        }
        let beside: Vec<&Part> = low
            .iter()
            .filter(|p| p.height() > 0.6 * median && p.gap(&part) < 1.5 * median && p.overlap(&part) > 0.7 * p.height())
            .collect();
        let above = beside.iter().map(|p| p.bottom).min_by(f32::total_cmp);
        let below = beside.iter().map(|p| p.top).max_by(f32::total_cmp);
        match above.zip(below) {
            Some((above, below)) if above <= below + 0.1 * median && below > above - 0.1 * median => {
                let cut = (above + below) / 2.0;
                let (high, deep) = (cut - part.top, part.bottom - cut);
                if high < 0.4 * median || deep < 0.4 * median {
                    out.push(part);
                    continue;
                }
                out.push(Part { bottom: cut, ..part });
                out.push(Part { top: cut, ..part });
            }
            _ => out.push(part),
        }
    }
    out
}

/// Words of letters, sorted by their left edges. Small parts (dots, dashes) join the words beside them.
pub(crate) fn words(parts: &[Part], median: f32, rules: &Rules) -> Vec<Group> {
    let small = |part: &Part| part.height() < 0.45 * median;
    let fits = |part: &Part| part.height() <= 6.0 * median && part.width() <= 25.0 * median;
    let letters: Vec<Part> = parts.iter().filter(|p| !small(p) && fits(p)).copied().collect();
    let mut letters = split_touching(letters, median);
    letters.sort_by(|a, b| a.left.total_cmp(&b.left));
    let mut sets = Sets((0..letters.len()).collect());
    let reach = |part: &Part| rules.letter_gap * part.height().max(median);
    pairs(&letters, |part| 2.0 * reach(part), median, |i, j| {
        let (a, b) = (&letters[i], &letters[j]);
        let (less, more) = (a.height().min(b.height()), a.height().max(b.height()));
        let close = a.gap(b) <= rules.letter_gap * more;
        if close && more <= 2.2 * less && a.overlap(b) >= rules.overlap * less {
            sets.join(i, j);
        }
    });
    let mut members: Vec<Vec<Part>> = sets
        .members()
        .iter()
        .map(|members| members.iter().map(|&i| letters[i]).collect())
        .collect();
    let groups: Vec<Group> = members.iter().cloned().map(Group::new).collect();
    let mut near: Vec<(f32, usize, Part)> = Vec::new();
    for part in parts.iter().filter(|part| small(part) && fits(part)) {
        let beside = groups.iter().enumerate().filter_map(|(k, group)| {
            let margin = 0.15 * group.scale;
            let inside = part.middle() > group.bounds.top - margin && part.middle() < group.bounds.bottom + margin;
            let gap = part.gap(&group.bounds);
            (inside && gap <= rules.letter_gap * group.scale).then_some((gap, k))
        });
        if let Some((gap, k)) = beside.min_by(|a, b| a.0.total_cmp(&b.0)) {
            near.push((gap, k, *part));
        }
    }
    for (_, k, part) in near {
        members[k].push(part);
    }
    let mut words: Vec<Group> = members.into_iter().zip(&groups).map(|(parts, group)| Group { scale: group.scale, ..Group::new(parts) }).collect();
    words.sort_by(|a, b| a.bounds.left.total_cmp(&b.bounds.left));
    words
}

/// Lines of words.
pub(crate) fn lines(words: &[Group], median: f32, rules: &Rules) -> Vec<Group> {
    let bounds: Vec<Part> = words.iter().map(|word| word.bounds).collect();
    let mut sets = Sets((0..words.len()).collect());
    let reach = |part: &Part| 2.0 * rules.word_gap * part.height().max(median);
    pairs(&bounds, reach, 2.0 * median, |i, j| {
        let (a, b) = (&bounds[i], &bounds[j]);
        let (less, more) = (words[i].scale.min(words[j].scale), words[i].scale.max(words[j].scale));
        let close = a.gap(b) <= rules.word_gap * more;
        let lower = a.height().min(b.height());
        if close && more <= 1.8 * less && a.overlap(b) >= 0.5 * lower {
            sets.join(i, j);
        }
    });
    let members = sets.members();
    let parts = |members: &Vec<usize>| members.iter().flat_map(|&i| words[i].parts.clone()).collect();
    members.iter().map(|members| Group::new(parts(members))).collect()
}
