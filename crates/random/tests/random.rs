//! The numbers of both generators.

use refrain_random::{Rng, SplitMix64};

#[test]
fn rng_gives_its_golden_numbers_and_goes_on_from_a_saved_state() {
    let mut rng = Rng::new(1);
    let first: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
    assert_eq!(first, GOLDEN);
    let text = serde_json::to_string(&rng).unwrap();
    let mut restored: Rng = serde_json::from_str(&text).unwrap();
    assert_eq!(restored.next_u64(), rng.next_u64());
}
/// Computed by an independent program with unbounded integers.
const GOLDEN: [u64; 3] = [
    13_830_413_928_045_401_970,
    6_869_446_166_584_666_695,
    8_084_911_050_856_847_527,
];

#[test]
fn rng_is_uniform() {
    let mut rng = Rng::new(7);
    let n = 100_000;
    let (mut sum, mut square) = (0.0, 0.0);
    for _ in 0..n {
        let u = rng.uniform();
        assert!((0.0..1.0).contains(&u));
        sum += u;
        square += u * u;
    }
    assert!((sum / f64::from(n) - 0.5).abs() < 0.004);
    assert!((square / f64::from(n) - 1.0 / 3.0).abs() < 0.004);
}

#[test]
fn a_stream_shuffles_every_order_alike() {
    let mut random = SplitMix64::new(3);
    let mut counts = [0u32; 6];
    for _ in 0..6000 {
        let mut order = [0, 1, 2];
        random.shuffle(&mut order);
        counts[order[0] * 2 + usize::from(order[1] > order[2])] += 1;
    }
    assert!(
        counts.iter().all(|count| (850..1150).contains(count)),
        "{counts:?}"
    );
    assert!((0..1000).all(|_| random.below(7) < 7));
}
