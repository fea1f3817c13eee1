{-
What a build needs beyond its declared inputs.

Needs combine by union; the sandbox grants exactly what is declared, and an
undeclared need fails the build. The empty list is a pure build.
-}
let Network =
      {- How far the network is needed: answered from records, or live. -}
      < Replayed | Live >

let Access =
      {- How a path outside the inputs is used. -}
      < Read | Write >

let Coeffect =
      {- One need.
         `Network`: a host by name. `Filesystem`: a path prefix outside the
         inputs. `Auth`: a credential by name, for one host; the secret itself
         is never seen. `Device`: a device node. `Clock`, `Randomness`: the
         real ones instead of fixed ones. `Sandbox`: a sandbox of a named kind.
      -}
      < Network : { host : Text, network : Network }
      | Filesystem : { path : Text, access : Access }
      | Auth : { name : Text, host : Text }
      | Device : Text
      | Clock
      | Randomness
      | Sandbox : Text
      >

let pure
    : List Coeffect
    = {- A build that needs nothing but its inputs. -}
      [] : List Coeffect

in  { Network, Access, Coeffect, pure }
