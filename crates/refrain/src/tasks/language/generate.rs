//! Text, token by token.

use crate::error::Error;
use crate::models::LanguageModel;
use crate::recipe::GenerateConfig;
use crate::train::Control;
use refrain_data::vocab::Vocabulary;
use refrain_decode::{Rng, Sampler};

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Tokens.
    pub tokens: usize,
    /// Tokens of the prime that the vocabulary lacks.
    pub unknown: usize,
}

pub(super) fn generate(
    model: &LanguageModel,
    vocabulary: &Vocabulary,
    options: &GenerateConfig,
    write: &mut dyn FnMut(&str) -> Control,
) -> Result<Generated, Error> {
    let sampler = Sampler::new(options.temperature, options.top_k, options.top_p)?;
    let mut rng = Rng::new(options.seed);
    let mut generator = model.generator()?;
    let prime = vocabulary.encode_counting(&options.prime);
    let unknown = prime.unknown;
    let ids = if prime.ids.is_empty() {
        start(vocabulary)
    } else {
        prime.ids
    };

    let mut text = vocabulary.decode_stream();
    let mut logits = Vec::new();
    for &id in &ids {
        // What the prime leaves unfinished (a word, a character's bytes) is finished by the text.
        text.push(id);
        logits.clear();
        logits.extend_from_slice(generator.step(id)?);
    }
    let hidden = never_written(vocabulary);
    let mut tokens = 0;
    while tokens < options.length {
        if let Some(id) = hidden {
            logits[id] = f32::MIN;
        }
        let id = sampler.sample(&logits, &mut rng)? as u32;
        tokens += 1;
        let piece = text.push(id);
        if !piece.is_empty() && write(&piece) == Control::Stop {
            return Ok(Generated { tokens, unknown });
        }
        if tokens < options.length {
            logits.clear();
            logits.extend_from_slice(generator.step(id)?);
        }
    }
    let rest = text.finish();
    if !rest.is_empty() {
        write(&rest);
    }
    Ok(Generated { tokens, unknown })
}

/// What comes before the first token of a text: a line end, where there is one.
fn start(vocabulary: &Vocabulary) -> Vec<u32> {
    let mut ids = vocabulary.encode("\n");
    ids.truncate(1);
    match ids.is_empty() {
        true => vec![0],
        false => ids,
    }
}

/// The unknown character never occurs in training text, so it is not written either; an unknown word is a word like others.
fn never_written(vocabulary: &Vocabulary) -> Option<usize> {
    let unknown = vocabulary
        .unknown_id()
        .filter(|_| vocabulary.kind() == "characters");
    unknown
        .map(|id| id as usize)
        .filter(|_| vocabulary.len() > 1)
}
