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

/// The likeliest path that becomes `target` (Viterbi): over the states blank, l₁, blank, l₂, …, blank of Graves et al. 2006 (section 4.1), with
/// the maximum where the loss has a sum. Of equally likely paths the one that stays longer in a state.
///
/// `log_probs` is `[T,V]`, nats; time and memory are O(`T`·labels), one byte for each pair of a frame and a state.
///
/// # Errors
/// As [`greedy`](super::greedy::greedy); a class in the target that is not below `V` or is the blank; a target too long for `T`; no path with a
/// probability above 0.
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
    let states = 2 * target.len() + 1;
    let class = |s: usize| if s % 2 == 1 { target[s / 2] } else { blank };
    // How many states back the best predecessor lies: 0, 1 or 2.
    let mut back = table(frames, states, target.len())?;
    let mut score = vec![f64::NEG_INFINITY; states];
    let first = &log_probs[..vocabulary];
    for (s, score) in score.iter_mut().enumerate().take(2) {
        *score = f64::from(first[class(s) as usize]);
    }
    for t in 1..frames {
        let values = &log_probs[t * vocabulary..][..vocabulary];
        let back = &mut back[t * states..][..states];
        // From the last state down, so that the states behind still hold the step before.
        for s in (0..states).rev() {
            let (mut best, mut from) = (score[s], 0);
            if s >= 1 && score[s - 1] > best {
                (best, from) = (score[s - 1], 1);
            }
            // Over a blank, between labels that differ.
            if s >= 2 && s % 2 == 1 && class(s) != class(s - 2) && score[s - 2] > best {
                (best, from) = (score[s - 2], 2);
            }
            score[s] = best + f64::from(values[class(s) as usize]);
            back[s] = from;
        }
    }
    let mut state = states - 1;
    if state > 0 && score[state - 1] > score[state] {
        state -= 1;
    }
    let log_prob = score[state];
    if log_prob == f64::NEG_INFINITY {
        return Err(CtcError::NoPath { frame: frames - 1 });
    }
    let mut labels: Vec<AlignedLabel> = Vec::with_capacity(target.len());
    let mut open = None;
    for t in (0..frames).rev() {
        if state % 2 == 1 {
            let value = f64::from(log_probs[t * vocabulary + class(state) as usize]);
            match labels.last_mut() {
                Some(label) if open == Some(state) => {
                    label.first = t;
                    label.log_prob += value;
                }
                _ => labels.push(AlignedLabel {
                    label: class(state),
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
    Ok(Alignment { labels, log_prob })
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
