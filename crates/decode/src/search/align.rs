//! Words of two texts that belong together, from attention weights.

use super::error::SearchError;

/// A source word and a target word, counted from 0.
pub type WordPair = (usize, usize);

/// Links each target word to the source word that its tokens attend to most.
///
/// `attention` is `[T,S]`, as in [`Hypothesis::attention`](super::Hypothesis::attention). `source` `[S]` and `target`
/// `[T]` name the word of each token; `None` is a token outside of all words, such as an end mark, and takes no part.
/// The weight of two words is the sum over all pairs of their tokens, so that the pieces of a word act as one. Among
/// equal weights the first source word is taken; a target word whose weights are all 0 has no link. Pairs are
/// ascending by source word, then by target word.
///
/// # Errors
/// Lengths that do not fit, weights that are negative or not finite.
pub fn align_words(
    attention: &[f32],
    source: &[Option<usize>],
    target: &[Option<usize>],
) -> Result<Vec<WordPair>, SearchError> {
    let (s, t) = (source.len(), target.len());
    if s.checked_mul(t) != Some(attention.len()) {
        let weights = attention.len();
        return Err(SearchError::Alignment(format!(
            "{weights} attention weights are not {t} target tokens times {s} source tokens"
        )));
    }
    if let Some(at) = attention.iter().position(|w| !(w.is_finite() && *w >= 0.0)) {
        let (weight, t, s) = (attention[at], at / s, at % s);
        return Err(SearchError::Alignment(format!(
            "the weight of target token {t} on source token {s} is {weight}; it must be finite and at least 0"
        )));
    }
    let mut words: Vec<usize> = source.iter().flatten().copied().collect();
    words.sort_unstable();
    words.dedup();
    // The place of each source token's word.
    let places = source
        .iter()
        .map(|word| words.binary_search(&(*word)?).ok());
    let places: Vec<Option<usize>> = places.collect();
    let mut sums = vec![0.0; words.len()];
    let mut pairs = Vec::new();
    // Tokens by their words, so that one row of sums is enough.
    let mut tokens: Vec<(usize, usize)> = (0..t).filter_map(|i| Some((target[i]?, i))).collect();
    tokens.sort_unstable();
    for tokens in tokens.chunk_by(|a, b| a.0 == b.0) {
        sums.fill(0.0);
        for &(_, token) in tokens {
            for (place, &weight) in places.iter().zip(&attention[token * s..]) {
                if let Some(place) = place {
                    sums[*place] += f64::from(weight);
                }
            }
        }
        let mut best = (0.0, None);
        for (&word, &sum) in words.iter().zip(&sums) {
            if sum > best.0 {
                best = (sum, Some(word));
            }
        }
        pairs.extend(best.1.map(|word| (word, tokens[0].0)));
    }
    pairs.sort_unstable();
    Ok(pairs)
}

/// Pairs in the Pharaoh format: `0-0 1-2`, source word first.
pub fn pharaoh(pairs: &[WordPair]) -> String {
    let pairs = pairs
        .iter()
        .map(|(source, target)| format!("{source}-{target}"));
    pairs.collect::<Vec<_>>().join(" ")
}
