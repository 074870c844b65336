//! What is written, for a study that never ran.

use std::fs;

use super::super::{Results, Seed};
use super::fixture::{interval, results};
use super::{against, csv, figures, html};
use crate::evaluation::Scores;

#[test]
fn prints_as_markdown() {
    insta::assert_snapshot!(results());
}

#[test]
fn prints_as_csv() {
    insta::assert_snapshot!(csv::csv(&results()));
}

#[test]
fn draws_all_figures() {
    let figures = figures::all(&results()).unwrap();
    assert_eq!(figures.iter().map(|figure| figure.name).collect::<Vec<_>>(), figures::NAMES);
    for figure in figures {
        well_formed(&figure.svg);
        insta::assert_snapshot!(figure.name, figure.svg);
    }
}

#[test]
fn compares_two_studies() {
    let old = results();
    let mut new = results();
    new.seeds[0].rows[4].scores = Scores::Classification { accuracy: 0.97, weighted_f1: 0.97, macro_f1: 0.97 };
    new.seeds[1].rows[4].scores = Scores::Classification { accuracy: 0.9721, weighted_f1: 0.97, macro_f1: 0.97 };
    for seed in &mut new.seeds {
        seed.rows[3].latencies[0].ratio = interval(0.6, 0.01);
        seed.rows[5].name = "EENet-style".into();
    }
    new.fingerprint.processor = "Another processor".into();
    new.spec = new.spec.replace("sequential", "value");
    new.settings.within = 0.01;
    let against = against(&new, &old);
    insta::assert_snapshot!(against);
    let page = against.html();
    well_formed(&page);
    assert!(page.contains("EENet-style"));
    let folder = tempfile::tempdir().unwrap();
    against.save(folder.path()).unwrap();
    assert_eq!(names(folder.path()), ["against.html", "against.json", "against.md"]);
}

#[test]
fn the_same_study_has_not_changed() {
    let against = against(&results(), &results());
    assert!(against.caveats.is_empty() && against.only_new.is_empty() && against.only_old.is_empty());
    assert_eq!(against.changes.len(), 7);
    for change in against.changes {
        assert_eq!(change.quality.unwrap().verdict, "the same");
        assert_eq!(change.ratio.unwrap().verdict, "the same");
    }
}

#[test]
fn one_seed_shows_no_difference() {
    let one = |accuracy: f64| {
        let mut results = results();
        results.seeds.truncate(1);
        results.seeds[0].rows[0].scores = Scores::Classification { accuracy, weighted_f1: 0.5, macro_f1: 0.5 };
        results
    };
    let against = against(&one(0.9), &one(0.8));
    assert_eq!(against.changes[0].quality.as_ref().unwrap().verdict, "not to be told from one seed");
}

#[test]
fn writes_a_folder_and_reads_it_again() {
    let folder = tempfile::tempdir().unwrap();
    results().save(folder.path()).unwrap();
    assert_eq!(names(folder.path()), ["figures", "report.html", "results.csv", "results.json", "results.md"]);
    let figures =
        ["difficulty.svg", "front.svg", "lambdas.svg", "routes-learned.svg", "routes-paper.svg", "shares.svg"];
    assert_eq!(names(&folder.path().join("figures")), figures);
    assert_eq!(Results::load(folder.path()).unwrap(), results());
    assert_eq!(Results::load(folder.path().join("results.json")).unwrap(), results());

    // A figure that there is nothing for any more does not stay.
    let mut shorter = results();
    shorter.seeds.iter_mut().for_each(|seed| seed.lambdas.clear());
    shorter.save(folder.path()).unwrap();
    assert!(!folder.path().join("figures/lambdas.svg").exists());
    assert!(results().save("").is_err());
}

#[test]
fn what_is_no_study_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.json");
    assert!(Results::load(&path).unwrap_err().to_string().contains("results.json"));
    fs::write(&path, "{\"model\": \"Tiny\"}").unwrap();
    let message = Results::load(folder.path()).unwrap_err().to_string();
    assert!(message.starts_with(&path.display().to_string()), "{message}");
    assert!(
        message.contains("not the results of a study: missing field `data`") && message.contains("anew"),
        "{message}"
    );
}

#[test]
fn the_page_is_well_formed_and_needs_nothing_else() {
    let page = page(&results());
    well_formed(&page);
    // A namespace is a name, and no address that is asked for.
    let page = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for outside in
        ["<script", "<link", "<img", "<iframe", " src=", "url(", "@import", "http:", "https:", "href=\"/", "href=\"//"]
    {
        assert!(!page.contains(outside), "{outside}");
    }
    for id in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
}

#[test]
fn names_are_words_alone() {
    const HOSTILE: &str = "<script>alert(\"1\")</script> & | `x` '--> \u{1}\u{0}";
    let mut results = results();
    results.model = HOSTILE.into();
    results.data = HOSTILE.into();
    results.spec = format!("name: \"{HOSTILE}\"\n\tother: {HOSTILE}");
    results.fingerprint.processor = HOSTILE.into();
    results.comparisons[0].verdict = HOSTILE.into();
    results.findings[0].text = HOSTILE.into();
    for seed in &mut results.seeds {
        seed.difficulties[0].name = HOSTILE.into();
        seed.difficulties[0].methods[0].0 = HOSTILE.into();
        seed.curves[0].name = HOSTILE.into();
        for row in &mut seed.rows {
            row.name += HOSTILE;
            row.by = HOSTILE.into();
            row.exits[0].modality = HOSTILE.into();
            row.exits[0].exits[0].0 = HOSTILE.into();
            row.routes.iter_mut().for_each(|(exits, _)| exits[0] = HOSTILE.into());
        }
    }
    let page = page(&results);
    well_formed(&page);
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"));
    for figure in figures::all(&results).unwrap() {
        well_formed(&figure.svg);
        assert!(!figure.svg.contains("<script"), "{}", figure.name);
    }
    let markdown = results.to_string();
    assert!(markdown.contains("\\<script\\>") && !markdown.contains('\u{1}'));
    assert!(!markdown.replace("\\<", "").contains('<'), "{markdown}");
    let head = markdown.lines().find(|line| line.starts_with("| method")).unwrap();
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    let row = markdown.lines().find(|line| line.contains("image\\<script")).unwrap();
    assert_eq!(columns(row), columns(head));
    let csv = csv::csv(&results);
    assert!(csv.contains("\"<script>alert(\"\"1\"\")</script> & | `x` '--> \""), "{csv}");
    well_formed(&against(&results, &super::fixture::results()).html());
}

#[test]
fn many_exits_have_room() {
    let mut results = results();
    let exits: Vec<String> = (0..40).map(|exit| format!("layer{exit}")).collect();
    for row in results.seeds.iter_mut().flat_map(|seed| &mut seed.rows) {
        row.exits[0].exits = exits.iter().map(|exit| (exit.clone(), 1.0 / 40.0)).collect();
        row.routes = exits.iter().map(|exit| (vec![exit.clone(), "full".into()], 1.0 / 40.0)).collect();
    }
    let figures = figures::all(&results).unwrap();
    let routes = figures.iter().find(|figure| figure.name == "routes-learned").unwrap();
    for height in routes.svg.split(" height=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(height.parse::<f64>().unwrap() > 0.0, "{height}");
    }
    assert!(routes.svg.contains("layer39"));
}

#[test]
fn what_is_missing_is_left_out() {
    let empty = Seed { seed: 0, samples: [0; 3], rows: Vec::new(), curves: Vec::new(), ..blank() };
    let mut results = results();
    results.comparisons.clear();
    results.findings.clear();
    let mut broken = results.clone();
    results.seeds = vec![empty];
    assert!(figures::all(&results).unwrap().is_empty());
    assert!(!results.to_string().contains("## "));
    well_formed(&page(&results));
    results.seeds.clear();
    well_formed(&page(&results));

    for seed in &mut broken.seeds {
        seed.lambdas[0].quality = f64::NAN;
        seed.difficulties[0].methods[0].1 = f64::INFINITY;
        seed.curves[1].points[0].share = f64::NAN;
        for row in &mut seed.rows {
            row.regret = f64::NAN;
            row.parts.encoders = f64::NAN;
            row.latencies.truncate(1);
        }
        seed.rows[0].latencies.clear();
        seed.rows[1].latencies[0].ratio = interval(f64::NAN, 0.0);
        seed.rows[3].routes[0].0.clear();
        seed.rows[4].routes.clear();
        seed.rows[5].exits.clear();
    }
    broken.seeds[0].rows[2].scores = Scores::Regression {
        mean_absolute_error: f64::NAN,
        correlation: None,
        binary_accuracy: 0.5,
        binary_accuracy_without_zeros: None,
    };
    let page = page(&broken);
    well_formed(&page);
    for text in [page, broken.to_string(), csv::csv(&broken), against(&broken, &broken).to_string()] {
        assert!(text.split(|c: char| !c.is_alphanumeric()).all(|word| !["NaN", "inf"].contains(&word)), "{text}");
    }
}

fn blank() -> Seed {
    Seed {
        seed: 0,
        samples: [0; 3],
        table: Default::default(),
        rows: Vec::new(),
        curves: Vec::new(),
        training: Vec::new(),
        lambdas: Vec::new(),
        difficulties: Vec::new(),
    }
}

fn page(results: &Results) -> String {
    html::report(results, &figures::all(results).unwrap())
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Checks that tags balance, that attributes are quoted, that no id is given twice, and that `&` begins an entity.
fn well_formed(text: &str) {
    let text = text.strip_prefix("<!DOCTYPE html>").unwrap_or(text);
    let mut open: Vec<&str> = Vec::new();
    let mut ids: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once('<') {
        assert!(!before.contains('>') || open.last() == Some(&"style"), "a stray `>` in {before}");
        for entity in before.split('&').skip(1) {
            let name = entity.split_once(';').unwrap_or_else(|| panic!("a stray `&` in {before}")).0;
            assert!(["amp", "lt", "gt", "quot", "apos"].contains(&name), "{name}");
        }
        let (tag, after) = tag.split_once('>').expect("a tag ends");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{before}");
            continue;
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if let Some(id) = tag.split(" id=\"").nth(1) {
            let id = id.split('"').next().unwrap();
            assert!(!ids.contains(&id), "{id}");
            ids.push(id);
        }
        if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap());
        }
    }
    assert!(open.is_empty(), "{open:?}");
}
