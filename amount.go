package bailey

import (
	"strconv"
	"time"
)

// Amount prints the limit's value for people: "90s", "64 MiB".
func (e *LimitError) Amount() string {
	switch e.Unit {
	case "ns":
		return time.Duration(e.Value).String()
	case "count":
		return strconv.FormatInt(e.Value, 10)
	}
	v, unit := e.Value, 0
	units := [...]string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	for v >= 1024 && v%1024 == 0 && unit < len(units)-1 {
		v, unit = v/1024, unit+1
	}
	return strconv.FormatInt(v, 10) + " " + units[unit]
}
