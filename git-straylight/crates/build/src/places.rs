//! Where texts are written in a build file, to point a message at one.

use std::fmt;
use std::sync::{Arc, OnceLock};

use straylight_dhall::text_literals;

use crate::error::Place;
use crate::files::Files;
use crate::label::PackagePath;

/// The texts of one build file. It is read when somebody asks.
pub(crate) struct Places {
    file: String,
    files: Arc<Files>,
    literals: OnceLock<Vec<(Place, String)>>,
}

impl Places {
    pub(crate) fn new(package: &PackagePath, files: Arc<Files>) -> Arc<Self> {
        Arc::new(Self {
            file: package.build_file(),
            files,
            literals: OnceLock::new(),
        })
    }

    /// Returns the place of the file.
    pub(crate) fn file(&self) -> Place {
        Place::of_file(&self.file)
    }

    /// Returns where `text` is written in the file, or else the file itself:
    /// a rule may have made the text up from parts.
    pub(crate) fn of(&self, text: &str) -> Place {
        self.all(text).next().unwrap_or_else(|| self.file())
    }

    /// Returns where `text` is written for the last time.
    pub(crate) fn last_of(&self, text: &str) -> Place {
        self.all(text).next_back().unwrap_or_else(|| self.file())
    }

    /// Returns where `text` is written, in order.
    fn all(&self, text: &str) -> impl DoubleEndedIterator<Item = Place> {
        let literals = self.literals.get_or_init(|| self.read()).iter();
        let same = literals.filter(move |(_, literal)| literal == text);
        same.map(|(place, _)| place.clone())
    }

    /// What cannot be read has no places; whoever needs the file says why.
    fn read(&self) -> Vec<(Place, String)> {
        let read = self.files.read(&self.file).ok();
        let bytes = read.and_then(|read| read.bytes.clone());
        let text = bytes
            .as_deref()
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        let literals = text.map(text_literals).unwrap_or_default().into_iter();
        literals
            .map(|(span, text)| (Place::new(&self.file, span.line, span.column), text))
            .collect()
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Places").field(&self.file).finish()
    }
}
