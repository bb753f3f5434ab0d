package policy

import (
	"math"
	"strconv"
	"strings"
)

// noLimit is the word that lifts a limit. The number 0 is refused, because it
// could be meant as "nothing" just as well as "no limit".
const noLimit = "none"

// The patterns of sizes and times; the JSON Schema publishes them. The numbers of
// digits are such that no value overflows an int64.
const (
	sizePattern = `^([1-9][0-9]{0,8}(B|KB|KiB|MB|MiB|GB|GiB)|[1-9][0-9]{0,5}(TB|TiB)|none)$`
	timePattern = `^([1-9][0-9]{0,5}h|([1-9][0-9]{0,5}h)?[1-9][0-9]{0,5}m|([1-9][0-9]{0,5}h)?([1-9][0-9]{0,5}m)?[1-9][0-9]{0,7}s|none)$`
)

// parseSize reads a size as sizePattern has it.
func parseSize(text string) (int64, bool) {
	if text == noLimit {
		return 0, true
	}
	digits := leadingDigits(text)
	most, unit := 9, int64(0)
	switch text[digits:] {
	case "B":
		unit = 1
	case "KB":
		unit = 1e3
	case "KiB":
		unit = 1 << 10
	case "MB":
		unit = 1e6
	case "MiB":
		unit = 1 << 20
	case "GB":
		unit = 1e9
	case "GiB":
		unit = 1 << 30
	case "TB":
		most, unit = 6, 1e12
	case "TiB":
		most, unit = 6, 1<<40
	}
	if unit == 0 || digits == 0 || digits > most || text[0] == '0' {
		return 0, false
	}
	n, err := strconv.ParseInt(text[:digits], 10, 64)
	return n * unit, err == nil
}

// parseTime reads a time as timePattern has it, in seconds.
func parseTime(text string) (int64, bool) {
	if text == noLimit {
		return 0, true
	}
	var total int64
	for _, part := range [...]struct {
		unit    byte
		seconds int64
		most    int
	}{{'h', 3600, 6}, {'m', 60, 6}, {'s', 1, 8}} {
		digits := leadingDigits(text)
		if digits == len(text) || text[digits] != part.unit {
			continue
		}
		if digits == 0 || digits > part.most || text[0] == '0' {
			return 0, false
		}
		n, err := strconv.ParseInt(text[:digits], 10, 64)
		if err != nil {
			return 0, false
		}
		total += n * part.seconds
		text = text[digits+1:]
	}
	return total, text == "" && total > 0
}

func leadingDigits(text string) int {
	i := 0
	for i < len(text) && text[i] >= '0' && text[i] <= '9' {
		i++
	}
	return i
}

// formatSize prints bytes the way a person would write them in a policy.
func formatSize(n int64) string {
	if n == 0 {
		return noLimit
	}
	for _, unit := range [...]struct {
		size int64
		name string
	}{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n%unit.size == 0 {
			return strconv.FormatInt(n/unit.size, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

// formatTime prints seconds the way a person would write them in a policy.
func formatTime(n int64) string {
	if n == 0 {
		return noLimit
	}
	var b strings.Builder
	for _, part := range [...]struct {
		unit    byte
		seconds int64
	}{{'h', 3600}, {'m', 60}, {'s', 1}} {
		if count := n / part.seconds; count > 0 {
			b.WriteString(strconv.FormatInt(count, 10))
			b.WriteByte(part.unit)
			n %= part.seconds
		}
	}
	return b.String()
}

// maxNumber is the greatest number a limit may have: far above any machine, and
// exact in JSON, as is the number after it, where numbers are often doubles. maxSeconds is 126 years, which
// still fits an int64 as nanoseconds. Greater numbers are an error.
const (
	maxNumber  = 1 << 52
	maxSeconds = 4_000_000_000
)

// most is the greatest integer a key takes.
func (k *key) most() int64 {
	if k.kind == kindTime {
		return maxSeconds
	}
	return maxNumber
}

// setNumber stores an integer written without a unit.
func (e *entry) setNumber(n int64) (problem, hint string) {
	switch {
	case n == 0:
		return "0 is not a limit", `write "none" for no limit`
	case n < 0:
		return "a limit cannot be negative", `write "none" for no limit`
	case n > e.key.most():
		return "the number is too large", `write "none" for no limit`
	}
	e.num = n
	return "", ""
}

// setText stores a value of a scalar key written as a string.
func (e *entry) setText(text string) (problem, hint string) {
	e.text = text
	switch e.key.kind {
	case kindEnum:
		for _, word := range e.key.words {
			if word == text {
				return "", ""
			}
		}
		return strconv.Quote(text) + " is not one of " + strings.Join(e.key.words, ", "), ""
	case kindSize:
		n, ok := parseSize(text)
		if !ok {
			return strconv.Quote(text) + " is not a size", `write a whole number with a unit, such as "512MiB" or "4GiB", or "none"`
		}
		e.num = n
	case kindTime:
		n, ok := parseTime(text)
		if !ok {
			return strconv.Quote(text) + " is not a time", `write whole seconds or longer, such as "90s", "10m" or "1h30m", or "none"`
		}
		e.num = n
	case kindCount:
		if text != noLimit {
			return "expected a whole number, not a string", `write it without quotes, or "none" for no limit`
		}
		e.num = 0
	case kindBool:
		return "expected true or false, not a string", "write it without quotes"
	case kindProgram:
		return checkProgram(text)
	case kindText:
		if strings.IndexByte(text, 0) >= 0 {
			return "a NUL byte is not allowed", ""
		}
	}
	return "", ""
}

// setFlag stores a value of a scalar key written on the command line, where
// everything is text.
func (e *entry) setFlag(text string) (problem, hint string) {
	switch e.key.kind {
	case kindBool:
		switch text {
		case "true":
			e.num = 1
			return "", ""
		case "false":
			return "", ""
		}
		return strconv.Quote(text) + " is not true or false", ""
	case kindCount, kindSize, kindTime:
		if text != "" && leadingDigits(text) == len(text) {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				n = math.MaxInt64
			}
			return e.setNumber(n)
		}
	}
	if e.key.kind == kindCount && text != noLimit {
		return strconv.Quote(text) + " is not a whole number", `"none" means no limit`
	}
	return e.setText(text)
}
