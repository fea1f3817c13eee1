// Written by `cargo run -p straylight-dhall --example release`.

/// Every release, in order.
const RELEASED: &[Released] = &[
    Released {
        url: "https://straylight.cx/coeffects/v1.dhall",
        sha256: "3259880d264a145f09599ff23459024680ecb7b6a93605fe1238999637a2348c",
        bytes: include_bytes!(
            "../../released/3259880d264a145f09599ff23459024680ecb7b6a93605fe1238999637a2348c.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/targets/v1.dhall",
        sha256: "30ece406a60a1e2fdc8bf46836c01f032ce5cd3ff03691c0818812eb03887660",
        bytes: include_bytes!(
            "../../released/30ece406a60a1e2fdc8bf46836c01f032ce5cd3ff03691c0818812eb03887660.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/dice/v1.dhall",
        sha256: "903be1bbda8a28154d1c3f8f75ce085778b9ee967408cc6a4961e380292f2542",
        bytes: include_bytes!(
            "../../released/903be1bbda8a28154d1c3f8f75ce085778b9ee967408cc6a4961e380292f2542.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/toolchains/v1.dhall",
        sha256: "c15f7785447c58c8439cdc94b6274e9bb0bccfe014f93205f9ebed122fb840e1",
        bytes: include_bytes!(
            "../../released/c15f7785447c58c8439cdc94b6274e9bb0bccfe014f93205f9ebed122fb840e1.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/command/v1.dhall",
        sha256: "2c99850104631d2a5e401382d6d091903cc9f4f0b3b09ce1a53cf94a58f9e7fb",
        bytes: include_bytes!(
            "../../released/2c99850104631d2a5e401382d6d091903cc9f4f0b3b09ce1a53cf94a58f9e7fb.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/c/v1.dhall",
        sha256: "8e86c1a4f3dae3a3b1032c61347bf12b806e57fc9a73221947951753fd47e301",
        bytes: include_bytes!(
            "../../released/8e86c1a4f3dae3a3b1032c61347bf12b806e57fc9a73221947951753fd47e301.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/toolchains/v1.dhall",
        sha256: "b976c3d2765bcded00a146928e3e5c7dd1119a70e26110b74d18c454a61cb12e",
        bytes: include_bytes!(
            "../../released/b976c3d2765bcded00a146928e3e5c7dd1119a70e26110b74d18c454a61cb12e.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/c/v1.dhall",
        sha256: "a25e77e2639dccf1dc1c73272893282e800e9b4ba019f63f194930f28f092e44",
        bytes: include_bytes!(
            "../../released/a25e77e2639dccf1dc1c73272893282e800e9b4ba019f63f194930f28f092e44.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/rust/v1.dhall",
        sha256: "f88c54f2c12e1aae6389c47ba0c3e8b994d40164bcb7897cfe13fa32bbdc5caf",
        bytes: include_bytes!(
            "../../released/f88c54f2c12e1aae6389c47ba0c3e8b994d40164bcb7897cfe13fa32bbdc5caf.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/c/v1.dhall",
        sha256: "3757e6d514090758a7540e80ab1dabf06cd1e9503a23f1c7799c4362a62563ec",
        bytes: include_bytes!(
            "../../released/3757e6d514090758a7540e80ab1dabf06cd1e9503a23f1c7799c4362a62563ec.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/targets/v1.dhall",
        sha256: "ea9249ecc7b1ec5a1fb6f1c501573be6588e87bc2c74c7199a383ce9bb761b9b",
        bytes: include_bytes!(
            "../../released/ea9249ecc7b1ec5a1fb6f1c501573be6588e87bc2c74c7199a383ce9bb761b9b.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/toolchains/v1.dhall",
        sha256: "b858afd7d516bf5078531c498d4ca57b91d669f4405690b625341c84969a05e3",
        bytes: include_bytes!(
            "../../released/b858afd7d516bf5078531c498d4ca57b91d669f4405690b625341c84969a05e3.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/c/v1.dhall",
        sha256: "71795bdf9f393c3dcb5c86ad9d536dc6bbab0bba34c612880d12c584a7f742a5",
        bytes: include_bytes!(
            "../../released/71795bdf9f393c3dcb5c86ad9d536dc6bbab0bba34c612880d12c584a7f742a5.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/dice/v1.dhall",
        sha256: "09b1009f2df876b1eaaa8a8e650c67b4fd4ec16a358fe994e4d5efacd849e08e",
        bytes: include_bytes!(
            "../../released/09b1009f2df876b1eaaa8a8e650c67b4fd4ec16a358fe994e4d5efacd849e08e.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/command/v1.dhall",
        sha256: "b3880f5f1cec0575dbfe11c2cec427d6429c2034ef62c43bd7d0bb7b9ce90a7a",
        bytes: include_bytes!(
            "../../released/b3880f5f1cec0575dbfe11c2cec427d6429c2034ef62c43bd7d0bb7b9ce90a7a.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/c/v1.dhall",
        sha256: "e6588dae04f96e0075e6e08ec4884c312ece7046001f1717ab55c7e4d6f5df5e",
        bytes: include_bytes!(
            "../../released/e6588dae04f96e0075e6e08ec4884c312ece7046001f1717ab55c7e4d6f5df5e.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/rust/v1.dhall",
        sha256: "462be9e8db318561e2d293c103bf197d2afc3ccd0992a572fda8663ff76ca0bf",
        bytes: include_bytes!(
            "../../released/462be9e8db318561e2d293c103bf197d2afc3ccd0992a572fda8663ff76ca0bf.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/dice/v1.dhall",
        sha256: "aba839bfe22ce2b67e8e17fd8b79cd940ca86742ec16bead1030840841dd36df",
        bytes: include_bytes!(
            "../../released/aba839bfe22ce2b67e8e17fd8b79cd940ca86742ec16bead1030840841dd36df.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/command/v1.dhall",
        sha256: "37950501e77d37e5380c9315d7f03a5b06598ba7a11513965c5aee8999868542",
        bytes: include_bytes!(
            "../../released/37950501e77d37e5380c9315d7f03a5b06598ba7a11513965c5aee8999868542.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/c/v1.dhall",
        sha256: "a8c66f0dcc065caf166e03039b79b69d0dfe68a987447fee60ceaff91171cb21",
        bytes: include_bytes!(
            "../../released/a8c66f0dcc065caf166e03039b79b69d0dfe68a987447fee60ceaff91171cb21.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/rust/v1.dhall",
        sha256: "687fdaad32e5407da9711d470a5b3d0be4c174ecd06eeb5db940454b6540823d",
        bytes: include_bytes!(
            "../../released/687fdaad32e5407da9711d470a5b3d0be4c174ecd06eeb5db940454b6540823d.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/rust/v1.dhall",
        sha256: "b67ce1762d3be193de9dc4fa149e2b53debca8c432b056072280ba652c169284",
        bytes: include_bytes!(
            "../../released/b67ce1762d3be193de9dc4fa149e2b53debca8c432b056072280ba652c169284.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/rust/v1.dhall",
        sha256: "c0c00d0c7391771173addd12748794c0a19cb263f056764ea06f87664ba295fc",
        bytes: include_bytes!(
            "../../released/c0c00d0c7391771173addd12748794c0a19cb263f056764ea06f87664ba295fc.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/rust/v1.dhall",
        sha256: "30d22ab5f4278629fd30c3c7b26950ae243d2f9f53191f093321290cc534f567",
        bytes: include_bytes!(
            "../../released/30d22ab5f4278629fd30c3c7b26950ae243d2f9f53191f093321290cc534f567.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/dice/v1.dhall",
        sha256: "da5b19b0a5796c55157b8dad0ee85642524a9b595a253e2fccd581c9dc6c909c",
        bytes: include_bytes!(
            "../../released/da5b19b0a5796c55157b8dad0ee85642524a9b595a253e2fccd581c9dc6c909c.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/toolchains/v1.dhall",
        sha256: "9624a2463acb1a5b593935b88ff59b9adabf1f2c47a2883d183d64c1ac9ea761",
        bytes: include_bytes!(
            "../../released/9624a2463acb1a5b593935b88ff59b9adabf1f2c47a2883d183d64c1ac9ea761.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/command/v1.dhall",
        sha256: "59571ef3ac1d839d94490fe51526d7b0d654bfb867c860ed65b60972d2295737",
        bytes: include_bytes!(
            "../../released/59571ef3ac1d839d94490fe51526d7b0d654bfb867c860ed65b60972d2295737.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/c/v1.dhall",
        sha256: "acc0ec9e48265cae26a7557980c2bd8a268f58b0c84413720e767ee452e61ac4",
        bytes: include_bytes!(
            "../../released/acc0ec9e48265cae26a7557980c2bd8a268f58b0c84413720e767ee452e61ac4.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/rust/v1.dhall",
        sha256: "22d35232c75e1fb1c8f77304f75aa58b607cad4c66c1ecd82f29004b99e6932c",
        bytes: include_bytes!(
            "../../released/22d35232c75e1fb1c8f77304f75aa58b607cad4c66c1ecd82f29004b99e6932c.dhallb"
        ),
    },
    Released {
        url: "https://straylight.cx/rules/rust/v1.dhall",
        sha256: "40ae10cde03050aed8117706f7988f9a4154f4e35feef0ab5981fc1213e43c4a",
        bytes: include_bytes!(
            "../../released/40ae10cde03050aed8117706f7988f9a4154f4e35feef0ab5981fc1213e43c4a.dhallb"
        ),
    },
];
