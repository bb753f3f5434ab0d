package policy

// keys is the table of every key a policy file may hold. Order is the order of
// the printed policy, the schema and the hash.
var keys = [...]key{
	{name: "extends", kind: kindProfiles,
		doc: "Built-in profiles to apply, beside the ones the project's files switch on."},
	{name: "mode", kind: kindEnum, words: []string{"read-only", "workspace-write", "danger-full-access"},
		doc: "What a box may change."},
	{name: "approval", kind: kindEnum, words: []string{"untrusted", "on-request", "on-failure", "never"},
		doc: "When a person is asked."},
	{name: "min-tier", kind: kindEnum, words: []string{"full", "landlock", "container", "vm", "none"},
		doc: "The weakest enforcement that may be used; below it nothing starts."},
	{name: "accept", kind: kindWalls,
		doc: "Walls that may be missing: without being named here, one that is asked for and not achieved stops the start."},

	{name: "files.read", kind: kindPaths,
		doc: "Paths that are visible, read-only, with programs in them executable."},
	{name: "files.write", kind: kindPaths,
		doc: "Paths that are writable, beside the workspace."},
	{name: "files.deny", kind: kindGlobs, tightens: true,
		doc: "Paths and patterns that are hidden, whatever else says."},
	{name: "files.protect", kind: kindGlobs, tightens: true,
		doc: "Names that no box may make or change below a writable root."},
	{name: "files.caches", kind: kindCaches,
		doc: "Package and build caches: readable, with writes kept in a layer of this project's own."},
	{name: "files.etc", kind: kindEtc,
		doc: "Entries of /etc that are visible."},
	{name: "files.system", kind: kindPaths,
		doc: "System directories that are visible, read-only."},
	{name: "files.missing", kind: kindEnum, words: []string{"error", "skip"},
		doc: "What a configured path that does not exist means."},
	{name: "files.nested-git", kind: kindEnum, words: []string{"deny", "hold"},
		doc: "Whether a repository may be made inside the workspace (git init, git clone)."},
	{name: "files.strict", kind: kindBool, strict: true,
		doc: "Landlock handles reads too, at about a microsecond for every open."},

	{name: "env.allow", kind: kindNames,
		doc: "Environment variables that pass into the box; * matches any run of characters."},
	{name: "env.deny", kind: kindNames, tightens: true,
		doc: "Environment variables that never pass."},
	{name: "env.set", kind: kindVars,
		doc: "Environment variables that are set in the box."},

	{name: "limits.memory", kind: kindSize, doc: "Memory of the whole box."},
	{name: "limits.pids", kind: kindCount, doc: "Processes and threads of the whole box."},
	{name: "limits.cpu", kind: kindTime, doc: "Processor time of one process."},
	{name: "limits.file-size", kind: kindSize, doc: "Size of one file."},
	{name: "limits.open-files", kind: kindCount, doc: "Open files of one process."},
	{name: "limits.scratch", kind: kindSize, doc: "Everything in the box's own /tmp, home and /dev/shm."},
	{name: "limits.timeout", kind: kindTime, doc: "Wall time of one command."},
	{name: "limits.output", kind: kindSize, doc: "Everything written to standard output and standard error."},
	{name: "limits.output-rate", kind: kindSize, doc: "Output in one second."},

	{name: "process.debug", kind: kindBool, strict: false,
		doc: "Debuggers work among the box's own processes (ptrace)."},

	{name: "network.default", kind: kindEnum, words: []string{"deny", "ask"},
		doc: "What a host that no rule names gets."},
	{name: "network.allow", kind: kindAllow,
		doc: "Hosts that the box may reach, by name and port, and for HTTP by method and path."},
	{name: "network.deny", kind: kindRefuse, tightens: true,
		doc: "Hosts, methods and paths that are refused, whatever else says."},
	{name: "network.localhost", kind: kindPorts,
		doc: "Ports of the host's loopback that the box may reach, as host.bailey.internal."},
	{name: "network.publish", kind: kindPorts,
		doc: "Ports that the box listens on and the host's loopback reaches."},
	{name: "network.hosts", kind: kindPins,
		doc: "Names with pinned addresses, private ones too."},
	{name: "network.resolver", kind: kindText, grants: true,
		doc: "Address and port of the name server that the gate asks, instead of the host's resolver."},
	{name: "network.upstream", kind: kindText, grants: true,
		doc: "The proxy that connections go through: env for the one of the host's environment, none, or http://HOST:PORT."},

	{name: "secrets", kind: kindSecrets,
		doc: "Secrets that the gate puts into requests to their hosts; the box sees placeholders."},
	{name: "permissions.deny", kind: kindRules, tightens: true,
		doc: "What is refused, whatever else says."},
	{name: "permissions.ask", kind: kindRules, tightens: true,
		doc: "What a person is asked about, unless it is refused."},
	{name: "permissions.allow", kind: kindRules,
		doc: "What passes without a question, unless it is refused or asked about."},
	{name: "permissions.delegate", kind: kindProgram,
		doc: "A program that answers in place of a person: JSON on standard input; exit 0 allows, 1 asks, everything else denies."},
	{name: "permissions.grants", kind: kindEnum, words: []string{"none", "keep"},
		doc: "Whether a person's answers are kept on disk, and count, beyond the session."},
	{name: "exceptions", kind: kindExceptions,
		doc: "Commands that may run outside the box when a person approves each session anew."},

	{name: "exec.supervise", kind: kindEnum, words: []string{"rules", "log", "off"},
		doc: "What is done with each program that is executed inside: held against the deny and ask rules and recorded, only recorded, or nothing."},

	{name: "profile.name", kind: kindText, place: inProfile, doc: "The profile's name."},
	{name: "profile.description", kind: kindText, place: inProfile, doc: "One sentence about the profile."},
	{name: "profile.detect", kind: kindTexts, place: inProfile,
		doc: "File names in the workspace root that switch the profile on; globs allowed."},

	{name: "managed.lock", kind: kindKeys, place: inManaged,
		doc: "Keys that no other layer may use."},

	{name: "agent.description", kind: kindText, place: inPreset, doc: "One line about the agent."},
	{name: "agent.keep", kind: kindTexts, place: inPreset,
		doc: "Directories below HOME that are the agent's own and kept for this project."},
	{name: "agent.copy", kind: kindTexts, place: inPreset,
		doc: "Files of the person that are copied into them at each start: FILE [as=FILE] [fields=FIELD,…] [once]."},
	{name: "agent.set", kind: kindTexts, place: inPreset,
		doc: "Fields of JSON files in them that are set at each start: FILE FIELD=VALUE."},
	{name: "agent.auth", kind: kindTexts, place: inPreset,
		doc: "Files with credentials, of which the box sees some fields and placeholders: FILE [fields=FIELD,…] [unsigned=FIELD,…] [FIELD=VALUE …]."},
	{name: "agent.answer", kind: kindTexts, place: inPreset,
		doc: "Questions about keys that the agent need not ask again: FILE secret=NAME last=COUNT yes=FIELD no=FIELD [of=FILE]."},
	{name: "agent.args", kind: kindTexts, place: inPreset, doc: "Arguments that are put before the person's own."},
	{name: "agent.base-url", kind: kindTexts, place: inPreset,
		doc: "Variables that move a model's address, when the person has set them: NAME HOST."},
	{name: "agent.note", kind: kindTexts, place: inPreset, doc: "What is said when it starts."},
}

// sectionDocs describes the tables for people who write them in an editor.
func sectionDoc(section string) string {
	switch section {
	case "files":
		return "The file wall."
	case "env":
		return "The environment wall: an allow list."
	case "limits":
		return "What a box may spend. \"none\" lifts a limit."
	case "network":
		return "The network gate. Without a grant there is no network."
	case "exec":
		return "Programs that are executed inside, however deep. A guardrail."
	case "process":
		return "What processes inside may do to each other."
	case "exceptions":
		return "Commands outside the box. Without an entry there is none; each is asked about apart from every rule."
	case "permissions":
		return "What a command, a file, an address or a tool is answered with: allow, ask or deny. Guardrails in front of the walls; an allow lifts none."
	}
	return ""
}

// lockable are the keys that managed.lock may name: the ones that grant.
func lockable(k *key) bool {
	return (k.kind.list() && !k.tightens || k.kind == kindProgram) && k.place == anywhere
}
