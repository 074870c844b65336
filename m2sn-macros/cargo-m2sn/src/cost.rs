use std::io::Write;

use m2sn_compiler::{Cost, Outline, grouped};

use crate::Outcome;
use crate::spec::network;

/// Prints what each exit costs, as a table or as JSON.
pub(crate) fn run(spec: &str, json: bool, output: &mut dyn Write) -> Outcome {
    let Some(network) = network(spec)? else { return Ok(false) };
    if json {
        writeln!(output, "{}", serde_json::to_string_pretty(&network).map_err(std::io::Error::from)?)?;
    } else {
        output.write_all(table(&network).as_bytes())?;
    }
    Ok(true)
}

/// The exits of all modalities, then what every route adds, then the whole.
fn table(network: &Outline) -> String {
    let whole = network.late_fusion();
    let row = |modality: &str, exit: &str, shape: &str, cost: Cost| {
        let share = 100.0 * cost.multiply_adds as f64 / whole.multiply_adds.max(1) as f64;
        let (parameters, multiply_adds) = (grouped(cost.parameters), grouped(cost.multiply_adds));
        [modality.to_owned(), exit.to_owned(), shape.to_owned(), parameters, multiply_adds, format!("{share:.1} %")]
    };
    let mut rows =
        vec![["modality", "exit", "shape", "parameters", "multiply-adds", "of late fusion"].map(str::to_owned)];
    for modality in &network.modalities {
        for (index, exit) in modality.exits.iter().enumerate() {
            let name = if index == 0 { modality.name.as_str() } else { "" };
            rows.push(row(name, &exit.name, &exit.shape, exit.through));
        }
    }
    rows.push(row("head", "", &network.head.output, network.head.cost));
    rows.push(row("late fusion", "", "", whole));
    if let Some(navigator) = &network.navigator {
        rows.push(row("navigator", "", &navigator.decision.output, navigator.cost));
    }

    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = format!("{}: {}\n\n", network.model, network.outputs);
    for row in &rows {
        let [modality, exit, shape, numbers @ ..] = row;
        let mut line = format!("{modality:0$}  {exit:1$}  {shape:2$}", widths[0], widths[1], widths[2]);
        for (number, width) in numbers.iter().zip(&widths[3..]) {
            line += &format!("  {number:>width$}");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
