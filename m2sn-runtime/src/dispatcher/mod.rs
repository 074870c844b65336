//! Operators of LibTorch that `tch` does not expose, called by their names, LibTorch's inference mode, and its threads.
//!
//! `shim.cpp` hands calls over to LibTorch's dispatcher, which checks their arguments as it does for Python.

mod parallel;

use std::ffi::{CStr, c_char, c_void};
use std::fmt;
use std::ptr::{self, NonNull};

use tch::Tensor;

use crate::{Error, Result};

pub(crate) use parallel::parallel_for;

/// An operator of LibTorch.
///
/// Finding one takes a look into a table under a lock, so who calls it often keeps it.
pub(crate) struct Operator {
    name: &'static str,
    overload: &'static str,
    handle: NonNull<c_void>,
}

/// An argument of an [`Operator`], which has to be given all of them: there are no defaults here.
pub(crate) enum Argument<'a> {
    None,
    Bool(bool),
    Int(i64),
    String(&'a str),
    Ints(&'a [i64]),
    /// A list of optional scalars, all of them there.
    Scalars(&'a [f64]),
    Tensor(&'a Tensor),
    Object(&'a Object),
}

/// What some operators make for others and is no tensor, such as packed weights.
pub(crate) struct Object(NonNull<c_void>);

/// LibTorch's inference mode, on in this thread for as long as this lives.
///
/// What is computed meanwhile has no gradient, ever, and no trace of versions; operators are called faster for that.
/// Such tensors can be read everywhere, but outside of the mode neither changed in place nor saved for a gradient.
///
/// Modes end in the reverse order of their beginnings, as the variables of a function do.
pub(crate) struct InferenceMode(NonNull<c_void>);

impl Operator {
    /// The operator of this name, as in `mkldnn::_linear_pointwise`; the overload may be empty, as the usual one is.
    ///
    /// # Errors
    /// [`Error::Operator`] where this LibTorch has none of that name.
    pub(crate) fn find(name: &'static str, overload: &'static str) -> Result<Self> {
        let found = shim::find(name, overload).and_then(|handle| handle.ok_or("this LibTorch does not have it".into()));
        match found {
            Ok(handle) => Ok(Self { name, overload, handle }),
            Err(message) => Err(Error::Operator { name: full_name(name, overload), message }),
        }
    }

    /// Calls an operator that returns one tensor.
    ///
    /// # Errors
    /// [`Error::Operator`] where the arguments are not those of the operator, or where it fails.
    pub(crate) fn call(&self, arguments: &[Argument<'_>]) -> Result<Tensor> {
        shim::call(self.handle, arguments).map_err(|message| self.failed(message))
    }

    /// Calls an operator that returns something else, to be given to other operators.
    ///
    /// # Errors
    /// As [`Operator::call`].
    pub(crate) fn make(&self, arguments: &[Argument<'_>]) -> Result<Object> {
        shim::make(self.handle, arguments).map_err(|message| self.failed(message))
    }

    fn failed(&self, message: String) -> Error {
        Error::Operator { name: self.to_string(), message }
    }
}

impl<'a> Argument<'a> {
    /// A text that may be none.
    pub(crate) fn optional(text: Option<&'a str>) -> Self {
        text.map_or(Self::None, Self::String)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&full_name(self.name, self.overload))
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operator({self})")
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Object")
    }
}

impl InferenceMode {
    /// Begins it.
    ///
    /// # Errors
    /// Where LibTorch cannot.
    pub(crate) fn enter() -> Result<Self> {
        shim::enter().map(Self).map_err(|message| Error::Operator { name: "inference mode".into(), message })
    }
}

/// The name as LibTorch writes it.
fn full_name(name: &str, overload: &str) -> String {
    if overload.is_empty() { name.to_owned() } else { format!("{name}.{overload}") }
}

/// The C++ side, and all that the compiler cannot vouch for.
#[expect(unsafe_code, reason = "calls C++, which the functions here make safe")]
mod shim {
    use super::*;

    // SAFETY: the handle stands for an entry in LibTorch's table of operators, which any thread may look up and call.
    unsafe impl Send for Operator {}
    // SAFETY: as above; calls leave the handle as it is.
    unsafe impl Sync for Operator {}

    // SAFETY: it is counted atomically by all who hold it, and belongs to no thread.
    unsafe impl Send for Object {}
    // SAFETY: it can only be handed to operators, and LibTorch's may be called with the same object by many threads.
    unsafe impl Sync for Object {}

    impl Drop for Operator {
        fn drop(&mut self) {
            // SAFETY: made by `find`, and freed nowhere else.
            unsafe { m2sn_operator_free(self.handle.as_ptr()) }
        }
    }

    impl Drop for Object {
        fn drop(&mut self) {
            // SAFETY: made by `make`, and freed nowhere else.
            unsafe { m2sn_object_free(self.0.as_ptr()) }
        }
    }

    impl Drop for InferenceMode {
        fn drop(&mut self) {
            // SAFETY: made by `enter`, in this thread because the type is not `Send`, and freed nowhere else.
            unsafe { m2sn_inference_leave(self.0.as_ptr()) }
        }
    }

    pub(super) fn find(name: &str, overload: &str) -> Result<Option<NonNull<c_void>>, String> {
        let mut message = ptr::null_mut();
        // SAFETY: the texts are borrowed for the call; the operator belongs to who gets it.
        let found = unsafe {
            m2sn_operator_find(name.as_ptr().cast(), name.len(), overload.as_ptr().cast(), overload.len(), &mut message)
        };
        if message.is_null() { Ok(NonNull::new(found)) } else { Err(take(message)) }
    }

    pub(super) fn call(handle: NonNull<c_void>, arguments: &[Argument<'_>]) -> Result<Tensor, String> {
        let raw: Vec<Raw> = arguments.iter().map(Raw::from).collect();
        let mut message = ptr::null_mut();
        // SAFETY: the handle lives in an operator, and what `raw` points to is borrowed for the call.
        let tensor = unsafe { m2sn_operator_call(handle.as_ptr(), raw.as_ptr(), raw.len(), &mut message) };
        match NonNull::new(tensor) {
            // SAFETY: a tensor on the heap, as those of `tch` are, that nobody else has.
            Some(tensor) => Ok(unsafe { Tensor::from_ptr(tensor.as_ptr().cast()) }),
            None => Err(take(message)),
        }
    }

    pub(super) fn make(handle: NonNull<c_void>, arguments: &[Argument<'_>]) -> Result<Object, String> {
        let raw: Vec<Raw> = arguments.iter().map(Raw::from).collect();
        let mut message = ptr::null_mut();
        // SAFETY: as in `call`.
        let object = unsafe { m2sn_operator_make(handle.as_ptr(), raw.as_ptr(), raw.len(), &mut message) };
        NonNull::new(object).map(Object).ok_or_else(|| take(message))
    }

    pub(super) fn enter() -> Result<NonNull<c_void>, String> {
        let mut message = ptr::null_mut();
        // SAFETY: the mode belongs to who gets it.
        let mode = unsafe { m2sn_inference_enter(&mut message) };
        NonNull::new(mode).ok_or_else(|| take(message))
    }

    /// The text of a message, which is freed.
    fn take(message: *mut c_char) -> String {
        if message.is_null() {
            return "failed without a word".to_owned();
        }
        // SAFETY: a text of the C++ side that ends in zero and is ours to free.
        unsafe {
            let text = CStr::from_ptr(message).to_string_lossy().trim_end().to_owned();
            m2sn_message_free(message);
            text
        }
    }

    /// An argument as the C++ side has it.
    #[repr(C)]
    struct Raw {
        tag: Tag,
        number: i64,
        data: *const c_void,
        length: usize,
    }

    #[repr(i32)]
    enum Tag {
        None,
        Bool,
        Int,
        String,
        Ints,
        Scalars,
        Tensor,
        Object,
    }

    impl From<&Argument<'_>> for Raw {
        fn from(argument: &Argument<'_>) -> Self {
            let raw = |tag| Self { tag, number: 0, data: ptr::null(), length: 0 };
            match argument {
                Argument::None => raw(Tag::None),
                Argument::Bool(value) => Self { number: (*value).into(), ..raw(Tag::Bool) },
                Argument::Int(value) => Self { number: *value, ..raw(Tag::Int) },
                Argument::String(text) => Self { data: text.as_ptr().cast(), length: text.len(), ..raw(Tag::String) },
                Argument::Ints(list) => Self { data: list.as_ptr().cast(), length: list.len(), ..raw(Tag::Ints) },
                Argument::Scalars(list) => Self { data: list.as_ptr().cast(), length: list.len(), ..raw(Tag::Scalars) },
                Argument::Tensor(tensor) => Self { data: tensor.as_ptr().cast(), ..raw(Tag::Tensor) },
                Argument::Object(object) => Self { data: object.0.as_ptr().cast_const(), ..raw(Tag::Object) },
            }
        }
    }

    unsafe extern "C" {
        fn m2sn_operator_find(
            name: *const c_char,
            name_length: usize,
            overload: *const c_char,
            overload_length: usize,
            message: *mut *mut c_char,
        ) -> *mut c_void;
        fn m2sn_operator_free(operator: *mut c_void);
        fn m2sn_operator_call(
            operator: *const c_void,
            arguments: *const Raw,
            count: usize,
            message: *mut *mut c_char,
        ) -> *mut c_void;
        fn m2sn_operator_make(
            operator: *const c_void,
            arguments: *const Raw,
            count: usize,
            message: *mut *mut c_char,
        ) -> *mut c_void;
        fn m2sn_object_free(object: *mut c_void);
        fn m2sn_inference_enter(message: *mut *mut c_char) -> *mut c_void;
        fn m2sn_inference_leave(mode: *mut c_void);
        fn m2sn_message_free(message: *mut c_char);
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    fn random(size: &[i64]) -> Tensor {
        Tensor::randn(size, (Kind::Float, Device::Cpu))
    }

    #[test]
    fn an_operator_computes_what_its_method_does() {
        let [left, right] = [random(&[3, 4]), random(&[3, 4])];
        let add = Operator::find("aten::add", "Tensor").expect("an operator");
        let sum = add.call(&[Argument::Tensor(&left), Argument::Tensor(&right), Argument::Int(2)]);
        assert_eq!(sum.expect("a sum"), &left + &right * 2);
    }

    #[test]
    fn lists_flags_and_what_is_not_there_arrive() {
        let [input, weight] = [random(&[2, 3, 7, 8]), random(&[5, 3, 3, 3])];
        let convolution = Operator::find("aten::convolution", "").expect("an operator");
        let output = convolution.call(&[
            Argument::Tensor(&input),
            Argument::Tensor(&weight),
            Argument::None,
            Argument::Ints(&[2, 1]),
            Argument::Ints(&[1, 0]),
            Argument::Ints(&[1, 1]),
            Argument::Bool(false),
            Argument::Ints(&[0, 0]),
            Argument::Int(1),
        ]);
        assert_eq!(output.expect("an output"), input.conv2d::<Tensor>(&weight, None, [2, 1], [1, 0], [1, 1], 1));
    }

    #[test]
    fn lists_of_scalars_arrive() {
        let [input, weight] = [random(&[4, 6]), random(&[5, 6])];
        let Ok(linear) = Operator::find("mkldnn::_linear_pointwise", "") else { return };
        let output = linear.call(&[
            Argument::Tensor(&input),
            Argument::Tensor(&weight),
            Argument::None,
            Argument::String("hardtanh"),
            Argument::Scalars(&[-0.5, 0.25]),
            Argument::None,
        ]);
        let expected = input.linear::<Tensor>(&weight, None).clamp(-0.5, 0.25);
        assert!(output.expect("an output").allclose(&expected, 1e-5, 1e-6, false));
    }

    #[test]
    fn objects_and_texts_are_passed_on() {
        let [input, weight] = [random(&[4, 6]), random(&[5, 6])];
        let gelu = Operator::find("aten::gelu", "").expect("an operator");
        let output = gelu.call(&[Argument::Tensor(&input), Argument::String("tanh")]).expect("an output");
        assert_eq!(output, input.gelu("tanh"));

        let pack = Operator::find("quantized::linear_prepack_fp16", "").expect("an operator");
        let Ok(packed) = pack.make(&[Argument::Tensor(&weight), Argument::None]) else { return };
        let linear = Operator::find("quantized::linear_dynamic_fp16", "").expect("an operator");
        let output = linear.call(&[Argument::Tensor(&input), Argument::Object(&packed)]).expect("an output");
        assert!(output.allclose(&input.linear::<Tensor>(&weight, None), 1e-2, 1e-2, false));
    }

    #[test]
    fn what_is_not_there_is_an_error_that_names_it() {
        let error = Operator::find("aten::add", "Nothing").expect_err("no such overload").to_string();
        assert_eq!(error, "LibTorch's operator `aten::add.Nothing`: this LibTorch does not have it");
        let error = Operator::find("no name", "").expect_err("no such name").to_string();
        assert_eq!(error, "LibTorch's operator `no name`: this LibTorch does not have it");
    }

    #[test]
    fn what_does_not_fit_is_an_error_that_names_the_operator() {
        let input = random(&[3]);
        let relu = Operator::find("aten::relu", "").expect("an operator");
        for arguments in [
            &[][..],
            &[Argument::Tensor(&input), Argument::None],
            &[Argument::Int(3)],
            &[Argument::None],
            &[Argument::String("three")],
        ] {
            let error = relu.call(arguments).expect_err("arguments of another operator").to_string();
            assert!(error.starts_with("LibTorch's operator `aten::relu`: "), "{error}");
        }
        let matmul = Operator::find("aten::matmul", "").expect("an operator");
        let error = matmul.call(&[Argument::Tensor(&input), Argument::Tensor(&random(&[4]))]).expect_err("3 and 4");
        assert!(error.to_string().starts_with("LibTorch's operator `aten::matmul`: "), "{error}");
    }

    #[test]
    fn inference_mode_lasts_as_long_as_its_guard() {
        let made_now = || random(&[1]).is_inference();
        assert!(!made_now());
        {
            let _outer = InferenceMode::enter().expect("the mode");
            assert!(made_now());
            {
                let _inner = InferenceMode::enter().expect("the mode");
                assert!(made_now());
            }
            assert!(made_now());
            assert!(!std::thread::spawn(|| random(&[1]).is_inference()).join().expect("a thread"));
        }
        assert!(!made_now());
        let parameter = random(&[1]).set_requires_grad(true);
        assert!((parameter * 2.0).requires_grad());
    }
}
