//! A look at source texts that finds what `init` asks for, and parses nothing.

/// Returns `text` without what stands in `//` and `/* */` comments and, unless
/// `keeps_strings`, between quotation marks: blanks are there instead.
pub(super) fn code(text: &str, keeps_strings: bool) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(comment) = rest.strip_prefix("/*") {
            comment.find("*/").map_or(rest.len(), |end| end + 4)
        } else if first == '"' {
            let end = string_end(rest);
            if keeps_strings {
                code.push_str(&rest[..end]);
                rest = &rest[end..];
                continue;
            }
            end
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.push(' ');
        code.extend(rest[..end].chars().filter(|c| *c == '\n'));
        rest = &rest[end..];
    }
    code
}

/// Returns where the string that `text` begins with ends.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Returns what stands behind each occurrence of a word.
pub(super) fn behind<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).filter_map(move |(at, word)| {
        let rest = &code[at + word.len()..];
        let whole = !code[..at].ends_with(is_part) && !rest.starts_with(is_part);
        whole.then_some(rest)
    })
}

/// Returns whether C code defines `main`.
pub(super) fn defines_main(text: &str) -> bool {
    let code = active(&code(text, false));
    let defines = |rest: &str| {
        let Some(rest) = rest.trim_start().strip_prefix('(') else {
            return false;
        };
        let mut depth = 1_usize;
        let end = rest.find(|c| {
            depth = match c {
                '(' => depth + 1,
                ')' => depth - 1,
                _ => depth,
            };
            depth == 0
        });
        end.is_some_and(|end| rest[end + 1..].trim_start().starts_with('{'))
    };
    behind(&code, "main").any(defines)
}

/// Macros that are defined wherever this builds.
const DEFINED: [&str; 5] = [
    "__linux__",
    "__unix__",
    "__GNUC__",
    "__STDC__",
    "__gnu_linux__",
];

/// Returns C code without the lines that a compiler leaves out which was given
/// no macros. Conditions of another kind are taken to hold.
fn active(code: &str) -> String {
    /// A conditional: whether its lines count, and whether a branch has counted.
    struct If {
        counts: bool,
        had: bool,
    }
    let mut stack: Vec<If> = Vec::new();
    let mut active = String::with_capacity(code.len());
    for line in code.lines() {
        let directive = line.trim_start().strip_prefix('#').map(str::trim_start);
        let (word, rest) = directive
            .map(|line| line.split_once(char::is_whitespace).unwrap_or((line, "")))
            .unwrap_or_default();
        let counts = stack.iter().all(|open| open.counts);
        match (word, stack.last_mut()) {
            ("if" | "ifdef" | "ifndef", _) => {
                let counts = holds(word, rest);
                stack.push(If {
                    counts,
                    had: counts,
                });
            }
            ("elif", Some(last)) => {
                last.counts = !last.had && holds("if", rest);
                last.had |= last.counts;
            }
            ("else", Some(last)) => last.counts = !last.had,
            ("endif", _) => {
                stack.pop();
            }
            _ if counts => {
                active.push_str(line);
                active.push('\n');
            }
            _ => {}
        }
    }
    active
}

fn holds(word: &str, condition: &str) -> bool {
    let condition = condition.trim();
    let mut names = condition.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    let is_known = names.any(|name| DEFINED.contains(&name));
    match word {
        "ifdef" => is_known,
        "ifndef" => !is_known,
        _ if condition == "0" => false,
        _ if condition.contains("defined") => is_known != condition.starts_with('!'),
        _ => true,
    }
}

/// Returns what C code includes, and whether it is in quotation marks.
pub(super) fn includes(text: &str) -> Vec<(String, bool)> {
    let code = code(text, true);
    let mut includes = Vec::new();
    for line in code.lines() {
        let Some(line) = line.trim_start().strip_prefix('#') else {
            continue;
        };
        let Some(name) = line.trim_start().strip_prefix("include") else {
            continue;
        };
        let name = name.trim_start();
        let quoted = name.strip_prefix('"').and_then(|name| name.split_once('"'));
        let system = name.strip_prefix('<').and_then(|name| name.split_once('>'));
        includes.extend(quoted.map(|(name, _)| (name.to_owned(), true)));
        includes.extend(system.map(|(name, _)| (name.to_owned(), false)));
    }
    includes
}

/// Returns `path` seen from `folder`, without dots; `None` if it leaves the
/// package.
pub(super) fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Returns the folder of a file; empty for the package's own.
pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn main_is_defined_where_it_has_a_body() {
        assert!(defines_main("int main(void)\n{\n}"));
        assert!(defines_main("int main (int c, char *(*v)[]) /* x */ {"));
        assert!(!defines_main("int main(void);"));
        assert!(!defines_main("// int main() {\n/* int main() { */"));
        assert!(!defines_main(
            "void domain() {} const char *s = \"main() {\";"
        ));
        assert!(!defines_main("int main(("));
        let main = "int main(void) {}\n";
        for (before, counts) in [
            ("#ifdef TEST", false),
            ("#if defined(TEST) && 1", false),
            ("#if 0", false),
            ("#ifdef TEST\n#else", true),
            ("#ifndef TEST", true),
            ("# if !defined(TEST)", true),
            ("#ifdef _WIN32\n#elif defined(__linux__)", true),
            ("#ifdef __linux__\n#else", false),
            ("#ifdef TEST\n#if 1\n#endif", false),
            ("#if VERSION > 3", true),
        ] {
            let text = format!("{before}\n{main}#endif\n");
            assert_eq!(defines_main(&text), counts, "{text}");
        }
    }

    #[test]
    fn includes_are_found_outside_of_comments() {
        let text = "#include \"a/b.h\" // x\n# include <math.h>\n// #include \"c.h\"\n";
        let found = [("a/b.h".to_owned(), true), ("math.h".to_owned(), false)];
        assert_eq!(includes(text), found);
        assert_eq!(
            join("src", "../include/a.h").as_deref(),
            Some("include/a.h")
        );
        assert_eq!(join("", "../a.h"), None);
    }
}
