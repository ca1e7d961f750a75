//! Models of speech at work: streams, searches, known texts, joined recordings.

use crate::support;
use crate::tones::{RATE, data, part, sing, text, train, train_with, write_part};
use refrain::tasks::speech::{
    DECODER, Heard, Loaded, SearchOptions, TuneOptions, transcripts_ngram, tune,
};
use refrain::tasks::{EvaluateOn, Site, Split, TASKS};
use refrain_decode::ngram::arpa;
use refrain_sound::wav_bytes;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use tempfile::tempdir;

const STREAM: [&str; 5] = [
    "model.bidirectional=false",
    "data.features.normalise=\"running\"",
    "model.hidden=40",
    "train.epochs=24",
    "data.augment={}",
];

/// Two utterances with a pause between them.
fn two() -> Vec<f32> {
    let mut samples = sing("abc cab");
    samples.resize(samples.len() + RATE as usize * 3 / 2, 0.0);
    samples.extend(sing("ca bab"));
    samples
}

/// The finished utterances; the stable parts of partial results stay.
fn hear(loaded: &Arc<Loaded>, samples: &[f32], piece: usize) -> Vec<String> {
    let mut listener = loaded.listen(RATE).unwrap();
    let mut all = Vec::new();
    for samples in samples.chunks(piece) {
        all.extend(listener.push(samples).unwrap());
    }
    all.extend(listener.finish().unwrap());
    let seconds = samples.len() as f64 / f64::from(RATE);
    assert!((listener.seconds() - seconds).abs() < 1e-9);
    let mut finals = Vec::new();
    let mut promised = String::new();
    for heard in all {
        match heard {
            Heard::Partial { stable, text, .. } => {
                assert!(text.starts_with(&stable), "{text}: {stable}");
                assert!(stable.starts_with(&promised), "{stable}: {promised}");
                promised = stable;
            }
            Heard::Final(own) => {
                assert!(own.text.starts_with(&promised), "{}: {promised}", own.text);
                promised.clear();
                let times: Vec<f64> = own.words.iter().flat_map(|w| [w.begin, w.end]).collect();
                assert!(times.is_sorted(), "{times:?}");
                assert!(times.iter().all(|&t| t <= seconds + 0.1), "{times:?}");
                finals.push(own.text);
            }
        }
    }
    finals
}

#[test]
fn a_stream_says_the_same_in_pieces_of_any_size() {
    let folder = tempdir().unwrap();
    data(folder.path());
    let run = train_with(folder.path(), "run", &STREAM, u64::MAX).unwrap();
    let rate = run.test.unwrap()["cer"];
    assert!(rate < 20.0, "{rate}% of the characters are wrong");
    let loaded = support::speech(&folder.path().join("run")).unwrap();
    let step = loaded.latency_seconds().unwrap();
    assert!((step - 0.02).abs() < 1e-9, "{step}");
    let samples = two();
    let whole = hear(&loaded, &samples, samples.len());
    assert_eq!(whole.len(), 2, "{whole:?}");
    let search = SearchOptions {
        beam: Some(20),
        ..SearchOptions::default()
    };
    for piece in [37, 400, 5000] {
        assert_eq!(hear(&loaded, &samples, piece), whole);
    }
    let loaded = support::speech_with(&folder.path().join("run"), search).unwrap();
    let whole = hear(&loaded, &samples, samples.len());
    for piece in [37, 5000] {
        assert_eq!(hear(&loaded, &samples, piece), whole);
    }
    // Silence says nothing, however long.
    let silence = vec![0.0; 6 * RATE as usize];
    assert!(hear(&loaded, &silence, 5000).is_empty());
    let mut after = samples.clone();
    after.extend(&silence);
    after.extend(sing("abc cab"));
    assert_eq!(hear(&loaded, &after, 5000).len(), 3);
    // A folder without what running normalisation begins with is told so.
    fs::remove_file(folder.path().join("run/features.toml")).unwrap();
    let error = support::speech(&folder.path().join("run")).err().unwrap();
    assert!(error.to_string().contains("features.toml"), "{error}");
}

#[test]
fn chunks_stream_and_say_how_long_they_wait() {
    let folder = tempdir().unwrap();
    data(folder.path());
    let mut settings = vec![
        "model.chunks={ left = 8, length = 16, right = 8 }",
        "model.bidirectional=true",
    ];
    settings.extend(&STREAM[1..]);
    train_with(folder.path(), "run", &settings, u64::MAX).unwrap();
    let loaded = support::speech(&folder.path().join("run")).unwrap();
    assert!((loaded.latency_seconds().unwrap() - 0.48).abs() < 1e-9);
    let samples = two();
    let whole = hear(&loaded, &samples, samples.len());
    assert_eq!(whole.len(), 2, "{whole:?}");
    assert_eq!(hear(&loaded, &samples, 400), whole);
}

#[test]
fn a_sound_of_any_length_is_heard_in_segments() {
    let folder = tempdir().unwrap();
    data(folder.path());
    train(folder.path(), "run", u64::MAX).unwrap();
    let loaded = support::speech(&folder.path().join("run")).unwrap();
    assert_eq!(loaded.latency_seconds(), None);
    let mut samples = Vec::new();
    for _ in 0..40 {
        samples.extend(sing("abc cab"));
        samples.resize(samples.len() + RATE as usize / 2, 0.0);
    }
    let transcript = loaded.transcribe(&samples, RATE).unwrap();
    assert_eq!(transcript.text, ["abc cab"; 40].join(" "));
    let times: Vec<f64> = transcript
        .words
        .iter()
        .flat_map(|w| [w.begin, w.end])
        .collect();
    assert!(times.is_sorted());
    for (number, word) in transcript.words.iter().enumerate() {
        let begin = 1.34 * (number / 2) as f64 + 0.48 * (number % 2) as f64;
        assert!((word.begin - begin).abs() < 0.1, "{number}: {}", word.begin);
        let spelled: String = word
            .characters
            .iter()
            .map(|c| c.character.as_str())
            .collect();
        assert_eq!(spelled, word.word);
    }
}

#[test]
fn a_known_text_is_placed_where_it_is_said() {
    let folder = tempdir().unwrap();
    data(folder.path());
    train(folder.path(), "run", u64::MAX).unwrap();
    let loaded = support::speech(&folder.path().join("run")).unwrap();
    let samples = sing("abc cab");
    let found = loaded.align(&samples, RATE, "ABC, cab!").unwrap();
    assert_eq!(found.text, "abc cab");
    for (word, begin) in found.words.iter().zip([0.0, 0.48]) {
        assert!((word.begin - begin).abs() < 0.08, "{word:?}");
        assert!((word.end - begin - 0.36).abs() < 0.1, "{word:?}");
    }
    // Another text is placed with less confidence.
    let sure = |text: &str| -> f64 {
        let found = loaded.align(&samples, RATE, text).unwrap();
        found.words.iter().map(|word| word.confidence).sum()
    };
    let (right, wrong) = (sure("abc cab"), sure("bab acb"));
    assert!(right > wrong + 0.5, "{right} {wrong}");
    let foreign = loaded.align(&samples, RATE, "abx").unwrap_err();
    assert!(foreign.to_string().contains("'x'"), "{foreign}");
    let long = loaded.align(&samples[..400], RATE, "abc cab").unwrap_err();
    assert!(long.to_string().contains("does not fit"), "{long}");
}

fn write_words(folder: &Path, run: &Path) -> SearchOptions {
    let model = transcripts_ngram(run, Some(folder), &["ab ab".into()], 2, false).unwrap();
    arpa::write(&model, File::create(run.join("words.arpa")).unwrap()).unwrap();
    SearchOptions {
        beam: Some(16),
        words: Some(run.join("words.arpa")),
        ..SearchOptions::default()
    }
}

#[test]
fn a_search_goes_by_its_models() {
    let folder = tempdir().unwrap();
    data(folder.path());
    // Too little training to be sure of anything.
    train_with(folder.path(), "run", &["train.epochs=4"], u64::MAX).unwrap();
    let run = folder.path().join("run");
    let test = EvaluateOn {
        worst: 3,
        ..Split::Test.into()
    };
    let measure = |search: SearchOptions| {
        let options = toml::Table::try_from(&search).unwrap();
        let site = Site::default();
        TASKS.evaluate(&run, options, &test, None, &site).unwrap()
    };
    let greedy = measure(SearchOptions::greedy());
    // Only words of the test: nothing else can be written.
    let words: Vec<String> = (1000..1020).map(crate::tones::text).collect();
    fs::write(run.join("words.txt"), words.join("\n").to_uppercase()).unwrap();
    let lexicon = SearchOptions {
        beam: Some(64),
        lexicon: Some(run.join("words.txt")),
        ..SearchOptions::default()
    };
    let bounded = measure(lexicon);
    assert!(bounded.metrics["wer"] < greedy.metrics["wer"]);
    let known: Vec<&str> = words.iter().flat_map(|own| own.split(' ')).collect();
    assert!((1..=3).contains(&bounded.worst.len()));
    for own in &bounded.worst {
        assert!(own.errors > 0 && own.edits.len() >= own.reference.len());
        for word in own.hypothesis.iter().filter(|word| !word.is_empty()) {
            assert!(known.contains(&word.as_str()), "{word}");
        }
    }
    assert!(bounded.worst.is_sorted_by(|a, b| a.errors >= b.errors));
    // A weight so large that the sound hardly counts.
    let hot = SearchOptions {
        beam: Some(16),
        hot_words: vec!["Bababa".into()],
        hot_bonus: Some(200.0),
        ..SearchOptions::default()
    };
    let loaded = support::speech_with(&run, hot).unwrap();
    let text = loaded.transcribe(&sing("bababa"), RATE).unwrap().text;
    assert!(text.contains("bababa"), "{text}");
    // Settings that cannot work.
    let refused = |search: SearchOptions| {
        let opened = support::speech_with(&run, search);
        opened.err().unwrap().to_string()
    };
    let none = SearchOptions {
        beam: Some(0),
        words: Some(run.join("words.arpa")),
        ..SearchOptions::default()
    };
    assert!(refused(none.clone()).contains("words.arpa"));
    write_words(folder.path(), &run);
    assert!(refused(none).contains("beam"));
}

#[test]
fn weights_are_tuned_and_kept_in_the_folder() {
    let folder = tempdir().unwrap();
    data(folder.path());
    train_with(folder.path(), "run", &["train.epochs=4"], u64::MAX).unwrap();
    let run = folder.path().join("run");
    let options = TuneOptions {
        search: write_words(folder.path(), &run),
        trials: 12,
        figure: "cer".into(),
        seed: 3,
    };
    let mut tried = Vec::new();
    let site = Site::default();
    let best = tune(&run, &options, None, &site, &mut |_, trial| {
        tried.push(trial.metrics["cer"]);
    })
    .unwrap();
    assert_eq!(tried.len(), 12);
    assert_eq!(
        best.metrics["cer"],
        tried.iter().copied().fold(f64::MAX, f64::min)
    );
    assert!(run.join(DECODER).exists());
    let loaded = support::speech(&run).unwrap();
    assert_eq!(*loaded.decoder_config(), best.decoder);
    let again = support::evaluate(&run, Split::Validation).unwrap();
    assert_eq!(again.metrics, best.metrics);
    // A packed copy finds the same text with half the bytes.
    let copy = folder.path().join("copy");
    support::pack(&run, &copy).unwrap();
    assert!(support::pack(&run, &copy).is_err());
    let size = |path: &Path| fs::metadata(path.join("model.safetensors")).unwrap().len();
    assert!(size(&copy) < size(&run) * 6 / 10);
    let packed = support::speech(&copy).unwrap();
    assert_eq!(packed.decoder_config().words, Some(copy.join("words.arpa")));
    let samples = sing("abc cab");
    assert_eq!(
        packed.transcribe(&samples, RATE).unwrap().text,
        loaded.transcribe(&samples, RATE).unwrap().text
    );
    let greedy = TuneOptions {
        search: SearchOptions::greedy(),
        ..options
    };
    assert!(tune(&run, &greedy, None, &site, &mut |_, _| ()).is_err());
}

#[test]
fn recordings_are_joined_to_longer_utterances() {
    let folder = tempdir().unwrap();
    part(folder.path(), "train", 0..60);
    part(folder.path(), "test", 1000..1012);
    let settings = [
        "data.join={ longest = 3, pause_seconds = [0.1, 0.2], times = 2 }",
        "train.epochs=3",
    ];
    train_with(folder.path(), "run", &settings, u64::MAX).unwrap();
    let run = folder.path().join("run");
    let test = EvaluateOn {
        worst: 1000,
        ..Split::Test.into()
    };
    let found = support::evaluate(&run, test).unwrap();
    let mut recordings = Vec::new();
    for own in &found.worst {
        let names: Vec<&str> = own.name.split('+').collect();
        assert!((1..=3).contains(&names.len()));
        let texts: Vec<String> = names
            .iter()
            .map(|name| crate::tones::text(name.trim_end_matches(".wav").parse().unwrap()))
            .collect();
        assert_eq!(own.reference.join(" "), texts.join(" "));
        recordings.extend(names.iter().map(|name| name.to_string()));
    }
    // Hardly trained, so that none is right: each recording is there twice.
    recordings.sort();
    let twice = recordings
        .chunks(2)
        .all(|pair| pair.len() == 2 && pair[0] == pair[1]);
    assert!(twice && recordings.len() == 24, "{recordings:?}");
}

#[test]
fn a_run_can_begin_with_the_parameters_of_another() {
    let folder = tempdir().unwrap();
    data(folder.path());
    train(folder.path(), "first", u64::MAX).unwrap();
    let init = format!("train.init={:?}", folder.path().join("first"));
    // Hardly any learning, from the start or from there.
    let few = ["train.epochs=1", "train.optimizer.lr=1e-6"];
    let rate = |out: &str, settings: &[&str]| {
        let run = train_with(folder.path(), out, settings, u64::MAX).unwrap();
        run.test.unwrap()["cer"]
    };
    assert!(rate("cold", &few) > 50.0);
    assert!(rate("warm", &[few[0], few[1], &init]) < 10.0);
    // Interrupted before its first checkpoint or behind it, a run ends with the same bits.
    let settings = ["train.epochs=2", &init];
    train_with(folder.path(), "whole", &settings, u64::MAX).unwrap();
    train_with(folder.path(), "parts", &settings, 5).unwrap();
    let parts = folder.path().join("parts");
    support::resume(&parts, &mut |_| refrain::train::Control::Continue).unwrap();
    let [one, other] = ["whole", "parts"]
        .map(|name| fs::read(folder.path().join(name).join("model.safetensors")).unwrap());
    assert_eq!(one, other);
    let none = train_with(folder.path(), "other", &["train.init=\"nowhere\""], 5);
    let error = none.unwrap_err().to_string();
    assert!(
        error.contains("nowhere: there is no such folder"),
        "{error}"
    );
}

#[test]
fn a_run_that_begins_with_a_model_keeps_its_characters() {
    let folder = tempdir().unwrap();
    data(folder.path());
    train(folder.path(), "first", u64::MAX).unwrap();
    let first = folder.path().join("first");
    // Transcripts that lack one of the letters: a vocabulary of their own would have other classes.
    let files = |numbers: std::ops::Range<u64>| {
        let texts = numbers.map(text).filter(|own| !own.contains('b'));
        let texts = texts.enumerate();
        texts.map(|(n, text)| {
            let bytes = wav_bytes(&sing(&text), RATE).unwrap();
            (format!("{n}.wav"), text, bytes)
        })
    };
    write_part(folder.path(), "train", files(2000..2400));
    write_part(folder.path(), "test", files(3000..3200));
    let before = support::evaluate(&first, Split::Test).unwrap().metrics["cer"];
    let init = format!("train.init={first:?}");
    let settings = ["train.epochs=1", "train.optimizer.lr=1e-6", &init];
    let run = train_with(folder.path(), "tuned", &settings, u64::MAX).unwrap();
    let after = run.test.unwrap()["cer"];
    assert!(before < 20.0, "{before}% of the characters are wrong");
    assert!((after - before).abs() < 3.0, "{before}% and then {after}%");
}

#[test]
fn names_in_a_model_folder_stay_inside_it() {
    let folder = tempdir().unwrap();
    data(folder.path());
    train(folder.path(), "run", 12).unwrap();
    let run = folder.path().join("run");
    fs::write(folder.path().join("words.txt"), "abc cab").unwrap();
    fs::create_dir(run.join("more")).unwrap();
    fs::copy(folder.path().join("words.txt"), run.join("more/words.txt")).unwrap();
    let absolute = folder.path().join("words.txt");
    let open = |name: &str| {
        fs::write(run.join(DECODER), format!("beam = 8\nlexicon = {name:?}\n")).unwrap();
        support::speech(&run).map(|_| ()).map_err(|e| e.to_string())
    };
    open("more/words.txt").unwrap();
    let mut outside = vec![
        "../words.txt",
        "more/../../words.txt",
        absolute.to_str().unwrap(),
    ];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&absolute, run.join("link.txt")).unwrap();
        outside.push("link.txt");
    }
    for name in outside {
        let error = open(name).unwrap_err();
        assert!(error.contains("outside"), "{name}: {error}");
    }
}

#[test]
fn tuning_copies_foreign_files_into_the_folder() {
    let folder = tempdir().unwrap();
    data(folder.path());
    train_with(folder.path(), "run", &["train.epochs=2"], u64::MAX).unwrap();
    let run = folder.path().join("run");
    write_words(folder.path(), &run);
    let foreign = folder.path().join("mine.arpa");
    fs::rename(run.join("words.arpa"), &foreign).unwrap();
    let options = TuneOptions {
        search: SearchOptions {
            beam: Some(8),
            words: Some(foreign.clone()),
            ..SearchOptions::default()
        },
        trials: 2,
        figure: "wer".into(),
        seed: 1,
    };
    let site = Site::default();
    let tune = || tune(&run, &options, None, &site, &mut |_, _| ());
    tune().unwrap();
    assert_eq!(
        fs::read(run.join("mine.arpa")).unwrap(),
        fs::read(&foreign).unwrap()
    );
    let loaded = support::speech(&run).unwrap();
    assert_eq!(loaded.decoder_config().words, Some(run.join("mine.arpa")));
    // Another file of the same name is not replaced.
    fs::write(run.join("mine.arpa"), "another").unwrap();
    let error = tune().unwrap_err().to_string();
    assert!(error.contains("another"), "{error}");
}
