//! Random layers of any size.

use proptest::prelude::ProptestConfig;
use refrain_kernels::{Cell, Direction, Inputs, OutputGradients, Plan, Precision, Weights};

pub const CELLS: [Cell; 5] = [
    Cell::RnnTanh,
    Cell::RnnRelu,
    Cell::Lstm,
    Cell::Gru,
    Cell::GruResetBefore,
];

pub const DIRECTIONS: [&[Direction]; 3] = [
    &[Direction::Forward],
    &[Direction::Reverse],
    &[Direction::Forward, Direction::Reverse],
];

/// Settings of a property test of so many cases. Miri is a thousand times slower and has no files.
pub fn property(cases: u32) -> ProptestConfig {
    match cfg!(miri) {
        true => ProptestConfig {
            cases: 2,
            failure_persistence: None,
            ..ProptestConfig::default()
        },
        false => ProptestConfig::with_cases(cases),
    }
}

/// `usual`, but `small` under Miri.
pub const fn unless_miri(usual: usize, small: usize) -> usize {
    if cfg!(miri) { small } else { usual }
}

/// The first `small` of `all` under Miri.
pub fn few<T>(all: &[T], small: usize) -> &[T] {
    &all[..unless_miri(all.len(), small.min(all.len()))]
}

/// A small generator of numbers for tests (Steele et al. 2014, SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Uniform in ±1.
    pub fn value(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn values(&mut self, n: usize, scale: f32) -> Vec<f32> {
        (0..n).map(|_| self.value() * scale).collect()
    }
}

/// Everything that a layer needs, owned.
#[derive(Clone, Debug)]
pub struct Case {
    pub cell: Cell,
    pub batch: usize,
    pub time: usize,
    pub input: usize,
    pub hidden: usize,
    pub directions: &'static [Direction],
    pub lengths: Option<Vec<usize>>,
    pub precision: Precision,
    pub x: Vec<f32>,
    pub weights: Vec<[Vec<f32>; 4]>,
    pub h0: Option<Vec<f32>>,
    pub c0: Option<Vec<f32>>,
    pub d_y: Option<Vec<f32>>,
    pub d_h_n: Option<Vec<f32>>,
    pub d_c_n: Option<Vec<f32>>,
}

impl Case {
    pub fn new(
        random: &mut Random,
        cell: Cell,
        [batch, time, input, hidden]: [usize; 4],
        directions: &'static [Direction],
    ) -> Self {
        let d = directions.len();
        let rows = cell.gates() * hidden;
        let scale = 1.5 / (hidden.max(1) as f32).sqrt();
        let weights = (0..d)
            .map(|_| [rows * input, rows * hidden, rows, rows].map(|n| random.values(n, scale)))
            .collect();
        let states = d * batch * hidden;
        Self {
            cell,
            batch,
            time,
            input,
            hidden,
            directions,
            lengths: None,
            precision: Precision::F32,
            x: random.values(batch * time * input, 1.0),
            weights,
            h0: Some(random.values(states, 1.0)),
            c0: cell.has_memory().then(|| random.values(states, 1.0)),
            d_y: Some(random.values(batch * time * d * hidden, 1.0)),
            d_h_n: Some(random.values(states, 1.0)),
            d_c_n: cell.has_memory().then(|| random.values(states, 1.0)),
        }
    }

    pub fn with_lengths(mut self, random: &mut Random) -> Self {
        let time = self.time;
        self.lengths = Some((0..self.batch).map(|_| random.below(time + 1)).collect());
        self
    }

    pub fn without_states(mut self) -> Self {
        (self.h0, self.c0, self.d_h_n, self.d_c_n) = (None, None, None, None);
        self
    }

    pub fn plan(&self) -> Plan<'_> {
        Plan {
            cell: self.cell,
            batch: self.batch,
            time: self.time,
            input: self.input,
            hidden: self.hidden,
            directions: self.directions,
            lengths: self.lengths.as_deref(),
            precision: self.precision,
        }
    }

    pub fn with<R>(&self, f: impl FnOnce(&Inputs) -> R) -> R {
        let weights: Vec<Weights> = self
            .weights
            .iter()
            .map(|[w_ih, w_hh, b_ih, b_hh]| Weights {
                w_ih,
                w_hh,
                b_ih: Some(b_ih),
                b_hh: Some(b_hh),
            })
            .collect();
        f(&Inputs {
            x: &self.x,
            weights: &weights,
            h0: self.h0.as_deref(),
            c0: self.c0.as_deref(),
        })
    }

    pub fn d_out(&self) -> OutputGradients<'_> {
        OutputGradients {
            d_y: self.d_y.as_deref(),
            d_h_n: self.d_h_n.as_deref(),
            d_c_n: self.d_c_n.as_deref(),
        }
    }

    pub fn name(&self) -> String {
        format!(
            "{:?} B={} T={} C={} H={} {:?} lengths {:?} states {}",
            self.cell,
            self.batch,
            self.time,
            self.input,
            self.hidden,
            self.directions,
            self.lengths,
            self.h0.is_some()
        )
    }
}

/// Largest difference over the largest expected value (at least 1).
pub fn difference(got: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(got.len(), expected.len(), "lengths");
    let largest = expected.iter().fold(1.0f32, |m, x| m.max(x.abs()));
    got.iter()
        .zip(expected)
        .map(|(g, e)| {
            if g.is_nan() {
                f32::INFINITY
            } else {
                (g - e).abs()
            }
        })
        .fold(0.0, f32::max)
        / largest
}

/// The bits of each value, to tell apart zeros and to compare NaNs.
pub fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}
