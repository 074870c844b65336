//! The report as Markdown.

use std::fmt;

use super::super::{Comparison, Results};
use super::summary::verdicts;
use super::{escape, summary, tables};

impl fmt::Display for Results {
    /// Writes Markdown: findings, verdicts, and the tables.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "# {}\n\n{}",
            escape::markdown(&summary::title(self)),
            escape::markdown(&summary::introduction(self))
        )?;
        let findings = summary::findings(self);
        if !findings.is_empty() {
            writeln!(f, "\n## Findings\n")?;
        }
        for finding in findings {
            writeln!(f, "* **{}**: {}", summary::weight(finding.weight), escape::markdown_words(&finding.text))?;
        }
        let verdicts = verdicts(&self.comparisons);
        if !verdicts.is_empty() {
            writeln!(f, "\n## Verdicts")?;
        }
        for (against, comparisons) in verdicts {
            writeln!(f, "\n### Against {}\n", escape::markdown(against))?;
            for Comparison { name, verdict, .. } in comparisons {
                writeln!(f, "* **{}**: {}", escape::markdown(name), escape::markdown_words(verdict))?;
            }
        }
        tables::all(self).iter().try_for_each(|sheet| write!(f, "\n{}", sheet.markdown()))
    }
}
