//! How well a language model predicts a text.

use crate::error::Error;
use crate::metrics::Metrics;
use crate::models::LanguageModel;
use refrain_data::batch::{Continuous, LmBatch};
use refrain_data::vocab::Vocabulary;
use refrain_decode::Perplexity;
use refrain_kernels::softmax::IGNORE;

/// Steps that an evaluation computes at once.
const CHUNK: usize = 256;

/// Figures on a whole text read as one stream, and how many of its tokens are unknown.
pub(super) fn exactly(
    model: &LanguageModel,
    vocabulary: &Vocabulary,
    text: &str,
) -> Result<(Metrics, usize), Error> {
    let encoded = vocabulary.encode_counting(text);
    let characters = characters(vocabulary, text, &encoded.ids);
    let batches = Continuous::covering(encoded.ids, 1, CHUNK)?;
    Ok((
        metrics(&measure(model, &batches, characters)?),
        encoded.unknown,
    ))
}

/// Characters that the predictions of a text stand for: all but those of its first token.
pub(super) fn characters(vocabulary: &Vocabulary, text: &str, ids: &[u32]) -> u64 {
    let first = ids
        .get(..1)
        .map_or(0, |first| vocabulary.decode(first).chars().count());
    let all = text
        .strip_prefix('\u{FEFF}')
        .unwrap_or(text)
        .chars()
        .count();
    all.saturating_sub(first) as u64
}

/// One pass over all batches, state carried; `model` is off autodiff.
pub(super) fn measure(
    model: &LanguageModel,
    batches: &Continuous,
    characters: u64,
) -> Result<Perplexity, Error> {
    let mut perplexity = Perplexity::new();
    let mut state = None;
    for batch in batches.iter() {
        let out = model.loss(&batch.inputs, &targets(&batch), batch.batch, state, None)?;
        let nats = out.nll.iter().map(|&x| f64::from(x)).sum();
        perplexity.add(nats, batch.counted() as u64, 0);
        state = Some(out.state);
    }
    perplexity.add(0.0, 0, characters);
    Ok(perplexity)
}

/// The targets, those past the end of a stream marked.
fn targets(batch: &LmBatch) -> Vec<u32> {
    let mut targets = batch.targets.clone();
    for (stream, &length) in targets.chunks_mut(batch.time).zip(&batch.lengths) {
        stream[length..].fill(IGNORE);
    }
    targets
}

/// The figures by name.
pub(super) fn metrics(perplexity: &Perplexity) -> Metrics {
    let figures = [
        ("perplexity", perplexity.perplexity()),
        ("bits_per_character", perplexity.bits_per_character()),
    ];
    figures
        .into_iter()
        .filter_map(|(name, figure)| Some((name.to_string(), figure?)))
        .collect()
}
