//! Problems that only a long memory solves: adding, copying, and pictures read pixel by pixel.
//!
//! Adding (Hochreiter & Schmidhuber 1997, experiment 4): of a sequence of pairs (value in 0..1, mark) two values are
//! marked, one in each half; the answer is their sum. Answering 1 always has a squared error of 1/6.
//!
//! Copying (Hochreiter & Schmidhuber 1997; as in Arjovsky et al. 2016): ten symbols out of eight, a wait of zeros, a
//! sign, and the symbols are to be repeated. Guessing them costs 10·ln 8 nats a sequence.
//!
//! MNIST read as a sequence of 784 pixels (Le et al. 2015), from the top left or in a fixed random order.

use crate::error::DataError;
use crate::fingerprint::Fingerprint;
use crate::idx;
use refrain_random::SplitMix64;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Symbols to be copied.
const COPIED: usize = 10;
/// Different symbols.
const SYMBOLS: u64 = 8;
/// One-hot features of a copying step: zero, the symbols, and the sign.
const ALPHABET: usize = SYMBOLS as usize + 2;
/// Side of a picture.
const SIDE: usize = 28;

/// A task for the memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Problem {
    /// Two marked numbers of `length`.
    Adding {
        /// Steps `T`.
        length: usize,
        /// Sequences of an epoch, made anew for each epoch.
        examples: usize,
    },
    /// Ten symbols over a wait of `length` steps.
    Copy {
        /// Steps of the wait; `T` is 20 more.
        length: usize,
        /// Sequences of an epoch, made anew for each epoch.
        examples: usize,
    },
    /// Pixels of handwritten digits.
    Mnist {
        /// In a fixed random order instead of row by row.
        #[serde(default)]
        permuted: bool,
        /// Pixels of a step, neighbours in reading order; a divisor of 784.
        #[serde(default = "one")]
        pixels: usize,
    },
}

fn one() -> usize {
    1
}

impl Problem {
    /// # Errors
    /// A size that cannot work.
    pub fn check(&self) -> Result<(), DataError> {
        match *self {
            Self::Adding { length, examples } | Self::Copy { length, examples }
                if !(2..=LONGEST).contains(&length) || examples == 0 =>
            {
                Err(DataError::Memory(format!(
                    "a length of {length} with {examples} examples; \
                     2 to {LONGEST} steps and at least 1 example are needed"
                )))
            }
            Self::Mnist { pixels, .. } if pixels == 0 || !(SIDE * SIDE).is_multiple_of(pixels) => {
                Err(DataError::Memory(format!(
                    "{pixels} pixels a step do not divide the 784 of a picture"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Numbers of a step, `C`.
    pub fn features(&self) -> usize {
        match self {
            Self::Adding { .. } => 2,
            Self::Copy { .. } => ALPHABET,
            Self::Mnist { pixels, .. } => *pixels,
        }
    }

    /// Numbers or scores of an answer.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Adding { .. } => 1,
            Self::Copy { .. } | Self::Mnist { .. } => 10,
        }
    }

    /// Steps of a sequence, `T`.
    pub fn steps(&self) -> usize {
        match self {
            Self::Adding { length, .. } => *length,
            Self::Copy { length, .. } => length.saturating_add(2 * COPIED),
            Self::Mnist { pixels, .. } => SIDE * SIDE / (*pixels).max(1),
        }
    }

    /// The order in which the pixels of a picture are read, for pictures in a run with this seed.
    pub fn pixel_order(&self, seed: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..SIDE * SIDE).collect();
        if let Self::Mnist { permuted: true, .. } = self {
            SplitMix64::new(seed ^ 0x7065_726d).shuffle(&mut order);
        }
        order
    }
}

/// A part of the sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// To learn from, in this epoch.
    Train(u64),
    /// To choose the best epoch by.
    Validation,
    /// To measure the result on.
    Test,
}

/// The answers that are asked of a model.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// `[B]`: a number after the last step.
    Number(Vec<f32>),
    /// `[B]`: a class after the last step.
    Class(Vec<u32>),
    /// `[B,T]`: a symbol at each step.
    Symbols(Vec<u32>),
}

/// Some sequences.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequences {
    /// `B`
    pub batch: usize,
    /// `T`
    pub time: usize,
    /// `C`
    pub features: usize,
    /// `[B,T,C]`
    pub x: Vec<f32>,
    /// The answers.
    pub targets: Targets,
}

/// A source of sequences; the same seed, part and batch give the same ones.
#[derive(Clone, Debug)]
pub struct Source {
    problem: Problem,
    seed: u64,
    /// Of MNIST: training, validation and test pictures.
    pictures: Option<[idx::Pictures; 3]>,
    /// Order of the pixels.
    order: Vec<usize>,
}

/// Most steps of a sequence that is made.
const LONGEST: usize = 100_000;
/// Training pictures that are kept back for validation.
const HELD_BACK: usize = 5_000;
/// Sequences of validation and of test where sequences are made.
const MADE: usize = 1_000;
/// Sequences of each part that a fingerprint covers where sequences are made.
const FINGERPRINTED: usize = 8;

impl Source {
    /// The sequences of a problem; `data` is the data folder.
    ///
    /// # Errors
    /// A size that is not possible, or files of MNIST that are missing or damaged.
    pub fn new(problem: &Problem, seed: u64, data: &Path) -> Result<Self, DataError> {
        let mut own = Self {
            problem: problem.clone(),
            seed,
            pictures: None,
            order: problem.pixel_order(seed),
        };
        problem.check()?;
        if let Problem::Mnist { .. } = problem {
            let mut train = idx::Pictures::load(&data.join("mnist"), "train", SIDE)?;
            let valid = train.split_off(HELD_BACK);
            let test = idx::Pictures::load(&data.join("mnist"), "t10k", SIDE)?;
            own.pictures = Some([train, valid, test]);
        }
        Ok(own)
    }

    /// Tells these data from others: all pictures of MNIST with their order, or the problem, the seed and the first
    /// sequences of each part where they are made.
    pub fn fingerprint(&self) -> String {
        let mut hash = Fingerprint::new();
        hash.text(&format!("{:?} {}", self.problem, self.seed));
        for part in [Part::Train(0), Part::Validation, Part::Test] {
            match self.pictures(part) {
                Some(pictures) => hash.bytes(pictures.pixels()).bytes(pictures.labels()),
                None => {
                    let Sequences { x, targets, .. } = self.batch(part, 0, FINGERPRINTED);
                    match &targets {
                        Targets::Number(numbers) => hash.floats(&x).floats(numbers),
                        Targets::Class(ids) | Targets::Symbols(ids) => hash.floats(&x).ids(ids),
                    }
                }
            };
        }
        hash.finish()
    }

    /// Sequences of a part.
    pub fn len(&self, part: Part) -> usize {
        match (&self.problem, part) {
            (Problem::Mnist { .. }, part) => self.pictures(part).map_or(0, idx::Pictures::len),
            (Problem::Adding { examples, .. } | Problem::Copy { examples, .. }, Part::Train(_)) => {
                *examples
            }
            _ => MADE,
        }
    }

    /// Whether a part has no sequence.
    pub fn is_empty(&self, part: Part) -> bool {
        self.len(part) == 0
    }

    /// `C`
    pub fn features(&self) -> usize {
        self.problem.features()
    }

    /// Numbers or scores that a model gives.
    pub fn outputs(&self) -> usize {
        self.problem.outputs()
    }

    fn pictures(&self, part: Part) -> Option<&idx::Pictures> {
        let [train, valid, test] = self.pictures.as_ref()?;
        Some(match part {
            Part::Train(_) => train,
            Part::Validation => valid,
            Part::Test => test,
        })
    }

    /// Sequences `batch·size..` of a part, in a new order each epoch; fewer at the end, none beyond it.
    pub fn batch(&self, part: Part, batch: usize, size: usize) -> Sequences {
        let first = batch.saturating_mul(size).min(self.len(part));
        let count = size.min(self.len(part) - first);
        let stream = match part {
            Part::Train(epoch) => epoch << 2,
            Part::Validation => 1,
            Part::Test => 2,
        };
        let mut random = SplitMix64::new(self.seed ^ stream.rotate_left(32) ^ (batch as u64) << 8);
        match self.problem {
            Problem::Adding { length, .. } => adding(count, length, &mut random),
            Problem::Copy { length, .. } => copying(count, length, &mut random),
            Problem::Mnist { pixels, .. } => {
                let numbers = self.numbers(part, first..first + count);
                self.digits(part, &numbers, pixels)
            }
        }
    }

    /// The pictures at these places of an epoch.
    fn numbers(&self, part: Part, places: std::ops::Range<usize>) -> Vec<usize> {
        let Part::Train(epoch) = part else {
            return places.collect();
        };
        let mut all: Vec<usize> = (0..self.len(part)).collect();
        SplitMix64::new(self.seed ^ epoch << 16 ^ 0x006d_6e69_7374).shuffle(&mut all);
        all[places].to_vec()
    }

    fn digits(&self, part: Part, numbers: &[usize], pixels: usize) -> Sequences {
        let mut x = Vec::with_capacity(numbers.len() * SIDE * SIDE);
        let mut labels = Vec::with_capacity(numbers.len());
        if let Some(pictures) = self.pictures(part) {
            for &number in numbers {
                let (picture, label) = pictures.get(number);
                x.extend(self.order.iter().map(|&i| f32::from(picture[i]) / 255.0));
                labels.push(u32::from(label));
            }
        }
        Sequences {
            batch: numbers.len(),
            time: SIDE * SIDE / pixels,
            features: pixels,
            x,
            targets: Targets::Class(labels),
        }
    }
}

/// Uniform in 0..1, of 24 bits.
fn uniform(random: &mut SplitMix64) -> f32 {
    (random.next_u64() >> 40) as f32 / (1u32 << 24) as f32
}

fn adding(batch: usize, time: usize, random: &mut SplitMix64) -> Sequences {
    let mut x = vec![0.0; batch * time * 2];
    let mut sums = Vec::with_capacity(batch);
    for sequence in x.chunks_mut(time * 2) {
        for step in sequence.chunks_mut(2) {
            step[0] = uniform(random);
        }
        let half = time / 2;
        let marked = [
            random.below(half as u64) as usize,
            half + random.below((time - half) as u64) as usize,
        ];
        sums.push(marked.map(|step| sequence[step * 2]).iter().sum());
        marked.iter().for_each(|step| sequence[step * 2 + 1] = 1.0);
    }
    Sequences {
        batch,
        time,
        features: 2,
        x,
        targets: Targets::Number(sums),
    }
}

fn copying(batch: usize, wait: usize, random: &mut SplitMix64) -> Sequences {
    let time = wait + 2 * COPIED;
    let mut x = vec![0.0; batch * time * ALPHABET];
    let mut targets = vec![0; batch * time];
    for (sequence, targets) in x.chunks_mut(time * ALPHABET).zip(targets.chunks_mut(time)) {
        for step in 0..time {
            let symbol = match step {
                step if step < COPIED => 1 + random.below(SYMBOLS) as usize,
                // The sign, then again for every symbol that is awaited.
                step if step + COPIED + 1 >= time => ALPHABET - 1,
                _ => 0,
            };
            sequence[step * ALPHABET + symbol] = 1.0;
            if step < COPIED {
                targets[time - COPIED + step] = symbol as u32;
            }
        }
    }
    Sequences {
        batch,
        time,
        features: ALPHABET,
        x,
        targets: Targets::Symbols(targets),
    }
}
