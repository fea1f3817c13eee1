let name = "w\u{F6}rld \"\$x\" \\ \u0041"
let lines =
      ''
        hello, ${name}
          '''quoted''' and ''${literal}
        	tab
      ''
in  Text/replace "l" "LL" (lines ++ Text/show "a${Natural/show 3}b") ++ "${"${name}"}"
