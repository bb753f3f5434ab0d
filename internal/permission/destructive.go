package permission

import "github.com/bailey-run/bailey/internal/policy"

// builtinFile is where the built-in rules say they come from.
const builtinFile = "builtin:destructive"

// destructiveRules are commands that destroy what cannot be brought back, or reach
// what others use. They are always asked about; no rule takes that back.
var destructiveRules = [...]struct{ rule, reason string }{
	{"Bash(rm -r *)", "it deletes whole directories"},
	{"Bash(shred *)", "it destroys the content of files"},
	{"Bash(wipefs *)", "it destroys a file system"},
	{"Bash(mkfs *)", "it destroys a file system"},
	{"Bash(mkfs.*)", "it destroys a file system"},
	{"Bash(mkswap *)", "it destroys a file system"},
	{"Bash(fdisk *)", "it changes partitions"},
	{"Bash(sfdisk *)", "it changes partitions"},
	{"Bash(parted *)", "it changes partitions"},
	{"Bash(blkdiscard *)", "it destroys a disk"},
	{"Bash(dd *of=*)", "it overwrites a file or a disk"},
	{"Bash(find *-delete*)", "it deletes what it finds"},
	{"Bash(git reset --hard *)", "it throws changes away"},
	{"Bash(git clean -f *)", "it deletes files that git does not know"},
	{"Bash(git checkout -f *)", "it throws changes away"},
	{"Bash(git checkout -- *)", "it throws changes away"},
	{"Bash(git checkout .)", "it throws changes away"},
	{"Bash(git restore *)", "it throws changes away"}, // but see onlyStaged
	{"Bash(git switch -f *)", "it throws changes away"},
	{"Bash(git push --force *)", "it overwrites the history of others"},
	{"Bash(git push --force-with-lease *)", "it overwrites the history of others"},
	{"Bash(git push --mirror *)", "it overwrites the history of others"},
	{"Bash(git push --delete *)", "it deletes a branch of others"},
	{"Bash(git push * +*)", "it overwrites the history of others"},
	{"Bash(git push * ':'*)", "it deletes a branch of others"},
	{"Bash(git branch -D *)", "it deletes a branch with what is only in it"},
	{"Bash(git tag -d *)", "it deletes a tag"},
	{"Bash(git stash drop *)", "it throws changes away"},
	{"Bash(git stash clear *)", "it throws changes away"},
	{"Bash(git reflog expire *)", "it deletes the way back"},
	{"Bash(git reflog delete *)", "it deletes the way back"},
	{"Bash(git gc --prune *)", "it deletes the way back"},
	{"Bash(git prune *)", "it deletes the way back"},
	{"Bash(git filter-branch *)", "it rewrites history"},
	{"Bash(git filter-repo *)", "it rewrites history"},
	{"Bash(git update-ref -d *)", "it deletes a reference"},
	{"Bash(git worktree remove --force *)", "it throws changes away"},
	{"Bash(chmod -R *)", "it changes the rights of whole directories"},
	{"Bash(chown -R *)", "it changes the owner of whole directories"},
	{"Bash(kill -9 -1)", "it ends every process"},
	{"Bash(killall *)", "it ends processes by name"},
	{"Bash(pkill *)", "it ends processes by name"},
	{"Bash(shutdown *)", "it stops the machine"},
	{"Bash(reboot *)", "it stops the machine"},
	{"Bash(poweroff *)", "it stops the machine"},
	{"Bash(halt *)", "it stops the machine"},
	{"Bash(crontab -r *)", "it deletes all jobs"},
	{"Bash(userdel *)", "it deletes an account"},
	{"Bash(iptables -F *)", "it opens the firewall"},
	{"Bash(nft flush *)", "it opens the firewall"},
	{"Bash(docker system prune *)", "it deletes what others may use"},
	{"Bash(docker volume rm *)", "it deletes data"},
	{"Bash(docker volume prune *)", "it deletes data"},
	{"Bash(kubectl delete *)", "it deletes what runs in a cluster"},
	{"Bash(kubectl drain *)", "it stops what runs in a cluster"},
	{"Bash(helm uninstall *)", "it deletes what runs in a cluster"},
	{"Bash(terraform destroy *)", "it deletes infrastructure"},
	{"Bash(terraform apply *)", "it changes infrastructure"},
	{"Bash(tofu destroy *)", "it deletes infrastructure"},
	{"Bash(pulumi destroy *)", "it deletes infrastructure"},
	{"Bash(dropdb *)", "it deletes a database"},
	{"Bash(mysqladmin drop *)", "it deletes a database"},
	{"Bash(redis-cli * flushall)", "it deletes a database"},
	{"Bash(redis-cli flushall *)", "it deletes a database"},
	{"Bash(npm publish *)", "it publishes"},
	{"Bash(npm unpublish *)", "it takes back what others use"},
	{"Bash(pnpm publish *)", "it publishes"},
	{"Bash(yarn publish *)", "it publishes"},
	{"Bash(cargo publish *)", "it publishes"},
	{"Bash(cargo yank *)", "it takes back what others use"},
	{"Bash(gem push *)", "it publishes"},
	{"Bash(twine upload *)", "it publishes"},
	{"Bash(gh repo delete *)", "it deletes a repository"},
	{"Bash(gh release delete *)", "it takes back what others use"},
	{"Bash(aws s3 rm *)", "it deletes data"},
	{"Bash(aws s3 rb *)", "it deletes data"},
	{"Bash(gcloud * delete *)", "it deletes what others may use"},
	{"Bash(az * delete *)", "it deletes what others may use"},
}

// destructive are the built-in ask rules.
func destructive() []*rule {
	out := make([]*rule, len(destructiveRules))
	for i := range destructiveRules {
		r, err := parseRule(Ask, destructiveRules[i].rule, "", "")
		if err != nil {
			panic("permission: built-in rule " + destructiveRules[i].rule + ": " + err.Error()) // a test reads them all
		}
		r.reason = destructiveRules[i].reason
		if r.text == "Bash(git restore *)" {
			r.shell.not = onlyStaged
		}
		r.from = policy.Source{Layer: policy.LayerBuiltin, File: builtinFile}
		out[i] = r
	}
	return out
}

// Builtin lists the built-in rules, and the commands that only read as rules that
// allow them under approval = "untrusted".
func Builtin() []Listed {
	var out []Listed
	for _, r := range destructive() {
		out = append(out, Listed{r.list, r.text, r.from, r.reason})
	}
	from := policy.Source{Layer: policy.LayerBuiltin, File: "builtin:read-only"}
	for _, family := range [...][]program{textPrograms[:], filePrograms[:], systemPrograms[:], gitPrograms[:], buildPrograms[:]} {
		for i := range family {
			p := &family[i]
			if !p.safe {
				continue
			}
			reason := "it only reads"
			if p.bad != "" {
				reason += ", without " + p.bad
			}
			if p.look != nil {
				reason += ", and with arguments that run and change nothing"
			}
			for _, name := range splitNames(p.names) {
				out = append(out, Listed{Allow, "Bash(" + name + " *)", from, reason})
			}
		}
	}
	return out
}
