//! DSSE envelopes: the bytes of a statement, and signatures over them.
//!
//! What is signed is the pre-authentication encoding ([`pae`]) of the payload's
//! type and bytes. An envelope is one line of JSON without its line break; it is
//! known by the sha256 of exactly those bytes, so an envelope that somebody
//! else wrote is kept as it came:
//!
//! ```text
//! {"payload":"<base64>","payloadType":"application/vnd.in-toto+json",
//!  "signatures":[{"keyid":"SHA256:<fingerprint>","sig":"<base64 of 64 bytes>"}]}
//! ```
//!
//! A `keyid` is not authenticated. It chooses which key to try and decides
//! nothing: only a signature that verifies under a key the caller trusts counts.
//! Signatures under other schemes of key ids (`sshsig:…`) are left alone.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fmt;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};
use serde::{Deserialize, Serialize};
use straylight_odb::Sha256;

use crate::ssh::{PublicKey, RawSignature};

/// The payload type of an in-toto statement.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// The prefix of the key ids under which raw ed25519 signatures are listed.
const FINGERPRINT_PREFIX: &str = "SHA256:";

/// Something that holds an ed25519 key and signs with it.
///
/// Implementations return a signature that verifies under [`Signer::public_key`]
/// or an error, never anything else.
pub trait Signer: fmt::Debug {
    /// Returns the public half of the key.
    fn public_key(&self) -> &PublicKey;

    /// Returns the raw ed25519 signature of exactly these bytes.
    ///
    /// # Errors
    /// [`SignError`] when the key cannot be used now.
    fn sign(&self, message: &[u8]) -> Result<RawSignature, SignError>;
}

/// A key that could not sign.
#[derive(Debug, thiserror::Error)]
#[error("cannot sign with the key `{fingerprint}`: {source}")]
pub struct SignError {
    fingerprint: String,
    source: Box<dyn StdError + Send + Sync>,
}

impl SignError {
    /// Returns the error of `key`, with its cause.
    pub fn new(key: &PublicKey, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            fingerprint: key.fingerprint(),
            source: source.into(),
        }
    }
}

/// Returns the pre-authentication encoding: what a DSSE signature is over.
///
/// `DSSEv1 <length> <type> <length> <body>`, lengths in decimal, in bytes.
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    )
    .into_bytes();
    bytes.extend(payload);
    bytes
}

/// A payload and its signatures, with the exact bytes they were read from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Envelope {
    line: String,
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

/// One signature of an envelope; nothing in it is authenticated yet.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Signature {
    keyid: String,
    bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct EnvelopeJson {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<SignatureJson>,
}

#[derive(Serialize, Deserialize)]
struct SignatureJson {
    #[serde(default)]
    keyid: String,
    sig: String,
}

impl Envelope {
    /// Signs `payload`, and returns the envelope.
    ///
    /// # Errors
    /// [`SignError`] when the signer cannot sign.
    pub fn sign(
        payload_type: &str,
        payload: &[u8],
        signer: &dyn Signer,
    ) -> Result<Self, SignError> {
        let signature = signer.sign(&pae(payload_type, payload))?;
        let keyid = signer.public_key().fingerprint();
        let json = EnvelopeJson {
            payload: BASE64.encode(payload),
            payload_type: payload_type.to_owned(),
            signatures: vec![SignatureJson {
                keyid: keyid.clone(),
                sig: BASE64.encode(&signature),
            }],
        };
        Ok(Self {
            line: serde_json::to_string(&json).expect("strings always encode"),
            payload_type: payload_type.to_owned(),
            payload: payload.to_vec(),
            signatures: vec![Signature {
                keyid,
                bytes: signature.to_vec(),
            }],
        })
    }

    /// Parses one line of JSON, without its line break. Unknown fields are left
    /// alone; base64 may be standard or URL-safe, with or without padding.
    ///
    /// # Errors
    /// [`EnvelopeError::Malformed`] when the bytes are not an envelope.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let malformed = |reason: &str| EnvelopeError::Malformed(reason.to_owned());
        let line = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        if line.contains(['\n', '\r']) {
            return Err(malformed("it is more than one line"));
        }
        let json: EnvelopeJson = serde_json::from_str(line)
            .map_err(|error| EnvelopeError::Malformed(error.to_string()))?;
        let signatures = json.signatures.into_iter().map(|signature| {
            Ok(Signature {
                bytes: base64(&signature.sig)
                    .ok_or_else(|| malformed("a signature is not base64"))?,
                keyid: signature.keyid,
            })
        });
        Ok(Self {
            signatures: signatures.collect::<Result<_, EnvelopeError>>()?,
            payload: base64(&json.payload).ok_or_else(|| malformed("`payload` is not base64"))?,
            payload_type: json.payload_type,
            line: line.to_owned(),
        })
    }

    /// Returns the line of JSON, without a line break.
    #[must_use]
    pub fn as_line(&self) -> &str {
        &self.line
    }

    /// Returns the sha256 of the line: the envelope's name.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        Sha256::of(self.line.as_bytes())
    }

    /// Returns the type of the payload. Not authenticated before
    /// [`Envelope::verify`] succeeded.
    #[must_use]
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// Returns the payload. Not authenticated before [`Envelope::verify`]
    /// succeeded.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns the key ids as they stand in the envelope: claims, for messages.
    pub fn claimed_keys(&self) -> impl Iterator<Item = &str> {
        self.signatures
            .iter()
            .map(|signature| signature.keyid.as_str())
    }

    /// Checks the signatures against `trusted` keys, and returns those that
    /// signed, each once, in the order of the signatures.
    ///
    /// A signature without a key id is tried under every trusted key. One that
    /// names a trusted key and does not verify under it spoils the envelope: it
    /// was tampered with.
    ///
    /// # Errors
    /// [`EnvelopeError::Ambiguous`] when two signatures name one key,
    /// [`EnvelopeError::BadSignature`] when a signature does not verify under
    /// the key that it names, [`EnvelopeError::NoTrustedKey`] when no trusted
    /// key signed.
    pub fn verify<'k>(
        &self,
        trusted: &[&'k PublicKey],
    ) -> Result<Vec<&'k PublicKey>, EnvelopeError> {
        self.refuse_ambiguity()?;
        let message = pae(&self.payload_type, &self.payload);
        let mut signed: Vec<&'k PublicKey> = Vec::new();
        for signature in &self.signatures {
            let Some(key) = signature.signer(&message, trusted)? else {
                continue;
            };
            if !signed.contains(&key) {
                signed.push(key);
            }
        }
        if signed.is_empty() {
            return Err(EnvelopeError::NoTrustedKey {
                claimed: self.claimed_keys().map(str::to_owned).collect(),
            });
        }
        Ok(signed)
    }

    fn refuse_ambiguity(&self) -> Result<(), EnvelopeError> {
        let mut seen = BTreeSet::new();
        for keyid in self.claimed_keys().filter(|keyid| !keyid.is_empty()) {
            if !seen.insert(keyid) {
                return Err(EnvelopeError::Ambiguous {
                    keyid: keyid.to_owned(),
                });
            }
        }
        Ok(())
    }
}

impl Signature {
    /// Returns the trusted key that made this signature of `message`.
    fn signer<'k>(
        &self,
        message: &[u8],
        trusted: &[&'k PublicKey],
    ) -> Result<Option<&'k PublicKey>, EnvelopeError> {
        let raw = RawSignature::try_from(self.bytes.as_slice()).ok();
        let verifies = |key: &PublicKey| raw.is_some_and(|raw| key.verifies(message, &raw));
        if self.keyid.is_empty() {
            return Ok(trusted.iter().copied().find(|key| verifies(key)));
        }
        if !self.keyid.starts_with(FINGERPRINT_PREFIX) {
            return Ok(None);
        }
        let named = trusted.iter().find(|key| key.fingerprint() == self.keyid);
        match named {
            None => Ok(None),
            Some(key) if verifies(key) => Ok(Some(key)),
            Some(_) => Err(EnvelopeError::BadSignature {
                keyid: self.keyid.clone(),
            }),
        }
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope({})", self.digest())
    }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    [BASE64, BASE64URL, BASE64_NOPAD, BASE64URL_NOPAD]
        .iter()
        .find_map(|encoding| encoding.decode(text.as_bytes()).ok())
}

/// An envelope that cannot be believed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The bytes are not an envelope.
    #[error("not a DSSE envelope: {0}")]
    Malformed(String),
    /// Two signatures name the same key.
    #[error("two signatures of the envelope name the key `{keyid}`")]
    Ambiguous {
        /// The key id.
        keyid: String,
    },
    /// A signature does not verify under the trusted key that it names.
    #[error("the signature by `{keyid}` does not verify: the envelope was changed after signing")]
    BadSignature {
        /// The key id.
        keyid: String,
    },
    /// Nobody who is trusted signed.
    #[error("no trusted key signed the envelope (it names {})", names(claimed))]
    NoTrustedKey {
        /// The key ids in the envelope.
        claimed: Vec<String>,
    },
}

fn names(keys: &[String]) -> String {
    if keys.is_empty() {
        return "no key".to_owned();
    }
    let quoted: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::{FileSigner, generate};
    use crate::testing::{Scratch, feed};
    use proptest::prelude::*;
    use std::ffi::OsStr;

    fn signer(scratch: &Scratch, name: &str) -> FileSigner {
        generate(&scratch.path(name), "").unwrap()
    }

    #[test]
    fn pae_is_the_one_of_the_specification() {
        // The example of the DSSE protocol document.
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
        assert_eq!(pae("", b""), b"DSSEv1 0  0 ");
        assert_eq!(pae("é", b""), "DSSEv1 2 é 0 ".as_bytes());
    }

    proptest! {
        #[test]
        fn pae_never_collides(a in ".{0,12}", b in ".{0,12}", c in ".{0,12}", d in ".{0,12}") {
            let same = pae(&a, b.as_bytes()) == pae(&c, d.as_bytes());
            prop_assert_eq!(same, (a, b) == (c, d));
        }

        #[test]
        fn parse_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Envelope::parse(&bytes);
        }
    }

    #[test]
    fn an_envelope_reads_back_and_verifies() {
        let scratch = Scratch::new();
        let signer = signer(&scratch, "key");
        let envelope = Envelope::sign(IN_TOTO, b"{}", &signer).unwrap();
        let again = Envelope::parse(envelope.as_line().as_bytes()).unwrap();
        assert_eq!(again, envelope);
        let key = signer.public_key();
        assert_eq!(again.verify(&[key]).unwrap(), [key]);
        assert_eq!(again.payload(), b"{}");
        assert_eq!(again.payload_type(), IN_TOTO);
    }

    #[test]
    fn openssl_agrees_on_the_signature() {
        let scratch = Scratch::new();
        let signer = signer(&scratch, "key");
        let envelope = Envelope::sign(IN_TOTO, b"payload", &signer).unwrap();
        let key = scratch.write("key.pem", signer.public_key().to_pem());
        let message = scratch.write("pae", pae(IN_TOTO, b"payload"));
        let signature = scratch.write("sig", &envelope.signatures[0].bytes);
        let verify = |message: &std::path::Path| {
            let mut arguments: Vec<&OsStr> = ["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey"]
                .iter()
                .map(OsStr::new)
                .collect();
            arguments.extend([
                key.as_os_str(),
                OsStr::new("-in"),
                message.as_os_str(),
                OsStr::new("-sigfile"),
                signature.as_os_str(),
            ]);
            feed("openssl", arguments, b"").status.success()
        };
        assert!(verify(&message));
        assert!(!verify(&scratch.write("other", pae(IN_TOTO, b"paylord"))));
    }

    fn with(envelope: &Envelope, change: impl FnOnce(&mut serde_json::Value)) -> Envelope {
        let mut json = serde_json::from_str(envelope.as_line()).unwrap();
        change(&mut json);
        Envelope::parse(json.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn every_tampered_twin_is_refused() {
        let scratch = Scratch::new();
        let (mine, other) = (signer(&scratch, "mine"), signer(&scratch, "other"));
        let trusted = [mine.public_key()];
        let envelope = Envelope::sign(IN_TOTO, b"payload", &mine).unwrap();
        let mine_id = mine.public_key().fingerprint();
        let bad = EnvelopeError::BadSignature {
            keyid: mine_id.clone(),
        };

        let payload = with(&envelope, |json| json["payload"] = "cGF5bG9yZA==".into());
        assert_eq!(payload.verify(&trusted).unwrap_err(), bad);
        let kind = with(&envelope, |json| json["payloadType"] = "text/plain".into());
        assert_eq!(kind.verify(&trusted).unwrap_err(), bad);
        for byte in 0..64 {
            let mut raw = envelope.signatures[0].bytes.clone();
            raw[byte] ^= 1;
            let sig = BASE64.encode(&raw);
            let changed = with(&envelope, |json| json["signatures"][0]["sig"] = sig.into());
            assert_eq!(changed.verify(&trusted).unwrap_err(), bad, "byte {byte}");
        }
        let short = with(&envelope, |json| {
            json["signatures"][0]["sig"] = "AAAA".into();
        });
        assert_eq!(short.verify(&trusted).unwrap_err(), bad);

        let stranger = other.public_key().fingerprint();
        let keyid = with(&envelope, |json| {
            json["signatures"][0]["keyid"] = stranger.clone().into();
        });
        let unknown = EnvelopeError::NoTrustedKey {
            claimed: vec![stranger],
        };
        assert_eq!(keyid.verify(&trusted).unwrap_err(), unknown);
        let both = [mine.public_key(), other.public_key()];
        assert!(matches!(
            keyid.verify(&both),
            Err(EnvelopeError::BadSignature { .. })
        ));
        let none = with(&envelope, |json| json["signatures"] = serde_json::json!([]));
        assert!(none.verify(&trusted).is_err());
        assert!(envelope.verify(&[]).is_err());
        assert!(envelope.verify(&[other.public_key()]).is_err());
    }

    #[test]
    fn one_key_counts_once_and_one_id_appears_once() {
        let scratch = Scratch::new();
        let (mine, other) = (signer(&scratch, "mine"), signer(&scratch, "other"));
        let envelope = Envelope::sign(IN_TOTO, b"payload", &mine).unwrap();
        let second = Envelope::sign(IN_TOTO, b"payload", &other).unwrap();
        let entry = |envelope: &Envelope| {
            serde_json::from_str::<serde_json::Value>(envelope.as_line()).unwrap()["signatures"][0]
                .clone()
        };
        let doubled = with(&envelope, |json| {
            json["signatures"] = vec![entry(&envelope), entry(&envelope)].into();
        });
        assert!(matches!(
            doubled.verify(&[mine.public_key()]),
            Err(EnvelopeError::Ambiguous { .. })
        ));
        // The same signature again, without a key id, is still one key.
        let anonymous = with(&envelope, |json| {
            let mut copy = entry(&envelope);
            copy["keyid"] = "".into();
            json["signatures"] = vec![copy, entry(&envelope), entry(&second)].into();
        });
        let trusted = [mine.public_key(), other.public_key()];
        assert_eq!(anonymous.verify(&trusted).unwrap(), trusted);
        // A scheme that this version does not know is left alone.
        let foreign = with(&envelope, |json| {
            let mut copy = entry(&envelope);
            copy["keyid"] = format!("sshsig:{}", mine.public_key()).into();
            json["signatures"] = vec![copy, entry(&envelope)].into();
        });
        assert_eq!(foreign.verify(&trusted).unwrap(), [mine.public_key()]);
    }

    #[test]
    fn both_alphabets_are_read_and_nothing_else() {
        let line = |payload: &str| {
            format!(r#"{{"payload":"{payload}","payloadType":"t","signatures":[],"more":1}}"#)
        };
        for text in ["+/8=", "-_8=", "+/8", "-_8"] {
            let envelope = Envelope::parse(line(text).as_bytes()).unwrap();
            assert_eq!(envelope.payload(), [0xfb, 0xff]);
        }
        for text in ["+_8=", "+/9=", "+/8==", "+ /8="] {
            assert!(Envelope::parse(line(text).as_bytes()).is_err(), "{text}");
        }
        let two = line("").replace(',', ",\n");
        assert!(Envelope::parse(two.as_bytes()).is_err());
        let twice = line("").replace(r#""more""#, r#""payload""#);
        assert!(Envelope::parse(twice.as_bytes()).is_err());
        assert!(Envelope::parse(b"").is_err());
    }
}
