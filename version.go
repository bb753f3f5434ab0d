package bailey

import "runtime/debug"

// Version is the version of bailey that this program was built with: the module's
// version, or the commit, or "devel".
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	module := info.Main
	for _, dep := range info.Deps {
		if dep.Path == modulePath {
			module = *dep
		}
	}
	if module.Version != "" && module.Version != "(devel)" {
		return module.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && module.Path == modulePath && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}

const modulePath = "github.com/bailey-run/bailey"
