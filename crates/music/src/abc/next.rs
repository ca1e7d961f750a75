//! The characters that may follow in a tune: an automaton for constrained decoding.

use super::fields::MODES;
use super::{Ratio, TimeSignature};
use std::sync::LazyLock;

/// Cells of the unit of length: the shortest note is an eighth of it.
const UNIT: u32 = 8;

/// Longest free text of a field, a chord symbol, or grace notes.
const LONGEST_FIELD: usize = 60;
const LONGEST_SYMBOL: usize = 12;
const MOST_GRACE: usize = 6;
const MOST_CHORD: usize = 5;

/// Time signatures that are offered.
const METERS: [&str; 18] = [
    "C", "C|", "2/2", "3/2", "4/2", "2/4", "3/4", "4/4", "5/4", "6/4", "7/4", "3/8", "5/8", "6/8",
    "7/8", "9/8", "12/8", "none",
];

/// Units of length that are offered.
const UNITS: [&str; 6] = ["1/1", "1/2", "1/4", "1/8", "1/16", "1/32"];

/// Beats of tempos that are offered.
const BEATS: [&str; 8] = ["1/4=", "3/8=", "1/8=", "1/2=", "3/4=", "3/16=", "1/16=", ""];

/// Bar lines without endings.
const STROKES: [&str; 13] = [
    "|", "||", "|]", "|:", ":|", "::", ":|:", ":||:", "||:", ":||", ":|]", "[|", "[|:",
];

/// Decorations that are offered between exclamation marks.
const DECORATIONS: [&str; 16] = [
    "trill", "fermata", "segno", "coda", "D.C.", "D.S.", "fine", "turn", "mordent", "p", "mp",
    "mf", "f", "pp", "ff", "accent",
];

/// Written lengths and their cells.
static LENGTHS: LazyLock<Vec<(String, u32)>> = LazyLock::new(|| {
    let mut list = Vec::new();
    for number in (1..=16).chain([24, 32]) {
        let digits = if number == 1 {
            String::new()
        } else {
            number.to_string()
        };
        for (slashes, by) in [
            ("", 1),
            ("/", 2),
            ("/2", 2),
            ("//", 4),
            ("/4", 4),
            ("/8", 8),
        ] {
            list.push((format!("{digits}{slashes}"), number * UNIT / by));
        }
    }
    list
});

/// Bar lines with the numbers of endings behind them.
static BAR_LINES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let plain = STROKES.iter().map(|strokes| (*strokes).to_owned());
    let ends = ["|", ":|", "||"].into_iter();
    let endings = ends.flat_map(|strokes| (1..=4).map(move |number| format!("{strokes}{number}")));
    plain.chain(endings).collect()
});

/// Keys that are offered.
static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut list = vec!["none".to_owned(), "HP".to_owned()];
    let long = [
        "major",
        "minor",
        "mixolydian",
        "dorian",
        "aeolian",
        "phrygian",
        "lydian",
        "locrian",
        "ionian",
    ];
    for letter in "CDEFGAB".chars() {
        for sign in ["", "#", "b"] {
            let tonic = format!("{letter}{sign}");
            let short = MODES
                .iter()
                .map(|mode| mode.0)
                .filter(|mode| *mode != "exp");
            for mode in short.chain(long) {
                let (first, rest) = mode.split_at(1);
                let capital = first.to_ascii_uppercase() + rest;
                for space in ["", " "] {
                    list.push(format!("{tonic}{space}{mode}"));
                    list.push(format!("{tonic}{space}{capital}"));
                }
            }
            list.push(format!("{tonic}m"));
            list.push(tonic);
        }
    }
    list
});

/// Choices of [`Automaton`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutomatonConfig {
    /// Whether bars must be full. A pick-up of at most half a bar may begin the tune, and the bar that ends a section
    /// may be short by it; the next section may then have a pick-up, too.
    pub bars: bool,
    /// Whether fields may follow between the lines of the music.
    pub fields: bool,
}

impl Default for AutomatonConfig {
    /// Full bars, and fields.
    fn default() -> Self {
        Self {
            bars: true,
            fields: true,
        }
    }
}

/// The state of a tune that is written character by character, in the form of [`normal_form`](super::normal_form).
///
/// Only characters are allowed after which the tune can be completed: quotations, brackets and tuplets close, no bar
/// becomes longer than its time signature says, and none ends too early. There is always a next character until the
/// tune has ended with a blank line. The reader of this crate finds nothing odd in such a tune, and its bars regular.
///
/// The automaton offers less than ABC allows: one voice, no slurs, no words, no ties inside of brackets, and notes no
/// shorter than an eighth of the unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Automaton {
    config: AutomatonConfig,
    mode: Mode,
    header: bool,
    /// Letters of the header's fields so far.
    seen: Vec<char>,
    meter: Option<TimeSignature>,
    unit: Ratio,
    /// Cells of a bar; nothing if bars are free.
    bar: Option<u32>,
    /// Cells of this bar so far.
    fill: u32,
    /// Whether this bar is the first of a section.
    first: bool,
    /// Cells of the last pick-up.
    pickup: u32,
    /// Whether a bar at the end of a section has completed the pick-up.
    completed: bool,
    /// Cells that the last bar lacked.
    lacking: u32,
    /// Bars so far.
    bars: u32,
    /// Number of the ending that goes on; 0 for none.
    ending: u8,
    group: Option<Group>,
    /// Numerator and denominator of the next note's factor by broken rhythm.
    broken: Option<(u32, u32)>,
    /// Cells of the note that has just ended, if broken rhythm may follow.
    last: Option<u32>,
    /// Whether a tie may follow.
    tie: bool,
    /// Whether a note must follow: after grace notes, decorations and the number of a tuplet.
    owed: bool,
    notes: u32,
    /// The last character of the line.
    before: char,
    /// Bar lines since the last note, at most 2.
    after_bar: u8,
}

/// A tuplet that goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Group {
    p: u32,
    q: u32,
    left: u32,
    /// Written cells so far.
    cells: u32,
    /// Fill of the bar at its beginning.
    start: u32,
}

#[derive(Clone, Debug, PartialEq)]
enum Mode {
    LineStart,
    /// A letter of a field, before its colon.
    Letter(char),
    /// The value of a field so far.
    Field {
        letter: char,
        value: String,
    },
    Music,
    /// Signs before a letter.
    Sign(char, u8),
    /// A note or rest with its octave marks and length so far.
    Note {
        marks: u8,
        length: String,
        rest: bool,
    },
    /// After `[`.
    Bracket,
    /// Notes of a chord so far; whether a letter must follow a sign; octave marks.
    Chord {
        notes: usize,
        sign: u8,
        marks: u8,
    },
    Grace {
        notes: usize,
        sign: u8,
        marks: u8,
    },
    Quoted(usize),
    Decoration(String),
    Tuplet,
    Broken {
        sign: char,
        count: u8,
    },
    Bar(String),
    End,
}

/// Whether one of `list` begins with `text`.
fn begins<S: AsRef<str>>(list: &[S], text: &str) -> bool {
    list.iter().any(|item| item.as_ref().starts_with(text))
}

fn contains<S: AsRef<str>>(list: &[S], text: &str) -> bool {
    list.iter().any(|item| item.as_ref() == text)
}

fn common(a: u32, b: u32) -> u32 {
    if b == 0 { a.max(1) } else { common(b, a % b) }
}

impl Automaton {
    /// The state before the first character of a tune.
    pub fn new(config: AutomatonConfig) -> Self {
        Self {
            config,
            mode: Mode::LineStart,
            header: true,
            seen: Vec::new(),
            meter: None,
            unit: super::fields::unit(8),
            bar: None,
            fill: 0,
            first: true,
            pickup: 0,
            completed: false,
            lacking: 0,
            bars: 0,
            ending: 0,
            group: None,
            broken: None,
            last: None,
            tie: false,
            owed: false,
            notes: 0,
            before: '\n',
            after_bar: 0,
        }
    }

    /// Whether `next` may follow.
    pub fn allows(&self, next: char) -> bool {
        self.clone().step(next).is_some()
    }

    /// `[V]`: whether each of `characters` may follow.
    pub fn allowed(&self, characters: &[char]) -> Vec<bool> {
        characters.iter().map(|&next| self.allows(next)).collect()
    }

    /// Goes on with `next`. If it may not follow, the state stays as it was, and the answer is `false`.
    pub fn push(&mut self, next: char) -> bool {
        let mut state = self.clone();
        let done = state.step(next).is_some();
        if done {
            *self = state;
        }
        done
    }

    /// Whether the tune may end here. The blank line that ends a document may follow then, after the line's end.
    pub fn may_end(&self) -> bool {
        let mut state = self.clone();
        let settled = matches!(state.mode, Mode::LineStart | Mode::End) || state.settle().is_some();
        let whole =
            state.fill == 0 && state.group.is_none() && state.broken.is_none() && !state.owed;
        settled && whole && !state.header && state.notes > 0
    }

    /// Whether the blank line has ended the tune.
    pub fn ended(&self) -> bool {
        self.mode == Mode::End
    }

    /// Whether `cells` more are not too much.
    fn holds(&self, from: u32, cells: u32) -> bool {
        self.bar.is_none_or(|bar| from.saturating_add(cells) <= bar)
    }

    /// Cells that the bar gains by a note of `cells`, if that leaves the bar completable. In a tuplet, the bar gains
    /// them all with the last note.
    fn fits(&self, cells: u32) -> Option<u32> {
        if let Some((upper, lower)) = self.broken {
            let gained = cells * upper / lower;
            return ((cells * upper).is_multiple_of(lower) && self.holds(self.fill, gained))
                .then_some(gained);
        }
        let Some(group) = self.group else {
            return self.holds(self.fill, cells).then_some(cells);
        };
        let sum = group.cells + cells;
        let step = group.p / common(group.p, group.q);
        if group.left == 1 {
            let gained = sum * group.q / group.p;
            return (sum.is_multiple_of(step) && self.holds(group.start, gained)).then_some(gained);
        }
        let least = (sum + group.left - 1).div_ceil(step) * step;
        self.holds(group.start, least * group.q / group.p)
            .then_some(0)
    }

    /// Whether a length that begins with `text` fits.
    fn length_begins(&self, text: &str) -> bool {
        let mut some = LENGTHS
            .iter()
            .filter(|(length, _)| length.starts_with(text));
        some.any(|&(_, cells)| self.fits(cells).is_some())
    }

    /// Whether a note may begin.
    fn note_fits(&self) -> bool {
        self.length_begins("")
    }

    /// Ends the token that goes on; nothing if it cannot end here.
    fn settle(&mut self) -> Option<()> {
        match std::mem::replace(&mut self.mode, Mode::Music) {
            Mode::Music => Some(()),
            Mode::Note { length, .. } => self.end_note(&length),
            Mode::Bar(strokes) => self.end_bar(&strokes),
            Mode::Broken { sign, count } => self.end_broken(sign, count),
            other => {
                self.mode = other;
                None
            }
        }
    }

    fn end_note(&mut self, length: &str) -> Option<()> {
        let cells = LENGTHS.iter().find(|known| known.0 == length)?.1;
        let gained = self.fits(cells)?;
        let alone = self.group.is_none() && self.broken.is_none();
        if let Some(group) = &mut self.group {
            group.left -= 1;
            group.cells += cells;
            if group.left == 0 {
                self.group = None;
            }
        }
        self.broken = None;
        self.fill += gained;
        self.last = alone.then_some(cells);
        self.tie = true;
        self.notes += 1;
        Some(())
    }

    /// Factors of broken rhythm: of the note before, and of the next one.
    fn factors(sign: char, count: u8) -> [(u32, u32); 2] {
        let part = 1 << count;
        let (long, short) = ((2 * part - 1, part), (1, part));
        if sign == '>' {
            [long, short]
        } else {
            [short, long]
        }
    }

    /// Fill of the bar with broken rhythm after its last note, if that is possible.
    fn broken_fill(&self, sign: char, count: u8) -> Option<u32> {
        let [(upper, lower), (next, _)] = Self::factors(sign, count);
        let cells = self.last?;
        let changed = (cells * upper % lower == 0).then_some(cells * upper / lower)?;
        let fill = self.fill - cells + changed;
        self.holds(fill, next).then_some(fill)
    }

    fn end_broken(&mut self, sign: char, count: u8) -> Option<()> {
        self.fill = self.broken_fill(sign, count)?;
        self.broken = Some(Self::factors(sign, count)[1]);
        self.last = None;
        Some(())
    }

    /// Whether a bar line may stand here.
    fn bar_fits(&self, strokes: &str) -> bool {
        let divides = strokes != "|";
        let number = strokes
            .chars()
            .last()
            .and_then(|c| c.to_digit(10))
            .unwrap_or(0) as u8;
        if self.group.is_some() || self.broken.is_some() || self.owed {
            return false;
        }
        if number > 0
            && (self.notes == 0
                || number != self.ending + 1
                || (number > 1) != strokes.starts_with(':'))
        {
            return false;
        }
        if strokes.starts_with(':') && self.notes == 0 {
            return false;
        }
        if self.fill == 0 {
            let again = self.after_bar == 1 && matches!(strokes, "|:" | "|");
            return number == 0 && (again || divides && self.after_bar == 0);
        }
        let Some(bar) = self.bar else { return true };
        let complement = self.pickup > 0 && self.fill + self.pickup == bar;
        let completes = self.lacking > 0 && self.fill == self.lacking;
        let again = self.completed && self.fill == self.pickup;
        let pickup = self.first && (completes || again || (self.bars == 0 && 2 * self.fill <= bar));
        self.fill == bar
            || (pickup && matches!(strokes, "|" | "|:" | "||:"))
            || (divides && complement && !(number == 1 && strokes.starts_with('|')))
    }

    fn bar_begins(&self, text: &str) -> bool {
        let mut some = BAR_LINES.iter().filter(|strokes| strokes.starts_with(text));
        some.any(|strokes| self.bar_fits(strokes))
    }

    fn end_bar(&mut self, strokes: &str) -> Option<()> {
        if !contains(&BAR_LINES, strokes) || !self.bar_fits(strokes) {
            return None;
        }
        let number = strokes
            .chars()
            .last()
            .and_then(|c| c.to_digit(10))
            .unwrap_or(0) as u8;
        let divides = strokes != "|";
        if let Some(bar) = self.bar.filter(|_| self.fill > 0) {
            if self.first && self.fill < bar {
                let completes = self.lacking == self.fill;
                self.completed = completes || (self.completed && self.fill == self.pickup);
                self.pickup = self.fill;
            } else if self.fill < bar {
                self.completed = true;
            }
            self.lacking = if divides { bar - self.fill } else { 0 };
            self.bars += 1;
        }
        // A second ending may follow the repeat sign of the first.
        let first_ends = strokes.starts_with(':') && self.ending == 1 && self.fill > 0;
        if number > 0 {
            self.ending = number;
        } else if divides && !first_ends {
            self.ending = 0;
        }
        self.after_bar = 1 + u8::from(self.fill == 0 && self.after_bar > 0);
        self.first = divides && number == 0;
        self.fill = 0;
        self.last = None;
        Some(())
    }

    fn step(&mut self, next: char) -> Option<()> {
        let mode = self.mode.clone();
        let done = match mode {
            Mode::End => None,
            Mode::LineStart => self.line_start(next),
            Mode::Letter(letter) => (next == ':').then(|| {
                self.mode = Mode::Field {
                    letter,
                    value: String::new(),
                };
            }),
            Mode::Field { letter, value } => self.field(letter, value, next),
            Mode::Sign(sign, count) => self.sign(sign, count, next),
            Mode::Note {
                marks,
                length,
                rest,
            } => self.note(marks, length, rest, next),
            Mode::Bracket => self.bracket(next),
            Mode::Chord { notes, sign, marks } => self.inside(notes, sign, marks, next, true),
            Mode::Grace { notes, sign, marks } => self.inside(notes, sign, marks, next, false),
            Mode::Quoted(length) => self.quoted(length, next),
            Mode::Decoration(name) => self.decoration(name, next),
            Mode::Tuplet => self.tuplet(next),
            Mode::Broken { sign, count } => {
                match next == sign && count < 2 && self.broken_fill(sign, count + 1).is_some() {
                    true => {
                        self.mode = Mode::Broken {
                            sign,
                            count: count + 1,
                        };
                        Some(())
                    }
                    false => self.settle().and_then(|()| self.music(next)),
                }
            }
            Mode::Bar(strokes) => {
                let longer = format!("{strokes}{next}");
                match self.bar_begins(&longer) {
                    true => {
                        self.mode = Mode::Bar(longer);
                        Some(())
                    }
                    false => self.settle().and_then(|()| self.music(next)),
                }
            }
            Mode::Music => self.music(next),
        };
        if done.is_some() {
            self.before = next;
        }
        done
    }

    fn line_start(&mut self, next: char) -> Option<()> {
        if self.header {
            let known = "XTMLQRKSNHZBDFGACOPIWVrmsUEJY".contains(next);
            let once = "MLQK".contains(next) && self.seen.contains(&next);
            return (known && !once).then(|| self.mode = Mode::Letter(next));
        }
        if next == '\n' {
            return self.may_end().then(|| self.mode = Mode::End);
        }
        if self.config.fields && self.fill == 0 && "MLKPT".contains(next) {
            self.mode = Mode::Letter(next);
            return Some(());
        }
        (next != ' ').then(|| self.music(next))?
    }

    /// Values that a field may have; nothing for free text.
    fn values(&self, letter: char) -> Option<Vec<&'static str>> {
        let fits = |meter: Option<TimeSignature>, unit: Ratio| {
            meter.is_none_or(|meter| cells(meter, unit).is_some())
        };
        match letter {
            'M' => Some(
                METERS
                    .into_iter()
                    .filter(|value| {
                        let meter = TimeSignature::parse(value).flatten();
                        fits(meter, self.unit) || (self.header && !self.seen.contains(&'L'))
                    })
                    .collect(),
            ),
            'L' => Some(
                UNITS
                    .into_iter()
                    .filter(|value| {
                        let unit = super::fields::length(value);
                        unit.is_some_and(|unit| fits(self.meter, unit))
                    })
                    .collect(),
            ),
            'K' => Some(KEYS.iter().map(String::as_str).collect()),
            _ => None,
        }
    }

    fn field(&mut self, letter: char, mut value: String, next: char) -> Option<()> {
        if next == '\n' {
            let complete = match (letter, self.values(letter)) {
                (_, Some(values)) => contains(&values, &value),
                ('Q', _) => tempo(&value) == Some(true),
                _ => !value.trim().is_empty(),
            };
            return complete.then(|| self.end_field(letter, &value));
        }
        value.push(next);
        let fits = match (letter, self.values(letter)) {
            (_, Some(values)) => begins(&values, &value),
            ('Q', _) => tempo(&value).is_some(),
            // A colon or a bar line there would make the line music.
            _ => {
                let first = value.chars().count() == 1;
                !next.is_control()
                    && next != '%'
                    && value.len() <= LONGEST_FIELD
                    && !(first && " :|".contains(next))
            }
        };
        fits.then(|| self.mode = Mode::Field { letter, value })
    }

    fn end_field(&mut self, letter: char, value: &str) {
        self.mode = Mode::LineStart;
        if self.header && "MLQK".contains(letter) {
            self.seen.push(letter);
        }
        match letter {
            'M' => {
                self.meter = TimeSignature::parse(value).flatten();
                if self.header && !self.seen.contains(&'L') {
                    self.unit = self
                        .meter
                        .map_or(super::fields::unit(8), TimeSignature::default_unit);
                }
            }
            'L' => self.unit = super::fields::length(value).unwrap_or(self.unit),
            'K' if self.header => self.header = false,
            'P' if !self.header => {
                self.first = true;
                self.ending = 0;
            }
            _ => {}
        }
        if matches!(letter, 'M' | 'L') {
            (self.pickup, self.completed, self.lacking) = (0, false, 0);
        }
        let meter = self.meter.filter(|_| self.config.bars);
        self.bar = meter.and_then(|meter| cells(meter, self.unit));
    }

    /// A character between two tokens.
    fn music(&mut self, next: char) -> Option<()> {
        let last = self.last.take();
        let tie = std::mem::take(&mut self.tie);
        let after_bar = std::mem::take(&mut self.after_bar);
        let free = self.group.is_none() && self.broken.is_none() && !self.owed;
        self.mode = match next {
            '^' | '_' | '=' if self.note_fits() => Mode::Sign(next, 1),
            'A'..='G' | 'a'..='g' if self.note_fits() => self.begun(false),
            'z' if self.note_fits() && !self.owed => self.begun(true),
            '[' => {
                (self.last, self.after_bar) = (last, after_bar);
                let possible = ['A', '1', '2', '3', '4', '|']
                    .into_iter()
                    .any(|c| self.clone().bracket(c).is_some());
                possible.then_some(Mode::Bracket)?
            }
            '"' if self.note_fits() && self.broken.is_none() && self.before != '"' => {
                Mode::Quoted(0)
            }
            '{' if self.note_fits() && self.broken.is_none() && !self.owed => Mode::Grace {
                notes: 0,
                sign: 0,
                marks: 0,
            },
            '!' if self.note_fits() && free => Mode::Decoration(String::new()),
            '.' | '~' if self.note_fits() && self.broken.is_none() && !self.owed => {
                self.owed = true;
                Mode::Music
            }
            '(' if free && (2..=9).any(|p| self.grouped(p).is_some()) => Mode::Tuplet,
            '>' | '<' => {
                self.last = last;
                self.broken_fill(next, 1)?;
                Mode::Broken {
                    sign: next,
                    count: 1,
                }
            }
            '-' if tie => Mode::Music,
            '|' | ':' => {
                self.after_bar = after_bar;
                let strokes = next.to_string();
                self.bar_begins(&strokes).then_some(Mode::Bar(strokes))?
            }
            ' ' if !" \n".contains(self.before) && self.broken.is_none() && !self.owed => {
                (self.after_bar, self.tie) = (after_bar, tie);
                Mode::Music
            }
            '\n' if free && self.before != '\n' && (after_bar > 0 || self.fill > 0) => {
                self.after_bar = after_bar;
                Mode::LineStart
            }
            _ => return None,
        };
        Some(())
    }

    /// The mode after the letter of a note.
    fn begun(&mut self, rest: bool) -> Mode {
        self.owed = false;
        Mode::Note {
            marks: 0,
            length: String::new(),
            rest,
        }
    }

    fn sign(&mut self, sign: char, count: u8, next: char) -> Option<()> {
        self.mode = match next {
            'A'..='G' | 'a'..='g' => self.begun(false),
            _ if next == sign && sign != '=' && count < 2 => Mode::Sign(sign, count + 1),
            _ => return None,
        };
        Some(())
    }

    fn note(&mut self, marks: u8, length: String, rest: bool, next: char) -> Option<()> {
        if matches!(next, ',' | '\'') && length.is_empty() && !rest && marks < 2 {
            self.mode = Mode::Note {
                marks: marks + 1,
                length,
                rest,
            };
            return Some(());
        }
        let longer = format!("{length}{next}");
        if (next.is_ascii_digit() || next == '/') && self.length_begins(&longer) {
            self.mode = Mode::Note {
                marks: 2,
                length: longer,
                rest,
            };
            return Some(());
        }
        self.settle()?;
        if rest {
            (self.last, self.tie) = (None, false);
        }
        self.music(next)
    }

    /// A character after `[`.
    fn bracket(&mut self, next: char) -> Option<()> {
        let free = self.group.is_none() && self.broken.is_none() && !self.owed;
        let number = next.to_digit(10).unwrap_or(0) as u8;
        self.mode = match next {
            '^' | '_' | '=' if self.note_fits() => Mode::Chord {
                notes: 0,
                sign: 1,
                marks: 0,
            },
            'A'..='G' | 'a'..='g' if self.note_fits() => Mode::Chord {
                notes: 1,
                sign: 0,
                marks: 0,
            },
            '|' if self.bar_begins("[|") => Mode::Bar("[|".to_owned()),
            _ if (1..=4).contains(&number)
                && free
                && self.after_bar > 0
                && number == self.ending + 1 =>
            {
                self.ending = number;
                self.first = false;
                Mode::Music
            }
            _ => return None,
        };
        if !matches!(self.mode, Mode::Bar(_)) {
            (self.after_bar, self.last) = (0, None);
        }
        Some(())
    }

    /// A character inside of a chord or of grace notes.
    fn inside(&mut self, notes: usize, sign: u8, marks: u8, next: char, chord: bool) -> Option<()> {
        let most = if chord { MOST_CHORD } else { MOST_GRACE };
        let (notes, sign, marks) = match next {
            'A'..='G' | 'a'..='g' if notes < most => (notes + 1, 0, 0),
            '^' | '_' | '=' if sign == 0 && notes < most => (notes, 1, 0),
            ',' | '\'' if sign == 0 && notes > 0 && marks < 2 => (notes, 0, marks + 1),
            ']' if chord && sign == 0 && notes > 0 => {
                self.owed = false;
                self.mode = Mode::Note {
                    marks: 2,
                    length: String::new(),
                    rest: false,
                };
                return Some(());
            }
            '}' if !chord && sign == 0 && notes > 0 => {
                self.owed = true;
                self.mode = Mode::Music;
                return Some(());
            }
            _ => return None,
        };
        self.mode = match chord {
            true => Mode::Chord { notes, sign, marks },
            false => Mode::Grace { notes, sign, marks },
        };
        Some(())
    }

    fn quoted(&mut self, length: usize, next: char) -> Option<()> {
        let usual = next.is_ascii_alphanumeric() || "#/+-()^_<>@ *".contains(next);
        self.mode = match next {
            '"' if length > 0 => Mode::Music,
            _ if usual && length < LONGEST_SYMBOL => Mode::Quoted(length + 1),
            _ => return None,
        };
        Some(())
    }

    fn decoration(&mut self, mut name: String, next: char) -> Option<()> {
        if next == '!' {
            self.owed = true;
            self.mode = Mode::Music;
            return contains(&DECORATIONS, &name).then_some(());
        }
        name.push(next);
        let fits = begins(&DECORATIONS, &name);
        self.mode = Mode::Decoration(name);
        fits.then_some(())
    }

    /// A tuplet of `p` notes, if it fits.
    fn grouped(&self, p: u32) -> Option<Group> {
        let compound = self.meter.is_some_and(TimeSignature::compound);
        let q = match p {
            2 | 4 | 8 => 3,
            3 | 6 => 2,
            5 | 7 | 9 => 2 + u32::from(compound),
            _ => return None,
        };
        let step = p / common(p, q);
        let least = p.div_ceil(step) * step;
        let group = Group {
            p,
            q,
            left: p,
            cells: 0,
            start: self.fill,
        };
        self.holds(self.fill, least * q / p).then_some(group)
    }

    fn tuplet(&mut self, next: char) -> Option<()> {
        self.group = Some(self.grouped(next.to_digit(10)?)?);
        self.owed = true;
        self.mode = Mode::Music;
        Some(())
    }
}

/// Whether `text` is a tempo (`Some(true)`), or the beginning of one.
fn tempo(text: &str) -> Option<bool> {
    let number = |digits: &str| {
        digits.len() <= 3 && !digits.starts_with('0') && digits.chars().all(|c| c.is_ascii_digit())
    };
    let rest = BEATS
        .iter()
        .filter_map(|beat| text.strip_prefix(beat))
        .find(|rest| number(rest));
    match rest {
        Some(digits) => Some((2..=3).contains(&digits.len())),
        None => begins(&BEATS, text).then_some(false),
    }
}

/// Cells of a bar, if the shortest note divides it.
fn cells(meter: TimeSignature, unit: Ratio) -> Option<u32> {
    let cells = meter
        .bar()
        .over(unit)?
        .times(Ratio::new(u64::from(UNIT), 1)?)?;
    (cells.denominator() == 1).then_some(cells.numerator())
}
