//! Characters that markup reserves: decoded for the model, encoded again on the way back.

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, State, Tokenizer};
use std::convert::Infallible;

/// The way in which a translated text is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// As it is.
    Plain,
    /// Text of HTML or WebVTT.
    Html {
        /// `>` as an entity, as in the source.
        greater: bool,
        /// No-break spaces as entities, as in the source.
        spaces: bool,
    },
    /// A value of an HTML attribute, inside of this quote; without one, double quotes are added.
    Attribute(Option<char>),
    /// Text of XML.
    Xml {
        /// `>` as an entity, as in the source.
        greater: bool,
    },
}

impl Escape {
    /// For text of HTML whose source is `raw`.
    pub(super) fn html(raw: &str) -> Self {
        Self::Html {
            greater: raw.contains("&gt;"),
            spaces: raw.contains("&nbsp;"),
        }
    }

    /// For text of XML whose source is `raw`.
    pub(super) fn xml(raw: &str) -> Self {
        Self::Xml {
            greater: raw.contains("&gt;"),
        }
    }

    /// Appends `text`, encoded.
    pub(super) fn push(self, text: &str, out: &mut String) {
        for c in text.chars() {
            match (self, c) {
                (Self::Plain, _) => out.push(c),
                (_, '&') => out.push_str("&amp;"),
                (_, '<') => out.push_str("&lt;"),
                (Self::Html { greater: true, .. } | Self::Xml { greater: true }, '>') => {
                    out.push_str("&gt;");
                }
                (Self::Xml { .. }, '>') if out.ends_with("]]") => out.push_str("&gt;"),
                (Self::Html { spaces: true, .. }, '\u{a0}') => out.push_str("&nbsp;"),
                (Self::Attribute(quote), '"') if quote != Some('\'') => out.push_str("&quot;"),
                (Self::Attribute(Some('\'')), '\'') => out.push_str("&#39;"),
                // XML 1.0 has no way to write these.
                (Self::Xml { .. }, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}')
                | (Self::Xml { .. }, '\u{fffe}' | '\u{ffff}') => out.push(' '),
                _ => out.push(c),
            }
        }
    }
}

/// The text of `raw`, which holds entities and no tags.
pub(super) fn decode_html(raw: &str) -> String {
    if !raw.contains('&') {
        return raw.to_owned();
    }
    let mut text = Vec::with_capacity(raw.len());
    let emitter = CallbackEmitter::new(
        |event: CallbackEvent<'_>, _: Span<()>| -> Option<Infallible> {
            if let CallbackEvent::String { value } = event {
                text.extend_from_slice(value);
            }
            None
        },
    );
    let mut tokenizer = Tokenizer::new_with_emitter(raw, emitter);
    // Text of a title: entities count, and no tag does, as no element is open.
    tokenizer.set_state(State::RcData);
    // Reading from a slice cannot fail.
    let _ = tokenizer.finish();
    String::from_utf8_lossy(&text).into_owned()
}
