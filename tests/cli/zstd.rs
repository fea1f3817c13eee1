//! Real input: zstd's library, with its decoder in assembly, and a program that
//! packs and unpacks files. Debian's `zstd` is the oracle of the format.

use std::fs;

use crate::support::{TestEnvironment, says};

/// Text that packs well, and enough of it for several blocks.
fn plain() -> String {
    let lines = (0..40_000_u32).map(|n| format!("line {n} of {}\n", n.wrapping_mul(2_654_435_761)));
    lines.collect()
}

#[test]
fn zstd_packs_what_others_unpack_and_back() {
    let environment = TestEnvironment::new();
    let repo = environment.fixture("zstd", "zstd");
    let built = repo.straylight(&["build", "//...", "-v"]).success();
    says(&built.stderr, &["huf_decompress_amd64.S.o", "zstd_v07.c.o"]);

    let place = environment.root().join("files");
    fs::create_dir(&place).unwrap();
    let path = |name: &str| place.join(name).to_str().unwrap().to_owned();
    fs::write(path("plain"), plain()).unwrap();
    let roundtrip = |arguments: &[&str]| {
        let run = [&["run", "//roundtrip", "--"], arguments].concat();
        repo.straylight(&run)
    };
    let (plain, packed) = (path("plain"), path("packed.zst"));
    let told = roundtrip(&[&plain, &packed]).success();
    let size = fs::metadata(&plain).unwrap().len();
    let expected = format!("{size} bytes, packed smaller, the same again\n");
    says(&told.stdout, &["zstd 1.", &expected]);
    let bytes = fs::read(&packed).unwrap();
    assert_eq!(&bytes[..4], &0xFD2F_B528_u32.to_le_bytes());

    // Theirs unpacks ours, and ours theirs.
    let theirs = path("theirs");
    repo.run("zstd", &["-q", "-d", &packed, "-o", &theirs])
        .success();
    assert!(fs::read(&theirs).unwrap() == fs::read(&plain).unwrap());
    let other = path("other.zst");
    repo.run("zstd", &["-q", "-19", &plain, "-o", &other])
        .success();
    let ours = path("ours");
    roundtrip(&["-d", &other, &ours]).success();
    assert!(fs::read(&ours).unwrap() == fs::read(&plain).unwrap());

    // One byte of the content is another one: the checksum tells.
    let mut bytes = bytes;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&packed, bytes).unwrap();
    let failed = roundtrip(&["-d", &packed, &ours]).code(1);
    says(&failed.stderr, &["roundtrip: unpack: "]);
}
