//! Whole files.

use crate::writer::{self, Numbers, container, lstm, unicharset};
use refrain_tesseract::{Activation, Layer, parse};

#[test]
fn every_part_of_a_file_is_read() {
    for numbers in [Numbers::Int8, Numbers::Double] {
        let (file, net) = writer::model(numbers);
        let model = parse(&file).unwrap();
        assert_eq!(model.version, "4.00.00alpha:test");
        assert_eq!(model.spec, "[1,12,0,1 ...]");
        assert_eq!(model.iterations, 1000);
        assert_eq!(
            model.config,
            [("preserve_interword_spaces".to_owned(), "1".to_owned())]
        );
        assert!(model.left_out.is_empty());
        assert_eq!(model.network.parameters(), net.weights());
        assert_eq!(model.network.architecture().clip, numbers == Numbers::Int8);
        assert_eq!(model.network.architecture().frames(20), 6);
        let words: Vec<String> = model.lexicon().collect();
        assert_eq!(words, ["a", "ab", "abb", "Äba", "Äfi"]);
        assert_eq!(model.words.len(), 5);
        assert_eq!(model.punctuation.iter().collect::<Vec<_>>(), [" ", " ."]);
        assert_eq!(model.numbers.iter().collect::<Vec<_>>(), [" . "]);
        let texts: Vec<&str> = model
            .unichars
            .iter()
            .map(|unichar| &unichar.text[..])
            .collect();
        assert_eq!(
            texts,
            [" ", "Joined", "|Broken|0|1", "a", "b", "Ä", "fi", "."]
        );
        let capital = &model.unichars[5];
        assert!(capital.upper && capital.alphabetic && !capital.lower && !capital.digit);
        assert_eq!(
            (capital.other_case, capital.mirror, capital.direction),
            (Some(5), Some(5), 0)
        );
        assert_eq!((&capital.script[..], &capital.normed[..]), ("Latin", "Ä"));
        assert!(model.unichars[7].punctuation);
        assert_eq!((model.charset.labels(), model.charset.blank()), (7, 6));
    }
}

#[test]
fn the_tree_of_the_file_becomes_a_list_of_layers() {
    let model = parse(&writer::model(Numbers::Int8).0).unwrap();
    let layers = &model.network.architecture().layers;
    assert_eq!(layers.len(), 11);
    let (kernel, activation) = ([1, 3], Activation::Relu);
    assert_eq!(
        layers[2],
        Layer::Conv {
            inputs: 3,
            outputs: 4,
            kernel,
            activation
        }
    );
    assert_eq!(layers[3], Layer::Maxpool { kernel: [2, 3] });
    let expected = Layer::ColumnLstm {
        inputs: 4,
        hidden: 5,
        reverse: false,
    };
    assert_eq!(layers[4], expected);
    let expected = Layer::Lstm {
        inputs: 6,
        hidden: 4,
        reverse: true,
    };
    assert_eq!(layers[6], expected);
    assert_eq!(
        layers[10],
        Layer::Softmax {
            inputs: 6,
            outputs: 7
        }
    );
    let shapes: Vec<(String, Vec<usize>)> = model
        .network
        .tensors()
        .into_iter()
        .map(|(name, shape, _)| (name, shape))
        .collect();
    assert!(shapes.contains(&("layers.0.weight".to_owned(), vec![4, 1, 3, 3])));
    assert!(shapes.contains(&("layers.4.weight_ih".to_owned(), vec![20, 4])));
    assert!(shapes.contains(&("layers.4.weight_hh".to_owned(), vec![20, 5])));
    assert!(shapes.contains(&("layers.4.bias".to_owned(), vec![20])));
}

#[test]
fn without_a_recoder_each_character_is_its_own_label() {
    let net = writer::Maker::new(1, Numbers::Double).network(9, 6);
    let file = container(&[
        (writer::LSTM, lstm(&net, Numbers::Double, false, 5)),
        (writer::UNICHARSET, unicharset(&["x", "y"])),
    ]);
    let model = parse(&file).unwrap();
    assert_eq!(model.charset.text(&[3, 0, 4]), "x y");
    assert!(model.words.is_empty() && model.lexicon().next().is_none());
}

#[test]
fn entries_of_the_legacy_engine_are_named() {
    let net = writer::Maker::new(1, Numbers::Double).network(9, 6);
    let file = container(&[
        (writer::LEGACY, vec![1, 2, 3]),
        (writer::LSTM, lstm(&net, Numbers::Double, false, 5)),
        (writer::UNICHARSET, unicharset(&["x", "y"])),
    ]);
    assert_eq!(parse(&file).unwrap().left_out, ["inttemp"]);
}

#[test]
fn older_lines_of_characters_are_read() {
    let net = writer::Maker::new(1, Numbers::Double).network(9, 6);
    let lines =
        "5\nNULL 0 NULL 0\na 3 0,255,0,255 Latin 2\nA 5 Latin 1\nb 3\n( a 0,9,0,9 Common 4 10 3\n";
    let file = |lines: &str| {
        container(&[
            (writer::LSTM, lstm(&net, Numbers::Double, false, 5)),
            (writer::UNICHARSET, lines.as_bytes().to_vec()),
        ])
    };
    let unichars = parse(&file(&lines.replace("( a", "( 10")))
        .unwrap()
        .unichars;
    assert_eq!(unichars[1].other_case, Some(2));
    assert_eq!(
        (&unichars[2].script[..], unichars[2].upper),
        ("Latin", true)
    );
    assert_eq!(
        (&unichars[3].script[..], unichars[3].other_case),
        ("NULL", None)
    );
    assert_eq!((unichars[4].direction, unichars[4].mirror), (10, Some(3)));
    for (from, to) in [
        ("5\n", "6\n"),
        ("5\n", "4\n"),
        ("b 3\n", "b\n"),
        ("b 3\n", "b x3\n"),
        ("b 3\n", "\n"),
        ("0,9,0,9", "0,9,0"),
        ("4 10 3", "4 10 99"),
        ("4 10 3", "4 10 3 ( more"),
        ("4 10 3", "4 10 3\tmore"),
        ("4 10 3\n", "4 10 3"),
    ] {
        let error = parse(&file(&lines.replace(from, to)))
            .unwrap_err()
            .to_string();
        assert!(error.contains("lstm-unicharset, byte "), "{error}");
    }
}
