//! A training run as it is watched: a bar on a terminal, plain lines elsewhere.

use crate::terminal::{self, WIDTH, counted, duration, grouped, say, short, typed};
use indicatif::{ProgressBar, ProgressStyle};
use refrain::metrics::{Metric, Metrics};
use refrain::train::{Event, LossUnit, Stopped, Unit};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Weight of the newest step in the shown loss and speed.
const SMOOTHING: f64 = 0.05;
/// Shortest and longest time between plain lines; in between, a tenth of the time that has passed.
const LINE_EVERY: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(60)];

/// Time after which the steps are even enough for an estimate.
const ESTIMATE_AFTER: Duration = Duration::from_secs(5);

/// The time that a run will take in all, where it is minutes or more.
fn estimate(seconds: f64) -> Option<String> {
    let minutes = (seconds / 60.0).round();
    match minutes {
        0.0..2.0 => None,
        2.0..120.0 => Some(format!("it will take about {minutes:.0} min in all")),
        _ => Some(format!("it will take about {:.0} h in all", minutes / 60.0)),
    }
}

/// A loss in nats as a number of a unit.
pub fn in_unit(unit: LossUnit, nats: f64) -> f64 {
    match unit {
        LossUnit::Bits => nats / std::f64::consts::LN_2,
        LossUnit::Perplexity => nats.exp(),
        LossUnit::Nats | LossUnit::Error => nats,
    }
}

/// A loss in nats in the form of a unit.
fn loss(unit: LossUnit, nats: f64) -> String {
    let number = in_unit(unit, nats);
    match unit {
        LossUnit::Bits => format!("{number:.3} bits"),
        LossUnit::Perplexity => format!("perplexity {number:.2}"),
        LossUnit::Nats => format!("loss {number:.4}"),
        LossUnit::Error => format!("loss {number:.3e}"),
    }
}

/// As many figures as fit between the begin and the end of a line; always the first.
fn figures(begin: &str, described: &[Metric], metrics: &Metrics, end: &str) -> String {
    let known = described.iter().filter(|own| !own.phrase.is_empty());
    let phrases = known.filter_map(|own| {
        let value = metrics.get(own.name)?;
        Some(own.phrase.replace("{}", &own.number(*value)))
    });
    let mut line = begin.to_string();
    for (number, phrase) in phrases.enumerate() {
        let comma = if number > 0 { ", " } else { "" };
        let longer = format!("{line}{comma}{phrase}");
        if number > 0 && longer.chars().count() + end.len() > WIDTH {
            break;
        }
        line = longer;
    }
    line + end
}

/// Shows the events of a run on standard error.
pub struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    /// Figures of the task.
    metrics: &'static [Metric],
    unit: Unit,
    epochs: u64,
    steps: u64,
    /// Steps that were done before this sitting.
    before: u64,
    pace: Pace,
    began: Instant,
    epoch_began: Instant,
    last_line: Instant,
    stopping: bool,
    /// The time of the whole run was told.
    estimated: bool,
}

/// Smoothed loss and speed.
#[derive(Default)]
struct Pace {
    loss: Option<f64>,
    tokens: f64,
    seconds: f64,
}

impl Pace {
    fn add(&mut self, loss: f64, tokens: f64, seconds: f64) {
        let old = self.loss.unwrap_or(loss);
        self.loss = Some(old + SMOOTHING * (loss - old));
        // The ratio of two equally weighted sums: their scale does not matter.
        self.tokens += SMOOTHING * (tokens - self.tokens);
        self.seconds += SMOOTHING * (seconds - self.seconds);
    }
}

impl Progress {
    /// A bar where standard error is a terminal, lines where it is not, nothing where `quiet`.
    pub fn new(quiet: bool, metrics: &'static [Metric]) -> Self {
        let terminal = std::io::stderr().is_terminal() && !quiet;
        let now = Instant::now();
        Self {
            bar: terminal.then(|| ProgressBar::no_length().with_style(style())),
            quiet,
            metrics,
            unit: Unit::new(LossUnit::Nats, "items"),
            epochs: 0,
            steps: 0,
            before: 0,
            pace: Pace::default(),
            began: now,
            epoch_began: now,
            last_line: now,
            stopping: false,
            estimated: false,
        }
    }

    /// Says, once, that the run is about to end because somebody asked for it.
    pub fn stopping(&mut self) {
        if !self.stopping {
            self.stopping = true;
            self.line("stopping after this step, everything is saved; Ctrl-C again ends at once");
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.suspend(|| say(&terminal::fold(text, 0, 2))),
            None => say(text),
        }
    }

    /// Shows one event.
    pub fn show(&mut self, event: &Event) {
        match event {
            Event::Started { .. } => self.started(event),
            Event::Step { .. } => self.step(event),
            Event::Skipped {
                step,
                reason,
                in_a_row,
                ..
            } => self.line(&format!(
                "step {step} skipped ({in_a_row} in a row): {reason}"
            )),
            Event::Validated {
                epoch,
                train_loss,
                metrics,
                best,
                ..
            } => {
                let begin = format!(
                    "epoch {epoch}/{} in {}: training {}, validation ",
                    self.epochs,
                    duration(self.epoch_began.elapsed().as_secs_f64()),
                    loss(self.unit.loss, *train_loss),
                );
                let end = if *best { ", best" } else { "" };
                self.epoch_began = Instant::now();
                self.line(&figures(&begin, self.metrics, metrics, end));
            }
            Event::AveragingStarted { epoch, .. } => {
                self.line(&format!("epoch {epoch}: averaging of weights begins"));
            }
            Event::BestAveraged {
                epochs,
                metrics,
                best,
            } => {
                let list: Vec<String> = epochs.iter().map(u64::to_string).collect();
                let begin = format!("mean of epochs {}: validation ", list.join(", "));
                let end = if *best { ", best" } else { "" };
                self.line(&figures(&begin, self.metrics, metrics, end));
            }
            Event::Inherited {
                from,
                tensors,
                of,
                reason,
            } => {
                let reason = reason.as_ref().map(|own| format!("; {own}"));
                self.line(&format!(
                    "{tensors} of {of} tensors are those of {}{}",
                    typed(from),
                    reason.unwrap_or_default()
                ));
            }
            Event::Checkpointed { .. } | Event::Tested { .. } => {}
            Event::Finished { step, stopped, .. } => {
                if let Some(bar) = &self.bar {
                    bar.finish_and_clear();
                }
                if *stopped == Stopped::EarlyStopping {
                    self.line(&format!(
                        "stopped at step {step}: validation no longer improves"
                    ));
                }
            }
        }
    }

    fn started(&mut self, event: &Event) {
        let Event::Started {
            parameters,
            epochs,
            steps,
            resumed,
            reference,
            unit,
            ..
        } = event
        else {
            return;
        };
        (self.epochs, self.steps, self.before) = (*epochs, *steps, resumed.unwrap_or(0));
        self.unit = unit.clone();
        (self.began, self.epoch_began) = (Instant::now(), Instant::now());
        if let Some(bar) = &self.bar {
            bar.set_length(*steps);
            bar.set_position(self.before);
        }
        let from = resumed.map_or(String::new(), |step| {
            format!(", going on after step {step}")
        });
        self.line(&format!(
            "{} parameters, {}, {}{from}; Ctrl-C saves and stops",
            grouped(*parameters),
            counted(*epochs, "epoch"),
            counted(*steps, "step"),
        ));
        for metric in self.metrics {
            if let Some(value) = reference.get(metric.name) {
                let meaning = metric.meaning;
                self.line(&format!("{}: {meaning}", metric.number(*value)));
            }
        }
    }

    fn step(&mut self, event: &Event) {
        let Event::Step {
            epoch,
            step,
            loss: nats,
            tokens,
            learning_rate,
            seconds,
            ..
        } = event
        else {
            return;
        };
        self.pace.add(*nats, *tokens as f64, *seconds);
        if let Some(bar) = &self.bar {
            bar.set_position(*step);
        }
        let done = step.saturating_sub(self.before).max(1) as f64;
        let left = self.steps.saturating_sub(*step) as f64 / done;
        let spent = self.began.elapsed();
        if !self.estimated && spent >= ESTIMATE_AFTER {
            self.estimated = true;
            if let Some(text) = estimate(spent.as_secs_f64() * (1.0 + left)) {
                self.line(&text);
            }
        }
        if !self.line_is_due() {
            return;
        }
        let place = match &self.bar {
            Some(_) => format!("epoch {epoch}/{}", self.epochs),
            None => format!("step {step}/{}", self.steps),
        };
        let state = format!(
            "{place}  {}  {} {}/s",
            loss(self.unit.loss, self.pace.loss.unwrap_or(*nats)),
            short(self.pace.tokens / self.pace.seconds.max(1e-9)),
            self.unit.items,
        );
        let rate = format!("  lr {learning_rate:.1e}");
        let rest = format!(
            "  {} left",
            duration(left * self.began.elapsed().as_secs_f64())
        );
        let fits = state.len() + rate.len() + rest.len() <= WIDTH;
        let text = state + if fits { &rate } else { "" } + &rest;
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => self.line(&text),
        }
    }

    /// Ten times a second for a bar; ever rarer for lines.
    fn line_is_due(&mut self) -> bool {
        let wait = match &self.bar {
            Some(_) => Duration::from_millis(100),
            None => (self.began.elapsed() / 10).clamp(LINE_EVERY[0], LINE_EVERY[1]),
        };
        let due = self.last_line.elapsed() >= wait;
        if due {
            self.last_line = Instant::now();
        }
        due
    }
}

fn style() -> ProgressStyle {
    // Short lines: a terminal that becomes narrower would break long ones in two, and a part of them would stay.
    ProgressStyle::with_template("{bar:40.cyan/dim} {percent:>3}%\n{wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_and_speed_are_smoothed_from_the_first_step_on() {
        let mut pace = Pace::default();
        pace.add(2.0, 100.0, 0.5);
        assert_eq!(pace.loss, Some(2.0));
        assert!((pace.tokens / pace.seconds - 200.0).abs() < 1e-9);
        pace.add(1.0, 100.0, 0.25);
        let loss = pace.loss.unwrap();
        assert!(loss < 2.0 && loss > 1.9, "{loss}");
        assert!((200.0..400.0).contains(&(pace.tokens / pace.seconds)));
    }

    #[test]
    fn a_loss_is_shown_as_the_field_quotes_it() {
        assert_eq!(loss(LossUnit::Bits, std::f64::consts::LN_2), "1.000 bits");
        assert_eq!(loss(LossUnit::Perplexity, 0.0), "perplexity 1.00");
    }

    #[test]
    fn a_long_run_is_estimated_in_minutes_or_hours() {
        let told = [70.0, 120.0, 7_100.0, 7_200.0, 90_000.0].map(estimate);
        let told = told.map(|own| own.unwrap_or_default());
        let about = |time: &str| format!("it will take about {time} in all");
        let expected = ["2 min", "118 min", "2 h", "25 h"].map(about);
        assert_eq!(told[0], "");
        assert_eq!(told[1..], expected);
    }

    #[test]
    fn an_epoch_is_a_line_of_80_columns() {
        let described = [
            Metric::new("a", "").phrase("perplexity {}"),
            Metric::new("unnamed", ""),
            Metric::new("b", "").phrase("bits per character {}"),
            Metric::new("c", "").phrase("{} of words wrong"),
        ];
        let metrics: Metrics = described
            .iter()
            .map(|own| (own.name.to_string(), 1.5))
            .collect();
        let begin = "epoch 1/4 in 2 s: training ";
        let line = figures(begin, &described, &metrics, ", best");
        assert_eq!(
            line,
            format!("{begin}perplexity 1.5000, bits per character 1.5000, best")
        );
        assert!(line.len() <= WIDTH);
        let long = "x".repeat(90);
        assert_eq!(
            figures(&long, &described, &metrics, ""),
            format!("{long}perplexity 1.5000")
        );
    }
}
