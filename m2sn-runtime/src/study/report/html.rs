//! The report as one page that needs nothing else: figures and style are within, and there is no script.

use super::super::{Comparison, Results, Weight};
use super::figures::Figure;
use super::{escape, summary, tables};
use crate::svg::escaped;

/// The page of a study.
pub(super) fn report(results: &Results, figures: &[Figure]) -> String {
    let (front, others): (Vec<&Figure>, Vec<&Figure>) = figures.iter().partition(|figure| figure.name == "front");
    let sheets = tables::all(results);
    let mut body = header(&summary::title(results), &summary::introduction(results));
    let links = front.iter().map(|figure| (figure.name, &figure.title[..]));
    let links = links.chain(sheets.iter().map(|sheet| (&sheet.id[..], &sheet.title[..])));
    let links = links.chain(others.first().map(|_| ("figures", "Figures"))).chain([("setup", "How it was made")]);
    let findings = findings(results) + &verdicts(results);
    body += &findings;
    body += &contents(links);
    for figure in &front {
        body += &format!("<section>\n<h2>{}</h2>\n{}</section>\n", escaped(&figure.title), drawn(figure));
    }
    sheets.iter().for_each(|sheet| body += &sheet.html());
    if !others.is_empty() {
        body += "<section id=\"figures\">\n<h2>Figures</h2>\n<div class=\"figures\">\n";
        others.iter().for_each(|figure| body += &drawn(figure));
        body += "</div>\n</section>\n";
    }
    body += &setup(results);
    page(&summary::title(results), &body)
}

/// A whole page around a body.
pub(super) fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{}</title>\n<style>\n{}</style>\n</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escaped(title),
        include_str!("page.css")
    )
}

/// The title of a page, and what it is about.
pub(super) fn header(title: &str, introduction: &str) -> String {
    format!("<header>\n<h1>{}</h1>\n<p>{}</p>\n</header>\n", escaped(title), escaped(introduction))
}

fn findings(results: &Results) -> String {
    let findings = summary::findings(results);
    if findings.is_empty() {
        return String::new();
    }
    let items = findings.iter().map(|finding| {
        let class = match finding.weight {
            Weight::Failure => "failure",
            Weight::Warning => "warning",
            Weight::Note => "remark",
        };
        format!(
            "<li class=\"{class}\"><strong>{}</strong> {}</li>\n",
            summary::weight(finding.weight),
            escape::html_words(&finding.text)
        )
    });
    format!(
        "<section id=\"findings\">\n<h2>Findings</h2>\n<ul class=\"findings\">\n{}</ul>\n</section>\n",
        items.collect::<String>()
    )
}

fn verdicts(results: &Results) -> String {
    let groups = summary::verdicts(&results.comparisons);
    if groups.is_empty() {
        return String::new();
    }
    let item = |Comparison { name, verdict, .. }: &Comparison| {
        format!("<li><strong>{}</strong>: {}</li>\n", escaped(name), escape::html_words(verdict))
    };
    let group = |(against, comparisons): &(&str, Vec<&Comparison>)| {
        let items: String = comparisons.iter().map(|comparison| item(comparison)).collect();
        format!("<section>\n<h3>Against {}</h3>\n<ul>\n{items}</ul>\n</section>\n", escaped(against))
    };
    let groups: String = groups.iter().map(group).collect();
    format!("<section id=\"verdicts\">\n<h2>Verdicts</h2>\n<div class=\"verdicts\">\n{groups}</div>\n</section>\n")
}

fn contents<'a>(links: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let items = links.map(|(id, title)| format!("<li><a href=\"#{}\">{}</a></li>\n", escaped(id), escaped(title)));
    format!("<nav aria-label=\"Contents\">\n<ul>\n{}</ul>\n</nav>\n", items.collect::<String>())
}

fn drawn(figure: &Figure) -> String {
    format!(
        "<figure id=\"{}\">\n{}<figcaption><strong>{}.</strong> {}</figcaption>\n</figure>\n",
        figure.name,
        figure.svg,
        escaped(&figure.title),
        escaped(&figure.caption)
    )
}

fn setup(results: &Results) -> String {
    let items = summary::setup(results);
    let items = items.iter().map(|(name, value)| format!("<dt>{}</dt><dd>{}</dd>\n", escaped(name), escaped(value)));
    let mut text =
        format!("<section id=\"setup\">\n<h2>How it was made</h2>\n<dl>\n{}</dl>\n", items.collect::<String>());
    if !results.spec.is_empty() {
        // Tabs are no characters of YAML's indentation, and what is left of control characters is no text.
        let lines: Vec<String> = results.spec.lines().map(|line| escaped(&line.replace('\t', "    "))).collect();
        text += &format!(
            "<h3>The spec, with all defaults</h3>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" \
             aria-label=\"The spec\">\n<pre>{}</pre>\n</div>\n",
            lines.join("\n")
        );
    }
    text + "</section>\n"
}
