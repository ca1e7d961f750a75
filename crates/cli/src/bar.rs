//! A bar for work that is counted, on a terminal; nothing elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// So many of so many things.
pub struct Bar(Option<ProgressBar>);

impl Bar {
    /// A bar up to `count` of `things` on standard error, if that is a terminal and there is more than one.
    pub fn new(count: usize, things: &str) -> Self {
        let shown = count > 1 && std::io::stderr().is_terminal();
        let template = format!("{{bar:24}} {{pos}}/{{len}} {things}, {{eta}} left");
        let style = || {
            let own = ProgressStyle::with_template(&template);
            own.unwrap_or_else(|_| ProgressStyle::default_bar())
        };
        Self(shown.then(|| ProgressBar::new(count as u64).with_style(style())))
    }

    /// So many are done.
    pub fn set(&self, done: usize) {
        if let Some(bar) = &self.0 {
            bar.set_position(done as u64);
        }
    }

    /// Writes something else, with the bar out of its way.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
