//! What a person sees: a progress bar on a terminal, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use refrain::train::{Event, Metrics, Stopped};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Writes to standard output at once.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Whether an error comes from a reader that went away.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

/// An error and its causes as one sentence, without saying anything twice.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(|cause| cause.to_string()) {
        if line.is_empty() {
            line = cause;
        } else if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line.replace('\n', " ")
}

/// The measures that people of the field quote, most telling first.
pub fn figures(metrics: &Metrics) -> String {
    let mut text = Vec::new();
    if let Some(perplexity) = metrics.get("perplexity") {
        text.push(format!("perplexity {perplexity:.2}"));
    }
    if let Some(bits) = metrics.get("bits_per_character") {
        let best = metrics
            .get("true_bits_per_character")
            .map_or(String::new(), |best| {
                format!(" (the best possible {best:.4})")
            });
        text.push(format!("bits per character {bits:.4}{best}"));
    }
    text.join(", ")
}

/// `1 h 02 min`, `3 min 04 s`, `12 s`
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {seconds:02} s"),
        _ => format!("{hours} h {minutes:02} min"),
    }
}

/// Time between plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// Weight of the newest step in the shown loss and speed.
const SMOOTHING: f64 = 0.05;

/// Shows the events of a training run.
pub struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    steps: u64,
    epochs: u64,
    loss: Option<f64>,
    seconds_per_step: Option<f64>,
    last_line: Instant,
}

impl Progress {
    /// A bar where standard error is a terminal, lines where it is not, nothing where `quiet`.
    pub fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && !quiet;
        Self {
            bar: terminal.then(|| ProgressBar::no_length().with_style(style())),
            quiet,
            steps: 0,
            epochs: 0,
            loss: None,
            seconds_per_step: None,
            last_line: Instant::now(),
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    /// Shows one event.
    pub fn show(&mut self, event: &Event) {
        match event {
            Event::Started {
                parameters,
                epochs,
                steps,
                resumed,
                reference,
                ..
            } => {
                (self.steps, self.epochs) = (*steps, *epochs);
                if let Some(bar) = &self.bar {
                    bar.set_length(*steps);
                    bar.set_position(resumed.unwrap_or(0));
                    bar.enable_steady_tick(Duration::from_millis(200));
                }
                let from =
                    resumed.map_or(String::new(), |step| format!(", going on from step {step}"));
                self.line(&format!(
                    "{parameters} parameters, {epochs} epochs, {steps} steps{from}"
                ));
                if let Some(bits) = reference.get("true_bits_per_character") {
                    self.line(&format!(
                        "the best possible model would need {bits:.4} bits per character"
                    ));
                }
            }
            Event::Step { .. } => self.step(event),
            Event::Skipped {
                step,
                reason,
                in_a_row,
                ..
            } => {
                self.line(&format!(
                    "step {step} skipped ({in_a_row} in a row): {reason}"
                ));
            }
            Event::Validated {
                epoch,
                metrics,
                best,
                seconds,
                ..
            } => {
                let mark = if *best { ", the best so far" } else { "" };
                self.line(&format!(
                    "epoch {epoch}/{}: validation {}{mark} ({})",
                    self.epochs,
                    figures(metrics),
                    duration(*seconds)
                ));
            }
            Event::AveragingStarted { epoch, .. } => {
                self.line(&format!("epoch {epoch}: averaging of weights begins"));
            }
            Event::Checkpointed { .. } | Event::Tested { .. } => {}
            Event::Finished { step, stopped, .. } => {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
                match stopped {
                    Stopped::Done | Stopped::Asked => {}
                    Stopped::EarlyStopping => {
                        self.line(&format!(
                            "stopped at step {step}: validation no longer improves"
                        ));
                    }
                }
            }
        }
    }

    fn step(&mut self, event: &Event) {
        let Event::Step {
            epoch,
            step,
            loss,
            tokens,
            learning_rate,
            seconds,
            ..
        } = event
        else {
            return;
        };
        let smooth =
            |old: Option<f64>, new: f64| old.map_or(new, |old| old + SMOOTHING * (new - old));
        self.loss = Some(smooth(self.loss, *loss));
        self.seconds_per_step = Some(smooth(self.seconds_per_step, *seconds));
        let (loss, pace) = (
            self.loss.unwrap_or(*loss),
            self.seconds_per_step.unwrap_or(*seconds),
        );
        let speed = *tokens as f64 / pace;
        let left = duration(self.steps.saturating_sub(*step) as f64 * pace);
        let text = format!(
            "epoch {epoch}/{} loss {loss:.4} perplexity {:.2} {speed:.0} tokens/s lr {learning_rate:.2e} {left} left",
            self.epochs,
            loss.exp()
        );
        match &self.bar {
            Some(bar) => {
                bar.set_position(*step);
                bar.set_message(text);
            }
            None if !self.quiet && self.last_line.elapsed() > LINE_EVERY => {
                self.last_line = Instant::now();
                eprintln!("step {step}/{} {text}", self.steps);
            }
            None => {}
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:30.cyan/dim} {percent:>3}% {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_at_a_glance() {
        assert_eq!(duration(0.2), "0 s");
        assert_eq!(duration(59.7), "1 min 00 s");
        assert_eq!(duration(3725.0), "1 h 02 min");
    }

    #[test]
    fn an_error_says_nothing_twice() {
        let error = anyhow::anyhow!("no such file")
            .context("reading x: no such file")
            .context("loading");
        assert_eq!(one_line(&error), "loading: reading x: no such file");
    }

    #[test]
    fn figures_come_in_the_order_of_the_field() {
        let metrics = Metrics::from([
            ("bits_per_character".to_string(), 0.5),
            ("perplexity".to_string(), 1.5),
            ("true_bits_per_character".to_string(), 0.49),
        ]);
        assert_eq!(
            figures(&metrics),
            "perplexity 1.50, bits per character 0.5000 (the best possible 0.4900)"
        );
    }
}
