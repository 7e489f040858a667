package instant_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"mqtt-stomp-bridge/mapping/instant"
	"mqtt-stomp-bridge/mapping/value"
)

// zones are where the tests set the machine, beside UTC: of half an hour, and with two names for an
// offset that others have too.
var zones = []string{"America/St_Johns", "Europe/London", "Asia/Kolkata"}

// everywhere runs the test with the machine in several time zones.
func everywhere(t *testing.T, test func(t *testing.T)) {
	local := time.Local
	t.Cleanup(func() { time.Local = local })
	for _, name := range append(zones, "UTC") {
		zone, ok := instant.Zone(name)
		if !ok {
			t.Fatalf("no zone %s", name)
		}
		time.Local = zone
		t.Run(name, test)
	}
}

func result(tm time.Time, err error) string {
	if err != nil {
		return err.Error()
	}
	if tm.Location() != time.UTC {
		return "not in UTC: " + tm.String()
	}
	return tm.Format("2006-01-02T15:04:05.999Z07:00")
}

func TestOf(t *testing.T) {
	tests := []struct {
		value any
		want  string
	}{
		{"2021-09-14T06:32:07Z", "2021-09-14T06:32:07Z"},
		{"2021-09-14T06:32:07.25-02:30", "2021-09-14T09:02:07.25Z"},
		{"2021-09-14T06:32Z", "2021-09-14T06:32:00Z"},
		{"2021-09-14T06:32+02", "2021-09-14T04:32:00Z"},
		{"2021-09-14T06:32:07+02", "2021-09-14T04:32:07Z"},
		{"2021-09-14T06:32:07+0530", "2021-09-14T01:02:07Z"},
		{"2021-09-14T06:32:07,5+0530", "2021-09-14T01:02:07.5Z"},
		{"2021-09-14t06:32:07z", "2021-09-14T06:32:07Z"},
		{"2021-09-14 06:32:07+02:00", "2021-09-14T04:32:07Z"},
		{"2021-09-14 06:32:07 +02:00", "2021-09-14T04:32:07Z"},
		{"2021-09-14 06:32:07 UTC", "2021-09-14T06:32:07Z"},
		{"2021-09-14T08:32+02:00[Europe/Berlin]", "2021-09-14T06:32:00Z"},
		{"2021-09-14T08:32:07-04:00[Europe/Berlin]", "2021-09-14T12:32:07Z"},
		{"2021-09-14T08:32:07Z[UTC]", "2021-09-14T08:32:07Z"},
		{"2021-09-14T08:32:07[Europe/Berlin]", "2021-09-14T06:32:07Z"},
		{"2021-01-14T08:32[Europe/Berlin]", "2021-01-14T07:32:00Z"},
		{"20210914T063207Z", "2021-09-14T06:32:07Z"},
		{"20210914T063207.125+0200", "2021-09-14T04:32:07.125Z"},
		{"20210914T0632+02", "2021-09-14T04:32:00Z"},
		{"1631601127", "2021-09-14T06:32:07Z"},
		{int64(1631601127000), "2021-09-14T06:32:07Z"},
		{1631601127.25, "2021-09-14T06:32:07.25Z"},
		{json.Number("1631601127.0"), "2021-09-14T06:32:07Z"},
		{value.Bytes("2021-09-14T06:32Z"), "2021-09-14T06:32:00Z"},

		{"2021-09-14T06:32:07", `"2021-09-14T06:32:07" has no time zone; give the layout and the zone: time(…, "2006-01-02T15:04:05", "Europe/Berlin")`},
		{"20210914T063207", `"20210914T063207" has no time zone; give the layout and the zone: time(…, "20060102T150405", "Europe/Berlin")`},
		{"20210914063207", `"20210914063207" has no time zone; give the layout and the zone: time(…, "20060102150405", "Europe/Berlin")`},
		{"14.09.2021", `"14.09.2021" has no time zone; give the layout and the zone: time(…, "02.01.2006", "Europe/Berlin")`},
		{"Tue, 14 Sep 2021 06:32:07 +0200", `"Tue, 14 Sep 2021 06:32:07 +0200" is not an ISO 8601 time; give the layout: time(…, "Mon, 02 Jan 2006 15:04:05 -0700")`},
		{"Tue, 14 Sep 2021 06:32:07 GMT", `"Tue, 14 Sep 2021 06:32:07 GMT" is not an ISO 8601 time; give the layout: time(…, "Mon, 02 Jan 2006 15:04:05 MST")`},
		{"Tue, 14 Sep 2021 06:32:07 CET", `"Tue, 14 Sep 2021 06:32:07 CET": CET means different offsets in different places; name the place: time(…, "Mon, 02 Jan 2006 15:04:05 MST", "Europe/Berlin")`},
		{"Tue, 14 Sep 2021 06:32:07 XYZ", `"Tue, 14 Sep 2021 06:32:07 XYZ": XYZ means different offsets in different places; write the offset that it stands for, such as +02:00: time(replace(…, "XYZ", "+02:00"), "Mon, 02 Jan 2006 15:04:05 Z07:00")`},
		{"2021-09-14T08:32:07[Europe/Berln]", `"2021-09-14T08:32:07[Europe/Berln]": "Europe/Berln" is not a time zone; did you mean "Europe/Berlin"?`},
		{"2021-09-14T25:32Z", `"2021-09-14T25:32Z": there is no such hour`},
		{"2021-09-31T06:32:07Z", `"2021-09-31T06:32:07Z": there is no such day`},
		{"20210931T0632[Europe/Berlin]", `"20210931T0632[Europe/Berlin]": there is no such day`},
		{strings.Repeat("2", 101) + "x", `"` + strings.Repeat("2", 80) + `…" is not a time`},
		{7, "a number (7) is not a time between 2000 and 2100 in s, ms, µs or ns"},
		{true, "true or false is not a time"},
	}
	everywhere(t, func(t *testing.T) {
		for _, tt := range tests {
			if got := result(instant.Of(tt.value)); got != tt.want {
				t.Errorf("%v\n got %s\nwant %s", tt.value, got, tt.want)
			}
		}
	})
}

func TestParseLayout(t *testing.T) {
	const named = "02 Jan 2006 15:04 MST"
	tests := []struct{ text, layout, zone, want string }{
		{"2021-07-27 12:00", "2006-01-02 15:04", "Europe/Berlin", "2021-07-27T10:00:00Z"},
		{"2021-07-27 12:00", "2006-01-02 15:04", "UTC", "2021-07-27T12:00:00Z"},
		{"2021-07-27 12:00 -0400", "2006-01-02 15:04 -0700", "Europe/Berlin", "2021-07-27T16:00:00Z"},
		// The hour that Berlin's clocks skip, and the one that they have twice.
		{"2021-03-28 02:30", "2006-01-02 15:04", "Europe/Berlin", "2021-03-28T01:30:00Z"},
		{"2021-10-31 02:30", "2006-01-02 15:04", "Europe/Berlin", "2021-10-31T00:30:00Z"},
		{"2021-03-14 02:30", "2006-01-02 15:04", "America/New_York", "2021-03-14T07:30:00Z"},
		{"2021-11-07 01:30", "2006-01-02 15:04", "America/New_York", "2021-11-07T05:30:00Z"},
		{"2021-11-07 02:00", "2006-01-02 15:04", "America/New_York", "2021-11-07T07:00:00Z"},
		{"2021-11-06 23:30", "2006-01-02 15:04", "America/New_York", "2021-11-07T03:30:00Z"},
		{"2021-11-08 00:30", "2006-01-02 15:04", "America/New_York", "2021-11-08T05:30:00Z"},
		// Abbreviations.
		{"27 Jan 2021 10:00 GMT", named, "UTC", "2021-01-27T10:00:00Z"},
		{"27 Jan 2021 10:00 UTC", named, "Europe/Berlin", "2021-01-27T10:00:00Z"},
		{"27 Jan 2021 10:00 Z", named, "Europe/Berlin", "2021-01-27T10:00:00Z"},
		{"27 Jan 2021 10:00 +02:00", named, "UTC", "2021-01-27T08:00:00Z"},
		{"27 Jan 2021 10:00 CET", named, "Europe/Berlin", "2021-01-27T09:00:00Z"},
		{"27 Jul 2021 10:00 CEST", named, "Europe/Berlin", "2021-07-27T08:00:00Z"},
		{"27 Jan 2021 10:00 NST", named, "America/St_Johns", "2021-01-27T13:30:00Z"},
		{"27 Jan 2021 10:00 +0100 CET", "02 Jan 2006 15:04 -0700 MST", "UTC", "2021-01-27T09:00:00Z"},
		{"27 Jan 2021 10:00 BST", named, "UTC", `"27 Jan 2021 10:00 BST": BST means different offsets in different places; name the place: time(…, "02 Jan 2006 15:04 MST", "Europe/London")`},
		{"27 Jan 2021 10:00 CET", named, "America/New_York", `"27 Jan 2021 10:00 CET": CET is not used in America/New_York; name the place: time(…, "02 Jan 2006 15:04 MST", "Europe/Berlin")`},
		{"27 Jan 2021 10:00 XYZ", named, "Europe/Berlin", `"27 Jan 2021 10:00 XYZ": XYZ is not used in Europe/Berlin; write the offset that it stands for, such as +02:00: time(replace(…, "XYZ", "+02:00"), "02 Jan 2006 15:04 Z07:00")`},
		{"x", "2006", "UTC", `"x" does not have the layout "2006"`},
		{"31.06.2026 10:00", "02.01.2006 15:04", "Europe/Berlin", `"31.06.2026 10:00", read as "02.01.2006 15:04": there is no such day`},
		{"31.06.2026 10:00 CEST", "02.01.2006 15:04 MST", "Europe/Berlin", `"31.06.2026 10:00 CEST", read as "02.01.2006 15:04 MST": there is no such day`},
	}
	everywhere(t, func(t *testing.T) {
		for _, tt := range tests {
			zone := time.UTC
			if tt.zone != "UTC" {
				zone, _ = instant.Zone(tt.zone)
			}
			if got := result(instant.ParseLayout(tt.text, tt.layout, zone)); got != tt.want {
				t.Errorf("%s in %s\n got %s\nwant %s", tt.text, tt.zone, got, tt.want)
			}
		}
	})
}

// What a refusal proposes for an abbreviation works when it is written.
func TestProposedPlaces(t *testing.T) {
	for _, abbreviation := range strings.Fields("EST EDT CST CDT MST MDT PST PDT AST ADT NST NDT HST WET WEST BST CET CEST EET EEST MSK " +
		"IST PKT HKT JST KST WIB SAST CAT EAT WAT AWST ACST ACDT AEST AEDT NZST NZDT") {
		text := "27 Jan 2021 10:00 " + abbreviation
		const layout = "02 Jan 2006 15:04 MST"
		_, err := instant.ParseLayout(text, layout, time.UTC)
		_, proposal, found := strings.Cut(fmt.Sprint(err), `name the place: time(…, "`+layout+`", "`)
		zone, known := instant.Zone(strings.TrimSuffix(proposal, `")`))
		if !found || !known {
			t.Errorf("%s: %v", abbreviation, err)
			continue
		}
		if _, err := instant.ParseLayout(text, layout, zone); err != nil {
			t.Errorf("%s in %s: %v", abbreviation, zone, err)
		}
	}
}

func TestZone(t *testing.T) {
	for name, want := range map[string]string{
		"Europe/Berlin": "", "UTC": "", "America/Argentina/Buenos_Aires": "",
		"Local":  `zones have the names of the IANA database, such as "Europe/Berlin" or "UTC"`,
		"":       `zones have the names of the IANA database, such as "Europe/Berlin" or "UTC"`,
		"../UTC": `zones have the names of the IANA database, such as "Europe/Berlin" or "UTC"`, "europe/berlin": `did you mean "Europe/Berlin"?`,
		"CEST":    `an abbreviation means different offsets in different places; name the place: "Europe/Berlin"`,
		"Factory": `zones have the names of the IANA database, such as "Europe/Berlin" or "UTC"`,
	} {
		got := ""
		zone, ok := instant.Zone(name)
		if !ok {
			got = instant.ZoneHint(name)
		}
		if got != want || ok && zone.String() != name {
			t.Errorf("%q: %v %q, want %q", name, zone, got, want)
		}
	}
}

// The tests give the same on machines with other zones, and where the machine has no zones.
func TestOtherMachines(t *testing.T) {
	if os.Getenv("INSTANT_TEST") != "" {
		t.Skip("in a child already")
	}
	for _, env := range []string{"TZ=America/St_Johns", "TZ=Asia/Kolkata", "ZONEINFO=" + t.TempDir(), "TZ=Nowhere/Land"} {
		cmd := exec.Command(os.Args[0], "-test.run", "TestOf|TestParseLayout|TestZone")
		cmd.Env = append(os.Environ(), env, "INSTANT_TEST=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", env, err, out)
		}
	}
}
