//! Words and punctuation apart by the rules of the Moses scripts, and together again.
//!
//! Corpora such as Multi30k are published in this form: punctuation is normalised, each token stands between spaces,
//! and characters that mean something in XML are escaped. The rules are those of `normalize-punctuation.perl`,
//! `tokenizer.perl` and `detokenizer.perl` of the Moses toolkit (Koehn et al., ACL 2007); the lists of abbreviations
//! are our own.
//!
//! ```
//! use refrain_text::Language::English;
//! use refrain_text::moses::{Edition, detokenize, normalize, tokenize};
//!
//! let line = normalize("“It’s late,” she said.", English, Edition::Corrected);
//! let tokens = tokenize(&line, English);
//! assert_eq!(tokens, "&quot; It &apos;s late , &quot; she said .");
//! assert_eq!(detokenize(&tokens, English), line);
//! ```

mod detokenize;
mod normalize;
mod tokenize;
mod treebank;

pub use detokenize::{detokenize, detokenize_japanese};
pub use normalize::{Edition, normalize};
pub use tokenize::{tokenize, unescape};
pub use treebank::detokenize_treebank;

use regex::{NoExpand, Regex};
use std::borrow::Cow;

/// Expression and replacement; groups are `$1`, `$2`.
struct Rule {
    expression: Regex,
    replacement: &'static str,
}

/// Compiles the rules of a table. The tables are constants of this crate, and a test compiles every one.
fn compile(table: &[(&str, &'static str)]) -> Vec<Rule> {
    table
        .iter()
        .map(|&(expression, replacement)| Rule {
            expression: Regex::new(expression).expect("a constant expression"),
            replacement,
        })
        .collect()
}

/// Applies each rule to the result of the one before.
fn apply(rules: &[Rule], text: &mut String) {
    for rule in rules {
        let changed = if rule.replacement.contains('$') {
            rule.expression.replace_all(text, rule.replacement)
        } else {
            rule.expression
                .replace_all(text, NoExpand(rule.replacement))
        };
        if let Cow::Owned(changed) = changed {
            *text = changed;
        }
    }
}
