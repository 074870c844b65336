//! One model is asked to take the route, the navigator and the features of another.

use m2sn::prelude::*;

#[m2sn_model("./sound.yaml")]
struct Sound;

#[m2sn_model("./other.yaml")]
struct Other;

fn forced(model: &Sound, input: &sound::Input) -> m2sn::Result<Answer<sound::Route>> {
    model.predict_by(input, other::Route { image: other::ImageExit::Stem })
}

fn navigated(model: &Sound, navigator: other::Navigator) -> Sound {
    Sound { navigator, ..*model }
}

fn fused(model: &Sound, other: &Other, input: &other::Input, route: other::Route) {
    model.head.forward(&other.encoders.features(input, route, false), false);
}

fn main() {}
