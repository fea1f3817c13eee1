{- The typed library, pinned once for the whole repository. -}
{ C =
    https://straylight.cx/rules/c/v1.dhall
      sha256:acc0ec9e48265cae26a7557980c2bd8a268f58b0c84413720e767ee452e61ac4
, Dice =
    https://straylight.cx/dice/v1.dhall
      sha256:da5b19b0a5796c55157b8dad0ee85642524a9b595a253e2fccd581c9dc6c909c
, Targets =
    https://straylight.cx/targets/v1.dhall
      sha256:ea9249ecc7b1ec5a1fb6f1c501573be6588e87bc2c74c7199a383ce9bb761b9b
, Toolchains =
    https://straylight.cx/toolchains/v1.dhall
      sha256:9624a2463acb1a5b593935b88ff59b9adabf1f2c47a2883d183d64c1ac9ea761
}
