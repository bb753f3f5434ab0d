package policy

// Layer is where a policy value came from. Higher layers win; any layer may deny.
type Layer string

// The layers, lowest first.
const (
	LayerBuiltin Layer = "builtin" // profiles compiled into bailey
	LayerUser    Layer = "user"    // ~/.config/bailey/config.toml
	LayerProject Layer = "project" // bailey.toml, tighten only until trusted
	LayerLocal   Layer = "local"   // .bailey/local.toml
	LayerFlag    Layer = "flag"    // the command line, or the library's caller
	LayerManaged Layer = "managed" // /etc/bailey/managed.toml and managed.d
)

// Source says which layer, file and line a value came from.
type Source struct {
	Layer  Layer  `json:"layer"`
	File   string `json:"file,omitempty"` // a path, "profile:NAME", or "--flag"
	Line   int    `json:"line,omitempty"` // 1-based; 0 where there are no lines
	Column int    `json:"column,omitempty"`
}

// Value is a setting that knows its source. Set tells "unset" from "empty".
type Value[T any] struct {
	V    T      `json:"value"`
	Set  bool   `json:"set"`
	From Source `json:"from"`
}

// Mode says what a box may change.
type Mode string

// The modes.
const (
	ReadOnly         Mode = "read-only"
	WorkspaceWrite   Mode = "workspace-write"
	DangerFullAccess Mode = "danger-full-access"
)

// Approval says when a person is asked. It is separate from Mode.
type Approval string

// The approval policies.
const (
	Untrusted Approval = "untrusted"
	OnRequest Approval = "on-request"
	OnFailure Approval = "on-failure"
	Never     Approval = "never"
)

// Tier is what the kernel really enforces for a box.
type Tier string

// The tiers, strongest first.
const (
	TierFull      Tier = "full"
	TierLandlock  Tier = "landlock"
	TierContainer Tier = "container"
	TierVM        Tier = "vm"
	TierNone      Tier = "none"
)
