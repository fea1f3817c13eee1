//! Names that were perhaps meant.

/// Returns `did you mean …?` for the closest of the known names.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let (_, best) = known
        .filter(|candidate| *candidate != name)
        .filter_map(|candidate| Some((distance(name, candidate)?, candidate)))
        .min()?;
    Some(format!("did you mean `{best}`?"))
}

/// Returns how many edits turn one name into the other, if they are few.
fn distance(a: &str, b: &str) -> Option<usize> {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    let most = (a.len().max(b.len()) / 3).min(4);
    if a.len().abs_diff(b.len()) > most || a.len() > 100 {
        return None;
    }
    let same = |x: &char, y: &char| x.eq_ignore_ascii_case(y);
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut cost = (row[j] + usize::from(!same(x, y)))
                .min(row[j + 1] + 1)
                .min(next[j] + 1);
            let swapped = i > 0 && j > 0 && same(x, &b[j - 1]) && same(&a[i - 1], y);
            if swapped {
                cost = cost.min(before[j - 1] + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_are_suggested() {
        let known = ["name", "toolchain", "srcs", "hdrs"];
        let hint = |name| did_you_mean(name, known.into_iter());
        assert_eq!(hint("nmae").as_deref(), Some("did you mean `name`?"));
        assert_eq!(
            hint("toolchian").as_deref(),
            Some("did you mean `toolchain`?")
        );
        assert_eq!(hint("Srcs").as_deref(), Some("did you mean `srcs`?"));
        assert_eq!(hint("unrelated"), None);
    }
}
