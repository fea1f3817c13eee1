//! Imports.

use crate::binary::decode::item::Left;
use crate::binary::decode::{Decoded, Decoder};
use crate::binary::major;
use crate::scope::Name;
use crate::syntax::{Import, Kind, Mode, Prefix, Remote, Target};

impl Decoder<'_> {
    pub(super) fn import(&mut self, left: &mut Left) -> Decoded<Kind> {
        self.next(left)?;
        let hash = match self.eat_null() {
            true => None,
            false => {
                let multihash = self.string(major::BYTES, "expected a hash")?;
                let sha256 = multihash.strip_prefix(&[0x12, 0x20]);
                match sha256.and_then(|hash| <[u8; 32]>::try_from(hash).ok()) {
                    Some(hash) => Some(hash),
                    None => return self.fail("this is not a sha256"),
                }
            }
        };
        self.next(left)?;
        let mode = match self.unsigned()? {
            0 => Mode::Code,
            1 => Mode::Text,
            2 => Mode::Location,
            3 => Mode::Bytes,
            _ => return self.fail("there is no such way to import"),
        };
        self.next(left)?;
        let scheme = self.unsigned()?;
        let target = match scheme {
            0 | 1 => Target::Remote(Box::new(self.remote(scheme == 1, left)?)),
            2 => Target::Local(Prefix::Absolute, self.path(left)?),
            3 => Target::Local(Prefix::Here, self.path(left)?),
            4 => Target::Local(Prefix::Parent, self.path(left)?),
            5 => Target::Local(Prefix::Home, self.path(left)?),
            6 => {
                self.next(left)?;
                Target::Env(self.text()?)
            }
            7 => Target::Missing,
            _ => return self.fail("there is no such kind of import"),
        };
        Ok(Kind::Import(Box::new(Import { target, mode, hash })))
    }

    pub(super) fn path(&mut self, left: &mut Left) -> Decoded<Vec<Name>> {
        let mut path = Vec::new();
        while self.more(left)? {
            path.push(self.text()?);
        }
        if path.is_empty() {
            return self.fail("a path is empty");
        }
        Ok(path)
    }

    pub(super) fn remote(&mut self, https: bool, left: &mut Left) -> Decoded<Remote> {
        self.next(left)?;
        let headers = match self.eat_null() {
            true => None,
            false => Some(self.expression()?),
        };
        self.next(left)?;
        let authority = self.text()?;
        let mut path = Vec::new();
        let mut query = None;
        let mut ended = false;
        while self.more(left)? {
            if ended {
                return self.fail("a URL is too long");
            }
            ended = self.eat_null();
            if !ended {
                path.push(self.text()?);
            }
        }
        if !ended {
            query = path.pop();
        }
        if path.is_empty() {
            return self.fail("a URL has no path");
        }
        Ok(Remote {
            https,
            authority,
            path,
            query,
            headers,
        })
    }
}
