//! Linear maps on packed weights.

use tch::{Kind, Tensor};

use super::operators::{Operators, Quantized, fused};
use super::shared::{Shared, addend, finish, in_kind};
use super::weights::{Way, Weights};
use super::{Precision, quantization};
use crate::Result;
use crate::dispatcher::{Argument, Object};
use crate::nn::Activation;

/// A linear map over the last dimension, with all that follows it: `activation(x · weightᵀ + bias + add)`.
#[derive(Debug)]
pub(crate) struct PackedLinear {
    weights: Weights<Packed>,
    /// Outputs and inputs.
    size: [i64; 2],
    precision: Precision,
    activation: Option<Activation>,
    kind: Kind,
}

#[derive(Debug)]
enum Packed {
    Floats { operators: &'static Operators, weight: Shared, bias: Shared },
    Integers { operators: &'static Quantized, weights: Object },
}

impl PackedLinear {
    /// Packs a weight `[M, N]`, with its bias `[M]`.
    ///
    /// # Errors
    /// Where the weight is no matrix, the bias not that of the weight, or LibTorch cannot read them. That it cannot pack
    /// them is none: the plain operators then do.
    pub(crate) fn new(
        weight: &Tensor,
        bias: &Tensor,
        activation: Option<Activation>,
        precision: Precision,
    ) -> Result<Self> {
        let (outputs, inputs) = weight.size2()?;
        let small = is_small(1, [outputs, inputs], precision);
        let kind = match precision {
            Precision::F32 | Precision::Mixed => Kind::Float,
            Precision::Bf16 => Kind::BFloat16,
        };
        let weights = Weights::new([weight, bias], small, || match precision {
            Precision::F32 | Precision::Bf16 => Packed::floats(weight, bias, kind),
            Precision::Mixed => Packed::integers(weight, bias),
        })?;
        let kind = if weights.packed().is_some() { kind } else { Kind::Float };
        Ok(Self { weights, size: [outputs, inputs], activation, precision, kind })
    }

    /// The kind of the outputs: that of the precision, or f32 where the weights could not be packed.
    #[cfg(test)]
    fn kind(&self) -> Kind {
        self.kind
    }

    /// `[.., N]` → `[.., M]`, where `add` has the size of the output.
    ///
    /// # Errors
    /// Where input or `add` do not fit.
    pub(crate) fn forward(&self, input: &Tensor, add: Option<&Tensor>) -> Result<Tensor> {
        let size = input.size();
        let rows: i64 = size.iter().rev().skip(1).product();
        let add = add.map(|add| addend(add, &self.output_size(size))).transpose()?;
        match self.weights.serving(is_small(rows, self.size, self.precision)) {
            Way::Plain(plain) => {
                let output = in_kind(input, Kind::Float)?.f_linear(&plain.weight, Some(&*plain.bias))?;
                in_kind(&finish(output, add, self.activation)?, self.kind)
            }
            Way::Packed(Packed::Floats { operators, weight, bias }) => {
                let input = in_kind(input, self.kind)?;
                match add {
                    None => self.map(operators, &input, weight, bias),
                    Some(add) => self.map_and_add(operators, &input, &in_kind(add, self.kind)?, weight, bias),
                }
            }
            Way::Packed(Packed::Integers { operators, weights }) => self.quantized(operators, input, weights, add),
        }
    }

    /// The size of the output for an input of this size.
    fn output_size(&self, mut input: Vec<i64>) -> Vec<i64> {
        if let Some(last) = input.last_mut() {
            *last = self.size[0];
        }
        input
    }

    fn map(&self, operators: &Operators, input: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let activation = fused(self.activation);
        operators.linear.call(&[
            Argument::Tensor(input),
            Argument::Tensor(weight),
            Argument::Tensor(bias),
            Argument::String(activation.attribute),
            Argument::Scalars(&[]),
            Argument::optional(activation.algorithm),
        ])
    }

    fn map_and_add(
        &self,
        operators: &Operators,
        input: &Tensor,
        add: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
    ) -> Result<Tensor> {
        let output = operators.linear_add.call(&[
            Argument::Tensor(input),
            Argument::Tensor(add),
            Argument::Tensor(weight),
            Argument::Tensor(bias),
            Argument::String("add"),
        ])?;
        finish(output, None, self.activation)
    }

    fn quantized(
        &self,
        operators: &Quantized,
        input: &Tensor,
        weights: &Object,
        add: Option<&Tensor>,
    ) -> Result<Tensor> {
        let input = in_kind(input, Kind::Float)?.f_contiguous()?;
        if input.dim() == 1 {
            // The operators know rows alone.
            let add = add.map(|add| add.f_unsqueeze(0)).transpose()?;
            return Ok(self.quantized(operators, &input.f_unsqueeze(0)?, weights, add.as_ref())?.f_squeeze_dim(0)?);
        }
        let arguments =
            [Argument::Tensor(&input), Argument::Object(weights), Argument::Bool(quantization::reduce_range())];
        match (self.activation, add) {
            (Some(Activation::Relu), None) => operators.linear_relu.call(&arguments),
            _ => finish(operators.linear.call(&arguments)?, add, self.activation),
        }
    }
}

impl Packed {
    fn floats(weight: &Tensor, bias: &Tensor, kind: Kind) -> Result<Self> {
        let operators = Operators::get()?;
        let weight = weight.detach().f_totype(kind)?.f_contiguous()?;
        let packed = operators.pack_linear.call(&[Argument::Tensor(&weight), Argument::None])?;
        Ok(Self::Floats { operators, weight: Shared::new(packed), bias: Shared::copy(bias, kind)? })
    }

    fn integers(weight: &Tensor, bias: &Tensor) -> Result<Self> {
        let operators = Quantized::get()?;
        let weight = quantization::by_rows(&weight.detach().f_totype(Kind::Float)?)?;
        let bias = bias.detach().f_totype(Kind::Float)?.f_contiguous()?;
        let weights = operators.pack.make(&[Argument::Tensor(&weight), Argument::Tensor(&bias)])?;
        Ok(Self::Integers { operators, weights })
    }
}

/// Whether the plain operator is faster: oneDNN's take 10 µs before they compute anything, those on integers 1 µs.
fn is_small(rows: i64, [outputs, inputs]: [i64; 2], precision: Precision) -> bool {
    let products = rows.saturating_mul(outputs).saturating_mul(inputs);
    match precision {
        Precision::F32 | Precision::Bf16 => products <= 1 << 19,
        Precision::Mixed => products <= 1 << 15,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ACTIVATIONS, assert_near, assert_shared, random};
    use super::super::weights::Plain;
    use super::*;

    const INPUTS: [&[i64]; 5] = [&[1, 5], &[7, 64], &[1, 3, 48], &[7, 4, 33], &[2, 3, 2, 8]];

    struct Case {
        weight: Tensor,
        bias: Tensor,
        input: Tensor,
        add: Tensor,
    }

    fn cases() -> impl Iterator<Item = Case> {
        INPUTS.into_iter().zip([3, 17, 96, 1, 32]).map(|(size, outputs)| {
            let (inputs, rows) = size.split_last().expect("a dimension");
            Case {
                weight: random(&[outputs, *inputs]) / (*inputs as f64).sqrt(),
                bias: random(&[outputs]),
                input: random(size),
                add: random(&[rows, &[outputs]].concat()),
            }
        })
    }

    impl Case {
        fn pack(&self, activation: Option<Activation>, precision: Precision) -> PackedLinear {
            let layer = PackedLinear::new(&self.weight, &self.bias, activation, precision).expect("a layer");
            PackedLinear { weights: layer.weights.never_small(), ..layer }
        }

        fn plain(&self, add: Option<&Tensor>, activation: Option<Activation>) -> Tensor {
            let mut output = self.input.linear(&self.weight, Some(&self.bias));
            if let Some(add) = add {
                output += add;
            }
            activation.map_or(output.shallow_clone(), |activation| activation.apply(output))
        }
    }

    #[test]
    fn computes_what_the_plain_operators_do() {
        for case in cases() {
            for activation in ACTIVATIONS {
                let layer = case.pack(activation, Precision::F32);
                assert!(layer.weights.packed().is_some() || cfg!(not(target_arch = "x86_64")), "packed weights");
                for add in [None, Some(&case.add)] {
                    let output = layer.forward(&case.input, add).expect("an output");
                    assert_eq!(output.kind(), Kind::Float);
                    assert_near(&output, &case.plain(add, activation), 1e-5);
                }
            }
        }
    }

    #[test]
    fn fewer_bits_are_near_and_take_inputs_of_either_kind() {
        for (precision, tolerance) in [(Precision::Bf16, 0.03), (Precision::Mixed, 0.1)] {
            for case in cases() {
                for activation in ACTIVATIONS {
                    let layer = case.pack(activation, precision);
                    let rounded = case.input.totype(Kind::BFloat16);
                    for add in [None, Some(&case.add)] {
                        let output = layer.forward(&case.input, add).expect("an output");
                        assert_eq!(output.kind(), layer.kind());
                        assert_near(&output, &case.plain(add, activation), tolerance);
                        assert_near(&layer.forward(&rounded, add).expect("an output"), &output, tolerance);
                    }
                }
            }
        }
    }

    #[test]
    fn single_vectors_and_no_rows_are_inputs_too() {
        let case = &cases().nth(1).expect("a case");
        for (precision, tolerance) in [(Precision::F32, 1e-5), (Precision::Bf16, 0.03), (Precision::Mixed, 0.1)] {
            let layer = case.pack(Some(Activation::Relu), precision);
            for input in [case.input.get(0), case.input.narrow(0, 0, 0)] {
                let output = layer.forward(&input, None).expect("an output");
                assert_near(&output, &input.linear(&case.weight, Some(&case.bias)).relu(), tolerance);
            }
        }
    }

    #[test]
    fn inputs_of_any_strides_are_taken() {
        let case = &cases().nth(3).expect("a case");
        let turned = case.input.permute([2, 0, 1]).contiguous().permute([1, 2, 0]);
        assert!(!turned.is_contiguous());
        for (precision, tolerance) in [(Precision::F32, 1e-5), (Precision::Bf16, 0.03), (Precision::Mixed, 0.1)] {
            let output = case.pack(None, precision).forward(&turned, Some(&case.add)).expect("an output");
            assert_near(&output, &case.plain(Some(&case.add), None), tolerance);
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let case = &cases().nth(1).expect("a case");
        for precision in [Precision::F32, Precision::Bf16, Precision::Mixed] {
            let layer = case.pack(Some(Activation::Relu), precision);
            PackedLinear::new(&case.weight, &random(&[16]), None, precision).expect_err("one number too few");
            PackedLinear::new(&case.bias, &case.bias, None, precision).expect_err("no matrix");
            layer.forward(&random(&[7, 63]), None).expect_err("one column too few");
            layer.forward(&case.input, Some(&random(&[6, 17]))).expect_err("one row too few");
        }
    }

    #[test]
    fn small_layers_are_computed_by_plain_operators() {
        let (weight, bias) = (random(&[10, 64]), random(&[10]));
        let (input, add) = (random(&[2, 64]), random(&[2, 10]));
        for precision in [Precision::F32, Precision::Bf16, Precision::Mixed] {
            assert!(is_small(2, [10, 64], precision));
            assert!(!is_small(64, [256, 256], precision));
            let layer = PackedLinear::new(&weight, &bias, Some(Activation::Tanh), precision).expect("a layer");
            let output = layer.forward(&input, Some(&add)).expect("an output");
            assert_eq!(output.kind(), layer.kind());
            assert_near(&output, &(input.linear(&weight, Some(&bias)) + &add).tanh(), 0.01);
        }
    }

    #[test]
    fn rows_of_zeros_are_quantised_to_zeros() {
        let weight = Tensor::cat(&[random(&[2, 8]), random(&[1, 8]).zero_()], 0);
        let bias = random(&[3]);
        let layer = PackedLinear::new(&weight, &bias, None, Precision::Mixed).expect("a layer");
        let layer = PackedLinear { weights: layer.weights.never_small(), ..layer };
        let output = layer.forward(&random(&[5, 8]), None).expect("an output");
        assert_eq!(output.select(1, 2), bias.select(0, 2).expand([5], false));
    }

    #[test]
    fn many_threads_use_one_layer() {
        let case = &cases().nth(2).expect("a case");
        for precision in [Precision::F32, Precision::Bf16, Precision::Mixed] {
            let layer = &case.pack(Some(Activation::Gelu), precision);
            assert_shared(&|input, add| layer.forward(input, Some(add)).expect("an output"), &case.input, &case.add);
        }
    }

    #[test]
    fn does_without_packed_weights() {
        for case in cases() {
            for activation in ACTIVATIONS {
                let mut layer = case.pack(activation, Precision::F32);
                layer.weights = Weights::Plain(Plain::new(&case.weight, &case.bias).expect("a copy"));
                for add in [None, Some(&case.add)] {
                    let output = layer.forward(&case.input, add).expect("an output");
                    assert_near(&output, &case.plain(add, activation), 1e-6);
                }
            }
        }
    }
}
