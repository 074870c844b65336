//! Markdown tables that read well as plain text, too.

/// A table with a head, its first column to the left and the others to the right; cells that a row lacks stay empty.
pub(crate) fn markdown(head: &[String], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).chain([&head[column]]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().map(String::as_str).chain(std::iter::repeat("")).zip(&widths).enumerate().map(
            |(column, (cell, width))| match column {
                0 => format!("| {cell:width$} "),
                _ => format!("| {cell:>width$} "),
            },
        );
        cells.collect::<String>() + "|\n"
    };
    let rule = widths.iter().enumerate().map(|(column, width)| match column {
        0 => format!("|{}", "-".repeat(width + 2)),
        _ => format!("|{}:", "-".repeat(width + 1)),
    });
    line(head) + &rule.collect::<String>() + "|\n" + &rows.iter().map(|row| line(row)).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::markdown;

    #[test]
    fn rows_may_lack_cells() {
        let row = |cells: &[&str]| cells.iter().map(|cell| cell.to_string()).collect::<Vec<_>>();
        let table = markdown(&row(&["name", "score"]), &[row(&["a", "1"]), row(&["b"]), row(&["c", "2", "3"])]);
        assert_eq!(table, "| name | score |\n|------|------:|\n| a    |     1 |\n| b    |       |\n| c    |     2 |\n");
    }
}
