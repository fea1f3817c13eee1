//! One compilation, end to end.
#![allow(clippy::unwrap_used, clippy::wildcard_imports)]

use std::sync::Arc;
use straylight_exec::*;
use straylight_odb::*;
#[test]
fn compiles() {
    straylight_exec::testing::enable();
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(LocalStore::open(dir.path().join("s")).unwrap());
    let t = std::time::Instant::now();
    let gcc = capture_gcc(&store).unwrap();
    println!("{gcc:?} {:?}", t.elapsed());
    let t = std::time::Instant::now();
    let again = capture_gcc(&store).unwrap();
    println!("again {:?}", t.elapsed());
    assert_eq!(gcc, again);
    let t = std::time::Instant::now();
    let posix = capture_posix(&store).unwrap();
    println!("{posix:?} {:?}", t.elapsed());
    let ex = NamespaceExecutor::new(store.clone()).unwrap();
    let mut tree = InputTree::new();
    let d = store
        .write(b"#include <stdio.h>\nint main(){puts(\"hi\");return 0;}\n")
        .unwrap();
    tree.insert(
        "build/a.c",
        Node::File {
            digest: d,
            executable: false,
        },
    )
    .unwrap();
    let root = tree.write(&*store).unwrap();
    for _ in 0..3 {
        let c = command(
            vec![
                gcc.cc.clone(),
                "-g".into(),
                "a.c".into(),
                "-o".into(),
                "out/a".into(),
            ],
            [],
            ["out/a".into()],
        );
        let a = build_action(c, root, Some(gcc.digest), &[], None);
        let t = std::time::Instant::now();
        let o = ex.execute(&a.request(), &Cancellation::new()).unwrap();
        println!(
            "{:?} {} {:?}",
            o,
            String::from_utf8_lossy(&o.stderr),
            t.elapsed()
        );
        assert!(o.is_success());
    }
    let c = command(vec!["sh".into(), "-c".into(), "id; ls -la / /dev /build /tmp; cat /proc/self/status /proc/self/mounts /proc/net/dev; hostname; ls -la /proc/self/fd; ls /proc".into()], [], ["out/a".into()]);
    let a = build_action(c, root, Some(posix.digest), &[], None);
    let o = ex.execute(&a.request(), &Cancellation::new()).unwrap();
    println!(
        "{}\n{}\n{:?}",
        String::from_utf8_lossy(&o.stdout),
        String::from_utf8_lossy(&o.stderr),
        o.status
    );
}
