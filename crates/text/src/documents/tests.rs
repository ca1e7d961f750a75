use super::*;
use proptest::prelude::*;

fn options() -> Options {
    Options::default()
}

fn parse(format: Format, source: &str) -> Document {
    Document::parse(format, source.as_bytes(), &options()).unwrap()
}

fn texts(document: &Document) -> Vec<&str> {
    document
        .segments()
        .iter()
        .map(|s| s.text.as_str())
        .collect()
}

fn write(document: &Document, translate: impl Fn(&str) -> String) -> String {
    let translated: Vec<Translated> = document
        .segments()
        .iter()
        .map(|s| Translated {
            text: translate(&s.text),
            alignment: None,
        })
        .collect();
    String::from_utf8(document.write(&translated).unwrap()).unwrap()
}

fn upper(format: Format, source: &str) -> String {
    let document = parse(format, source);
    assert_eq!(write(&document, str::to_owned), source, "unchanged texts");
    write(&document, str::to_uppercase)
}

/// One segment, with this translation and word pairs.
fn aligned(format: Format, source: &str, text: &str, pairs: &[(usize, usize)]) -> String {
    let document = parse(format, source);
    assert_eq!(document.segments().len(), 1, "{:?}", texts(&document));
    let translated = Translated {
        text: text.to_owned(),
        alignment: Some(pairs.to_vec()),
    };
    String::from_utf8(document.write(&[translated]).unwrap()).unwrap()
}

fn check_upper(format: Format, source: &str, segments: &[&str], expect: &str) {
    assert_eq!(texts(&parse(format, source)), segments, "{source}");
    assert_eq!(upper(format, source), expect, "{source}");
}

#[test]
fn plain_lines_keep_spaces_and_ends() {
    check_upper(
        Format::Lines,
        "\u{a0} one two \r\n\n\tthree\nfour",
        &["one two", "three", "four"],
        "\u{a0} ONE TWO \r\n\n\tTHREE\nFOUR",
    );
    let document = parse(Format::Lines, "one\n");
    assert_eq!(write(&document, |_| "a\nb\tc\u{2028}d".into()), "a b c d\n");
    assert_eq!(with_line_body("  x \r\n", "y\nz"), "  y z \r\n");
}

#[test]
fn tables_translate_the_wanted_columns_only() {
    let bytes = b"id\tone\ttwo\r\n7\t three \tfour\nshort\n\n\t\t\n";
    let wanted = Options {
        columns: vec![2, 1],
        ..options()
    };
    let document = Document::parse(Format::Table, bytes, &wanted).unwrap();
    assert_eq!(texts(&document), ["one", "two", "three", "four"]);
    assert_eq!(
        write(&document, |t| format!("{}\tX", t.to_uppercase())),
        "id\tONE X\tTWO X\r\n7\t THREE X \tFOUR X\nshort\n\n\t\t\n"
    );
    assert_eq!(document.warnings().len(), 1);
    assert_eq!(document.warnings()[0].line, 3);
    let error = table_bodies("a\tb", &[4], 9).unwrap_err().to_string();
    assert!(
        error.contains("line 9 has 2 columns") && error.contains("column 5"),
        "{error}"
    );
    assert_eq!(
        with_table_bodies("a\tb\tc\n", &[2, 0], &["x", "y\tz"], 1).unwrap(),
        "y z\tb\tx\n"
    );
    assert_eq!(
        with_table_bodies("a\tb", &[0, 0], &["x", "y"], 1).unwrap(),
        "y\tb"
    );
    assert!(with_table_bodies("a\tb", &[0, usize::MAX], &["x", "y"], 1).is_err());
    assert!(with_table_bodies("a\tb", &[0], &[], 1).is_err());
}

#[test]
fn html_blocks_and_inline_tags() {
    check_upper(Format::Html, "<p>hello</p>", &["hello"], "<p>HELLO</p>");
    check_upper(
        Format::Html,
        "<a><em><span>View the complete range of</span></em> <em><span>drawer systems here!</span></em></a>",
        &["View the complete range of drawer systems here!"],
        "<a><em><span>VIEW THE COMPLETE RANGE OF</span></em> <em><span>DRAWER SYSTEMS HERE!</span></em></a>",
    );
    check_upper(
        Format::Html,
        "<p>\n\t\tWenn eine Zeile kein Verb\n\t\tenthält, fehlt etwas.\n</p>",
        &["Wenn eine Zeile kein Verb enthält, fehlt etwas."],
        "<p>\n\t\tWENN EINE ZEILE KEIN VERB ENTHÄLT, FEHLT ETWAS.\n</p>",
    );
    check_upper(
        Format::Html,
        "<ul><li>one<li>two <B CLASS='x>y' id=z>bold</B>, too</ul>",
        &["one", "two bold, too"],
        "<ul><li>ONE<li>TWO <B CLASS='x>y' id=z>BOLD</B>, TOO</ul>",
    );
    check_upper(
        Format::Html,
        "a line<br>of <img src=x/> verse<br/>\n<br>new (<i>part</i>)<wbr>end",
        &["a line of verse", "new (part)end"],
        "A LINE<br>OF <img src=x/> VERSE<br/>\n<br>NEW (<i>PART</i>)<wbr>END",
    );
}

#[test]
fn html_that_is_broken_keeps_every_tag() {
    check_upper(
        Format::Html,
        "a < b &amp; c > d",
        &["a < b & c > d"],
        "A &lt; B &amp; C > D",
    );
    check_upper(
        Format::Html,
        "<p>one <b>two<p>three</b> four",
        &["one two", "three four"],
        "<p>ONE <b>TWO<p>THREE</b> FOUR",
    );
    check_upper(
        Format::Html,
        "<b>one <i>two</b> three</i> x",
        &["one two three x"],
        "<b>ONE <i>TWO</b> THREE</i> X",
    );
    check_upper(
        Format::Html,
        "one </> two <a href='",
        &["one two"],
        "ONE </> TWO <a href='",
    );
    check_upper(Format::Html, "a <b", &["a"], "A <b");
    check_upper(
        Format::Html,
        "<p>x<span/>y &lt;z&gt;&nbsp;w&eacute;</p>",
        &["xy <z>\u{a0}wé"],
        "<p>XY<span/> &lt;Z&gt;&nbsp;WÉ</p>",
    );
    check_upper(
        Format::Html,
        "\r\n<P>one\r\ntwo</P>\r\n",
        &["one two"],
        "\r\n<P>ONE TWO</P>\r\n",
    );
}

#[test]
fn html_that_is_not_translated_stays() {
    check_upper(
        Format::Html,
        "<!DOCTYPE html><title>A &amp; b</title><script>if (a<b) c('x')</script><style>p{}</style><!-- no -->\
         <p>Run <code>ls <b>x</b></code> now, see <code>man</code>.</p><pre>keep\n this</pre><textarea>me</textarea>",
        &["A & b", "Run now, see."],
        "<!DOCTYPE html><title>A &amp; B</title><script>if (a<b) c('x')</script><style>p{}</style><!-- no -->\
         <p>RUN <code>ls <b>x</b></code> NOW, SEE <code>man</code>.</p><pre>keep\n this</pre><textarea>me</textarea>",
    );
    check_upper(
        Format::Html,
        "<div translate=\"no\">keep <b translate=yes>this one</b> and</div> more <i class='a notranslate'>Name</i> here",
        &["this one", "more here"],
        "<div translate=\"no\">keep <b translate=yes>THIS ONE</b> and</div> MORE <i class='a notranslate'>Name</i> HERE",
    );
    check_upper(
        Format::Html,
        "<p translate=no>keep<p>go <code>a <span translate>b c</span> d</code> on",
        &["go", "b c", "on"],
        "<p translate=no>keep<p>GO <code>a <span translate>B C</span> d</code> ON",
    );
}

#[test]
fn html_attributes_are_translated_where_asked() {
    let source = "<p title='it&#39;s \"so\"'>see <img alt=photo title=\"a &lt; b\"> now</p><code title=x>y</code>";
    let document = parse(Format::Html, source);
    assert_eq!(
        texts(&document),
        ["it's \"so\"", "photo", "a < b", "see now"]
    );
    assert_eq!(write(&document, str::to_owned), source);
    assert_eq!(
        write(&document, str::to_uppercase),
        "<p title='IT&#39;S \"SO\"'>SEE <img alt=\"PHOTO\" title=\"A &lt; B\"> NOW</p><code title=x>y</code>"
    );
    let bare = parse(Format::Html, "<img alt=x title=y>");
    assert_eq!(
        write(&bare, |t| format!("a \"{t}")),
        "<img alt=\"a &quot;x\" title=\"a &quot;y\">"
    );
    let off = Options {
        attributes: false,
        ..options()
    };
    let document = Document::parse(Format::Html, source.as_bytes(), &off).unwrap();
    assert_eq!(texts(&document), ["see now"]);
}

#[test]
fn tags_follow_their_words() {
    let source = "<p>the <a href='?x'>red</a> <b>car</b>, now</p>";
    assert_eq!(
        aligned(
            Format::Html,
            source,
            "maintenant la voiture rouge,",
            &[(0, 1), (1, 3), (2, 2), (3, 0)]
        ),
        "<p>maintenant la <b>voiture</b> <a href='?x'>rouge</a>,</p>"
    );
    // Words apart: the larger part, and no tag twice.
    assert_eq!(
        aligned(
            Format::Html,
            "I <i>get up</i> early",
            "ich stehe ganz früh auf",
            &[(0, 0), (1, 1), (2, 4), (2, 1), (3, 3)]
        ),
        "ich <i>stehe</i> ganz früh auf"
    );
    // A code element moves to the end of the sentence, with its space.
    assert_eq!(
        aligned(
            Format::Html,
            "use <code>ls</code> here",
            "hier nutzen",
            &[(0, 1), (1, 0)]
        ),
        "<code>ls</code> hier nutzen"
    );
    assert_eq!(aligned(Format::Html, "<b>one</b> two", "", &[]), "<b></b>");
    assert_eq!(
        aligned(Format::Html, "a <b>one</b> two", "x", &[(7, 9), (0, 4)]),
        "<b>x</b>"
    );
    // Without alignment: in proportion, and punctuation with punctuation.
    for (source, text, expect) in [
        ("<b>Hello</b>.", "Guten Tag.", "<b>Guten Tag</b>."),
        ("(<i>see</i> there)", "(siehe dort)", "(<i>siehe</i> dort)"),
        (
            "one <b>two three</b> four",
            "a b c d e f g h",
            "a b <b>c d e f</b> g h",
        ),
        ("one <b>two</b>", "一二三四", "一二<b>三四</b>"),
        ("one two<br>three four", "a b c d", "a b<br>c d"),
    ] {
        assert_eq!(write(&parse(Format::Html, source), |_| text.into()), expect);
    }
    // Scripts without spaces: by character.
    assert_eq!(
        aligned(Format::Html, "<b>日本</b>語", "言葉は", &[(0, 0)]),
        "<b>言葉</b>は"
    );
    assert_eq!(
        aligned(Format::Html, "日本\n語<br>です", "X", &[(0, 0)]),
        "X<br>"
    );
}

/// Target of an XLIFF unit with this source.
fn target(source: &str, text: &str, pairs: &[(usize, usize)]) -> String {
    let unit = format!("<xliff><trans-unit><source>{source}</source></trans-unit></xliff>");
    let out = aligned(Format::Xliff, &unit, text, pairs);
    let (_, out) = out.split_once("<target>").unwrap();
    out.split_once("</target>").unwrap().0.to_owned()
}

const SWAP: &[(usize, usize)] = &[(0, 1), (1, 0)];

/// The same in XLIFF (`<x/>`, `<g>`) and in HTML (`<img>`, `<i>`). A leaf is written as `@`, a pair as `[` and `]`.
fn check_inline(source: &str, text: &str, pairs: &[(usize, usize)], expect: &str) {
    let xliff = |s: &str| {
        s.replace('@', "<x/>")
            .replace('[', "<g>")
            .replace(']', "</g>")
    };
    let html = |s: &str| {
        s.replace('@', "<img>")
            .replace('[', "<i>")
            .replace(']', "</i>")
    };
    assert_eq!(
        target(&xliff(source), text, pairs),
        xliff(expect),
        "{source}"
    );
    assert_eq!(
        aligned(Format::Html, &html(source), text, pairs),
        html(expect),
        "{source}"
    );
}

#[test]
fn pairs_follow_swapped_words_with_their_spaces() {
    let text = "jetzt drücken";
    for (source, expect) in [
        ("Press [now]", "[jetzt] drücken"),
        ("Press[ now]", "[jetzt] drücken"),
        ("[Press] now", "jetzt [drücken]"),
        ("[Press ]now", "jetzt [drücken]"),
        ("[ Press ] now", "jetzt [drücken]"),
        ("[Press] [now]", "[jetzt] [drücken]"),
        ("[Press @] now", "jetzt [drücken @]"),
        ("Press [now @]", "[jetzt @] drücken"),
        ("Press [@now]", "[@jetzt] drücken"),
        ("Press [ @ now]", "[@ jetzt] drücken"),
    ] {
        check_inline(source, text, SWAP, expect);
    }
    check_inline("Press [now].", "jetzt drücken.", SWAP, "[jetzt] drücken.");
    check_inline(
        "(a [red]) car",
        "voiture (rouge)",
        &[(1, 1), (2, 0)],
        "voiture ([rouge])",
    );
    check_inline(
        "Press [now @].",
        "jetzt drücken.",
        SWAP,
        "[jetzt @] drücken.",
    );
}

#[test]
fn leaves_follow_swapped_words_with_their_spaces() {
    let text = "jetzt drücken";
    for (source, expect) in [
        // Attached to the word before, to the word after, or to none.
        ("Press@ now", "jetzt drücken@"),
        ("Press @now", "@jetzt drücken"),
        ("Press @ now", "@ jetzt drücken"),
        ("Press @@ now", "@@ jetzt drücken"),
        ("Press @ @ now", "@ @ jetzt drücken"),
        ("Press@@ now", "jetzt drücken@@"),
        ("@ Press now", "@ jetzt drücken"),
        ("Press now @", "jetzt drücken @"),
        // Inside of a word: behind its translation.
        ("Pr@ess now", "jetzt drücken@"),
        ("Press n@ow", "jetzt@ drücken"),
        // An element without text is a leaf.
        ("Press [] now", "[] jetzt drücken"),
        ("Press [@] now", "[@] jetzt drücken"),
        ("Press[] now", "jetzt drücken[]"),
        ("[] Press now", "[] jetzt drücken"),
    ] {
        check_inline(source, text, SWAP, expect);
    }
    // Beside punctuation.
    for (source, expect) in [
        ("Press now @.", "jetzt @ drücken."),
        ("Press now@.", "jetzt@ drücken."),
        ("Press @ now.", "@ jetzt drücken."),
    ] {
        check_inline(source, "jetzt drücken.", SWAP, expect);
    }
    check_inline("Press @ now.", "Drücken.", &[(0, 0)], "Drücken @.");
    check_inline(
        "Press now @.",
        "Drücke jetzt.",
        &[(0, 0), (1, 1)],
        "Drücke jetzt @.",
    );
    let reversed = [(0, 3), (1, 2), (2, 1), (3, 0)];
    check_inline(
        "one (@) two three",
        "drei zwei () eins",
        &reversed,
        "drei zwei (@) eins",
    );
    check_inline(
        "one \"@\" two three",
        "drei zwei \"\" eins",
        &reversed,
        "drei zwei \"@\" eins",
    );
    // Codes that open and close, each on its own.
    let reversed = [(0, 2), (1, 1), (2, 0)];
    check_inline(
        "Press @now@ here",
        "hier jetzt drücken",
        &reversed,
        "hier @jetzt@ drücken",
    );
    check_inline("日本@語", "言葉", &[(0, 0)], "言@葉");
    check_inline("a@b", "AB", &[(0, 0)], "AB@");
}

#[test]
fn line_breaks_stay_between_words() {
    for (source, expect) in [
        ("Press<br>now", "jetzt<br>drücken"),
        ("Press <br> now", "jetzt <br> drücken"),
        ("Press<br>\nnow", "jetzt<br> drücken"),
    ] {
        assert_eq!(
            aligned(Format::Html, source, "jetzt drücken", SWAP),
            expect,
            "{source}"
        );
    }
    assert_eq!(aligned(Format::Html, "a<br>b", "X", &[(0, 0)]), "X<br>");
    let pairs = [(0, 2), (1, 3), (2, 0), (3, 1)];
    assert_eq!(
        aligned(
            Format::Html,
            "Press now,<br>then go",
            "dann geh, drücke jetzt",
            &pairs
        ),
        "dann geh,<br>drücke jetzt"
    );
    for code in [
        "<x id='1' ctype='lb'/>",
        "<ph id='1' type='fmt' subType='xlf:lb'/>",
    ] {
        let source = format!("Press{code}now");
        assert_eq!(
            target(&source, "jetzt drücken", SWAP),
            format!("jetzt{code}drücken")
        );
    }
}

#[test]
fn elements_without_text_keep_their_attributes_translated() {
    let document = parse(
        Format::Html,
        "<p>See <a href=x title=here><img alt=map></a> now</p>",
    );
    assert_eq!(texts(&document), ["here", "map", "See now"]);
    assert_eq!(
        write(&document, str::to_uppercase),
        "<p>SEE <a href=x title=\"HERE\"><img alt=\"MAP\"></a> NOW</p>"
    );
    let mark = Mark {
        at: 4,
        role: Role::Single,
        source: "<a href=x title=here><img alt=map></a>".to_owned(),
    };
    assert_eq!(document.segments()[2].marks, [mark]);
}

#[test]
fn tags_without_partners_keep_their_order() {
    // The two line breaks end the segment inside of both elements.
    assert_eq!(
        aligned(
            Format::Html,
            "a <b>c <i>d<br><br></i></b>",
            "d c a",
            &[(0, 2), (1, 1), (2, 0)]
        ),
        "d <b><i>c a<br><br></i></b>"
    );
}

#[test]
fn marks_have_places_in_the_text() {
    let document = parse(Format::Html, "so <b>very <i>big</i></b> <img> end<!--c-->");
    let marks: Vec<_> = document.segments()[0]
        .marks
        .iter()
        .map(|m| (m.at, m.role, m.source.as_str()))
        .collect();
    assert_eq!(document.segments()[0].text, "so very big end");
    assert_eq!(
        marks,
        [
            (3, Role::Open, "<b>"),
            (8, Role::Open, "<i>"),
            (11, Role::Close, "</i>"),
            (11, Role::Close, "</b>"),
            (12, Role::Single, "<img>"),
        ]
    );
}

const SRT: &str = "\u{feff}1\r\n00:00:01,000 --> 00:00:02,500 X1:1\r\n{\\an8}<i>I went to\r\nthe old</i> market\r\n\r\n\
2\r\n00:00:02,600 --> 00:00:04,000\r\nand bought bread.\r\n\r\n3\r\n00:00:05,000 --> 00:00:06,000\r\n- Hi & bye.\r\n- Hello!\r\n";

#[test]
fn subrip_joins_sentences_and_divides_them_again() {
    let document = parse(Format::Srt, SRT);
    assert_eq!(
        texts(&document),
        [
            "I went to the old market and bought bread.",
            "- Hi & bye.",
            "- Hello!"
        ]
    );
    assert_eq!(document.warnings(), []);
    assert_eq!(write(&document, str::to_owned), SRT);
    let expect = SRT
        .replace(
            "I went to\r\nthe old</i> market",
            "I WENT TO THE\r\nOLD</i> MARKET",
        )
        .replace("and bought bread", "AND BOUGHT BREAD")
        .replace("Hi & bye", "HI & BYE")
        .replace("Hello", "HELLO");
    assert_eq!(write(&document, str::to_uppercase), expect);
    let apart = Options {
        join_cues: false,
        ..options()
    };
    let document = Document::parse(Format::Srt, SRT.as_bytes(), &apart).unwrap();
    assert_eq!(document.segments().len(), 4);
    // No blank line appears, whatever the translation.
    let odd = write(
        &parse(
            Format::Srt,
            "1\n00:00:01,000 --> 00:00:02,000\nOne\ntwo\n\n",
        ),
        |_| "a\n\nb".into(),
    );
    assert_eq!(odd, "1\n00:00:01,000 --> 00:00:02,000\na\nb\n\n");
}

#[test]
fn subrip_that_is_broken_is_kept_with_a_warning() {
    let source = "1\n00:00:01,000 --> 00:00:0x,000\nkeep me\n\n2\n00:00:03,000 --> 00:00:04,000\nGo.\n3\n\
                  00:00:05,000 --> 00:00:06,000\nStop.\n\nstray text\n\n00:00:07,000 --> 00:00:08,000\nNo number.";
    check_upper(
        Format::Srt,
        source,
        &["Go.", "Stop.", "No number."],
        &source
            .replace("Go.", "GO.")
            .replace("Stop.", "STOP.")
            .replace("No number.", "NO NUMBER."),
    );
    let lines: Vec<usize> = parse(Format::Srt, source)
        .warnings()
        .iter()
        .map(|w| w.line)
        .collect();
    assert_eq!(lines, [1, 9, 12]);
}

#[test]
fn webvtt_keeps_notes_styles_and_settings() {
    let source = "WEBVTT - title\nKind: captions\n\nNOTE a note\nof two lines\n\nSTYLE\n::cue { color: red }\n\nintro\n\
                  00:01.000 --> 00:02.000 align:start\n<v Mary Ann>Look &amp; <c.loud>listen</c>!\n\n\
                  01:00:02.000 --> 01:00:03.000\nOne <01:00:02.500>two\n";
    check_upper(
        Format::Vtt,
        source,
        &["Look & listen!", "One two"],
        &source
            .replace("Look &amp; <c.loud>listen", "LOOK &amp; <c.loud>LISTEN")
            .replace("One ", "ONE ")
            .replace(">two", ">TWO"),
    );
    let cue = parse(Format::Vtt, "WEBVTT\n\n00:01.000 --> 00:02.000\nx\n");
    assert_eq!(
        write(&cue, |_| "a --> <b".into()),
        "WEBVTT\n\n00:01.000 --> 00:02.000\na --&gt; &lt;b\n"
    );
}

const XLIFF: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2"><file source-language="en" target-language="de">
<body>
  <trans-unit id="1">
    <source>Press <g id="1">the <x id="2"/> red</g> button &amp; wait&#x21;</source>
  </trans-unit>
  <trans-unit id="2"><source>Done</source><target>Fertig</target><alt-trans><source>No</source><target/></alt-trans></trans-unit>
  <trans-unit id="3" translate="no"><source>Keep</source></trans-unit>
  <trans-unit id="4"><source> <ph id="3">&lt;br/></ph>Go <mrk mtype="protected">Acme</mrk> on </source><target state="new"/></trans-unit>
  <trans-unit id="5"><source><x id="1"/></source></trans-unit>
</body></file></xliff>
"#;

#[test]
fn xliff_fills_missing_targets() {
    let document = parse(Format::Xliff, XLIFF);
    assert_eq!(texts(&document), ["Press the red button & wait!", "Go on"]);
    let same = write(&document, str::to_owned);
    let first =
        "<source>Press <g id=\"1\">the <x id=\"2\"/> red</g> button &amp; wait&#x21;</source>";
    let target = first.replace("source", "target");
    let last = " <ph id=\"3\">&lt;br/></ph>Go <mrk mtype=\"protected\">Acme</mrk> on ";
    let expect = XLIFF
        .replace(first, &format!("{first}\n    {target}"))
        .replace(
            "<target state=\"new\"/>",
            &format!("<target state=\"new\">{last}</target>"),
        );
    assert_eq!(same, expect);
    // Now every unit has its target, and the file comes back byte for byte.
    assert_eq!(write(&parse(Format::Xliff, &same), str::to_uppercase), same);
    let again = Options {
        replace_targets: true,
        ..options()
    };
    let document = Document::parse(Format::Xliff, same.as_bytes(), &again).unwrap();
    assert_eq!(
        texts(&document),
        ["Press the red button & wait!", "Done", "Go on"]
    );
    let loud = write(&document, str::to_uppercase);
    assert!(
        loud.contains(
            "<target>PRESS <g id=\"1\">THE <x id=\"2\"/> RED</g> BUTTON &amp; WAIT!</target>"
        ),
        "{loud}"
    );
    assert!(
        loud.contains("<source>Done</source><target>DONE</target>"),
        "{loud}"
    );
    assert!(
        loud.contains("</ph>GO <mrk mtype=\"protected\">Acme</mrk> ON </target>"),
        "{loud}"
    );
}

#[test]
fn xliff_2_segments_prefixes_and_own_entities() {
    let source = "<x:xliff version='2.0'><x:file><x:unit id='1'><x:segment><x:source>A <x:pc id='1'>b</x:pc> <x:ph id='2'/>\
                  &own; c]]</x:source></x:segment><x:ignorable><x:source>Not me</x:source></x:ignorable></x:unit></x:file></x:xliff>";
    let document = parse(Format::Xliff, source);
    assert_eq!(texts(&document), ["A b c]]"]);
    let loud = write(&document, |t| t.to_uppercase() + ">\u{1}x");
    let target = "<x:target>A <x:pc id='1'>B</x:pc> <x:ph id='2'/>&own; C]]&gt; x</x:target>";
    let expect = source.replacen("</x:source>", &format!("</x:source>{target}"), 1);
    assert_eq!(loud, expect);
}

#[test]
fn xliff_states_its_languages() {
    for (source, expect) in [
        (XLIFF, [Some("en"), Some("de")]),
        (
            "<xliff version='1.2'><file source-language=' en-GB '/>\
             <file source-language='fr' target-language='de'/></xliff>",
            [Some("en-GB"), None],
        ),
        (
            "<!-- c --><x:xliff version='1.2'><x:file target-language='zh&#45;Hant' source-language=''>\
             <x:body/></x:file></x:xliff>",
            [None, Some("zh-Hant")],
        ),
        (
            "<xliff version='2.0' srcLang='en' trgLang='de-AT'><file source-language='fr'/></xliff>",
            [Some("en"), Some("de-AT")],
        ),
        (
            "<q:xliff xmlns:q='urn:oasis:names:tc:xliff:document:2.0' srcLang='ja'><q:file id='1'/></q:xliff>",
            [Some("ja"), None],
        ),
        (
            "<xliff><note><xliff srcLang='en'/><file source-language='fr'/></note></xliff>",
            [None, None],
        ),
        ("<xliff/>", [None, None]),
    ] {
        assert_eq!(parse(Format::Xliff, source).languages(), expect, "{source}");
    }
    let page = parse(Format::Html, "<xliff srcLang='en'><p lang='en'>a");
    assert_eq!(page.languages(), [None, None]);
}

#[test]
fn xml_is_bounded_and_must_be_well_formed() {
    let deep = "<a>".repeat(MAX_DEPTH + 1);
    let read = |s: &str| Document::parse(Format::Xliff, s.as_bytes(), &options()).map(|_| ());
    assert!(matches!(
        read(&deep),
        Err(DocumentError::Depth { line: 1, .. })
    ));
    assert!(matches!(
        read("<a>\n<b></a>"),
        Err(DocumentError::Xml { line: 2, .. })
    ));
    assert!(matches!(read("<a>"), Err(DocumentError::Xml { .. })));
    assert!(matches!(
        read("<?xml version='1.0' encoding='latin1'?><a/>"),
        Err(DocumentError::Declared { .. })
    ));
    let latin = Document::parse(Format::Lines, b"caf\xe9", &options());
    assert!(matches!(latin, Err(DocumentError::Encoding { at: 3, .. })));
    let unmarked = Document::parse(Format::Xliff, b"<\0a\0", &options());
    assert!(matches!(
        unmarked,
        Err(DocumentError::Encoding { at: 0, .. })
    ));
    let odd = Document::parse(Format::Lines, b"\xff\xfea", &options());
    assert!(matches!(odd, Err(DocumentError::Encoding { .. })));
    let tmx = Document::parse(Format::Tmx, b"<tmx/>", &options());
    assert!(matches!(tmx, Err(DocumentError::Memory)));
}

#[test]
fn utf_16_comes_back_as_utf_16() {
    for (mark, bytes) in [
        (b"\xff\xfe", u16::to_le_bytes as fn(u16) -> [u8; 2]),
        (b"\xfe\xff", u16::to_be_bytes),
    ] {
        let encode = |s: &str| {
            [
                &mark[..],
                &s.encode_utf16().flat_map(bytes).collect::<Vec<_>>(),
            ]
            .concat()
        };
        let document = Document::parse(Format::Html, &encode("<p>one 🙂</p>"), &options()).unwrap();
        let translated = Translated {
            text: "zwei 🙂".into(),
            alignment: None,
        };
        assert_eq!(
            document.write(&[translated]).unwrap(),
            encode("<p>zwei 🙂</p>")
        );
    }
}

#[test]
fn tmx_gives_pairs_by_language() {
    let source = r#"<?xml version="1.0"?><!DOCTYPE tmx SYSTEM "tmx14.dtd"><tmx version="1.4"><body>
<tu><tuv xml:lang="EN-us"><seg>Open <bpt i="1">&lt;b><sub>x</sub></bpt>the door<ept i="1">&lt;/b></ept> &amp;
  <hi>wait</hi></seg></tuv><tuv xml:lang="de_DE"><seg>Öffne die Tür &#38; warte</seg></tuv><tuv xml:lang="de"><seg>x</seg></tuv></tu>
<tu><tuv lang="en"><seg>Alone</seg></tuv></tu>
<tu><tuv lang="en"><seg><ph/></seg></tuv><tuv lang="de"><seg>leer</seg></tuv></tu>
<tu><tuv lang="eng"><seg>no</seg></tuv><tuv lang="de"><seg>nein</seg></tuv></tu>
</body></tmx>"#;
    let mut pairs = Vec::new();
    tmx_pairs(source.as_bytes(), "en", "de", |p| {
        pairs.push((p.source, p.target))
    })
    .unwrap();
    assert_eq!(
        pairs,
        [(
            "Open the door & wait".to_owned(),
            "Öffne die Tür & warte".to_owned()
        )]
    );
    let mut none = 0;
    tmx_pairs(source.as_bytes(), "en-GB", "de", |_| none += 1).unwrap();
    assert_eq!(none, 0);
    let bomb = "<!DOCTYPE t [<!ENTITY a \"aa\"><!ENTITY b \"&a;&a;\">]><t><tu><tuv lang='en'><seg>\n&b;</seg></tuv></tu></t>";
    let error = tmx_pairs(bomb.as_bytes(), "en", "de", |_| {}).unwrap_err();
    assert!(
        matches!(&error, DocumentError::Entity { line: 2, name } if name == "b"),
        "{error}"
    );
}

#[test]
fn formats_are_told_by_name_or_beginning() {
    let of = |path: &str, head: &[u8]| detect_format(Path::new(path), head);
    for (path, format) in [
        ("a.HTML", Format::Html),
        ("a.srt", Format::Srt),
        ("a.vtt", Format::Vtt),
        ("a.xlf", Format::Xliff),
        ("a.tmx", Format::Tmx),
        ("a.tsv", Format::Table),
        ("a.txt", Format::Lines),
    ] {
        assert_eq!(of(path, b""), format, "{path}");
    }
    for (head, format) in [
        (&b"\xef\xbb\xbfWEBVTT\n"[..], Format::Vtt),
        (b"\n<!DOCTYPE HTML>", Format::Html),
        (b"<?xml version='1.0'?>\n<xliff>", Format::Xliff),
        (b"<?xml version='1.0'?><tmx>", Format::Tmx),
        (b"<\0?\0", Format::Lines),
        (b"\xff\xfe<\0t\0m\0x\0", Format::Tmx),
        (b"1\r\n00:00:01,000 --> 00:00:02,000\r\n", Format::Srt),
        (b"1\nyes", Format::Lines),
        (b"\xff", Format::Lines),
    ] {
        assert_eq!(of("-", head), format, "{head:?}");
    }
}

/// A search that starts again at every tag would not end in an acceptable time.
#[test]
fn long_documents_take_linear_time() {
    let n = 50_000;
    for (format, part) in [
        (Format::Html, "<b>x "),
        (Format::Html, "<b>one</b> two, "),
        (Format::Html, "<p>a</b>"),
        (Format::Html, "<b> "),
        (Format::Html, "<b><img> "),
        (Format::Html, "<i></i>\n<img>"),
        (Format::Html, "x<img>"),
        (Format::Html, "x<br>"),
        (Format::Html, "<code>a<div translate>b"),
        (Format::Html, "< &am; </> <br> \n"),
        (Format::Html, "日本"),
        (Format::Srt, "<<i>{\\"),
        (Format::Srt, "1\n00:00:01,000 --> 00:00:01,000\n"),
        (Format::Srt, "word\n"),
        (Format::Xliff, "<x/>a "),
        (Format::Xliff, "<g>a</g>b "),
    ] {
        let body = part.repeat(n);
        let source = match format {
            Format::Xliff => format!("<xliff><segment><source>{body}</source></segment></xliff>"),
            Format::Srt => format!("1\n00:00:01,000 --> 00:00:02,000\n{body}"),
            // Text, so that markup alone is a segment too.
            _ => body + "x",
        };
        let document = parse(format, &source);
        let loud = write(&document, |t| t.to_uppercase() + " more");
        let visible = |text: &str| text.bytes().filter(|b| !b.is_ascii_whitespace()).count();
        assert!(visible(&loud) >= visible(&source), "{part}");
    }
}

#[test]
fn another_number_of_translations_is_refused() {
    let error = parse(Format::Lines, "a\nb").write(&[]).unwrap_err();
    assert!(matches!(
        error,
        DocumentError::Count {
            wanted: 2,
            found: 0
        }
    ));
}

const FORMATS: [Format; 6] = [
    Format::Lines,
    Format::Table,
    Format::Html,
    Format::Srt,
    Format::Vtt,
    Format::Xliff,
];

/// Tags of HTML in their order; and whether those of paired inline elements are balanced.
fn tags(html: &str) -> (Vec<String>, bool) {
    let mut tags = Vec::new();
    let mut open = Vec::new();
    let mut balanced = true;
    for part in html.split('<').skip(1) {
        let tag = part.split_once('>').map_or(part, |(tag, _)| tag).to_owned();
        match tag.strip_prefix('/') {
            Some(name) => balanced &= open.pop().as_deref() == Some(name),
            None if !matches!(tag.as_str(), "br" | "img") => open.push(tag.clone()),
            None => {}
        }
        tags.push(tag);
    }
    tags.sort_unstable();
    (tags, balanced && open.is_empty())
}

fn inline() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[a-zß]{1,6}",
        Just(" ".to_owned()),
        Just("\n\t".to_owned()),
        Just("&amp;".to_owned()),
        Just(", ".to_owned()),
        Just("日本".to_owned()),
        Just("<br>".to_owned()),
        Just("<img>".to_owned()),
        Just("<code>x</code>".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        (
            prop_oneof![Just("b"), Just("i"), Just("a"), Just("span")],
            prop::collection::vec(inner, 0..5),
        )
            .prop_map(|(name, parts)| format!("<{name}>{}</{name}>", parts.concat()))
    })
}

fn html() -> impl Strategy<Value = String> {
    let block = (
        prop_oneof![Just("p"), Just("li"), Just("td"), Just("div")],
        prop::collection::vec(inline(), 0..6),
    )
        .prop_map(|(name, parts)| format!("<{name}>{}</{name}>\n", parts.concat()));
    prop::collection::vec(block, 1..4).prop_map(|blocks| blocks.concat())
}

fn cues() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "[a-z ]{1,12}[.,]?",
        "<i>[a-z]{1,5} [a-z]{1,5}</i>",
        "- [A-Z][a-z]{1,4}\\.",
        "\\{\\\\an8\\}[a-z]{1,5}"
    ];
    let end = prop_oneof![Just("\n"), Just("\r\n")];
    (
        prop::collection::vec(prop::collection::vec(line, 1..3), 1..6),
        end,
    )
        .prop_map(|(cues, end)| {
            let cue = |(k, lines): (usize, &Vec<String>)| {
                let head = format!("{}{end}00:00:{k:02}.000 --> 00:00:{k:02}.900{end}", k + 1);
                format!("{head}{}{end}{end}", lines.join(end))
            };
            cues.iter().enumerate().map(cue).collect()
        })
}

proptest! {
    #[test]
    fn html_keeps_its_tags_balanced(
        source in html(),
        text in "[a-z]{0,3}( [a-z本]{1,4}){0,8}",
        pairs in prop::collection::vec((0_usize..9, 0_usize..9), 0..12),
        aligned in any::<bool>(),
    ) {
        let loud = upper(Format::Html, &source);
        let (before, balanced) = tags(&source);
        prop_assert!(balanced);
        prop_assert_eq!(&tags(&loud), &(before.clone(), true), "{}", loud);
        let document = parse(Format::Html, &source);
        let translated = Translated { text: text.clone(), alignment: aligned.then_some(pairs) };
        let all = vec![translated; document.segments().len()];
        let out = String::from_utf8(document.write(&all).unwrap()).unwrap();
        prop_assert_eq!(&tags(&out), &(before, true), "{}", out);
    }

    #[test]
    fn tags_neither_join_nor_split_words(
        parts in prop::collection::vec(prop::sample::select(vec![
            "a", "bc", "d", " ", " ", "<img>", "<br>", "<code>x</code>", "<i>", "</i>", "<b>", "</b>", "<i></i>",
        ]), 1..24),
        text in "[a-z]{1,3}( [a-z]{1,4}){0,8}",
        pairs in prop::collection::vec((0_usize..9, 0_usize..9), 0..12),
        aligned in any::<bool>(),
    ) {
        let document = parse(Format::Html, &parts.concat());
        let translated = Translated { text: text.clone(), alignment: aligned.then_some(pairs) };
        let count = document.segments().len();
        let out = String::from_utf8(document.write(&vec![translated; count]).unwrap()).unwrap();
        let plain = out.replace("<code>x</code>", "").replace("<br>", " ");
        let plain: String = plain.split('<').map(|p| p.split_once('>').map_or(p, |(_, text)| text)).collect();
        let wanted = vec![text; count].join(" ");
        prop_assert!(plain.split_whitespace().eq(wanted.split_whitespace()), "{}", out);
    }

    #[test]
    fn html_keeps_its_words(source in html()) {
        let loud = write(&parse(Format::Html, &source), str::to_uppercase);
        let words = |html: &str| {
            let html = html.replace("<code>x</code>", "").to_uppercase();
            let text: String = html.split('<').map(|p| p.split_once('>').map_or(p, |(_, text)| text)).collect();
            text.replace(char::is_whitespace, "").replace("&AMP;", "&")
        };
        prop_assert_eq!(words(&source), words(&loud));
    }

    #[test]
    fn subtitles_keep_all_but_text(source in cues(), text in "[a-z]{0,3}( [a-z<&-]{1,4}){0,8}") {
        for (format, head) in [(Format::Srt, ""), (Format::Vtt, "WEBVTT\n\n")] {
            let source = format!("{head}{source}");
            upper(format, &source);
            let document = parse(format, &source);
            let out = write(&document, |_| text.clone());
            let times = |s: &str| s.lines().filter(|l| l.contains("-->")).map(str::to_owned).collect::<Vec<_>>();
            prop_assert_eq!(times(&source), times(&out));
            prop_assert_eq!(source.matches("<i>").count(), out.matches("<i>").count());
            prop_assert_eq!(source.matches("</i>").count(), out.matches("</i>").count());
        }
    }

    #[test]
    fn xliff_inserts_targets_only(parts in prop::collection::vec("[a-z ]{0,5}(&lt;|<g id='1'>[a-z]{1,4}</g>|<x id='2'/>)?", 1..5)) {
        let units: String = parts
            .iter()
            .map(|p| format!("<trans-unit>\n <source>{p}</source>\n</trans-unit>"))
            .collect();
        let source = format!("<xliff><file><body>{units}</body></file></xliff>");
        let document = parse(Format::Xliff, &source);
        let out = write(&document, str::to_owned);
        let mut rest = out.clone();
        for part in &parts {
            rest = rest.replacen(&format!("\n <target>{part}</target>"), "", 1);
        }
        prop_assert_eq!(rest, source);
        let loud = write(&document, str::to_uppercase);
        prop_assert!(Document::parse(Format::Xliff, loud.as_bytes(), &options()).unwrap().segments().is_empty());
    }

    #[test]
    fn tables_and_lines_come_back(source in "([a-z \\t\\r]{0,9}\n?){0,6}") {
        upper(Format::Lines, &source);
        let loud = upper(Format::Table, &source);
        prop_assert_eq!(loud.matches('\t').count(), source.matches('\t').count());
    }

    #[test]
    fn nothing_panics_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), pairs in
        prop::collection::vec((any::<usize>(), any::<usize>()), 0..4)) {
        robust(&bytes, &pairs);
    }

    #[test]
    fn nothing_panics_on_markup(source in
        "(<|>|/|</|&|&amp;|&#|;|\"|'|=|<!--|-->|<!|<\\?|\\]\\]>|<!\\[CDATA\\[|p|b|br|code|pre|title|script|li| translate=no|\
        | alt=|\n\n|\n|\r|\u{0}| |1|00:00:01,000 --> 00:00:02,000|WEBVTT|NOTE|\\{\\\\|\\}|é|日|<p>|</p>|<b>|</b>|<source>|\
        |</source>|<segment>|</segment>|<target>|</target>|<seg>|\t|-){0,40}",
        pairs in prop::collection::vec((0_usize..20, 0_usize..20), 0..9)) {
        robust(source.as_bytes(), &pairs);
    }
}

/// Reads bytes as every format; unchanged texts give them back; others break nothing.
fn robust(bytes: &[u8], pairs: &[(usize, usize)]) {
    let _ = tmx_pairs(bytes, "en", "de", |_| {});
    let _ = detect_format(Path::new("x"), bytes);
    for format in FORMATS {
        let Ok(document) = Document::parse(format, bytes, &options()) else {
            // Valid text in the forgiving formats is never refused.
            assert!(
                format == Format::Xliff
                    || std::str::from_utf8(bytes).is_err()
                    || bytes.starts_with(b"<\0")
                    || bytes.starts_with(b"\0<"),
                "{format:?} {bytes:?}"
            );
            continue;
        };
        let with = |change: fn(&str) -> String, alignment: Option<&[(usize, usize)]>| {
            let translated: Vec<_> = document
                .segments()
                .iter()
                .map(|s| Translated {
                    text: change(&s.text),
                    alignment: alignment.map(<[_]>::to_vec),
                })
                .collect();
            document.write(&translated).unwrap()
        };
        if format != Format::Xliff {
            assert_eq!(with(str::to_owned, None), bytes, "{format:?}");
        }
        for segment in document.segments() {
            assert!(!segment.text.is_empty());
            for mark in &segment.marks {
                assert!(segment.text.is_char_boundary(mark.at), "{segment:?}");
            }
        }
        with(str::to_uppercase, None);
        with(|t| t.chars().rev().collect(), Some(pairs));
        with(|_| String::new(), Some(pairs));
        with(|t| format!("{t} x {t}"), Some(pairs));
    }
}
