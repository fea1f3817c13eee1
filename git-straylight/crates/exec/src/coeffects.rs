//! What an action needs beyond its declared inputs, and how such needs combine.
//!
//! A [`Grade`] says at most how much of the world an action is exposed to, on
//! several axes. Grades are a bounded distributive lattice: the product of its
//! axes. Bigger is worse; the least one is a pure action. What two actions need
//! together is the join of their grades, and so is what an artifact depends on:
//! caching never makes it less.
//!
//! # Needs as text
//! `network:live:HOST` · `network:replayed:HOST` · `filesystem:read:PATH` ·
//! `filesystem:write:PATH` · `auth:NAME@HOST` · `device:PATH` · `clock` ·
//! `randomness` · `sandbox:namespaces` · `sandbox:none`. An action declares a
//! need in this spelling, as a platform property, and a trace records it so.
//! `differs` is no need, but something that may be found out.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A chain: how much, from the least to the most.
pub trait Level: Copy + Ord {
    /// Nothing.
    const BOTTOM: Self;
    /// Everything.
    const TOP: Self;

    /// Returns the least level that makes up for what `old` lacks of this one.
    #[must_use]
    fn minus(self, old: Self) -> Self {
        if self <= old { Self::BOTTOM } else { self }
    }
}

macro_rules! levels {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $level:ident),+ } $bottom:ident $top:ident) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$what])* $level),+
        }

        impl Level for $name {
            const BOTTOM: Self = Self::$bottom;
            const TOP: Self = Self::$top;
        }
    };
}

levels! {
    /// How far a host is reached.
    Network {
        /// Not at all.
        Absent,
        /// Answers from records are enough.
        Replayed,
        /// The host itself.
        Live
    } Absent Live
}
levels! {
    /// How a path outside of the inputs is used.
    Access {
        /// Not at all.
        None,
        /// It is read.
        Read,
        /// It is read and written.
        Write
    } None Write
}
levels! {
    /// Whether something is used.
    Used {
        /// It is not.
        No,
        /// It is.
        Yes
    } No Yes
}
levels! {
    /// What separates an action from the machine.
    Exposure {
        /// A machine of its own.
        MicroVm,
        /// Linux namespaces.
        Namespaces,
        /// Nothing.
        None
    } MicroVm None
}
levels! {
    /// Whether another run made the same.
    Repeatability {
        /// It did.
        Reproduced,
        /// Nobody has tried.
        Unknown,
        /// It made something else.
        Differs
    } Reproduced Differs
}

/// A level for each name; all but a few have the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Axis<L> {
    others: L,
    /// None of them is `others`.
    own: BTreeMap<String, L>,
}

impl<L: Level> Axis<L> {
    /// The same level for every name.
    #[must_use]
    pub const fn all(level: L) -> Self {
        Self {
            others: level,
            own: BTreeMap::new(),
        }
    }

    /// Returns the level of a name.
    #[must_use]
    pub fn at(&self, name: &str) -> L {
        self.own.get(name).copied().unwrap_or(self.others)
    }

    /// Sets the level of a name.
    pub fn set(&mut self, name: &str, level: L) {
        if level == self.others {
            self.own.remove(name);
        } else {
            self.own.insert(name.to_owned(), level);
        }
    }

    fn zip(&self, other: &Self, combine: impl Fn(L, L) -> L) -> Self {
        let mut combined = Self::all(combine(self.others, other.others));
        for name in self.own.keys().chain(other.own.keys()) {
            combined.set(name, combine(self.at(name), other.at(name)));
        }
        combined
    }

    fn is_at_most(&self, other: &Self) -> bool {
        let mut names = self.own.keys().chain(other.own.keys());
        self.others <= other.others && names.all(|name| self.at(name) <= other.at(name))
    }
}

/// A level for each absolute path. Nothing below a path has less than it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Paths<L> {
    /// Each has more than the paths above it.
    own: BTreeMap<String, L>,
}

impl<L: Level> Paths<L> {
    /// The same level for every path.
    #[must_use]
    pub fn all(level: L) -> Self {
        [("/".to_owned(), level)].into_iter().collect()
    }

    /// Returns the level of a path.
    #[must_use]
    pub fn at(&self, path: &str) -> L {
        let above = self.own.iter().filter(|(above, _)| covers(above, path));
        above.map(|(_, level)| *level).max().unwrap_or(L::BOTTOM)
    }

    fn join(&self, other: &Self) -> Self {
        let all = self.own.iter().chain(&other.own);
        all.map(|(path, level)| (path.clone(), *level)).collect()
    }

    fn meet(&self, other: &Self) -> Self {
        let all = self.own.keys().chain(other.own.keys());
        all.map(|path| (path.clone(), self.at(path).min(other.at(path))))
            .collect()
    }

    fn minus(&self, old: &Self) -> Self {
        let own = self.own.iter();
        own.map(|(path, level)| (path.clone(), level.minus(old.at(path))))
            .collect()
    }

    fn is_at_most(&self, other: &Self) -> bool {
        self.own
            .iter()
            .all(|(path, level)| *level <= other.at(path))
    }
}

impl<L: Level> FromIterator<(String, L)> for Paths<L> {
    fn from_iter<I: IntoIterator<Item = (String, L)>>(levels: I) -> Self {
        let mut most: BTreeMap<String, L> = BTreeMap::new();
        for (path, level) in levels {
            let known = most.entry(path).or_insert(level);
            *known = level.max(*known);
        }
        let mut paths = Self {
            own: BTreeMap::new(),
        };
        // In this order a path comes after those above it.
        for (path, level) in most {
            if level > paths.at(&path) {
                paths.own.insert(path, level);
            }
        }
        paths
    }
}

/// Returns whether `path` is `above`, or lies below it.
fn covers(above: &str, path: &str) -> bool {
    let rest = path.strip_prefix(above.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// At most how much of the world something is exposed to.
///
/// Equal grades are equal values: there is one form of each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Grade {
    /// Which hosts are reached.
    pub network: Axis<Network>,
    /// Which paths outside of the inputs are used.
    pub filesystem: Paths<Access>,
    /// Which credentials are used, as `NAME@HOST`.
    pub auth: Axis<Used>,
    /// Which device nodes are used.
    pub devices: Axis<Used>,
    /// Whether the real time is seen.
    pub clock: Used,
    /// Whether real random numbers are seen.
    pub randomness: Used,
    /// What separates it from the machine.
    pub exposure: Exposure,
    /// Whether another run makes the same.
    pub repeatability: Repeatability,
}

impl Grade {
    /// Returns the least grade: nothing but the inputs counts.
    #[must_use]
    pub fn pure() -> Self {
        Self {
            network: Axis::all(Network::BOTTOM),
            filesystem: Paths::all(Access::BOTTOM),
            auth: Axis::all(Used::BOTTOM),
            devices: Axis::all(Used::BOTTOM),
            clock: Used::BOTTOM,
            randomness: Used::BOTTOM,
            exposure: Exposure::BOTTOM,
            repeatability: Repeatability::BOTTOM,
        }
    }

    /// Returns the greatest grade, of which nothing is known.
    #[must_use]
    pub fn unknown() -> Self {
        Self {
            network: Axis::all(Network::TOP),
            filesystem: Paths::all(Access::TOP),
            auth: Axis::all(Used::TOP),
            devices: Axis::all(Used::TOP),
            clock: Used::TOP,
            randomness: Used::TOP,
            exposure: Exposure::TOP,
            repeatability: Repeatability::TOP,
        }
    }

    /// Returns the least grade that is at least both (⊔).
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        Self {
            network: self.network.zip(&other.network, Ord::max),
            filesystem: self.filesystem.join(&other.filesystem),
            auth: self.auth.zip(&other.auth, Ord::max),
            devices: self.devices.zip(&other.devices, Ord::max),
            clock: self.clock.max(other.clock),
            randomness: self.randomness.max(other.randomness),
            exposure: self.exposure.max(other.exposure),
            repeatability: self.repeatability.max(other.repeatability),
        }
    }

    /// Returns the greatest grade that is at most both (⊓).
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        Self {
            network: self.network.zip(&other.network, Ord::min),
            filesystem: self.filesystem.meet(&other.filesystem),
            auth: self.auth.zip(&other.auth, Ord::min),
            devices: self.devices.zip(&other.devices, Ord::min),
            clock: self.clock.min(other.clock),
            randomness: self.randomness.min(other.randomness),
            exposure: self.exposure.min(other.exposure),
            repeatability: self.repeatability.min(other.repeatability),
        }
    }

    /// Returns the least grade that makes up for what `old` lacks of this one (⊖):
    /// it is at most `d` just when this one is at most `old.join(d)`.
    #[must_use]
    pub fn minus(&self, old: &Self) -> Self {
        Self {
            network: self.network.zip(&old.network, Level::minus),
            filesystem: self.filesystem.minus(&old.filesystem),
            auth: self.auth.zip(&old.auth, Level::minus),
            devices: self.devices.zip(&old.devices, Level::minus),
            clock: self.clock.minus(old.clock),
            randomness: self.randomness.minus(old.randomness),
            exposure: self.exposure.minus(old.exposure),
            repeatability: self.repeatability.minus(old.repeatability),
        }
    }

    /// Returns whether this one is at most `other` (⊑).
    #[must_use]
    pub fn is_at_most(&self, other: &Self) -> bool {
        self.network.is_at_most(&other.network)
            && self.filesystem.is_at_most(&other.filesystem)
            && self.auth.is_at_most(&other.auth)
            && self.devices.is_at_most(&other.devices)
            && self.clock <= other.clock
            && self.randomness <= other.randomness
            && self.exposure <= other.exposure
            && self.repeatability <= other.repeatability
    }

    /// Returns the join of needs, in their spelling as text: of an action that
    /// declares them, or was seen to use them.
    ///
    /// # Errors
    /// [`NotANeed`].
    pub fn of_needs<'a>(needs: impl IntoIterator<Item = &'a str>) -> Result<Self, NotANeed> {
        let mut needs = needs.into_iter().map(str::parse::<Self>);
        needs.try_fold(Self::pure(), |all, need| Ok(all.join(&need?)))
    }

    /// Returns the needs whose join it is, sorted, each once; `*` is every host,
    /// credential or device that is not named.
    #[must_use]
    pub fn needs(&self) -> Vec<String> {
        let mut needs = Vec::new();
        let network = |level: Network| match level {
            Network::Absent => "network:absent",
            Network::Replayed => "network:replayed",
            Network::Live => "network:live",
        };
        named(&self.network, network, &mut needs);
        for (path, access) in &self.filesystem.own {
            let access = match access {
                Access::None => continue,
                Access::Read => "read",
                Access::Write => "write",
            };
            needs.push(format!("filesystem:{access}:{path}"));
        }
        let used = |yes, no| move |level: Used| if level == Used::Yes { yes } else { no };
        named(&self.auth, used("auth", "no-auth"), &mut needs);
        named(&self.devices, used("device", "no-device"), &mut needs);
        let mut say = |if_so: bool, need: &str| needs.extend(if_so.then(|| need.to_owned()));
        say(self.clock == Used::Yes, "clock");
        say(self.randomness == Used::Yes, "randomness");
        say(self.exposure == Exposure::Namespaces, "sandbox:namespaces");
        say(self.exposure == Exposure::None, "sandbox:none");
        say(self.repeatability == Repeatability::Unknown, "unrepeated");
        say(self.repeatability == Repeatability::Differs, "differs");
        needs.sort();
        needs
    }
}

/// Names the levels of an axis that are not the least.
fn named<L: Level>(axis: &Axis<L>, prefix: impl Fn(L) -> &'static str, needs: &mut Vec<String>) {
    let others = (axis.others != L::BOTTOM).then_some(("*", axis.others));
    let own = axis.own.iter().map(|(name, level)| (name.as_str(), *level));
    needs.extend(
        own.chain(others)
            .map(|(name, level)| format!("{}:{name}", prefix(level))),
    );
}

/// A text that is not the spelling of a need.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no need: {1}")]
pub struct NotANeed(String, &'static str);

impl FromStr for Grade {
    type Err = NotANeed;

    /// Reads one need.
    fn from_str(text: &str) -> Result<Self, NotANeed> {
        let wrong = |reason| Err(NotANeed(text.to_owned(), reason));
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let (level, name) = rest.split_once(':').unwrap_or((rest, ""));
        let mut grade = Self::pure();
        match (kind, level, name) {
            ("clock", "", "") => grade.clock = Used::Yes,
            ("randomness", "", "") => grade.randomness = Used::Yes,
            ("differs", "", "") => grade.repeatability = Repeatability::Differs,
            ("sandbox", "namespaces", "") => grade.exposure = Exposure::Namespaces,
            ("sandbox", "none", "") => grade.exposure = Exposure::None,
            ("sandbox", "microvm", "") => {}
            ("sandbox", ..) => return wrong("a sandbox is `microvm`, `namespaces` or `none`"),
            ("network", "live" | "replayed", host) if is_host(host) => {
                let live = level == "live";
                let level = if live {
                    Network::Live
                } else {
                    Network::Replayed
                };
                grade.network.set(host, level);
            }
            ("network", ..) => {
                return wrong("it is `network:live:HOST` or `network:replayed:HOST`");
            }
            ("filesystem", "read" | "write", path) if is_path(path) => {
                let write = level == "write";
                let level = if write { Access::Write } else { Access::Read };
                grade.filesystem = [(path.to_owned(), level)].into_iter().collect();
            }
            ("filesystem", ..) => {
                return wrong("its path is not absolute, or not in its shortest form");
            }
            ("auth", ..) => match rest.split_once('@') {
                Some((name, host)) if !name.is_empty() && is_host(host) => {
                    grade.auth.set(rest, Used::Yes);
                }
                _ => return wrong("it is `auth:NAME@HOST`"),
            },
            ("device", ..) if is_path(rest) => grade.devices.set(rest, Used::Yes),
            ("device", ..) => {
                return wrong("its path is not absolute, or not in its shortest form");
            }
            _ => return wrong("there is no such kind"),
        }
        Ok(grade)
    }
}

fn is_host(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    !text.is_empty() && text.chars().all(allowed)
}

/// Absolute, without `.`, `..`, or a `/` too many.
fn is_path(text: &str) -> bool {
    let mut names = text
        .strip_prefix('/')
        .into_iter()
        .flat_map(|rest| rest.split('/'));
    text == "/" || (text.starts_with('/') && names.all(|name| !matches!(name, "" | "." | "..")))
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needs = self.needs();
        if needs.is_empty() {
            return f.write_str("pure");
        }
        f.write_str(&needs.join(", "))
    }
}

/// What is known of a run, on each axis of a grade; what nobody looked at is
/// [`Grade::unknown`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// It could not have used more.
    pub enforced: Grade,
    /// It was seen to use this, by someone who sees everything.
    pub observed: Grade,
}

impl Evidence {
    /// Returns what the run may have used that was not declared; a pure grade when
    /// the declaration is discharged.
    #[must_use]
    pub fn beyond(&self, declared: &Grade) -> Grade {
        self.enforced.meet(&self.observed).minus(declared)
    }
}
