//! Linear maps on packed weights.

use tch::{Kind, Tensor};

use super::operators::{Operators, Quantized, fused};
use super::shared::{Shared, addend, in_kind};
use super::{Precision, fallback, quantization};
use crate::Result;
use crate::dispatcher::{Argument, Object};
use crate::nn::Activation;

/// A linear map over the last dimension, with all that follows it: `activation(x · weightᵀ + bias + add)`.
#[derive(Debug)]
pub(crate) struct PackedLinear {
    way: Way,
    outputs: i64,
    activation: Option<Activation>,
    kind: Kind,
}

/// How it is computed.
#[derive(Debug)]
enum Way {
    Packed { operators: &'static Operators, weight: Shared, bias: Shared },
    Quantized { operators: &'static Quantized, weights: Object },
    Plain { weight: Shared, bias: Shared },
}

impl PackedLinear {
    /// Packs a weight `[M, N]`, with its bias `[M]`.
    ///
    /// # Errors
    /// Where LibTorch cannot read the weights. That it cannot pack them is none: the plain operators then do.
    pub(crate) fn new(
        weight: &Tensor,
        bias: &Tensor,
        activation: Option<Activation>,
        precision: Precision,
    ) -> Result<Self> {
        let packed = match precision {
            Precision::F32 => fallback::unless_it_fails(weight, || pack(weight, bias, Kind::Float)),
            Precision::Bf16 => fallback::unless_it_fails(weight, || pack(weight, bias, Kind::BFloat16)),
            Precision::Mixed => fallback::unless_it_fails(weight, || quantize(weight, bias)),
        };
        let way = match packed {
            Some(way) => way,
            None => Way::Plain { weight: Shared::copy(weight, Kind::Float)?, bias: Shared::copy(bias, Kind::Float)? },
        };
        let kind = match &way {
            Way::Packed { bias, .. } | Way::Plain { bias, .. } => bias.kind(),
            Way::Quantized { .. } => Kind::Float,
        };
        Ok(Self { way, outputs: bias.numel() as i64, activation, kind })
    }

    /// The kind of the outputs: that of the precision, or f32 where the weights could not be packed.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// `[.., N]` → `[.., M]`, where `add` has the size of the output.
    ///
    /// # Errors
    /// Where input or `add` do not fit.
    pub(crate) fn forward(&self, input: &Tensor, add: Option<&Tensor>) -> Result<Tensor> {
        let input = in_kind(input, self.kind)?;
        let add = add.map(|add| addend(add, &self.output_size(input.size()), self.kind)).transpose()?;
        match &self.way {
            Way::Packed { operators, weight, bias } => self.packed(operators, &input, weight, bias, add.as_ref()),
            Way::Quantized { operators, weights } => self.quantized(operators, &input, weights, add.as_ref()),
            Way::Plain { weight, bias } => self.finish(input.f_linear(weight, Some(&**bias))?, add.as_ref()),
        }
    }

    /// The size of the output for an input of this size.
    fn output_size(&self, mut input: Vec<i64>) -> Vec<i64> {
        if let Some(last) = input.last_mut() {
            *last = self.outputs;
        }
        input
    }

    fn packed(
        &self,
        operators: &Operators,
        input: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        add: Option<&Tensor>,
    ) -> Result<Tensor> {
        let Some(add) = add else {
            let activation = fused(self.activation);
            return operators.linear.call(&[
                Argument::Tensor(input),
                Argument::Tensor(weight),
                Argument::Tensor(bias),
                Argument::String(activation.attribute),
                Argument::Scalars(&[]),
                Argument::optional(activation.algorithm),
            ]);
        };
        let output = operators.linear_add.call(&[
            Argument::Tensor(input),
            Argument::Tensor(add),
            Argument::Tensor(weight),
            Argument::Tensor(bias),
            Argument::String("add"),
        ])?;
        self.finish(output, None)
    }

    fn quantized(
        &self,
        operators: &Quantized,
        input: &Tensor,
        weights: &Object,
        add: Option<&Tensor>,
    ) -> Result<Tensor> {
        let input = input.f_contiguous()?;
        let arguments =
            [Argument::Tensor(&input), Argument::Object(weights), Argument::Bool(quantization::reduce_range())];
        match (self.activation, add) {
            (Some(Activation::Relu), None) => operators.linear_relu.call(&arguments),
            _ => self.finish(operators.linear.call(&arguments)?, add),
        }
    }

    /// What is not fused, of a tensor that nobody else holds.
    fn finish(&self, mut output: Tensor, add: Option<&Tensor>) -> Result<Tensor> {
        if let Some(add) = add {
            output = output.f_add_(add)?;
        }
        Ok(match self.activation {
            Some(activation) => activation.apply(output),
            None => output,
        })
    }
}

fn pack(weight: &Tensor, bias: &Tensor, kind: Kind) -> Result<Way> {
    let operators = Operators::get()?;
    let weight = weight.detach().f_totype(kind)?.f_contiguous()?;
    let packed = operators.pack_linear.call(&[Argument::Tensor(&weight), Argument::None])?;
    Ok(Way::Packed { operators, weight: Shared::new(packed), bias: Shared::copy(bias, kind)? })
}

fn quantize(weight: &Tensor, bias: &Tensor) -> Result<Way> {
    let operators = Quantized::get()?;
    let weight = quantization::by_rows(&weight.detach().f_totype(Kind::Float)?)?;
    let bias = bias.detach().f_totype(Kind::Float)?.f_contiguous()?;
    let weights = operators.pack.make(&[Argument::Tensor(&weight), Argument::Tensor(&bias)])?;
    Ok(Way::Quantized { operators, weights })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ACTIVATIONS, assert_near, random};
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
            PackedLinear::new(&self.weight, &self.bias, activation, precision).expect("a layer")
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
                assert!(matches!(layer.way, Way::Packed { .. }) || cfg!(not(target_arch = "x86_64")), "packed weights");
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
        for (precision, tolerance) in [(Precision::Bf16, 0.03), (Precision::Mixed, 0.05)] {
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
    fn inputs_of_any_strides_are_taken() {
        let case = &cases().nth(3).expect("a case");
        let turned = case.input.permute([2, 0, 1]).contiguous().permute([1, 2, 0]);
        assert!(!turned.is_contiguous());
        for (precision, tolerance) in [(Precision::F32, 1e-5), (Precision::Bf16, 0.03), (Precision::Mixed, 0.05)] {
            let output = case.pack(None, precision).forward(&turned, Some(&case.add)).expect("an output");
            assert_near(&output, &case.plain(Some(&case.add), None), tolerance);
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let case = &cases().nth(1).expect("a case");
        for precision in [Precision::F32, Precision::Bf16, Precision::Mixed] {
            let layer = case.pack(Some(Activation::Relu), precision);
            layer.forward(&random(&[7, 63]), None).expect_err("one column too few");
            layer.forward(&case.input, Some(&random(&[6, 17]))).expect_err("one row too few");
        }
    }

    #[test]
    fn rows_of_zeros_are_quantised_to_zeros() {
        let weight = Tensor::cat(&[random(&[2, 8]), random(&[1, 8]).zero_()], 0);
        let bias = random(&[3]);
        let layer = PackedLinear::new(&weight, &bias, None, Precision::Mixed).expect("a layer");
        let output = layer.forward(&random(&[5, 8]), None).expect("an output");
        assert_eq!(output.select(1, 2), bias.select(0, 2).expand([5], false));
    }

    #[test]
    fn many_threads_use_one_layer() {
        let case = &cases().nth(2).expect("a case");
        for precision in [Precision::F32, Precision::Bf16, Precision::Mixed] {
            let layer = &case.pack(Some(Activation::Gelu), precision);
            let expected = layer.forward(&case.input, Some(&case.add)).expect("an output");
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    let [input, add, expected] = [&case.input, &case.add, &expected].map(Tensor::copy);
                    scope.spawn(move || {
                        for _ in 0..50 {
                            assert_eq!(layer.forward(&input, Some(&add)).expect("an output"), expected);
                        }
                    });
                }
            });
        }
    }

    #[test]
    fn does_without_packed_weights() {
        for case in cases() {
            for activation in ACTIVATIONS {
                let weight = Shared::copy(&case.weight, Kind::Float).expect("a copy");
                let bias = Shared::copy(&case.bias, Kind::Float).expect("a copy");
                let outputs = bias.size1().expect("a vector");
                let layer = PackedLinear { way: Way::Plain { weight, bias }, outputs, activation, kind: Kind::Float };
                for add in [None, Some(&case.add)] {
                    let output = layer.forward(&case.input, add).expect("an output");
                    assert_near(&output, &case.plain(add, activation), 1e-6);
                }
            }
        }
    }
}
