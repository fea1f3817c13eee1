//! Paths of the repository: relative, `/` between parts, in one spelling.

/// Returns why `path` is not the one normal spelling of a path below a root.
pub(crate) fn check(path: &str) -> Result<(), &'static str> {
    if path.starts_with('/') {
        return Err("the path is absolute; paths are relative to the package");
    }
    if path.contains(['\0', '\n']) {
        return Err("the path holds a newline or a NUL");
    }
    for part in path.split('/') {
        match part {
            "" => return Err("the path has an empty part"),
            "." => return Err("the path has a part `.`"),
            ".." => return Err("the path leaves its folder through `..`"),
            "..." => return Err("`...` stands only at the end of `//folder/...`"),
            _ => {}
        }
    }
    Ok(())
}

/// Returns `file` below `folder`; the empty folder is the root.
pub(crate) fn join(folder: &str, file: &str) -> String {
    match (folder, file) {
        ("", file) => file.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, file) => format!("{folder}/{file}"),
    }
}
