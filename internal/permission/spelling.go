package permission

import "strings"

// spellings are further names of what a program does. In each group, between bars, all
// mean the same; a star stands for any word.
type spellings struct {
	names  string
	short  bool // it takes the beginning of a name for the name
	slash  bool // TYPE/NAME in one word is TYPE NAME
	groups []string
}

var allSpellings = [...]spellings{
	{names: "docker,podman", groups: []string{
		"attach|container attach", "commit|container commit", "cp|container cp", "create|container create", "diff|container diff", "exec|container exec",
		"export|container export", "kill|container kill", "logs|container logs", "ps|container ls|container list|container ps", "pause|container pause",
		"port|container port", "rename|container rename", "restart|container restart", "rm|container rm|container remove", "run|container run",
		"start|container start", "stats|container stats", "stop|container stop", "top|container top", "unpause|container unpause", "update|container update", "wait|container wait",
		"build|image build|buildx build|buildx b|builder build", "history|image history", "import|image import", "load|image load", "images|image ls|image list",
		"pull|image pull", "push|image push", "save|image save", "tag|image tag", "rmi|image rm|image remove", "events|system events", "info|system info",
		"volume rm|volume remove", "volume ls|volume list", "network rm|network remove", "network ls|network list",
	}},
	{names: "kubectl", slash: true, groups: []string{
		"* pods|* pod|* po", "* services|* service|* svc", "* deployments|* deployment|* deploy", "* namespaces|* namespace|* ns", "* nodes|* node|* no",
		"* configmaps|* configmap|* cm", "* secrets|* secret", "* persistentvolumeclaims|* persistentvolumeclaim|* pvc", "* persistentvolumes|* persistentvolume|* pv",
		"* statefulsets|* statefulset|* sts", "* daemonsets|* daemonset|* ds", "* replicasets|* replicaset|* rs", "* ingresses|* ingress|* ing", "* jobs|* job",
		"* cronjobs|* cronjob|* cj", "* serviceaccounts|* serviceaccount|* sa", "* customresourcedefinitions|* customresourcedefinition|* crds|* crd",
	}},
	{names: "helm", groups: []string{"uninstall|delete|del|un", "list|ls", "dependency|dependencies|dep"}},
	{names: "pulumi", groups: []string{"destroy|down|dn", "up|update"}},
	{names: "npm", short: true, groups: []string{
		"publish", "unpublish", "deprecate", "run|run-script|rum|urn", "install|add|i|in|ins|inst|insta|instal|isnt|isnta|isntal|isntall", "exec|x",
		"uninstall|unlink|remove|rm|r|un", "update|up|upgrade|udpate", "ci|clean-install|ic|install-clean|isntall-clean", "test|t|tst", "link|ln",
		"install-test|it", "install-ci-test|cit|clean-install-test|sit", "login|adduser|add-user", "view|v|info|show", "list|ls|ll|la",
		"search|s|se|find", "dist-tag|dist-tags", "rebuild|rb", "init|create|innit", "owner|author", "version|verison", "config|c", "token", "access", "pack",
	}},
	{names: "pnpm", groups: []string{"install|i", "remove|rm|uninstall|un|uni", "run|run-script", "update|up|upgrade", "test|t", "list|ls", "link|ln"}},
	{names: "yarn", groups: []string{"publish|npm publish"}},
	{names: "cargo", groups: []string{"build|b", "run|r", "test|t", "check|c", "doc|d", "remove|rm"}},
	{names: "gem", short: true, groups: []string{"push", "yank", "install|i", "uninstall", "update", "owner", "signin", "build"}},
	{names: "gh", groups: []string{"pr create|pr new", "issue create|issue new", "release create|release new", "repo create|repo new"}},
	{names: "git", groups: []string{"add|stage", "remote rm|remote remove"}},
	{names: "brew", groups: []string{"uninstall|remove|rm", "list|ls"}},
}

// others are the further spellings of a command.
func (c *command) others() []*command {
	if c.respelled {
		return c.other
	}
	c.respelled = true
	name := c.name()
	for i := range allSpellings {
		if s := &allSpellings[i]; name != "" && among(s.names, name) {
			c.find()
			c.other = s.of(c.whole, c.words)
		}
	}
	return c.other
}

// of are the other spellings of the words of a command of the program p.
func (s *spellings) of(p *program, words []word) []*command {
	first := subcommand(p, words)
	if first == 0 {
		return nil
	}
	at := []int{first}
	if n := subcommand(p, words[first:]); n > 0 {
		at = append(at, first+n)
	}
	var out []*command
	become := func(texts ...string) {
		w := append([]word(nil), words[:first]...)
		for _, text := range texts {
			w = append(w, static(text))
		}
		for i := first; i < len(words); i++ {
			if i != first && (len(at) < 2 || i != at[1]) {
				w = append(w, words[i])
			}
		}
		out = append(out, &command{words: w})
	}
	have := []string{words[first].alts[0]}
	rest := "" // NAME of TYPE/NAME
	if len(at) > 1 {
		second := words[at[1]].alts[0]
		if kind, name, ok := strings.Cut(second, "/"); ok && s.slash {
			second, rest = kind, name
			become(have[0], second, rest)
		}
		have = append(have, second)
	}
	known := s.known(have[0])
	for _, group := range s.groups {
		all := strings.Split(group, "|")
		for _, one := range all {
			parts := strings.Fields(one)
			if !s.means(parts, have, known) {
				continue
			}
			for _, text := range all {
				if text == one && known {
					continue
				}
				texts := strings.Fields(text)
				if texts[0] == "*" {
					texts[0] = have[0]
				}
				texts = append(texts, have[len(parts):]...)
				if rest != "" {
					texts = append(texts, rest)
				}
				become(texts...)
			}
			break
		}
	}
	return out
}

// known reports whether a word is a whole name of a group.
func (s *spellings) known(text string) bool {
	if !s.short {
		return true
	}
	for _, group := range s.groups {
		for one := range strings.SplitSeq(group, "|") {
			if one == text {
				return true
			}
		}
	}
	return false
}

// means reports whether a command's first words are those of a spelling, or begin it.
func (s *spellings) means(parts, have []string, known bool) bool {
	if len(have) < len(parts) {
		return false
	}
	for i, part := range parts {
		if part != "*" && part != have[i] && !(s.short && !known && have[i] != "" && strings.HasPrefix(part, have[i])) {
			return false
		}
	}
	return true
}

// onlyStaged reports whether git restore changes the index alone: the files stay as
// they are.
func onlyStaged(c *command) bool {
	c.find()
	staged := false
	for _, w := range c.args {
		switch text := w.alts[0]; {
		case !w.exact:
			return false // it may become --worktree
		case text == "--":
			return staged
		case text == "--staged" || text == "-S":
			staged = true
		case isOption(text) && !listed("-q --quiet --progress --no-progress", text):
			return false
		}
	}
	return staged
}
