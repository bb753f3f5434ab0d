package hostname

import (
	_ "embed"
	"strings"
)

//go:generate go run gen.go

// suffixes has one rule of the public suffix list a line; "+" marks those that
// companies registered for what their customers put there. It is searched as text:
// a few microseconds, and only where policies are checked.
//
//go:embed suffix.txt
var suffixes string

// publicSuffix says whether hosts below name belong to different people, and
// whether name is in the part for customers of a company.
func publicSuffix(name string) (public, rented bool) {
	if in, _ := listed("!" + name); in {
		return false, false
	}
	if in, rented := listed(name); in {
		return true, rented
	}
	if in, rented := listed("*." + name); in {
		return true, rented // every name right below is a suffix
	}
	_, parent, found := strings.Cut(name, ".")
	if !found {
		return true, false // a top-level domain that the list does not know
	}
	return listed("*." + parent)
}

func listed(rule string) (in, rented bool) {
	if strings.Contains(suffixes, "\n"+rule+"\n") {
		return true, false
	}
	in = strings.Contains(suffixes, "\n"+rule+"+\n")
	return in, in
}

// rentedBelow finds a suffix for customers below name.
func rentedBelow(name string) string {
	i := strings.Index(suffixes, "."+name+"+\n")
	if i < 0 {
		return ""
	}
	start := strings.LastIndexByte(suffixes[:i], '\n') + 1
	return strings.TrimPrefix(suffixes[start:i], "*.") + "." + name
}

// shared are hosts where anyone with an account can put data, and that are one
// host for everybody, so that the public suffix list does not have them. A list
// like this is never complete: it is advice for lint.
const shared = ` api.anonfiles.com api.dropboxapi.com api.github.com api.gitlab.com api.notion.com api.telegram.org bitbucket.org
 codeberg.org content.dropboxapi.com discord.com discordapp.com docs.google.com drive.google.com dropbox.com dpaste.com file.io forms.gle
 gist.github.com gist.githubusercontent.com github.com gitlab.com graph.microsoft.com hastebin.com hooks.slack.com huggingface.co ix.io
 mega.nz onedrive.live.com paste.rs pastebin.com ptpb.pw raw.githubusercontent.com registry.npmjs.org requestbin.com s3.amazonaws.com sheets.googleapis.com
 slack.com storage.cloud.google.com storage.googleapis.com sprunge.us termbin.com transfer.sh upload.pypi.org uploads.github.com webhook.site www.dropbox.com
 www.googleapis.com 0x0.st catbox.moe `

func isShared(name string) bool {
	for h := range strings.FieldsSeq(shared) {
		if h == name {
			return true
		}
	}
	return false
}

// sharedBelow finds a host of shared at or below name.
func sharedBelow(name string) string {
	for h := range strings.FieldsSeq(shared) {
		if h == name || strings.HasSuffix(h, "."+name) {
			return h
		}
	}
	return ""
}
