//! Long sounds in pieces.

use crate::tools::random;
use refrain_sound::Segmenter;

const RATE: u32 = 1000;

/// Noise with half a second of silence at each of these seconds.
fn sound(seconds: usize, quiet: &[usize]) -> Vec<f32> {
    let mut random = random(3);
    let mut samples: Vec<f32> = (0..seconds * RATE as usize)
        .map(|_| random() - 0.5)
        .collect();
    for at in quiet {
        samples[at * RATE as usize..at * RATE as usize + 500].fill(0.0);
    }
    samples
}

#[test]
fn a_long_sound_is_cut_where_it_is_quiet_and_nothing_is_lost() {
    let whole = sound(31, &[7, 13, 22]);
    for piece in [1, 97, 5000, 40_000] {
        let mut segmenter = Segmenter::new(RATE, 10.0).unwrap();
        let mut segments: Vec<_> = whole
            .chunks(piece)
            .flat_map(|p| segmenter.push(p))
            .collect();
        segments.extend(segmenter.finish());
        let mut joined = Vec::new();
        for segment in &segments {
            assert_eq!(segment.begin as usize, joined.len());
            assert!(segment.samples.len() <= 10 * RATE as usize);
            joined.extend_from_slice(&segment.samples);
        }
        assert_eq!(joined, whole);
        let cuts: Vec<u64> = segments.iter().skip(1).map(|s| s.begin).collect();
        for (cut, quiet) in cuts.iter().zip([7000u64, 13_000, 22_000]) {
            assert!((quiet..=quiet + 500).contains(cut), "{cuts:?}");
        }
        assert!(segmenter.finish().is_none());
    }
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    for (rate, seconds) in [(0, 10.0), (RATE, 0.5), (RATE, f64::NAN), (RATE, 1e9)] {
        assert!(Segmenter::new(rate, seconds).is_err());
    }
    // Shorter than a window at any rate.
    let mut tiny = Segmenter::new(1, 1.0).unwrap();
    assert_eq!(tiny.push(&[0.0; 9]).len(), 8);
}
