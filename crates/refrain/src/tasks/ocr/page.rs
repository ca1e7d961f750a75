//! From the image of a page to its text in reading order.

use super::confidence::band;
use super::loaded::{Loaded, ReadLine, Until};
use crate::error::Error;
use crate::tasks::lines::{Components, FindLines};
use rayon::prelude::*;
use refrain_image::{Gray, Point, Quad};
use refrain_page::{
    Alternative, Block, BlockKind, Found, Layout, Limits, Line, Page, PageError, Rectified, Region,
    Word, cells, find_line, order, rectify, uncovered_ink, word_quads,
};
use std::borrow::Cow;
use std::collections::BTreeMap;
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
    /// Whether [`Page::seconds`] is filled.
    pub times: bool,
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
            times: false,
        }
    }
}

/// Confidence of a page, from which on no other turn is tried.
const UPRIGHT: f64 = 0.9;
/// By how much another turn must be surer than upright.
const CLEARLY: f64 = 0.1;
/// Lines that decide about the turn.
const JUDGES: usize = 5;
/// Most lines of a page of spots: more are found in noise, and reading them would take seconds.
const MOST_IN_NOISE: usize = 200;
/// Least mean confidence of a line on a page of spots.
const SURE_IN_NOISE: f64 = 0.6;
/// Ink outside of all lines that is worth a warning.
const MUCH_UNCOVERED: f32 = 0.2;

/// The lines of one turn of a page.
struct Turn {
    /// Clockwise turns by quarters.
    turned: i32,
    lines: Vec<Found>,
    skew: f32,
    noisy: bool,
}

/// The text of one turn of a page.
struct Reading {
    turn: Turn,
    rectified: Vec<Rectified>,
    read: Vec<ReadLine>,
    /// The time was over before all turns were tried.
    cut_short: bool,
}

/// Work on a page: its bounds, and the seconds of its steps.
struct Work<'a> {
    options: &'a PageOptions,
    limits: Limits,
    seconds: BTreeMap<&'static str, f32>,
}

impl Work<'_> {
    /// Does a step, and adds its time to that of its kind.
    fn step<T>(&mut self, name: &'static str, work: impl FnOnce(&Self) -> T) -> T {
        let begin = Instant::now();
        let result = work(self);
        *self.seconds.entry(name).or_default() += begin.elapsed().as_secs_f32();
        result
    }
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
        let seconds = options.seconds.map(|seconds| seconds.clamp(0.0, 1e6));
        let mut work = Work {
            options,
            limits: Limits {
                deadline: seconds.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds)),
                ..Limits::default()
            },
            seconds: BTreeMap::new(),
        };
        let best = self.best_turn(&page.image, &mut work)?;
        let turn = &best.turn;
        let image = turned(&page.image, turn.turned);
        let mut result = Page {
            number: page.number as u32,
            width: image.width() as u32,
            height: image.height() as u32,
            dpi: page.dpi,
            turned: (page.turned + turn.turned).rem_euclid(4) as u8,
            skew: turn.skew,
            warnings: page.warnings.iter().map(ToString::to_string).collect(),
            ..Page::default()
        };
        if turn.noisy {
            result.warnings.push(
                "the page has so many spots that it may be noise or a picture; text may be missing"
                    .into(),
            );
        }
        if best.cut_short {
            result.warnings.push(
                "the time for a page was over before all turns of it were tried; it may stand on its side".into(),
            );
        }
        let quads: Vec<Quad> = turn.lines.iter().map(|line| line.quad).collect();
        // The page is read, so it is given, however late it is. This step is bounded by the pixels of the page.
        let limits = Limits {
            deadline: None,
            ..work.limits
        };
        result.uncovered_ink =
            work.step("uncovered ink", |_| uncovered_ink(&image, &quads, &limits))?;
        if result.uncovered_ink > MUCH_UNCOVERED {
            let percent = (100.0 * result.uncovered_ink).round();
            let warning =
                format!("{percent}% of what may be text is in no line; look at it with --plot");
            result.warnings.push(warning);
        }
        let regions = work.step("order", |_| order(&turn.lines, options.layout));
        result.blocks = work.step("words", |_| {
            let blocks = regions.iter().filter_map(|region| best.block(region));
            blocks.collect()
        });
        if options.times {
            let seconds = work.seconds.into_iter();
            result.seconds = seconds.map(|(name, own)| (name.into(), own)).collect();
        }
        Ok(result)
    }

    /// The page in the turn in which its lines are read with the most confidence.
    fn best_turn(&self, image: &Gray, work: &mut Work<'_>) -> Result<Reading, Error> {
        let upright = self.turn(image, 0, work)?;
        if upright.lines.is_empty() {
            return self.reading(image, upright, work);
        }
        let mut upright = self.reading(image, upright, work)?;
        let (_, confidence) = upright.judged();
        if !work.options.turn || upright.turn.noisy || confidence >= UPRIGHT {
            return Ok(upright);
        }
        // As sure of a page as upright, and clearly so. Of two other turns, the surer one is right.
        let (mut most, mut best) = (confidence + CLEARLY, None);
        for quarters in 1..4 {
            match self.tried(image, quarters, work) {
                Ok((confidence, turn)) if confidence > most => {
                    (most, best) = (confidence, Some(turn));
                }
                Ok(_) => {}
                Err(Error::Page(PageError::Deadline { .. })) => {
                    upright.cut_short = true;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        match best {
            None => Ok(upright),
            Some(turn) => self.reading(&turned(image, turn.turned), turn, work),
        }
    }

    /// The lines of a page in this turn, and the confidence in the longest of them; 0 without any text.
    fn tried(
        &self,
        image: &Gray,
        quarters: i32,
        work: &mut Work<'_>,
    ) -> Result<(f64, Turn), Error> {
        let image = turned(image, quarters);
        let turn = self.turn(&image, quarters, work)?;
        let mut longest = Turn {
            lines: turn.lines.clone(),
            ..turn
        };
        longest
            .lines
            .sort_by(|a, b| b.baseline.length().total_cmp(&a.baseline.length()));
        longest.lines.truncate(JUDGES);
        let (_, confidence) = self.reading(&image, longest, work)?.judged();
        Ok((confidence, turn))
    }

    /// The lines of a page in this turn.
    fn turn(&self, image: &Gray, turned: i32, work: &mut Work<'_>) -> Result<Turn, Error> {
        work.step("lines", |work| {
            let (mut lines, skew, noisy) = match work.options.layout {
                Layout::Line | Layout::Word => {
                    let line = find_line(image, &work.limits)?;
                    (line.into_iter().collect(), 0.0, false)
                }
                _ => {
                    let found = work.options.finder.find(image, &work.limits)?;
                    (found.lines, found.skew, found.noisy)
                }
            };
            if noisy && lines.len() > MOST_IN_NOISE {
                lines.clear();
            }
            Ok(Turn {
                turned,
                lines,
                skew,
                noisy,
            })
        })
    }

    /// The text of these lines.
    fn reading(&self, image: &Gray, turn: Turn, work: &mut Work<'_>) -> Result<Reading, Error> {
        let rectified: Vec<Rectified> = work.step("cut", |_| {
            let lines = turn.lines.par_iter();
            lines
                .map(|line| rectify(image, line, self.reader.frame(line)))
                .collect()
        });
        let images: Vec<Gray> = rectified.iter().map(|own| own.image.clone()).collect();
        let read = work.step("text", |work| {
            let until = work.limits.deadline.map(|deadline| Until {
                deadline,
                width: image.width(),
                height: image.height(),
            });
            self.read_until(&images, work.options.n_best, until)
        })?;
        Ok(Reading {
            turn,
            rectified,
            read,
            cut_short: false,
        })
    }
}

/// The image after clockwise turns by quarters.
fn turned(image: &Gray, quarters: i32) -> Cow<'_, Gray> {
    match quarters {
        0 => Cow::Borrowed(image),
        other => Cow::Owned(image.turned(other)),
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
        let table = cells(region, &self.turn.lines)
            .iter()
            .any(|row| row.len() > 2);
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
            &self.turn.lines[index],
            &self.rectified[index],
            &self.read[index],
        );
        if read.text.is_empty() || self.turn.noisy && read.mean < SURE_IN_NOISE {
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
