package instant

import (
	"archive/zip"
	_ "embed"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"mqtt-stomp-bridge/mapping/spelling"
)

// zoneinfo is the IANA time zone database as Go ships it, lib/time/zoneinfo.zip of go1.26.8: neither
// the machine's own nor time/tzdata, which comes after the machine's, so that a rule means the same
// everywhere and the names can be listed.
//
//go:embed zoneinfo.zip
var zoneinfo string

// zoneFiles returns the files of the database by the names of their zones.
var zoneFiles = sync.OnceValue(func() map[string]*zip.File {
	archive, err := zip.NewReader(strings.NewReader(zoneinfo), int64(len(zoneinfo)))
	if err != nil {
		panic("instant: the embedded time zones: " + err.Error())
	}
	files := map[string]*zip.File{}
	for _, f := range archive.File {
		if !strings.HasSuffix(f.Name, "/") && f.Name != "Factory" {
			files[f.Name] = f
		}
	}
	return files
})

var zones sync.Map // name, one of zoneFiles -> *time.Location

// Zone returns the time zone of that name in the IANA database, such as Europe/Berlin; false if there
// is none. It is safe for concurrent use, and fast from the second call for a name on.
func Zone(name string) (*time.Location, bool) {
	if zone, ok := zones.Load(name); ok {
		return zone.(*time.Location), true
	}
	f, ok := zoneFiles()[name]
	if !ok {
		return nil, false
	}
	zone, err := load(f)
	if err != nil {
		panic("instant: the embedded time zone " + name + ": " + err.Error())
	}
	zones.Store(name, zone)
	return zone, true
}

func load(f *zip.File) (*time.Location, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return time.LoadLocationFromTZData(f.Name, data)
}

// ZoneHint says what to write instead of a name that is no zone's.
func ZoneHint(name string) string {
	if zone := places[name]; zone != "" {
		return "an abbreviation means different offsets in different places; name the place: \"" + zone + "\""
	}
	if near := spelling.Nearest(name, slices.Sorted(maps.Keys(zoneFiles()))); near != "" {
		return "did you mean \"" + near + "\"?"
	}
	return `zones have the names of the IANA database, such as "Europe/Berlin" or "UTC"`
}

// places are the zones that abbreviations most often mean. They are proposed, never assumed.
var places = map[string]string{
	"EST": "America/New_York", "EDT": "America/New_York", "CST": "America/Chicago", "CDT": "America/Chicago",
	"MST": "America/Denver", "MDT": "America/Denver", "PST": "America/Los_Angeles", "PDT": "America/Los_Angeles",
	"AST": "America/Halifax", "ADT": "America/Halifax", "NST": "America/St_Johns", "NDT": "America/St_Johns",
	"HST": "Pacific/Honolulu", "WET": "Europe/Lisbon", "WEST": "Europe/Lisbon", "BST": "Europe/London",
	"CET": "Europe/Berlin", "CEST": "Europe/Berlin", "EET": "Europe/Helsinki", "EEST": "Europe/Helsinki",
	"MSK": "Europe/Moscow", "IST": "Asia/Kolkata", "PKT": "Asia/Karachi", "HKT": "Asia/Hong_Kong",
	"JST": "Asia/Tokyo", "KST": "Asia/Seoul", "WIB": "Asia/Jakarta", "SAST": "Africa/Johannesburg",
	"CAT": "Africa/Maputo", "EAT": "Africa/Nairobi", "WAT": "Africa/Lagos", "AWST": "Australia/Perth",
	"ACST": "Australia/Adelaide", "ACDT": "Australia/Adelaide", "AEST": "Australia/Sydney", "AEDT": "Australia/Sydney",
	"NZST": "Pacific/Auckland", "NZDT": "Pacific/Auckland",
}
