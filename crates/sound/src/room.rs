//! Rooms: the reverberation of a sound.

use crate::error::SoundError;
use crate::noise::white_noise;
use realfft::RealFftPlanner;

/// First reflection, seconds after the direct sound.
const FIRST: f64 = 0.002;
/// Longest reverberation, seconds.
const LONGEST: f32 = 10.0;

/// The sound with the reverberation of a room, of the same length.
///
/// Each sample gets a tail of normal noise that falls by 60 dB in `seconds` and is `direct_db` decibels weaker than the
/// sample. `random` is uniform in 0..1. Source: Polack 1988, the model of diffuse reverberation.
///
/// # Errors
/// A rate of 0, seconds outside 0 to 10, or decibels that are NaN or ±∞.
pub fn room(
    samples: &[f32],
    rate: u32,
    seconds: f32,
    direct_db: f32,
    random: &mut impl FnMut() -> f32,
) -> Result<Vec<f32>, SoundError> {
    let refuse = |reason: String| Err(SoundError::config("room", reason));
    if rate == 0 {
        return refuse("a rate of 0 Hz; give that of the samples".into());
    }
    if !(0.0..=LONGEST).contains(&seconds) || !direct_db.is_finite() {
        return refuse(format!(
            "a reverberation of {seconds} s at {direct_db} dB; 0 to {LONGEST} s and a finite number are allowed"
        ));
    }
    let first = (FIRST * f64::from(rate)).ceil() as usize;
    let tail = (f64::from(seconds) * f64::from(rate)) as usize;
    let length = (first + tail).min(samples.len());
    if length <= first {
        return Ok(samples.to_vec());
    }
    let fall = -3.0 * std::f64::consts::LN_10 / tail as f64;
    let noise = white_noise(length - first, random).into_iter().enumerate();
    let walls: Vec<f32> = noise
        .map(|(n, x)| (f64::from(x) * (fall * n as f64).exp()) as f32)
        .collect();
    let energy: f64 = walls.iter().map(|&x| f64::from(x).powi(2)).sum();
    let scale = (10f64.powf(-f64::from(direct_db) / 10.0) / energy.max(f64::MIN_POSITIVE)).sqrt();
    let size = (samples.len() + length).next_power_of_two();
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, inverse) = (
        planner.plan_fft_forward(size),
        planner.plan_fft_inverse(size),
    );
    let mut response = vec![0.0; size];
    response[0] = 1.0;
    for (to, wall) in response[first..].iter_mut().zip(&walls) {
        *to = (f64::from(*wall) * scale) as f32;
    }
    let mut sound = samples.to_vec();
    sound.resize(size, 0.0);
    let (mut a, mut b) = (forward.make_output_vec(), forward.make_output_vec());
    // All lengths are the plan's own, so it cannot refuse.
    let _ = forward.process(&mut sound, &mut a);
    let _ = forward.process(&mut response, &mut b);
    for (a, b) in a.iter_mut().zip(b) {
        *a *= b / size as f32;
    }
    let _ = inverse.process(&mut a, &mut sound);
    sound.truncate(samples.len());
    Ok(sound)
}
