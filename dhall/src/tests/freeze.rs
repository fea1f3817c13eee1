//! Freezing imports in place.

use std::sync::Arc;

use crate::{Evaluator, FreezeOptions, Frozen, Location, MemoryImporter, library, unpinned};

const URL: &str = "https://a.example/lib.dhall";

fn here() -> Location {
    Location::File("main.dhall".to_owned())
}

fn evaluator(content: &str) -> Evaluator {
    let importer = MemoryImporter::new()
        .with(Location::Remote(URL.to_owned()), content)
        .with(Location::File("near.dhall".to_owned()), content)
        .with(
            Location::File("headers.dhall".to_owned()),
            "toMap { A = \"1\" }",
        );
    Evaluator::new(Arc::new(importer))
}

fn freeze(content: &str, text: &str, options: FreezeOptions) -> Frozen {
    let frozen = evaluator(content).freeze(&here(), text, options);
    frozen.unwrap_or_else(|error| panic!("{}", error.render(false)))
}

fn hash(content: &str) -> String {
    let value = evaluator("")
        .evaluate(&here(), content)
        .expect("a value")
        .value;
    let hash = value.hash().expect("a hash");
    format!("sha256:{}", data_encoding::HEXLOWER.encode(&hash))
}

const DEFAULT: FreezeOptions = FreezeOptions {
    all: false,
    update: false,
};
const ALL: FreezeOptions = FreezeOptions {
    all: true,
    update: false,
};
const UPDATE: FreezeOptions = FreezeOptions {
    all: false,
    update: true,
};

#[test]
fn hashes_are_written_in_place_and_nothing_else_changes() {
    let text = format!(
        "-- é\n{{ a = {URL} -- a\n, b = ( {URL}\n   {{- c -}} as {{- as -}} Text)\n, c = ./near.dhall\n}}\n"
    );
    let frozen = freeze("1", &text, DEFAULT);
    let (one, as_text) = (hash("1"), hash("\"1\""));
    let expected = format!(
        "-- é\n{{ a = {URL}\n        {one} -- a\n, b = ( {URL}\n          {as_text}\n   \
         {{- c -}} as {{- as -}} Text)\n, c = ./near.dhall\n}}\n"
    );
    assert_eq!(frozen.text, expected);
    let places: Vec<_> = frozen
        .pins
        .iter()
        .map(|pin| (pin.line, pin.column))
        .collect();
    assert_eq!(places, [(2, 7), (3, 9)]);
    // Once is enough, and what is frozen evaluates.
    let again = freeze("1", &frozen.text, DEFAULT);
    assert_eq!(
        (again.text.as_str(), again.pins.len()),
        (frozen.text.as_str(), 0)
    );
    assert!(evaluator("1").evaluate(&here(), &frozen.text).is_ok());
    assert_eq!(
        unpinned(&here(), &frozen.text, DEFAULT).expect("parses"),
        []
    );
    let near = Location::File("near.dhall".to_owned());
    assert_eq!(
        unpinned(&here(), &frozen.text, ALL).expect("parses"),
        [(near, 7, 7)]
    );
}

#[test]
fn files_are_pinned_if_asked_and_headers_before_their_import() {
    let text = format!("{URL} using ./headers.dhall + ./near.dhall");
    let frozen = freeze("1", &text, ALL);
    let locations: Vec<_> = frozen
        .pins
        .iter()
        .map(|pin| pin.location.to_string())
        .collect();
    assert_eq!(locations, ["headers.dhall", URL, "near.dhall"]);
    assert_eq!(freeze("1", &frozen.text, ALL).text, frozen.text);
    assert!(evaluator("1").evaluate(&here(), &frozen.text).is_ok());
    // The hash of a text is not taken for that of its headers.
    let frozen = freeze("1", &text, DEFAULT);
    let expected = format!(
        "{URL} using (./headers.dhall)\n  {} + ./near.dhall",
        hash("1")
    );
    assert_eq!(frozen.text, expected);
}

#[test]
fn what_cannot_be_pinned_stays() {
    let kept = "[ missing as Location, ./x as Location, https://b.example/ as Location ]";
    assert_eq!(freeze("1", kept, ALL).text, kept);
    let choice = format!("https://b.example/absent ? {URL} ? missing");
    let frozen = freeze("1", &choice, ALL);
    assert_eq!(frozen.pins.len(), 1);
    assert!(
        frozen
            .text
            .starts_with(&format!("https://b.example/absent ? {URL}\n"))
    );
    let error = evaluator("1").freeze(&here(), "https://b.example/absent", DEFAULT);
    assert!(
        error
            .expect_err("absent")
            .message()
            .contains("is not there")
    );
}

#[test]
fn a_wrong_hash_is_told_and_replaced_only_if_asked() {
    let text = format!("{URL} {}", hash("1"));
    let error = evaluator("2")
        .freeze(&here(), &text, DEFAULT)
        .expect_err("changed");
    let details: Vec<_> = error.details().collect();
    assert!(
        details.contains(&format!("expected {}", hash("1")).as_str()),
        "{details:?}"
    );
    assert!(
        details.contains(&format!("found    {}", hash("2")).as_str()),
        "{details:?}"
    );
    let frozen = freeze("2", &text, UPDATE);
    assert_eq!(frozen.text, format!("{URL} {}", hash("2")));
    assert!(frozen.pins[0].previous.is_some());
}

#[test]
fn the_library_is_pinned_to_its_newest_release() {
    let released = library::files().last().expect("a release");
    let evaluator = Evaluator::new(Arc::new(crate::EmbeddedLibrary));
    let frozen = evaluator
        .freeze(&here(), released.url, DEFAULT)
        .expect("no host is needed");
    let latest = library::latest(released.url).expect("a release").sha256;
    assert!(
        frozen.text.ends_with(&format!("sha256:{latest}")),
        "{}",
        frozen.text
    );
}
