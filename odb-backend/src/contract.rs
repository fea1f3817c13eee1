//! Behaviour suites that every implementation of a storage trait passes.

use crate::cas::ContentStore;
use crate::digest::Digest;

/// Checks that `store` keeps the promises of [`ContentStore`].
///
/// `corrupt` replaces the stored bytes behind the store's back.
///
/// # Panics
/// When a promise is broken.
pub fn content_store(store: &dyn ContentStore, corrupt: &dyn Fn(&Digest, &[u8])) {
    let absent = Digest::of(b"never written");
    assert!(!store.contains(&absent).expect("ask"));
    assert_eq!(store.read(&absent).expect("read"), None);

    for bytes in [&b""[..], b"x", &[0; 70_000]] {
        let digest = store.write(bytes).expect("write");
        assert_eq!(digest, Digest::of(bytes));
        assert_eq!(store.write(bytes).expect("write again"), digest);
        assert!(store.contains(&digest).expect("ask"));
        assert_eq!(store.read(&digest).expect("read").as_deref(), Some(bytes));
    }

    // A digest with the right hash and a wrong size names nothing.
    let written = Digest::of(b"x");
    let wrong_size = Digest::new(written.sha256(), 2);
    assert_eq!(store.read(&wrong_size).expect("read"), None);

    // Changed bytes are a miss, and the blob can be written again.
    for damage in [&b"y"[..], b"", b"xx"] {
        store.write(b"x").expect("write");
        corrupt(&written, damage);
        assert_eq!(store.read(&written).expect("read"), None, "{damage:?}");
        store.write(b"x").expect("heal");
        let healed = store.read(&written).expect("read");
        assert_eq!(healed.as_deref(), Some(&b"x"[..]));
    }

    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            scope.spawn(move || {
                for round in 0..32_u8 {
                    let bytes = [round; 1024];
                    let digest = store.write(&bytes).expect("write");
                    let read = store.read(&digest).expect("read");
                    assert_eq!(read.as_deref(), Some(&bytes[..]), "thread {thread}");
                }
            });
        }
    });
}
