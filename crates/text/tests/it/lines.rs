//! Lines in, lines out.

use proptest::prelude::*;
use refrain_text::lines::{LineError, Lines, is_blank, nfc};
use std::io::{self, BufReader, Read};

/// Reads with a buffer of three bytes, so that every end meets the edge of a buffer.
fn read(input: &[u8], limit: usize) -> Vec<Result<(String, &'static str), String>> {
    Lines::new(BufReader::with_capacity(3, input), limit)
        .map(|line| {
            line.map(|line| (line.text, line.end))
                .map_err(|error| error.to_string())
        })
        .collect()
}

fn texts(input: &str) -> Vec<(String, &'static str)> {
    read(input.as_bytes(), 1000)
        .into_iter()
        .map(|line| line.expect("a line"))
        .collect()
}

fn owned(lines: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    lines
        .iter()
        .map(|&(text, end)| (text.to_owned(), end))
        .collect()
}

#[test]
fn only_a_line_feed_ends_a_line() {
    assert_eq!(
        texts("a\u{2028}b\u{85}c\rd\u{c}\n\ne"),
        owned(&[("a\u{2028}b\u{85}c\rd\u{c}", "\n"), ("", "\n"), ("e", "")])
    );
    assert_eq!(texts(""), owned(&[]));
    assert_eq!(texts("\n"), owned(&[("", "\n")]));
}

#[test]
fn carriage_returns_are_kept_aside() {
    assert_eq!(
        texts("a\r\nb\n\r\nc\r\r\nd\r"),
        owned(&[
            ("a", "\r\n"),
            ("b", "\n"),
            ("", "\r\n"),
            ("c\r", "\r\n"),
            ("d\r", "")
        ])
    );
}

#[test]
fn a_byte_order_mark_is_left_out_at_the_start_only() {
    assert_eq!(
        texts("\u{FEFF}a\n\u{FEFF}b"),
        owned(&[("a", "\n"), ("\u{FEFF}b", "")])
    );
    assert_eq!(texts("\u{FEFF}"), owned(&[("", "")]));
}

#[test]
fn utf_16_is_told_by_its_mark() {
    for (mark, bytes) in [
        (b"\xFF\xFE", u16::to_le_bytes as fn(u16) -> [u8; 2]),
        (b"\xFE\xFF", u16::to_be_bytes),
    ] {
        let text = "one\ntwo\n".encode_utf16().flat_map(bytes);
        for input in [[mark.to_vec(), text.collect()].concat(), mark.to_vec()] {
            for limit in [0, 3, 1000] {
                let mut lines = Lines::new(BufReader::with_capacity(1, input.as_slice()), limit);
                let error = lines.next().expect("an item").expect_err("UTF-16");
                assert!(matches!(error, LineError::Utf16 { line: 1 }), "{error:?}");
                let message = error.to_string();
                assert!(
                    message.starts_with("line 1: the text is UTF-16;") && message.contains("iconv")
                );
                assert!(lines.next().is_none());
            }
        }
    }
    // Behind the start, and with one byte only, it is a line that is not UTF-8.
    for input in [&b"a\n\xFF\xFEb"[..], b"\xFF", b"\xFFa\xFE"] {
        let last = Lines::new(input, 1000).last();
        assert!(
            matches!(last, Some(Err(LineError::NotUtf8 { .. }))),
            "{last:?}"
        );
    }
}

#[test]
fn a_line_that_is_not_utf8_is_an_error_in_its_place() {
    let lines = read(b"one\ntw\xFFo\r\nthree\n", 1000);
    assert_eq!(lines[0], Ok(("one".to_owned(), "\n")));
    assert!(
        lines[1]
            .as_ref()
            .is_err_and(|e| e.starts_with("line 2 is not UTF-8: invalid byte at offset 2")),
        "{lines:?}"
    );
    assert_eq!(lines[2], Ok(("three".to_owned(), "\n")));
    assert_eq!(lines.len(), 3);
}

#[test]
fn a_line_may_be_as_long_as_the_limit() {
    for end in ["", "\n", "\r\n"] {
        for length in 0..12 {
            let input = format!("{}{end}", "x".repeat(length));
            for mark in ["", "\u{FEFF}"] {
                let lines: Vec<_> = Lines::new(
                    BufReader::with_capacity(3, format!("{mark}{input}").as_bytes()),
                    5,
                )
                .collect();
                match lines.first() {
                    None => assert!(mark.is_empty() && input.is_empty()),
                    Some(Ok(line)) => {
                        assert!(length <= 5 && line.text.len() == length && line.end == end)
                    }
                    Some(Err(LineError::TooLong {
                        line: 1,
                        bytes,
                        limit: 5,
                        end: found,
                    })) => {
                        assert_eq!((*bytes, *found), (length as u64, end));
                        assert!(length > 5);
                    }
                    Some(other) => panic!("{other:?}"),
                }
            }
        }
    }
}

#[test]
fn reading_goes_on_behind_a_line_that_is_too_long() {
    let lines = read(b"123456\nab\r\n1234567890\r\n\ncd", 5);
    assert!(lines[0].is_err() && lines[2].is_err());
    assert_eq!(lines[1], Ok(("ab".to_owned(), "\r\n")));
    assert_eq!(lines[3], Ok((String::new(), "\n")));
    assert_eq!(lines[4], Ok(("cd".to_owned(), "")));
}

#[test]
fn an_error_of_the_input_is_the_last_item() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("unplugged"))
        }
    }
    let input = BufReader::new(b"a\nb".chain(Broken));
    let lines: Vec<_> = Lines::new(input, 10).collect();
    assert_eq!(lines.len(), 2);
    assert!(matches!(lines[1], Err(LineError::Io { line: 2, .. })));
}

#[test]
fn blank_lines_are_recognised() {
    for text in ["", " ", "\t\u{A0}\u{3000}", "\u{200B}\u{FEFF}", "\r"] {
        assert!(is_blank(text), "{text:?}");
    }
    for text in ["a", ".", "\u{A0}一"] {
        assert!(!is_blank(text), "{text:?}");
    }
}

#[test]
fn characters_are_composed_and_no_more() {
    assert_eq!(nfc("e\u{301}té"), "été");
    assert_eq!(nfc("か\u{3099}"), "が");
    assert_eq!(nfc("１㎏ﬁ"), "１㎏ﬁ");
}

proptest! {
    #[test]
    fn lines_and_ends_are_the_input(input in "[aé\r\n\u{2028}日]{0,30}") {
        let back: String = texts(&input).into_iter().map(|(text, end)| text + end).collect();
        prop_assert_eq!(back, input);
    }

    #[test]
    fn any_bytes_give_a_line_per_line_feed(
        input in prop::collection::vec(prop::sample::select(b"\0a\r\n\xC3\xA9\xFF".to_vec()), 0..60),
        limit in 0_usize..8,
    ) {
        let lines = read(&input, limit);
        let feeds = input.iter().filter(|&&b| b == b'\n').count();
        let open = usize::from(input.last().is_some_and(|&b| b != b'\n'));
        prop_assert_eq!(lines.len(), feeds + open);
    }
}
