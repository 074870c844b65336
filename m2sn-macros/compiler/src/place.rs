//! A place in a spec, by the way that leads there.

/// A place by its keys and entries, merged keys included.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Place {
    pub(crate) steps: Vec<Step>,
    /// Whether the last key itself is meant, not its value.
    pub(crate) on_key: bool,
}

/// One step down into a spec.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Key(String),
    Entry(usize),
}

impl Place {
    /// The value below a key.
    pub(crate) fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    /// An entry of a sequence, counted from zero.
    pub(crate) fn entry(&self, index: usize) -> Self {
        self.step(Step::Entry(index))
    }

    /// The key of this place, not its value.
    pub(crate) fn on_key(mut self) -> Self {
        self.on_key = true;
        self
    }

    fn step(&self, step: Step) -> Self {
        let mut steps = self.steps.clone();
        steps.push(step);
        Self { steps, on_key: false }
    }
}
