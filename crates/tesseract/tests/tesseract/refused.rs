//! Files that are refused, by name.

use crate::writer::{self, Maker, Net, Numbers, container, dawg, lstm, unicharset};
use refrain_tesseract::{TesseractError, parse};

fn error(file: &[u8]) -> String {
    parse(file).unwrap_err().to_string()
}

/// A file with this network.
fn of_network(net: &Net) -> Vec<u8> {
    container(&[
        (writer::LSTM, lstm(net, Numbers::Double, false, 5)),
        (writer::UNICHARSET, unicharset(&["x", "y"])),
    ])
}

#[test]
fn kinds_of_networks_that_models_do_not_have() {
    for kind in [
        "Parallel",
        "Replicated",
        "ParBidiLSTM",
        "DepParUDLSTM",
        "Par2dLSTM",
        "Reconfig",
        "TTBReversed",
        "LSTMSoftmax",
        "LSTMBinarySoftmax",
        "TensorFlow",
    ] {
        let net = Net::Series(vec![Net::Input(9), Net::Other(kind, vec![0; 8])]);
        let error = error(&of_network(&net));
        assert!(
            error.contains(&format!("a network of kind {kind} is not supported")),
            "{error}"
        );
    }
    let net = Net::Other("Imaginary", vec![]);
    assert!(error(&of_network(&net)).contains("\"Imaginary\" is unknown"));
}

#[test]
fn networks_of_another_build() {
    let mut make = Maker::new(1, Numbers::Double);
    let softmax = make.full("Softmax", 4, 6);
    let input = Net::Input(9);
    let cases: Vec<(Vec<Net>, &str)> = vec![
        (vec![softmax.clone()], "does not begin with an Input"),
        (
            vec![input.clone(), input.clone(), softmax.clone()],
            "a second Input",
        ),
        (
            vec![input.clone(), Net::Convolve(1, 1, 1), softmax.clone()],
            "a Convolve without",
        ),
        (
            vec![input.clone(), make.summary(1, 4), softmax.clone()],
            "a SummLSTM along x",
        ),
        (
            vec![
                input.clone(),
                Net::Transposed(Box::new(make.lstm(1, 4))),
                softmax.clone(),
            ],
            "an XYTranspose of anything but a SummLSTM",
        ),
        (
            vec![
                input.clone(),
                Net::Reversed(Box::new(make.summary(1, 4))),
                softmax.clone(),
            ],
            "an RTLReversed of anything but an LSTM",
        ),
        (
            vec![input.clone(), make.lstm(1, 4), softmax.clone()],
            "a ColumnLstm goes before",
        ),
        (
            vec![input.clone(), Net::Transposed(Box::new(make.summary(1, 4)))],
            "must be a softmax",
        ),
        (
            vec![
                input.clone(),
                Net::Transposed(Box::new(make.summary(1, 3))),
                softmax.clone(),
            ],
            "it takes 4 channels where 3 come in",
        ),
        (
            vec![input.clone(), make.full("SoftmaxNoCTC", 1, 6)],
            "a softmax without CTC",
        ),
        (
            vec![input.clone(), Net::Maxpool(3, 12), softmax.clone()],
            "over 9 rows",
        ),
    ];
    for (parts, expected) in cases {
        let error = error(&of_network(&Net::Series(parts)));
        assert!(error.contains(expected), "{error}: {expected}");
    }
    // One input, one unit, three columns.
    let two_dimensional = Net::Other("LSTM", 3i32.to_le_bytes().to_vec());
    assert!(error(&of_network(&two_dimensional)).contains("an LSTM in two dimensions"));
}

#[test]
fn checkpoints_old_formats_and_archives() {
    let (file, _) = writer::model(Numbers::Double);
    let place = file
        .windows(11)
        .position(|bytes| bytes == b"\0\x06\0\0\0Series")
        .unwrap();
    let training = |byte: u8| {
        let mut file = file.clone();
        file[place + 1 + 4 + 6] = byte;
        error(&file)
    };
    assert!(
        training(1).contains("a checkpoint of a training"),
        "{}",
        training(1)
    );
    let mut number = file.clone();
    number[place] = 3;
    assert!(
        error(&number).contains("a network whose kind is a number"),
        "{}",
        error(&number)
    );
    let mut old = file.clone();
    let matrix = old
        .windows(5)
        .position(|five| five == [132, 4, 0, 0, 0])
        .unwrap();
    old[matrix] = 0;
    assert!(
        error(&old).contains("a matrix in the old format"),
        "{}",
        error(&old)
    );
    assert!(error(b"PK\x03\x04....").contains("a model in an archive"));
}

#[test]
fn files_without_what_is_needed() {
    let legacy = container(&[(writer::LEGACY, vec![1, 2, 3])]);
    let found = parse(&legacy).unwrap_err();
    assert!(
        matches!(&found, TesseractError::Missing { entry: "lstm", .. }),
        "{found}"
    );
    assert!(
        found.to_string().contains("of the legacy engine (inttemp)"),
        "{found}"
    );
    assert!(error(&container(&[])).contains("is it a .traineddata file?"));
    let net = Maker::new(1, Numbers::Double).network(9, 6);
    let alone = container(&[(writer::LSTM, lstm(&net, Numbers::Double, true, 5))]);
    assert!(error(&alone).contains("no entry lstm-unicharset"));
    let half = container(&[
        (writer::LSTM, lstm(&net, Numbers::Double, true, 5)),
        (writer::UNICHARSET, unicharset(&["x", "y"])),
    ]);
    assert!(error(&half).contains("no entry lstm-recoder"));
}

#[test]
fn scripts_from_right_to_left() {
    let net = Maker::new(1, Numbers::Double).network(9, 6);
    let lines = "3\nNULL 0 Common 0\nא 1 Hebrew 1 1 1 א\nب 1 Arabic 2 13 2 ب\n";
    let file = container(&[
        (writer::LSTM, lstm(&net, Numbers::Double, false, 5)),
        (writer::UNICHARSET, lines.as_bytes().to_vec()),
    ]);
    assert!(error(&file).contains("a script from right to left is not supported"));
}

#[test]
fn word_lists_that_are_no_lists() {
    let net = Maker::new(1, Numbers::Double).network(9, 6);
    let file = |list: Vec<u8>| {
        container(&[
            (writer::LSTM, lstm(&net, Numbers::Double, false, 5)),
            (writer::WORDS, list),
            (writer::UNICHARSET, unicharset(&["x", "y"])),
        ])
    };
    let edges = |edges: &[u64]| {
        let mut bytes = 42i16.to_le_bytes().to_vec();
        bytes.extend(5u32.to_le_bytes());
        bytes.extend((edges.len() as u32).to_le_bytes());
        bytes.extend(edges.iter().flat_map(|edge| edge.to_le_bytes()));
        file(bytes)
    };
    // Character, flags (1 last, 2 backwards, 4 end of a word), next.
    let edge = |letter: u64, flags: u64, next: u64| letter | flags << 3 | next << 6;
    assert_eq!(
        parse(&edges(&[edge(3, 1, 1), edge(4, 5, 0)]))
            .unwrap()
            .words
            .len(),
        1
    );
    for (list, expected) in [
        (vec![edge(5, 5, 0)], "has character 5 of 5"),
        (vec![edge(3, 7, 0)], "leads backwards"),
        (vec![edge(3, 5, 9)], "where no node begins"),
        (
            vec![edge(3, 1, 2), edge(3, 4, 0), edge(4, 5, 0)],
            "where no node begins",
        ),
        (vec![edge(3, 1, 0)], "ends nothing"),
        (vec![edge(3, 4, 0)], "has no last edge"),
        (
            vec![edge(3, 1, 1), edge(4, 1, 2), edge(3, 5, 1)],
            "closes a circle",
        ),
    ] {
        let error = error(&edges(&list));
        assert!(error.contains(expected), "{error}: {expected}");
    }
    // Forty nodes of two edges each: 2⁴¹ − 2 words.
    let many: Vec<u64> = (0..80)
        .map(|index| {
            edge(
                3 + index % 2,
                4 + index % 2,
                if index < 78 { index / 2 * 2 + 2 } else { 0 },
            )
        })
        .collect();
    assert!(error(&edges(&many)).contains("more than 67108864 words"));
    let long: Vec<u64> = (0..300)
        .map(|index| edge(3, 5, if index < 299 { index + 1 } else { 0 }))
        .collect();
    assert!(error(&edges(&long)).contains("more than 255 characters"));
    let mut foreign = dawg(&[&[3]], 8);
    assert!(error(&file(foreign.clone())).contains("over 8 characters meets a model with 5"));
    foreign[0] = 41;
    assert!(error(&file(foreign)).contains("begins with 41"));
}
