package permission

import "testing"

// TestOtherNames: what a program does is held by all the names that it has for it.
func TestOtherNames(t *testing.T) {
	s := rules(t, `approval on-request
		deny Bash(docker run --privileged *)
		deny Bash(docker image rm *)
		deny Bash(podman container *)
		deny Bash(npm install *)
		deny Bash(kubectl get secrets *)
		deny Bash(git add *)
		deny Bash(cargo build)
		deny Bash(gh pr create *)`)
	want(t, s, `
		deny docker run --privileged x
		deny docker container run --privileged x
		deny docker -H tcp://h container run -it --privileged x
		deny env X=1 docker container run --privileged x
		allow docker container run x
		allow docker container ls
		deny docker rmi x
		deny docker image rm x
		deny docker image remove -f x
		allow docker image ls
		deny podman run x
		deny podman container ls
		allow podman image ls
		deny npm i left-pad
		deny npm isntall left-pad
		deny npm add left-pad
		deny npm --prefix x insta left-pad
		allow npm run install
		allow npm ls
		deny kubectl get secret x
		deny kubectl -n a get secret/x
		deny kubectl get -o yaml secrets/x
		allow kubectl get po
		deny git stage .
		deny git -C x stage .
		deny cargo b
		deny cargo build
		allow cargo check
		deny gh pr new --fill
		ask npm publ
		ask npm pub --tag x
		ask npm unpub x
		ask docker volume remove x
		ask helm delete x
		ask helm -n a un x
		ask pulumi down
		ask yarn npm publish
		ask gem pus x.gem
	`)
}

// TestRestore: what git restore does to the index alone throws no file away.
func TestRestore(t *testing.T) {
	want(t, rules(t, "approval on-request"), `
		allow git restore --staged f
		allow git restore -S -- f
		allow git restore -q --staged .
		allow git -C web restore --staged f
		ask git restore f
		ask git restore --staged --worktree f
		ask git restore -SW f
		ask git restore -S -W f
		ask git restore --staged --work f
		ask git restore --staged --source=HEAD~3 f
		ask git restore -s -S f
		ask git restore -- --staged
		ask git restore $x --staged f
		ask git restore --staged f $x
		ask git restore --staged f; git restore f
	`)
	want(t, rules(t, "approval on-request\ndeny Bash(git restore *)"), `deny git restore --staged f`)
}
