//! A line of music as tokens.

use super::Ratio;
use super::fields::LETTERS;
use super::text::field;

/// Longest name of a decoration between exclamation marks.
const LONGEST_DECORATION: usize = 32;

/// Most notes of a chord that are kept.
const MOST_NOTES: usize = 16;

/// Largest number that a length or a tuplet may hold.
const LARGEST: u32 = 999;

/// A written pitch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Index of the letter, C to B.
    pub letter: u8,
    /// Octave: 0 for `C` to `B`, 1 for `c` to `b`.
    pub octave: i8,
    /// Semitones of an accidental; nothing without one.
    pub accidental: Option<i8>,
}

/// A bar line with its repeat signs and endings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Strokes {
    /// The music before it is played again.
    pub ends_repeat: bool,
    /// The music after it is played again.
    pub begins_repeat: bool,
    /// Double, thick, or a part ends.
    pub double: bool,
    /// Numbers of the ending that begins here.
    pub endings: Vec<u8>,
}

/// A part of a line of music.
#[derive(Clone, Debug, PartialEq)]
pub enum Token<'a> {
    Notes(Vec<Written>, Ratio),
    Rest(Ratio),
    /// Whole bars of rest.
    Bars(u32),
    Bar(Strokes),
    /// `p`, `q`, `r`; 0 for what is not given.
    Tuplet(u32, u32, u32),
    /// Number of `>`, or of `<` as a negative number.
    Broken(i8),
    Tie,
    Quoted(&'a str),
    Field(char, &'a str),
    Overlay,
    Odd(String),
}

/// Reads tokens from a line of music.
pub struct Lexer<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(line: &'a str) -> Self {
        Self { line, at: 0 }
    }

    fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    fn take(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn eat(&mut self, letter: char) -> bool {
        let found = self.peek() == Some(letter);
        self.at += usize::from(found) * letter.len_utf8();
        found
    }

    /// A number; nothing without a digit. Larger ones than [`LARGEST`] become that.
    fn number(&mut self) -> Option<u32> {
        let digits = self.rest().len()
            - self
                .rest()
                .trim_start_matches(|c: char| c.is_ascii_digit())
                .len();
        let number = &self.rest()[..digits];
        self.at += digits;
        (digits > 0).then(|| number.parse().unwrap_or(LARGEST).min(LARGEST))
    }

    /// Length behind a note: `3`, `3/2`, `/`, `//`, `/4`.
    fn length(&mut self) -> Ratio {
        let mut upper = u64::from(self.number().unwrap_or(1));
        let mut lower = 1u64;
        while self.eat('/') {
            let by = u64::from(self.number().unwrap_or(2).max(1));
            lower = lower.saturating_mul(by);
            if lower > 1 << 20 {
                (upper, lower) = (0, 1);
            }
        }
        Ratio::new(upper, lower).unwrap_or(Ratio::ZERO)
    }

    /// Accidentals, letter and octave of a note; nothing if there is none here.
    fn written(&mut self) -> Option<Written> {
        let before = self.at;
        let mut accidental = None;
        while let Some(sign @ ('^' | '_' | '=')) = self.peek() {
            let by = match sign {
                '^' => 1,
                '_' => -1,
                _ => 0,
            };
            accidental = Some(i8::clamp(accidental.unwrap_or(0) + by, -2, 2));
            self.take();
        }
        let letter = self.peek().filter(|c| "ABCDEFGabcdefg".contains(*c));
        let Some(letter) = letter else {
            self.at = before;
            return None;
        };
        self.take();
        let index = LETTERS
            .iter()
            .position(|&l| l == letter.to_ascii_uppercase())
            .unwrap_or(0);
        let mut octave = i8::from(letter.is_ascii_lowercase());
        while let Some(mark @ ('\'' | ',')) = self.peek() {
            octave = i8::clamp(octave + if mark == ',' { -1 } else { 1 }, -8, 8);
            self.take();
        }
        Some(Written {
            letter: index as u8,
            octave,
            accidental,
        })
    }

    /// The text until `end` on this line, without it, and both passed. Nothing if there is no end.
    fn until(&mut self, end: char) -> Option<&'a str> {
        let (inside, _) = self.rest().split_once(end)?;
        self.at += inside.len() + end.len_utf8();
        Some(inside)
    }

    /// Numbers of endings: `1`, `1,3`, `1-3`.
    fn endings(&mut self) -> Vec<u8> {
        let mut list = Vec::new();
        while let Some(first) = self.number() {
            let range =
                self.peek() == Some('-') && self.second().is_some_and(|c| c.is_ascii_digit());
            let last = match range {
                true => {
                    self.take();
                    self.number().unwrap_or(first)
                }
                false => first,
            };
            list.extend((first.min(9)..=last.min(9)).map(|n| n as u8));
            let more = matches!(self.peek(), Some(',' | '.'))
                && self.second().is_some_and(|c| c.is_ascii_digit());
            if !more || list.len() > 16 {
                break;
            }
            self.take();
        }
        list
    }

    /// Bar lines and colons, and the endings right behind them.
    fn strokes(&mut self) -> Token<'a> {
        let before = self.at;
        let mut strokes = 0;
        while let Some(letter) = self.peek() {
            let goes_on = match letter {
                '|' | ':' => true,
                ']' => self.at > before && self.line[before..self.at].ends_with('|'),
                '[' => self.second() == Some('|'),
                _ => false,
            };
            if !goes_on {
                break;
            }
            strokes += usize::from(letter == '|');
            self.take();
        }
        let run = &self.line[before..self.at];
        if strokes == 0 && run.len() < 2 {
            return Token::Odd("a colon without a bar line is ignored".to_owned());
        }
        let both = strokes == 0;
        Token::Bar(Strokes {
            ends_repeat: both || run.starts_with(':'),
            begins_repeat: both || run.ends_with(':'),
            double: strokes > 1 || run.contains(['[', ']']),
            endings: self.endings(),
        })
    }

    /// After `[`: an ending, a field, or a chord.
    fn bracket(&mut self) -> Token<'a> {
        if self.peek().is_some_and(|c| c.is_ascii_digit()) {
            return Token::Bar(Strokes {
                endings: self.endings(),
                ..Strokes::default()
            });
        }
        if let Some((letter, _)) = field(self.rest())
            && let Some(inside) = self.until(']')
        {
            return Token::Field(letter, inside[2..].trim());
        }
        let mut notes = Vec::new();
        let mut length = None;
        loop {
            match self.peek() {
                Some(']') => {
                    self.take();
                    break;
                }
                Some('"') => {
                    self.take();
                    if self.until('"').is_none() {
                        self.at = self.line.len();
                    }
                }
                None | Some('|') => {
                    return Token::Odd("a chord is not closed and left out".to_owned());
                }
                _ => match self.written() {
                    Some(note) => {
                        if notes.len() < MOST_NOTES {
                            notes.push(note);
                        }
                        let here = self.length();
                        length.get_or_insert(here);
                        self.eat('-');
                    }
                    // Decorations and spaces.
                    None => {
                        self.take();
                    }
                },
            }
        }
        let outer = self.length();
        let length = length
            .and_then(|inner| inner.times(outer))
            .unwrap_or(Ratio::ZERO);
        match notes.is_empty() {
            true => Token::Odd("a chord without notes is left out".to_owned()),
            false => Token::Notes(notes, length),
        }
    }

    /// After `(`: a tuplet; nothing for a slur.
    fn tuplet(&mut self) -> Option<Token<'a>> {
        let p = self.number()?;
        let mut parts = [0; 2];
        for part in &mut parts {
            if !self.eat(':') {
                break;
            }
            *part = self.number().unwrap_or(0);
        }
        Some(Token::Tuplet(p, parts[0], parts[1]))
    }

    /// After `mark`, which may begin a decoration.
    fn decoration(&mut self, mark: char) -> Option<Token<'a>> {
        let name = self.rest().split(mark).next().unwrap_or_default();
        let closed = self.rest().len() > name.len();
        let usual = |c: char| c.is_ascii_alphanumeric() || ".,()<>^_/'-+".contains(c);
        if closed && !name.is_empty() && name.len() <= LONGEST_DECORATION && name.chars().all(usual)
        {
            self.at += name.len() + 1;
            return None;
        }
        match self.rest().trim().is_empty() {
            // The line end of older files.
            true => None,
            false => Some(Token::Odd(format!("a single `{mark}` is ignored"))),
        }
    }

    fn odd(&mut self, remark: &str) -> Option<Token<'a>> {
        Some(Token::Odd(remark.to_owned()))
    }

    /// The token that `letter`, already taken, begins; nothing for one without meaning for the notes.
    fn begun_by(&mut self, letter: char) -> Option<Token<'a>> {
        match letter {
            'z' | 'x' => Some(Token::Rest(self.length())),
            'Z' | 'X' => Some(Token::Bars(self.number().unwrap_or(1))),
            '[' => Some(self.bracket()),
            '(' => self.tuplet(),
            '"' => match self.until('"') {
                Some(text) => Some(Token::Quoted(text)),
                None => {
                    self.at = self.line.len();
                    self.odd("a quotation is not closed; the rest of the line is left out")
                }
            },
            '{' => match self.until('}') {
                Some(_) => None,
                None => self.odd("grace notes are not closed; they are read as notes"),
            },
            '>' | '<' => {
                let mut count = 1i8;
                while count < 3 && self.eat(letter) {
                    count += 1;
                }
                Some(Token::Broken(if letter == '>' { count } else { -count }))
            }
            '-' => Some(Token::Tie),
            '!' | '+' => self.decoration(letter),
            '&' => Some(Token::Overlay),
            'y' => {
                self.length();
                None
            }
            // Slurs, staccato, bowing and the letters that users define.
            ')' | '.' | '~' | 'H'..='W' | 'h'..='w' | '`' | ' ' | '\t' | '\\' | '$' => None,
            '}' => self.odd("grace notes end that did not begin"),
            ']' => self.odd("a bracket closes that did not open"),
            _ => self.odd(&format!("the character {letter:?} is ignored")),
        }
    }
}

impl<'a> Iterator for Lexer<'a> {
    /// Column and token.
    type Item = (usize, Token<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let before = self.at;
            let letter = self.peek()?;
            let token = if let Some(note) = self.written() {
                let length = self.length();
                Some(Token::Notes(vec![note], length))
            } else if matches!(letter, '|' | ':') || (letter == '[' && self.second() == Some('|')) {
                Some(self.strokes())
            } else {
                self.take();
                self.begun_by(letter)
            };
            if let Some(token) = token {
                let column = self.line[..before].chars().count() + 1;
                return Some((column, token));
            }
        }
    }
}
