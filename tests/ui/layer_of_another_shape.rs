//! The user's own layer takes eight channels where the spec has sixteen.

use m2sn::prelude::*;

mod layers {
    use m2sn::Batch;
    use m2sn::nn::{Custom, Layer, Path};
    use m2sn::shape::Image;

    #[derive(Debug)]
    pub struct Gate;

    impl Layer<Image<8, 14, 14>, Image<8, 14, 14>> for Gate {
        fn forward(&self, input: &Batch<Image<8, 14, 14>>, _train: bool) -> Batch<Image<8, 14, 14>> {
            input.clone()
        }
    }

    impl Custom<Image<8, 14, 14>, Image<8, 14, 14>> for Gate {
        fn new(_path: Path<'_>) -> Self {
            Self
        }
    }
}

#[m2sn_model("./layer_of_another_shape.yaml")]
pub struct Gated;

fn main() {}
