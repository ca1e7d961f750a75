//! Forced alignment: when each label of a known transcript is heard.

use super::frame::{CtcError, check, check_class};

/// A label of the target with the frames that it takes on the best path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlignedLabel {
    /// Its class.
    pub label: u32,
    /// Its first frame.
    pub first: usize,
    /// Its last frame.
    pub last: usize,
    /// Sum of its log-probabilities over these frames, nats.
    pub log_prob: f64,
}

/// The result of [`align`].
#[derive(Debug, Clone, PartialEq)]
pub struct Alignment {
    /// One for each label of the target, in order.
    pub labels: Vec<AlignedLabel>,
    /// ln p(path | x) of the best path, blanks included, nats.
    pub log_prob: f64,
}

/// The likeliest path that becomes `target` (Viterbi): over the states blank, l₁, blank, l₂, …, blank of Graves et al.
/// 2006 (section 4.1), with the maximum where the loss has a sum. Among equally likely paths, the one that stays longer
/// in a state.
///
/// `log_probs` is `[T,V]`, nats; time and memory are O(`T`·labels), one byte for each pair of a frame and a state.
///
/// # Errors
/// The errors of [`greedy`](super::greedy::greedy); a class in the target that is not below `V` or is the blank; a
/// target too long for `T`; no path with a probability above 0.
pub fn align(
    log_probs: &[f32],
    vocabulary: usize,
    blank: u32,
    target: &[u32],
) -> Result<Alignment, CtcError> {
    let frames = check(log_probs, vocabulary, blank)?;
    check_target(target, vocabulary, blank, frames)?;
    if frames == 0 {
        return Ok(Alignment {
            labels: Vec::new(),
            log_prob: 0.0,
        });
    }
    let lattice = Lattice {
        log_probs,
        vocabulary,
        blank,
        target,
    };
    let (back, score) = lattice.forward(frames)?;
    let mut state = lattice.states() - 1;
    if state > 0 && score[state - 1] > score[state] {
        state -= 1;
    }
    let log_prob = score[state];
    if log_prob == f64::NEG_INFINITY {
        return Err(CtcError::NoPath { frame: frames - 1 });
    }
    let labels = lattice.trace(&back, state);
    Ok(Alignment { labels, log_prob })
}

/// The states blank, l₁, blank, l₂, …, blank in every frame.
struct Lattice<'a> {
    /// `[T,V]`
    log_probs: &'a [f32],
    vocabulary: usize,
    blank: u32,
    target: &'a [u32],
}

impl Lattice<'_> {
    fn states(&self) -> usize {
        2 * self.target.len() + 1
    }

    fn class(&self, state: usize) -> u32 {
        match state % 2 {
            1 => self.target[state / 2],
            _ => self.blank,
        }
    }

    /// ln p of a state's class in a frame.
    fn value(&self, frame: usize, state: usize) -> f64 {
        f64::from(self.log_probs[frame * self.vocabulary + self.class(state) as usize])
    }

    /// For each frame and state the number of states back to its best predecessor (0, 1 or 2), and the best score of
    /// each state in the last of `frames`, of which there is one at least.
    fn forward(&self, frames: usize) -> Result<(Vec<u8>, Vec<f64>), CtcError> {
        let states = self.states();
        let mut back = table(frames, states, self.target.len())?;
        let mut score = vec![f64::NEG_INFINITY; states];
        for (s, score) in score.iter_mut().enumerate().take(2) {
            *score = self.value(0, s);
        }
        for t in 1..frames {
            let back = &mut back[t * states..][..states];
            // From the last state down, so that the states behind still hold the frame before.
            for s in (0..states).rev() {
                let (mut best, mut from) = (score[s], 0);
                if s >= 1 && score[s - 1] > best {
                    (best, from) = (score[s - 1], 1);
                }
                // Over a blank, between labels that differ.
                let differ = s >= 2 && s % 2 == 1 && self.class(s) != self.class(s - 2);
                if differ && score[s - 2] > best {
                    (best, from) = (score[s - 2], 2);
                }
                score[s] = best + self.value(t, s);
                back[s] = from;
            }
        }
        Ok((back, score))
    }

    /// The labels of the path that ends in `state`.
    fn trace(&self, back: &[u8], mut state: usize) -> Vec<AlignedLabel> {
        let states = self.states();
        let mut labels: Vec<AlignedLabel> = Vec::with_capacity(self.target.len());
        let mut open = None;
        for t in (0..back.len() / states).rev() {
            if state % 2 == 1 {
                let value = self.value(t, state);
                match labels.last_mut() {
                    Some(label) if open == Some(state) => {
                        label.first = t;
                        label.log_prob += value;
                    }
                    _ => labels.push(AlignedLabel {
                        label: self.class(state),
                        first: t,
                        last: t,
                        log_prob: value,
                    }),
                }
                open = Some(state);
            }
            state -= usize::from(back[t * states + state]);
        }
        labels.reverse();
        labels
    }
}

fn check_target(
    target: &[u32],
    vocabulary: usize,
    blank: u32,
    frames: usize,
) -> Result<(), CtcError> {
    for &class in target {
        check_class("target label", class, vocabulary)?;
        if class == blank {
            let what = "a target label";
            return Err(CtcError::Blank { what, class });
        }
    }
    let needed = target.len() + target.windows(2).filter(|w| w[0] == w[1]).count();
    match needed > frames {
        true => Err(CtcError::TooShort { needed, frames }),
        false => Ok(()),
    }
}

/// `[T,S]` zeros, or an error instead of an abort if there is no room for them.
fn table(frames: usize, states: usize, labels: usize) -> Result<Vec<u8>, CtcError> {
    let error = CtcError::TooLarge { frames, labels };
    let size = frames.checked_mul(states).ok_or(error.clone())?;
    let mut table = Vec::new();
    table.try_reserve_exact(size).map_err(|_| error)?;
    table.resize(size, 0);
    Ok(table)
}
