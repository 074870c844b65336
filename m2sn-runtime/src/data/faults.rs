//! What is wrong with data, row by row: the first few are shown, and all are counted.

const SHOWN: usize = 5;

#[derive(Debug, Default)]
pub(super) struct Faults {
    shown: Vec<String>,
    count: usize,
}

impl Faults {
    pub(super) fn note(&mut self, fault: impl FnOnce() -> String) {
        if self.count < SHOWN {
            self.shown.push(fault());
        }
        self.count += 1;
    }

    /// Nothing, or all that was noted as one message.
    pub(super) fn finish(self) -> Result<(), String> {
        match self.count {
            0 => Ok(()),
            1 => Err(self.shown.concat()),
            count => {
                let more = count - self.shown.len();
                let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
                Err(format!("{count} faults:\n  {}{more}", self.shown.join("\n  ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_shown_and_all_are_counted() {
        let of = |count| {
            let mut faults = Faults::default();
            (0..count).for_each(|row| faults.note(|| format!("row {row} is wrong")));
            faults.finish()
        };
        assert_eq!(of(0), Ok(()));
        assert_eq!(of(1), Err("row 0 is wrong".into()));
        assert_eq!(of(2), Err("2 faults:\n  row 0 is wrong\n  row 1 is wrong".into()));
        assert!(of(1000).unwrap_err().ends_with("row 4 is wrong\n  and 995 more"));
    }
}
