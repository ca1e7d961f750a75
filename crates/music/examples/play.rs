//! Music to see and hear: a MIDI, MusicXML or ABC file to a page of HTML with a piano roll, a cursor and the sound.
//!
//! `cargo run --release -p refrain-music --example play -- FILE.mid OUT.html [--soundfont F.sf2] [--organ | --plucked]`
//!
//! Beside OUT.html are written OUT.wav, OUT.png, OUT.svg, OUT.mid and, where the bars allow it, OUT.musicxml.

use refrain_music::abc::{PlayOptions, decode_abc, read_tune, split_tunes};
use refrain_music::{
    HtmlConfig, Imported, Limits, MidiOptions, MusicError, PictureConfig, SoundFont, SynthConfig,
    Timbre, XmlConfig, XmlOptions, midi_bytes, musicxml, read_file, read_midi, read_musicxml,
    render, roll_html, roll_png, roll_svg,
};
use refrain_sound::wav_bytes;
use std::error::Error;
use std::path::{Path, PathBuf};

fn imported(path: &Path) -> Result<Imported, MusicError> {
    let limits = Limits::default();
    let bytes = read_file(path, &limits)?;
    let kind = path
        .extension()
        .and_then(|kind| kind.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase();
    match kind.as_str() {
        "xml" | "musicxml" | "mxl" => read_musicxml(&bytes, &XmlOptions { limits }),
        "abc" => {
            let (text, mut warnings) = decode_abc(&bytes);
            let first = split_tunes(&text)
                .first()
                .map_or(text.as_str(), |tune| tune.text);
            let tune = read_tune(first, &limits)?;
            let score = tune.to_score(&PlayOptions::default())?;
            warnings.extend(tune.warnings);
            Ok(Imported { score, warnings })
        }
        _ => read_midi(
            &bytes,
            &MidiOptions {
                pedal: true,
                ..MidiOptions::default()
            },
        ),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let [input, output] = [0, 1].map(|i| {
        arguments
            .get(i)
            .filter(|path| !path.starts_with("--"))
            .map(PathBuf::from)
    });
    let (Some(input), Some(output)) = (input, output) else {
        return Err("usage: play FILE OUT.html [--soundfont F.sf2] [--organ | --plucked]".into());
    };
    let Imported {
        mut score,
        warnings,
    } = imported(&input)?;
    for warning in &warnings {
        eprintln!("{}: {warning}", input.display());
    }
    if score.title.is_empty() {
        score.title = input
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
    }
    let timbre = match (has("--organ"), has("--plucked")) {
        (true, _) => Timbre::Organ,
        (_, true) => Timbre::Plucked,
        _ => Timbre::Piano,
    };
    let config = SynthConfig {
        timbre,
        ..SynthConfig::default()
    };
    let font = arguments
        .iter()
        .position(|argument| argument == "--soundfont")
        .and_then(|at| arguments.get(at + 1));
    let samples = match font {
        Some(path) => {
            SoundFont::read(&std::fs::read(path)?)?.render(&score, config.rate, &config.limits)?
        }
        None => render(&score, &config)?,
    };
    let (_, fit) = score.to_roll(score.suggested_grid(0.02), false, &config.limits)?;
    let remark = format!(
        "{} notes, {:.0} s; {:.0}% of the notes begin on a grid of 1/{} of a quarter note",
        score.notes().len(),
        score.seconds(),
        100.0 * fit.on_grid,
        score.suggested_grid(0.02)
    );
    println!("{remark}");
    let page = HtmlConfig {
        remarks: vec![remark],
        ..HtmlConfig::default()
    };
    std::fs::write(&output, roll_html(&score, &samples, config.rate, &page)?)?;
    std::fs::write(
        output.with_extension("wav"),
        wav_bytes(&samples, config.rate)?,
    )?;
    std::fs::write(
        output.with_extension("png"),
        roll_png(&score, &PictureConfig::default())?,
    )?;
    std::fs::write(
        output.with_extension("svg"),
        roll_svg(&score, &PictureConfig::default())?,
    )?;
    std::fs::write(output.with_extension("mid"), midi_bytes(&score)?)?;
    match musicxml(&score, &XmlConfig::default()) {
        Ok(text) => std::fs::write(output.with_extension("musicxml"), text)?,
        Err(error) => eprintln!("no MusicXML: {error}"),
    }
    Ok(())
}
