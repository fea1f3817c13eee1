//! Ctrl-C, and what asks a program to end.
//!
//! The first signal stops running commands, and the build ends in order; the second
//! ends everything. A terminal sends Ctrl-C to all that runs in front of it: in
//! `git straylight` also to git, which hands it on, sometimes before the terminal's own
//! has come. That is no second signal.

use std::os::unix::process::parent_id;
use std::sync::Arc;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level;
use straylight_exec::Cancellation;

use crate::error::{CommandError, Kind, Result};
use crate::progress::Progress;

/// Stops running commands on the first signal; on the second, everything.
pub(crate) fn stop_on_signals(cancellation: &Cancellation, progress: &Arc<Progress>) -> Result<()> {
    let unhandled =
        |error| CommandError::environment(format_args!("cannot handle signals: {error}"));
    let mut signals = SignalsInfo::<WithOrigin>::new([SIGINT, SIGTERM]).map_err(unhandled)?;
    let (cancellation, progress) = (cancellation.clone(), Arc::clone(progress));
    let parent = i32::try_from(parent_id()).unwrap_or_default();
    std::thread::spawn(move || {
        let mut seen = Seen::default();
        for origin in signals.forever() {
            let sender = origin.process.map(|process| process.pid);
            match seen.next(sender, parent) {
                Meaning::Stop => {
                    let (cancellation, progress) = (cancellation.clone(), Arc::clone(&progress));
                    // A terminal that takes no more must not delay the second signal.
                    std::thread::spawn(move || {
                        cancellation.cancel();
                        progress.clear();
                    });
                }
                Meaning::Same => {}
                Meaning::End => low_level::exit(Kind::Interrupted as i32),
            }
        }
    });
    Ok(())
}

/// The signals that came so far.
#[derive(Default)]
struct Seen {
    /// Whether the first was one that the parent handed on.
    first_from_parent: Option<bool>,
    /// Whether the same was heard from both sides.
    handed_on: bool,
}

/// What a signal means.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    Stop,
    /// What was heard already.
    Same,
    End,
}

impl Seen {
    /// Takes a signal of the process `sender`, or of the terminal.
    fn next(&mut self, sender: Option<i32>, parent: i32) -> Meaning {
        let from_parent = sender == Some(parent);
        let Some(first_from_parent) = self.first_from_parent else {
            self.first_from_parent = Some(from_parent);
            return Meaning::Stop;
        };
        if from_parent != first_from_parent && !self.handed_on {
            self.handed_on = true;
            return Meaning::Same;
        }
        Meaning::End
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_hands_on_is_no_second_signal() {
        const PARENT: i32 = 7;
        let (terminal, parent, other) = (None, Some(PARENT), Some(8));
        for (senders, last) in [
            (&[terminal][..], Meaning::Stop),
            (&[parent], Meaning::Stop),
            (&[terminal, parent], Meaning::Same),
            (&[other, parent], Meaning::Same),
            (&[other, other], Meaning::End),
            (&[terminal, terminal], Meaning::End),
            (&[parent, terminal], Meaning::Same),
            (&[parent, parent], Meaning::End),
            (&[parent, terminal, terminal], Meaning::End),
            (&[terminal, parent, terminal], Meaning::End),
            (&[terminal, parent, parent], Meaning::End),
        ] {
            let mut seen = Seen::default();
            let meanings = senders.iter().map(|sender| seen.next(*sender, PARENT));
            assert_eq!(meanings.last(), Some(last), "{senders:?}");
        }
    }
}
