//! A recurrent language model as an ONNX file, with its state as inputs and outputs.

use super::builder::{Builder, Setting};
use crate::error::{OnnxError, OpError};
use crate::port::{Dim, Port};
use refrain_data::array::{Array, Dtype};
use refrain_kernels::{Cell, Weights};

/// A language model in plain slices.
#[derive(Clone, Debug)]
pub struct LanguageModel<'a> {
    /// The recurrence of every layer.
    pub cell: Cell,
    /// `V`
    pub vocabulary: usize,
    /// `C`: features of an embedded token.
    pub features: usize,
    /// `[V,C]`
    pub embedding: &'a [f32],
    /// From the first to the last.
    pub layers: Vec<Layer<'a>>,
    /// `[V,H]`; the embedding if absent (then the last layer has `C` units).
    pub output: Option<&'a [f32]>,
    /// `[V]`
    pub bias: &'a [f32],
}

/// A recurrent layer of one direction.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// `H`
    pub hidden: usize,
    /// The kernels' shapes and order of gates.
    pub weights: Weights<'a>,
}

/// The bytes of an ONNX file.
///
/// In: `tokens` int64 `[B,T]`, and for every layer the state before, `h_l0` `[1,B,H]` (and `c_l0` for an LSTM). Out:
/// `logits` `[B,T,V]`, and the state after, `h_n_l0` (and `c_n_l0`). Zeros are the state before the first token; a text
/// in pieces gives the same logits as in one.
///
/// # Errors
/// Weights whose sizes do not fit each other, or more than 2 GiB of them.
pub fn language_model(model: &LanguageModel) -> Result<Vec<u8>, OnnxError> {
    let mut graph = Builder::new("language_model");
    let failed = |problem: OpError| OnnxError::Tensor {
        name: "weights of the language model".into(),
        problem: Box::new(problem),
    };
    graph.input(&port("tokens", Dtype::I64, vec![named("B"), named("T")]));
    graph.output(&port(
        "logits",
        Dtype::F32,
        vec![named("B"), named("T"), Dim::Fixed(model.vocabulary)],
    ));
    let embedding = Array::floats(
        vec![model.vocabulary, model.features],
        model.embedding.to_vec(),
    )
    .map_err(|error| failed(error.into()))?;
    graph.initializer("embedding.weight", &embedding);
    graph.initializer("directions", &Array::ints(vec![1]));
    graph.node(
        "Gather",
        &["embedding.weight", "tokens"],
        &["embedded"],
        &[("axis", Setting::Int(0))],
    );
    swap(&mut graph, "embedded", "x_l0");
    let mut input = model.features;
    for (l, layer) in model.layers.iter().enumerate() {
        add_layer(&mut graph, model.cell, l, input, layer).map_err(failed)?;
        input = layer.hidden;
    }
    swap(&mut graph, &format!("x_l{}", model.layers.len()), "y");
    add_projection(&mut graph, model, input).map_err(failed)?;
    graph.finish()
}

/// From `[T,B,·]` to `[B,T,·]`, and back.
fn swap(graph: &mut Builder, from: &str, to: &str) {
    graph.node(
        "Transpose",
        &[from],
        &[to],
        &[("perm", Setting::Ints(vec![1, 0, 2]))],
    );
}

/// From `x_l{l}` to `x_l{l + 1}`, both `[T,B,·]`.
fn add_layer(
    graph: &mut Builder,
    cell: Cell,
    l: usize,
    input: usize,
    layer: &Layer,
) -> Result<(), OpError> {
    let parts: &[&str] = if cell.has_memory() {
        &["h", "c"]
    } else {
        &["h"]
    };
    let before: Vec<String> = parts.iter().map(|part| format!("{part}_l{l}")).collect();
    let after: Vec<String> = parts.iter().map(|part| format!("{part}_n_l{l}")).collect();
    let shape = vec![Dim::Fixed(1), named("B"), Dim::Fixed(layer.hidden)];
    before
        .iter()
        .for_each(|name| graph.input(&port(name, Dtype::F32, shape.clone())));
    after
        .iter()
        .for_each(|name| graph.output(&port(name, Dtype::F32, shape.clone())));
    let (x, y, next) = (
        format!("x_l{l}"),
        format!("y_l{l}"),
        format!("x_l{}", l + 1),
    );
    graph.recurrent(
        &format!("rnn_l{l}"),
        cell,
        [input, layer.hidden],
        &layer.weights,
        [x.as_str(), y.as_str()],
        [
            &before.iter().map(String::as_str).collect::<Vec<_>>(),
            &after.iter().map(String::as_str).collect::<Vec<_>>(),
        ],
    )?;
    graph.node("Squeeze", &[&y, "directions"], &[&next], &[]);
    Ok(())
}

/// From `y` `[B,T,H]` to `logits` `[B,T,V]`.
fn add_projection(
    graph: &mut Builder,
    model: &LanguageModel,
    hidden: usize,
) -> Result<(), OpError> {
    let weight = match model.output {
        Some(weight) => {
            let weight = Array::floats(vec![model.vocabulary, hidden], weight.to_vec())?;
            graph.initializer("output.weight", &weight);
            "output.weight"
        }
        None if hidden == model.features => "embedding.weight",
        None => {
            return Err(OpError::Shapes {
                left: vec![model.vocabulary, model.features],
                right: vec![hidden],
                why: ", a tied output needs as many units as the embedding has features",
            });
        }
    };
    let bias = Array::floats(vec![model.vocabulary], model.bias.to_vec())?;
    graph.initializer("output.bias", &bias);
    graph.node(
        "Transpose",
        &[weight],
        &["projection"],
        &[("perm", Setting::Ints(vec![1, 0]))],
    );
    graph.node("MatMul", &["y", "projection"], &["scores"], &[]);
    graph.node("Add", &["scores", "output.bias"], &["logits"], &[]);
    Ok(())
}

fn named(name: &str) -> Dim {
    Dim::Named(name.into())
}

fn port(name: &str, dtype: Dtype, shape: Vec<Dim>) -> Port {
    Port {
        name: name.into(),
        dtype,
        shape: Some(shape),
    }
}
