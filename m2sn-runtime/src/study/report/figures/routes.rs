//! The routes that samples take: a column a modality, a ribbon a route, as wide as the share of samples.

use std::fmt::Write;

use super::super::methods::Method;
use super::Figure;
use super::canvas::{self, WIDTH};
use crate::evaluation::plot::COLOURS;
use crate::svg::{escaped, fitted};

const HEIGHT: f64 = 330.0;
const TOP: f64 = 46.0;
const SIDE: f64 = 116.0;
const NODE: f64 = 16.0;
/// Between the exits of a column, where there are few.
const GAP: f64 = 24.0;
/// White around the letters, since some stand on ribbons.
const FONT: &str = "font-family=\"sans-serif\" font-size=\"14.5\" fill=\"#000000\" paint-order=\"stroke\" stroke=\"#FFFFFF\" stroke-width=\"3\"";

/// An exit of a modality.
#[derive(Debug)]
struct Node<'a> {
    exit: &'a str,
    share: f64,
    top: f64,
}

/// A route, and where its ribbon begins in each column.
#[derive(Debug)]
struct Ribbon<'a> {
    exits: &'a [String],
    share: f64,
    tops: Vec<f64>,
}

/// `None` where it is not known where samples go, or there are no modalities to go through.
pub(super) fn figure(name: &'static str, method: &Method<'_>) -> Option<Figure> {
    let (modalities, routes) = method.routes();
    if modalities.is_empty() || routes.is_empty() {
        return None;
    }
    let total: f64 = routes.iter().map(|(_, share)| share).sum();
    if !total.is_finite() || total <= 0.0 {
        return None;
    }
    let routes: Vec<(&[String], f64)> = routes.iter().map(|(exits, share)| (*exits, share / total)).collect();
    let orders: Vec<Vec<&str>> = (0..modalities.len()).map(|column| order(method, column)).collect();
    let columns: Vec<Vec<Node<'_>>> =
        orders.iter().enumerate().map(|(column, order)| nodes(order, column, &routes)).collect();
    let ribbons = ribbons(&routes, &orders, &columns);

    let title = format!("The routes of {}", method.name);
    let said = routes.iter().take(12).map(|(exits, share)| {
        let exits = modalities.iter().zip(exits.iter()).map(|(modality, exit)| format!("{modality} {exit}"));
        format!("{:.1} % by {}", 100.0 * share, exits.collect::<Vec<_>>().join(", "))
    });
    let description = format!("Shares of test samples. {}.", said.collect::<Vec<_>>().join("; "));
    let svg = canvas::described(&drawn(&modalities, &columns, &ribbons, &orders), name, &title, &description);
    let caption = format!(
        "A column a modality, and in it the exits, the deepest below; a ribbon a route, as wide as the share of test samples \
         that take it, coloured by its first exit. The mean over seeds, of {} route{}.",
        routes.len(),
        if routes.len() == 1 { "" } else { "s" }
    );
    Some(Figure { name, title, caption, svg })
}

/// The exits of a modality from the shallowest on, those that no row tells of behind.
fn order<'a>(method: &Method<'a>, column: usize) -> Vec<&'a str> {
    let mut order: Vec<&'a str> = Vec::new();
    let told = method.rows.iter().filter_map(|(_, row)| row.exits.get(column)).flat_map(|shares| &shares.exits);
    let taken = method.rows.iter().flat_map(|(_, row)| &row.routes).filter_map(|(exits, _)| exits.get(column));
    for exit in told.map(|(exit, _)| exit).chain(taken) {
        if !order.contains(&&exit[..]) {
            order.push(exit);
        }
    }
    // Seeds in which no sample passes the modality by do not tell of it.
    order.sort_by_key(|exit| *exit != "none");
    order
}

/// The exits that are taken, one below the other.
fn nodes<'a>(order: &[&'a str], column: usize, routes: &[(&[String], f64)]) -> Vec<Node<'a>> {
    let share = |exit: &str| {
        routes
            .iter()
            .filter(|(exits, _)| exits.get(column).is_some_and(|taken| taken == exit))
            .map(|(_, share)| share)
            .sum::<f64>()
    };
    let taken: Vec<(&str, f64)> =
        order.iter().map(|exit| (*exit, share(exit))).filter(|(_, share)| *share > 0.0).collect();
    let (gap, height) = (gap(taken.len()), filled(taken.len()));
    let mut top = TOP;
    let node = |(exit, share): (&'a str, f64)| {
        let node = Node { exit, share: share * height, top };
        top += node.share + gap;
        node
    };
    taken.into_iter().map(node).collect()
}

/// The ribbons, each below those that come from and go to shallower exits.
fn ribbons<'a>(routes: &[(&'a [String], f64)], orders: &[Vec<&str>], columns: &[Vec<Node<'_>>]) -> Vec<Ribbon<'a>> {
    let place = |exits: &[String], column: usize| {
        let exit = exits.get(column);
        orders[column].iter().position(|other| exit.is_some_and(|exit| exit == other)).unwrap_or(usize::MAX)
    };
    let mut ribbons: Vec<Ribbon<'a>> =
        routes.iter().map(|(exits, share)| Ribbon { exits, share: *share, tops: vec![0.0; columns.len()] }).collect();
    for (column, nodes) in columns.iter().enumerate() {
        // Neighbours of a column are sorted by where they come from, then by where they go.
        ribbons.sort_by_key(|ribbon| {
            let others = (0..column).rev().chain(column + 1..columns.len());
            others.map(|other| place(ribbon.exits, other)).collect::<Vec<_>>()
        });
        let height = filled(nodes.len());
        for node in nodes {
            let mut top = node.top;
            for ribbon in
                ribbons.iter_mut().filter(|ribbon| ribbon.exits.get(column).is_some_and(|exit| exit == node.exit))
            {
                ribbon.tops[column] = top;
                top += ribbon.share * height;
            }
        }
    }
    ribbons
}

fn drawn(modalities: &[&str], columns: &[Vec<Node<'_>>], ribbons: &[Ribbon<'_>], orders: &[Vec<&str>]) -> String {
    let last = columns.len().saturating_sub(1);
    let step = if last > 0 { (f64::from(WIDTH) - 2.0 * SIDE - NODE) / last as f64 } else { 0.0 };
    let x = |column: usize| SIDE + step * column as f64;
    let height = TOP + HEIGHT + 24.0;
    let mut text = format!(
        "<svg width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" xmlns=\"http://www.w3.org/2000/svg\">\n\
         <rect x=\"0\" y=\"0\" width=\"{WIDTH}\" height=\"{height}\" fill=\"#FFFFFF\"/>\n"
    );
    let thick = |ribbon: &Ribbon<'_>, column: usize| ribbon.share * filled(columns[column].len());
    for ribbon in ribbons {
        let first = orders[0].iter().position(|exit| ribbon.exits.first().is_some_and(|taken| taken == exit));
        let colour = hex(first.unwrap_or(0));
        for column in 0..last {
            let (from, to, middle) = (x(column) + NODE, x(column + 1), (x(column) + NODE + x(column + 1)) / 2.0);
            let (top, next) = (ribbon.tops[column], ribbon.tops[column + 1]);
            let (bottom, next_bottom) = (top + thick(ribbon, column), next + thick(ribbon, column + 1));
            let exits: Vec<&str> = ribbon.exits.iter().map(|exit| &exit[..]).collect();
            let _ = writeln!(
                text,
                "<path d=\"M{from:.1} {top:.1} C{middle:.1} {top:.1} {middle:.1} {next:.1} {to:.1} {next:.1} V{next_bottom:.1} \
                 C{middle:.1} {next_bottom:.1} {middle:.1} {bottom:.1} {from:.1} {bottom:.1} Z\" fill=\"{colour}\" \
                 fill-opacity=\"0.5\"><title>{}: {:.1} %</title></path>",
                escaped(&exits.join(", ")),
                100.0 * ribbon.share
            );
        }
    }
    // Names of neighbours do not meet.
    let letters = if last > 0 { (step / canvas::LETTER) as usize } else { 40 }.min(24);
    for (column, nodes) in columns.iter().enumerate() {
        let middle = x(column) + NODE / 2.0;
        // What is written beside the outer columns stands outside, and beside those between on the right.
        let (beside, anchor) =
            if column == 0 && last > 0 { (x(0) - 8.0, "end") } else { (x(column) + NODE + 8.0, "start") };
        let _ = writeln!(
            text,
            "<text x=\"{middle:.1}\" y=\"24\" text-anchor=\"middle\" {FONT} font-weight=\"bold\">{}</text>",
            escaped(&fitted(modalities.get(column).copied().unwrap_or_default(), letters))
        );
        let height = filled(nodes.len());
        for Node { exit, share, top } in nodes {
            let _ = writeln!(
                text,
                "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{NODE}\" height=\"{:.1}\" fill=\"#000000\"/>\n\
                 <text x=\"{beside:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" {FONT}>{} {:.0} %</text>",
                x(column),
                share.max(1.0),
                top + share / 2.0 + 5.0,
                escaped(&fitted(exit, 10)),
                100.0 * share / height
            );
        }
    }
    text + "</svg>"
}

/// What is left free between the exits of a column: no more than half of it in all.
fn gap(exits: usize) -> f64 {
    GAP.min(HEIGHT / 2.0 / exits.saturating_sub(1).max(1) as f64)
}

/// What is left for the exits.
fn filled(exits: usize) -> f64 {
    HEIGHT - gap(exits) * exits.saturating_sub(1) as f64
}

/// The colour of the exit of a number.
fn hex(exit: usize) -> String {
    let plotters::style::RGBColor(red, green, blue) = COLOURS[1 + exit % (COLOURS.len() - 1)];
    format!("#{red:02X}{green:02X}{blue:02X}")
}
