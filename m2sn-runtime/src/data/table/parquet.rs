//! Tables in Apache Parquet, uncompressed or by Snappy or gzip.

use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;

use super::{Cell, Table};
use crate::{Error, Result};

pub(super) fn read(path: &Path) -> Result<Table> {
    let file = std::fs::File::open(path).map_err(Error::io(path))?;
    let fault = |error: parquet::errors::ParquetError| {
        Error::file(path, format!("{error}; of the ways to compress a table, Snappy and gzip are known"))
    };
    let reader = SerializedFileReader::new(file).map_err(fault)?;
    let schema = reader.metadata().file_metadata().schema().get_fields();
    let columns: Vec<_> = schema.iter().map(|field| field.name().to_owned()).collect();
    let mut cells: Vec<Vec<Cell>> = columns.iter().map(|_| Vec::new()).collect();
    for row in reader.get_row_iter(None).map_err(fault)? {
        let row = row.map_err(fault)?;
        for (cells, (_, field)) in cells.iter_mut().zip(row.get_column_iter()) {
            cells.push(cell(field));
        }
    }
    Table::new(path, columns, cells, Vec::new())
}

/// A value of Parquet; what is neither a number nor a list becomes its text.
fn cell(field: &Field) -> Cell {
    let number = |value: f64| Cell::Number(value);
    match field {
        Field::Null => Cell::Empty,
        Field::Byte(value) => number((*value).into()),
        Field::Short(value) => number((*value).into()),
        Field::Int(value) => number((*value).into()),
        Field::Long(value) => number(*value as f64),
        Field::UByte(value) => number((*value).into()),
        Field::UShort(value) => number((*value).into()),
        Field::UInt(value) => number((*value).into()),
        Field::ULong(value) => number(*value as f64),
        Field::Float16(value) => number((*value).into()),
        Field::Float(value) => number((*value).into()),
        Field::Double(value) => number(*value),
        Field::Str(text) if text.is_empty() => Cell::Empty,
        Field::Str(text) => Cell::Text(text.clone()),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Cell::Text(text.into()),
            Err(_) => Cell::Text(format!("{} bytes", bytes.len())),
        },
        Field::ListInternal(list) => Cell::List(list.elements().iter().map(cell).collect()),
        other => Cell::Text(other.to_string()),
    }
}
