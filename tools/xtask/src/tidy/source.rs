//! Source: the files of the house, and their code without comments and strings.

use std::path::Path;

/// A file of the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// From the root, with `/`.
    pub path: String,
    /// What it says.
    pub text: String,
}

impl Source {
    /// A file that need not exist: for tests of checks.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether it is Rust.
    pub fn is_rust(&self) -> bool {
        has_extension(&self.path, "rs")
    }

    /// Whether it is made by a program.
    pub fn is_generated(&self) -> bool {
        self.path.contains("/generated/")
    }

    /// Whether all of it is test code.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/benches/")
    }

    /// The code: comments and the insides of strings blanked, lines kept.
    pub fn code(&self) -> String {
        code_of(&self.text)
    }

    /// The code without the test module at its foot.
    pub fn product_code(&self) -> String {
        let code = self.code();
        match code.find("#[cfg(test)]\nmod ") {
            Some(foot) => code[..foot].to_owned(),
            None => code,
        }
    }
}

/// Every Rust file and page below `root`, sorted by path.
///
/// # Errors
/// In words, when a folder or file cannot be read.
pub fn load(root: &Path) -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    collect(root, root, &mut sources)?;
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) -> Result<(), String> {
    let unreadable = |error| format!("{}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" || name == "node_modules" {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, sources)?;
        } else if has_extension(&name, "rs") || has_extension(&name, "md") {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let relative = path.strip_prefix(root).unwrap_or(&path);
            sources.push(Source { path: relative.to_string_lossy().replace('\\', "/"), text });
        }
    }
    Ok(())
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}

/// Blanks comments, and the insides of string and character literals; line ends stay.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = blank_length(rest, code.chars().next_back());
        let (piece, after) = rest.split_at(length.unwrap_or(first.len_utf8()));
        if length.is_some() {
            code.extend(piece.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
        } else {
            code.push_str(piece);
        }
        rest = after;
    }
    code
}

/// The length of the comment or literal at the front of `rest`, in bytes.
fn blank_length(rest: &str, before: Option<char>) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment_length(rest));
    }
    let in_word = before.is_some_and(|character| character.is_alphanumeric() || character == '_');
    if rest.starts_with('"') {
        return Some(quoted_length(rest, '"'));
    }
    if rest.starts_with('\'') {
        return char_literal_length(rest);
    }
    if rest.starts_with('r') && !in_word { raw_string_length(rest) } else { None }
}

fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0;
    let bytes = rest.as_bytes();
    let mut position = 0;
    while position + 1 < bytes.len() {
        match &bytes[position..position + 2] {
            b"/*" => (depth, position) = (depth + 1, position + 2),
            b"*/" => (depth, position) = (depth - 1, position + 2),
            _ => position += 1,
        }
        if depth == 0 {
            return position;
        }
    }
    rest.len()
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (position, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return position + character.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// `'a'` is a literal, `'a` a lifetime.
fn char_literal_length(rest: &str) -> Option<usize> {
    let mut characters = rest.char_indices().skip(1);
    let (_, first) = characters.next()?;
    let (_, second) = characters.next()?;
    (first == '\\' || second == '\'').then(|| quoted_length(rest, '\''))
}

fn raw_string_length(rest: &str) -> Option<usize> {
    let hashes = rest[1..].bytes().take_while(|byte| *byte == b'#').count();
    let body = rest.get(1 + hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |position| position + end.len());
    Some(2 + hashes + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, code: &str) {
        let blanked = code_of(text);
        assert_eq!(blanked.split_whitespace().collect::<Vec<_>>().join(" "), code, "{text}");
        assert_eq!(blanked.lines().count(), text.lines().count());
    }

    #[test]
    fn comments_and_strings_are_blanked() {
        check("let a = 1; // unsafe", "let a = 1;");
        check("a /* unsafe /* deep */ unsafe */ b", "a b");
        check("say(\"unsafe \\\" unsafe\", b)", "say( , b)");
        check("say(r#\"unsafe \" \"#, b)", "say( , b)");
        check("('\"', b, '\\'', 'c')", "( , b, , )");
        check("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
        check("for r in words {}\n//! unsafe\nfin", "for r in words {} fin");
    }

    #[test]
    fn a_test_module_is_no_product_code() {
        let source = Source::new("a.rs", "fn a() {}\n#[cfg(test)]\nmod tests { fn b() {} }\n");
        assert_eq!(source.product_code(), "fn a() {}\n");
    }
}
