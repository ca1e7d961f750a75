//! Stacks of RNN, LSTM and GRU layers, in one or both directions, with PyTorch's names, shapes and initialisation.

use super::state::{LayerState, State};
use super::variant::{NormWeights, Variant, VariantLayer, VariantWeights};
use crate::init::{param, uniform};
use crate::ops::{
    DirectionWeights, DropoutMask, PackedWeights, RecurrentOutput, RecurrentSpec, dropout, floats,
    recurrent,
};
use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
    Param,
};
use burn::tensor::{Device, Tensor};
use refrain_kernels::random::Key;
use refrain_kernels::{Cell, Direction, KernelError, Precision, StepWeights};
use std::sync::Arc;

/// Configuration of a recurrent stack, made by [`LstmConfig`], [`GruConfig`] or [`RnnConfig`].
#[derive(Clone, Debug)]
pub struct RecurrentConfig {
    cell: Cell,
    input: usize,
    hidden: usize,
    layers: usize,
    last_hidden: Option<usize>,
    bidirectional: bool,
    reverse: bool,
    dropout: f64,
    weight_dropout: f64,
    variational: bool,
    forget_bias: f64,
    chrono: Option<usize>,
    precision: Precision,
    variant: Variant,
    seed: u64,
}

/// An LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).
pub struct LstmConfig;
/// A GRU as PyTorch and cuDNN compute it (Cho et al. 2014, v3: the reset gate after the product).
pub struct GruConfig;
/// A vanilla RNN with tanh (Elman 1990).
pub struct RnnConfig;

impl LstmConfig {
    /// `input` features `C`, `hidden` units `H`.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(input: usize, hidden: usize) -> RecurrentConfig {
        RecurrentConfig::new(Cell::Lstm, input, hidden)
    }
}

impl GruConfig {
    /// `input` features `C`, `hidden` units `H`.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(input: usize, hidden: usize) -> RecurrentConfig {
        RecurrentConfig::new(Cell::Gru, input, hidden)
    }

    /// The form of Cho et al. 2014, v1: the reset gate before the product.
    pub fn reset_before(input: usize, hidden: usize) -> RecurrentConfig {
        RecurrentConfig::new(Cell::GruResetBefore, input, hidden)
    }
}

impl RnnConfig {
    /// `input` features `C`, `hidden` units `H`.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(input: usize, hidden: usize) -> RecurrentConfig {
        RecurrentConfig::new(Cell::RnnTanh, input, hidden)
    }

    /// The same with the rectifier (ReLU) in place of tanh.
    pub fn relu(input: usize, hidden: usize) -> RecurrentConfig {
        RecurrentConfig::new(Cell::RnnRelu, input, hidden)
    }
}

impl RecurrentConfig {
    /// One layer, one direction, no dropout.
    pub fn new(cell: Cell, input: usize, hidden: usize) -> Self {
        Self {
            cell,
            input,
            hidden,
            layers: 1,
            last_hidden: None,
            bidirectional: false,
            reverse: false,
            dropout: 0.0,
            weight_dropout: 0.0,
            variational: false,
            forget_bias: 0.0,
            chrono: None,
            precision: Precision::F32,
            variant: Variant::default(),
            seed: 0,
        }
    }

    /// Number of layers `L`, stacked.
    pub fn with_layers(mut self, layers: usize) -> Self {
        self.layers = layers;
        self
    }

    /// Units of the last layer, if they differ from those of the others (as in AWD-LSTM with tied embeddings).
    pub fn with_last_hidden(mut self, hidden: usize) -> Self {
        self.last_hidden = Some(hidden);
        self
    }

    /// Runs both directions: `D = 2`, outputs concatenated.
    pub fn with_bidirectional(mut self, bidirectional: bool) -> Self {
        self.bidirectional = bidirectional;
        self
    }

    /// Runs from the last step to the first (ignored when bidirectional).
    pub fn with_reverse(mut self, reverse: bool) -> Self {
        self.reverse = reverse;
        self
    }

    /// Dropout probability on the input of every layer but the first, as in PyTorch.
    pub fn with_dropout(mut self, p: f64) -> Self {
        self.dropout = p;
        self
    }

    /// DropConnect probability on the recurrent weights, one mask per sequence (weight drop, Merity et al. 2017).
    pub fn with_weight_dropout(mut self, p: f64) -> Self {
        self.weight_dropout = p;
        self
    }

    /// One dropout mask for all steps of a sequence (Gal & Ghahramani 2016).
    pub fn with_variational(mut self, variational: bool) -> Self {
        self.variational = variational;
        self
    }

    /// Added to an LSTM's forget gate bias at the start (Jozefowicz et al. 2015 use 1).
    pub fn with_forget_bias(mut self, bias: f64) -> Self {
        self.forget_bias = bias;
        self
    }

    /// Chrono initialisation (Tallec & Ollivier 2018, eq. 16) for dependencies of up to `longest` steps. Draws u
    /// uniformly from 1..`longest`. Adds ln u to the bias of an LSTM's forget gate and of a GRU's update gate, and
    /// subtracts it from the bias of an LSTM's input gate. A vanilla RNN has no gate and keeps its usual initial
    /// values.
    pub fn with_chrono(mut self, longest: usize) -> Self {
        self.chrono = Some(longest);
        self
    }

    /// Precision of the products (default `f32`). Parameters, states and sums are `f32` in any case.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Additions to the cell (default: none). A forward pass returns an error if the cell does not support the variant.
    pub fn with_variant(mut self, variant: Variant) -> Self {
        self.variant = variant;
        self
    }

    /// Seed of the initial weights (default 0).
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    fn directions(&self) -> Vec<Direction> {
        match (self.bidirectional, self.reverse) {
            (true, _) => vec![Direction::Forward, Direction::Reverse],
            (false, false) => vec![Direction::Forward],
            (false, true) => vec![Direction::Reverse],
        }
    }

    /// Number of parameters of the stack; `usize::MAX` if the number overflows.
    pub fn parameters(&self) -> usize {
        let directions = self.directions().len() as u128;
        let layer = |input: u128, hidden: usize| {
            let hidden = hidden as u128;
            let rows = self.cell.gates() as u128 * hidden;
            let projected = self.variant.projection.map_or(0, |p| p as u128);
            let around = if projected == 0 { hidden } else { projected };
            let matrices = rows.saturating_mul(input.saturating_add(around).saturating_add(2));
            let norm = match self.variant.layer_norm {
                true => 2 * (rows + hidden),
                false => 0,
            };
            let own = matrices.saturating_add(projected * hidden + norm);
            (
                own.saturating_mul(directions),
                around.saturating_mul(directions),
            )
        };
        let last = self.last_hidden.unwrap_or(self.hidden);
        let input = self.input as u128;
        let all = match self.layers as u128 {
            0 => 0,
            1 => layer(input, last).0,
            layers => {
                let (first, between) = layer(input, self.hidden);
                let inner = layer(between, self.hidden).0.saturating_mul(layers - 2);
                first
                    .saturating_add(inner)
                    .saturating_add(layer(between, last).0)
            }
        };
        usize::try_from(all).unwrap_or(usize::MAX)
    }

    /// The stack with weights uniform in ±1/√H, as in PyTorch.
    pub fn init(&self, device: &Device) -> Recurrent {
        let directions = self.directions();
        let key = Key::new(self.seed);
        let mut weights = Vec::new();
        let mut input = self.input;
        for layer in 0..self.layers {
            let last = layer + 1 == self.layers;
            let hidden = self.last_hidden.filter(|_| last).unwrap_or(self.hidden);
            for _ in &directions {
                let key = key.fold(weights.len() as u64);
                weights.push(Weights::init(self, input, hidden, key, device));
            }
            input = self.variant.projection.unwrap_or(hidden) * directions.len();
        }
        Recurrent {
            cell: self.cell,
            directions,
            dropout: self.dropout,
            weight_dropout: self.weight_dropout,
            variational: self.variational,
            precision: self.precision,
            variant: self.variant,
            weights,
            packed: (0..self.layers).map(|_| PackedWeights::default()).collect(),
        }
    }
}

/// Parameters of one layer and direction.
#[derive(Module, Debug)]
struct Weights {
    w_ih: Param<Tensor<2>>,
    w_hh: Param<Tensor<2>>,
    b_ih: Param<Tensor<1>>,
    b_hh: Param<Tensor<1>>,
    /// `[P,H]`, with a projection.
    w_hr: Option<Param<Tensor<2>>>,
    norm: Option<Norm>,
}

/// Parameters of a layer normalisation: [`NormWeights`].
#[derive(Module, Debug)]
struct Norm {
    ih: Param<Tensor<1>>,
    hh: Param<Tensor<1>>,
    c: Param<Tensor<1>>,
    c_bias: Param<Tensor<1>>,
}

impl Weights {
    fn init(
        config: &RecurrentConfig,
        input: usize,
        hidden: usize,
        key: Key,
        device: &Device,
    ) -> Self {
        let rows = config.cell.gates() * hidden;
        let bound = 1.0 / (hidden.max(1) as f32).sqrt();
        let mut b_ih = uniform([rows], bound, key.fold(2));
        if config.cell == Cell::Lstm {
            b_ih[hidden..2 * hidden]
                .iter_mut()
                .for_each(|b| *b += config.forget_bias as f32);
        }
        if let Some(longest) = config.chrono {
            let scale = longest.saturating_sub(1).max(1) as f32;
            for (unit, u) in uniform([hidden], 0.5, key.fold(4)).into_iter().enumerate() {
                let logarithm = (1.0 + (u + 0.5) * (scale - 1.0)).ln();
                match config.cell {
                    Cell::Lstm => {
                        b_ih[unit] -= logarithm;
                        b_ih[hidden + unit] += logarithm;
                    }
                    Cell::Gru | Cell::GruResetBefore => b_ih[hidden + unit] += logarithm,
                    Cell::RnnTanh | Cell::RnnRelu => {}
                }
            }
        }
        let w_ih = uniform([rows, input], bound, key.fold(0));
        let around = config.variant.projection.unwrap_or(hidden);
        let w_hh = uniform([rows, around], bound, key.fold(1));
        let b_hh = uniform([rows], bound, key.fold(3));
        let w_hr = config.variant.projection.map(|features| {
            let values = uniform([features, hidden], bound, key.fold(5));
            param(values, [features, hidden], device)
        });
        let all = |value: f32, size: usize| param(vec![value; size], [size], device);
        Self {
            w_ih: param(w_ih, [rows, input], device),
            w_hh: param(w_hh, [rows, around], device),
            b_ih: param(b_ih, [rows], device),
            b_hh: param(b_hh, [rows], device),
            w_hr,
            norm: config.variant.layer_norm.then(|| Norm {
                ih: all(1.0, rows),
                hh: all(1.0, rows),
                c: all(1.0, hidden),
                c_bias: all(0.0, hidden),
            }),
        }
    }

    /// Features of h and of c.
    fn sizes(&self, cell: Cell) -> [usize; 2] {
        let [rows, around] = self.w_hh.dims();
        let memory = if cell.has_memory() {
            rows / cell.gates()
        } else {
            0
        };
        [around, memory]
    }
}

/// Optional arguments of a forward pass.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// State before the first step; zeros if missing.
    pub state: Option<State>,
    /// Valid length of each sequence; all `T` if missing.
    pub lengths: Option<Vec<usize>>,
    /// Key of all random numbers of the pass; dropout is on if it is given.
    pub dropout: Option<Key>,
}

/// A stack of recurrent layers.
#[derive(Clone, Debug)]
pub struct Recurrent {
    cell: Cell,
    directions: Vec<Direction>,
    dropout: f64,
    weight_dropout: f64,
    variational: bool,
    precision: Precision,
    variant: Variant,
    /// Layer by layer, forward before reverse.
    weights: Vec<Weights>,
    /// Layer by layer.
    packed: Vec<PackedWeights>,
}

/// Made by [`LstmConfig`].
pub type Lstm = Recurrent;
/// Made by [`GruConfig`].
pub type Gru = Recurrent;
/// Made by [`RnnConfig`].
pub type Rnn = Recurrent;

impl Recurrent {
    /// The recurrence.
    pub fn cell(&self) -> Cell {
        self.cell
    }

    /// Features of the input, `C`; 0 without a layer.
    pub fn input(&self) -> usize {
        self.weights.first().map_or(0, |first| first.w_ih.dims()[1])
    }

    /// Precision of the products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The same stack with products of another precision.
    pub fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// Additions to the cell.
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// `x` `[B,T,C]` → (`[B,T,D·H]`, state after the last step), from a zero state unless one is given.
    ///
    /// # Errors
    /// A shape that does not fit.
    pub fn forward(
        &self,
        x: Tensor<3>,
        state: Option<State>,
    ) -> Result<(Tensor<3>, State), KernelError> {
        self.forward_with(
            x,
            Options {
                state,
                ..Options::default()
            },
        )
    }

    /// [`Self::forward`] with lengths and dropout.
    ///
    /// # Errors
    /// A shape that does not fit, or a length over `T`.
    pub fn forward_with(
        &self,
        x: Tensor<3>,
        options: Options,
    ) -> Result<(Tensor<3>, State), KernelError> {
        let Options {
            state,
            lengths,
            dropout: key,
        } = options;
        let lengths: Option<Arc<[usize]>> = lengths.map(Into::into);
        let layers = self.weights.chunks(self.directions.len());
        let mut states = match state {
            Some(state) if state.layers.len() != layers.len() => {
                return Err(KernelError::Shape {
                    op: "recurrent stack",
                    what: "layers of the state",
                    expected: vec![layers.len()],
                    got: vec![state.layers.len()],
                });
            }
            state => state.map(|state| state.layers.into_iter()),
        };
        let mut x = x;
        let mut after = Vec::with_capacity(layers.len());
        for (index, weights) in layers.enumerate() {
            let key = key.map(|key| key.fold(index as u64));
            if let Some(key) = key.filter(|_| index > 0) {
                let mask = self.mask(&x);
                x = dropout(x, self.dropout, key.fold(0), mask)?;
            }
            let state = states
                .as_mut()
                .and_then(Iterator::next)
                .unwrap_or_else(|| self.zeros(&x, weights[0].sizes(self.cell)));
            if self.variant.step_by_step(key.is_some()) {
                let (y, state) = self.step_by_step(&x, &state, weights, lengths.as_deref(), key)?;
                x = y;
                after.push(state);
                continue;
            }
            let spec = RecurrentSpec {
                cell: self.cell,
                directions: self.directions.clone(),
                lengths: lengths.clone(),
                precision: self.precision,
                packed: self.packed[index].clone(),
            };
            let weights = self.values(weights, key)?;
            let RecurrentOutput { y, h_n, c_n } = recurrent(x, state.h, state.c, weights, spec)?;
            x = y;
            after.push(LayerState { h: h_n, c: c_n });
        }
        Ok((x, State { layers: after }))
    }

    fn mask(&self, x: &Tensor<3>) -> DropoutMask {
        let [batch, time, features] = x.dims();
        match self.variational {
            true => DropoutMask::Variational {
                batch,
                time,
                features,
            },
            false => DropoutMask::Elementwise,
        }
    }

    fn zeros(&self, x: &Tensor<3>, sizes: [usize; 2]) -> LayerState {
        let [batch, ..] = x.dims();
        let [h, c] = sizes.map(|size| {
            let shape = [self.directions.len(), batch, size];
            Tensor::zeros(shape, &x.device())
        });
        LayerState { h, c }
    }

    /// Runs a layer that the fused operation does not support.
    fn step_by_step(
        &self,
        x: &Tensor<3>,
        state: &LayerState,
        weights: &[Weights],
        lengths: Option<&[usize]>,
        key: Option<Key>,
    ) -> Result<(Tensor<3>, LayerState), KernelError> {
        let layer = VariantLayer {
            cell: self.cell,
            variant: self.variant,
            directions: &self.directions,
            lengths,
            key: key.map(|key| key.fold(3)),
            variational: self.variational,
        };
        let values = self.values(weights, key)?.into_iter();
        let values = values.zip(weights).map(|(direction, w)| VariantWeights {
            direction,
            w_hr: w.w_hr.as_ref().map(Param::val),
            norm: w.norm.as_ref().map(|norm| NormWeights {
                ih: norm.ih.val(),
                hh: norm.hh.val(),
                c: norm.c.val(),
                c_bias: norm.c_bias.val(),
            }),
        });
        layer.forward(x, state, &values.collect::<Vec<_>>())
    }

    /// Weights of one layer; with `key`, weight drop is applied to the recurrent ones.
    fn values(
        &self,
        weights: &[Weights],
        key: Option<Key>,
    ) -> Result<Vec<DirectionWeights>, KernelError> {
        let mut values = plain(weights);
        for (direction, w) in (1..).zip(&mut values) {
            if let Some(key) = key {
                let (p, key) = (self.weight_dropout, key.fold(direction));
                w.w_hh = dropout(w.w_hh.clone(), p, key, DropoutMask::Elementwise)?;
            }
        }
        Ok(values)
    }

    /// Weights as plain tensors, layer by layer, forward before reverse.
    pub fn weights(&self) -> Vec<Vec<DirectionWeights>> {
        let layers = self.weights.chunks(self.directions.len());
        layers.map(plain).collect()
    }

    /// The weights of each layer of a stack of one direction, packed for steps.
    ///
    /// # Errors
    /// Weights that do not fit each other.
    pub(crate) fn step_weights(&self) -> Result<Vec<StepWeights>, KernelError> {
        let layers = self.weights().into_iter().map(|mut directions| {
            let own = directions.swap_remove(0);
            let ([_, input], [_, hidden]) = (own.w_ih.dims(), own.w_hh.dims());
            let (w_ih, w_hh) = (floats(own.w_ih), floats(own.w_hh));
            let (b_ih, b_hh) = (floats(own.b_ih), floats(own.b_hh));
            let weights = refrain_kernels::Weights {
                w_ih: &w_ih,
                w_hh: &w_hh,
                b_ih: Some(&b_ih),
                b_hh: Some(&b_hh),
            };
            StepWeights::new(self.cell, self.precision, input, hidden, &weights)
        });
        layers.collect()
    }

    /// PyTorch's suffix of the `index`th set of weights: `l0`, `l0_reverse`, `l1` …
    fn suffix(&self, index: usize) -> String {
        let directions = self.directions.len();
        let layer = index / directions;
        match self.directions[index % directions] {
            Direction::Reverse if directions == 2 => format!("l{layer}_reverse"),
            _ => format!("l{layer}"),
        }
    }
}

/// Weights of one layer as plain tensors.
fn plain(weights: &[Weights]) -> Vec<DirectionWeights> {
    let values = weights.iter().map(|w| DirectionWeights {
        w_ih: w.w_ih.val(),
        w_hh: w.w_hh.val(),
        b_ih: w.b_ih.val(),
        b_hh: w.b_hh.val(),
    });
    values.collect()
}

impl Module for Recurrent {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.weights.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        let weights = self.weights.fork(device);
        Self { weights, ..self }
    }

    fn to_device(self, device: &Device) -> Self {
        let weights = self.weights.to_device(device);
        Self { weights, ..self }
    }

    fn train(self) -> Self {
        let weights = self.weights.train();
        Self { weights, ..self }
    }

    fn valid(&self) -> Self {
        let weights = self.weights.valid();
        Self {
            weights,
            ..self.clone()
        }
    }

    fn materialize(self) -> Self {
        let weights = self.weights.materialize();
        Self { weights, ..self }
    }

    // Written by hand to keep PyTorch's names and order.
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        for (index, w) in self.weights.iter().enumerate() {
            let suffix = self.suffix(index);
            let mut named = |name: &str, param: &dyn VisitParam<V>| {
                visitor.enter_module(&format!("{name}_{suffix}"), "Struct:Recurrent");
                param.visit_with(visitor);
                visitor.exit_module(name, "Struct:Recurrent");
            };
            named("weight_ih", &w.w_ih);
            named("weight_hh", &w.w_hh);
            named("bias_ih", &w.b_ih);
            named("bias_hh", &w.b_hh);
            named("weight_hr", &w.w_hr);
            if let Some(norm) = &w.norm {
                named("norm_ih", &norm.ih);
                named("norm_hh", &norm.hh);
                named("norm_c", &norm.c);
                named("norm_c_bias", &norm.c_bias);
            }
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        fn named<M: ModuleMapper, P: Module>(mapper: &mut M, name: String, param: P) -> P {
            mapper.enter_module(&name, "Struct:Recurrent");
            let param = param.map(mapper);
            mapper.exit_module(&name, "Struct:Recurrent");
            param
        }
        let suffixes: Vec<String> = (0..self.weights.len()).map(|i| self.suffix(i)).collect();
        let weights = self.weights.into_iter().zip(suffixes).map(|(w, suffix)| {
            let name = |what: &str| format!("{what}_{suffix}");
            Weights {
                w_ih: named(mapper, name("weight_ih"), w.w_ih),
                w_hh: named(mapper, name("weight_hh"), w.w_hh),
                b_ih: named(mapper, name("bias_ih"), w.b_ih),
                b_hh: named(mapper, name("bias_hh"), w.b_hh),
                w_hr: named(mapper, name("weight_hr"), w.w_hr),
                norm: w.norm.map(|norm| Norm {
                    ih: named(mapper, name("norm_ih"), norm.ih),
                    hh: named(mapper, name("norm_hh"), norm.hh),
                    c: named(mapper, name("norm_c"), norm.c),
                    c_bias: named(mapper, name("norm_c_bias"), norm.c_bias),
                }),
            }
        });
        Self {
            weights: weights.collect(),
            ..self
        }
    }
}

/// [`Module::visit`] as an object.
trait VisitParam<V> {
    fn visit_with(&self, visitor: &mut V);
}

impl<V: ModuleVisitor, P: Module> VisitParam<V> for P {
    fn visit_with(&self, visitor: &mut V) {
        self.visit(visitor);
    }
}

impl ModuleDisplayDefault for Recurrent {
    fn content(&self, content: Content) -> Option<Content> {
        content
            .add_formatted(&format!(
                "{:?}, {} sets of weights",
                self.cell,
                self.weights.len()
            ))
            .optional()
    }
}

impl ModuleDisplay for Recurrent {}
