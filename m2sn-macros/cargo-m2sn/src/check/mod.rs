mod watch;

use std::io::Write;

use m2sn_compiler::{Diagnostic, Severity, Source, outline};
use serde::Serialize;

use crate::arguments::Check;
use crate::spec::tell;
use crate::{Outcome, say};

/// Checks specs once, or again whenever one of them changes.
pub(crate) fn run(arguments: &Check, output: &mut dyn Write) -> Outcome {
    let Check { specs, watch, json } = arguments;
    if !watch {
        return round(specs, *json, output);
    }
    watch::each_change(specs, || {
        let sound = round(specs, *json, output)?;
        if !json {
            say(&format!("waiting for a change of {}\n", specs.join(", ")));
        }
        Ok(sound)
    })
}

/// How a round of checks has ended.
#[derive(Debug, Default, Serialize)]
struct Count {
    specs: usize,
    errors: usize,
    warnings: usize,
}

/// A spec that cannot be read has no place to point to.
#[derive(Serialize)]
struct Unread<'a> {
    severity: Severity,
    path: &'a str,
    message: String,
    rendered: &'a str,
}

/// Checks every spec, and says what is wrong with it; whether there is no error.
fn round(specs: &[String], json: bool, output: &mut dyn Write) -> Outcome {
    let mut count = Count { specs: specs.len(), ..Count::default() };
    for path in specs {
        match Source::open(path) {
            Ok(source) => {
                let (name, faults) = match outline(&source) {
                    Ok((outline, warnings)) => (Some(outline.model), warnings),
                    Err(faults) => (None, faults),
                };
                count.add(&faults);
                match (json, name) {
                    (true, _) => faults.iter().try_for_each(|fault| line(output, fault))?,
                    (false, name) => {
                        tell(&faults);
                        if let Some(name) = name {
                            say(&format!("{path}: {name} is sound"));
                        }
                    }
                }
            }
            Err(rendered) => {
                count.errors += 1;
                if json {
                    let message = rendered.lines().next().unwrap_or_default().to_owned();
                    line(output, &Unread { severity: Severity::Error, path, message, rendered: &rendered })?;
                } else {
                    say(&format!("error: {rendered}\n"));
                }
            }
        }
    }
    if json {
        line(output, &count)?;
    } else if count.errors + count.warnings > 0 {
        say(&format!("{}, {}", counted(count.errors, "error"), counted(count.warnings, "warning")));
    }
    Ok(count.errors == 0)
}

impl Count {
    fn add(&mut self, faults: &[Diagnostic]) {
        let errors = faults.iter().filter(|fault| fault.severity == Severity::Error).count();
        self.errors += errors;
        self.warnings += faults.len() - errors;
    }
}

/// One JSON object, which its reader has at once.
fn line(output: &mut dyn Write, value: &impl Serialize) -> std::io::Result<()> {
    writeln!(output, "{}", serde_json::to_string(value)?)?;
    output.flush()
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
