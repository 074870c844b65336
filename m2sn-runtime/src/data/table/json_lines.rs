//! Tables as an object of JSON a line; the columns are the keys of all of them.

use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::{Map, Value};

use super::{Cell, Table};
use crate::data::faults::Faults;
use crate::{Error, Result};

pub(super) fn read(path: &Path) -> Result<Table> {
    let file = std::fs::File::open(path).map_err(Error::io(path))?;
    let mut columns: Vec<String> = Vec::new();
    let mut cells: Vec<Vec<Cell>> = Vec::new();
    let mut lines = Vec::new();
    let mut faults = Faults::default();
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.map_err(Error::io(path))?;
        if line.trim().is_empty() {
            continue;
        }
        let object: Map<String, Value> = match serde_json::from_str(&line) {
            Ok(object) => object,
            Err(error) => {
                faults.note(|| format!("line {number}: expected an object of JSON: {error}"));
                continue;
            }
        };
        for (key, value) in object {
            let column = columns.iter().position(|column| *column == key).unwrap_or_else(|| {
                columns.push(key);
                cells.push(Vec::new());
                columns.len() - 1
            });
            // Rows before this one did not have the key.
            cells[column].resize(lines.len(), Cell::Empty);
            cells[column].push(cell(value));
        }
        lines.push(number);
    }
    faults.finish().map_err(|message| Error::file(path, message))?;
    cells.iter_mut().for_each(|cells| cells.resize(lines.len(), Cell::Empty));
    Table::new(path, columns, cells, lines)
}

/// A value of JSON; an object, of which no column is made, stays text.
fn cell(value: Value) -> Cell {
    match value {
        Value::Null => Cell::Empty,
        Value::Bool(value) => Cell::Text(value.to_string()),
        Value::Number(value) => value.as_f64().map_or(Cell::Empty, Cell::Number),
        Value::String(text) if text.is_empty() => Cell::Empty,
        Value::String(text) => Cell::Text(text),
        Value::Array(items) => Cell::List(items.into_iter().map(cell).collect()),
        Value::Object(_) => Cell::Text(value.to_string()),
    }
}
