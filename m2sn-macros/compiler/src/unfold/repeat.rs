use crate::layer::size;
use crate::place::Place;
use crate::report::Errors;
use crate::spec::Repeat;

/// How often a layer is to be repeated.
pub(super) fn times(spec: &Repeat, place: &Place, errors: &mut Errors) -> Option<u64> {
    size(spec.times, "times", &place.key("repeat").key("times"), errors)
}
