//! Every fused operation compared with its composition of Burn's own operations: values and gradients.

use burn::backend::{Autodiff, Flex};
use burn::tensor::{Device, Tensor, TensorData};
use refrain::ops::{
    self, DirectionWeights, LossOptions, PackedWeights, RecurrentOutput, RecurrentSpec, composed,
};
use refrain_kernels::random::Key;
use refrain_kernels::{Cell, Direction, Precision};

pub fn random<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let mut values = vec![0.0; shape.iter().product()];
    Key::new(seed).fill_uniform(-0.8, 0.8, &mut values);
    Tensor::from_data(TensorData::new(values, shape), device)
}

pub fn close<const D: usize>(got: Tensor<D>, expected: Tensor<D>, within: f32, what: &str) {
    assert_eq!(got.dims(), expected.dims(), "{what}");
    let (got, expected) = (ops::floats(got), ops::floats(expected));
    let largest = expected.iter().fold(1.0f32, |m, x| m.max(x.abs()));
    for (index, (g, e)) in got.iter().zip(&expected).enumerate() {
        assert!(
            (g - e).abs() <= within * largest,
            "{what}[{index}] is {g}, not {e}"
        );
    }
}

struct Layer {
    x: Tensor<3>,
    h0: Tensor<3>,
    c0: Tensor<3>,
    weights: Vec<DirectionWeights>,
    spec: RecurrentSpec,
}

const B: usize = 3;
const T: usize = 5;
const C: usize = 4;
const H: usize = 18;

impl Layer {
    /// The same numbers every time, as new leaves of the graph.
    fn new(cell: Cell, directions: &[Direction], ragged: bool) -> Self {
        let device = Device::flex().autodiff();
        let (d, rows) = (directions.len(), cell.gates() * H);
        let memory = if cell.has_memory() { H } else { 0 };
        let weights = (0..d as u64).map(|k| DirectionWeights {
            w_ih: random([rows, C], 10 + k, &device).require_grad(),
            w_hh: random([rows, H], 20 + k, &device)
                .mul_scalar(0.3)
                .detach()
                .require_grad(),
            b_ih: random([rows], 30 + k, &device).require_grad(),
            b_hh: random([rows], 40 + k, &device).require_grad(),
        });
        Self {
            x: random([B, T, C], 1, &device).require_grad(),
            h0: random([d, B, H], 2, &device).require_grad(),
            c0: random([d, B, memory], 3, &device).require_grad(),
            weights: weights.collect(),
            spec: RecurrentSpec {
                cell,
                directions: directions.to_vec(),
                lengths: ragged.then(|| vec![5, 0, 3].into()),
                precision: Precision::F32,
                packed: PackedWeights::default(),
            },
        }
    }

    fn fused(&self) -> RecurrentOutput {
        let (x, h0, c0) = (self.x.clone(), self.h0.clone(), self.c0.clone());
        ops::recurrent(x, h0, c0, self.weights.clone(), self.spec.clone()).unwrap()
    }

    fn composed(&self) -> RecurrentOutput {
        type Tracked = Autodiff<Flex>;
        fn lower<const D: usize>(t: &Tensor<D>) -> burn::backend::tensor::FloatTensor<Tracked> {
            t.clone().try_into_primitive::<Tracked>().unwrap()
        }
        let mut inputs = vec![lower(&self.x), lower(&self.h0), lower(&self.c0)];
        for w in &self.weights {
            inputs.extend([
                lower(&w.w_ih),
                lower(&w.w_hh),
                lower(&w.b_ih),
                lower(&w.b_hh),
            ]);
        }
        let [y, h_n, c_n] = composed::recurrent::<Tracked>(inputs, &self.spec);
        RecurrentOutput {
            y: Tensor::from_primitive::<Tracked>(y),
            h_n: Tensor::from_primitive::<Tracked>(h_n),
            c_n: Tensor::from_primitive::<Tracked>(c_n),
        }
    }

    /// The gradients of a loss with a different weight for every element of the chosen outputs.
    fn gradients(&self, out: RecurrentOutput, of: [bool; 3]) -> Vec<(&'static str, Vec<f32>)> {
        let device = Device::flex().autodiff();
        let mut loss = Tensor::<1>::zeros([1], &device);
        for (index, tensor) in [out.y, out.h_n, out.c_n].into_iter().enumerate() {
            if of[index] && tensor.shape().num_elements() > 0 {
                let weights = random(tensor.dims(), 50 + index as u64, &device);
                loss = loss + (tensor * weights).sum();
            }
        }
        let mut grads = loss.backward();
        let mut all = Vec::new();
        let mut take =
            |name, gradient: Option<Vec<f32>>| all.push((name, gradient.unwrap_or_default()));
        take("d_x", self.x.grad_remove(&mut grads).map(ops::floats));
        take("d_h0", self.h0.grad_remove(&mut grads).map(ops::floats));
        if self.spec.cell.has_memory() {
            take("d_c0", self.c0.grad_remove(&mut grads).map(ops::floats));
        }
        for w in &self.weights {
            take("d_w_ih", w.w_ih.grad_remove(&mut grads).map(ops::floats));
            take("d_w_hh", w.w_hh.grad_remove(&mut grads).map(ops::floats));
            take("d_b_ih", w.b_ih.grad_remove(&mut grads).map(ops::floats));
            take("d_b_hh", w.b_hh.grad_remove(&mut grads).map(ops::floats));
        }
        all
    }
}

const CELLS: [Cell; 5] = [
    Cell::RnnTanh,
    Cell::RnnRelu,
    Cell::Lstm,
    Cell::Gru,
    Cell::GruResetBefore,
];

#[test]
fn recurrent_layers_agree_with_the_composed_ones() {
    use Direction::{Forward, Reverse};
    for cell in CELLS {
        for directions in [&[Forward][..], &[Reverse], &[Forward, Reverse]] {
            for ragged in [false, true] {
                let what = format!("{cell:?} {directions:?} ragged {ragged}");
                let (one, two) = (
                    Layer::new(cell, directions, ragged),
                    Layer::new(cell, directions, ragged),
                );
                let (fused, composed) = (one.fused(), two.composed());
                close(
                    fused.y.clone(),
                    composed.y.clone(),
                    1e-5,
                    &format!("y of {what}"),
                );
                close(
                    fused.h_n.clone(),
                    composed.h_n.clone(),
                    1e-5,
                    &format!("h_n of {what}"),
                );
                close(
                    fused.c_n.clone(),
                    composed.c_n.clone(),
                    1e-5,
                    &format!("c_n of {what}"),
                );
                let expected = two.gradients(composed, [true; 3]);
                for ((name, got), (_, expected)) in
                    one.gradients(fused, [true; 3]).into_iter().zip(expected)
                {
                    assert_eq!(got.len(), expected.len(), "{name} of {what}");
                    for (g, e) in got.iter().zip(&expected) {
                        assert!(
                            (g - e).abs() < 1e-4 * e.abs().max(1.0),
                            "{name} of {what}: {g}, not {e}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn any_subset_of_the_outputs_may_be_differentiated() {
    for subset in 1..8u32 {
        let of = [0, 1, 2].map(|bit| subset >> bit & 1 == 1);
        let directions = [Direction::Forward];
        let (one, two) = (
            Layer::new(Cell::Lstm, &directions, false),
            Layer::new(Cell::Lstm, &directions, false),
        );
        let expected = two.gradients(two.composed(), of);
        for ((name, got), (_, expected)) in one.gradients(one.fused(), of).into_iter().zip(expected)
        {
            for (g, e) in got.iter().zip(&expected) {
                assert!(
                    (g - e).abs() < 1e-4 * e.abs().max(1.0),
                    "{name} for {of:?}: {g}, not {e}"
                );
            }
        }
    }
}

#[test]
fn the_loss_agrees_with_the_composed_one() {
    for (n, hidden, vocabulary, smoothing) in [
        (1, 1, 1, 0.0),
        (7, 5, 11, 0.0),
        (7, 5, 11, 0.2),
        (130, 33, 70, 0.1),
    ] {
        let make = || {
            let device = Device::flex().autodiff();
            (
                random([n, hidden], 1, &device).require_grad(),
                random([vocabulary, hidden], 2, &device).require_grad(),
                random([vocabulary], 3, &device).require_grad(),
            )
        };
        let mut targets: Vec<u32> = (0..n as u32)
            .map(|i| (i * 7 + 3) % vocabulary as u32)
            .collect();
        if n > 2 {
            targets[2] = refrain_kernels::softmax::IGNORE;
        }
        let (h, w, b) = make();
        let weight = |row: usize| {
            if n < 100 {
                1.0
            } else {
                0.25 * (row % 5) as f32
            }
        };
        let options = LossOptions {
            smoothing,
            weights: Some((0..n).map(weight).collect()),
            ..LossOptions::default()
        };
        let out = ops::linear_cross_entropy_with(
            h.clone(),
            w.clone(),
            b.clone(),
            targets.clone().into(),
            options.clone(),
        )
        .unwrap();
        // Twice the loss, so that the incoming gradient is not 1.
        let mut grads = out.loss.clone().mul_scalar(2.0).backward();

        let plain = |t: &Tensor<2>| t.clone().inner().try_into_primitive::<Flex>().unwrap();
        let bias = b.clone().inner().try_into_primitive::<Flex>().unwrap();
        let parts = composed::linear_cross_entropy::<Flex>(
            [plain(&h), plain(&w), bias],
            &targets,
            &options,
            true,
        );
        close(
            out.loss.inner(),
            Tensor::from_primitive::<Flex>(parts.loss),
            1e-5,
            "loss",
        );
        for (got, expected) in out.nll.iter().zip(&parts.nll) {
            assert!((got - expected).abs() < 1e-5, "nll {got}, not {expected}");
        }
        let [d_h, d_w, d_b] = parts.gradients.unwrap();
        let twice = |d| Tensor::<2>::from_primitive::<Flex>(d).mul_scalar(2.0);
        close(h.grad_remove(&mut grads).unwrap(), twice(d_h), 1e-5, "d_h");
        close(w.grad_remove(&mut grads).unwrap(), twice(d_w), 1e-5, "d_w");
        let d_b = Tensor::<1>::from_primitive::<Flex>(d_b).mul_scalar(2.0);
        close(b.grad_remove(&mut grads).unwrap(), d_b, 1e-5, "d_b");
    }
}

#[test]
fn embedding_and_its_gradient_agree_with_the_composed_ones() {
    let device = Device::flex().autodiff();
    let w = random([6, 3], 1, &device).require_grad();
    let ids = vec![5, 0, 5, 2];
    let y = ops::embedding(w.clone(), ids.clone().into()).unwrap();
    let plain = w.clone().inner().try_into_primitive::<Flex>().unwrap();
    let expected = Tensor::from_primitive::<Flex>(composed::embedding::<Flex>(plain, &ids));
    close(y.clone().inner(), expected, 0.0, "y");
    let weights = random([4, 3], 2, &device);
    let mut grads = (y * weights.clone()).sum().backward();
    let d_y = weights.inner().try_into_primitive::<Flex>().unwrap();
    let expected =
        Tensor::from_primitive::<Flex>(composed::embedding_backward::<Flex>(d_y, &ids, 6));
    close(w.grad_remove(&mut grads).unwrap(), expected, 1e-6, "d_w");
    assert!(ops::embedding(w, vec![6].into()).is_err());
}
