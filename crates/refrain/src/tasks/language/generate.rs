//! Text, token by token.

use super::recipe::GenerateConfig;
use crate::error::Error;
use crate::models::{Generator, GeneratorScratch, GeneratorState, LanguageModel};
use crate::train::Control;
use refrain_data::vocab::Vocabulary;
use refrain_decode::{Rng, Sampler};

/// Counts of a generated text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Tokens.
    pub tokens: usize,
    /// Tokens of the prime that the vocabulary lacks.
    pub unknown: usize,
}

/// Writes text with a language model.
pub(super) struct Writer<'a> {
    vocabulary: &'a Vocabulary,
    generator: Generator,
    state: GeneratorState,
    scratch: GeneratorScratch,
    sampler: Sampler,
    rng: Rng,
    length: usize,
    stop: &'a [String],
}

impl<'a> Writer<'a> {
    pub fn new(
        model: &LanguageModel,
        vocabulary: &'a Vocabulary,
        config: &'a GenerateConfig,
    ) -> Result<Self, Error> {
        let generator = model.generator()?;
        Ok(Self {
            vocabulary,
            state: generator.start(),
            scratch: GeneratorScratch::default(),
            generator,
            sampler: config.sampler()?,
            rng: Rng::new(config.seed),
            length: config.length,
            stop: &config.stop,
        })
    }

    fn step(&mut self, id: u32) -> Result<Vec<f32>, Error> {
        self.generator.step(id, &mut self.state, &mut self.scratch)
    }

    /// Reads the prime and continues it.
    pub fn write(
        &mut self,
        prime: &str,
        write: &mut dyn FnMut(&str) -> Control,
    ) -> Result<Generated, Error> {
        let prime = self.vocabulary.encode_counting(prime);
        let unknown = prime.unknown;
        let ids = match prime.ids.is_empty() {
            true => start(self.vocabulary),
            false => prime.ids,
        };
        let mut text = self.vocabulary.decode_stream();
        let mut logits = Vec::new();
        for &id in &ids {
            // An unfinished word or character of the prime is finished by the text.
            text.push(id);
            logits = self.step(id)?;
        }
        let hidden = never_written(self.vocabulary);
        let mut filter = StopFilter::new(self.stop);
        let mut tokens = 0;
        while tokens < self.length {
            if let Some(id) = hidden {
                logits[id] = f32::MIN;
            }
            let id = self.sampler.sample(&logits, &mut self.rng)? as u32;
            tokens += 1;
            let piece = filter.push(&text.push(id));
            if !piece.is_empty() && write(&piece) == Control::Stop {
                return Ok(Generated { tokens, unknown });
            }
            if filter.stopped {
                return Ok(Generated { tokens, unknown });
            }
            if tokens < self.length {
                logits = self.step(id)?;
            }
        }
        let rest = filter.push(&text.finish()) + &filter.finish();
        if !rest.is_empty() {
            write(&rest);
        }
        Ok(Generated { tokens, unknown })
    }
}

/// Lets text through up to the first of some texts.
struct StopFilter<'a> {
    stop: &'a [String],
    /// Text that may be the beginning of a stop text.
    held: String,
    stopped: bool,
}

impl<'a> StopFilter<'a> {
    fn new(stop: &'a [String]) -> Self {
        Self {
            stop,
            held: String::new(),
            stopped: false,
        }
    }

    /// The text that more text completes.
    fn push(&mut self, text: &str) -> String {
        if self.stopped {
            return String::new();
        }
        self.held.push_str(text);
        let texts = self.stop.iter().filter(|stop| !stop.is_empty());
        let found = texts
            .clone()
            .filter_map(|stop| self.held.find(stop.as_str()));
        if let Some(end) = found.min() {
            self.stopped = true;
            self.held.truncate(end);
            return std::mem::take(&mut self.held);
        }
        let partial = |stop: &String| {
            let ends = stop.char_indices().map(|(end, _)| end).skip(1);
            let longest = ends.filter(|end| self.held.ends_with(&stop[..*end])).max();
            longest.unwrap_or(0)
        };
        let held = texts.map(partial).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - held);
        std::mem::replace(&mut self.held, rest)
    }

    /// The text that was held back, where no stop text came.
    fn finish(&mut self) -> String {
        match self.stopped {
            true => String::new(),
            false => std::mem::take(&mut self.held),
        }
    }
}

/// The tokens before the first token of a text: a line end, where there is one.
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

#[cfg(test)]
mod tests {
    use super::StopFilter;

    #[test]
    fn text_ends_before_a_stop_text_wherever_it_is_cut() {
        let stop = ["END".to_string(), "\n\n".to_string()];
        let text = "an ENtry\nthe ENDing";
        for size in 1..text.len() {
            let mut filter = StopFilter::new(&stop);
            let mut out = String::new();
            let chars: Vec<char> = text.chars().collect();
            for piece in chars.chunks(size) {
                out += &filter.push(&piece.iter().collect::<String>());
            }
            out += &filter.finish();
            assert_eq!(out, "an ENtry\nthe ", "pieces of {size}");
            assert!(filter.stopped);
        }
        let mut filter = StopFilter::new(&stop);
        let out = filter.push("the E") + &filter.finish();
        assert_eq!(out, "the E");
    }
}
