//! Rules: lines drawn on a page, of tables, forms and frames.

use crate::Ink;

/// Removes rules: horizontal and vertical runs of ink of at least `length` pixels where they are at most `thickness`
/// pixels thick. Strokes of letters that cross a rule stay whole. Returns the number of pixels removed.
pub fn remove_rules(ink: &mut Ink, length: usize, thickness: usize) -> usize {
    if length == 0 || thickness == 0 {
        return 0;
    }
    let across = horizontal(ink, length, thickness);
    let down = vertical(ink, length, thickness);
    for &(x, y) in across.iter().chain(&down) {
        ink.row_mut(y)[x] = 0;
    }
    across.len() + down.len()
}

/// Runs of ink in a row of at least `length` pixels.
fn long_runs(row: &[u8], length: usize, mut found: impl FnMut(usize, usize)) {
    let mut x = 0;
    // A run of `length` covers one of the pixels that are `length` apart.
    while x < row.len() {
        let probe = x + length - 1;
        if probe >= row.len() {
            return;
        }
        if row[probe] == 0 {
            x = probe + 1;
            continue;
        }
        let from = row[x..=probe]
            .iter()
            .rposition(|&pixel| pixel == 0)
            .map_or(x, |at| x + at + 1);
        let to = row[probe..]
            .iter()
            .position(|&pixel| pixel == 0)
            .map_or(row.len(), |at| probe + at);
        if to - from >= length {
            found(from, to);
        }
        x = to + 1;
    }
}

fn horizontal(ink: &Ink, length: usize, thickness: usize) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    for y in 0..ink.height() {
        long_runs(ink.row(y), length, |from, to| {
            for x in from..to {
                let up = (0..y)
                    .rev()
                    .take(thickness)
                    .take_while(|&row| ink.row(row)[x] != 0)
                    .count();
                let below = (y + 1..ink.height()).take(thickness);
                let down = below.take_while(|&row| ink.row(row)[x] != 0).count();
                if up + down < thickness {
                    out.push((x, y));
                }
            }
        });
    }
    out
}

fn vertical(ink: &Ink, length: usize, thickness: usize) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut starts = vec![0; ink.width()];
    let end_at = |x: usize, from: usize, to: usize, out: &mut Vec<(usize, usize)>| {
        if to - from < length {
            return;
        }
        for y in from..to {
            let row = ink.row(y);
            let left = row[..x]
                .iter()
                .rev()
                .take(thickness)
                .take_while(|&&pixel| pixel != 0)
                .count();
            let right = row[x + 1..]
                .iter()
                .take(thickness)
                .take_while(|&&pixel| pixel != 0)
                .count();
            if left + right < thickness {
                out.push((x, y));
            }
        }
    };
    // `starts[x]` is the first row of the run of ink that reaches row y - 1.
    for y in 0..ink.height() {
        for (x, (start, &pixel)) in starts.iter_mut().zip(ink.row(y)).enumerate() {
            if pixel == 0 {
                if y - *start >= length {
                    end_at(x, *start, y, &mut out);
                }
                *start = y + 1;
            }
        }
    }
    for (x, &start) in starts.iter().enumerate() {
        end_at(x, start, ink.height().max(start), &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use refrain_image::Gray;

    use super::*;
    use crate::Threshold;

    #[test]
    fn a_frame_goes_and_the_strokes_inside_and_across_stay() {
        // A frame of 2 pixels, a stem inside, and a stem that stands on the frame.
        let page = Gray::from_fn(60, 40, |x, y| {
            let inside = (2..58).contains(&x) && (2..38).contains(&y);
            let stem = (20..24).contains(&x) && (10..30).contains(&y);
            let standing = (40..44).contains(&x) && y >= 26;
            if !inside || stem || standing { 0 } else { 255 }
        });
        let mut ink = Ink::of(
            &page,
            Threshold::Mean {
                window: 41,
                offset: 18,
            },
        );
        assert!(remove_rules(&mut ink, 30, 4) > 300);
        for (x, y, pixel) in [
            (0, 20, 0),
            (30, 0, 0),
            (30, 39, 0),
            (59, 20, 0),
            (21, 20, 1),
            (41, 38, 1),
            (42, 30, 1),
        ] {
            assert_eq!(u8::from(ink.row(y)[x] != 0), pixel, "{x} {y}");
        }
    }

    #[test]
    fn long_runs_equal_a_plain_scan() {
        for seed in 0..200usize {
            let row: Vec<u8> = (0..40)
                .map(|i| u8::from((i * 31 + seed * 17 + i * i * seed) % 7 != 0))
                .collect();
            for length in 1..12 {
                let mut found = Vec::new();
                long_runs(&row, length, |from, to| found.push((from, to)));
                let mut plain = Vec::new();
                let mut from = 0;
                for (x, &pixel) in row.iter().chain([&0]).enumerate() {
                    if pixel == 0 {
                        if x - from >= length {
                            plain.push((from, x));
                        }
                        from = x + 1;
                    }
                }
                assert_eq!(found, plain, "{row:?} {length}");
            }
        }
    }
}
