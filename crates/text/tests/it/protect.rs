//! Items that a translation copies.

use proptest::prelude::*;
use refrain_text::protect::{
    Kind, MOST, balanced, check, is_placeholder, protect, protect_pair, restore, surplus,
};

/// Protects `text` and compares the items; also puts them back.
fn items(text: &str, expect: &[(Kind, &str)]) {
    let (out, spans) = protect(text);
    let found: Vec<(Kind, &str)> = spans
        .iter()
        .map(|span| (span.kind, span.text.as_str()))
        .collect();
    assert_eq!(found, expect, "{text}");
    for span in &spans {
        assert_eq!(&text[span.range.clone()], span.text);
    }
    assert_eq!(restore(&out, &spans), (text.to_owned(), vec![]));
}

#[test]
fn addresses_are_found() {
    items(
        "See https://example.org/a_b?c=d#e.",
        &[(Kind::Url, "https://example.org/a_b?c=d#e")],
    );
    items(
        "(www.example.org/x(y))",
        &[(Kind::Url, "www.example.org/x(y)")],
    );
    items(
        "https://example.org/Köln, ja",
        &[(Kind::Url, "https://example.org/Köln")],
    );
    items(
        "https://example.jp/aを見て",
        &[(Kind::Url, "https://example.jp/a")],
    );
    items(
        "example.com and example.com/a!",
        &[(Kind::Url, "example.com"), (Kind::Url, "example.com/a")],
    );
    items(
        "Mail me.too+x@mail.example.org, please.",
        &[(Kind::Email, "me.too+x@mail.example.org")],
    );
    items("me@example.kr에 써", &[(Kind::Email, "me@example.kr")]);
    items("a@b and @me and end.of", &[]);
}

#[test]
fn phone_numbers_are_found() {
    items("Call +447378099903!", &[(Kind::Phone, "+447378099903")]);
    items("+49 (0)30 123456", &[(Kind::Phone, "+49 (0)30 123456")]);
    items(
        "(030) 123456, 03-1234-5678",
        &[(Kind::Phone, "(030) 123456"), (Kind::Phone, "03-1234-5678")],
    );
    items("+5 degrees, +12 men", &[]);
}

#[test]
fn amounts_are_found() {
    items(
        "€30, $5.50 or 30 €",
        &[
            (Kind::Money, "€30"),
            (Kind::Money, "$5.50"),
            (Kind::Money, "30 €"),
        ],
    );
    items(
        "1.000,50 EUR, US$ 1,000 und 5 000 CHF",
        &[
            (Kind::Money, "1.000,50 EUR"),
            (Kind::Money, "US$ 1,000"),
            (Kind::Money, "5 000 CHF"),
        ],
    );
    items("5\u{A0}000 €です", &[(Kind::Money, "5\u{A0}000 €")]);
    items("￥１２００円", &[(Kind::Money, "￥１２００")]);
}

#[test]
fn times_measures_and_numbers_are_found() {
    items(
        "at 19:30 or 9:05:07",
        &[(Kind::Time, "19:30"), (Kind::Time, "9:05:07")],
    );
    items(
        "3.5 km, 20 %, 100m, 5 °C, 10 KBps",
        &[
            (Kind::Measure, "3.5 km"),
            (Kind::Measure, "20 %"),
            (Kind::Measure, "100m"),
            (Kind::Measure, "5 °C"),
            (Kind::Measure, "10 KBps"),
        ],
    );
    items(
        "In 2026, 1,000 of 12.03.2024; 3.14.",
        &[
            (Kind::Number, "2026"),
            (Kind::Number, "1,000"),
            (Kind::Number, "12.03.2024"),
            (Kind::Number, "3.14"),
        ],
    );
    items(
        "2026年に100人",
        &[(Kind::Number, "2026"), (Kind::Number, "100")],
    );
}

#[test]
fn units_that_begin_alike_are_told_apart() {
    for measure in [
        "250 ml", "5 mg", "3000 mAh", "60 mph", "2 lb", "9 l", "7 m", "80 km/h", "20 MB/s", "5 kWh",
    ] {
        items(&format!("It has {measure}."), &[(Kind::Measure, measure)]);
    }
}

#[test]
fn small_numbers_and_digits_in_words_stay() {
    items("2 men, 12 women, 5 menu items", &[]);
    items("A4, iPhone12, the 3rd and the 100th, 1000er, x_500", &[]);
    items("100 men", &[(Kind::Number, "100")]);
}

#[test]
fn the_same_item_has_one_placeholder() {
    let (out, spans) = protect("2026 or 2027 or 2026");
    assert_eq!(out, "\u{E000} or \u{E001} or \u{E000}");
    assert_eq!(spans.len(), 3);
    let (text, lost) = restore("\u{E001} oder \u{E000}", &spans);
    assert_eq!(text, "2027 oder 2026");
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].text, "2026");
}

#[test]
fn placeholders_in_the_text_come_back() {
    items(
        "\u{E000} is 500 and \u{E001}",
        &[
            (Kind::Placeholder, "\u{E000}"),
            (Kind::Number, "500"),
            (Kind::Placeholder, "\u{E001}"),
        ],
    );
    // All placeholders are taken by the text, so the number stays.
    let all: String = (0..MOST as u32)
        .filter_map(|i| char::from_u32(0xE000 + i))
        .collect();
    let text = format!("500 {all}");
    let (out, spans) = protect(&text);
    assert!(out.starts_with("500 "));
    assert_eq!(restore(&out, &spans), (text, vec![]));
}

#[test]
fn a_models_own_placeholders_are_left_out() {
    let (_, spans) = protect("In 2026");
    assert_eq!(
        restore("\u{E007}Im Jahr \u{E000}\u{E01F}", &spans).0,
        "Im Jahr 2026"
    );
}

#[test]
fn too_many_items_stay() {
    let text: String = (0..50).map(|i| format!("{} ", 1000 + i)).collect();
    let (out, spans) = protect(&text);
    assert_eq!(spans.len(), MOST);
    assert_eq!(restore(&out, &spans), (text, vec![]));
}

#[test]
fn a_pair_shares_placeholders() {
    let pair = protect_pair(
        "At 19:30 we paid $5.50 in 2026.",
        "2026 zahlten wir um 19:30 Uhr 5,50 $.",
    );
    assert_eq!(pair.source, "At \u{E000} we paid $5.50 in \u{E001}.");
    assert_eq!(pair.target, "\u{E001} zahlten wir um \u{E000} Uhr 5,50 $.");
    assert_eq!(pair.spans.len(), 2);
    let none = protect_pair("See www.example.org", "Siehe dort");
    assert_eq!(
        (none.source.as_str(), none.spans.len()),
        ("See www.example.org", 0)
    );
    // A placeholder of the target alone still cannot be taken for an item.
    let literal = protect_pair("In 2026", "\u{E000} 2026");
    assert_eq!(literal.source.chars().last(), literal.target.chars().last());
    assert_ne!(literal.target.chars().next(), literal.target.chars().last());
}

fn lost(source: &str, output: &str) -> Vec<String> {
    check(source, output)
        .into_iter()
        .map(|span| span.text)
        .collect()
}

fn extra(source: &str, output: &str) -> Vec<String> {
    let spans = surplus(source, output);
    for span in &spans {
        assert_eq!(&output[span.range.clone()], span.text);
    }
    spans.into_iter().map(|span| span.text).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn lost_items_are_named() {
    assert_eq!(
        lost(
            "2 men paid €1,000.50 at 19:30",
            "2 Männer zahlten um 19.30 Uhr 1.000,50 €"
        ),
        NONE
    );
    assert_eq!(lost("5 and 5", "5"), ["5"]);
    assert_eq!(lost("１０時に", "at 10"), NONE);
    assert_eq!(
        lost(
            "me@example.org www.example.org",
            "me@example.com www.example.org"
        ),
        ["me@example.org"]
    );
}

#[test]
fn number_words_stand_for_small_numbers() {
    for (source, output) in [
        ("2 men and 3 dogs", "zwei Männer und 3 Hunde"),
        ("2 men and 3 dogs", "Deux hommes et trois chiens"),
        ("2 Männer, 1 Hund, 0 Katzen", "two men, ONE dog, zero cats"),
        ("1 or 1", "einem oder einer"),
        ("1 day", "l'un des jours"),
        ("12 men, 11 dogs", "zwo\u{308}lf Männer, ELF Hunde"),
        ("2 men", "男の人が２人"),
        ("2 men", "男の人が二人"),
        ("12 men", "十二人"),
        ("2 people, 2 dogs", "두 사람과 개 두 마리"),
        ("3 cats", "고양이 셋"),
        ("in 10 days", "십 일 안에"),
        ("12 months", "열두 달"),
        ("２つ", "a two-year-old"),
    ] {
        assert_eq!(lost(source, output), NONE, "{source} / {output}");
    }
    // A part of a Latin word is no word, each word counts once, and other numbers have none.
    assert_eq!(lost("2 men", "zweifellos"), ["2"]);
    assert_eq!(lost("1 man", "Weine"), ["1"]);
    assert_eq!(lost("2 men, 2 dogs", "zwei Männer, Hunde"), ["2"]);
    assert_eq!(lost("2 and 3", "zwei und zwei"), ["3"]);
    assert_eq!(lost("13 men", "dreizehn Männer"), ["13"]);
    assert_eq!(lost("05", "five"), ["05"]);
    assert_eq!(lost("2 km", "zwei Kilometer"), ["2 km"]);
}

#[test]
fn invented_and_doubled_items_are_named() {
    for (source, output) in [
        (
            "At 19:30 we paid €1,000.50.",
            "Um 19:30 zahlten wir 1.000,50 €.",
        ),
        ("30 Euro", "30 €"),
        ("two euros and 5 kilometres", "2 € und 5 km"),
        ("an item and 7 dogs", "1 Ding und 7 Hunde"),
        ("2 €, a dog", "2 €, 2 Hunde"),
        ("", ""),
    ] {
        assert_eq!(extra(source, output), NONE, "{source} / {output}");
    }
    assert_eq!(
        extra(
            "See www.example.org.",
            "Siehe www.example.org und www.example.com."
        ),
        ["www.example.com"]
    );
    assert_eq!(
        extra("In 2026", "Im Jahr 2026, 2026 und 2027"),
        ["2026", "2027"]
    );
    assert_eq!(extra("2 dogs, 2 €", "2 €, 2 €, 2 Hunde"), ["2 €"]);
    assert_eq!(extra("2 dogs", "2 €, 2 €"), ["2 €"]);
    assert_eq!(extra("five hundred", "500"), ["500"]);
    assert_eq!(
        extra("at 7", "um 19:30, me@example.org"),
        ["19:30", "me@example.org"]
    );
    assert_eq!(extra("a", "a \u{E000}"), ["\u{E000}"]);
    let spans = surplus("In 2026", "2026: 2026");
    assert_eq!((spans.len(), spans[0].range.clone()), (1, 6..10));
}

#[test]
fn outputs_have_each_placeholder_as_often_as_the_source() {
    let (_, spans) = protect("2026 or 2027 or 2026");
    for (output, expect) in [
        ("\u{E000} \u{E001} \u{E000}", true),
        ("\u{E001}\u{E000}oder\u{E000}", true),
        ("\u{E000} \u{E001}", false),
        ("\u{E000} \u{E000} \u{E000}", false),
        ("\u{E000} \u{E001} \u{E000} \u{E001}", false),
        ("\u{E000} \u{E001} \u{E000} \u{E002}", false),
        ("", false),
    ] {
        assert_eq!(balanced(output, &spans), expect, "{output:?}");
    }
    assert!(balanced("two \u{E020}", &[]));
    assert!(!balanced("two \u{E01F}", &[]));
}

/// Texts in which digits, separators, signs and letters meet.
fn mixed() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "1",
        "23",
        "456",
        "1000",
        ".",
        ",",
        ":",
        "-",
        "/",
        " ",
        "\u{A0}",
        "€",
        "$",
        "%",
        "km",
        "m",
        "a",
        "@",
        "example.org",
        "http://",
        "www.",
        "+",
        "(",
        ")",
        "日",
        "에",
        "５",
        "\u{E000}",
        "\u{E01F}",
        "\u{E020}",
        "é",
    ]);
    prop::collection::vec(parts, 0..16).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_text_comes_back(text in prop_oneof![any::<String>(), mixed()]) {
        let (out, spans) = protect(&text);
        let mut end = 0;
        for span in &spans {
            prop_assert!(span.range.start >= end && span.range.end > span.range.start);
            prop_assert_eq!(&text[span.range.clone()], span.text.as_str());
            end = span.range.end;
        }
        prop_assert_eq!(out.chars().filter(|&c| is_placeholder(c)).count(), spans.len());
        prop_assert_eq!(restore(&out, &spans), (text.clone(), vec![]));
        prop_assert!(balanced(&out, &spans));
        prop_assert!(check(&text, &text).is_empty());
        prop_assert!(surplus(&text, &text).is_empty());
    }

    #[test]
    fn both_sides_of_a_pair_come_back(source in mixed(), target in mixed()) {
        let pair = protect_pair(&source, &target);
        prop_assert_eq!(restore(&pair.source, &pair.spans), (source, vec![]));
        // Placeholder characters of the target alone have no span, and nothing else is lost.
        let literal = |text: &str| text.chars().filter(|&c| !is_placeholder(c)).collect::<String>();
        prop_assert_eq!(literal(&restore(&pair.target, &pair.spans).0), literal(&target));
    }
}
