//! Abbreviations behind which a full stop ends no sentence, for the tokeniser and the sentence splitter.

/// A language with its own rules for punctuation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    English,
    /// German.
    German,
    /// French.
    French,
    /// Japanese.
    Japanese,
    /// Korean.
    Korean,
    /// Any other language: rules without abbreviations.
    Other,
}

impl Language {
    /// The language of an ISO 639-1 code, with or without a region (`en`, `de-AT`, `fr_CA`); `Other` for unknown codes.
    pub fn from_code(code: &str) -> Self {
        let end = code.find(['-', '_']).unwrap_or(code.len());
        match code[..end].to_ascii_lowercase().as_str() {
            "en" => Self::English,
            "de" => Self::German,
            "fr" => Self::French,
            "ja" => Self::Japanese,
            "ko" => Self::Korean,
            _ => Self::Other,
        }
    }

    /// Abbreviations that stand before a name or a word.
    fn abbreviations(self) -> &'static [&'static str] {
        match self {
            Self::English => ENGLISH,
            Self::German => GERMAN,
            Self::French => FRENCH,
            Self::Japanese | Self::Korean | Self::Other => &[],
        }
    }

    /// Abbreviations that stand before a number only (`No. 5`).
    fn before_numbers(self) -> &'static [&'static str] {
        match self {
            Self::English => &[
                "No", "Nos", "Art", "Fig", "Figs", "Vol", "pp", "p", "Ch", "Sec", "Eq",
            ],
            Self::German => &["Nr", "Abb", "Tab", "Art", "Bd", "Kap", "Abs", "S", "Ziff"],
            Self::French => &["art", "chap", "fig", "vol", "pp", "p", "no", "nos"],
            Self::Japanese | Self::Korean | Self::Other => &[],
        }
    }

    /// True if a full stop behind `word` belongs to it, whatever follows. `word` is given without the full stop.
    pub(crate) fn is_abbreviation(self, word: &str) -> bool {
        is_initial(word) || self.abbreviations().contains(&word)
    }

    /// True if a full stop behind `word` belongs to it in a text without upper-case letters. There, a word in lower
    /// case behind the full stop does not tell that the sentence goes on, so more abbreviations have to be known.
    pub(crate) fn is_abbreviation_in_lower_case(self, word: &str, number_follows: bool) -> bool {
        let within = |list: &[&str]| list.iter().any(|own| own.eq_ignore_ascii_case(word));
        is_initial_in_lower_case(word)
            || within(self.abbreviations())
            || within(self.before_lower_case())
            || (number_follows && within(self.before_numbers()))
    }

    /// Abbreviations behind which a sentence goes on in lower case, or ends.
    fn before_lower_case(self) -> &'static [&'static str] {
        match self {
            Self::English => &[
                "etc", "al", "inc", "ltd", "co", "corp", "dept", "est", "incl", "excl",
            ],
            Self::German => &["usw", "etc", "resp", "gegr", "bzgl", "gez"],
            Self::French => &["etc", "al", "hab", "max", "min"],
            Self::Japanese | Self::Korean | Self::Other => &[],
        }
    }

    /// True if a full stop behind the number `word` may make it an ordinal: `am 3. Mai`.
    pub(crate) fn is_ordinal(self, word: &str) -> bool {
        self == Self::German && word.len() <= 2 && word.bytes().all(|b| b.is_ascii_digit())
    }

    /// True if a full stop behind `word` belongs to it when a number follows.
    pub(crate) fn is_abbreviation_before_number(self, word: &str) -> bool {
        self.before_numbers().contains(&word)
    }
}

/// One upper-case letter, as in `J. Smith`.
fn is_initial(word: &str) -> bool {
    let mut characters = word.chars();
    matches!((characters.next(), characters.next()), (Some(c), None) if c.is_uppercase())
}

/// One lower-case letter, as in `j. smith`, but none that is a word of English or French.
fn is_initial_in_lower_case(word: &str) -> bool {
    let mut characters = word.chars();
    matches!((characters.next(), characters.next()), (Some(c), None)
        if c.is_lowercase() && !matches!(c, 'a' | 'à' | 'i' | 'o' | 'ô' | 'y'))
}

const ENGLISH: &[&str] = &[
    "Mr", "Mrs", "Ms", "Messrs", "Mmes", "Dr", "Drs", "Prof", "Rev", "Hon", "St", "Mt", "Ft", "Sr",
    "Jr", "Gen", "Col", "Maj", "Capt", "Cpt", "Lt", "Sgt", "Cpl", "Pvt", "Adm", "Cmdr", "Gov",
    "Sen", "Rep", "Pres", "Supt", "Det", "Insp", "Msgr", "Bros", "Ave", "Blvd", "vs", "cf", "viz",
    "approx", "ca", "e.g", "i.e", "Jan", "Feb", "Aug", "Sept", "Oct", "Nov", "Dec",
];

const GERMAN: &[&str] = &[
    "Hr", "Hrn", "Fr", "Frl", "Dr", "Prof", "Dipl", "Ing", "Mag", "Hl", "St", "Str", "Gen", "Lt",
    "Hptm", "bzw", "ca", "evtl", "ggf", "inkl", "exkl", "max", "min", "mind", "sog", "usf", "vgl",
    "zzgl", "zz", "bspw", "insb", "allg", "geb", "gest", "Jh", "Jhd", "Mio", "Mrd", "Tel", "Bhf",
    "Hbf", "z.B", "d.h", "u.a", "z.T", "o.ä", "i.d.R", "v.Chr", "n.Chr", "Jan", "Feb", "Aug",
    "Sept", "Okt", "Nov", "Dez",
];

const FRENCH: &[&str] = &[
    "M", "MM", "Mme", "Mmes", "Mlle", "Mlles", "Me", "Dr", "Pr", "St", "Ste", "Mgr", "Gén", "Col",
    "Cdt", "Cap", "Lt", "av", "bd", "boul", "env", "cf", "c.-à-d", "p.ex", "ex", "apr", "tél",
    "janv", "févr", "avr", "juil", "sept", "oct", "nov", "déc",
];
