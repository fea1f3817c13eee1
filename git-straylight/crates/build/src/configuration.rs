//! What targets are built for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A processor architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, non_camel_case_types)]
pub enum Arch {
    x86_64,
    aarch64,
    wasm32,
    riscv64,
}

/// A maker, as triples spell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, non_camel_case_types)]
pub enum Vendor {
    unknown,
    pc,
    apple,
}

/// An operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, non_camel_case_types)]
pub enum Os {
    linux,
    darwin,
    wasi,
    none,
}

/// A binary interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, non_camel_case_types)]
pub enum Abi {
    gnu,
    musl,
    eabi,
    none,
}

/// A machine: `Triple` of `targets/v1.dhall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Triple {
    /// The processor.
    pub arch: Arch,
    /// The maker.
    pub vendor: Vendor,
    /// The operating system.
    pub os: Os,
    /// The binary interface.
    pub abi: Abi,
}

impl Triple {
    /// Returns the machine that this program runs on.
    #[must_use]
    pub const fn host() -> Self {
        Self {
            arch: if cfg!(target_arch = "aarch64") {
                Arch::aarch64
            } else if cfg!(target_arch = "riscv64") {
                Arch::riscv64
            } else {
                Arch::x86_64
            },
            vendor: Vendor::unknown,
            os: Os::linux,
            abi: Abi::gnu,
        }
    }
}

/// As `show_triple` of `targets/v1.dhall` renders it.
impl fmt::Display for Triple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.arch)?;
        if self.os != Os::wasi {
            write!(f, "-{:?}", self.vendor)?;
        }
        write!(f, "-{:?}", self.os)?;
        if self.abi != Abi::none {
            write!(f, "-{:?}", self.abi)?;
        }
        Ok(())
    }
}

impl FromStr for Triple {
    type Err = UnknownTriple;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use {Abi::*, Arch::*, Vendor::*};
        let operating_systems = [Os::linux, Os::darwin, Os::wasi, Os::none];
        let abis = [gnu, musl, eabi, Abi::none];
        for arch in [x86_64, aarch64, wasm32, riscv64] {
            for vendor in [unknown, pc, apple] {
                for os in operating_systems {
                    for abi in abis {
                        let triple = Self {
                            arch,
                            vendor,
                            os,
                            abi,
                        };
                        if triple.to_string() == text {
                            return Ok(triple);
                        }
                    }
                }
            }
        }
        Err(UnknownTriple)
    }
}

/// A text that no triple is shown as.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a platform is `arch-vendor-os-abi`, such as `aarch64-unknown-linux-gnu`")]
pub struct UnknownTriple;

/// Whether programs are made for finding faults or for use.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[allow(non_camel_case_types)]
pub enum Mode {
    /// For finding faults.
    debug,
    /// For use.
    #[default]
    release,
}

/// What a target is built for, and where: `Configuration` of `dice/v1.dhall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Configuration {
    /// Where build tools run.
    pub host: Triple,
    /// What is built for.
    pub target: Triple,
    /// How.
    pub mode: Mode,
}

impl Configuration {
    /// Returns the configuration for this machine, in release mode.
    #[must_use]
    pub fn native() -> Self {
        let host = Triple::host();
        Self {
            host,
            target: host,
            mode: Mode::default(),
        }
    }

    /// Returns the configuration of the tools that run during this build.
    #[must_use]
    pub fn for_tools(self) -> Self {
        Self {
            target: self.host,
            mode: Mode::release,
            ..self
        }
    }
}

/// `<target> <mode>`, with the host where it differs.
impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.target, self.mode)?;
        if self.host != self.target {
            write!(f, " on {}", self.host)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triples_are_parsed_as_they_are_shown() {
        for text in [
            "x86_64-unknown-linux-gnu",
            "wasm32-wasi",
            "aarch64-apple-darwin",
        ] {
            assert_eq!(text.parse::<Triple>().unwrap().to_string(), text);
        }
        assert!("x86_64".parse::<Triple>().is_err());
        assert_eq!(
            Triple::host().to_string().parse::<Triple>().unwrap(),
            Triple::host()
        );
    }

    #[test]
    fn tools_are_built_for_the_host() {
        let mut configuration = Configuration::native();
        configuration.mode = Mode::debug;
        configuration.target = "aarch64-unknown-linux-musl".parse().unwrap();
        assert_eq!(configuration.for_tools(), Configuration::native());
    }
}
