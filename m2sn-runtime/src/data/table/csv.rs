//! Tables as comma-separated values, by the rules of RFC 4180; the first line names the columns.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use super::{Cell, Table};
use crate::{Error, Result};

pub(super) fn read(path: &Path, delimiter: u8) -> Result<Table> {
    let file = std::fs::File::open(path).map_err(Error::io(path))?;
    let fault = |error: csv::Error| Error::file(path, error.to_string());
    let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(std::io::BufReader::new(file));
    let headers = reader.headers().map_err(fault)?;
    // Excel begins its files with a mark of the byte order, which is no part of the first name.
    let columns: Vec<_> = headers.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
    let mut cells: Vec<Vec<Cell>> = columns.iter().map(|_| Vec::new()).collect();
    let mut lines = Vec::new();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(fault)? {
        lines.push(record.position().map_or(0, csv::Position::line));
        for (cells, text) in cells.iter_mut().zip(&record) {
            cells.push(if text.is_empty() { Cell::Empty } else { Cell::Text(text.into()) });
        }
    }
    Table::new(path, columns, cells, lines)
}
