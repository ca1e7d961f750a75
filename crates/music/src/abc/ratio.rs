//! Exact lengths.

use std::cmp::Ordering;
use std::fmt::{self, Display, Formatter};

/// A fraction of at least 0 in lowest terms: a length in whole notes, or a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ratio {
    numerator: u32,
    denominator: u32,
}

impl Ratio {
    /// 0.
    pub const ZERO: Self = Self {
        numerator: 0,
        denominator: 1,
    };

    /// 1.
    pub const ONE: Self = Self {
        numerator: 1,
        denominator: 1,
    };

    /// `numerator / denominator`; nothing if that is no number, or has parts above 2^32 - 1 in lowest terms.
    pub fn new(numerator: u64, denominator: u64) -> Option<Self> {
        let divisor = common(numerator, denominator);
        if denominator == 0 {
            return None;
        }
        Some(Self {
            numerator: u32::try_from(numerator / divisor).ok()?,
            denominator: u32::try_from(denominator / divisor).ok()?,
        })
    }

    /// The upper number.
    pub fn numerator(self) -> u32 {
        self.numerator
    }

    /// The lower number, at least 1.
    pub fn denominator(self) -> u32 {
        self.denominator
    }

    /// Whether it is 0.
    pub fn is_zero(self) -> bool {
        self.numerator == 0
    }

    /// The sum, if it can be held.
    pub fn plus(self, other: Self) -> Option<Self> {
        let denominator = u64::from(self.denominator) * u64::from(other.denominator);
        let one = u64::from(self.numerator) * u64::from(other.denominator);
        let two = u64::from(other.numerator) * u64::from(self.denominator);
        Self::new(one.checked_add(two)?, denominator)
    }

    /// The difference, if it is at least 0 and can be held.
    pub fn minus(self, other: Self) -> Option<Self> {
        let denominator = u64::from(self.denominator) * u64::from(other.denominator);
        let one = u64::from(self.numerator) * u64::from(other.denominator);
        let two = u64::from(other.numerator) * u64::from(self.denominator);
        Self::new(one.checked_sub(two)?, denominator)
    }

    /// The product, if it can be held.
    pub fn times(self, other: Self) -> Option<Self> {
        Self::new(
            u64::from(self.numerator) * u64::from(other.numerator),
            u64::from(self.denominator) * u64::from(other.denominator),
        )
    }

    /// The quotient, if `other` is not 0 and it can be held.
    pub fn over(self, other: Self) -> Option<Self> {
        Self::new(
            u64::from(self.numerator) * u64::from(other.denominator),
            u64::from(self.denominator) * u64::from(other.numerator),
        )
    }

    /// As a number.
    pub fn value(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }
}

fn common(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

impl PartialOrd for Ratio {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ratio {
    fn cmp(&self, other: &Self) -> Ordering {
        let one = u64::from(self.numerator) * u64::from(other.denominator);
        one.cmp(&(u64::from(other.numerator) * u64::from(self.denominator)))
    }
}

impl Display for Ratio {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            _ => write!(f, "{}/{}", self.numerator, self.denominator),
        }
    }
}
