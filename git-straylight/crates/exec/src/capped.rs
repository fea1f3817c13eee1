//! What is kept of an output stream that may be of any length.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How much is kept of the beginning, and how much of the end.
const PART: usize = 512 << 10;

/// The first and the last part of a stream.
#[derive(Debug, Default)]
pub(crate) struct Capped {
    first: Vec<u8>,
    last: VecDeque<u8>,
    cut: u64,
}

impl Capped {
    /// Adds what the stream said next.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let room = PART - self.first.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.first.extend_from_slice(first);
        self.last.extend(rest);
        let excess = self.last.len().saturating_sub(PART);
        self.last.drain(..excess);
        self.cut += excess as u64;
    }

    /// Returns what is kept, with a line that says what was cut.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut bytes = self.first;
        if self.cut > 0 {
            let line = format!("\nstraylight: {} bytes were cut here\n", self.cut);
            bytes.extend_from_slice(line.as_bytes());
        }
        bytes.extend(self.last);
        bytes
    }
}

/// The reading end of a pipe that a command writes to, and what it said.
#[derive(Debug)]
pub(crate) struct Stream {
    pipe: Option<OwnedFd>,
    kept: Capped,
}

impl Stream {
    pub(crate) fn new(pipe: OwnedFd) -> Self {
        Self {
            pipe: Some(pipe),
            kept: Capped::default(),
        }
    }

    /// Returns the pipe, until everyone who could write to it is gone.
    pub(crate) fn pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// Reads once; returns whether there was something to read.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> bool {
        let Some(pipe) = &self.pipe else {
            return false;
        };
        match rustix::io::read(pipe, &mut *buffer) {
            Ok(0) => self.pipe = None,
            Ok(length) => {
                self.kept.push(&buffer[..length]);
                return true;
            }
            Err(rustix::io::Errno::INTR) => return true,
            Err(rustix::io::Errno::AGAIN) => {}
            Err(_) => self.pipe = None,
        }
        false
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.kept.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn keeps_both_ends(lengths in prop::collection::vec(0..300_000_usize, 0..12)) {
            let mut capped = Capped::default();
            let mut whole = Vec::new();
            for (index, length) in lengths.into_iter().enumerate() {
                let piece: Vec<u8> = (0..length).map(|at| (at * 31 + index) as u8).collect();
                capped.push(&piece);
                whole.extend(piece);
            }
            let kept = capped.finish();
            if whole.len() <= 2 * PART {
                prop_assert!(kept == whole);
            } else {
                let line = format!("\nstraylight: {} bytes were cut here\n", whole.len() - 2 * PART);
                prop_assert!(kept[..PART] == whole[..PART]);
                prop_assert!(kept[kept.len() - PART..] == whole[whole.len() - PART..]);
                prop_assert!(kept[PART..kept.len() - PART] == *line.as_bytes());
            }
        }
    }
}
