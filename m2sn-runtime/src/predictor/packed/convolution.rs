//! Convolutions on packed weights.

use tch::{Kind, Tensor};

use super::Precision;
use super::operators::{Fused, Operators, fused};
use super::shared::{Shared, addend, finish, in_kind};
use super::weights::{Plain, Way, Weights};
use crate::dispatcher::{Argument, Operator};
use crate::nn::{Activation, Window};
use crate::{Error, Result};

const DILATION: [i64; 2] = [1, 1];
const GROUPS: i64 = 1;

/// A convolution with all that follows it: `activation(weight ⋆ x + bias + add)`.
///
/// Batch normalisation is to be folded into weight and bias beforehand.
#[derive(Debug)]
pub(crate) struct PackedConvolution {
    weights: Weights<Packed>,
    outputs: i64,
    window: Window,
    activation: Option<Activation>,
    kind: Kind,
}

#[derive(Debug)]
struct Packed {
    operators: &'static Operators,
    weight: Shared,
    bias: Shared,
}

impl PackedConvolution {
    /// Packs a weight `[D, C, kernel height, kernel width]`, with its bias `[D]`.
    ///
    /// The layout is chosen for samples of the size `input`, which is `[C, H, W]`; others are computed as well, if
    /// slower.
    ///
    /// # Errors
    /// Where the bias is not that of the weight, or LibTorch cannot read them. That it cannot pack them is none: the
    /// plain operators then do.
    pub(crate) fn new(
        weight: &Tensor,
        bias: &Tensor,
        input: [i64; 3],
        window: Window,
        activation: Option<Activation>,
        precision: Precision,
    ) -> Result<Self> {
        let outputs = bias.numel() as i64;
        let [channels, height, width] = input;
        let small = is_small([1, channels, height, width], outputs, window);
        let kind = precision.of_convolutions();
        let weights = Weights::new([weight, bias], small, || Packed::new(weight, bias, input, window, kind))?;
        let kind = if weights.packed().is_some() { kind } else { Kind::Float };
        Ok(Self { weights, outputs, window, activation, kind })
    }

    /// The kind of the outputs: that of the precision, or f32 where the weights could not be packed.
    #[cfg(test)]
    fn kind(&self) -> Kind {
        self.kind
    }

    /// `[batch, C, H, W]` → `[batch, D, G, V]`, where `add` has the size of the output.
    ///
    /// The output of packed weights lies in memory channels last, whatever the input does, and inputs that do need no
    /// conversion; LibTorch's pooling is fastest so, too. A tensor like that can be reshaped to rows, but not viewed as
    /// such. What plain operators compute, because it is small or for want of packed weights, lies as they like.
    ///
    /// # Errors
    /// Where input or `add` do not fit.
    pub(crate) fn forward(&self, input: &Tensor, add: Option<&Tensor>) -> Result<Tensor> {
        let size = images(input)?;
        let add = add.map(|add| addend(add, &self.output_size(size))).transpose()?;
        match self.weights.serving(is_small(size, self.outputs, self.window)) {
            Way::Plain(plain) => self.plain(plain, input, add),
            Way::Packed(packed) => {
                let input = in_kind(input, self.kind)?;
                let add = add.map(|add| in_kind(add, self.kind)).transpose()?;
                match &add {
                    None => self.convolve(packed, &input, fused(self.activation)),
                    Some(add) if lies_both_ways(add) => {
                        finish(self.convolve(packed, &input, fused(None))?, Some(add), self.activation)
                    }
                    Some(add) => self.add(packed, &packed.operators.convolution_add, [&input, add]),
                }
            }
        }
    }

    /// As [`PackedConvolution::forward`], with the output written where `sum` was: faster by a pass over memory.
    ///
    /// Whoever else holds `sum`, as a view or a shallow clone, may see the output in its place. What lies in memory in
    /// another way than the output, or is of another kind, is left alone.
    ///
    /// # Errors
    /// Where input or `sum` do not fit.
    pub(crate) fn forward_onto(&self, input: &Tensor, sum: Tensor) -> Result<Tensor> {
        let size = images(input)?;
        addend(&sum, &self.output_size(size))?;
        match self.weights.serving(is_small(size, self.outputs, self.window)) {
            Way::Packed(packed)
                if sum.kind() == self.kind
                    && lies_channels_last(&sum)
                    && !lies_both_ways(&sum)
                    // Of an input that is the sum as well, oneDNN would read what it has already written.
                    && sum.data_ptr() != input.data_ptr() =>
            {
                let input = in_kind(input, self.kind)?;
                self.add(packed, &packed.operators.convolution_onto, [&sum, &input])
            }
            _ => self.forward(input, Some(&sum)),
        }
    }

    /// The size of the output for an input of this size.
    fn output_size(&self, [batch, _, height, width]: [i64; 4]) -> [i64; 4] {
        let [rows, columns] = self.window.places([height, width]);
        [batch, self.outputs, rows, columns]
    }

    fn convolve(&self, packed: &Packed, input: &Tensor, activation: Fused) -> Result<Tensor> {
        packed.operators.convolution.call(&[
            Argument::Tensor(input),
            Argument::Tensor(&packed.weight),
            Argument::Tensor(&packed.bias),
            Argument::Ints(&self.window.padding),
            Argument::Ints(&self.window.stride),
            Argument::Ints(&DILATION),
            Argument::Int(GROUPS),
            Argument::String(activation.attribute),
            Argument::Scalars(&[]),
            Argument::optional(activation.algorithm),
        ])
    }

    /// Convolution and addition by either of the two operators, of input and sum in the order that it has them in.
    fn add(&self, packed: &Packed, operator: &Operator, [first, second]: [&Tensor; 2]) -> Result<Tensor> {
        // After an addition, oneDNN is asked for nothing but ReLU.
        let relu = self.activation == Some(Activation::Relu);
        let output = operator.call(&[
            Argument::Tensor(first),
            Argument::Tensor(second),
            Argument::Tensor(&packed.weight),
            Argument::Tensor(&packed.bias),
            Argument::Ints(&self.window.padding),
            Argument::Ints(&self.window.stride),
            Argument::Ints(&DILATION),
            Argument::Int(GROUPS),
            Argument::String("add"),
            Argument::None,
            Argument::optional(relu.then_some("relu")),
            Argument::Scalars(&[]),
            Argument::None,
        ])?;
        if relu { Ok(output) } else { finish(output, None, self.activation) }
    }

    fn plain(&self, plain: &Plain, input: &Tensor, add: Option<&Tensor>) -> Result<Tensor> {
        let Window { padding, stride, .. } = self.window;
        let input = in_kind(input, Kind::Float)?;
        let output = input.f_conv2d(&plain.weight, Some(&*plain.bias), stride, padding, DILATION, GROUPS)?;
        in_kind(&finish(output, add, self.activation)?, self.kind)
    }
}

impl Packed {
    fn new(weight: &Tensor, bias: &Tensor, input: [i64; 3], window: Window, kind: Kind) -> Result<Self> {
        let operators = Operators::get()?;
        let weight = channels_last(&weight.detach().f_totype(kind)?)?;
        let [channels, height, width] = input;
        let packed = operators.pack_convolution.call(&[
            Argument::Tensor(&weight),
            Argument::Ints(&window.padding),
            Argument::Ints(&window.stride),
            Argument::Ints(&DILATION),
            Argument::Int(GROUPS),
            // The layout does not depend on the number of samples.
            Argument::Ints(&[1, channels, height, width]),
        ])?;
        Ok(Self { operators, weight: Shared::new(packed), bias: Shared::copy(bias, kind)? })
    }
}

/// Whether the plain operators are faster: oneDNN's take 20 µs before they compute anything.
///
/// What is found here is what LibTorch does not give to oneDNN in any case, but convolves as one product of matrices in
/// 4 µs and more. Where that has few columns or much to do, oneDNN makes up for its start.
fn is_small([batch, channels, height, width]: [i64; 4], outputs: i64, window: Window) -> bool {
    let places: i64 = window.places([height, width]).iter().product();
    let weights = outputs * channels * window.kernel.iter().product::<i64>();
    batch == 1
        && window.kernel.iter().all(|&length| length <= 3)
        && channels * height * width <= 20_480
        && places >= 16
        && weights * places <= 500_000
}

/// The size of images, as a batch of which the tensor is read.
fn images(tensor: &Tensor) -> Result<[i64; 4]> {
    let size = tensor.size();
    size.as_slice().try_into().map_err(|_| Error::Shape {
        what: "input of a convolution".into(),
        expected: "[batch, channels, height, width]".into(),
        found: format!("{size:?}"),
    })
}

fn lies_channels_last(images: &Tensor) -> bool {
    match (images.size().as_slice(), images.stride().as_slice()) {
        (&[_, c, h, w], &[sample, 1, row, pixel]) => [sample, row, pixel] == [c * h * w, c * w, c],
        _ => false,
    }
}

/// Whether images of one channel or one pixel are in a tensor.
///
/// Their channels come first and last at once, and the operator that adds cannot tell in which order it has to write.
fn lies_both_ways(images: &Tensor) -> bool {
    matches!(images.size()[..], [_, 1, _, _] | [_, _, 1, 1])
}

/// The same tensor, in memory channels last: so the operators take the weight to be meant for inputs like that.
fn channels_last(tensor: &Tensor) -> Result<Tensor> {
    Ok(tensor.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])?)
}

#[cfg(test)]
mod tests {
    use tch::{Device, no_grad};

    use super::super::tests::{ACTIVATIONS, assert_near, assert_shared, random};
    use super::*;

    const CASES: [(i64, i64, [i64; 2], Window); 9] = [
        (3, 8, [8, 8], Window { kernel: [1, 1], stride: [1, 1], padding: [0, 0] }),
        (16, 24, [9, 7], Window { kernel: [1, 1], stride: [2, 2], padding: [0, 0] }),
        (1, 6, [28, 28], Window { kernel: [5, 5], stride: [1, 1], padding: [2, 2] }),
        (3, 17, [13, 11], Window { kernel: [3, 3], stride: [1, 1], padding: [1, 1] }),
        (32, 64, [14, 14], Window { kernel: [3, 3], stride: [2, 2], padding: [1, 1] }),
        (3, 64, [45, 38], Window { kernel: [7, 7], stride: [2, 2], padding: [3, 3] }),
        (2, 3, [1, 1], Window { kernel: [1, 1], stride: [1, 1], padding: [0, 0] }),
        (3, 1, [5, 4], Window { kernel: [3, 3], stride: [1, 1], padding: [1, 1] }),
        (4, 5, [6, 10], Window { kernel: [3, 2], stride: [2, 1], padding: [0, 1] }),
    ];

    struct Case {
        weight: Tensor,
        bias: Tensor,
        input: [i64; 3],
        output: [i64; 3],
        window: Window,
    }

    fn cases() -> impl Iterator<Item = Case> {
        CASES.into_iter().map(|(inputs, outputs, [height, width], window)| {
            let [kernel_height, kernel_width] = window.kernel;
            let [rows, columns] = window.places([height, width]);
            let fan_in = (inputs * kernel_height * kernel_width) as f64;
            Case {
                weight: random(&[outputs, inputs, kernel_height, kernel_width]) / fan_in.sqrt(),
                bias: random(&[outputs]),
                input: [inputs, height, width],
                output: [outputs, rows, columns],
                window,
            }
        })
    }

    impl PackedConvolution {
        fn is_packed(&self) -> bool {
            self.weights.packed().is_some()
        }
    }

    impl Case {
        fn pack(&self, activation: Option<Activation>, precision: Precision) -> PackedConvolution {
            let layer =
                PackedConvolution::new(&self.weight, &self.bias, self.input, self.window, activation, precision)
                    .expect("a layer");
            PackedConvolution { weights: layer.weights.never_small(), ..layer }
        }

        fn plain(&self, input: &Tensor, add: Option<&Tensor>, activation: Option<Activation>) -> Tensor {
            let Window { stride, padding, .. } = self.window;
            let mut output = input.conv2d(&self.weight, Some(&self.bias), stride, padding, [1, 1], 1);
            if let Some(add) = add {
                output += add;
            }
            activation.map_or(output.shallow_clone(), |activation| activation.apply(output))
        }

        fn random(&self, batch: i64) -> (Tensor, Tensor) {
            let sized = |[channels, height, width]: [i64; 3]| random(&[batch, channels, height, width]);
            (sized(self.input), sized(self.output))
        }
    }

    #[test]
    fn computes_what_the_plain_operators_do() {
        for case in cases() {
            for activation in ACTIVATIONS {
                let layer = case.pack(activation, Precision::F32);
                assert!(layer.is_packed() || cfg!(not(target_arch = "x86_64")), "packed weights");
                for batch in [0, 1, 7] {
                    let (input, add) = case.random(batch);
                    for add in [None, Some(&add)] {
                        let output = layer.forward(&input, add).expect("an output");
                        assert_eq!(output.kind(), Kind::Float);
                        assert_near(&output, &case.plain(&input, add, activation), 1e-5);
                    }
                }
            }
        }
    }

    #[test]
    fn bfloat16_is_near_and_takes_inputs_of_either_kind() {
        for case in cases() {
            for activation in [None, Some(Activation::Relu), Some(Activation::Gelu)] {
                for precision in [Precision::Bf16, Precision::Mixed] {
                    let layer = case.pack(activation, precision);
                    let (input, add) = case.random(3);
                    let rounded = input.totype(Kind::BFloat16);
                    for add in [None, Some(&add)] {
                        let output = layer.forward(&input, add).expect("an output");
                        assert_eq!(output.kind(), layer.kind());
                        assert_near(&output, &case.plain(&input, add, activation), 0.03);
                        assert_near(&layer.forward(&rounded, add).expect("an output"), &output, 0.03);
                    }
                }
            }
        }
    }

    #[test]
    fn inputs_and_outputs_lie_channels_last_or_not() {
        for case in cases() {
            let layer = case.pack(Some(Activation::Relu), Precision::F32);
            let (input, add) = case.random(2);
            let expected = case.plain(&input, Some(&add), Some(Activation::Relu));
            let [last, add_last] = [&input, &add].map(|tensor| channels_last(tensor).expect("a copy"));
            for input in [&input, &last] {
                for add in [&add, &add_last] {
                    let output = layer.forward(input, Some(add)).expect("an output");
                    assert_near(&output, &expected, 1e-5);
                    if layer.is_packed() {
                        assert!(output.permute([0, 2, 3, 1]).is_contiguous());
                    }
                }
            }
        }
    }

    #[test]
    fn outputs_can_be_written_where_the_sum_was() {
        for case in cases() {
            for activation in ACTIVATIONS {
                for (precision, tolerance) in [(Precision::F32, 1e-5), (Precision::Bf16, 0.03)] {
                    let layer = case.pack(activation, precision);
                    let (input, add) = case.random(2);
                    let expected = case.plain(&input, Some(&add), activation);
                    let last = channels_last(&add).expect("a copy");
                    let sums = [last.copy(), last.totype(Kind::BFloat16), add.copy(), add.totype(Kind::BFloat16)];
                    for sum in sums {
                        let tolerance = if sum.kind() == Kind::BFloat16 { 0.03 } else { tolerance };
                        let output = layer.forward_onto(&input, sum).expect("an output");
                        assert_near(&output, &expected, tolerance);
                    }
                    layer.forward_onto(&input, add.narrow(0, 0, 1)).expect_err("one sample too few");
                }
            }
        }
    }

    #[test]
    fn a_sum_that_lies_like_the_output_is_written_over() {
        let case = &cases().nth(4).expect("a case");
        for precision in [Precision::F32, Precision::Bf16] {
            let layer = case.pack(Some(Activation::Relu), precision);
            let (input, add) = case.random(2);
            let sum = channels_last(&add).expect("a copy").totype(layer.kind());
            let output = layer.forward_onto(&input, sum.shallow_clone()).expect("an output");
            assert_eq!(output.data_ptr() == sum.data_ptr(), layer.is_packed());
        }
    }

    #[test]
    fn small_layers_are_computed_by_plain_operators() {
        let window = Window { kernel: [3, 3], stride: [1, 1], padding: [1, 1] };
        assert!(is_small([1, 16, 14, 14], 16, window));
        assert!(!is_small([2, 16, 14, 14], 16, window));
        assert!(!is_small([1, 64, 2, 2], 64, window));
        assert!(!is_small([1, 64, 56, 56], 64, window));
        let (weight, bias) = (random(&[4, 3, 3, 3]), random(&[4]));
        for precision in [Precision::F32, Precision::Bf16] {
            let layer = PackedConvolution::new(&weight, &bias, [3, 8, 8], window, None, precision).expect("a layer");
            let (input, add) = (random(&[1, 3, 8, 8]), random(&[1, 4, 8, 8]));
            let expected = input.conv2d(&weight, Some(&bias), [1, 1], [1, 1], [1, 1], 1) + &add;
            for output in [layer.forward(&input, Some(&add)), layer.forward_onto(&input, add.copy())] {
                let output = output.expect("an output");
                assert_eq!(output.kind(), layer.kind());
                assert_near(&output, &expected, 0.01);
            }
        }
    }

    #[test]
    fn an_input_that_is_the_sum_too_is_read_before_it_is_written() {
        let window = Window { kernel: [3, 3], stride: [1, 1], padding: [1, 1] };
        let (weight, bias, input) = (random(&[4, 4, 3, 3]), random(&[4]), random(&[2, 4, 6, 6]));
        let input = channels_last(&input).expect("a copy");
        let layer = PackedConvolution::new(&weight, &bias, [4, 6, 6], window, None, Precision::F32).expect("a layer");
        let expected = layer.forward(&input, Some(&input)).expect("an output");
        assert_near(&layer.forward_onto(&input, input.shallow_clone()).expect("an output"), &expected, 1e-6);
    }

    #[test]
    fn other_sizes_than_packed_for_are_computed_too() {
        let case = &cases().nth(3).expect("a case");
        let layer = case.pack(None, Precision::F32);
        let input = random(&[2, 3, 30, 21]);
        assert_near(&layer.forward(&input, None).expect("an output"), &case.plain(&input, None, None), 1e-5);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let case = &cases().nth(3).expect("a case");
        for precision in [Precision::F32, Precision::Bf16] {
            let layer = case.pack(Some(Activation::Relu), precision);
            let (input, add) = case.random(2);
            PackedConvolution::new(&case.weight, &random(&[16]), case.input, case.window, None, precision)
                .expect_err("one number too few");
            layer.forward(&random(&[2, 4, 13, 11]), None).expect_err("one channel too many");
            layer.forward(&random(&[3, 13, 11]), None).expect_err("no batch");
            layer.forward(&input, Some(&add.narrow(0, 0, 1))).expect_err("one sample too few");
            layer.forward(&input, Some(&add.narrow(1, 0, 4))).expect_err("some channels too few");
        }
    }

    #[test]
    fn many_threads_use_one_layer() {
        let case = &cases().nth(4).expect("a case");
        for precision in [Precision::F32, Precision::Bf16] {
            let layer = &case.pack(Some(Activation::Relu), precision);
            let (input, add) = case.random(2);
            assert_shared(&|input, add| layer.forward(input, Some(add)).expect("an output"), &input, &add);
        }
    }

    #[test]
    fn does_without_packed_weights() {
        for case in cases() {
            for activation in ACTIVATIONS {
                let layer = PackedConvolution {
                    weights: Weights::Plain(Plain::new(&case.weight, &case.bias).expect("a copy")),
                    outputs: case.output[0],
                    window: case.window,
                    activation,
                    kind: Kind::Float,
                };
                let (input, add) = case.random(2);
                for add in [None, Some(&add)] {
                    let output = layer.forward(&input.totype(Kind::Double), add).expect("an output");
                    assert_near(&output, &case.plain(&input, add, activation), 1e-6);
                }
            }
        }
    }

    #[test]
    fn parameters_are_copied_without_their_gradients() {
        let weight = Tensor::ones([1, 1, 1, 1], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let bias = Tensor::zeros([1], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let window = Window { kernel: [1, 1], stride: [1, 1], padding: [0, 0] };
        let layer = PackedConvolution::new(&weight, &bias, [1, 2, 2], window, None, Precision::F32).expect("a layer");
        no_grad(|| {
            let _ = weight.shallow_clone().fill_(3.0);
            let _ = bias.shallow_clone().fill_(3.0);
        });
        let ones = Tensor::ones([1, 1, 2, 2], (Kind::Float, Device::Cpu));
        let output = layer.forward(&ones, None).expect("an output");
        assert_eq!(output, ones);
        assert!(!output.requires_grad());
    }
}
