{ date = 2024-02-29, time = 23:59:59.123456789, zone = +05:30, zulu = 12:00:00Z
, both = 2000-01-01T00:00:00-00:00, bytes = 0x"00ff10", shown = Date/show 1970-01-01
, parts = [ Time/show 01:02:03, TimeZone/show -23:59 ] }
