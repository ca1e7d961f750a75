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

fn objects(text: &str) -> Vec<serde_json::Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn several_texts_are_those_of_their_seeds() {
    let model = path(&model());
    let base = [
        "generate", &model, "--length", "30", "--prime", "Once a", "--seed",
    ];
    let one = |seed: &str| ok(&[&base[..], &[seed]].concat());
    let many = ok(&[&base[..], &["7", "--count", "3"]].concat());
    assert_eq!(many, one("7") + &one("8") + &one("9"));
}

#[test]
fn primes_of_a_file_are_written_in_their_order() {
    let model = path(&model());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("primes.txt");
    // More than are written at once, of different lengths.
    let primes: Vec<String> = (0..40).map(|n| "Once a girl ".repeat(n % 4)).collect();
    std::fs::write(&file, primes.join("\n") + "\n").unwrap();
    let set = ["--length", "12", "--stop", "e"];
    let all = ok(&[&["generate", &model, "--primes", &path(&file)][..], &set].concat());
    let alone = |prime: &String| ok(&[&["generate", &model, "--prime", prime][..], &set].concat());
    let expected: String = primes[..4].iter().map(alone).collect();
    assert_eq!(all, expected.repeat(10));

    let json = ok(&[
        "generate",
        &model,
        "--primes",
        &path(&file),
        "--json",
        "-n",
        "5",
        "--count",
        "2",
    ]);
    let objects = objects(&json);
    assert_eq!(objects.len(), 80);
    assert_eq!(
        (&objects[3]["prime"], &objects[3]["seed"]),
        (&primes[1].as_str().into(), &2.into())
    );
    std::fs::write(&file, b"good\n\xff\n").unwrap();
    assert!(fails(&["generate", &model, "--primes", &path(&file)]).contains("line 2"));
}

#[test]
fn json_holds_log_probabilities() {
    let model = path(&model());
    let base = ["generate", &model, "-n", "60", "--seed", "3"];
    let plain = ok(&base);
    let text = ok(&[&base[..], &["--json", "--top", "2", "--stop", "zzzz"]].concat());
    let [object] = &objects(&text)[..] else {
        panic!("one object: {text}")
    };
    assert_eq!(format!("{}\n", object["text"].as_str().unwrap()), plain);
    assert_eq!(
        (&object["finished"], &object["seed"]),
        (&"length".into(), &3.into())
    );
    let tokens = object["tokens"].as_array().unwrap();
    let joined: String = tokens
        .iter()
        .map(|token| token["text"].as_str().unwrap())
        .collect();
    assert_eq!(object["text"], joined);
    for token in tokens {
        let p = token["log_probability"].as_f64().unwrap();
        let best: Vec<f64> = token["alternatives"]
            .as_array()
            .unwrap()
            .iter()
            .map(|own| own["log_probability"].as_f64().unwrap())
            .collect();
        assert!(
            best.len() == 2 && best[0] >= best[1] && p <= best[0] && best[0] <= 0.0,
            "{token}"
        );
    }
    let stopped = ok(&[&base[..], &["--json", "--stop", "e"]].concat());
    assert_eq!(objects(&stopped)[0]["finished"], "stop");
    let status = run(&["generate", &model, "--top", "2"]).status;
    assert_eq!(status.code(), Some(2), "--top belongs to --json");
}

#[test]
fn the_unknown_character_is_no_alternative() {
    let json = ok(&[
        "generate",
        &path(&model()),
        "-n",
        "3",
        "--json",
        "--top",
        "99",
    ]);
    let object = &objects(&json)[0];
    let tokens = object["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 3);
    for token in tokens {
        let alternatives = token["alternatives"].as_array().unwrap();
        assert!(alternatives.len() > 20, "the other characters: {token}");
        for own in alternatives {
            assert!(own["log_probability"].as_f64().unwrap() > -1e6, "{own}");
        }
    }
}
