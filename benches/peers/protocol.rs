//! What conductor and workers say to each other, a line of JSON each; `worker.py` says the same.

use serde::{Deserialize, Serialize};

/// What the conductor asks for.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Gets ready for batches of this size, first calls included.
    Prepare { batch: u16 },
    /// Calls so many times without and with a look at the clock.
    Run { discarded: u32, repetitions: u32 },
}

/// What a worker answers.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Reply {
    /// What the network says of the inputs, sample by sample.
    Ready { logits: Vec<f64> },
    /// Milliseconds: of each call by the clock, and of the mean call on all processors.
    Times { wall: Vec<f64>, cpu: f64 },
    /// What went wrong.
    Fault(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_that_worker_py_reads_and_writes() {
        let line = |request: &Request| serde_json::to_string(request).unwrap();
        assert_eq!(line(&Request::Prepare { batch: 8 }), r#"{"prepare":{"batch":8}}"#);
        let run = Request::Run { discarded: 2, repetitions: 10 };
        assert_eq!(line(&run), r#"{"run":{"discarded":2,"repetitions":10}}"#);
        for (line, reply) in [
            (r#"{"ready": {"logits": [0.5, -1]}}"#, Reply::Ready { logits: vec![0.5, -1.0] }),
            (r#"{"times": {"wall": [1.25], "cpu": 1.5}}"#, Reply::Times { wall: vec![1.25], cpu: 1.5 }),
            (r#"{"fault": "no memory"}"#, Reply::Fault("no memory".into())),
        ] {
            assert_eq!(serde_json::from_str::<Reply>(line).unwrap(), reply);
        }
        assert!(serde_json::from_str::<Reply>(r#"{"ready": {"logits": [NaN]}}"#).is_err());
    }
}
