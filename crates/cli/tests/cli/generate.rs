//! `generate`.

use crate::tools::{err, fails, model, ok, out, path, refused, run};

#[test]
fn the_same_seed_gives_the_same_text() {
    let model = path(&model());
    let with = |seed: &str| ok(&["generate", &model, "--length", "200", "--seed", seed]);
    assert_eq!(with("3"), with("3"));
    assert_ne!(with("3"), with("4"));
    assert_eq!(
        with("3").chars().count(),
        201,
        "200 characters and a new line"
    );
}

#[test]
fn temperature_0_does_not_depend_on_the_seed() {
    let model = path(&model());
    let with = |seed: &str| ok(&["generate", &model, "-t", "0", "-n", "50", "--seed", seed]);
    assert_eq!(with("3"), with("4"));
}

#[test]
fn a_prime_of_any_length_is_gone_on_from() {
    let model = path(&model());
    for length in [0, 1, 39, 40, 41, 3000] {
        let prime: String = "Once a quiet girl called Ada lived. "
            .chars()
            .cycle()
            .take(length)
            .collect();
        let text = ok(&[
            "generate", &model, "--prime", &prime, "--length", "10", "--top-k", "5", "--top-p",
            "0.9",
        ]);
        assert!(text.starts_with(&prime), "the prime comes first");
        assert_eq!(text.chars().count(), length + 11);
    }
}

#[test]
fn the_prime_may_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prime.txt");
    std::fs::write(&file, "Once a").unwrap();
    let from_file = ok(&["generate", &path(&model()), "--prime-file", &path(&file)]);
    assert_eq!(
        from_file,
        ok(&["generate", &path(&model()), "--prime", "Once a"])
    );
    std::fs::write(&file, [0x4f, 0xff, 0xfe]).unwrap();
    assert!(fails(&["generate", &path(&model()), "--prime-file", &path(&file)]).contains("UTF-8"));
}

#[test]
fn characters_that_the_vocabulary_lacks_are_counted() {
    let output = run(&[
        "generate",
        &path(&model()),
        "--prime",
        "Once \u{fc}\u{4e16}",
        "--length",
        "5",
    ]);
    assert!(output.status.success());
    assert!(out(&output).starts_with("Once \u{fc}\u{4e16}"));
    assert!(err(&output).contains("2 tokens"), "{}", err(&output));
}

#[test]
fn settings_out_of_range_are_errors() {
    let model = path(&model());
    for setting in [
        ["--temperature", "-1"],
        ["--temperature", "nan"],
        ["--top-k", "0"],
        ["--top-p", "1.5"],
    ] {
        let [name, value] = setting;
        refused(&["generate", &model, &format!("{name}={value}")]);
        assert!(refused(&["generate", &model, name, value]).contains(value));
    }
}
