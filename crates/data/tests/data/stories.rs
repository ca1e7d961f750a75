use refrain_data::DataError;
use refrain_data::stories::Stories;
use std::collections::BTreeSet;

#[test]
fn the_same_seed_gives_the_same_text_for_ever() {
    let text = Stories::new().generate(1, 300);
    assert_eq!(&text[..300], GOLDEN);
    assert_ne!(Stories::new().generate(2, 300), text);
}
const GOLDEN: &str = "Once a pink girl called Nora lived inside a big mill. She needed a sleepy ring, but a bear had the ring. She fled for her friend. Soon a red mouse trotted by. She fed the mouse and they dug past a fat pot and a grey stone under a tiny pine.\nIn old times a kind boy called Ben lived facing a lean cree";

#[test]
fn drawn_stories_agree_with_the_exact_entropy() {
    let stories = Stories::new();
    let text = stories.generate(7, 800_000);
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    assert!(lines.len() >= 2000);
    let samples = |f: &dyn Fn(&str) -> f64| lines.iter().map(|l| f(l)).collect::<Vec<f64>>();
    near_mean(
        &samples(&|l| stories.true_bits(l).unwrap()),
        stories.entropy_per_story(),
    );
    near_mean(
        &samples(&|l| l.len() as f64),
        stories.characters_per_story(),
    );
    let sum: f64 = lines.iter().map(|l| stories.true_bits(l).unwrap()).sum();
    assert!((stories.true_bits(&text).unwrap() - sum).abs() < 1e-6 * sum);
}

/// Within three standard errors.
fn near_mean(x: &[f64], expect: f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    assert!(
        (mean - expect).abs() < 3.0 * (variance / n).sqrt(),
        "{mean} for {expect}"
    );
}

#[test]
fn size_of_the_language() {
    let stories = Stories::new();
    let text = stories.generate(3, 400_000);
    let alphabet: BTreeSet<char> = text.chars().collect();
    println!(
        "{} characters, {} bits per character, {} per story",
        alphabet.len(),
        stories.entropy_per_character(),
        stories.characters_per_story()
    );
    assert!((30..=48).contains(&alphabet.len()), "{}", alphabet.len());
    assert!((0.4..0.8).contains(&stories.entropy_per_character()));
    assert!(text.ends_with(".\n"));
}

#[test]
fn other_texts_are_typed_errors() {
    let stories = Stories::new();
    let text = stories.generate(1, 1);
    assert_eq!(stories.true_bits("").unwrap(), 0.0);
    assert!(matches!(
        stories.true_bits("Once upon"),
        Err(DataError::NotAStory { offset: 4 })
    ));
    assert!(matches!(
        stories.true_bits(&text[..text.len() - 1]),
        Err(DataError::NotAStory { .. })
    ));
    for bad in ["é", "Onceé", "\n"] {
        assert!(matches!(
            stories.true_bits(bad),
            Err(DataError::NotAStory { .. })
        ));
    }
    // The wrong pronoun is not in the language.
    let wrong = if text.contains(". She") {
        text.replace(". She", ". He")
    } else {
        text.replace(". He", ". She")
    };
    assert!(matches!(
        stories.true_bits(&wrong),
        Err(DataError::NotAStory { .. })
    ));
}
