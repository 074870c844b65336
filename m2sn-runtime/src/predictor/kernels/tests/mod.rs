//! Every kernel against the reference, with all instructions that the machine at hand has.

mod random;
mod reference;

use self::random::Random;
use self::reference::Sample;
use super::lanes::Level;
use super::{Form, Operation, Plan, Value, Window};
use crate::nn::Activation;

const ACTIVATIONS: [Option<Activation>; 6] = [
    None,
    Some(Activation::Relu),
    Some(Activation::Gelu),
    Some(Activation::Silu),
    Some(Activation::Tanh),
    Some(Activation::Sigmoid),
];

#[test]
fn random_programs_yield_what_the_reference_does() {
    let mut random = Random::new(7);
    for case in 0..300 {
        let (dims, operations) = random.program();
        let samples = random.of(&[0, 1, 1, 1, 2, 2, 7, 33]);
        check(&format!("case {case}"), &mut random, &dims, &operations, samples);
    }
}

#[test]
fn residual_blocks_of_many_channels_yield_what_the_reference_does() {
    let mut random = Random::new(11);
    let sizes = [(1, 16, 9), (3, 64, 6), (16, 17, 7), (31, 48, 5), (64, 64, 4), (17, 80, 3), (40, 10, 5_usize)];
    for (inputs, outputs, size) in sizes {
        for stride in [1, 2] {
            let image = [inputs, size, size + 1];
            let hidden = [outputs, size.div_ceil(stride), (size + 1).div_ceil(stride)];
            let relu = Some(Activation::Relu);
            let first = random.convolution(&image, Value(0), window(3, stride, 1), outputs, relu);
            let short = random.convolution(&image, Value(0), window(1, stride, 0), outputs, None);
            let mut second = random.convolution(&hidden, Value(1), window(3, 1, 1), outputs, relu);
            if let Operation::Convolution { add, .. } = &mut second {
                *add = Some(Value(2));
            }
            check(&format!("{inputs} to {outputs}"), &mut random, &image, &[first, short, second], 2);
        }
    }
}

#[test]
fn images_of_few_channels_yield_what_the_reference_does() {
    let mut random = Random::new(13);
    let shapes = [(1, 6, [5, 5]), (6, 12, [3, 3]), (6, 5, [3, 3]), (3, 8, [3, 4]), (16, 7, [2, 5]), (2, 1, [1, 9])];
    for (inputs, outputs, kernel) in shapes {
        for [height, width] in [[14, 14], [16, 33], [31, 15], [15, 48], [40, 17]] {
            let image = [inputs, height, width];
            let padding = kernel.map(|kernel: usize| random.of(&[kernel / 2, kernel / 2, 0, kernel]));
            let activation = random.of(&ACTIVATIONS[..3]);
            let window = Window { kernel, stride: [1, 1], padding };
            let convolution = random.convolution(&image, Value(0), window, outputs, activation);
            let pool = |input| Operation::MaxPool { input: Value(input), window: self::window(2, 2, 0) };
            let mut joined = convolution.clone();
            if let Operation::Convolution { add, .. } = &mut joined {
                *add = Some(Value(1));
            }
            let name = format!("{activation:?} of {kernel:?} from {inputs}");
            for then in
                [&[][..], &[joined], &[pool(1)], &[pool(1), pool(2)], &[pool(1), Operation::Mean { input: Value(1) }]]
            {
                check(&name, &mut random, &image, &[std::slice::from_ref(&convolution), then].concat(), 2);
            }
        }
    }
}

#[test]
fn largest_values_are_those_of_squares() {
    // Moves the image up by a row, and left by a column.
    let weight = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0].to_vec();
    let (input, bias, activation) = (Value(0), vec![0.5], Some(Activation::Relu));
    let convolution = Operation::Convolution { input, weight, bias, window: window(3, 1, 1), add: None, activation };
    let pool = Operation::MaxPool { input: Value(1), window: window(2, 2, 0) };
    let image: Vec<f32> = (0..16 * 14_u16).map(|i| f32::from(i) - 40.0).collect();
    for level in Level::all() {
        let program = [convolution.clone(), pool.clone()];
        let found = run(level, &[1, 16, 14], &program, [Form::Plain; 2], std::slice::from_ref(&image)).remove(0);
        assert_eq!(found.len(), 8 * 7);
        // Below and to the right of the squares at the borders are zeros, which become 0.5.
        assert_eq!(found[..7], [0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 1.5]);
        assert_eq!(found[49..], [172.5, 174.5, 176.5, 178.5, 180.5, 182.5, 183.5]);
    }
}

#[test]
fn activations_are_exact_wherever_they_are_asked() {
    let values: Vec<f32> = (-3000..3000).map(|i| (i as f32 / 100.0).powi(3) / 300.0).collect();
    for activation in ACTIVATIONS.into_iter().flatten() {
        let operations = [Operation::Activate { input: Value(0), activation }];
        for level in Level::all() {
            for value in &values {
                let found = run(level, &[1], &operations, [Form::Plain; 2], &[vec![*value]]).remove(0)[0];
                let sample = Sample { dims: vec![1], data: vec![f64::from(*value)] };
                let expected = reference::run(&operations, sample).data[0];
                // As exact as the sum of one and a small number can be.
                let error = (f64::from(found) - expected).abs();
                assert!(
                    error <= 4e-7 * expected.abs().max(f64::from(value.abs())).max(1e-3),
                    "{activation:?}({value}): {found} for {expected}"
                );
            }
        }
    }
}

#[test]
fn what_is_not_a_number_stays_none() {
    let image = [f32::NAN, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
    for level in Level::all() {
        for activation in ACTIVATIONS.into_iter().flatten() {
            let operations = [Operation::Activate { input: Value(0), activation }];
            let found = run(level, &[9], &operations, [Form::Plain; 2], &[image.to_vec()]).remove(0);
            assert!(found[0].is_nan() && found[1..].iter().all(|value| value.is_finite()), "{activation:?}: {found:?}");
        }
        for [first, second] in [[0, 8], [8, 0]] {
            let mut image = image;
            image.swap(first, second);
            let pool = Operation::MaxPool { input: Value(0), window: window(3, 1, 0) };
            assert!(run(level, &[1, 3, 3], &[pool], [Form::Plain; 2], &[image.to_vec()])[0][0].is_nan());
        }
        // By columns it reaches the squares of 2x2 outputs that depend on it, and no other.
        let mut image = vec![1.0; 16 * 20];
        image[7 * 20 + 19] = f32::NAN;
        let convolution =
            Random::new(17).convolution(&[1, 16, 20], Value(0), window(3, 1, 1), 2, Some(Activation::Relu));
        let pool = Operation::MaxPool { input: Value(1), window: window(2, 2, 0) };
        let found = run(level, &[1, 16, 20], &[convolution, pool], [Form::Plain; 2], &[image]).remove(0);
        let is_near = |place: usize| [39, 49].contains(&(place % 80));
        assert!(found.iter().enumerate().all(|(place, value)| value.is_nan() == is_near(place)), "{found:?}");
    }
}

#[test]
fn largest_and_mean_values_leave_padding_out() {
    let (input, window) = (Value(0), window(2, 2, 1));
    let image = [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0, -8.0, -9.0];
    for level in Level::all() {
        let pool = |operation| run(level, &[1, 3, 3], &[operation], [Form::Plain; 2], &[image.to_vec()]).remove(0);
        assert_eq!(pool(Operation::MaxPool { input, window }), [-1.0, -2.0, -4.0, -5.0]);
        assert_eq!(pool(Operation::AveragePool { input, window }), [-1.0, -2.5, -5.5, -7.0]);
    }
}

#[test]
fn windows_of_a_grid_overlap_where_they_must() {
    let image: Vec<f32> = (0..10_u8).map(f32::from).collect();
    for level in Level::all() {
        // Rows 0 to 1, and columns 0 to 1, 1 to 3, 3 to 4.
        let grid = [1, 3];
        let pool = Operation::AdaptiveAveragePool { input: Value(0), grid };
        assert_eq!(run(level, &[1, 2, 5], &[pool], [Form::Plain; 2], std::slice::from_ref(&image))[0], [3.0, 4.5, 6.0]);
        // More windows than places.
        let pool = Operation::AdaptiveAveragePool { input: Value(0), grid: [1, 3] };
        assert_eq!(run(level, &[1, 1, 2], &[pool], [Form::Plain; 2], &[vec![0.0, 1.0]])[0], [0.0, 0.5, 1.0]);
    }
}

#[test]
fn programs_can_be_chained() {
    let mut random = Random::new(3);
    let (a, b) = ([3, 9, 8], [20, 5, 4]);
    let first = random.convolution(&a, Value(0), window(3, 2, 1), 20, Some(Activation::Relu));
    let second = random.convolution(&b, Value(0), window(3, 1, 1), 5, None);
    let mut joined = second.clone();
    if let Operation::Convolution { input, .. } = &mut joined {
        *input = Value(1);
    }
    let samples = random.samples(&a, 5);
    for level in Level::all() {
        let together = run(level, &a, &[first.clone(), joined.clone()], [Form::Plain; 2], &samples);
        let between = run(level, &a, std::slice::from_ref(&first), [Form::Plain, Form::Places], &samples);
        assert_eq!(between[0].len(), (1 + b[1..].iter().product::<usize>()) * b[0]);
        let apart = run(level, &b, std::slice::from_ref(&second), [Form::Places, Form::Plain], &between);
        assert_eq!(apart, together);
    }
}

#[test]
fn samples_know_nothing_of_one_another() {
    let mut random = Random::new(5);
    let mut programs: Vec<_> = (0..20).map(|_| random.program()).collect();
    programs.push((vec![2, 15, 18], vec![random.convolution(&[2, 15, 18], Value(0), window(5, 1, 2), 7, None)]));
    for (dims, operations) in programs {
        let samples = random.samples(&dims, 37);
        for level in Level::all() {
            let together = run(level, &dims, &operations, [Form::Plain; 2], &samples);
            for (sample, expected) in samples.iter().zip(together).step_by(6) {
                let alone = run(level, &dims, &operations, [Form::Plain; 2], std::slice::from_ref(sample)).remove(0);
                assert_eq!(alone, expected);
            }
        }
    }
}

#[test]
fn what_cannot_be_is_an_error_that_says_where() {
    let pool = |input| Operation::MaxPool { input, window: window(2, 2, 0) };
    let linear =
        |add| Operation::Linear { input: Value(0), weight: vec![0.0; 6], bias: vec![0.0; 3], activation: None, add };
    let error = |dims: &[usize], operations: &[Operation]| {
        Plan::new(dims, operations.to_vec(), Form::Plain, Form::Plain).unwrap_err()
    };
    assert_eq!(error(&[1, 0, 2], &[]), "[1, 0, 2] hold nothing");
    assert_eq!(error(&[1 << 40, 1 << 40], &[]), "[1099511627776, 1099511627776] are too large");
    assert_eq!(error(&[1; 4], &[]), "[1, 1, 1, 1] are the dimensions of no image, sequence or vector");
    assert_eq!(
        error(&[1, 3, 3], &[pool(Value(0)), pool(Value(1))]),
        "operation 1, a maximum pool: no window of 2 at steps of 2 fits 1 with a padding of 0"
    );
    assert_eq!(error(&[1, 4, 4], &[pool(Value(1))]), "operation 0, a maximum pool: value 1 does not exist yet");
    assert_eq!(error(&[4], &[pool(Value(0))]), "operation 0, a maximum pool: needs an image, and its input is [4]");
    assert_eq!(error(&[4], &[linear(None)]), "operation 0, a linear map: the 6 weights are not [3, 4]");
    assert_eq!(
        error(&[2], &[linear(Some(Value(0)))]),
        "operation 0, a linear map: value 0 of [2] cannot be added to [3]"
    );
    let row = Window { kernel: [1, 9], stride: [1, 1], padding: [0, 0] };
    assert_eq!(
        error(&[1, 1, 300], &[Random::new(1).convolution(&[1, 1, 300], Value(0), row, 1, None), pool(Value(1))]),
        "operation 1, a maximum pool: no window of 2 at steps of 2 fits 1 with a padding of 0"
    );
    let pool = Operation::AveragePool { input: Value(0), window: window(2, 1, 2) };
    assert_eq!(
        error(&[1, 4, 4], &[pool]),
        "operation 0, an average pool: the padding of 2 is more than half the window of 2"
    );
}

#[test]
fn threads_that_share_operations_change_nothing() {
    let mut random = Random::new(17);
    let image = [24, 39, 41];
    let relu = Some(Activation::Relu);
    let squares = random.convolution(&image, Value(0), window(3, 1, 1), 40, relu);
    let taps = random.convolution(&image, Value(0), window(3, 2, 1), 40, None);
    let pool = Operation::MaxPool { input: Value(1), window: window(3, 2, 1) };
    let mut projection = random.convolution(&[40, 20, 21], Value(3), window(1, 1, 0), 40, relu);
    if let Operation::Convolution { add, .. } = &mut projection {
        *add = Some(Value(2));
    }
    let operations = [squares, taps, pool, projection];
    let images = random.samples(&image, 2);
    for level in Level::all() {
        for samples in [&images[..1], &images] {
            let alone = run(level, &image, &operations, [Form::Plain, Form::Places], samples);
            for threads in [2, 3, 64] {
                let shared = run_on(threads, level, &image, &operations, [Form::Plain, Form::Places], samples);
                assert_eq!(shared, alone, "{threads} threads, {level:?}");
            }
        }
    }
}

#[test]
fn vectors_that_do_not_fit_are_errors() {
    let (input, other) = (Value(0), Value(1));
    let error = |dims: &[usize], operations: &[Operation]| {
        Plan::new(dims, operations.to_vec(), Form::Plain, Form::Plain).unwrap_err()
    };
    let part = |start, length| Operation::Part { input, start, length };
    assert_eq!(error(&[6], &[part(4, 3)]), "operation 0, a part: 3 numbers from 4 on are not among 6");
    assert_eq!(error(&[6], &[part(usize::MAX, 3)])[..19], *"operation 0, a part");
    assert_eq!(error(&[6], &[part(0, 0)]), "operation 0, a part: [0] hold nothing");
    assert_eq!(error(&[2, 3], &[part(0, 2)]), "operation 0, a part: needs a vector, and its input is [2, 3]");
    assert_eq!(
        error(&[6], &[part(0, 2), Operation::Add { input, other }]),
        "operation 1, a sum: value 1 of [2] cannot be added to [6]"
    );
    assert_eq!(
        error(&[6], &[part(0, 2), Operation::Multiply { input, other }]),
        "operation 1, a product: 6 numbers are not multiplied with 2"
    );
    let sum = |parts| Operation::WeightedSum { input, weights: vec![1.0; parts] };
    assert_eq!(error(&[6], &[sum(4)]), "operation 0, a weighted sum: 6 numbers have no 4 equal parts");
    assert_eq!(error(&[6], &[sum(0)]), "operation 0, a weighted sum: 6 numbers have no 0 equal parts");
    let outer = |widths: &[usize]| Operation::Outer { input, widths: widths.to_vec() };
    assert_eq!(error(&[6], &[outer(&[2, 3])]), "operation 0, an outer product: parts of [2, 3] are not 6 numbers");
    let large = 1 << 20;
    assert_eq!(
        error(&[2 * large], &[outer(&[large, large])]),
        "operation 0, an outer product: [1099513724929] are too large"
    );
}

#[test]
fn threads_can_share_a_plan() {
    fn can_be_shared<T: Send + Sync>() {}
    can_be_shared::<Plan>();
}

/// A window that is alike in both directions.
fn window(kernel: usize, stride: usize, padding: usize) -> Window {
    Window { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 2] }
}

/// Compares a program with the reference, in all forms and with all instructions.
fn check(name: &str, random: &mut Random, dims: &[usize], operations: &[Operation], count: usize) {
    let samples = random.samples(dims, count);
    let of = |sample: &Vec<f32>| {
        let data = sample.iter().copied().map(f64::from).collect();
        reference::run(operations, Sample { dims: dims.to_vec(), data })
    };
    let expected: Vec<Sample> = samples.iter().map(of).collect();
    let forms = [random.of(&[Form::Plain, Form::Places]), random.of(&[Form::Plain, Form::Places])];
    let inputs: Vec<Vec<f32>> = samples.into_iter().map(|sample| to_form(dims, &sample, forms[0])).collect();
    for level in Level::all() {
        let found = run(level, dims, operations, forms, &inputs);
        assert_eq!(found.len(), expected.len());
        let largest = expected.iter().flat_map(|sample| &sample.data).fold(0.0, |max: f64, value| max.max(value.abs()));
        for (found, expected) in found.iter().zip(&expected) {
            let data: Vec<f32> = expected.data.iter().map(|value| *value as f32).collect();
            let expected = to_form(&expected.dims, &data, forms[1]);
            assert_eq!(found.len(), expected.len(), "{name}, {level:?}: {dims:?} {operations:?}");
            for (found, expected) in found.iter().zip(&expected) {
                let error = f64::from((found - expected).abs());
                assert!(
                    error <= 1e-5 * largest,
                    "{name}, {level:?}: {found} for {expected} in {dims:?} {operations:?}"
                );
            }
        }
    }
}

/// Runs a program on samples in one form, into another.
fn run(
    level: Level,
    dims: &[usize],
    operations: &[Operation],
    forms: [Form; 2],
    samples: &[Vec<f32>],
) -> Vec<Vec<f32>> {
    run_on(1, level, dims, operations, forms, samples)
}

fn run_on(
    threads: usize,
    level: Level,
    dims: &[usize],
    operations: &[Operation],
    forms: [Form; 2],
    samples: &[Vec<f32>],
) -> Vec<Vec<f32>> {
    let plan = Plan::with(level, dims, operations.to_vec(), forms[0], forms[1]).unwrap();
    // What is not written, or read without having been, shows.
    let mut scratch = vec![f32::NAN; plan.scratch_len(samples.len(), threads)];
    let mut output = vec![f32::NAN; samples.len() * plan.output_len()];
    let input: Vec<&[f32]> = samples.iter().map(Vec::as_slice).collect();
    plan.run(threads, &input, &mut scratch, &mut output);
    output.chunks(plan.output_len()).map(<[f32]>::to_vec).collect()
}

/// A plain sample in a form.
fn to_form(dims: &[usize], plain: &[f32], form: Form) -> Vec<f32> {
    match (form, dims) {
        (Form::Places, [channels, height, width]) => {
            let places = height * width;
            let value = |i: usize| plain[i % channels * places + i / channels];
            [vec![0.0; *channels], (0..plain.len()).map(value).collect()].concat()
        }
        _ => plain.to_vec(),
    }
}
