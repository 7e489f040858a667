package instant

import "time"

// ParseUTC reads the form in which most programs write a time, 2006-01-02T15:04:05.999999999Z, whose
// fraction may be shorter or missing. It returns false for all else, of which Parse knows more.
func ParseUTC(text []byte) (time.Time, bool) {
	const form = "0000-00-00T00:00:00"
	last := len(text) - 1
	if last < len(form) || text[last] != 'Z' {
		return time.Time{}, false
	}
	for i, c := range text[:len(form)] {
		if isDigit(c) != (form[i] == '0') || !isDigit(c) && c != form[i] {
			return time.Time{}, false
		}
	}
	nanos, ok := fraction(text[len(form):last])
	year, month, day := number(text[0:4]), number(text[5:7]), number(text[8:10])
	hour, minute, second := number(text[11:13]), number(text[14:16]), number(text[17:19])
	if !ok || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
	return t, t.Day() == day // the month may be shorter
}

// fraction returns the nanoseconds of a fraction of a second; nothing is none of them.
func fraction(text []byte) (nanos int, ok bool) {
	if len(text) == 0 {
		return 0, true
	}
	if text[0] != '.' || len(text) < len(".0") || len(text) > len(".000000000") {
		return 0, false
	}
	unit := 1_000_000_000
	for _, c := range text[1:] {
		if !isDigit(c) {
			return 0, false
		}
		unit /= 10
		nanos += int(c-'0') * unit
	}
	return nanos, true
}

// number returns the number of so many digits.
func number(digits []byte) (n int) {
	for _, c := range digits {
		n = n*10 + int(c-'0')
	}
	return n
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
