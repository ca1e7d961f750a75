//! From the image of a page to its text in reading order.

use super::confidence::band;
use super::loaded::{Loaded, ReadLine};
use crate::error::Error;
use crate::tasks::lines::{Components, FindLines};
use refrain_image::{Gray, Point, Quad};
use refrain_page::{
    Alternative, Block, BlockKind, Found, Layout, Limits, Line, Page, Rectified, Region, Word,
    cells, find_line, order, rectify, uncovered_ink, word_quads,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How pages are read.
#[derive(Clone)]
pub struct PageOptions {
    /// The search for lines.
    pub finder: Arc<dyn FindLines>,
    /// The kind of page.
    pub layout: Layout,
    /// Readings of a line, the best one included.
    pub n_best: usize,
    /// Whether a page may be turned by quarters; otherwise its text must be upright.
    pub turn: bool,
    /// Time for a page; reading stops with an error after it. Absent: no bound.
    pub seconds: Option<f64>,
}

impl Default for PageOptions {
    /// Any layout, lines by components, one reading, any turn, a minute.
    fn default() -> Self {
        Self {
            finder: Arc::new(Components),
            layout: Layout::Auto,
            n_best: 1,
            turn: true,
            seconds: Some(60.0),
        }
    }
}

/// Confidence of a page, from which on no other turn is tried.
const UPRIGHT: f64 = 0.9;
/// Lines that decide about the turn.
const JUDGES: usize = 5;
/// Most lines of a page of spots: more are found in noise, and reading them would take seconds.
const MOST_IN_NOISE: usize = 200;
/// Least mean confidence of a line on a page of spots.
const SURE_IN_NOISE: f64 = 0.6;
/// Ink outside of all lines that is worth a warning.
const MUCH_UNCOVERED: f32 = 0.2;

/// The text of one turn of a page.
struct Reading {
    /// Clockwise turns by quarters.
    turned: i32,
    lines: Vec<Found>,
    rectified: Vec<Rectified>,
    read: Vec<ReadLine>,
    skew: f32,
    noisy: bool,
}

impl Loaded {
    /// The text of a page; positions are those of the displayed page.
    ///
    /// # Errors
    /// A page with too many pixels, or time that has run out.
    pub fn read_page(
        &self,
        page: &refrain_image::Page,
        options: &PageOptions,
    ) -> Result<Page, Error> {
        let limits = Limits {
            deadline: options
                .seconds
                .map(|seconds| Instant::now() + Duration::from_secs_f64(seconds.clamp(0.0, 1e6))),
            ..Limits::default()
        };
        let best = self.best_turn(&page.image, options, &limits)?;
        let image = page.image.turned(best.turned);
        let mut result = Page {
            number: page.number as u32,
            width: image.width() as u32,
            height: image.height() as u32,
            dpi: page.dpi,
            turned: (page.turned + best.turned).rem_euclid(4) as u8,
            skew: best.skew,
            warnings: page.warnings.iter().map(ToString::to_string).collect(),
            ..Page::default()
        };
        if best.noisy {
            result.warnings.push(
                "the page has so many spots that it may be noise or a picture; text may be missing"
                    .into(),
            );
        }
        let quads: Vec<Quad> = best.lines.iter().map(|line| line.quad).collect();
        result.uncovered_ink = uncovered_ink(&image, &quads, &limits)?;
        if result.uncovered_ink > MUCH_UNCOVERED {
            let percent = (100.0 * result.uncovered_ink).round();
            let warning =
                format!("{percent}% of what may be text is in no line; look at it with --plot");
            result.warnings.push(warning);
        }
        for region in order(&best.lines, options.layout) {
            result.blocks.extend(best.block(&region));
        }
        Ok(result)
    }

    /// The page in the turn in which its lines are read with the most confidence.
    fn best_turn(
        &self,
        image: &Gray,
        options: &PageOptions,
        limits: &Limits,
    ) -> Result<Reading, Error> {
        let upright = self.turn(image, 0, options, limits, usize::MAX)?;
        let (judged, confidence) = upright.judged();
        if !options.turn || upright.noisy || judged == 0 || confidence >= UPRIGHT {
            return Ok(upright);
        }
        let mut best = (confidence, 0);
        for turned in 1..4 {
            let turned_image = image.turned(turned);
            let other = self.turn(&turned_image, turned, options, limits, JUDGES)?;
            let (judged, confidence) = other.judged();
            // As sure of a page as upright, and clearly so.
            if judged > 0 && confidence > best.0 + 0.1 {
                best = (confidence, turned);
            }
        }
        match best.1 {
            0 => Ok(upright),
            turned => self.turn(&image.turned(turned), turned, options, limits, usize::MAX),
        }
    }

    /// The lines of a page in this turn; only the `most` longest are read.
    fn turn(
        &self,
        image: &Gray,
        turned: i32,
        options: &PageOptions,
        limits: &Limits,
        most: usize,
    ) -> Result<Reading, Error> {
        let (mut lines, skew, noisy) = match options.layout {
            Layout::Line | Layout::Word => {
                let line = find_line(image, limits)?;
                (line.into_iter().collect(), 0.0, false)
            }
            _ => {
                let found = options.finder.find(image, limits)?;
                (found.lines, found.skew, found.noisy)
            }
        };
        if noisy && lines.len() > MOST_IN_NOISE {
            lines.clear();
        }
        if lines.len() > most {
            lines.sort_by(|a: &Found, b| b.baseline.length().total_cmp(&a.baseline.length()));
            lines.truncate(most);
        }
        let rectified: Vec<Rectified> = lines
            .iter()
            .map(|line| rectify(image, line, self.reader.frame(line)))
            .collect();
        let images: Vec<Gray> = rectified.iter().map(|own| own.image.clone()).collect();
        let read = self.read_until(&images, options.n_best, limits.deadline)?;
        Ok(Reading {
            turned,
            lines,
            rectified,
            read,
            skew,
            noisy,
        })
    }
}

impl Reading {
    /// How many of the longest lines have text, and their mean confidence.
    fn judged(&self) -> (usize, f64) {
        let mut all: Vec<(usize, &ReadLine)> =
            self.read.iter().map(|own| (own.text.len(), own)).collect();
        all.sort_by_key(|own| std::cmp::Reverse(own.0));
        let judges = all.iter().take(JUDGES).filter(|(length, _)| *length > 0);
        let means: Vec<f64> = judges.map(|(_, own)| own.mean).collect();
        let count = means.len();
        (count, means.iter().sum::<f64>() / count.max(1) as f64)
    }

    /// The lines of a region that have text; none if there are none.
    fn block(&self, region: &Region) -> Option<Block> {
        let lines: Vec<Line> = region.rows.iter().filter_map(|row| self.row(row)).collect();
        let corners: Vec<Point> = lines.iter().flat_map(|line| line.quad.0).collect();
        let table = cells(region, &self.lines).iter().any(|row| row.len() > 2);
        (!lines.is_empty()).then(|| Block {
            kind: match table {
                true => BlockKind::Table,
                false => BlockKind::Text,
            },
            quad: around(&corners),
            lines,
        })
    }

    /// The lines of a row as one, from left to right.
    fn row(&self, row: &[usize]) -> Option<Line> {
        let mut lines = row.iter().filter_map(|&index| self.line(index));
        let mut all = lines.next()?;
        for next in lines {
            let corners: Vec<Point> = all.quad.0.into_iter().chain(next.quad.0).collect();
            all.quad = around(&corners);
            all.baseline.extend(next.baseline);
            all.text = format!("{} {}", all.text, next.text);
            all.confidence = all.confidence.min(next.confidence);
            all.words.extend(next.words);
            // The readings of the parts are not those of the row.
            all.alternatives.clear();
        }
        Some(all)
    }

    fn line(&self, index: usize) -> Option<Line> {
        let (found, image, read) = (
            &self.lines[index],
            &self.rectified[index],
            &self.read[index],
        );
        if read.text.is_empty() || self.noisy && read.mean < SURE_IN_NOISE {
            return None;
        }
        let spans: Vec<(f32, f32)> = read
            .words
            .iter()
            .map(|word| (word.left, word.right))
            .collect();
        let quads = word_quads(image, &spans);
        let words = read.words.iter().zip(quads).map(|(word, quad)| Word {
            quad,
            text: word.text.clone(),
            confidence: word.confidence as f32,
            band: band(word.confidence),
        });
        Some(Line {
            quad: found.quad,
            baseline: vec![found.baseline.start, found.baseline.end],
            text: read.text.clone(),
            confidence: read.confidence as f32,
            words: words.collect(),
            alternatives: read
                .alternatives
                .iter()
                .map(|other| Alternative {
                    text: other.text.clone(),
                    score: -other.behind as f32,
                })
                .collect(),
            light_on_dark: found.light_on_dark,
        })
    }
}

/// The upright rectangle around some positions.
fn around(points: &[Point]) -> Quad {
    let low = |get: fn(&Point) -> f32| points.iter().map(get).fold(f32::INFINITY, f32::min);
    let high = |get: fn(&Point) -> f32| points.iter().map(get).fold(f32::NEG_INFINITY, f32::max);
    let (left, right) = (low(|p| p.x), high(|p| p.x));
    let (top, bottom) = (low(|p| p.y), high(|p| p.y));
    let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
    Quad(corners.map(|(x, y)| Point { x, y }))
}
