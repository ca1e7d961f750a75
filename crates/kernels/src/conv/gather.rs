//! Which pixels a result is made of: windows of the forward pass, and their transposes of the backward pass.

use super::Window;
use std::collections::BTreeMap;
use std::ops::Range;

/// The pixels of a batch: image after image, each row by row.
pub(crate) struct Grid {
    pub height: usize,
    /// `[B]`
    pub widths: Vec<usize>,
    /// First pixel of each image, and the number of all, `[B+1]`.
    pub starts: Vec<usize>,
}

impl Grid {
    /// The caller has checked that the number of pixels does not wrap.
    pub fn new(height: usize, widths: Vec<usize>) -> Self {
        let starts = ends(widths.iter().map(|width| height * width));
        Self {
            height,
            widths,
            starts,
        }
    }

    pub fn pixels(&self) -> usize {
        self.starts[self.widths.len()]
    }

    /// First pixel of a row of an image.
    pub fn row(&self, image: usize, row: usize) -> usize {
        self.starts[image] + row * self.widths[image]
    }

    /// The rows of an image that begin in a range of all pixels.
    pub fn rows_from(&self, image: usize, pixels: &Range<usize>) -> Range<usize> {
        let (start, width) = (self.starts[image], self.widths[image]);
        let rows = |before: usize| match width {
            0 => 0,
            width => before
                .saturating_sub(start)
                .div_ceil(width)
                .min(self.height),
        };
        rows(pixels.start)..rows(pixels.end)
    }
}

/// The sums of no count, the first, the first two, and so on.
fn ends(counts: impl Iterator<Item = usize>) -> Vec<usize> {
    let sums = counts.scan(0, |sum, count| {
        *sum += count;
        Some(*sum)
    });
    std::iter::once(0).chain(sums).collect()
}

/// A tap of the kernel and its place: the pixel `at` of the source, as seen from the first site of an image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    /// i·J + j
    pub index: usize,
    pub at: [isize; 2],
}

/// Sites, which are pixels of `to`, and the pixels of `from` that each is made of.
pub(super) struct Gather<'a> {
    pub from: &'a Grid,
    pub to: &'a Grid,
    /// The first site of an image, and the distance to the next, in pixels of `to`.
    first: [usize; 2],
    every: [usize; 2],
    /// From the taps of a site to those of the next, in pixels of `from`.
    pub step: [usize; 2],
    /// Row by row, those of a row from left to right in the source.
    pub taps: Vec<Tap>,
    /// Rows of sites.
    rows: usize,
    /// Sites before each image, and the number of all, `[B+1]`.
    starts: Vec<usize>,
}

/// Neighbouring sites of one row.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub image: usize,
    pub row: usize,
    pub columns: Range<usize>,
}

impl<'a> Gather<'a> {
    /// The windows of the results `to` over the images `from`.
    pub fn windows(window: &Window, [from, to]: [&'a Grid; 2]) -> Self {
        let [rows, columns] = [0, 1].map(|axis| {
            let at = |k| (k * window.dilation[axis]) as isize - window.padding[axis][0] as isize;
            (0..window.kernel[axis])
                .map(|k| (k, at(k)))
                .collect::<Vec<_>>()
        });
        let taps = taps(&rows, &columns, window.kernel[1]);
        let mut gather = Self::new([from, to], [0, 0], [1, 1], taps);
        gather.step = window.stride;
        gather
    }

    /// The transposes of [`Self::windows`], for the phases of the stride that some tap meets: sites are pixels of the
    /// images, and their taps pixels of the results. The flag says whether they cover all pixels of the images.
    pub fn transposes(window: &Window, [images, results]: [&'a Grid; 2]) -> (Vec<Self>, bool) {
        let [rows, columns] = [0, 1].map(|axis| phases(window, axis));
        let of = |(rows, columns): (&Phase, &Phase)| {
            let taps = taps(&rows.taps, &columns.taps, window.kernel[1]);
            let first = [rows.first, columns.first];
            Self::new([results, images], first, window.stride, taps)
        };
        let all = [&rows, &columns]
            .iter()
            .zip(window.stride)
            .all(|(phases, stride)| phases.len() == stride);
        let pairs = rows
            .iter()
            .flat_map(|row| columns.iter().map(move |c| (row, c)));
        (pairs.map(of).collect(), all)
    }

    fn new(
        [from, to]: [&'a Grid; 2],
        first: [usize; 2],
        every: [usize; 2],
        taps: Vec<Tap>,
    ) -> Self {
        let count =
            |size: usize, axis: usize| size.saturating_sub(first[axis]).div_ceil(every[axis]);
        let rows = count(to.height, 0);
        let starts = ends(to.widths.iter().map(|&width| rows * count(width, 1)));
        Self {
            from,
            to,
            first,
            every,
            step: [1, 1],
            taps,
            rows,
            starts,
        }
    }

    /// Whether sites are all pixels of `to`, and their taps one pixel of `from` apart.
    pub fn is_dense(&self) -> bool {
        self.first == [0, 0] && self.every == [1, 1] && self.step == [1, 1]
    }

    /// The number of sites.
    pub fn sites(&self) -> usize {
        self.starts[self.to.widths.len()]
    }

    /// A range of sites, row by row.
    pub fn segments(&self, sites: Range<usize>) -> impl Iterator<Item = Segment> {
        let mut next = sites.start;
        std::iter::from_fn(move || {
            if next >= sites.end {
                return None;
            }
            let image = self.starts.partition_point(|&start| start <= next) - 1;
            let (first, end) = (self.starts[image], self.starts[image + 1]);
            let columns = (end - first) / self.rows;
            let (row, column) = ((next - first) / columns, (next - first) % columns);
            let last = columns.min(column + sites.end - next);
            next += last - column;
            Some(Segment {
                image,
                row,
                columns: column..last,
            })
        })
    }

    /// The pixel of `to` that is the first site of a segment, and the distance to the next.
    pub fn target(&self, segment: &Segment) -> (usize, usize) {
        let row = segment.row * self.every[0] + self.first[0];
        let column = segment.columns.start * self.every[1] + self.first[1];
        (self.to.row(segment.image, row) + column, self.every[1])
    }

    /// The pixels of `to` that are some sites.
    pub fn targets(&self, sites: Range<usize>) -> impl Iterator<Item = usize> {
        self.segments(sites).flat_map(|segment| {
            let (first, every) = self.target(&segment);
            (0..segment.columns.len()).map(move |i| first + i * every)
        })
    }

    /// First pixel of the row of `from` that lies `at` rows from that of a segment's sites, if it is there.
    pub fn source(&self, segment: &Segment, at: isize) -> Option<usize> {
        let row = usize::try_from((segment.row * self.step[0]) as isize + at).ok()?;
        (row < self.from.height).then(|| self.from.row(segment.image, row))
    }

    /// The sites of a segment for which all taps `at` these columns are inside the image, given the first and the last.
    pub fn inside(&self, segment: &Segment, [first, last]: [isize; 2]) -> Range<usize> {
        let width = self.from.widths[segment.image] as isize;
        // Sites before the one whose column is `column` or more.
        let before = |column: isize| column.max(0).unsigned_abs().div_ceil(self.step[1]);
        let end = segment.columns.end.min(before(width - last));
        let start = segment.columns.start.max(before(-first)).min(end);
        start..end
    }
}

fn taps(rows: &[(usize, isize)], columns: &[(usize, isize)], kernel: usize) -> Vec<Tap> {
    let of = |&(i, y): &(usize, isize)| {
        columns.iter().map(move |&(j, x)| Tap {
            index: i * kernel + j,
            at: [y, x],
        })
    };
    rows.iter().flat_map(of).collect()
}

/// The taps that reach pixels `first`, `first + stride`, and so on, and the result at which each reaches `first`.
struct Phase {
    first: usize,
    taps: Vec<(usize, isize)>,
}

/// The phases of the stride along one axis that have taps.
fn phases(window: &Window, axis: usize) -> Vec<Phase> {
    let stride = window.stride[axis] as isize;
    let mut phases = BTreeMap::<usize, Vec<_>>::new();
    // The last tap reaches a pixel from the leftmost result.
    for k in (0..window.kernel[axis]).rev() {
        // Result o reaches pixel o·stride + at.
        let at = (k * window.dilation[axis]) as isize - window.padding[axis][0] as isize;
        let (first, tap) = (at.rem_euclid(stride) as usize, (k, -at.div_euclid(stride)));
        phases.entry(first).or_default().push(tap);
    }
    let phase = |(first, taps)| Phase { first, taps };
    phases.into_iter().map(phase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_all_pixels_image_by_image() {
        let images = Grid::new(2, vec![3, 0, 1]);
        let results = Grid::new(2, vec![3, 0, 1]);
        let window = Window::new([1, 1]);
        let gather = Gather::windows(&window, [&images, &results]);
        let all = gather.targets(1..8);
        assert_eq!(all.collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
        let rows = gather.segments(1..8).map(|s| (s.image, s.row, s.columns));
        let expected = [(0, 0, 1..3), (0, 1, 0..3), (2, 0, 0..1), (2, 1, 0..1)];
        assert_eq!(rows.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn transposed_taps_name_the_results_of_a_pixel() {
        let window = Window {
            stride: [1, 3],
            dilation: [1, 2],
            padding: [[0, 0], [4, 2]],
            ..Window::new([1, 3])
        };
        let images = Grid::new(1, vec![20]);
        let results = Grid::new(1, vec![window.width(20)]);
        let (phases, all) = Gather::transposes(&window, [&images, &results]);
        assert!(all);
        let mut seen = 0;
        for gather in &phases {
            for segment in gather.segments(0..gather.sites()) {
                let (first, every) = gather.target(&segment);
                let pixels = (first..).step_by(every);
                for (i, pixel) in segment.columns.clone().zip(pixels) {
                    for tap in &gather.taps {
                        let result = i as isize + tap.at[1];
                        assert_eq!(result * 3 - 4 + 2 * tap.index as isize, pixel as isize);
                        seen += 1;
                    }
                }
            }
        }
        assert_eq!(seen, 20, "each pixel is met by one tap of three");
    }
}
