/// The candidate that was probably meant: at most two letters away, and less than half of the name.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    // Nobody misspells a name this long, and the comparison would take its time.
    if length > 64 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= 2 && 2 * distance < length.max(2))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// A help text with the nearest candidate, or with all of them: "`what` are `a`, `b`".
pub(crate) fn suggest(name: &str, candidates: &[&str], what: &str) -> String {
    match (nearest(name, candidates.iter().copied()), candidates) {
        (Some(nearest), _) => format!("did you mean `{nearest}`?"),
        (None, []) => format!("there are no {what}"),
        (None, _) => format!("{what}: {}", list(candidates)),
    }
}

fn list(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// How many letters have to be put in, left out, exchanged or swapped with the next to make one word the other
/// (optimal string alignment).
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<_>, Vec<_>) = (left.chars().collect(), right.chars().collect());
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    rows[0] = (0..=right.len()).collect();
    for i in 1..=left.len() {
        rows[i][0] = i;
        for j in 1..=right.len() {
            let exchanged = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut least = exchanged.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kernal", "kernel"), 1);
        assert_eq!(distance("rleu", "relu"), 1);
        assert_eq!(distance("stage1", "stage2"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn nearest_is_near() {
        assert_eq!(nearest("rleu", ["gelu", "relu"]), Some("relu"));
        assert_eq!(nearest("chanels", ["kernel", "channels"]), Some("channels"));
        assert_eq!(nearest("colour", ["kernel", "channels"]), None);
        assert_eq!(nearest("a", ["b"]), None, "a single letter is near to every other");
    }
}
