//! Links: every relative link of a page leads to a file that is there.

use super::Finding;
use super::source::Source;
use std::path::Path;

/// The relative links that lead nowhere.
pub fn check(root: &Path, sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for page in sources.iter().filter(|source| !source.is_rust()) {
        let folder = root.join(&page.path).parent().map(Path::to_owned).unwrap_or_default();
        for (line, target) in relative_links(&page.text) {
            if !folder.join(target).exists() {
                let what = format!("the link {target} leads nowhere");
                findings.push(Finding::at(&page.path, line, what));
            }
        }
    }
    findings
}

/// `(line, path)` of each link that is neither an address nor an anchor of the same page.
fn relative_links(text: &str) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for piece in line.split("](").skip(1) {
            let target = piece.split([')', ' ', '#']).next().unwrap_or_default();
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            if !target.is_empty() && !elsewhere {
                links.push((index + 1, target));
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relative_links_outside_code_count() {
        let text = "[a](b.md#c) [d](#e) [f](https://g.h/i) ![j](k/l.svg \"m\")\n```\n[n](o)\n```\n";
        assert_eq!(relative_links(text), [(1, "b.md"), (1, "k/l.svg")]);
    }

    #[test]
    fn a_link_to_nothing_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("there.md"), "").expect("writable");
        let page = Source::new("page.md", "[a](there.md)\n[b](gone.md)\n");
        let findings = check(folder.path(), &[page]);
        let expected = [Finding::at("page.md", 2, "the link gone.md leads nowhere".to_owned())];
        assert_eq!(findings, expected);
    }
}
