//! Quality of found lines against true ones.

use refrain_image::{Point, Quad};

/// Counts over pages; they add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    /// Pairs of a found and a true line.
    pub matched: usize,
    /// Found lines.
    pub found: usize,
    /// True lines.
    pub truth: usize,
}

impl std::ops::AddAssign for Matches {
    fn add_assign(&mut self, other: Self) {
        self.matched += other.matched;
        self.found += other.found;
        self.truth += other.truth;
    }
}

/// Counts by DetEval; they add up. Precision is over found lines, recall over true ones.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DetEval {
    /// Sum of the scores of found lines: 1, or 0.8 where several belong to one true line or the other way.
    pub precision_sum: f64,
    /// Sum of the scores of true lines.
    pub recall_sum: f64,
    /// Found lines.
    pub found: usize,
    /// True lines.
    pub truth: usize,
}

impl std::ops::AddAssign for DetEval {
    fn add_assign(&mut self, other: Self) {
        self.precision_sum += other.precision_sum;
        self.recall_sum += other.recall_sum;
        self.found += other.found;
        self.truth += other.truth;
    }
}

/// `part / whole`, and 1 of nothing.
fn share(part: f64, whole: usize) -> f64 {
    match whole {
        0 => 1.0,
        whole => part / whole as f64,
    }
}

/// Harmonic mean, 0 if both are 0.
fn harmonic(a: f64, b: f64) -> f64 {
    match a + b > 0.0 {
        true => 2.0 * a * b / (a + b),
        false => 0.0,
    }
}

impl Matches {
    /// Share of the found lines that are true.
    pub fn precision(&self) -> f64 {
        share(self.matched as f64, self.found)
    }

    /// Share of the true lines that are found.
    pub fn recall(&self) -> f64 {
        share(self.matched as f64, self.truth)
    }

    /// Harmonic mean of precision and recall.
    pub fn f1(&self) -> f64 {
        harmonic(self.precision(), self.recall())
    }
}

impl DetEval {
    /// Mean score of the found lines.
    pub fn precision(&self) -> f64 {
        share(self.precision_sum, self.found)
    }

    /// Mean score of the true lines.
    pub fn recall(&self) -> f64 {
        share(self.recall_sum, self.truth)
    }

    /// Harmonic mean of precision and recall.
    pub fn f1(&self) -> f64 {
        harmonic(self.precision(), self.recall())
    }
}

/// One-to-one matches with an intersection over union of at least `least`: greedily, the pair with the highest first.
/// Above 0.5 a line that overlaps no other of its kind has one partner at most, so the order then changes nothing.
pub fn matches(found: &[Quad], truth: &[Quad], least: f64) -> Matches {
    let mut pairs = Vec::new();
    for (i, j, common) in overlaps(found, truth) {
        let iou = common / (area(&found[i]) + area(&truth[j]) - common);
        if iou >= least {
            pairs.push((iou, i, j));
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let (mut free_found, mut free_truth) = (vec![true; found.len()], vec![true; truth.len()]);
    let mut matched = 0;
    for (_, i, j) in pairs {
        if free_found[i] && free_truth[j] {
            (free_found[i], free_truth[j]) = (false, false);
            matched += 1;
        }
    }
    Matches {
        matched,
        found: found.len(),
        truth: truth.len(),
    }
}

/// Matches by Wolf and Jolion, "Object count/area graphs for the evaluation of object detection and segmentation
/// algorithms", IJDAR 8, 2006, with their usual limits: a true line is found by area if 0.8 of it is covered, a found
/// line is right by area if 0.4 of it is true. Pairs count 1; a true line in several found ones, or several true lines
/// in one found one, count 0.8.
pub fn det_eval(found: &[Quad], truth: &[Quad]) -> DetEval {
    const RECALL: f64 = 0.8;
    const PRECISION: f64 = 0.4;
    const SEVERAL: f64 = 0.8;
    let all = overlaps(found, truth);
    let recall = |(_, j, common): &(usize, usize, f64)| common / area(&truth[*j]);
    let precision = |(i, _, common): &(usize, usize, f64)| common / area(&found[*i]);
    let (mut found_score, mut truth_score) = (vec![0.0; found.len()], vec![0.0; truth.len()]);
    let near = |o: &&(usize, usize, f64)| recall(o) >= RECALL && precision(o) >= PRECISION;
    let close: Vec<_> = all.iter().filter(near).collect();
    for &&(i, j, _) in &close {
        let alone = |other: &&&(usize, usize, f64)| other.0 == i || other.1 == j;
        if close.iter().filter(alone).count() == 1 {
            (found_score[i], truth_score[j]) = (1.0, 1.0);
        }
    }
    for (j, score) in truth_score.iter_mut().enumerate() {
        let parts: Vec<_> = all
            .iter()
            .filter(|o| o.1 == j && found_score[o.0] == 0.0 && precision(o) >= PRECISION)
            .collect();
        let covered: f64 = parts.iter().map(|o| recall(o)).sum();
        if *score == 0.0 && parts.len() > 1 && covered >= RECALL {
            *score = SEVERAL;
            parts.iter().for_each(|o| found_score[o.0] = SEVERAL);
        }
    }
    for (i, score) in found_score.iter_mut().enumerate() {
        let parts: Vec<_> = all
            .iter()
            .filter(|o| o.0 == i && truth_score[o.1] == 0.0 && recall(o) >= RECALL)
            .collect();
        let right: f64 = parts.iter().map(|o| precision(o)).sum();
        if *score == 0.0 && parts.len() > 1 && right >= PRECISION {
            *score = SEVERAL;
            parts.iter().for_each(|o| truth_score[o.1] = SEVERAL);
        }
    }
    DetEval {
        precision_sum: found_score.iter().sum(),
        recall_sum: truth_score.iter().sum(),
        found: found.len(),
        truth: truth.len(),
    }
}

/// Intersection over union of two convex quadrilaterals; 0 where one has no area.
pub fn iou(a: &Quad, b: &Quad) -> f64 {
    let common = intersection(a, b);
    match common > 0.0 {
        true => common / (area(a) + area(b) - common),
        false => 0.0,
    }
}

/// Indices of the pairs that overlap, with the area that they share.
fn overlaps(found: &[Quad], truth: &[Quad]) -> Vec<(usize, usize, f64)> {
    let mut all = Vec::new();
    for (i, a) in found.iter().enumerate() {
        for (j, b) in truth.iter().enumerate() {
            let common = intersection(a, b);
            if common > 0.0 {
                all.push((i, j, common));
            }
        }
    }
    all
}

fn doubled_area(corners: &[(f64, f64)]) -> f64 {
    let next = corners.iter().cycle().skip(1);
    corners
        .iter()
        .zip(next)
        .map(|(p, q)| p.0 * q.1 - q.0 * p.1)
        .sum()
}

fn corners(quad: &Quad) -> Vec<(f64, f64)> {
    let point = |p: &Point| (f64::from(p.x), f64::from(p.y));
    let mut corners: Vec<_> = quad.0.iter().map(point).collect();
    if doubled_area(&corners) < 0.0 {
        corners.reverse();
    }
    corners
}

/// Area of a quadrilateral.
pub(crate) fn area(quad: &Quad) -> f64 {
    doubled_area(&corners(quad)) / 2.0
}

/// Area that two convex quadrilaterals share: `a` is cut by each edge of `b` (Sutherland and Hodgman, 1974).
pub(crate) fn intersection(a: &Quad, b: &Quad) -> f64 {
    let span = |quad: &Quad, axis: fn(&Point) -> f32| {
        let values = quad.0.iter().map(axis);
        values.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| {
            (low.min(v), high.max(v))
        })
    };
    for axis in [|p: &Point| p.x, |p: &Point| p.y] {
        let (p, q) = (span(a, axis), span(b, axis));
        if !(p.0 < q.1 && q.0 < p.1) {
            return 0.0;
        }
    }
    let (mut shape, edges) = (corners(a), corners(b));
    for (k, &from) in edges.iter().enumerate() {
        let to = edges[(k + 1) % 4];
        let side =
            |p: (f64, f64)| (to.0 - from.0) * (p.1 - from.1) - (to.1 - from.1) * (p.0 - from.0);
        let mut cut = Vec::with_capacity(8);
        for (n, &p) in shape.iter().enumerate() {
            let q = shape[(n + 1) % shape.len()];
            let (at_p, at_q) = (side(p), side(q));
            if at_p >= 0.0 {
                cut.push(p);
            }
            if (at_p >= 0.0) != (at_q >= 0.0) {
                let t = at_p / (at_p - at_q);
                cut.push((p.0 + t * (q.0 - p.0), p.1 + t * (q.1 - p.1)));
            }
        }
        shape = cut;
    }
    match doubled_area(&shape) / 2.0 {
        area if area.is_finite() => area.max(0.0),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use refrain_image::Rect;

    use super::*;

    fn rect(x: usize, y: usize, width: usize, height: usize) -> Quad {
        Rect {
            x,
            y,
            width,
            height,
        }
        .quad()
    }

    #[test]
    fn intersections_of_squares_and_diamonds() {
        assert!((iou(&rect(0, 0, 10, 10), &rect(5, 0, 10, 10)) - 1.0 / 3.0).abs() < 1e-9);
        let diamond =
            Quad([(5.0, 0.0), (10.0, 5.0), (5.0, 10.0), (0.0, 5.0)].map(|(x, y)| Point { x, y }));
        assert!((intersection(&diamond, &rect(0, 0, 10, 10)) - 50.0).abs() < 1e-9);
        assert!((intersection(&diamond, &rect(0, 0, 5, 5)) - 12.5).abs() < 1e-9);
        let mut turned = diamond;
        turned.0.reverse();
        assert!((intersection(&turned, &rect(0, 0, 5, 5)) - 12.5).abs() < 1e-9);
        let nan = Quad(
            [Point {
                x: f32::NAN,
                y: 0.0,
            }; 4],
        );
        assert_eq!(iou(&nan, &diamond), 0.0);
        assert_eq!(iou(&Quad::default(), &Quad::default()), 0.0);
    }

    #[test]
    fn each_line_matches_once() {
        let truth = [rect(0, 0, 100, 10), rect(0, 20, 100, 10)];
        let found = [rect(0, 0, 100, 10), rect(0, 1, 100, 9), rect(300, 0, 9, 9)];
        let at_half = matches(&found, &truth, 0.5);
        assert_eq!((at_half.matched, at_half.found, at_half.truth), (1, 3, 2));
        assert!((at_half.f1() - 0.4).abs() < 1e-12);
        let mut sum = Matches::default();
        sum += at_half;
        sum += matches(&[], &[], 0.5);
        assert_eq!(sum, at_half);
        assert_eq!(matches(&[], &[], 0.5).f1(), 1.0);
    }

    #[test]
    fn det_eval_counts_split_and_merged_lines() {
        let truth = [
            rect(0, 0, 100, 10),
            rect(0, 20, 40, 10),
            rect(60, 20, 40, 10),
            rect(0, 40, 50, 10),
        ];
        let found = [
            rect(0, 0, 48, 10),
            rect(50, 0, 50, 10),
            rect(0, 20, 100, 10),
            rect(0, 40, 52, 11),
        ];
        let score = det_eval(&found, &truth);
        assert!((score.precision_sum - (0.8 + 0.8 + 0.8 + 1.0)).abs() < 1e-9);
        assert!((score.recall_sum - (0.8 + 0.8 + 0.8 + 1.0)).abs() < 1e-9);
        assert_eq!(matches(&found, &truth, 0.7).matched, 1);
    }
}
