//! The figures of a translation model on pairs.

use super::data::{Pair, Sides, squeezed};
use super::engine::Engine;
use super::recipe::{PairData, PairSource, SearchConfig, TokenForm};
use crate::error::Error;
use crate::metrics::Metrics;
use refrain_decode::metrics::score::{Metric, Scorer, metric};
use refrain_decode::search::{Hypothesis, Target};
use refrain_text::Language;
use refrain_text::moses::{Edition, normalize, tokenize};
use refrain_text::protect::{protect, protect_pair, restore};

/// Name of the figure that training maximises.
pub(super) fn criterion(data: &PairData) -> &'static str {
    match (&data.pairs, data.target_writing.tokens) {
        (PairSource::Numbers(_), _) => "accuracy",
        (_, TokenForm::Japanese) => "chrf",
        _ => "bleu",
    }
}

/// Figures on pairs: of translations found by `search`, and of the references under the model.
pub(super) fn part(
    engine: &Engine,
    sides: &Sides,
    data: &PairData,
    search: &SearchConfig,
    pairs: &[Pair],
) -> Result<Metrics, Error> {
    let mut metrics = translated(engine, sides, data, search, pairs)?;
    metrics.insert(
        "perplexity".into(),
        perplexity(engine, sides, search, pairs)?,
    );
    Ok(metrics)
}

fn translated(
    engine: &Engine,
    sides: &Sides,
    data: &PairData,
    search: &SearchConfig,
    pairs: &[Pair],
) -> Result<Metrics, Error> {
    // A number is too short for runs of four words, and 13a does not cut Japanese into tokens.
    let numbers = matches!(data.pairs, PairSource::Numbers(_));
    let mut names = vec!["chrf", "accuracy"];
    if !numbers && data.target_writing.tokens != TokenForm::Japanese {
        names.push("bleu");
    }
    let of_tokens: &[&str] = if numbers { &[] } else { &["multi-bleu"] };
    let found = |name: &&str| metric(name).map_err(Error::from);
    let metrics = |names: &[&str]| names.iter().map(found).collect::<Result<Vec<&Metric>, _>>();
    let mut sentences = Scorer::new(&metrics(&names)?);
    let mut tokens = Scorer::new(&metrics(of_tokens)?);
    let mut references = pairs.iter().map(|[_, target]| target.as_str());
    // Items are placeholders, as in use.
    let forms: Vec<_> = pairs
        .iter()
        .map(|[source, _]| protect(&sides.source.plain(source)))
        .collect();
    let sources = forms
        .iter()
        .map(|(form, _)| sides.question(&squeezed(form)));
    let mut spans = forms.iter().map(|(_, spans)| spans.as_slice());
    let config = search.config(sides);
    let text = |ids: &[u32]| sides.target.decode(ids);
    engine.search(sources, &config, &text, &mut |results: Vec<Hypothesis>| {
        let best = results
            .first()
            .map_or_else(String::new, |best| text(&best.tokens));
        let best = restore(&best, spans.next().unwrap_or_default()).0;
        let reference = references.next().unwrap_or_default();
        let plain = |line: &str| sides.target.plain(line);
        sentences.add(&[&plain(reference)], &plain(&best))?;
        let cut = |line: &str| lower_tokens(line, data);
        tokens.add(&[&cut(reference)], &cut(&best))?;
        Ok(())
    })?;
    let mut figures = Metrics::new();
    for score in sentences.scores().into_iter().chain(tokens.scores()) {
        let scale = if score.metric == "accuracy" {
            100.0
        } else {
            1.0
        };
        figures.insert(score.metric.into(), scale * score.value.unwrap_or(0.0));
    }
    Ok(figures)
}

/// A line as lower-case tokens between spaces: its own tokens, or those of the Moses tokenizer.
fn lower_tokens(line: &str, data: &PairData) -> String {
    let lower = line.to_lowercase();
    match data.target_writing.tokens {
        TokenForm::Plain => {
            let language = Language::from_code(&data.to);
            tokenize(&normalize(&lower, language, Edition::Published), language)
        }
        TokenForm::English | TokenForm::Japanese => lower,
    }
}

fn perplexity(
    engine: &Engine,
    sides: &Sides,
    search: &SearchConfig,
    pairs: &[Pair],
) -> Result<f64, Error> {
    let targets = pairs.iter().map(|[source, target]| {
        let own = protect_pair(source, target);
        let [source, tokens] = sides.encode(&[own.source, own.target]);
        let target = Target {
            length: source.len(),
            begin: None,
            tokens,
            ended: true,
        };
        (source, target)
    });
    let (mut nats, mut tokens) = (0.0, 0);
    let config = search.config(sides);
    engine.score(targets, &config, &mut |own: Hypothesis| {
        nats -= own.log_prob;
        tokens += own.log_probs.len();
        Ok(())
    })?;
    Ok((nats / tokens.max(1) as f64).exp())
}
