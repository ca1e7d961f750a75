//! The real data sets, where they are: counts that others have published or measured, and Bach's own rates.

use crate::data;
use refrain_music::abc::{
    Automaton, AutomatonConfig, BarCounts, PlayOptions, Tune, decode_abc, normal_form, read_tune,
    split_tunes, tune_symbols,
};
use refrain_music::{
    CopyIndex, Limits, Meter, MidiOptions, VoiceLeading, XmlConfig, XmlOptions, known_tune,
    midi_bytes, musicxml, read_chorales, read_file, read_midi, read_musicxml, read_rolls,
};

#[test]
fn the_piano_rolls_have_their_published_sizes() {
    let Some(data) = data() else { return };
    for (name, grid, pieces, steps, pitches, most) in [
        ("JSB_Chorales", 1, [229, 76, 77], 13_807, 53_824, 4),
        ("Nottingham", 2, [694, 173, 170], 176_561, 699_403, 9),
        ("Piano_midi", 2, [87, 12, 25], 75_911, 231_089, 12),
        ("MuseData", 2, [524, 135, 124], 245_202, 856_543, 14),
    ] {
        let path = data.join(format!("boulanger_lewandowski/{name}.json.gz"));
        let split = read_rolls(&path, grid, &Limits::default()).unwrap();
        assert_eq!(
            [split.train.len(), split.valid.len(), split.test.len()],
            pieces,
            "{name}"
        );
        let train = &split.train;
        assert_eq!(
            train.iter().map(|roll| roll.len()).sum::<usize>(),
            steps,
            "{name}"
        );
        assert_eq!(
            train.iter().map(|roll| roll.frames()).sum::<usize>(),
            pitches,
            "{name}"
        );
        assert_eq!(
            train.iter().map(|roll| roll.most_voices()).max(),
            Some(most),
            "{name}"
        );
        for roll in split.valid.iter().take(10) {
            let bytes = midi_bytes(&roll.to_score(120.0).unwrap()).unwrap();
            let read = read_midi(&bytes, &MidiOptions::default()).unwrap();
            assert_eq!(
                &read
                    .score
                    .to_roll(grid, true, &Limits::default())
                    .unwrap()
                    .0,
                roll
            );
        }
    }
    let error = read_rolls(&data.join("README.md"), 1, &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("README.md"), "{error}");
}

#[test]
fn bach_seldom_writes_parallels() {
    let Some(data) = data() else { return };
    let split = read_chorales(
        &data.join("jsb/Jsb16thSeparated.json"),
        4,
        &Limits::default(),
    )
    .unwrap();
    assert_eq!(
        [split.train.len(), split.valid.len(), split.test.len()],
        [229, 76, 77]
    );
    for (name, chorales) in [
        ("train", &split.train),
        ("valid", &split.valid),
        ("test", &split.test),
    ] {
        let sum: VoiceLeading = chorales.iter().map(VoiceLeading::of).sum();
        println!(
            "{name}: {} chorales, {} steps, fifths {:.3}, octaves {:.3} a chorale, crossed {:.2}% of steps, new notes \
             {:.2?}, out of range {:?}, leaps {:?}, last chord a triad {}",
            sum.chorales,
            sum.steps,
            sum.fifths as f64 / sum.chorales as f64,
            sum.octaves as f64 / sum.chorales as f64,
            100.0 * sum.crossed_share(),
            [0, 1, 2, 3].map(|voice| sum.new_notes(voice)),
            sum.out_of_range,
            sum.leaps,
            sum.final_triads
        );
        assert!(
            (0.2..0.35).contains(&sum.parallels_each()),
            "{}",
            sum.parallels_each()
        );
        assert!((0.01..0.03).contains(&sum.crossed_share()));
    }
    let known = split
        .test
        .iter()
        .filter(|chorale| known_tune(chorale, &split.train) >= 0.5)
        .count();
    println!(
        "{known} of {} test chorales have a tune of the training set",
        split.test.len()
    );
    assert_eq!(known, 18);
}

/// The folder that `scripts/check-musicxml` names gets the documents and their notes.
#[test]
fn chorales_survive_musicxml() {
    let Some(data) = data() else { return };
    let split = read_chorales(
        &data.join("jsb/Jsb16thSeparated.json"),
        4,
        &Limits::default(),
    )
    .unwrap();
    let out = std::env::var_os("REFRAIN_MUSICXML_OUT").map(std::path::PathBuf::from);
    let common = Meter {
        tick: 0,
        beats: 4,
        unit: 4,
    };
    for (i, chorale) in split.test.iter().enumerate() {
        let score = chorale.to_score(80.0, common).unwrap();
        let text = musicxml(&score, &XmlConfig::default()).unwrap();
        let back = read_musicxml(text.as_bytes(), &XmlOptions::default()).unwrap();
        assert!(back.warnings.is_empty(), "{:?}", back.warnings);
        let quarters = |score: &refrain_music::Score| -> Vec<(f64, f64, u8, u16)> {
            let quarter = |ticks: u32| f64::from(ticks) / f64::from(score.division());
            score
                .notes()
                .iter()
                .map(|n| (quarter(n.start), quarter(n.length), n.pitch, n.voice))
                .collect()
        };
        let notes = quarters(&score);
        assert_eq!(quarters(&back.score), notes);
        if let Some(out) = &out {
            std::fs::write(out.join(format!("{i:03}.musicxml")), text).unwrap();
            std::fs::write(
                out.join(format!("{i:03}.json")),
                serde_json::to_string(&notes).unwrap(),
            )
            .unwrap();
        }
    }
}

fn tunes() -> Option<Vec<(String, Tune)>> {
    let folder = data()?.join("nottingham_abc");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let mut tunes = Vec::new();
    for path in paths
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "abc"))
    {
        let (text, _) = decode_abc(&read_file(path, &Limits::default()).unwrap());
        for tune in split_tunes(&text) {
            tunes.push((
                tune.text.to_owned(),
                read_tune(tune.text, &Limits::default()).unwrap(),
            ));
        }
    }
    Some(tunes)
}

#[test]
fn most_tunes_of_the_nottingham_files_have_regular_bars() {
    let Some(tunes) = tunes() else { return };
    assert_eq!(tunes.len(), 892);
    let regular = tunes.iter().filter(|tune| tune.1.regular()).count();
    let mut sum = BarCounts::default();
    for (text, tune) in &tunes {
        let counts = tune.bar_counts();
        sum.full += counts.full;
        sum.partial += counts.partial;
        sum.short += counts.short;
        sum.long += counts.long;
        sum.free += counts.free;
        let score = tune.to_score(&PlayOptions::default()).unwrap();
        assert!(score.notes().len() > 10, "{text}");
        if std::env::var_os("REFRAIN_SHOW").is_some()
            && (!tune.regular() || !tune.warnings.is_empty())
        {
            let warnings: Vec<_> = tune.warnings.iter().map(|w| w.to_string()).collect();
            println!("{:?} {counts:?} {warnings:?}", tune.titles.first());
        }
    }
    let odd = tunes
        .iter()
        .filter(|tune| !tune.1.warnings.is_empty())
        .count();
    println!(
        "{regular} of {} tunes are regular, {odd} have remarks; bars {sum:?}",
        tunes.len()
    );
    assert!(regular > 800 && odd < 60);
    assert!(sum.regular() as f64 > 0.98 * sum.bars() as f64);
}

#[test]
fn the_automaton_knows_most_regular_tunes() {
    let Some(tunes) = tunes() else { return };
    let (mut accepted, mut regular, mut characters, mut refused) = (0, 0, 0, 0);
    for (text, tune) in tunes.iter().filter(|tune| tune.1.regular()) {
        regular += 1;
        let form = normal_form(text, false);
        let mut state = Automaton::new(AutomatonConfig::default());
        let stop = form.chars().position(|letter| !state.push(letter));
        characters += form.len();
        match stop {
            None if state.may_end() => accepted += 1,
            stop => {
                refused += 1;
                if std::env::var_os("REFRAIN_SHOW").is_some() {
                    let at = stop.unwrap_or(form.len());
                    println!(
                        "{:?}: {:?} | {:?}",
                        tune.titles.first(),
                        &form[at.saturating_sub(50)..at],
                        form.get(at..at + 10)
                    );
                }
            }
        }
    }
    println!(
        "{accepted} of {regular} regular tunes ({characters} characters) are allowed whole, {refused} are not"
    );
    assert!(accepted > regular / 2);
}

#[test]
fn tunes_are_found_in_an_index_of_the_others() {
    let Some(tunes) = tunes() else { return };
    let symbols: Vec<_> = tunes.iter().map(|tune| tune_symbols(&tune.1)).collect();
    let all: Vec<_> = symbols.iter().map(|s| s.symbols.as_slice()).collect();
    let index = CopyIndex::new(&all).unwrap();
    for (i, symbols) in symbols.iter().enumerate().step_by(50) {
        let (copied, _) = symbols.longest_copy(&index);
        assert_eq!(copied.length, symbols.symbols.len(), "{i}");
    }
    // Every tenth tune against the rest: how much folk tunes share by themselves.
    let rest: Vec<_> = (0..all.len())
        .filter(|i| i % 10 != 0)
        .map(|i| all[i])
        .collect();
    let index = CopyIndex::new(&rest).unwrap();
    let held: Vec<f64> = symbols
        .iter()
        .step_by(10)
        .map(|symbols| symbols.longest_copy(&index).1)
        .collect();
    let four = held.iter().filter(|bars| **bars >= 4.0).count();
    println!(
        "{four} of {} real tunes share four bars with the others",
        held.len()
    );
    assert!(four < held.len() / 2);
}
