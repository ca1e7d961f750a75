//! Models that decode and ask for something impossible: operators, attributes, shapes and indices that do not
//! fit.

use crate::tools::goldens;
use proptest::prelude::*;
use prost::Message;
use refrain_data::{array::f16, each};
use refrain_onnx::proto::{AttributeProto, ModelProto};
use refrain_onnx::{Array, Data, Model};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Bytes that a run may hold here.
const LIMIT: usize = 1 << 16;

type File = (ModelProto, BTreeMap<String, Array>);

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let all = ["operators", "node", "operators", "more", "more", "runtime"];
    let all = all.into_iter().flat_map(goldens);
    let decoded = all.map(|golden| {
        let mut model = ModelProto::decode(&golden.model[..]).unwrap();
        // Shapes are for the operators to refuse, not for the check of inputs.
        let ports = model.graph.iter_mut().flat_map(|graph| &mut graph.input);
        for port in ports {
            if let Some(of) = port.r#type.as_mut().and_then(|of| of.tensor_type.as_mut()) {
                of.shape = None;
            }
        }
        (model, golden.inputs)
    });
    decoded.collect()
});

#[derive(Clone, Debug)]
enum Twist {
    Operator(usize),
    Opset(i64),
    Int(usize, i64),
    Float(usize, f32),
    Drop(usize),
    Borrow(usize),
    Input(usize, usize),
    Value(usize, usize, i64),
    Shape(usize, Vec<usize>),
}

fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => -4..6i64,
        1 => any::<i64>(),
        1 => Just(i64::MIN),
        1 => Just(i64::MAX),
        1 => Just(1 << 31),
    ]
}

fn twist() -> impl Strategy<Value = Twist> {
    let at = || 0..500usize;
    prop_oneof![
        at().prop_map(Twist::Operator),
        (7..27i64).prop_map(Twist::Opset),
        (at(), integer()).prop_map(|(at, i)| Twist::Int(at, i)),
        (at(), any::<f32>()).prop_map(|(at, f)| Twist::Float(at, f)),
        at().prop_map(Twist::Drop),
        at().prop_map(Twist::Borrow),
        (at(), at()).prop_map(|(at, from)| Twist::Input(at, from)),
        (at(), at(), integer()).prop_map(|(at, place, i)| Twist::Value(at, place, i)),
        (at(), prop::collection::vec(0..5usize, 0..5))
            .prop_map(|(at, shape)| Twist::Shape(at, shape)),
    ]
}

fn pick<T>(all: &mut [T], at: usize) -> Option<&mut T> {
    let at = at.checked_rem(all.len())?;
    all.get_mut(at)
}

fn set_int(attribute: &mut AttributeProto, at: usize, to: i64) {
    match pick(&mut attribute.ints, at) {
        Some(i) => *i = to,
        None => attribute.i = attribute.i.map(|_| to),
    }
}

fn set_float(attribute: &mut AttributeProto, at: usize, to: f32) {
    match pick(&mut attribute.floats, at) {
        Some(f) => *f = to,
        None => attribute.f = attribute.f.map(|_| to),
    }
}

fn apply((model, inputs): &mut File, twist: &Twist) -> Option<()> {
    let node = &mut model.graph.as_mut()?.node[0];
    let other = |at: usize| Some(&FILES[at % FILES.len()].0.graph.as_ref()?.node[0]);
    let mut values: Vec<&mut Array> = inputs.values_mut().collect();
    match twist {
        Twist::Operator(at) => node.op_type = other(*at)?.op_type.clone(),
        Twist::Opset(version) => model.opset_import[0].version = Some(*version),
        Twist::Int(at, i) => set_int(pick(&mut node.attribute, *at)?, *at, *i),
        Twist::Float(at, f) => set_float(pick(&mut node.attribute, *at)?, *at, *f),
        Twist::Drop(at) => {
            let at = at.checked_rem(node.attribute.len())?;
            node.attribute.remove(at);
        }
        Twist::Borrow(at) => node.attribute = other(*at)?.attribute.clone(),
        Twist::Input(at, from) => {
            let name = pick(&mut node.input, *from)?.clone();
            *pick(&mut node.input, *at)? = name;
        }
        Twist::Value(at, place, to) => {
            let value = pick(&mut values, *at)?;
            let (shape, mut data) = value.clone().into_parts();
            match &mut data {
                Data::F32(v) => *pick(v, *place)? = *to as f32,
                Data::F64(v) => *pick(v, *place)? = *to as f64,
                Data::F16(v) => *pick(v, *place)? = f16::from_f64(*to as f64),
                Data::I64(v) => *pick(v, *place)? = *to,
                Data::I32(v) => *pick(v, *place)? = *to as i32,
                Data::I16(v) => *pick(v, *place)? = *to as i16,
                Data::I8(v) => *pick(v, *place)? = *to as i8,
                Data::U64(v) => *pick(v, *place)? = *to as u64,
                Data::U32(v) => *pick(v, *place)? = *to as u32,
                Data::U16(v) => *pick(v, *place)? = *to as u16,
                Data::U8(v) => *pick(v, *place)? = *to as u8,
                Data::Bool(v) => *pick(v, *place)? = *to != 0,
            }
            **value = Array::new(shape, data).ok()?;
        }
        Twist::Shape(at, shape) => {
            let value = pick(&mut values, *at)?;
            let count = shape.iter().product();
            let data =
                each!(value.data(), v => v.iter().copied().cycle().take(count).collect::<Vec<_>>());
            **value = Array::new(shape.clone(), data).ok()?;
        }
    }
    Some(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: crate::changes::cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn impossible_models_do_not_panic(which in 0..1000usize, twists in prop::collection::vec(twist(), 1..4)) {
        let mut file = FILES[which % FILES.len()].clone();
        for twist in &twists {
            let _ = apply(&mut file, twist);
        }
        let (model, inputs) = file;
        if let Ok(model) = Model::read(&model.encode_to_vec()) {
            let _ = model.with_limit(LIMIT).with_iterations(1000).run(inputs);
        }
    }
}
