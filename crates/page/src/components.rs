//! Connected components of ink.

use refrain_image::Rect;

use crate::Ink;

/// Ink that hangs together, with its diagonal neighbours.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Component {
    /// The least rectangle around it.
    pub bounds: Rect,
    /// Pixels of ink.
    pub area: usize,
    /// Highest level of its ink.
    pub level: u8,
}

/// A horizontal run of ink.
struct Run {
    from: u32,
    to: u32,
    label: u32,
}

/// A component while it grows: corners and area.
#[derive(Clone, Copy)]
struct Growing {
    left: u32,
    right: u32,
    top: u32,
    bottom: u32,
    area: u32,
    level: u8,
}

/// The components of `ink` in the order of their first row, or nothing if a scan meets more than `most` parts.
/// Parts that meet later count as one each.
pub fn components(ink: &Ink, most: usize) -> Option<Vec<Component>> {
    let mut parents: Vec<u32> = Vec::new();
    let mut grown: Vec<Growing> = Vec::new();
    let (mut above, mut here): (Vec<Run>, Vec<Run>) = (Vec::new(), Vec::new());
    for y in 0..ink.height() {
        here.clear();
        let mut first = 0;
        let row = ink.row(y);
        runs(row, |from, to| {
            // Runs above that touch from - 1 ..= to.
            while first < above.len() && above[first].to < from {
                first += 1;
            }
            let mut label = u32::MAX;
            for run in above[first..].iter().take_while(|run| run.from <= to) {
                let other = root(&mut parents, run.label);
                label = match label {
                    u32::MAX => other,
                    label => join(&mut parents, label, other),
                };
            }
            if label == u32::MAX {
                label = parents.len() as u32;
                parents.push(label);
                grown.push(Growing {
                    left: from,
                    right: to,
                    top: y as u32,
                    bottom: y as u32 + 1,
                    area: 0,
                    level: 0,
                });
            }
            let part = &mut grown[label as usize];
            part.left = part.left.min(from);
            part.right = part.right.max(to);
            part.bottom = y as u32 + 1;
            part.area = part.area.saturating_add(to - from);
            let levels = row[from as usize..to as usize].iter();
            part.level = levels.fold(part.level, |most, &level| most.max(level));
            here.push(Run { from, to, label });
        });
        if parents.len() > most {
            return None;
        }
        std::mem::swap(&mut above, &mut here);
    }
    for label in (0..parents.len() as u32).rev() {
        let to = root(&mut parents, label);
        if to != label {
            let part = grown[label as usize];
            let whole = &mut grown[to as usize];
            whole.left = whole.left.min(part.left);
            whole.right = whole.right.max(part.right);
            whole.top = whole.top.min(part.top);
            whole.bottom = whole.bottom.max(part.bottom);
            whole.area = whole.area.saturating_add(part.area);
            whole.level = whole.level.max(part.level);
        }
    }
    let roots = (0..parents.len()).filter(|&label| parents[label] == label as u32);
    Some(roots.map(|label| grown[label].into()).collect())
}

impl From<Growing> for Component {
    fn from(grown: Growing) -> Self {
        Self {
            bounds: Rect {
                x: grown.left as usize,
                y: grown.top as usize,
                width: (grown.right - grown.left) as usize,
                height: (grown.bottom - grown.top) as usize,
            },
            area: grown.area as usize,
            level: grown.level,
        }
    }
}

/// Calls `found(from, to)` for each run of ink in a row.
fn runs(row: &[u8], mut found: impl FnMut(u32, u32)) {
    let mut x = 0;
    while x < row.len() {
        // Rows are mostly paper: eight pixels at a time.
        while let Some(eight) = row.get(x..x + 8) {
            if eight.iter().fold(0, |any, pixel| any | pixel) != 0 {
                break;
            }
            x += 8;
        }
        while x < row.len() && row[x] == 0 {
            x += 1;
        }
        let from = x;
        while x < row.len() && row[x] != 0 {
            x += 1;
        }
        if x > from {
            found(from as u32, x as u32);
        }
    }
}

/// The root of a label, with its path halved. Roots are always smaller than their children.
fn root(parents: &mut [u32], mut label: u32) -> u32 {
    while parents[label as usize] != label {
        let grand = parents[parents[label as usize] as usize];
        parents[label as usize] = grand;
        label = grand;
    }
    label
}

fn join(parents: &mut [u32], a: u32, b: u32) -> u32 {
    let (low, high) = (a.min(b), a.max(b));
    parents[high as usize] = low;
    low
}

#[cfg(test)]
mod tests {
    use refrain_image::Gray;

    use super::*;
    use crate::Threshold;

    fn ink(rows: &[&str]) -> Ink {
        let pixels = rows.iter().flat_map(|row| row.bytes());
        let levels = pixels.map(|byte| u8::from(byte == b'#'));
        Ink::from_levels(rows[0].len(), rows.len(), levels.collect())
    }

    #[test]
    fn parts_that_meet_later_are_one_component() {
        let drawn = ink(&[
            "#...#...........#",
            "#...#....##.....#",
            ".#.#......##....#",
            "..#.........#....",
        ]);
        let found = components(&drawn, 9).unwrap();
        let bounds: Vec<_> = found
            .iter()
            .map(|c| {
                (
                    c.bounds.x,
                    c.bounds.y,
                    c.bounds.width,
                    c.bounds.height,
                    c.area,
                )
            })
            .collect();
        assert_eq!(bounds, [(0, 0, 5, 4, 7), (16, 0, 1, 3, 3), (9, 1, 4, 3, 5)]);
        assert_eq!(components(&drawn, 3), None);
    }

    #[test]
    fn components_equal_a_flood_fill() {
        for (width, height, seed) in [(0, 5, 1), (1, 1, 2), (33, 20, 3), (64, 64, 4), (9, 70, 5)] {
            let page = Gray::from_fn(width, height, |x, y| {
                let bits = (x * 7919 + y * 104_729 + seed * 31).wrapping_mul(2_654_435_761) >> 7;
                if bits % 5 < 2 { 0 } else { 255 }
            });
            let ink = Ink::of(
                &page,
                Threshold::Mean {
                    window: 5,
                    offset: 10,
                },
            );
            let found = components(&ink, usize::MAX).unwrap();
            assert_eq!(found, flood(&ink));
        }
    }

    /// The definition: grow from each pixel that no component holds yet.
    fn flood(ink: &Ink) -> Vec<Component> {
        let (width, height) = (ink.width(), ink.height());
        let mut seen = vec![false; width * height];
        let mut all = Vec::new();
        for start in 0..width * height {
            if seen[start] || ink.row(start / width)[start % width] == 0 {
                continue;
            }
            let (mut left, mut right, mut top, mut bottom) = (usize::MAX, 0, usize::MAX, 0);
            let (mut stack, mut area, mut level) = (vec![start], 0, 0);
            seen[start] = true;
            while let Some(at) = stack.pop() {
                let (x, y) = (at % width, at / width);
                area += 1;
                level = ink.row(y)[x].max(level);
                (left, right) = (left.min(x), right.max(x + 1));
                (top, bottom) = (top.min(y), bottom.max(y + 1));
                for row in y.saturating_sub(1)..(y + 2).min(height) {
                    for column in x.saturating_sub(1)..(x + 2).min(width) {
                        let next = row * width + column;
                        if ink.row(row)[column] != 0 && !seen[next] {
                            seen[next] = true;
                            stack.push(next);
                        }
                    }
                }
            }
            let bounds = Rect {
                x: left,
                y: top,
                width: right - left,
                height: bottom - top,
            };
            all.push(Component {
                bounds,
                area,
                level,
            });
        }
        all
    }
}
