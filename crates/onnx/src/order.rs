//! A total order of the elements of every type.

use refrain_data::array::f16;
use std::cmp::Ordering;

/// Elements in order. NaN comes last, and zeros of both signs are equal.
pub(crate) trait Ordered: Copy {
    fn order(self, other: Self) -> Ordering;
}

macro_rules! ordered {
    ($($of:ty),+) => {
        $(impl Ordered for $of {
            fn order(self, other: Self) -> Ordering {
                self.cmp(&other)
            }
        })+
    };
}
ordered!(i64, i32, i16, i8, u64, u32, u16, u8, bool);

macro_rules! floats {
    ($($of:ty),+) => {
        $(impl Ordered for $of {
            fn order(self, other: Self) -> Ordering {
                let nan_last = || self.is_nan().cmp(&other.is_nan());
                self.partial_cmp(&other).unwrap_or_else(nan_last)
            }
        })+
    };
}
floats!(f32, f64, f16);
