//! What MultiBench's encoders are made of: `tests/fixtures/multibench.py` made the numbers.

use super::*;

fn check<I: Shape, O: Shape, L: Layer<I, O>>(case: &str, build: impl FnOnce(Path<'_>) -> L) {
    matches_in("multibench", case, build);
}

#[test]
fn lstm() {
    let one = lstm::Settings { layers: 2, bidirectional: false, dropout: 0.0 };
    let both = lstm::Settings { bidirectional: true, ..one };
    for padded in ["", "_padded"] {
        let case = |name: &str| format!("lstm_{name}{padded}");
        check(&case("forward_all"), |path| Lstm::<Sequence<5, 3>, Sequence<5, 4>>::new(path, one));
        check(&case("forward_last"), |path| Lstm::<Sequence<5, 3>, Vector<4>>::new(path, one));
        check(&case("both_all"), |path| Lstm::<Sequence<5, 3>, Sequence<5, 8>>::new(path, both));
        check(&case("both_last"), |path| Lstm::<Sequence<5, 3>, Vector<8>>::new(path, both));
    }
}

#[test]
fn conv1d() {
    let point = conv1d::Settings { kernel: 1, stride: 1, padding: 0, bias: false, norm: None, activation: None };
    let wide = conv1d::Settings { kernel: 3, stride: 2, padding: 1, bias: true, ..point };
    let relu = Some(Activation::Relu);
    let batch = conv1d::Settings { kernel: 4, norm: Some(Norm::Batch), activation: relu, ..point };
    let narrow = conv1d::Settings { norm: Some(Norm::Batch), ..point };
    let group = conv1d::Settings { norm: Some(Norm::Group { groups: 2 }), activation: Some(Activation::Gelu), ..wide };
    for padded in ["", "_padded"] {
        let case = |name: &str| format!("conv1d_{name}{padded}");
        check(&case("point"), |path| Conv1d::<Sequence<7, 3>, Sequence<7, 4>>::new(path, point));
        check(&case("wide"), |path| Conv1d::<Sequence<7, 3>, Sequence<4, 4>>::new(path, wide));
        check(&case("batch"), |path| Conv1d::<Sequence<7, 3>, Sequence<4, 4>>::new(path, batch));
        check(&case("narrow"), |path| Conv1d::<Sequence<7, 3>, Sequence<7, 4>>::new(path, narrow));
        check(&case("group"), |path| Conv1d::<Sequence<7, 3>, Sequence<4, 4>>::new(path, group));
    }
}

#[test]
fn pooling_over_steps() {
    let settings = pool::Settings { kernel: [3, 1], stride: [2, 1], padding: [1, 0] };
    for padded in ["", "_padded"] {
        let case = |name: &str| format!("{name}_pool_steps{padded}");
        check(&case("max"), |_| MaxPool::<Sequence<7, 3>, Sequence<4, 3>>::new(settings));
        check(&case("average"), |_| AveragePool::<Sequence<7, 3>, Sequence<4, 3>>::new(settings));
    }
}

#[test]
fn batch_norm() {
    check("batch_norm", |path| BatchNorm::<Vector<5>, Vector<5>>::new(path, 1e-4));
    check("batch_norm_image", |path| BatchNorm::<Map, Map>::new(path, 1e-5));
    check("batch_norm_steps", |path| BatchNorm::<Sequence<7, 3>, Sequence<7, 3>>::new(path, 1e-5));
    check("batch_norm_steps_padded", |path| BatchNorm::<Sequence<7, 3>, Sequence<7, 3>>::new(path, 1e-5));
}

#[test]
fn maxout() {
    check("maxout", |path| Maxout::<Vector<5>, Vector<4>>::new(path, 3));
    check("maxout_steps", |path| Maxout::<Sequence<7, 3>, Sequence<7, 4>>::new(path, 2));
}

/// MultiBench's `MaxOut_MLP` without dropout, from the layers that a spec writes it with.
#[derive(Debug)]
struct MaxoutMlp {
    op0: BatchNorm<Vector<5>, Vector<5>>,
    op1: Maxout<Vector<5>, Vector<6>>,
    op2: BatchNorm<Vector<6>, Vector<6>>,
    op3: Maxout<Vector<6>, Vector<4>>,
    op4: BatchNorm<Vector<4>, Vector<4>>,
    hid2val: Linear<Vector<4>, Vector<2>>,
}

impl Layer<Vector<5>, Vector<2>> for MaxoutMlp {
    fn forward(&self, input: &Batch<Vector<5>>, train: bool) -> Batch<Vector<2>> {
        let first = self.op2.forward(&self.op1.forward(&self.op0.forward(input, train), train), train);
        let second = self.op4.forward(&self.op3.forward(&first, train), train);
        self.hid2val.forward(&second, train)
    }

    fn lower(&self, program: &mut Program, input: program::Value) -> program::Value {
        let value = self.op0.lower(program, input);
        let value = self.op1.lower(program, value);
        let value = self.op2.lower(program, value);
        let value = self.op3.lower(program, value);
        let value = self.op4.lower(program, value);
        self.hid2val.lower(program, value)
    }
}

#[test]
fn maxout_mlp() {
    check("maxout_mlp", |path| MaxoutMlp {
        op0: BatchNorm::new(&path / "op0", 1e-4),
        op1: Maxout::new(&path / "op1", 2),
        op2: BatchNorm::new(&path / "op2", 1e-5),
        op3: Maxout::new(&path / "op3", 2),
        op4: BatchNorm::new(&path / "op4", 1e-5),
        hid2val: Linear::new(&path / "hid2val", None),
    });
}

#[test]
fn steps() {
    for padded in ["", "_padded"] {
        check(&format!("first_step{padded}"), |_| FirstStep::<Sequence<5, 3>, Vector<3>>::new());
        check(&format!("last_step{padded}"), |_| LastStep::<Sequence<5, 3>, Vector<3>>::new());
    }
}

/// MultiBench's `Transformer`, smaller and without dropout.
#[derive(Debug)]
struct Encoder {
    conv: Conv1d<Sequence<5, 3>, Sequence<5, 10>>,
    transformer: Transformer<Sequence<5, 10>, Sequence<5, 10>>,
    last: LastStep<Sequence<5, 10>, Vector<10>>,
}

impl Layer<Sequence<5, 3>, Vector<10>> for Encoder {
    fn forward(&self, input: &Batch<Sequence<5, 3>>, train: bool) -> Batch<Vector<10>> {
        let steps = self.conv.forward(input, train);
        self.last.forward(&self.transformer.forward(&steps, train), train)
    }

    fn lower(&self, program: &mut Program, input: program::Value) -> program::Value {
        let value = self.conv.lower(program, input);
        let value = self.transformer.lower(program, value);
        self.last.lower(program, value)
    }
}

#[test]
fn transformer_encoder() {
    let point = conv1d::Settings { kernel: 1, stride: 1, padding: 0, bias: false, norm: None, activation: None };
    let settings = transformer::Settings {
        layers: 2,
        heads: 5,
        feed_forward: 12,
        activation_dropout: 0.0,
        dropout: 0.0,
        order: Order::PostNorm,
        activation: Activation::Relu,
        epsilon: 1e-5,
    };
    check("transformer_encoder", |path| Encoder {
        conv: Conv1d::new(&path / "conv", point),
        transformer: Transformer::new(&path / "transformer", settings),
        last: LastStep::new(),
    });
}
