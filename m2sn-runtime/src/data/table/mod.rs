//! Tables: a row a sample, with columns of numbers, lists, classes, labels, texts or names of files.
//!
//! CSV needs the feature `csv` and Parquet the feature `parquet`; JSON lines are always there.

#[cfg(feature = "csv")]
mod csv;
mod json_lines;
#[cfg(feature = "parquet")]
mod parquet;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tch::{Kind, Tensor};

use super::faults::Faults;
use crate::{Error, Result};

/// A table that has been read.
///
/// ```
/// use m2sn_runtime::data::table;
///
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("patients.csv");
/// std::fs::write(&path, "age,weight,image,finding,split\n41,70.5,a.png,none,train\n63,58,b.png,edema,test\n").unwrap();
/// # #[cfg(feature = "csv")] {
///
/// let train = table::read(&path)?.filter("split", "train")?;
/// let vitals = train.numbers(&["age", "weight"])?;
/// let target = train.classes("finding", &["none", "edema"])?;
/// assert_eq!((vitals.size(), target.size()), (vec![1, 2], vec![1]));
///
/// let error = train.files("image").unwrap_err().to_string();
/// assert!(error.contains("column `image`, row 0 (line 2): there is no file"));
/// # }
/// # Ok::<(), m2sn_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct Table {
    path: PathBuf,
    columns: Vec<String>,
    /// A column after the other.
    cells: Vec<Vec<Cell>>,
    /// The line in the file on which each row begins; none for files without lines.
    lines: Vec<u64>,
    rows: usize,
}

/// What stands in a column of a row.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Empty,
    Number(f64),
    Text(String),
    List(Vec<Cell>),
}

/// Reads a table: `.csv` or `.tsv`, `.jsonl` or `.ndjson`, or `.parquet`.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::File`] with line and reason where it is no such table, or where
/// its format is a feature that was not built.
pub fn read(path: impl AsRef<Path>) -> Result<Table> {
    let path = path.as_ref();
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match extension.as_str() {
        #[cfg(feature = "csv")]
        "csv" => csv::read(path, b','),
        #[cfg(feature = "csv")]
        "tsv" => csv::read(path, b'\t'),
        "jsonl" | "ndjson" => json_lines::read(path),
        #[cfg(feature = "parquet")]
        "parquet" => parquet::read(path),
        #[cfg(not(feature = "csv"))]
        "csv" | "tsv" => Err(Error::file(path, "this program was built without the feature `csv` of m2sn")),
        #[cfg(not(feature = "parquet"))]
        "parquet" => Err(Error::file(path, "this program was built without the feature `parquet` of m2sn")),
        _ => {
            let message = "expected a table whose name ends in .csv, .tsv, .jsonl, .ndjson or .parquet";
            Err(Error::file(path, message))
        }
    }
}

impl Table {
    fn new(path: &Path, columns: Vec<String>, cells: Vec<Vec<Cell>>, lines: Vec<u64>) -> Result<Self> {
        let mut seen = BTreeSet::new();
        if let Some(twice) = columns.iter().find(|name| !seen.insert(*name)) {
            return Err(Error::file(path, format!("two columns are named `{twice}`")));
        }
        let rows = cells.first().map_or(0, Vec::len);
        if rows == 0 {
            return Err(Error::file(path, "the table has no rows"));
        }
        Ok(Self { path: path.into(), columns, cells, lines, rows })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The rows, in this order.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the first row that does not exist, or where none is asked for.
    pub fn select(&self, rows: &[usize]) -> Result<Self> {
        if rows.is_empty() {
            return Err(Error::invalid(format!("{}: no row was asked for", self.path.display())));
        }
        if let Some(row) = rows.iter().find(|row| **row >= self.rows) {
            return Err(Error::invalid(format!("{}: there is no row {row} among {}", self.path.display(), self.rows)));
        }
        Ok(Self {
            path: self.path.clone(),
            columns: self.columns.clone(),
            cells: self.cells.iter().map(|cells| rows.iter().map(|row| cells[*row].clone()).collect()).collect(),
            lines: if self.lines.is_empty() { Vec::new() } else { rows.iter().map(|row| self.lines[*row]).collect() },
            rows: rows.len(),
        })
    }

    /// The rows whose `column` is `value`, such as those of a split.
    ///
    /// # Errors
    /// [`Error::File`] where there is no such column, or no such row; it names the values that there are.
    pub fn filter(&self, column: &str, value: &str) -> Result<Self> {
        let cells = self.column(column)?;
        let rows: Vec<_> = (0..self.rows).filter(|row| cells[*row].name().as_deref() == Some(value)).collect();
        if rows.is_empty() {
            let values = list(&self.distinct(column)?);
            return Err(self.fault(column, format!("no row is `{value}`; the values are {values}")));
        }
        self.select(&rows)
    }

    /// Numbers, a column each: `[rows, columns]` of `f32`.
    ///
    /// # Errors
    /// [`Error::File`] with column, row and reason where there is no such column, or a cell is no finite number.
    pub fn numbers(&self, columns: &[&str]) -> Result<Tensor> {
        self.side_by_side(columns, |cell| cell.number())
    }

    /// A list of `length` numbers a row: `[rows, length]` of `f32`. In a text, such as a cell of CSV, numbers are parted by
    /// blanks, commas, semicolons or bars, with brackets around them or without.
    ///
    /// # Errors
    /// [`Error::File`] with column, row and reason where a cell is no such list.
    pub fn lists(&self, column: &str, length: usize) -> Result<Tensor> {
        let values = self.each(column, |cell| {
            let numbers = cell.numbers()?;
            match numbers.len() {
                found if found == length => Ok(numbers),
                found => Err(format!("expected {length} numbers, found {found}")),
            }
        })?;
        Ok(matrix(values, length))
    }

    /// A list of numbers a row, cut or padded with zeros to `steps`: `[rows, steps]` of `f32`, and `[rows]` of `i64`, how
    /// many of them are real. Each list has one number at least.
    ///
    /// # Errors
    /// [`Error::File`] with column, row and reason where a cell is no such list.
    pub fn padded(&self, column: &str, steps: usize) -> Result<(Tensor, Tensor)> {
        let values = self.each(column, |cell| match cell.numbers()? {
            numbers if numbers.is_empty() => Err("expected one number at least, found none".into()),
            numbers => Ok(numbers),
        })?;
        let lengths: Vec<_> = values.iter().map(|numbers| numbers.len().min(steps) as i64).collect();
        let fit = |mut numbers: Vec<f32>| {
            numbers.resize(steps, 0.0);
            numbers
        };
        Ok((matrix(values.into_iter().map(fit).collect(), steps), Tensor::from_slice(&lengths)))
    }

    /// The place of each row's class among `names`: `[rows]` of `i64`, targets of a classification.
    ///
    /// # Errors
    /// [`Error::File`] with column, row and reason where a cell is none of the names.
    pub fn classes(&self, column: &str, names: &[&str]) -> Result<Tensor> {
        Ok(Tensor::from_slice(&self.each(column, |cell| place(cell, names))?))
    }

    /// Labels, a column each, whose cells are 0 or 1: `[rows, columns]` of `f32`, targets of a multilabel task.
    ///
    /// # Errors
    /// [`Error::File`] with column, row and reason where a cell is neither.
    pub fn labels(&self, columns: &[&str]) -> Result<Tensor> {
        self.side_by_side(columns, |cell| match cell.number()? {
            value if value == 0.0 || value == 1.0 => Ok(value),
            value => Err(format!("expected 0 or 1, found {value}")),
        })
    }

    /// Labels as a list of some of `names`: `[rows, names]` of `f32`. In a text, names are parted by commas, semicolons or
    /// bars. An empty cell is a row without labels.
    ///
    /// # Errors
    /// [`Error::File`] with column, row and reason where a cell holds none of the names.
    pub fn label_lists(&self, column: &str, names: &[&str]) -> Result<Tensor> {
        let values = self.each(column, |cell| {
            let mut row = vec![0.0; names.len()];
            for label in cell.items(|char| matches!(char, ',' | ';' | '|'))? {
                row[place(&label, names)? as usize] = 1.0;
            }
            Ok(row)
        })?;
        Ok(matrix(values, names.len()))
    }

    /// Texts; an empty cell is an empty text.
    ///
    /// # Errors
    /// [`Error::File`] with column and row where a cell is a list.
    pub fn texts(&self, column: &str) -> Result<Vec<String>> {
        self.each(column, |cell| match cell {
            Cell::Empty => Ok(String::new()),
            Cell::List(_) => Err("expected a text, found a list".into()),
            cell => Ok(cell.name().unwrap_or_default()),
        })
    }

    /// Files, named from the table's folder; `None` for an empty cell, of a sample that lacks the modality.
    ///
    /// # Errors
    /// [`Error::File`] with column, row and name where there is no such file.
    pub fn files(&self, column: &str) -> Result<Vec<Option<PathBuf>>> {
        let folder = self.path.parent().unwrap_or(Path::new(""));
        self.each(column, |cell| {
            let Some(name) = cell.name() else {
                return if *cell == Cell::Empty { Ok(None) } else { Err("expected the name of a file".into()) };
            };
            let path = folder.join(&name);
            if path.is_file() { Ok(Some(path)) } else { Err(format!("there is no file `{}`", path.display())) }
        })
    }

    /// A number for each different value: samples of the same group, for [`crate::data::By::Group`].
    ///
    /// # Errors
    /// [`Error::File`] with column and row where a cell is empty or a list.
    pub fn groups(&self, column: &str) -> Result<Vec<i64>> {
        let names = self.each(column, |cell| cell.name().ok_or_else(|| "expected a value".to_owned()))?;
        let mut numbers = BTreeMap::new();
        Ok(names
            .into_iter()
            .map(|name| {
                let next = numbers.len() as i64;
                *numbers.entry(name).or_insert(next)
            })
            .collect())
    }

    /// The different values of a column, sorted: the names of classes, say.
    ///
    /// # Errors
    /// [`Error::File`] where there is no such column.
    pub fn distinct(&self, column: &str) -> Result<Vec<String>> {
        let values: BTreeSet<_> = self.column(column)?.iter().filter_map(Cell::name).collect();
        Ok(values.into_iter().collect())
    }

    fn column(&self, name: &str) -> Result<&[Cell]> {
        let index = self.columns.iter().position(|column| column == name).ok_or_else(|| {
            let message = format!("there is no column `{name}`; the columns are {}", list(&self.columns));
            Error::file(&self.path, message)
        })?;
        Ok(&self.cells[index])
    }

    /// What `read` makes of every cell of a column; else all that is wrong with them.
    fn each<T>(&self, column: &str, read: impl Fn(&Cell) -> Result<T, String>) -> Result<Vec<T>> {
        let mut faults = Faults::default();
        let mut values = Vec::with_capacity(self.rows);
        for (row, cell) in self.column(column)?.iter().enumerate() {
            match read(cell) {
                Ok(value) => values.push(value),
                Err(message) => faults.note(|| {
                    let line = self.lines.get(row).map(|line| format!(" (line {line})")).unwrap_or_default();
                    format!("row {row}{line}: {message}")
                }),
            }
        }
        faults.finish().map_err(|message| self.fault(column, message))?;
        Ok(values)
    }

    fn side_by_side(&self, columns: &[&str], read: impl Fn(&Cell) -> Result<f32, String>) -> Result<Tensor> {
        let columns = columns.iter().map(|column| Ok(Tensor::from_slice(&self.each(column, &read)?)));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        if columns.is_empty() {
            return Err(Error::file(&self.path, "no column was asked for"));
        }
        Ok(Tensor::stack(&columns, 1))
    }

    fn fault(&self, column: &str, message: impl AsRef<str>) -> Error {
        let message = message.as_ref();
        let gap = if message.starts_with("row") { "," } else { ":" };
        Error::file(&self.path, format!("column `{column}`{gap} {message}"))
    }
}

impl Cell {
    /// The cell as a name: a text, or a number as it is written without a decimal point where it is whole.
    fn name(&self) -> Option<String> {
        match self {
            Self::Number(value) => Some(value.to_string()),
            Self::Text(text) => Some(text.clone()),
            Self::Empty | Self::List(_) => None,
        }
    }

    fn number(&self) -> Result<f32, String> {
        let value = match self {
            Self::Number(value) => Some(*value),
            Self::Text(text) => match text.trim() {
                "true" | "True" | "TRUE" => Some(1.0),
                "false" | "False" | "FALSE" => Some(0.0),
                text => text.parse::<f64>().ok(),
            },
            Self::Empty | Self::List(_) => None,
        };
        match value {
            Some(value) if (value as f32).is_finite() => Ok(value as f32),
            Some(value) => Err(format!("expected a finite number, found {value}")),
            None => Err(format!("expected a number, found {}", self.describe())),
        }
    }

    /// The numbers of a list.
    fn numbers(&self) -> Result<Vec<f32>, String> {
        let items = self.items(|char| matches!(char, ',' | ';' | '|') || char.is_whitespace())?;
        items.iter().map(Self::number).collect()
    }

    /// The items of a list, or the parts of a text.
    fn items(&self, is_gap: impl Fn(char) -> bool) -> Result<Vec<Self>, String> {
        match self {
            Self::Empty => Ok(Vec::new()),
            Self::List(items) => Ok(items.clone()),
            Self::Number(_) => Ok(vec![self.clone()]),
            Self::Text(text) => {
                let text = text.trim();
                let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
                let parts = inner.split(is_gap).map(|part| part.trim().trim_matches(['"', '\'']));
                Ok(parts.filter(|part| !part.is_empty()).map(|part| Self::Text(part.into())).collect())
            }
        }
    }

    /// The cell as an error shows it.
    fn describe(&self) -> String {
        match self {
            Self::Empty => "an empty cell".into(),
            Self::Number(value) => value.to_string(),
            Self::List(items) => format!("a list of {}", items.len()),
            Self::Text(text) if text.chars().count() > 40 => {
                format!("`{}…`", text.chars().take(40).collect::<String>().escape_debug())
            }
            Self::Text(text) => format!("`{}`", text.escape_debug()),
        }
    }
}

/// The place of a cell among names.
fn place(cell: &Cell, names: &[&str]) -> Result<i64, String> {
    let found = cell.name();
    let place = names.iter().position(|name| Some(*name) == found.as_deref());
    place.map(|place| place as i64).ok_or_else(|| {
        let names: Vec<_> = names.iter().map(|name| name.to_string()).collect();
        format!("expected one of {}, found {}", list(&names), cell.describe())
    })
}

fn matrix(rows: Vec<Vec<f32>>, width: usize) -> Tensor {
    let height = rows.len() as i64;
    Tensor::from_slice(&rows.concat()).to_kind(Kind::Float).view([height, width as i64])
}

/// Names as an error shows them, the first ten.
fn list(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(10).map(|name| format!("`{name}`")).collect();
    shown.join(", ") + if names.len() > 10 { ", …" } else { "" }
}

#[cfg(test)]
mod tests;
