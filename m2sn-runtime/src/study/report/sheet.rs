//! A table before it is Markdown or HTML.

use super::escape;
use crate::evaluation::table;
use crate::svg::escaped;

/// A table, whose first column names what the row is of. All words are plain text.
#[derive(Debug)]
pub(super) struct Sheet {
    /// The anchor in a page.
    pub(super) id: String,
    pub(super) title: String,
    /// What a reader has to know of its figures.
    pub(super) note: String,
    pub(super) head: Vec<String>,
    pub(super) groups: Vec<Group>,
}

/// Rows under one heading; without one where it is empty.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) heading: String,
    pub(super) rows: Vec<Vec<String>>,
}

impl Sheet {
    /// `None` of a table without rows.
    pub(super) fn new(id: &str, title: &str, note: String, head: Vec<String>, groups: Vec<Group>) -> Option<Self> {
        let groups: Vec<Group> = groups.into_iter().filter(|group| !group.rows.is_empty()).collect();
        (!groups.is_empty()).then(|| Self { id: id.into(), title: title.into(), note, head, groups })
    }

    /// A section with a heading of the second level.
    pub(super) fn markdown(&self) -> String {
        let mut rows = Vec::new();
        for group in &self.groups {
            if !group.heading.is_empty() {
                rows.push(vec![format!("**{}**", escape::markdown(&group.heading))]);
            }
            rows.extend(group.rows.iter().map(|row| row.iter().map(|cell| escape::markdown(cell)).collect()));
        }
        let head: Vec<String> = self.head.iter().map(|cell| escape::markdown(cell)).collect();
        let mut text = format!("## {}\n\n{}", escape::markdown(&self.title), table::markdown(&head, &rows));
        if !self.note.is_empty() {
            text += &format!("\n{}\n", escape::markdown(&self.note));
        }
        text
    }

    /// A section with a heading of the second level, whose table scrolls by itself.
    pub(super) fn html(&self) -> String {
        let Self { id, title, note, head, groups } = self;
        let (title, note) = (escaped(title), escaped(note));
        let mut text = format!("<section id=\"{id}\">\n<h2>{title}</h2>\n");
        if !note.is_empty() {
            text += &format!("<p class=\"note\">{note}</p>\n");
        }
        text += &format!(
            "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{title}\">\n<table>\n<thead>\n<tr>{}</tr>\n</thead>\n",
            head.iter().map(|cell| format!("<th scope=\"col\">{}</th>", escaped(cell))).collect::<String>()
        );
        for Group { heading, rows } in groups {
            text += "<tbody>\n";
            if !heading.is_empty() {
                // The words stay in sight while the figures are scrolled.
                text += &format!(
                    "<tr><th scope=\"rowgroup\" colspan=\"{}\"><span>{}</span></th></tr>\n",
                    head.len(),
                    escaped(heading)
                );
            }
            for row in rows {
                let cells = row.iter().zip(0..).map(|(cell, column)| match column {
                    0 => format!("<th scope=\"row\">{}</th>", escaped(cell)),
                    _ if cell.chars().count() > LONG => format!("<td class=\"prose\">{}</td>", escaped(cell)),
                    _ => format!("<td>{}</td>", escaped(cell)),
                });
                text += &format!("<tr>{}</tr>\n", cells.collect::<String>());
            }
            text += "</tbody>\n";
        }
        text + "</table>\n</div>\n</section>\n"
    }
}

/// Cells of more letters are broken into lines.
const LONG: usize = 36;
