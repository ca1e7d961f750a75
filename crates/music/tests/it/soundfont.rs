use crate::{note, score};
use refrain_music::{Limits, MusicError, SoundFont};

/// A chunk of a RIFF file.
fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = name.to_vec();
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(body);
    bytes
}

fn list(name: &[u8; 4], chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut body = name.to_vec();
    body.extend(chunks.concat());
    chunk(b"LIST", &body)
}

fn name(text: &str) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    bytes
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A SoundFont of one instrument: a sine of 441 Hz at 44,100 Hz, which is A4 (69), in a loop.
fn font() -> Vec<u8> {
    let wave =
        (0..1100).map(|i| (8000.0 * (i as f64 * std::f64::consts::TAU / 100.0).sin()) as i16);
    let samples: Vec<u8> = wave.flat_map(i16::to_le_bytes).collect();
    let info = list(
        b"INFO",
        &[chunk(b"ifil", &words(&[2, 1])), chunk(b"INAM", b"Test\0\0")],
    );
    let data = list(b"sdta", &[chunk(b"smpl", &samples)]);
    let preset = |title: &str, bag: u16| {
        let mut bytes = name(title).to_vec();
        bytes.extend(words(&[0, 0, bag, 0, 0, 0, 0, 0, 0]));
        bytes
    };
    let mut sample = name("Sine").to_vec();
    for value in [0u32, 1000, 100, 900, 44_100] {
        sample.extend(value.to_le_bytes());
    }
    sample.extend([69, 0]);
    sample.extend(words(&[0, 1]));
    sample.extend([0; 46]);
    let instrument = |title: &str, bag: u16| [name(title).to_vec(), words(&[bag])].concat();
    let tables = list(
        b"pdta",
        &[
            chunk(b"phdr", &[preset("Sine", 0), preset("EOP", 1)].concat()),
            chunk(b"pbag", &words(&[0, 0, 1, 0])),
            chunk(b"pmod", &[0; 10]),
            chunk(b"pgen", &words(&[41, 0, 0, 0])),
            chunk(
                b"inst",
                &[instrument("Sine", 0), instrument("EOI", 1)].concat(),
            ),
            chunk(b"ibag", &words(&[0, 0, 2, 0])),
            chunk(b"imod", &[0; 10]),
            chunk(b"igen", &words(&[54, 1, 53, 0, 0, 0])),
            chunk(b"shdr", &sample),
        ],
    );
    let mut body = b"sfbk".to_vec();
    body.extend([info, data, tables].concat());
    chunk(b"RIFF", &body)
}

#[test]
fn a_soundfont_plays_its_sample_at_the_right_pitch() {
    let font = SoundFont::read(&font()).unwrap();
    assert_eq!(font.name(), "Test");
    let song = score(vec![note(0, 960, 69, 0), note(960, 960, 81, 0)]);
    let rate = 44_100;
    let samples = font.render(&song, rate, &Limits::default()).unwrap();
    assert_eq!(samples.len(), 3 * rate as usize);
    // Zero crossings of half a second in the middle of each note.
    let crossings = |from: f64| {
        let part = &samples[(from * f64::from(rate)) as usize..][..rate as usize / 2];
        part.windows(2)
            .filter(|pair| (pair[0] <= 0.0) != (pair[1] <= 0.0))
            .count()
    };
    for (from, wanted) in [(0.3, 441), (1.3, 882)] {
        assert!(
            crossings(from).abs_diff(wanted) <= 12,
            "{from} {}",
            crossings(from)
        );
    }
    assert!(samples.iter().all(|sample| sample.abs() <= 0.9));
    assert_eq!(
        samples,
        font.render(&song, rate, &Limits::default()).unwrap()
    );
    assert!(font.render(&song, 8000, &Limits::default()).is_err());
    let short = Limits {
        seconds: 1.0,
        ..Limits::default()
    };
    assert!(matches!(
        font.render(&song, rate, &short),
        Err(MusicError::Large { .. })
    ));
}

#[test]
fn damaged_soundfonts_are_refused_or_played_but_never_panic() {
    let whole = font();
    let song = score(vec![note(0, 48, 60, 0), note(0, 48, 81, 0)]);
    for at in 0..whole.len() {
        // The samples themselves can be anything.
        if (80..2200).contains(&at) && at % 397 != 0 {
            continue;
        }
        let mut bytes = whole.clone();
        bytes[at] ^= [0x01, 0x80, 0xFF][at % 3];
        let rendered =
            SoundFont::read(&bytes).and_then(|font| font.render(&song, 16_000, &Limits::default()));
        if let Ok(samples) = rendered {
            assert!(samples.iter().all(|sample| sample.is_finite()));
        }
    }
    for end in (0..whole.len()).step_by(7) {
        assert!(SoundFont::read(&whole[..end]).is_err());
    }
    let mut long = whole.clone();
    long[16..20].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(
        SoundFont::read(&long),
        Err(MusicError::SoundFont { .. })
    ));
    assert!(SoundFont::read(b"RIFF\0\0\0\0WAVE").is_err());
}
