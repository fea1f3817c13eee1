{- The typed library, pinned once for the whole repository. -}
{ C =
    https://straylight.cx/rules/c/v1.dhall
      sha256:71795bdf9f393c3dcb5c86ad9d536dc6bbab0bba34c612880d12c584a7f742a5
, Dice =
    https://straylight.cx/dice/v1.dhall
      sha256:903be1bbda8a28154d1c3f8f75ce085778b9ee967408cc6a4961e380292f2542
, Targets =
    https://straylight.cx/targets/v1.dhall
      sha256:ea9249ecc7b1ec5a1fb6f1c501573be6588e87bc2c74c7199a383ce9bb761b9b
, Toolchains =
    https://straylight.cx/toolchains/v1.dhall
      sha256:b858afd7d516bf5078531c498d4ca57b91d669f4405690b625341c84969a05e3
}
