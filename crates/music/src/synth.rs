//! Scores to sound, by a small additive synthesiser.

use crate::{Limits, MusicError, Note, Score};
use libm::{cos, exp, pow, sin, sqrt};
use std::f64::consts::TAU;

/// Highest partial of a note.
const PARTIALS: usize = 24;

/// Partials begin to fade at this part of the sample rate, and are gone at [`GONE`].
const FADES: f64 = 0.40;

/// Part of the sample rate from which on there is no partial; half of it would be the limit of aliasing.
const GONE: f64 = 0.46;

/// Largest magnitude of a sample: louder music is made softer as a whole.
const PEAK: f32 = 0.89;

/// Amplitude (root of mean square times √2) of one note of full velocity.
const LOUDNESS: f64 = 0.22;

/// A decay to this part of the beginning is silence.
const SILENCE: f64 = 1e-4;

/// Notes that sound at once on average, at most: work is bounded by this times [`Limits::seconds`].
const MOST_VOICES: f64 = 200.0;

/// A voice of the synthesiser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timbre {
    /// Struck strings: slightly inharmonic, brighter for higher velocities, with a slow decay.
    #[default]
    Piano,
    /// Organ pipes: a few steady harmonics. Long chords and chorales are clearest in it.
    Organ,
    /// A plucked string: bright, with a decay that is faster for higher partials.
    Plucked,
}

/// Choices of [`render`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SynthConfig {
    /// Samples a second, 8000 to 96000.
    pub rate: u32,
    /// The voice.
    pub timbre: Timbre,
    /// Limits on sizes.
    pub limits: Limits,
}

impl Default for SynthConfig {
    /// A piano at 22,050 Hz.
    fn default() -> Self {
        Self {
            rate: 22_050,
            timbre: Timbre::Piano,
            limits: Limits::default(),
        }
    }
}

/// How a note of one pitch and velocity sounds.
struct Tone {
    /// Frequencies in radians a sample, amplitudes, and decays a sample.
    partials: Vec<(f64, f64, f64)>,
    /// Seconds of the linear attack.
    attack: f64,
    /// Seconds of the release, to a thousandth.
    release: f64,
    /// Samples until the tone is silent by itself.
    dies: f64,
}

impl Tone {
    fn new(timbre: Timbre, pitch: u8, velocity: u8, rate: f64) -> Self {
        let octaves = (f64::from(pitch) - 60.0) / 12.0;
        let base = 440.0 * pow(2.0, (f64::from(pitch) - 69.0) / 12.0);
        let force = f64::from(velocity) / 127.0;
        let (attack, release) = match timbre {
            Timbre::Piano => (0.004, 0.25),
            Timbre::Organ => (0.018, 0.08),
            Timbre::Plucked => (0.002, 0.15),
        };
        let mut partials = Vec::with_capacity(PARTIALS);
        let mut power = 0.0;
        for number in 1..=PARTIALS {
            let k = number as f64;
            let (stretch, amplitude, decay) = match timbre {
                Timbre::Piano => {
                    let stretch = sqrt(1.0 + 2e-4 * pow(2.0, octaves) * k * k);
                    // The hammer strikes at an eighth of the string and damps the partials that have a node there.
                    let place = 0.15 + sin(TAU / 16.0 * k).abs();
                    let dull = exp(-k * (0.42 - 0.27 * force));
                    let seconds = 1.6 * pow(2.0, -octaves * 0.6);
                    (stretch, place * dull, (1.0 + 0.22 * (k - 1.0)) / seconds)
                }
                Timbre::Organ => {
                    let stops = [1.0, 0.6, 0.3, 0.35, 0.0, 0.14, 0.0, 0.1];
                    (1.0, stops.get(number - 1).copied().unwrap_or(0.0), 0.0)
                }
                Timbre::Plucked => {
                    let seconds = 0.7 * pow(2.0, -octaves * 0.7);
                    let place = sin(TAU * 0.11 * k).abs() / k;
                    (1.0, place, (1.0 + 0.05 * k * k) / seconds)
                }
            };
            let turns = base * k * stretch / rate;
            let fade = ((GONE - turns) / (GONE - FADES)).clamp(0.0, 1.0);
            if amplitude * fade > 1e-5 {
                partials.push((TAU * turns, amplitude * fade, exp(-decay / rate)));
                power += amplitude * amplitude;
            }
        }
        let gain = LOUDNESS * pow(force, 1.4) / sqrt(power).max(1e-9);
        let slowest = partials.iter().map(|partial| partial.2).fold(0.0, f64::max);
        partials.iter_mut().for_each(|partial| partial.1 *= gain);
        let dies = match slowest < 1.0 {
            true => libm::log(SILENCE) / libm::log(slowest.max(1e-9)),
            false => f64::INFINITY,
        };
        Self {
            partials,
            attack,
            release,
            dies,
        }
    }

    /// Adds the tone to `out`; the key is released after `held` samples.
    fn add(&self, out: &mut [f32], held: f64, rate: f64) {
        let rise = 1.0 / (self.attack * rate);
        let fall = pow(1e-3, 1.0 / (self.release * rate));
        // Two values of each partial a_k r^n sin(w n), and the recurrence y = 2 r cos(w) y1 - r^2 y2.
        let mut one: Vec<f64> = Vec::with_capacity(self.partials.len());
        let mut two = vec![0.0; self.partials.len()];
        let mut first = Vec::with_capacity(self.partials.len());
        let mut second = Vec::with_capacity(self.partials.len());
        for &(turn, amplitude, decay) in &self.partials {
            one.push(-amplitude * sin(turn) / decay);
            first.push(2.0 * decay * cos(turn));
            second.push(decay * decay);
        }
        let mut gate = 1.0;
        for (n, sample) in out.iter_mut().enumerate() {
            let mut sum = 0.0;
            for (((a, b), p), q) in one.iter_mut().zip(&mut two).zip(&first).zip(&second) {
                let next = p * *b - q * *a;
                sum += *b;
                *a = *b;
                *b = next;
            }
            let n = n as f64;
            if n >= held {
                gate *= fall;
            }
            *sample += (sum * gate * (n * rise).min(1.0)) as f32;
        }
    }
}

/// Renders a score as mono samples in ±1 at [`SynthConfig::rate`], to the end of its last sound.
///
/// All partials stay below half of the rate. If the mix is louder than 0.89, all of it is made softer, so nothing
/// clips. The same score gives the same bits, on any machine.
///
/// # Errors
/// A rate outside of 8000 to 96000, or a score above the limits of notes or seconds.
pub fn render(score: &Score, config: &SynthConfig) -> Result<Vec<f32>, MusicError> {
    if !(8_000..=96_000).contains(&config.rate) {
        return Err(MusicError::value(
            format!("a sound of {} samples a second", config.rate),
            "choose 8000 to 96000, for example 22050",
        ));
    }
    score.check("rendering sound", &config.limits)?;
    let rate = f64::from(config.rate);
    let clock = score.clock();
    let span = |note: &Note| (clock.seconds(note.start), clock.seconds(note.end()));
    let spans = || score.notes().iter().map(span);
    let held = spans().map(|(start, end)| end - start).sum::<f64>();
    let last = spans().map(|(_, end)| end).fold(0.0, f64::max);
    let limit = config.limits.seconds;
    for (seconds, limit, unit) in [
        (last, limit, "seconds"),
        (held, limit * MOST_VOICES, "seconds of notes"),
    ] {
        if seconds > limit {
            return Err(MusicError::Large {
                operation: "rendering sound",
                size: seconds as u64,
                unit,
                limit: limit as u64,
            });
        }
    }
    // Every release fits behind the last note.
    let tail = if score.notes().is_empty() { 0.0 } else { 0.3 };
    let mut mix = vec![0f32; ((last + tail) * rate) as usize];
    for note in score.notes() {
        let (start, end) = span(note);
        let tone = Tone::new(config.timbre, note.pitch, note.velocity, rate);
        let first = (start * rate).round();
        let held = (end * rate).round() - first;
        let samples = (held + tone.release * rate).min(tone.dies);
        let first = (first as usize).min(mix.len());
        let stop = first.saturating_add(samples as usize).min(mix.len());
        tone.add(&mut mix[first..stop], held, rate);
    }
    soften(&mut mix);
    Ok(mix)
}

/// Scales samples down if they are louder than [`PEAK`].
pub(crate) fn soften(samples: &mut [f32]) {
    let peak = samples
        .iter()
        .fold(0f32, |peak, sample| peak.max(sample.abs()));
    if peak > PEAK {
        let gain = PEAK / peak;
        samples.iter_mut().for_each(|sample| *sample *= gain);
    }
}
