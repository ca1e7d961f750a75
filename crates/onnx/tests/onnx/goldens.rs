//! Results of other engines.

use crate::tools::{Golden, error, goldens};
use refrain_onnx::Model;

const TOLERANCE: f32 = 1e-5;
/// Cases of the archive `more`.
const MORE: usize = 388;

fn check(archive: &str, count: usize) {
    let cases = goldens(archive);
    assert_eq!(cases.len(), count, "{archive}");
    let mut worst = 0f32;
    for Golden {
        name,
        model,
        inputs,
        outputs,
    } in cases
    {
        let model = Model::read(&model).unwrap_or_else(|error| panic!("{name}: {error}"));
        let got = model
            .run(inputs)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(got.len(), outputs.len(), "{name}");
        for (output, got) in &got {
            let expected = &outputs[output];
            let error = error(expected, got);
            assert!(
                error <= TOLERANCE,
                "{name}, {output}: {error:e}\n{expected:?}\n{got:?}"
            );
            worst = worst.max(error);
        }
    }
    println!("{archive}: {count} cases, worst error {worst:e}");
}

#[test]
fn recurrent_node_tests_of_the_onnx_package() {
    check("node", 18);
}

#[test]
fn random_recurrent_cases_of_onnx_runtime() {
    check("runtime", 50);
}

#[test]
fn other_operators() {
    check("operators", 115);
}

#[test]
fn operators_around_them() {
    check("more", MORE);
}
