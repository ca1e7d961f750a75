//! Fonts, texts, lines and pages together.

use std::path::Path;
use std::sync::Arc;

use refrain_image::Gray;
use refrain_render::{
    ALPHABET, Degradation, DegradeConfig, FontOptions, Fonts, Part, RenderConfig, RenderError,
    Renderer, SkipReason, TextConfig, TextSource,
};

const NO_FILES: &[&str] = &[];

fn dejavu() -> Vec<(String, Vec<u8>)> {
    let files = [
        ("sans", dejavu::sans::regular()),
        ("bold", dejavu::sans::bold()),
        ("condensed", dejavu::sans_condensed::regular()),
        ("mono", dejavu::sans_mono::regular()),
        ("serif", dejavu::serif::regular()),
        ("serif bold", dejavu::serif::bold()),
    ];
    files
        .map(|(name, bytes)| (name.to_string(), bytes.to_vec()))
        .into()
}

fn fonts() -> Arc<Fonts> {
    Arc::new(Fonts::from_bytes(dejavu(), &FontOptions::default()).unwrap())
}

fn renderer(degrade: DegradeConfig) -> Renderer {
    let config = RenderConfig {
        degrade,
        ..RenderConfig::default()
    };
    let source = TextSource::new(config.text.clone(), NO_FILES).unwrap();
    Renderer::new(&fonts(), Part::All, source, config).unwrap()
}

fn clean() -> DegradeConfig {
    DegradeConfig {
        severity: 0.0,
        ..DegradeConfig::default()
    }
}

/// Pixels darker than the middle.
fn dark(image: &Gray) -> usize {
    image.pixels().iter().filter(|&&pixel| pixel < 128).count()
}

#[test]
fn a_line_depends_on_seed_and_index_alone() {
    let renderer = renderer(DegradeConfig::default());
    let forward: Vec<_> = (0..40).map(|index| renderer.line(5, index)).collect();
    let backward: Vec<_> = (0..40).rev().map(|index| renderer.line(5, index)).collect();
    assert!(forward.iter().eq(backward.iter().rev()));
    let others: Vec<_> = std::thread::scope(|scope| {
        let halves = [0..20, 20..40].map(|part| {
            let renderer = &renderer;
            scope.spawn(move || {
                part.map(|index| renderer.line(5, index))
                    .collect::<Vec<_>>()
            })
        });
        halves
            .into_iter()
            .flat_map(|half| half.join().unwrap())
            .collect()
    });
    assert_eq!(forward, others);
    // Fonts in another order, and a renderer of its own.
    let mut files = dejavu();
    files.reverse();
    let again = Arc::new(Fonts::from_bytes(files, &FontOptions::default()).unwrap());
    let source = TextSource::new(TextConfig::default(), NO_FILES).unwrap();
    let again = Renderer::new(&again, Part::All, source, RenderConfig::default()).unwrap();
    assert!((0..40).all(|index| again.line(5, index) == forward[index as usize]));
    let differ = (0..40)
        .filter(|&index| renderer.line(6, index) != forward[index as usize])
        .count();
    assert!(differ >= 39, "{differ}");
    assert_eq!(renderer.page(5, 3), again.page(5, 3));
}

#[test]
fn every_degradation_changes_the_image_and_nothing_else_of_the_line() {
    let plain = renderer(clean());
    for (degradation, chance) in Degradation::ALL {
        assert!(chance > 0.0);
        let with = renderer(DegradeConfig::only(degradation, 1.0));
        let weak = renderer(DegradeConfig::only(degradation, 0.2));
        let (mut changed, mut weakly) = (0, 0);
        for index in 0..12 {
            let (a, b) = (
                plain.draw("Typical g 12.50", 3, index).unwrap(),
                with.draw("Typical g 12.50", 3, index).unwrap(),
            );
            assert_eq!(a.text, b.text);
            changed += usize::from(a.image != b.image);
            weakly += usize::from(a.image != weak.draw("Typical g 12.50", 3, index).unwrap().image);
        }
        // Lines above and below do not always reach the cut, and some rules are cut away.
        let least = match degradation {
            Degradation::Neighbours
            | Degradation::Frame
            | Degradation::Underline
            | Degradation::Bars => 8,
            _ => 12,
        };
        assert!(changed >= least, "{degradation:?} changed {changed} of 12");
        assert!(
            weakly >= least - 4,
            "{degradation:?} changed {weakly} of 12 at a fifth of its strength"
        );
        assert_eq!(with.config().degrade.chance(degradation), 1.0);
    }
}

#[test]
fn severity_zero_is_clean_print() {
    let renderer = renderer(DegradeConfig::default());
    let clean = renderer.with_severity(0.0).unwrap();
    let line = clean.draw("Clean", 1, 1).unwrap();
    // Paper is white up to the edges, ink is black.
    let edges = [line.image.row(0), line.image.row(line.image.height() - 1)].concat();
    assert!(edges.iter().all(|&pixel| pixel == 255));
    assert!(line.image.pixels().contains(&0));
    assert!(matches!(
        renderer.with_severity(1.5),
        Err(RenderError::Setting {
            name: "severity",
            ..
        })
    ));
    assert!(matches!(
        renderer.with_severity(f32::NAN),
        Err(RenderError::Setting {
            name: "severity",
            ..
        })
    ));
}

#[test]
fn every_character_of_the_alphabet_is_drawn_by_a_face_that_has_it() {
    let renderer = renderer(clean());
    let fonts = fonts();
    for face in fonts.faces() {
        assert!(face.covers(ALPHABET), "{} {}", face.family(), face.style());
        assert!(face.characters().eq({
            let mut all: Vec<char> = ALPHABET.chars().collect();
            all.sort_unstable();
            all
        }));
    }
    for c in ALPHABET.chars().filter(|&c| c != ' ') {
        let line = renderer.draw(&c.to_string(), 2, 7).unwrap();
        assert_eq!(line.text, c.to_string());
        assert!(dark(&line.image) > 0, "{c}");
    }
    // Distinct characters have distinct images.
    let image = |text: &str| renderer.draw(text, 2, 7).unwrap().image;
    assert_ne!(image("e"), image("é"));
    assert_ne!(image("-"), image("—"));
}

#[test]
fn ink_is_where_text_is() {
    let renderer = renderer(clean());
    let mut shares = 0.0;
    for index in 0..500 {
        let line = renderer.line(9, index);
        assert!(dark(&line.image) > 0, "{index}: {}", line.text);
        assert!(
            !line.text.is_empty() && line.text.trim() == line.text && !line.text.contains("  "),
            "{:?}",
            line.text
        );
        assert!(
            line.text.chars().all(|c| ALPHABET.contains(c)),
            "{}",
            line.text
        );
        shares += dark(&line.image) as f64 / line.image.pixels().len() as f64;
    }
    // Print covers a tenth to a third of its line.
    assert!(
        (0.08..0.4).contains(&(shares / 500.0)),
        "{}",
        shares / 500.0
    );
}

#[test]
fn the_width_grows_with_the_text() {
    let renderer = renderer(clean());
    for index in 0..40 {
        let widths: Vec<usize> = ["in", "in no", "in no time", "in no time at all, they said"]
            .map(|text| renderer.draw(text, 4, index).unwrap().image.width())
            .into();
        assert!(
            widths.windows(2).all(|pair| pair[0] < pair[1]),
            "{widths:?}"
        );
    }
}

#[test]
fn spacing_and_kerning_change_the_width() {
    let width = |change: &dyn Fn(&mut RenderConfig), text: &str| {
        let mut config = RenderConfig {
            degrade: clean(),
            ..RenderConfig::default()
        };
        config.style.x_height = [30.0, 30.0];
        config.style.letter_spacing = [1.0, 1.0];
        config.style.word_spacing = [1.0, 1.0];
        config.style.stretch = [1.0, 1.0];
        change(&mut config);
        let source = TextSource::new(TextConfig::default(), NO_FILES).unwrap();
        let one = Fonts::from_bytes(
            [("serif".into(), dejavu::serif::regular().to_vec())],
            &FontOptions::default(),
        );
        let renderer = Renderer::new(&Arc::new(one.unwrap()), Part::All, source, config).unwrap();
        renderer.draw(text, 0, 0).unwrap().image.width() as f64
    };
    let plain = width(&|_| (), "word word");
    let spaced = width(
        &|config| {
            config.style.letter_spacing = [1.4, 1.4];
            config.style.spaced = 1.0
        },
        "word word",
    );
    let wide = width(
        &|config| config.style.word_spacing = [2.5, 2.5],
        "word word",
    );
    let stretched = width(
        &|config| {
            config.style.stretch = [1.3, 1.3];
            config.style.spaced = 1.0
        },
        "word word",
    );
    let tall = width(&|config| config.style.x_height = [60.0, 60.0], "word word");
    assert!(
        spaced > 1.25 * plain && wide > plain + 10.0,
        "{plain} {spaced} {wide}"
    );
    assert!(
        (1.25..1.35).contains(&(stretched / plain)),
        "{plain} {stretched}"
    );
    assert!((1.9..2.1).contains(&(tall / plain)), "{plain} {tall}");
    // AV has a pair in DejaVu Serif, HH has none.
    let sum = |a: &str, b: &str| width(&|_| (), a) + width(&|_| (), b);
    assert!(width(&|_| (), "AVAVAV") + 6.0 < sum("AAA", "VVV"));
}

#[test]
fn odd_texts_do_not_panic() {
    let renderer = renderer(DegradeConfig::default());
    assert!(matches!(
        renderer.draw("", 0, 0),
        Err(RenderError::EmptyText { characters: 0 })
    ));
    assert!(matches!(
        renderer.draw(" \t\u{3000} \n", 0, 0),
        Err(RenderError::EmptyText { characters: 5 })
    ));
    assert!(matches!(
        renderer.draw("a 漢 b", 0, 0),
        Err(RenderError::NoFace { missing: '漢', .. })
    ));
    assert!(matches!(
        renderer.draw(&"x".repeat(1001), 0, 0),
        Err(RenderError::LongText { .. })
    ));
    assert!(matches!(
        renderer.draw(&" ".repeat(100_000), 0, 0),
        Err(RenderError::LongText { .. })
    ));
    assert!(matches!(
        renderer.draw("\u{0}\u{7F}", 0, 0),
        Err(RenderError::NoFace { .. })
    ));
    for index in 0..20 {
        let text = "A line of three hundred characters ".repeat(9);
        let line = renderer.draw(&text[..300], 0, index).unwrap();
        assert!(line.image.width() > 20 * line.image.height() / 2, "{index}");
        for text in [
            ".",
            "_",
            "'",
            "—",
            "|",
            "....",
            "iiiiii",
            "WWWW",
            "\u{A0}a  b\u{2009}c",
            "e\u{301}",
        ] {
            let line = renderer.draw(text, 1, index).unwrap();
            assert!(line.image.width() >= 2 && line.image.height() >= 2);
        }
    }
    assert_eq!(
        renderer.draw("e\u{301} \u{A0} a ", 1, 1).unwrap().text,
        "é a"
    );
    let longest = renderer.draw(&"W".repeat(1000), 1, 2).unwrap();
    assert!(longest.image.width() <= 60_000);
}

#[test]
fn held_out_families_are_not_for_training() {
    let options = FontOptions {
        held_out: 0.5,
        ..FontOptions::default()
    };
    let fonts = Arc::new(Fonts::from_bytes(dejavu(), &options).unwrap());
    let names = |part| fonts.families(part).map(str::to_owned).collect::<Vec<_>>();
    let (training, held_out) = (names(Part::Training), names(Part::HeldOut));
    assert_eq!(training.len() + held_out.len(), names(Part::All).len());
    assert!(training.iter().all(|name| !held_out.contains(name)));
    assert!(
        fonts
            .faces()
            .iter()
            .all(|face| face.held_out() == held_out.contains(&face.family().to_string()))
    );
    for (part, value) in [(Part::Training, 1.0), (Part::HeldOut, 0.0)] {
        let options = FontOptions {
            held_out: value,
            ..FontOptions::default()
        };
        let fonts = Arc::new(Fonts::from_bytes(dejavu(), &options).unwrap());
        let source = TextSource::new(TextConfig::default(), NO_FILES).unwrap();
        let result = Renderer::new(&fonts, part, source, RenderConfig::default());
        assert!(matches!(
            result,
            Err(RenderError::EmptyPart { families: 3, .. })
        ));
    }
}

#[test]
fn folders_are_searched_and_broken_fonts_reported() {
    let folder = tempfile::tempdir().unwrap();
    let load = |folder: &Path| Fonts::load(&[folder], &FontOptions::default());
    assert!(matches!(
        load(folder.path()),
        Err(RenderError::NoFonts {
            files: 0,
            skipped: 0
        })
    ));
    assert!(matches!(
        load(&folder.path().join("none")),
        Err(RenderError::Read { .. })
    ));

    let inner = folder.path().join("a/b");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::write(folder.path().join("broken.ttf"), b"not a font").unwrap();
    assert!(matches!(
        load(folder.path()),
        Err(RenderError::NoFonts {
            files: 1,
            skipped: 1
        })
    ));
    let mut cut = dejavu::sans::regular().to_vec();
    cut.truncate(20_000);
    std::fs::write(folder.path().join("cut.otf"), &cut).unwrap();
    std::fs::write(inner.join("Sans.TTF"), dejavu::sans::regular()).unwrap();
    std::fs::write(inner.join("copy.ttf"), dejavu::sans::regular()).unwrap();
    std::fs::write(inner.join("notes.txt"), b"text").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path(), inner.join("loop")).unwrap();
    let fonts = load(folder.path()).unwrap();
    assert_eq!(fonts.faces().len(), 1);
    assert_eq!(fonts.faces()[0].family(), "DejaVu Sans");
    let reasons: Vec<_> = fonts
        .skipped()
        .iter()
        .map(|skipped| (skipped.path.clone(), skipped.reason.clone()))
        .collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    let broken = |name: &str| {
        let path = folder.path().join(name);
        reasons
            .iter()
            .any(|(other, reason)| *other == path && !matches!(reason, SkipReason::Copy))
    };
    assert!(broken("broken.ttf") && broken("cut.otf"));
    assert!(
        reasons
            .iter()
            .any(|(_, reason)| *reason == SkipReason::Copy)
    );
    let small = FontOptions {
        most_bytes: 1000,
        ..FontOptions::default()
    };
    assert!(matches!(
        Fonts::load(&[inner], &small),
        Err(RenderError::NoFonts {
            files: 4,
            skipped: 4
        })
    ));
}

#[test]
fn damaged_fonts_do_not_panic() {
    let font = dejavu::sans_mono::regular();
    // Bytes of the directory, of the tables, and lengths.
    for k in 0..200usize {
        let mut bytes = font.to_vec();
        for step in 0..8 {
            let at = (k * 7919 + step * 104_729) % if k % 2 == 0 { 400 } else { bytes.len() };
            bytes[at] = bytes[at].wrapping_add(1 + k as u8);
        }
        bytes.truncate(font.len() - k * 100);
        if let Ok(fonts) =
            Fonts::from_bytes([("damaged".to_string(), bytes)], &FontOptions::default())
        {
            let source = TextSource::new(TextConfig::default(), NO_FILES).unwrap();
            let renderer =
                Renderer::new(&Arc::new(fonts), Part::All, source, RenderConfig::default())
                    .unwrap();
            for index in 0..3 {
                assert!(renderer.line(k as u64, index).image.width() > 0);
            }
        }
    }
}

#[test]
fn texts_follow_their_settings() {
    let kinds = |set: fn(&mut TextConfig)| {
        let none = r#"{"sentence":0,"word":0,"pseudo":0,"receipt":0,"number":0,"random":0,"upper":0,"short":0}"#;
        let mut config = TextConfig {
            mix: serde_json::from_str(none).unwrap(),
            ..TextConfig::default()
        };
        set(&mut config);
        let source = TextSource::new(config, NO_FILES).unwrap();
        (0..300)
            .map(|index| source.text(1, index))
            .collect::<Vec<_>>()
    };
    let short = kinds(|config| config.mix.short = 1.0);
    assert!(short.iter().all(|text| text.chars().count() <= 3));
    let words = kinds(|config| config.mix.word = 1.0);
    assert!(words.iter().all(|text| !text.contains(' ')));
    let sentences = kinds(|config| config.mix.sentence = 1.0);
    assert!(
        sentences
            .iter()
            .all(|text| (1..=60).contains(&text.chars().count()))
    );
    assert!(sentences.iter().filter(|text| text.contains(' ')).count() > 250);
    let numbers = kinds(|config| config.mix.number = 1.0);
    assert!(
        numbers
            .iter()
            .all(|text| text.contains(|c: char| c.is_ascii_digit()))
    );
    let upper = kinds(|config| (config.mix.upper, config.mix.sentence) = (1e6, 1e-3));
    assert!(
        upper
            .iter()
            .all(|text| !text.contains(|c: char| c.is_ascii_lowercase()))
    );
    let receipts = kinds(|config| config.mix.receipt = 1.0);
    for part in ["@", "GST", ":", "Total", "/", ".00"] {
        assert!(receipts.iter().any(|text| text.contains(part)), "{part}");
    }
    // Random strings reach the whole alphabet.
    let random = kinds(|config| config.mix.random = 1.0).concat();
    let missing: String = ALPHABET.chars().filter(|&c| !random.contains(c)).collect();
    assert_eq!(missing, "");
    assert!(matches!(
        TextSource::new(
            TextConfig {
                alphabet: " ".into(),
                ..TextConfig::default()
            },
            NO_FILES
        ),
        Err(RenderError::Setting {
            name: "alphabet",
            ..
        })
    ));
    assert!(serde_json::from_str::<RenderConfig>(r#"{"degrade":{"chance":{"blurr":1}}}"#).is_err());
    assert!(serde_json::from_str::<RenderConfig>(r#"{"text":{"mix":{"words":1}}}"#).is_err());
    let config: RenderConfig =
        serde_json::from_str(r#"{"degrade":{"chance":{"ink_gradient":1}}}"#).unwrap();
    assert_eq!(config.degrade.chance(Degradation::InkGradient), 1.0);
    assert_eq!(config.degrade.chance(Degradation::Blur), 0.35);
}

#[test]
fn words_of_files_come_by_frequency() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("words.txt");
    let text: String = std::iter::repeat_n("often ", 500)
        .chain(["seldom rarely\n"])
        .chain(["Größe\n"; 40])
        .collect();
    std::fs::write(&file, text).unwrap();
    let words = r#"{"sentence":0,"word":1,"pseudo":0,"receipt":0,"number":0,"random":0,"upper":0,"short":0}"#;
    let config = TextConfig {
        mix: serde_json::from_str(words).unwrap(),
        ..TextConfig::default()
    };
    let source = TextSource::new(config.clone(), &[&file]).unwrap();
    let count = |word: &str| {
        (0..2000)
            .filter(|&k| source.text(0, k).to_lowercase() == word)
            .count()
    };
    let (often, size, seldom) = (count("often"), count("größe"), count("seldom"));
    assert!(
        often > 700 && often > size && size > seldom && seldom > 100,
        "{often} {size} {seldom}"
    );
    std::fs::write(&file, b"good \xFF bad").unwrap();
    assert!(matches!(
        TextSource::new(config.clone(), &[&file]),
        Err(RenderError::TextEncoding { at: 5, .. })
    ));
    let none = folder.path().join("none");
    assert!(matches!(
        TextSource::new(config, &[&none]),
        Err(RenderError::Read { .. })
    ));
}

#[test]
fn other_alphabets_are_possible() {
    let config = TextConfig {
        alphabet: "가나다라마바사 0123".into(),
        ..TextConfig::default()
    };
    let source = TextSource::new(config.clone(), NO_FILES).unwrap();
    for index in 0..300 {
        let text = source.text(0, index);
        assert!(
            !text.is_empty() && text.chars().all(|c| config.alphabet.contains(c)),
            "{text}"
        );
    }
    // No face has syllables here: lines consist of the rest.
    let renderer = Renderer::new(&fonts(), Part::All, source, RenderConfig::default()).unwrap();
    assert!((0..50).all(|index| !renderer.line(0, index).text.is_empty()));
}

#[test]
fn pages_say_where_their_lines_are() {
    let renderer = renderer(clean());
    for index in 0..12 {
        let page = renderer.page(2, index);
        assert!(!page.lines.is_empty());
        let (width, height) = (page.image.width(), page.image.height());
        let mut inside = 0;
        let mut outside = page.image.clone();
        for line in &page.lines {
            let bounds = line.quad.bounds(width, height);
            let image = page.image.crop(bounds);
            let ink = dark(&image);
            assert!(
                ink > 0 && ink < image.pixels().len(),
                "{index}: {}",
                line.text
            );
            inside += ink;
            for y in bounds.y..bounds.bottom() {
                outside.pixels_mut()[y * width..][bounds.x..bounds.right()].fill(255);
            }
            assert!(!line.text.is_empty());
        }
        assert!(inside > 0);
        // Beside lines there are only rules and dark boxes.
        let rest = dark(&outside);
        assert!(rest < page.image.pixels().len() / 6, "{index}: {rest}");
    }
    let degraded = self::renderer(DegradeConfig::default());
    for index in 0..12 {
        let page = degraded.page(2, index);
        for line in &page.lines {
            for corner in line.quad.0 {
                assert!(
                    corner.x > -0.05 * page.image.width() as f32
                        && corner.x < 1.05 * page.image.width() as f32
                );
                assert!(
                    corner.y > -0.05 * page.image.height() as f32
                        && corner.y < 1.05 * page.image.height() as f32
                );
            }
        }
    }
}

#[test]
fn installed_fonts_load() {
    let folder = Path::new("/usr/share/fonts");
    if !folder.is_dir() {
        return;
    }
    match Fonts::load(&[folder], &FontOptions::default()) {
        Ok(fonts) => {
            assert!(
                fonts
                    .faces()
                    .iter()
                    .all(|face| face.characters().count() >= 10)
            );
            assert!(
                fonts
                    .faces()
                    .iter()
                    .all(|face| !face.family().to_lowercase().contains("symbol"))
            );
        }
        Err(error) => assert!(matches!(error, RenderError::NoFonts { .. }), "{error}"),
    }
    // Syllables, where a Korean font is there.
    let syllables = "가나다라마바사아자차카타파하한글 0123456789";
    let options = FontOptions {
        alphabet: syllables.into(),
        ..FontOptions::default()
    };
    let Ok(fonts) = Fonts::load(&[folder], &options) else {
        return;
    };
    if fonts.faces().iter().any(|face| face.covers("한글")) {
        let text = TextConfig {
            alphabet: syllables.into(),
            ..TextConfig::default()
        };
        let source = TextSource::new(text, NO_FILES).unwrap();
        let renderer =
            Renderer::new(&Arc::new(fonts), Part::All, source, RenderConfig::default()).unwrap();
        let clean = renderer.with_severity(0.0).unwrap();
        let (one, two) = (
            clean.draw("한글", 0, 0).unwrap(),
            clean.draw("가나 한글", 0, 0).unwrap(),
        );
        assert!(dark(&one.image) > 0 && one.image.width() < two.image.width());
    }
}

#[test]
fn letters_that_are_pictures_are_found() {
    // A face whose characters are those of other glyphs: the table that maps characters is moved by seven letters.
    let mut shifted = dejavu::serif::regular().to_vec();
    shift_characters(&mut shifted, 7);
    let files = dejavu()
        .into_iter()
        .chain([("shifted".to_string(), shifted)]);
    let fonts = Fonts::from_bytes(files, &FontOptions::default()).unwrap();
    assert_eq!(fonts.faces().len(), 6);
    assert_eq!(fonts.skipped().len(), 1);
    let skipped = &fonts.skipped()[0];
    assert!(skipped.path == Path::new("shifted"));
    assert!(
        matches!(skipped.reason, SkipReason::Illegible(part) if part < 0.3),
        "{}",
        skipped.reason
    );
}

/// Adds `by` to the glyph of every run of characters in the tables of format 4 and 12 of a font.
fn shift_characters(font: &mut [u8], by: u16) {
    let word = |font: &[u8], at: usize| u16::from_be_bytes([font[at], font[at + 1]]);
    let long = |font: &[u8], at: usize| {
        u32::from_be_bytes([font[at], font[at + 1], font[at + 2], font[at + 3]])
    };
    let tables = usize::from(word(font, 4));
    let entry = (0..tables)
        .map(|k| 12 + 16 * k)
        .find(|&at| &font[at..at + 4] == b"cmap")
        .unwrap();
    let cmap = long(font, entry + 8) as usize;
    let mut places: Vec<usize> = (0..usize::from(word(font, cmap + 2)))
        .map(|k| cmap + long(font, cmap + 4 + 8 * k + 4) as usize)
        .collect();
    places.sort_unstable();
    places.dedup();
    for place in places {
        match word(font, place) {
            4 => {
                let segments = usize::from(word(font, place + 6)) / 2;
                for k in 0..segments {
                    let delta = place + 16 + 4 * segments + 2 * k;
                    let value = word(font, delta).wrapping_add(by);
                    font[delta..delta + 2].copy_from_slice(&value.to_be_bytes());
                }
            }
            12 => {
                for k in 0..long(font, place + 12) as usize {
                    let start = place + 16 + 12 * k + 8;
                    let value = long(font, start) + u32::from(by);
                    font[start..start + 4].copy_from_slice(&value.to_be_bytes());
                }
            }
            _ => {}
        }
    }
}
