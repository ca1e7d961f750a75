use crate::{note, score};
use refrain_music::{
    HtmlConfig, Limits, MusicError, PictureConfig, Voice, roll_html, roll_png, roll_svg,
};

fn song() -> refrain_music::Score {
    let mut song = score(vec![
        note(0, 480, 60, 0),
        note(480, 480, 64, 1),
        note(960, 480, 67, 7),
    ]);
    song.title = "A <b>\"tune\"</b> & {{sound}} </script>".to_owned();
    song.name_voices([Voice {
        name: "Sop<rano".to_owned(),
        program: 0,
    }]);
    song
}

#[test]
fn a_png_has_the_size_of_the_music() {
    let png = roll_png(&song(), &PictureConfig::default()).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    // 40 of scale, three quarters of 24, 8 of margin; pitches 58 to 69 of 8.
    assert_eq!((number(16), number(20)), (120, 96));
}

#[test]
fn an_svg_has_a_rectangle_for_each_note() {
    let config = PictureConfig {
        given: Some(480),
        opacity: vec![1.0, 0.25, f32::NAN],
        ..PictureConfig::default()
    };
    let svg = roll_svg(&song(), &config).unwrap();
    for colour in ["#c83a3a", "#d88a1c"] {
        assert!(svg.contains(colour));
    }
    assert_eq!(
        svg.matches("#c83a3a").count() + svg.matches("#d88a1c").count(),
        3
    );
    assert!(svg.contains("fill-opacity=\"0.25\"") && svg.contains("#ffe9a8"));
    assert!(svg.contains("&lt;b&gt;&quot;tune&quot;") && !svg.contains("<b>"));
}

#[test]
fn pictures_beyond_the_limits_are_refused() {
    let large =
        |result: Result<Vec<u8>, MusicError>| matches!(result, Err(MusicError::Large { .. }));
    for quarter in [f64::NAN, f64::INFINITY, 1e12] {
        let config = PictureConfig {
            quarter: Some(quarter),
            ..PictureConfig::default()
        };
        assert!(large(roll_png(&song(), &config)), "{quarter}");
    }
    let semitone = Some(-3.0);
    assert!(large(roll_png(
        &song(),
        &PictureConfig {
            semitone,
            ..PictureConfig::default()
        }
    )));
    let limits = Limits {
        notes: 2,
        ..Limits::default()
    };
    assert!(large(roll_png(
        &song(),
        &PictureConfig {
            limits,
            ..PictureConfig::default()
        }
    )));
    assert!(matches!(
        roll_png(&score(vec![]), &PictureConfig::default()),
        Err(MusicError::Empty { .. })
    ));
    // Five hundred hours in one picture.
    let long = score(vec![note(0, 1, 60, 0), note(1 << 27, 480, 61, 0)]);
    let png = roll_png(&long, &PictureConfig::default()).unwrap();
    assert!(u32::from_be_bytes(png[16..20].try_into().unwrap()) <= 6050);
}

#[test]
fn a_page_holds_all_and_escapes_all() {
    let config = HtmlConfig {
        given: Some(480),
        remarks: vec!["seed 1 <script>".to_owned()],
        ..HtmlConfig::default()
    };
    let page = roll_html(&song(), &[0.0, 0.5, -0.5], 22_050, &config).unwrap();
    assert!(page.contains("[0.000,0.500,60,0],[0.500,1.000,64,1],[1.000,1.500,67,7]"));
    assert!(page.contains("data:audio/wav;base64,UklGR") && page.contains("given = 0.500"));
    assert!(page.contains("Sop&lt;rano") && page.contains("seed 1 &lt;script&gt;"));
    assert_eq!(page.matches("<script>").count(), 1);
    assert_eq!(page.matches("</script>").count(), 1);
    // The marks of the template are all filled; those of the title stay text.
    assert_eq!(
        page.matches("{{").count(),
        page.matches("{{sound}}").count()
    );
    assert!(!page.contains("http://") && !page.contains("https://"));
}
