//! Values of the fields that decide how music sounds: M, L, K, Q.

use super::Ratio;

/// Most characters of a field that are looked at.
const LONGEST: usize = 200;

/// A time signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSignature {
    /// Upper number.
    pub beats: u8,
    /// Lower number.
    pub unit: u8,
}

impl TimeSignature {
    /// Value of an `M:` field: `C`, `C|`, `6/8`, `(2+3)/8`, `2+3/8`. `Some(None)` is free meter; `None` a value without
    /// meaning.
    pub fn parse(value: &str) -> Option<Option<Self>> {
        let value: String = value
            .chars()
            .take(LONGEST)
            .filter(|c| !" ()".contains(*c))
            .collect();
        match value.as_str() {
            "C" | "c" => return Some(Some(Self { beats: 4, unit: 4 })),
            "C|" | "c|" => return Some(Some(Self { beats: 2, unit: 2 })),
            "" | "none" | "None" => return Some(None),
            _ => {}
        }
        let (upper, lower) = value.split_once('/')?;
        let mut parts = upper.split('+').map(|part| part.parse::<u8>().ok());
        let beats = parts.try_fold(0u16, |sum, part| sum.checked_add(u16::from(part?)))?;
        let unit = lower.parse::<u8>().ok()?;
        let possible = beats > 0 && beats <= 64 && unit.is_power_of_two() && unit <= 64;
        possible.then_some(Some(Self {
            beats: beats as u8,
            unit,
        }))
    }

    /// Length of a bar in whole notes.
    pub fn bar(self) -> Ratio {
        Ratio::new(u64::from(self.beats), u64::from(self.unit)).unwrap_or(Ratio::ONE)
    }

    /// Whether beats are groups of three: 6/8, 9/8, 12/8 and so on.
    pub fn compound(self) -> bool {
        self.beats > 3 && self.beats.is_multiple_of(3)
    }

    /// The unit of length that holds without an `L:` field: a sixteenth for bars below three quarters, or an eighth.
    pub fn default_unit(self) -> Ratio {
        let short = 4 * u32::from(self.beats) < 3 * u32::from(self.unit);
        unit(if short { 16 } else { 8 })
    }
}

/// `1 / denominator`.
pub(crate) fn unit(denominator: u64) -> Ratio {
    Ratio::new(1, denominator).unwrap_or(Ratio::ONE)
}

/// Value of an `L:` field: `1/8`.
pub(crate) fn length(value: &str) -> Option<Ratio> {
    let value: String = value
        .chars()
        .take(LONGEST)
        .filter(|c| !c.is_whitespace())
        .collect();
    let (upper, lower) = value.split_once('/').unwrap_or((&value, "1"));
    let ratio = Ratio::new(upper.parse().ok()?, lower.parse().ok()?)?;
    let possible = !ratio.is_zero() && ratio.value() <= 16.0 && ratio.denominator() <= 1024;
    possible.then_some(ratio)
}

/// A tempo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Length of a beat in whole notes.
    pub beat: Ratio,
    /// Beats a minute.
    pub each_minute: u32,
}

impl Pace {
    /// Value of a `Q:` field: `1/4=120`, `120` (in units of `unit`), `C3=100`, with or without a name in quotes.
    pub fn parse(value: &str, unit: Ratio) -> Option<Self> {
        let mut plain = String::new();
        let mut quoted = false;
        for letter in value.chars().take(LONGEST) {
            quoted ^= letter == '"';
            if !quoted && letter != '"' {
                plain.push(letter);
            }
        }
        let (beat, count) = match plain.split_once('=') {
            Some((beat, count)) => (Some(beat.trim()), count.trim()),
            None => (None, plain.trim()),
        };
        let beat = match beat {
            None => unit,
            Some(old) if old.starts_with(['C', 'c']) => {
                let times = old[1..].trim();
                let times = if times.is_empty() {
                    Ratio::ONE
                } else {
                    length(times)?
                };
                unit.times(times)?
            }
            Some(list) => {
                let mut parts = list.split_whitespace().map(length);
                parts.try_fold(Ratio::ZERO, |sum, part| sum.plus(part?))?
            }
        };
        let each_minute = count
            .parse::<f64>()
            .ok()
            .filter(|n| (1.0..=2000.0).contains(n))? as u32;
        (!beat.is_zero()).then_some(Self { beat, each_minute })
    }

    /// Quarter notes a minute.
    pub fn quarters(self) -> f64 {
        f64::from(self.each_minute) * self.beat.value() * 4.0
    }
}

/// A key: the accidentals of the seven letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Sharps of the signature, or flats as a negative number; explicit accidentals do not count.
    pub fifths: i8,
    /// Whether its third is minor (minor, Dorian, Phrygian, Locrian).
    pub minor: bool,
    /// Semitones from C to the tonic, 0 to 11.
    pub tonic: u8,
    /// Semitones that C, D, E, F, G, A and B are raised.
    pub accidentals: [i8; 7],
}

/// Letters in the order of [`Key::accidentals`].
pub(crate) const LETTERS: [char; 7] = ['C', 'D', 'E', 'F', 'G', 'A', 'B'];

/// Semitones of the letters above C.
pub(crate) const SEMITONES: [i8; 7] = [0, 2, 4, 5, 7, 9, 11];

/// Place of each letter in the order of sharps F, C, G, D, A, E, B.
const SHARP_ORDER: [i16; 7] = [1, 3, 5, 0, 2, 4, 6];

/// First letters of the modes: fifths from the major key of the same tonic, and whether the third is minor.
pub(crate) const MODES: [(&str, i16, bool); 10] = [
    ("maj", 0, false),
    ("ion", 0, false),
    ("mix", -1, false),
    ("dor", -2, true),
    ("min", -3, true),
    ("aeo", -3, true),
    ("phr", -4, true),
    ("loc", -5, true),
    ("lyd", 1, false),
    ("exp", 0, false),
];

impl Key {
    /// C major.
    pub const C: Self = Self {
        fifths: 0,
        minor: false,
        tonic: 0,
        accidentals: [0; 7],
    };

    /// Value of a `K:` field: `G`, `Em`, `D Major`, `Ador`, `Bb mix`, `D ^g`, `HP`, `none`; clefs are ignored. Nothing
    /// for a value without meaning.
    pub fn parse(value: &str) -> Option<Self> {
        let value: String = value.trim().chars().take(LONGEST).collect();
        let lower = value.to_ascii_lowercase();
        if value.is_empty() || lower.starts_with("none") || lower.starts_with("clef=") {
            return Some(Self::C);
        }
        if value.starts_with("HP") || value.starts_with("Hp") {
            return Some(Self::of(2, false, 9));
        }
        let mut letters = value.chars();
        let letter = letters.next()?;
        let index = LETTERS
            .iter()
            .position(|&l| l == letter.to_ascii_uppercase())?;
        let mut rest = letters.as_str();
        let mut sharps = 0i16;
        if let Some(after) = rest.strip_prefix(['#', '♯']) {
            (sharps, rest) = (1, after);
        } else if let Some(after) = rest.strip_prefix(['b', '♭']) {
            (sharps, rest) = (-1, after);
        }
        let mut words = rest.split_whitespace().peekable();
        let mode = words.peek().and_then(|word| mode(word));
        if mode.is_some() {
            words.next();
        }
        let (fifths, minor) = mode.unwrap_or((0, false));
        let tonic = SHARP_ORDER[index] - 1 + 7 * sharps;
        let semitone = (i16::from(SEMITONES[index]) + sharps).rem_euclid(12) as u8;
        let mut key = Self::of((tonic + fifths) as i8, minor, semitone);
        for word in words {
            key.accidental(word);
        }
        Some(key)
    }

    /// The key of a signature.
    fn of(fifths: i8, minor: bool, tonic: u8) -> Self {
        let raised = SHARP_ORDER.map(|place| (i16::from(fifths) - place + 6).div_euclid(7) as i8);
        Self {
            fifths,
            minor,
            tonic,
            accidentals: raised,
        }
    }

    /// Adds accidentals such as `^f` or `_b=c`.
    fn accidental(&mut self, word: &str) {
        let mut raised = None;
        for letter in word.chars() {
            match letter {
                '^' => raised = Some(raised.unwrap_or(0) + 1),
                '_' => raised = Some(raised.unwrap_or(0) - 1),
                '=' => raised = Some(0),
                _ => {
                    let index = LETTERS
                        .iter()
                        .position(|&l| l == letter.to_ascii_uppercase());
                    let (Some(index), Some(raised)) = (index, raised.take()) else {
                        return;
                    };
                    self.accidentals[index] = i8::clamp(raised, -2, 2);
                }
            }
        }
    }
}

/// Fifths and third of a mode's name.
fn mode(word: &str) -> Option<(i16, bool)> {
    let lower = word.to_ascii_lowercase();
    if lower == "m" {
        return Some((-3, true));
    }
    let known = MODES.iter().find(|(name, ..)| lower.starts_with(name));
    known.map(|&(_, fifths, minor)| (fifths, minor))
}
