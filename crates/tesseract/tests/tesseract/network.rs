//! The network against a plain one that runs the matrices of the file as Tesseract's equations say, in `f64`.

use crate::writer::{self, Draw, Maker, Matrix, Net, Numbers, container, lstm, unicharset};
use refrain_image::Gray;
use refrain_tesseract::{Architecture, Line, Network, Recogniser, TesseractError, parse};

/// An image of `[H,W,C]`.
#[derive(Clone, Debug)]
struct Image {
    height: usize,
    width: usize,
    pixels: Vec<Vec<f64>>,
}

impl Image {
    fn new(height: usize, width: usize, pixel: impl Fn(usize, usize) -> Vec<f64>) -> Self {
        let pixels = (0..height * width)
            .map(|i| pixel(i / width, i % width))
            .collect();
        Self {
            height,
            width,
            pixels,
        }
    }

    fn get(&self, y: usize, x: usize) -> &[f64] {
        &self.pixels[y * self.width + x]
    }

    fn transposed(&self) -> Self {
        Self::new(self.width, self.height, |y, x| self.get(x, y).to_vec())
    }

    fn reversed(&self) -> Self {
        Self::new(self.height, self.width, |y, x| {
            self.get(y, self.width - 1 - x).to_vec()
        })
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn activate(kind: &str, values: Vec<f64>) -> Vec<f64> {
    let each = |f: fn(f64) -> f64| values.iter().map(|&x| f(x)).collect();
    match kind {
        "Tanh" => each(f64::tanh),
        "Logistic" => each(sigmoid),
        "Relu" => each(|x| x.max(0.0)),
        "LinTanh" => each(|x| x.clamp(-1.0, 1.0)),
        "LinLogistic" => each(|x| x.clamp(0.0, 1.0)),
        "Linear" => values,
        "Softmax" => {
            let sum: f64 = values.iter().map(|x| x.exp()).sum();
            values.iter().map(|x| x - sum.ln()).collect()
        }
        _ => panic!("{kind} is no activation"),
    }
}

/// Outputs of an LSTM for each step.
fn recurrence(gates: &[Matrix; 4], steps: &[&[f64]]) -> Vec<Vec<f64>> {
    let hidden = gates[0].rows;
    let (mut h, mut c) = (vec![0.0; hidden], vec![0.0; hidden]);
    let step = |x: &&[f64]| {
        let source = [*x, &h[..]].concat();
        let [g, i, f, o] = gates.each_ref().map(|gate| gate.times(&source));
        for unit in 0..hidden {
            c[unit] = sigmoid(f[unit]) * c[unit] + sigmoid(i[unit]) * g[unit].tanh();
            h[unit] = sigmoid(o[unit]) * c[unit].tanh();
        }
        h.clone()
    };
    steps.iter().map(step).collect()
}

fn run(net: &Net, image: Image) -> Image {
    let rows = |gates: &[Matrix; 4]| -> Vec<Vec<Vec<f64>>> {
        let row = |y: usize| -> Vec<&[f64]> { (0..image.width).map(|x| image.get(y, x)).collect() };
        (0..image.height)
            .map(|y| recurrence(gates, &row(y)))
            .collect()
    };
    match net {
        Net::Input(_) => image,
        Net::Series(parts) => parts.iter().fold(image, |image, part| run(part, image)),
        Net::Reversed(part) => run(part, image.reversed()).reversed(),
        Net::Transposed(part) => run(part, image.transposed()).transposed(),
        Net::Convolve(half_x, half_y, channels) => Image::new(image.height, image.width, |y, x| {
            let mut stacked = Vec::new();
            for dx in -half_x..=*half_x {
                for dy in -half_y..=*half_y {
                    let place = (y as i32 + dy, x as i32 + dx);
                    let inside = (0..image.height as i32).contains(&place.0)
                        && (0..image.width as i32).contains(&place.1);
                    match inside {
                        true => stacked.extend(image.get(place.0 as usize, place.1 as usize)),
                        false => stacked.extend(vec![0.0; *channels]),
                    }
                }
            }
            stacked
        }),
        Net::Maxpool(width, height) => {
            let [width, height] = [*width as usize, *height as usize];
            Image::new(image.height / height, image.width / width, |y, x| {
                let channels = 0..image.get(0, 0).len();
                let most = |c: usize| {
                    let window = (0..height).flat_map(|dy| (0..width).map(move |dx| (dy, dx)));
                    let values =
                        window.map(|(dy, dx)| image.get(y * height + dy, x * width + dx)[c]);
                    values.fold(f64::NEG_INFINITY, f64::max)
                };
                channels.map(most).collect()
            })
        }
        Net::Full(kind, matrix) => Image::new(image.height, image.width, |y, x| {
            activate(kind, matrix.times(image.get(y, x)))
        }),
        Net::Lstm(gates) => {
            let outputs = rows(gates);
            Image::new(image.height, image.width, |y, x| outputs[y][x].clone())
        }
        Net::Summary(gates) => {
            let outputs = rows(gates);
            Image::new(image.height, 1, |y, _| outputs[y][image.width - 1].clone())
        }
        Net::Other(kind, _) => panic!("{kind} cannot run"),
    }
}

fn line(width: usize, seed: u64) -> Line {
    let mut draw = Draw::new(seed);
    Line::new(
        &Gray::from_fn(width, 12, |_, _| (127.0 * draw.next() + 128.0) as u8),
        12,
        true,
    )
    .unwrap()
}

/// Widths of edge cases: no frame, one, and remainders of the pooling.
const WIDTHS: [usize; 9] = [40, 1, 2, 3, 5, 4, 100, 41, 17];

fn assert_close(network: &Network, net: &Net) {
    let lines: Vec<Line> = (0..)
        .zip(WIDTHS)
        .map(|(seed, width)| line(width, seed))
        .collect();
    let scores = network.forward(&lines.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(scores.len(), lines.len());
    for (line, scores) in lines.iter().zip(&scores) {
        let pixel = |y: usize, x: usize| vec![f64::from(line.pixels()[y * line.width() + x])];
        let expected = run(net, Image::new(line.height(), line.width(), pixel));
        assert_eq!(scores.frames, expected.width);
        assert_eq!(scores.frames, network.architecture().frames(line.width()));
        let expected = expected.pixels.concat();
        assert_eq!(scores.log_probs.len(), expected.len());
        for (got, expected) in scores.log_probs.iter().zip(expected) {
            assert!(
                (f64::from(*got) - expected).abs() < 2e-4,
                "{got} {expected}"
            );
        }
        // The same bits alone.
        assert_eq!(network.forward(&[line]).unwrap()[0], *scores);
    }
}

#[test]
fn every_layer_computes_what_tesseract_computes() {
    for numbers in [Numbers::Int8, Numbers::Double] {
        let (file, net) = writer::model(numbers);
        assert_close(&parse(&file).unwrap().network, &net);
    }
}

#[test]
fn columns_are_read_upwards_too() {
    let mut make = Maker::new(5, Numbers::Double);
    let net = Net::Series(vec![
        Net::Input(12),
        Net::Maxpool(3, 3),
        Net::Transposed(Box::new(Net::Reversed(Box::new(make.summary(1, 8))))),
        make.full("Softmax", 8, 6),
    ]);
    let file = container(&[
        (writer::LSTM, lstm(&net, Numbers::Double, false, 5)),
        (writer::UNICHARSET, unicharset(&["x", "y"])),
    ]);
    assert_close(&parse(&file).unwrap().network, &net);
}

#[test]
fn a_network_survives_storage() {
    let network = parse(&writer::model(Numbers::Int8).0).unwrap().network;
    let stored = serde_json::to_string(network.architecture()).unwrap();
    assert!(
        stored.contains(r#"{"kind":"maxpool","kernel":[2,3]}"#),
        "{stored}"
    );
    let architecture: Architecture = serde_json::from_str(&stored).unwrap();
    let mut tensors = network.tensors();
    tensors.reverse();
    let again = Network::from_parts(architecture.clone(), tensors.clone()).unwrap();
    let line = line(50, 1);
    assert_eq!(
        again.forward(&[&line]).unwrap(),
        network.forward(&[&line]).unwrap()
    );

    let refused = |architecture: &Architecture, tensors| {
        Network::from_parts(architecture.clone(), tensors)
            .unwrap_err()
            .to_string()
    };
    let (name, _, _) = tensors.pop().unwrap();
    assert!(refused(&architecture, tensors.clone()).contains(&format!("{name}: it is missing")));
    let mut more = network.tensors();
    more.push(("other".to_owned(), vec![1], vec![0.0]));
    assert!(refused(&architecture, more).contains("tensor other: no layer has it"));
    let mut wrong = network.tensors();
    wrong[0].1.reverse();
    assert!(
        refused(&architecture, wrong)
            .contains("of shape [3, 3, 1, 4] where [4, 1, 3, 3] is needed")
    );
    for (from, to, expected) in [
        (r#""height":12"#, r#""height":0"#, "the image has 0 rows"),
        (
            r#""kernel":[2,3]"#,
            r#""kernel":[0,3]"#,
            "a window of [0, 3]",
        ),
        (
            r#""kernel":[3,3]"#,
            r#""kernel":[2,3]"#,
            "a kernel of [2, 3]",
        ),
        (r#""hidden":6"#, r#""hidden":0"#, "0 outputs where"),
        (
            r#""hidden":6"#,
            r#""hidden":900000000000"#,
            "900000000000 outputs where",
        ),
        (
            r#""hidden":6"#,
            r#""hidden":9"#,
            "it takes 6 channels where 9 come in",
        ),
    ] {
        let changed: Architecture = serde_json::from_str(&stored.replace(from, to)).unwrap();
        let error = refused(&changed, network.tensors());
        assert!(error.contains(expected), "{error}: {expected}");
    }
    assert!(serde_json::from_str::<Architecture>(&stored.replace("clip", "clop")).is_err());
}

#[test]
fn lines_of_another_height_are_refused() {
    let model = parse(&writer::model(Numbers::Int8).0).unwrap();
    let high = Line::new(&Gray::filled(30, 30, 9), 13, true).unwrap();
    let error = model.network.forward(&[&high]).unwrap_err();
    assert!(
        matches!(error, TesseractError::Line { height: 13, .. }),
        "{error}"
    );
    let korean = parse(&writer::korean()).unwrap();
    assert!(Recogniser::new(model.network, korean.charset).is_err());
}

#[test]
fn images_without_text_have_no_text() {
    let model = parse(&writer::model(Numbers::Int8).0).unwrap();
    let recogniser = Recogniser::new(model.network, model.charset).unwrap();
    assert!(recogniser.read(&[]).unwrap().is_empty());
    // Too narrow for a frame: alone, and beside a line that has some.
    let narrow = || Gray::filled(2, 40, 255);
    for images in [vec![narrow()], vec![narrow(), Gray::filled(90, 40, 200)]] {
        let readings = recogniser.read(&images).unwrap();
        assert_eq!(readings.len(), images.len());
        assert!(readings[0].text.is_empty() && readings[0].characters.is_empty());
    }
    assert!(recogniser.read(&[Gray::filled(0, 40, 255)]).is_err());
}
