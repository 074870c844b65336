use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/table").join(name)
}

fn written(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn values(tensor: Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

/// The same five rows in every format, as pandas wrote them by `tests/fixtures/tables.py`.
#[test]
fn the_same_table_is_read_from_every_format() {
    let mut names = vec!["films.jsonl"];
    if cfg!(feature = "csv") {
        names.extend(["films.csv", "films.tsv"]);
    }
    if cfg!(feature = "parquet") {
        names.extend(["films.parquet", "films_gzip.parquet"]);
    }
    for name in names {
        let table = read(fixture(name)).unwrap();
        assert_eq!(table.rows(), 5, "{name}");
        assert_eq!(table.columns().len(), 12, "{name}");
        let numbers = table.numbers(&["year", "rating"]).unwrap();
        assert_eq!(numbers.size(), [5, 2]);
        assert_eq!(values(numbers.get(1)), [1994.0, 8.5], "{name}");
        assert_eq!(values(table.lists("features", 3).unwrap().get(2)), [0.5, -1.5, 2.0], "{name}");
        assert_eq!(values(table.classes("country", &["FR", "US"]).unwrap()), [1.0, 0.0, 1.0, 1.0, 0.0], "{name}");
        assert_eq!(values(table.labels(&["drama", "comedy"]).unwrap().get(0)), [1.0, 0.0], "{name}");
        let genres = table.label_lists("genres", &["Drama", "Film-Noir", "Comedy"]).unwrap();
        assert_eq!(values(genres.get(1)), [1.0, 1.0, 0.0], "{name}");
        assert_eq!(values(genres.get(4)), [0.0, 0.0, 0.0], "{name}");
        assert_eq!(table.texts("plot").unwrap()[0], "One says, \"no\", and\nleaves.", "{name}");
        assert_eq!(table.texts("plot").unwrap()[3], "", "{name}");
        assert_eq!(table.distinct("country").unwrap(), ["FR", "US"], "{name}");
        assert_eq!(table.groups("country").unwrap(), [0, 1, 0, 0, 1], "{name}");
        let files = table.files("poster").unwrap();
        assert_eq!(files[0], Some(fixture("films.csv")), "{name}");
        assert_eq!(files[2], None, "{name}");
        let test = table.filter("split", "test").unwrap();
        assert_eq!(test.texts("id").unwrap(), ["b", "e"], "{name}");
        let (padded, lengths) = table.padded("marks", 3).unwrap();
        assert_eq!((values(padded.get(1)), values(lengths)), (vec![4.0, 5.0, 6.0], vec![1.0, 3.0, 2.0, 1.0, 3.0]));
    }
}

#[test]
fn every_fault_is_named_with_column_row_and_line() {
    let (_folder, path) =
        written("a.csv", "age,finding,image\n41,none,a.png\nold,edema,\nnan,flu,b.png\n1e99,none,\"\n\"\n");
    let table = read(&path).unwrap();
    let message = |error: Error| error.to_string().split_once("a.csv: ").unwrap().1.to_owned();
    assert_eq!(
        message(table.numbers(&["age"]).unwrap_err()),
        "column `age`: 3 faults:\n  row 1 (line 3): expected a number, found `old`\n  row 2 (line 4): expected a finite \
         number, found NaN\n  row 3 (line 5): expected a finite number, found 1e99"
            .replace("1e99", &1e99_f64.to_string())
    );
    assert_eq!(
        message(table.classes("finding", &["none", "edema"]).unwrap_err()),
        "column `finding`, row 2 (line 4): expected one of `none`, `edema`, found `flu`"
    );
    assert!(message(table.files("image").unwrap_err()).contains("row 0 (line 2): there is no file `"));
    assert_eq!(
        message(table.texts("images").unwrap_err()),
        "there is no column `images`; the columns are `age`, `finding`, `image`"
    );
    assert_eq!(
        message(table.filter("finding", "fluid").unwrap_err()),
        "column `finding`: no row is `fluid`; the values are `edema`, `flu`, `none`"
    );
    assert!(table.select(&[4]).is_err() && table.select(&[]).is_err());
    assert!(message(table.labels(&["age"]).unwrap_err()).contains("row 0 (line 2): expected 0 or 1, found 41"));
    assert!(message(table.lists("age", 2).unwrap_err()).contains("row 0 (line 2): expected 2 numbers, found 1"));
}

#[test]
fn what_is_no_table_is_refused() {
    for (name, text, expected) in [
        ("a.csv", "a,b\n1,2\n3\n", "found record with 1 fields"),
        ("a.csv", "a,b\n", "the table has no rows"),
        ("a.csv", "a,a\n1,2\n", "two columns are named `a`"),
        ("a.jsonl", "{\"a\": 1}\n[1]\n{\"a\"\n", "2 faults:\n  line 2: expected an object of JSON"),
        ("a.jsonl", "\n", "the table has no rows"),
        #[cfg(feature = "parquet")]
        ("a.parquet", "PAR1", "of the ways to compress a table"),
        ("a.xlsx", "", "expected a table whose name ends in .csv"),
    ] {
        let (_folder, path) = written(name, text);
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    // A key that comes later, or not at all, leaves cells empty.
    let (_folder, path) = written("a.jsonl", "{\"a\": 1}\n\n{\"b\": [1, 2]}\n{\"a\": 3}\n");
    let table = read(&path).unwrap();
    assert!(
        table.numbers(&["a"]).unwrap_err().to_string().contains("row 1 (line 3): expected a number, found an empty")
    );
    assert_eq!(table.texts("a").unwrap(), ["1", "", "3"]);
}
